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
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Wake wake;
    const MonoTime deadline = mono_now() + milliseconds(1000);
    if (::write(ready[1], "", 1) != 1) ::_exit(2);
    const MonoTime until = wake.wait_awake(deadline);
    ::_exit(until > mono_now() ? 0 : 1);
  }
  pollfd has_begun{.fd = ready[0], .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&has_begun, 1, 10'000), 1);
  const MonoTime give_up = mono_now() + std::chrono::seconds(10);
  while (state_of(child) != 'S' && mono_now() < give_up) {
  }
  ::kill(child, SIGSTOP);
  ::poll(nullptr, 0, 1800);  // the pause itself
  ::kill(child, SIGCONT);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(WakeTest, WhoIsLateByItsOwnWorkDidNotPause) {
  const MonoTime due = mono_now();
  const auto pause = [due](int late, int worked) {
    return pause_before(due, due + milliseconds(late), milliseconds(worked));
  };
  EXPECT_EQ(pause(4000, 500), milliseconds(4000)) << "it had worked before";
  EXPECT_EQ(pause(499, 0), milliseconds(0));
  EXPECT_EQ(pause(4000, 2001), milliseconds(0));
  EXPECT_EQ(pause(-100, 0), milliseconds(0));
}

}  // namespace
}  // namespace broadcast
