#include "host/base/crash_marker.hpp"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/base/last_words.hpp"
#include "tests/unit/base/captured_log.hpp"

namespace broadcast {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kBuild = 7;

bool is_end_by_fault(int status) { return WIFSIGNALED(status) || WEXITSTATUS(status) != 0; }

class CrashMarkerTest : public testing::Test {
 protected:
  ~CrashMarkerTest() override { std::filesystem::remove(path_); }

  /// A life of a host, which ends by `end`; not in order, unless it does that.
  void live(const std::function<void(CrashMarker&)>& end) const {
    const pid_t child = ::fork();
    if (child == 0) {
      tell_last_words(LogFormat::kText);
      CrashMarker marker(path_);
      end(marker);
      ::_exit(1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(is_end_by_fault(status));
  }
  void crash_in(Callback callback, const std::string& entry = "", int signal = SIGABRT) const {
    live([&](CrashMarker& marker) {
      CallbackPlace place(&marker, "price", 3, kBuild);
      if (!entry.empty()) place.set_entry("s", entry);
      const CallbackMark mark(place, callback);
      std::raise(signal);
    });
  }
  [[nodiscard]] std::uint32_t starts(std::uint64_t build = kBuild) const {
    return CrashMarker(path_).ends_in_start("price", build).count;
  }
  [[nodiscard]] std::uint32_t entries(const std::string& id) const {
    return CrashMarker(path_).ends_in_entry("s", id).count;
  }
  [[nodiscard]] std::string bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

  const std::string path_ =
      testing::TempDir() + "marker-" + std::to_string(::getpid()) + ".running";
};

TEST_F(CrashMarkerTest, CountsTheStartsThatEndedTheProcess) {
  for (const Callback callback : {Callback::kLoad, Callback::kCreate, Callback::kStart}) {
    crash_in(callback);
  }
  const test::CapturedLog log;
  const CrashMarker marker(path_);
  EXPECT_EQ(marker.ends_in_start("price", kBuild).count, CrashMarker::kMostEnds);
  EXPECT_EQ(marker.ends_in_start("price", kBuild).how, "SIGABRT in START");
  EXPECT_EQ(marker.ends_in_start("market", kBuild).count, 0u);
  EXPECT_THAT(log.text(),
              HasSubstr("error the last run of the host ended by SIGABRT in START of price "
                        "(generation 3): 3 of 3 in a row, then it is left out"));
}

TEST_F(CrashMarkerTest, AStartThatWentWellOrAnotherBuildBeginsAnew) {
  crash_in(Callback::kStart);
  EXPECT_EQ(starts(), 1u);
  EXPECT_EQ(starts(kBuild + 1), 0u);
  CrashMarker(path_).forget_starts("price");
  EXPECT_EQ(starts(), 0u);
  crash_in(Callback::kStart);
  EXPECT_EQ(starts(), 1u);
}

TEST_F(CrashMarkerTest, CountsTheStartsOfEachNameByItself) {
  const std::string longest(64, 'n');
  for (const std::string& name : {std::string("price"), longest, std::string("price")}) {
    live([&](CrashMarker& marker) {
      CallbackPlace place(&marker, name, 3, kBuild);
      const CallbackMark mark(place, Callback::kStart);
      std::raise(SIGABRT);
    });
  }
  const CrashMarker marker(path_);
  EXPECT_EQ(marker.ends_in_start("price", kBuild).count, 2u);
  EXPECT_EQ(marker.ends_in_start(longest, kBuild).count, 1u);
}

TEST_F(CrashMarkerTest, CountsNoEndOfAProcessThatWasForkedFromTheHost) {
  live([](CrashMarker& marker) {
    CallbackPlace place(&marker, "price", 3, kBuild);
    const CallbackMark mark(place, Callback::kStart);
    const pid_t child = ::fork();
    if (child == 0) std::abort();
    int status = 0;
    if (::waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) return;
    std::raise(SIGILL);
  });
  const CrashMarker marker(path_);
  EXPECT_EQ(marker.ends_in_start("price", kBuild).count, 1u);
  EXPECT_EQ(marker.ends_in_start("price", kBuild).how, "SIGILL in START");
}

TEST_F(CrashMarkerTest, CountsExitAndNamesIt) {
  live([](CrashMarker& marker) {
    std::thread([&] {
      const SignalStack signal_stack;
      CallbackPlace place(&marker, "price", 3, kBuild);
      const CallbackMark mark(place, Callback::kStart);
      std::exit(0);
    }).join();
  });
  const CrashMarker marker(path_);
  EXPECT_EQ(marker.ends_in_start("price", kBuild).count, 1u);
  EXPECT_EQ(marker.ends_in_start("price", kBuild).how, "exit() in START");
}

TEST_F(CrashMarkerTest, IsLookedAtWithoutBeingTouched) {
  EXPECT_EQ(look_at_crash_file(path_).refusal, "");
  EXPECT_FALSE(std::filesystem::exists(path_));
  const auto why = [&] {
    const CrashHistory history = look_at_crash_file(path_);
    EXPECT_EQ(history.refusal, "");
    return why_left_out(ends_in_start(history.counts, "price", kBuild));
  };
  for (int i = 0; i < 2; ++i) crash_in(Callback::kStart);
  EXPECT_EQ(why(), "");
  crash_in(Callback::kStart);
  const std::string before = bytes();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(why(),
              "left out: it has ended the host while starting 3 times in a row, the last time by "
              "SIGABRT in START");
  }
  EXPECT_EQ(bytes(), before);
}

TEST_F(CrashMarkerTest, SaysWhyItCannotBeLookedAt) {
  write("nonsense");
  EXPECT_EQ(look_at_crash_file(path_).refusal, "it is not a crash marker of this version");
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(look_at_crash_file(path_).refusal, "not a regular file");
}

TEST_F(CrashMarkerTest, CountsEachStreamEntryByItself) {
  for (const char* entry : {"5-0", "5-1", "5-0"}) crash_in(Callback::kMessage, entry);
  EXPECT_EQ(entries("5-0"), 2u);
  EXPECT_EQ(entries("5-1"), 1u);
  CrashMarker(path_).forget_entry("s", "5-0");
  EXPECT_EQ(entries("5-0"), 0u);
  EXPECT_EQ(entries("5-1"), 1u);
  EXPECT_EQ(CrashMarker(path_).ends_in_entry("other", "5-1").count, 0u);
}

TEST_F(CrashMarkerTest, AnEntryCountsInEveryCallbackUntilItIsSettled) {
  const auto crash_after = [&](Callback callback,
                               const std::function<void(CrashMarker&)>& between) {
    live([&](CrashMarker& marker) {
      CallbackPlace place(&marker, "price", 3, kBuild);
      place.set_entry("s", "5-0");
      { const CallbackMark mark(place, Callback::kMessage); }
      between(marker);
      const CallbackMark mark(place, callback);
      std::raise(SIGABRT);
    });
  };
  const auto nothing = [](CrashMarker&) {};
  for (const Callback callback : {Callback::kTimer, Callback::kStop, Callback::kDestroy}) {
    crash_after(callback, nothing);
  }
  const test::CapturedLog log;
  EXPECT_EQ(CrashMarker(path_).ends_in_entry("s", "5-0").how, "SIGABRT in destroy");
  EXPECT_THAT(log.text(),
              HasSubstr("SIGABRT in destroy of price (generation 3), after stream entry "
                        "5-0: 3 of 3, then it is refused"));
  crash_after(Callback::kDestroy, [](CrashMarker& marker) { marker.forget_entry("s", "5-0"); });
  EXPECT_EQ(entries("5-0"), 0u);
  crash_after(Callback::kDestroy, [](CrashMarker& marker) { marker.forget_entry("s", "5-1"); });
  EXPECT_EQ(entries("5-0"), 1u);
}

TEST_F(CrashMarkerTest, AnEntryIsNotThatOfTheNextMessageOrGeneration) {
  live([](CrashMarker& marker) {
    CallbackPlace place(&marker, "price", 3, kBuild);
    place.set_entry("s", "5-0");
    place.set_entry("", "");
    const CallbackMark mark(place, Callback::kMessage);
    std::raise(SIGABRT);
  });
  live([](CrashMarker& marker) {
    CallbackPlace(&marker, "price", 3, kBuild).set_entry("s", "5-0");
    CallbackPlace place(&marker, "price", 4, kBuild);
    const CallbackMark mark(place, Callback::kStop);
    std::raise(SIGABRT);
  });
  EXPECT_TRUE(read_crash_file(bytes(), "", {}).counts.empty());
}

TEST_F(CrashMarkerTest, ForgetsTheOldestWhereThereIsNoRoom) {
  for (int i = 0; i < 33; ++i) crash_in(Callback::kMessage, std::to_string(i) + "-0");
  EXPECT_EQ(entries("0-0"), 0u);
  EXPECT_EQ(entries("1-0"), 1u);
  EXPECT_EQ(entries("32-0"), 1u);
}

TEST_F(CrashMarkerTest, CountsNothingForOtherCallbacksAndOtherEnds) {
  crash_in(Callback::kTimer);
  crash_in(Callback::kMessage);                     // of no stream
  live([](CrashMarker&) { std::raise(SIGABRT); });  // in no callback
  crash_in(Callback::kStart, "", SIGKILL);          // by whoever
  live([](CrashMarker& marker) {                    // by another process
    CallbackPlace place(&marker, "price", 1, kBuild);
    const CallbackMark mark(place, Callback::kStart);
    // Late enough for TSan, which takes no such signal in fork() or pause().
    if (::fork() == 0) ::execl("/bin/sh", "sh", "-c", "kill -ABRT $PPID", nullptr);
    for (;;) std::this_thread::yield();
  });
  live([](CrashMarker& marker) {  // of another thread
    CallbackPlace place(&marker, "price", 1, kBuild);
    const CallbackMark mark(place, Callback::kStart);
    std::thread([] { std::raise(SIGABRT); }).join();
  });
  live([](CrashMarker& marker) {  // after its end
    CallbackPlace place(&marker, "price", 1, kBuild);
    marker.end_in_order();
    const CallbackMark mark(place, Callback::kStart);
    std::raise(SIGABRT);
  });
  const auto counts = read_crash_file(bytes(), "", {}).counts;
  EXPECT_TRUE(counts.empty());
}

TEST_F(CrashMarkerTest, WhatGivesUpBecauseOfACallbackCounts) {
  live([](CrashMarker& marker) {
    CallbackPlace place(&marker, "price", 1, kBuild);
    const CallbackMark mark(place, Callback::kLoad);
    place.record_giving_up();
    ::_exit(1);
  });
  EXPECT_EQ(starts(), 1u);
}

TEST_F(CrashMarkerTest, RefusesWhatIsTornOrNoMarker) {
  for (int i = 0; i < 2; ++i) crash_in(Callback::kStart);
  const std::string good = bytes();
  ASSERT_EQ(read_crash_file(good, "", {}).refusal, "");
  ASSERT_FALSE(read_crash_file(good, "", {}).counts.empty());
  for (const std::string& bad :
       {good.substr(0, good.size() / 2), good + "x", "x" + good.substr(1), std::string("nonsense"),
        std::string(good.size(), '\0'), std::string(good.size(), '\xff')}) {
    EXPECT_EQ(read_crash_file(bad, "", {}).refusal, "it is not a crash marker of this version");
  }
  std::string flipped = good;
  flipped[offsetof(CrashFile, counts) + offsetof(CrashFile::Count, ends)] ^= 4;
  EXPECT_EQ(read_crash_file(flipped, "", {}).refusal, "it is damaged");
  std::string endless = good;
  endless.replace(offsetof(CrashFile, slots) + offsetof(CrashFile::Slot, broadcaster),
                  CrashFile::kNameBytes, CrashFile::kNameBytes, 'x');
  EXPECT_EQ(read_crash_file(endless, "", {}).refusal, "it is damaged");
  EXPECT_EQ(read_crash_file("", "", {}).refusal, "");
  for (const std::string& bad : {flipped, endless, std::string("nonsense")}) {
    write(bad);
    const test::CapturedLog log;
    EXPECT_EQ(starts(), 0u);
    EXPECT_THAT(log.text(), HasSubstr("a new one is begun, and its crash counts are lost"));
    crash_in(Callback::kStart);
    EXPECT_EQ(starts(), 1u);
  }
}

/// A file of a process that was killed in START, with out-of-memory kills as it has noted
/// them.
std::string killed_in_start(const MemoryKills& noted) {
  CrashFile file{};
  file.magic = CrashFile::kMagic;
  file.size = sizeof file;
  std::memcpy(file.boot.data(), "boot", 5);
  file.kills = noted;
  file.slots[5].callback = static_cast<std::uint32_t>(Callback::kStart);
  file.slots[5].build = kBuild;
  std::memcpy(file.slots[5].broadcaster.data(), "price", 6);
  file.sum = std::hash<std::string_view>{}(
      {reinterpret_cast<const char*>(file.counts.data()), sizeof file.counts});
  return {reinterpret_cast<const char*>(&file), sizeof file};
}

TEST_F(CrashMarkerTest, TellsWantOfMemoryFromAKill) {
  const MemoryKills noted{.cgroup = 4, .in_cgroup = 1, .in_all = 10, .at_ns = 0};
  const std::string file = killed_in_start(noted);
  MemoryKills now = noted;
  EXPECT_TRUE(read_crash_file(file, "boot", now).counts.empty());
  EXPECT_THAT(read_crash_file(file, "boot", now).last_end, HasSubstr("this is not counted"));
  now.in_all = 11;  // somebody else
  EXPECT_TRUE(read_crash_file(file, "boot", now).counts.empty());
  now.in_cgroup = 2;
  const CrashHistory killed = read_crash_file(file, "boot", now);
  ASSERT_EQ(killed.counts.size(), 1u);
  EXPECT_EQ(killed.counts[0].ends, 1u);
  EXPECT_THAT(killed.last_end, HasSubstr("an out-of-memory kill in START of price"));
  EXPECT_TRUE(read_crash_file(file, "another boot", now).counts.empty());
}

TEST(MemoryKillsTest, WithoutTheSameCgroupAKillAnywhereWithinAMinuteIsOurs) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const MemoryKills noted{.cgroup = 4, .in_cgroup = 1, .in_all = 10, .at_ns = 100 * kSecond};
  MemoryKills now{.cgroup = 5, .in_cgroup = 0, .in_all = 11, .at_ns = 130 * kSecond};
  EXPECT_TRUE(was_killed_for_memory(noted, now));
  now.at_ns = 161 * kSecond;
  EXPECT_FALSE(was_killed_for_memory(noted, now));
  now = {.cgroup = 5, .in_cgroup = 3, .in_all = 10, .at_ns = 130 * kSecond};
  EXPECT_FALSE(was_killed_for_memory(noted, now));
  EXPECT_FALSE(was_killed_for_memory({}, {.at_ns = 1}));
}

TEST(MemoryKillsTest, TheMachineTellsTheTime) {
  const MemoryKills first = look_for_memory_kills();
  EXPECT_GT(first.at_ns, 0);
  EXPECT_GE(look_for_memory_kills().at_ns, first.at_ns);
}

TEST_F(CrashMarkerTest, OneThatAnotherHasOrThatCannotBeHadIsDoneWithout) {
  const CrashMarker holder(path_);
  for (const std::string& path : {path_, std::string("/nowhere/at/all"), testing::TempDir()}) {
    const test::CapturedLog log;
    CrashMarker marker(path);
    EXPECT_EQ(log.count_of("after a crash the host will not know what was running"), 1) << path;
    CallbackPlace place(&marker, "price", 1, kBuild);
    const CallbackMark mark(place, Callback::kStart);
    EXPECT_EQ(CallbackPlace::current(), &place);
  }
}

TEST_F(CrashMarkerTest, MorePlacesThanItHasAreDoneWithout) {
  CrashMarker marker(path_);
  std::vector<std::unique_ptr<CallbackPlace>> places;
  for (int i = 0; i < 65; ++i) {
    places.push_back(std::make_unique<CallbackPlace>(&marker, "price", 1, kBuild));
  }
  EXPECT_EQ(places[63]->slot_number(), 63);
  EXPECT_EQ(places[64]->slot_number(), -1);
  const CallbackMark mark(*places[64], Callback::kStart);
  places.erase(places.begin());
  EXPECT_EQ(CallbackPlace(&marker, "price", 1, kBuild).slot_number(), 0);
}

TEST_F(CrashMarkerTest, AFileThatIsCutUnderItCostsTheMarkerOnly) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "its atomics hold a lock of its own while they fault";
#endif
  const pid_t child = ::fork();
  if (child == 0) {
    tell_last_words(LogFormat::kText);
    CrashMarker marker(path_);
    CallbackPlace place(&marker, "price", 1, kBuild);
    std::filesystem::resize_file(path_, 0);
    { const CallbackMark mark(place, Callback::kStart); }
    ::_exit(CallbackPlace::current() == nullptr ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(CrashMarkerTest, ManyThreadsMarkAtOnce) {
  CrashMarker marker(path_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&marker, i] {
      for (int turn = 0; turn < 200; ++turn) {
        CallbackPlace place(&marker, "b" + std::to_string(i), 1, kBuild);
        place.set_entry("s", "1-0");
        const CallbackMark mark(place, Callback::kMessage);
        EXPECT_EQ(CallbackPlace::current(), &place);
        marker.forget_entry("s", "1-0");
        EXPECT_EQ(marker.ends_in_entry("s", "1-0").count, 0u);
      }
    });
  }
  for (int i = 0; i < 100; ++i) marker.note(look_for_memory_kills());
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace broadcast
