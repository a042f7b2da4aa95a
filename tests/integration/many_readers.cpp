// Thousands of subscribers in one thread, for load_test.py. They check what they get: on an `all`
// topic every number follows the one before; on a `latest` topic numbers only rise.
//
//   many_readers PORT PATH HEALTHY STALLED TOPICS HEAVY_ALL HEAVY_LATEST
//
// HEALTHY of them subscribe to TOPICS (comma-separated) and read all the time. STALLED more take
// HEAVY_ALL beside them, or HEAVY_LATEST (one half each), and read nothing after `subscribed`,
// until a line comes on standard input. A message with "last":true is the last of its topic. Says,
// a line each: "subscribed", "served N messages", "stalled: N got the newest, N closed with 4413".
// Whatever is wrong is said as "error: …", and the exit code is 1.

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr int kDeadlineMs = 120'000;
constexpr int kSmallBuffer = 4096;

struct Seen {
  std::uint64_t seq = 0;
  bool is_all = false;
  bool is_over = false;
};

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    parts.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return parts;
}

/// The text after `key` up to a quote or comma: the host's own members stand first in a message.
std::string_view member(std::string_view json, std::string_view key) {
  const std::size_t at = json.find(key);
  if (at == std::string_view::npos) return {};
  json.remove_prefix(at + key.size());
  return json.substr(0, json.find_first_of(R"(",})"));
}

class Reader {
 public:
  Reader(std::uint16_t port, const std::string& path, const std::vector<std::string>& topics,
         bool stalls, bool may_be_closed)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        stalls_(stalls),
        may_be_closed_(may_be_closed) {
    // What waits for a stalled reader should wait in the host.
    if (stalls) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &kSmallBuffer, sizeof kSmallBuffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
    }
    std::string list;
    for (const std::string& topic : topics) {
      list += (list.empty() ? "" : ",") + topic;
      seen_[topic];
    }
    const std::string request = "GET " + path + "?subscribe=" + list +
                                " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    if (::send(socket_, request.data(), request.size(), 0) !=
        static_cast<ssize_t>(request.size())) {
      throw std::runtime_error("the request could not be sent");
    }
  }
  ~Reader() { ::close(socket_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[nodiscard]] int socket() const { return socket_; }
  [[nodiscard]] bool stalls() const { return stalls_; }
  [[nodiscard]] bool is_subscribed() const { return subscribed_ == seen_.size(); }
  [[nodiscard]] bool is_closed() const { return is_lost_ || close_code_ != 0; }
  [[nodiscard]] bool is_over() const { return over_ == seen_.size() || is_closed(); }
  [[nodiscard]] std::uint16_t close_code() const { return close_code_; }
  [[nodiscard]] std::uint64_t messages() const { return messages_; }

  /// Takes what is there.
  void read() {
    static std::array<char, 256 * 1024> buffer;
    const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) return lose();
    unread_.append(buffer.data(), static_cast<std::size_t>(got));
    std::size_t used = 0;
    while (const std::size_t size = take(std::string_view(unread_).substr(used))) used += size;
    unread_.erase(0, used);
    if (unread_.empty()) unread_.shrink_to_fit();
  }

 private:
  /// A close frame cannot overtake what a stalled reader has not read.
  void lose() {
    if (!may_be_closed_) throw std::runtime_error("a connection was lost");
    is_lost_ = true;
  }

  /// How many bytes the first whole thing had; 0: it is not whole yet.
  std::size_t take(std::string_view bytes) {
    if (!is_open_) {
      const std::size_t end = bytes.find("\r\n\r\n");
      if (end == std::string_view::npos) return 0;
      if (!bytes.starts_with("HTTP/1.1 101")) {
        throw std::runtime_error("not upgraded: " + std::string(bytes.substr(0, 64)));
      }
      is_open_ = true;
      return end + 4;
    }
    if (bytes.size() < 2) return 0;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    std::size_t length = byte(1);
    std::size_t header = 2;
    if (length >= 126) {
      header = length == 126 ? 4 : 10;
      if (bytes.size() < header) return 0;
      length = 0;
      for (std::size_t i = 2; i < header; ++i) length = length << 8U | byte(i);
    }
    if (bytes.size() < header + length) return 0;
    const std::string_view payload = bytes.substr(header, length);
    if (byte(0) == 0x88) {
      close_code_ = static_cast<std::uint16_t>(byte(header) << 8U | byte(header + 1));
    } else if (byte(0) == 0x81) {
      on_text(payload);
    }
    return header + length;
  }

  void on_text(std::string_view text) {
    if (text.find(R"("type":"connected")") != std::string_view::npos) return;
    const auto seen = seen_.find(std::string(member(text, R"("topic":")")));
    if (seen == seen_.end()) throw std::runtime_error("unasked: " + std::string(text));
    std::uint64_t seq = 0;
    const std::string_view digits = member(text, R"("seq":)");
    std::from_chars(digits.begin(), digits.end(), seq);
    if (text.find(R"("type":"subscribed")") != std::string_view::npos) {
      ++subscribed_;
      seen->second = {.seq = seq, .is_all = text.find(R"("delivery":"all")") != text.npos};
      return;
    }
    on_message(seen->first, seen->second, seq, text);
  }

  void on_message(const std::string& topic, Seen& seen, std::uint64_t seq, std::string_view text) {
    ++messages_;
    const bool is_right = seen.is_all ? seq == seen.seq + 1 : seq > seen.seq;
    if (!is_right) {
      throw std::runtime_error(topic + ": " + std::to_string(seq) + " came after " +
                               std::to_string(seen.seq));
    }
    seen.seq = seq;
    if (text.find(R"("last":true)") == std::string_view::npos || seen.is_over) return;
    seen.is_over = true;
    ++over_;
  }

  const int socket_;
  const bool stalls_;
  const bool may_be_closed_;
  bool is_lost_ = false;
  bool is_open_ = false;
  std::string unread_;
  std::map<std::string, Seen> seen_;
  std::size_t subscribed_ = 0;
  std::size_t over_ = 0;
  std::uint16_t close_code_ = 0;
  std::uint64_t messages_ = 0;
};

class Load {
 public:
  void add(std::unique_ptr<Reader> reader) {
    watch(reader->socket(), readers_.size());
    readers_.push_back(std::move(reader));
  }

  /// Reads until `is_done` of all that are watched. Throws when nothing comes for two minutes.
  template <class Done>
  void read_until(Done is_done) {
    std::set<std::size_t> open;
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      if (!is_done(*readers_[i])) open.insert(i);
    }
    std::array<epoll_event, 512> events{};
    while (!open.empty()) {
      const int ready = ::epoll_wait(epoll_, events.data(), events.size(), kDeadlineMs);
      if (ready <= 0) {
        throw std::runtime_error(std::to_string(open.size()) + " readers wait for ever");
      }
      for (std::size_t i = 0; i < static_cast<std::size_t>(ready); ++i) {
        const std::size_t at = events[i].data.u64;
        readers_[at]->read();
        if (is_done(*readers_[at])) open.erase(at);
        if (readers_[at]->is_closed())
          ::epoll_ctl(epoll_, EPOLL_CTL_DEL, readers_[at]->socket(), nullptr);
      }
    }
  }

  void stall() {
    for (const auto& reader : readers_) {
      if (reader->stalls()) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, reader->socket(), nullptr);
    }
  }
  void resume() {
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      if (readers_[i]->stalls()) watch(readers_[i]->socket(), i);
    }
  }
  [[nodiscard]] const std::vector<std::unique_ptr<Reader>>& readers() const { return readers_; }

 private:
  void watch(int socket, std::size_t at) const {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = at}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  }

  const int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<std::unique_ptr<Reader>> readers_;
};

void run(char** arguments) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);

  const auto port = static_cast<std::uint16_t>(std::atoi(arguments[1]));
  const std::string path = arguments[2];
  const int healthy = std::atoi(arguments[3]);
  const int stalled = std::atoi(arguments[4]);
  const auto topics = split(arguments[5]);

  Load load;
  for (int i = 0; i < healthy; ++i) {
    load.add(std::make_unique<Reader>(port, path, topics, false, false));
  }
  for (int i = 0; i < stalled; ++i) {
    auto more = topics;
    const bool takes_all = i % 2 == 0;
    more.back() = arguments[takes_all ? 6 : 7];
    if (!takes_all)
      std::erase_if(more, [](const auto& topic) { return topic.starts_with("signal:"); });
    load.add(std::make_unique<Reader>(port, path, more, true, takes_all));
  }
  load.read_until([](const Reader& reader) { return reader.is_subscribed(); });
  load.stall();
  std::cout << "subscribed" << std::endl;

  load.read_until([](const Reader& reader) { return reader.stalls() || reader.is_over(); });
  std::uint64_t messages = 0;
  for (const auto& reader : load.readers()) {
    if (!reader->stalls() && reader->is_closed()) {
      throw std::runtime_error("a healthy reader was closed with " +
                               std::to_string(reader->close_code()));
    }
    messages += reader->messages();
  }
  std::cout << "served " << messages << " messages" << std::endl;

  std::string line;
  std::getline(std::cin, line);
  load.resume();
  load.read_until([](const Reader& reader) { return !reader.stalls() || reader.is_over(); });
  int newest = 0;
  int closed = 0;
  for (const auto& reader : load.readers()) {
    if (reader->stalls()) ++(reader->is_closed() ? closed : newest);
  }
  std::cout << "stalled: " << newest << " got the newest, " << closed << " were closed"
            << std::endl;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 8) {
    std::cerr << "many_readers PORT PATH HEALTHY STALLED TOPICS HEAVY_ALL HEAVY_LATEST\n";
    return 2;
  }
  try {
    run(arguments);
  } catch (const std::exception& error) {
    std::cout << "error: " << error.what() << std::endl;
    return 1;
  }
}
