// ThreadLife: the library's way in and out, around the plugin's thread.

#include <future>
#include <mutex>
#include <system_error>
#include <utility>

#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "host/base/background.hpp"
#include "host/base/last_words.hpp"
#include "host/loader/fair_wait.hpp"
#include "host/loader/thread_life.hpp"

namespace broadcast {

namespace {

/// All who load or unload stand in this line, and not in that of the dynamic linker's lock: there,
/// one that waits for its turn looks like one that hangs.
std::mutex linker_line;

/// Linux takes 15 characters.
void name_this_thread(const std::string& name) {
  ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

}  // namespace

/// On a thread of its own, because this one must not stay in the background. Where nobody serves
/// meanwhile, it is urgent.
template <class Work>
auto ThreadLife::apart(Work work) const {
  return std::async(std::launch::async, [this, work = std::move(work)] {
    if (start_ == Start::kWhenTold || is_to_pause_.load()) move_to_background();
    return work();
  });
}

/// Why it is not to be loaded; empty: it passed, or nobody tries.
std::string ThreadLife::tried() const {
  if (!parts_.trial.is_there()) return "";
  return apart([this] {
           return try_library(parts_.trial,
                              {.file = *spec().file,
                               .name = parts_.name,
                               .permissions = spec().permissions,
                               .host_version = parts_.host_version,
                               .copies = parts_.copies,
                               .has_cache = parts_.cache != nullptr,
                               .config = std::nullopt},
                              [this] { return inbox()->is_stopping(); });
         })
      .get();
}

/// What loads or unloads holds the dynamic linker's lock. If that does not come to its end although
/// its trial did, only another process helps: whoever needs the lock waits for ever, exit() too.
template <class Work>
auto ThreadLife::with_linker(Callback callback, Work work) {
  constexpr std::chrono::milliseconds kSampleEvery(100);
  std::atomic<pid_t> thread{0};  // whose turn it is; 0: it waits for that
  auto done = apart([this, callback, &thread, work = std::move(work)] {
    const SignalStack signal_stack;
    const std::lock_guard in_line(linker_line);
    const CallbackMark mark(place_, callback);
    thread.store(::gettid());
    return work();
  });
  std::optional<FairWait> waited;
  while (parts_.trial.is_there() && done.wait_for(kSampleEvery) != std::future_status::ready) {
    if (!waited && thread.load() != 0) waited.emplace(thread.load());
    if (!waited || waited->add(kSampleEvery) < parts_.trial.limit_here) continue;
    end_process(callback, "has not been " + std::string(to_string(callback)) + "ed within " +
                              in_seconds(parts_.trial.limit_here));
  }
  return done.get();
}

void ThreadLife::end_process(Callback callback, const std::string& why) {
  spdlog::critical(
      "{}: {} ({}), although its trial passed; no library can be loaded or unloaded any more, so "
      "the host ends",
      parts_.name, why, spec().file->path().string());
  spdlog::default_logger()->flush();
  const CallbackMark mark(place_, callback);
  place_.record_giving_up();
  ::_exit(1);
}

/// What the plugin keeps for its thread, by pthread_key or thread_local, is destroyed as that ends,
/// by the library's code: so that is unmapped afterwards.
void ThreadLife::keep() {
  name_this_thread("bk:" + parts_.name);
  try {
    std::thread([this] {
      name_this_thread("bc:" + parts_.name);
      run();
    }).join();
  } catch (const std::system_error& error) {
    note_failure("could not start", std::string("cannot start a thread: ") + error.what());
  }
  // Where destroy failed, threads of it may still run in the library: it stays mapped.
  if (library_ && !has_destroy_failed_) unload();
}

void ThreadLife::unload() {
  about_to(Callback::kUnload);
  try {
    with_linker(Callback::kUnload, [this] { library_->unload(); });
  } catch (const std::system_error& error) {
    spdlog::error("{}: cannot start a thread to unload its library: {}", parts_.name, error.what());
  }
}

/// False: it has failed, or is over.
bool ThreadLife::try_load() {
  try {
    std::string why = tried();
    if (is_over()) return false;
    if (!why.empty()) {
      fail("could not be loaded", std::move(why));
      return false;
    }
    enter(State::kPreparing);
    about_to(Callback::kLoad);
    library_ = with_linker(Callback::kLoad, [this] {
      return std::make_unique<PluginLibrary>(*spec().file, parts_.name, parts_.copies);
    });
    return true;
  } catch (const LinkerLocked& locked) {
    if (parts_.trial.is_there()) end_process(Callback::kLoad, locked.what());
    fail("could not be loaded", locked.what());
  } catch (const std::exception& error) {
    fail("could not be loaded", error.what());
  }
  return false;
}

}  // namespace broadcast
