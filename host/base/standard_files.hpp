#pragma once
// Descriptors 0 to 2, which are everybody's in this process: a plugin, or a library of it, may
// close or redirect them. What is ours to say goes elsewhere. Set up by main(); [any].

#include <cstdio>
#include <memory>

namespace broadcast {

/// Opens /dev/null in the place of each that is closed: the next file that is opened would get its
/// number, and with it what others print. REQUIRES: nothing else was opened yet.
void open_standard_files();

/// Standard error as it is now, whatever becomes of descriptor 2. From now on standard_error() is
/// this. Null: there are no descriptors left.
[[nodiscard]] std::shared_ptr<std::FILE> keep_standard_error();

/// The descriptor that is standard error for us, 2 or 10 and above. Async-signal-safe.
[[nodiscard]] int standard_error();

/// Written there without a buffer or memory: the last line of a process. Async-signal-safe.
void last_words(const char* text);

}  // namespace broadcast
