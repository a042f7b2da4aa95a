#pragma once
// An object for each thread that asks for one; it goes with its thread. It is thread_local without
// the dynamic linker's lock, which a thread_local object with a destructor takes as it is made:
// while a library is loaded, whoever makes one waits for it. For objects that live as long as the
// process; [any].

#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include <pthread.h>

namespace broadcast {

template <class T>
class PerThread {
 public:
  PerThread() {
    const int error = ::pthread_key_create(
        &key_, [](void* own) { std::default_delete<T>()(static_cast<T*>(own)); });
    if (error != 0) throw std::system_error(error, std::generic_category(), "no thread key");
  }
  ~PerThread() = default;
  PerThread(const PerThread&) = delete;
  PerThread& operator=(const PerThread&) = delete;

  /// The calling thread's own, made with `arguments` when it asks for the first time.
  template <class... Arguments>
  [[nodiscard]] T& get(Arguments&&... arguments) {
    if (void* const own = ::pthread_getspecific(key_)) return *static_cast<T*>(own);
    auto made = std::make_unique<T>(std::forward<Arguments>(arguments)...);
    if (::pthread_setspecific(key_, made.get()) != 0) throw std::bad_alloc();
    return *made.release();
  }

 private:
  pthread_key_t key_{};
};

}  // namespace broadcast
