#pragma once
// From a thread of a plugin's own to its broadcaster's thread. Were every event a post, a busy feed
// would fill the host's inbox; so one post is under way at a time, and takes along all that has
// gathered. Needs the standard library only.

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace broadcast {

class Handover {
 public:
  /// [any] Runs its argument on the broadcaster's thread. False: the inbox is full, or the
  /// broadcaster is over.
  using Post = std::function<bool(std::function<void()>)>;
  /// How long to wait for room in a full inbox before try_post().
  static constexpr std::chrono::milliseconds kFullInbox{10};

  explicit Handover(Post post) : post_(std::move(post)) {}
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;

  /// [own thread] Has `run` run on the broadcaster's thread, behind those before it. False: the
  /// post was refused; `run` is kept, and try_post() is to be called until it succeeds.
  [[nodiscard]] bool put(std::function<void()> run) {
    {
      const std::lock_guard lock(waiting_->mutex);
      waiting_->runs.push_back(std::move(run));
      if (std::exchange(waiting_->is_posted, true)) return true;
    }
    return try_post();
  }
  /// [own thread] REQUIRES: the last post was refused.
  [[nodiscard]] bool try_post() {
    return post_([waiting = waiting_] { run_all(*waiting); });
  }
  /// [plugin] Nothing runs afterwards, whatever has been put or is put still.
  void stop() {
    const std::lock_guard lock(waiting_->mutex);
    waiting_->is_over = true;
  }

 private:
  /// A post that has not run yet keeps it.
  struct Waiting {
    std::mutex mutex;  // guards what follows
    std::vector<std::function<void()>> runs;
    bool is_posted = false;  // true as well while a refused post is to be tried again
    bool is_over = false;
  };

  static void run_all(Waiting& waiting) {
    std::vector<std::function<void()>> ready;
    {
      const std::lock_guard lock(waiting.mutex);
      if (waiting.is_over) return;
      ready.swap(waiting.runs);
      waiting.is_posted = false;
    }
    for (const auto& run : ready) run();
  }

  const Post post_;
  const std::shared_ptr<Waiting> waiting_ = std::make_shared<Waiting>();
};

}  // namespace broadcast
