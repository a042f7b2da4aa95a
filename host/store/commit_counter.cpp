#include "host/store/commit_counter.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace broadcast {

namespace {

std::string name_of(const std::string& path) { return path + ".commits"; }

/// Always of one length, so that it is overwritten in place.
std::string text_of(const CommitCount& count) {
  return fmt::format("{:020} {:020} {:020}\n", count.commits, count.file.inode, count.file.born_ns);
}

bool write_to(int file, const CommitCount& count) {
  const std::string text = text_of(count);
  return ::pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

int open_counter(const std::string& path) {
  return ::open(name_of(path).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

}  // namespace

std::optional<FileIdentity> identity_of(const std::string& path) {
  struct statx found {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &found) != 0) return std::nullopt;
  constexpr std::int64_t kSecond = 1'000'000'000;
  const bool has_birth = (found.stx_mask & STATX_BTIME) != 0;
  return FileIdentity{
      .inode = found.stx_ino,
      .born_ns = has_birth ? found.stx_btime.tv_sec * kSecond + found.stx_btime.tv_nsec : 0};
}

std::optional<CommitCount> read_commit_counter(const std::string& path) {
  std::ifstream file(name_of(path));
  CommitCount count;
  file >> count.commits >> count.file.inode >> count.file.born_ns;
  return file ? std::optional(count) : std::nullopt;
}

bool write_commit_counter(const std::string& path, const CommitCount& count) {
  const int file = open_counter(path);  // anew, because somebody may have removed it
  if (file < 0) return false;
  const bool is_written = write_to(file, count);
  return ::close(file) == 0 && is_written;
}

void sync_commit_counter(const std::string& path, const CommitCount& count) {
  const int file = open_counter(path);
  bool is_synced = file >= 0 && write_to(file, count) && ::fsync(file) == 0;
  is_synced = is_synced && sync_directory_of(path);
  const int error = errno;
  if (file >= 0) ::close(file);
  if (is_synced) return;
  throw std::runtime_error(name_of(path) +
                           " cannot be written: " + std::generic_category().message(error));
}

bool sync_directory_of(const std::string& path) {
  const std::string parent = std::filesystem::absolute(path).parent_path();
  const int directory = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return false;
  const bool is_synced = ::fsync(directory) == 0;
  ::close(directory);
  return is_synced;
}

void remove_commit_counter(const std::string& path) { ::unlink(name_of(path).c_str()); }

std::string why_older(const std::optional<CommitCount>& counter, const CommitCount& found) {
  // Without a commit it may be new, or from before there was a counter.
  if (!counter) return found.commits == 0 ? "" : "its commit counter is missing";
  if (counter->commits > found.commits) {
    return fmt::format("missing commits: {}", counter->commits - found.commits);
  }
  if (counter->file != found.file) return "another file was here, so this is a copy";
  return "";
}

}  // namespace broadcast
