#include "bench/load/load_options.hpp"

#include <cstdlib>
#include <map>

#include <CLI/CLI.hpp>
#include <arpa/inet.h>

namespace broadcast {

namespace {

const std::map<std::string, LoadProtocol> kProtocols{
    {"broadcast", LoadProtocol::kBroadcast},
    {"plain", LoadProtocol::kPlain},
    {"nats", LoadProtocol::kNats},
    {"raw-ws-subscribe-frame", LoadProtocol::kSubscribeFrame}};

struct Raw {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::vector<std::string> protocol{"broadcast"};
  std::string pattern = "t{}";
  std::size_t topic_count = 0;
};

void choose_protocol(const std::vector<std::string>& words, LoadOptions& options) {
  const auto found = kProtocols.find(words.front());
  if (found == kProtocols.end()) {
    throw CLI::ValidationError(
        "--protocol", words.front() + " is none of broadcast, plain, nats, raw-ws-subscribe-frame");
  }
  options.protocol = found->second;
  const bool takes_text = options.protocol == LoadProtocol::kSubscribeFrame;
  if ((words.size() == 2) != takes_text) {
    throw CLI::ValidationError("--protocol", "raw-ws-subscribe-frame, and no other, has a text");
  }
  if (takes_text) options.subscribe_frame = words[1];
}

void choose_topics(const Raw& raw, LoadOptions& options) {
  if (raw.topic_count > 0) {
    const std::size_t place = raw.pattern.find("{}");
    if (place == std::string::npos || !options.topics.empty()) {
      throw CLI::ValidationError("--topic-count", "needs {} in --topic-pattern, and no --topics");
    }
    for (std::size_t i = 0; i < raw.topic_count; ++i) {
      options.topics.push_back(std::string(raw.pattern).replace(place, 2, std::to_string(i)));
    }
  }
  const bool pushed_unasked = options.protocol == LoadProtocol::kPlain;
  if (options.topics.empty() && !pushed_unasked) options.topics.emplace_back("bench");
  if (options.topics_each == 0) options.topics_each = options.topics.size();
  if (options.topics_each > options.topics.size()) {
    throw CLI::ValidationError("--topics-each", "is more than there are topics");
  }
}

void choose_address(const Raw& raw, LoadOptions& options) {
  options.authority = raw.host + ":" + std::to_string(raw.port);
  options.address.sin_family = AF_INET;
  options.address.sin_port = htons(raw.port);
  if (inet_pton(AF_INET, raw.host.c_str(), &options.address.sin_addr) != 1) {
    throw CLI::ValidationError("--host", raw.host + " is not an IPv4 address");
  }
}

}  // namespace

LoadOptions read_load_options(int argc, char** argv) {
  LoadOptions options;
  Raw raw;
  CLI::App app("Connects many WebSocket clients and measures what they are sent", "bench_load");
  app.add_option("--host", raw.host, "IPv4 address")->capture_default_str();
  app.add_option("--port", raw.port)->required();
  app.add_option("--path", options.path)->capture_default_str();
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 60'000));
  app.add_option("--topics", options.topics, "each connection takes all of them")->delimiter(',');
  app.add_option("--topics-each", options.topics_each, "so many of --topic-count for each");
  app.add_option("--topic-pattern", raw.pattern)->capture_default_str();
  app.add_option("--topic-count", raw.topic_count)->check(CLI::Range(1, 20'000));
  app.add_option("--protocol", raw.protocol,
                 "broadcast, plain, nats, or raw-ws-subscribe-frame TEXT, with {} for the topic")
      ->expected(1, 2);
  app.add_option("--number", options.number_key,
                 "what goes up with each message of a topic: bseq, the feed's, or seq, the host's")
      ->check(CLI::IsMember({"bseq", "seq"}));
  app.add_option("--latency-of", options.latency_of,
                 "measures those connections only whose first topic begins so");
  app.add_flag(
      "--kernel-stamps", options.kernel_stamps,
      "latency until the kernel has a message in the client's socket, not until it is read");
  app.add_flag("--deflate", options.deflate, "offer permessage-deflate");
  app.add_flag("--tls", options.tls, "the server's certificate is not checked");
  app.add_option(
      "--crowd", options.crowd,
      "connections more, which all come when the measurement begins; it ends when they are served");
  app.add_option("--seconds", options.seconds)->check(CLI::Range(0.1, 3600.0));
  app.add_option("--warmup", options.warmup)->check(CLI::Range(0.0, 3600.0));
  app.add_option("--pid", options.pid, "of the server: its CPU time and memory are measured");
  app.add_option("--stalled", options.stalled, "connections more, which stop reading");
  auto* const storm = app.add_flag("--reconnect-storm", options.storm,
                                   "all connect at once; ends when all have their snapshots");
  app.add_flag("--idle", options.idle, "ends when all are connected and nothing comes any more")
      ->excludes(storm)
      ->needs("--pid");
  app.add_option("--connect-timeout", options.connect_timeout, "seconds")->capture_default_str();
  try {
    app.parse(argc, argv);
    choose_protocol(raw.protocol, options);
    choose_topics(raw, options);
    choose_address(raw, options);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return options;
}

}  // namespace broadcast
