#include "host/base/wake.hpp"

#include <csignal>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace broadcast {
namespace {

using std::chrono::milliseconds;

TEST(WakeTest, ADeadlineThatCameIsTheOneThatHolds) {
  Wake wake;
  const MonoTime until = mono_now();
  EXPECT_EQ(wake.wait_awake(until), until);
  wake.set();
  const MonoTime later = mono_now() + std::chrono::hours(1);
  EXPECT_EQ(wake.wait_awake(later), later);
}

/// 'S': it sleeps.
char state_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  return text.at(text.rfind(')') + 2);
}

TEST(WakeTest, ADeadlineThatWasSleptThroughLeavesAsMuchTimeAsThereWas) {
  EXPECT_FALSE(was_slept_through(MonoTime::max(), mono_now()));
  const MonoTime begun = mono_now();
  const pid_t child = ::fork();
  if (child == 0) {
    Wake wake;
    const MonoTime until = wake.wait_awake(begun + milliseconds(1000));
    ::_exit(until > mono_now() ? 0 : 1);
  }
  while (state_of(child) != 'S') {
  }
  ::kill(child, SIGSTOP);
  ::poll(nullptr, 0, 1800);  // the pause itself
  ::kill(child, SIGCONT);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace broadcast
