#pragma once
// A process of its own for what runs a plugin's code: this program again, with the command line of
// one step. It tells what it is about to do and what it found, a line each; when it dies, the last
// line says where. [any]

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace broadcast {

/// The child's side: lines to its parent.
class ChildReport {
 public:
  explicit ChildReport(int descriptor) : descriptor_(descriptor) {}
  /// "cycle 3: START": what comes next.
  void about_to(std::string_view what) const;
  /// One finding, or anything else that its parent reads.
  void tell(std::string_view line) const;
  /// Everything was done. Ends the process, without destroying what a plugin may still use.
  [[noreturn]] void end() const;

 private:
  void write_line(std::string line) const;
  const int descriptor_;
};

struct ChildEnd {
  std::vector<std::string> lines;  ///< what it told
  /// Empty if it has ended by ChildReport::end(); otherwise how it ended: "killed by SIGSEGV",
  /// "gave no sign of life for 25s and was killed".
  std::string failure;
  std::string last_words;  ///< what it was about to do then
  std::string output;      ///< the beginning of what it wrote to its standard output and error
};

/// Whoever reads what a child tells and writes keeps no more than this of either.
inline constexpr std::size_t kMaxToldBytes = std::size_t{16} * 1024 * 1024;
inline constexpr std::size_t kMaxOutputBytes = std::size_t{64} * 1024;

struct ChildOptions {
  std::filesystem::path program = "/proc/self/exe";
  int input = -1;                     ///< what it has as standard input; -1: nothing
  std::chrono::milliseconds silence;  ///< so long without a line, and it is killed
  std::chrono::milliseconds limit = std::chrono::hours(24);  ///< for all of it
  std::size_t memory_bytes = 0;  ///< resident, and it is killed; 0: as much as there is
  /// Its standard output and error are read, into ChildEnd::output; else they are ours.
  bool is_output_taken = false;
  /// Processes that it has left, also those in a session of their own, are killed. REQUIRES: this
  /// process has no other children.
  bool are_orphans_killed = false;
  std::function<bool()> is_called_off =
      nullptr;  ///< asked 20 times a second: true, and it is killed
};

/// Runs it to its end. Its standard output goes to its standard error, other descriptors are
/// closed, and processes that it leaves in its process group are killed with it. `arguments` begin
/// with its name. Throws std::system_error if there is no process to be had.
[[nodiscard]] ChildEnd run_child(const std::vector<std::string>& arguments,
                                 const ChildOptions& options);

/// Processes whose parent this one is, those that have ended and wait for it left out.
[[nodiscard]] std::vector<pid_t> children_of_this_process();

/// The descriptor that a child tells on.
inline constexpr int kReportDescriptor = 3;

}  // namespace broadcast
