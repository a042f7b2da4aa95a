#pragma once
// Why a shared library was not taken as a broadcaster: a whole sentence that names file, both sides
// and the next step. Thrown while plugins are read and loaded; caught by whoever starts
// broadcasters. [any]

#include <stdexcept>

namespace broadcast {

class PluginRefused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace broadcast
