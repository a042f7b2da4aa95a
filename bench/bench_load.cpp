// bench_load: connects many clients to a WebSocket server, and prints as one JSON object what they
// were sent, how late, and what CPU time and memory that took of the server. Ends with 1, and says
// why, if something was wrong.

#include <cstdio>
#include <exception>

#include "bench/load/load_options.hpp"
#include "bench/load/load_run.hpp"

int main(int argc, char** argv) {
  const broadcast::LoadOptions options = broadcast::read_load_options(argc, argv);
  try {
    const auto report = broadcast::LoadRun(options).run();
    std::printf("%s\n", report.dump(2).c_str());
    for (const auto& error : report["errors"]) {
      std::fprintf(stderr, "bench_load: %s\n", error.get<std::string>().c_str());
    }
    return report["errors"].empty() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_load: %s\n", error.what());
    return 1;
  }
}
