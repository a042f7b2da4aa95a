// conformance-echo --port N: the host's own listener, shards and connections with a client that
// sends every message back, so that conformance suites can be pointed at them. Prints
// "listening on ws://127.0.0.1:PORT/"; ends on SIGTERM or SIGINT.

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "host/base/counters.hpp"
#include "host/hub/topic_hub.hpp"
#include "host/net/shard_group.hpp"
#include "tests/conformance/echo_client.hpp"

namespace broadcast {
namespace {

struct Settings {
  std::uint16_t port = 0;
  FlushMode flush = FlushMode::kAuto;
  std::size_t handshake_ms = 4000;
  std::vector<std::string> origins;
  std::vector<std::string> hosts;
  std::string path;
};

NetOptions net_options(Settings settings) {
  NetOptions options = echo_options(settings.port);
  options.flush = settings.flush;
  options.rules = {
      .path = std::move(settings.path),
      .pages = {.origins = std::move(settings.origins), .hosts = std::move(settings.hosts)}};
  options.limits.handshake = std::chrono::milliseconds(settings.handshake_ms);
  return options;
}

void serve(Settings settings) {
  boost::asio::io_context io;
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  Counters counters;
  TopicHub hub({}, counters);
  ShardGroup shards(hub, net_options(std::move(settings)), EchoClient::make);
  shards.start();
  std::printf("listening on ws://127.0.0.1:%u/\n", shards.endpoint().port());
  std::fflush(stdout);
  signals.async_wait([](auto, int) {});
  io.run();
  shards.stop(std::chrono::seconds(2));
}

}  // namespace
}  // namespace broadcast

int main(int argc, char** argv) {
  using broadcast::FlushMode;
  static const std::map<std::string, FlushMode> kFlush{{"auto", FlushMode::kAuto},
                                                       {"sendmsg", FlushMode::kSendmsg},
                                                       {"io_uring", FlushMode::kIoUring}};
  broadcast::Settings settings;
  CLI::App app("Echoes WebSocket messages up to 64 MiB", "conformance-echo");
  app.add_option("--port", settings.port, "on 127.0.0.1; 0: any free one")->required();
  app.add_option("--path", settings.path, "of the endpoint; without it any");
  app.add_option("--origin", settings.origins, "an origin that may connect; may be repeated");
  app.add_option("--host", settings.hosts, "what it is called; may be repeated");
  app.add_option("--flush", settings.flush, "how sockets are written: auto, sendmsg, io_uring")
      ->transform(CLI::Transformer(kFlush));
  app.add_option("--handshake-ms", settings.handshake_ms, "how long a handshake may take");
  CLI11_PARSE(app, argc, argv);
  try {
    broadcast::serve(std::move(settings));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
