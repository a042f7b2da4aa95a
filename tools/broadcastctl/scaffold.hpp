#pragma once
// `plugin new`: a plugin that builds and passes its test at once, out of its name and its topic.
// plan_scaffold() is pure; write_scaffold() is the only one that touches files. [main]

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace broadcast {

struct ScaffoldFile {
  std::string name;
  std::string text;
};

/// Where what is published comes from. kOfTopic: of "signal:x" from scanners, of any other topic
/// from a source that is polled. kPosts: from producers, of whatever shape.
enum class Origin : std::uint8_t { kOfTopic, kPosts };

/// Of kOfTopic, a SignalBroadcaster or a Broadcaster that polls what is subscribed to; of kPosts, a
/// Broadcaster that takes posts. Throws CannotRun for a name or topic that no plugin can have.
[[nodiscard]] std::vector<ScaffoldFile> plan_scaffold(const std::string& name,
                                                      const std::string& topic,
                                                      Origin origin = Origin::kOfTopic);

/// Throws CannotRun, having written nothing, if one of the files is there already.
void write_scaffold(const std::filesystem::path& directory, const std::vector<ScaffoldFile>& files);

}  // namespace broadcast
