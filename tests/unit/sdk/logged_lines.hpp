#pragma once
// What a broadcaster under a FakeHost has logged, without levels.

#include <string>
#include <vector>

#include <broadcast/testing.hpp>

namespace broadcast {

inline std::vector<std::string> lines_of(const FakeHost& host) {
  std::vector<std::string> lines;
  for (const auto& line : host.logs()) lines.push_back(line.text);
  return lines;
}

}  // namespace broadcast
