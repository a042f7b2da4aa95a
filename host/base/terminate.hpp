#pragma once
// The line with which a process ends that cannot go on. Set up by main(); [any].

namespace broadcast {

/// From now on an exception that nobody catches is told on standard error before the process
/// aborts. Needs no memory, so that a lack of it is told as well.
void tell_before_terminating();

/// For main(), where such an exception has come as far.
void tell_out_of_memory();

}  // namespace broadcast
