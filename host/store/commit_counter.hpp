#pragma once
// How many commits a state file has seen, in a small file beside it: `<path>.commits`. It is not
// synced with each commit, so after a power failure it may lag behind; if it is ahead, commits are
// missing from the state file. It also says which file it is about, so that a copy put back is
// seen. [main] at start, [store] then.

#include <cstdint>
#include <optional>
#include <string>

namespace broadcast {

/// Which file a path names. A copy has another one, and so has whatever is renamed over it.
struct FileIdentity {
  std::uint64_t inode = 0;
  std::int64_t born_ns = 0;  ///< since 1970 UTC; 0 where the file system does not know
  bool operator==(const FileIdentity&) const = default;
};
/// Nothing: no such file.
[[nodiscard]] std::optional<FileIdentity> identity_of(const std::string& path);

struct CommitCount {
  FileIdentity file;
  std::int64_t commits = 0;
};
/// Nothing: it is not there, or cannot be read.
[[nodiscard]] std::optional<CommitCount> read_commit_counter(const std::string& path);
/// Nothing is synced. False: it cannot be written.
bool write_commit_counter(const std::string& path, const CommitCount& count);
/// Returns once the disk has it, and its name. Throws std::runtime_error.
void sync_commit_counter(const std::string& path, const CommitCount& count);
/// What was renamed in the directory of `path` is there after a power failure. False: the disk
/// fails.
bool sync_directory_of(const std::string& path);
void remove_commit_counter(const std::string& path);

/// Why the state file, of which `found` was read, is older than what clients were given; empty: it
/// is not. `counter` is what stands beside it.
[[nodiscard]] std::string why_older(const std::optional<CommitCount>& counter,
                                    const CommitCount& found);

}  // namespace broadcast
