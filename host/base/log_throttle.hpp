#pragma once
// Whether to write a line about something again: once a minute for each name. Names may be
// producers' choice, so the table is bounded; those that find no place share one. Time is an
// argument; its owner's thread.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/clock.hpp"

namespace broadcast {

class LogThrottle {
 public:
  static constexpr std::chrono::minutes kEvery{1};
  static constexpr std::size_t kNames = 256;
  static constexpr std::size_t kNameBytes = 256;  ///< of a longer one the rest is not kept

  struct Line {
    std::string name;             ///< or "others"
    std::uint64_t kept_back = 0;  ///< since the line before
    /// What the line ends with: "", or how many there were meanwhile.
    [[nodiscard]] std::string more() const {
      return kept_back == 0 ? ""
                            : "; and " + std::to_string(kept_back) + " more since the last line";
    }
    /// A line of its own, where nothing new came after those that were kept back.
    [[nodiscard]] std::string rest() const {
      return name + ": " + std::to_string(kept_back) + " more since the last line";
    }
  };
  /// The line to write about `name`, or nothing: it was said less than a minute ago.
  [[nodiscard]] std::optional<Line> line(std::string_view name, MonoTime now) {
    name = name.substr(0, kNameBytes);
    std::erase_if(said_, [&](const auto& entry) { return now - entry.second.at >= kForget; });
    auto found = said_.find(name);
    if (found == said_.end() && said_.size() >= kNames) found = said_.find(kOthers);
    if (found == said_.end()) {
      const std::string_view known = said_.size() >= kNames ? kOthers : name;
      said_.emplace(known, Said{now, 0});
      return Line{std::string(known), 0};
    }
    Said& said = found->second;
    if (now - said.at < kEvery) {
      ++said.kept_back;
      return std::nullopt;
    }
    const std::uint64_t kept_back = said.kept_back;
    said = {now, 0};
    return Line{found->first, kept_back};
  }
  /// What was kept back for a minute, so that the end of a burst is told as well; each such name
  /// counts as said again.
  [[nodiscard]] std::vector<Line> due(MonoTime now) {
    std::vector<Line> lines;
    for (auto& [name, said] : said_) {
      if (said.kept_back == 0 || now - said.at < kEvery) continue;
      lines.push_back({name, said.kept_back});
      said = {now, 0};
    }
    return lines;
  }

 private:
  static constexpr std::chrono::minutes kForget{10};
  static constexpr std::string_view kOthers = "others";
  struct Said {
    MonoTime at;
    std::uint64_t kept_back;
  };
  std::map<std::string, Said, std::less<>> said_;
};

}  // namespace broadcast
