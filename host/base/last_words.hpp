#pragma once
// A crash of a plugin is the host's, and the core dump, where there is one, is somebody else's to
// read. So a line says whose code it was before the process ends by that signal as it would have.

#include <cstddef>
#include <memory>

#include "host/base/log.hpp"

namespace broadcast {

/// [main] From now on SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP and SIGSYS are told on
/// standard_error(), in the log's format, and recorded by the crash marker. Then they go to whoever
/// had them before: a sanitizer, or the default action with its core dump and exit status. In a
/// process that is forked from this one the latter alone holds.
/// exit() and quick_exit() that a plugin calls are told and recorded alike, and end the process
/// with 70: from a callback at once, before static objects that other threads still use are
/// destroyed; from a thread of the plugin's own after those that were made since. What [main] calls
/// outside callbacks is the host's own end and keeps its status.
void tell_last_words(LogFormat format);

/// Made by each thread that runs a plugin's callbacks, before the first: for exit(), and as a stack
/// for signal handlers, so that a stack that has overflowed can be told. Where the thread has one
/// already, a sanitizer's, that stays.
class SignalStack {
 public:
  SignalStack();
  ~SignalStack();
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  std::unique_ptr<std::byte[]> bytes_;
};

}  // namespace broadcast
