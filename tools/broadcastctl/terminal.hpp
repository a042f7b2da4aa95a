#pragma once
// Lines on standard output from several threads. [any]

#include <string>

namespace broadcast {

/// Whole and at once. Once nobody reads it any more, this process is told to stop: SIGTERM.
void print_line(std::string line);

/// Of the terminal; 0: it is none.
[[nodiscard]] std::size_t terminal_columns();

}  // namespace broadcast
