#include "bench/floor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <system_error>

#include <CLI/CLI.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace broadcast {

namespace {

volatile std::sig_atomic_t stopped = 0;

int checked(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

int listen_on(std::uint16_t port) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const int listener = checked(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  checked(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  checked(listen(listener, SOMAXCONN), "listen");
  return listener;
}

std::uint16_t port_of(int listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

std::vector<std::string> topic_names(std::size_t count) {
  if (count == 0) return {"bench"};
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back('t' + std::to_string(i));
  return names;
}

std::string accept_key_for(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 32> base64{};
  const int length = EVP_EncodeBlock(base64.data(), digest.data(), SHA_DIGEST_LENGTH);
  return {reinterpret_cast<const char*>(base64.data()), static_cast<std::size_t>(length)};
}

std::string_view between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + before.size());
  return rest.substr(0, rest.find_first_of(after));
}

void append_number(std::string& text, std::uint64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  text.append(digits.data(), end);
}

std::uint64_t mono_now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

Floor::Options Floor::read_options(int argc, char** argv, const std::string& name) {
  Options options;
  CLI::App app("Sends messages to every WebSocket client on 127.0.0.1, and does nothing else",
               name);
  app.add_option("--port", options.port, "0: any free one");
  app.add_option("--rate", options.rate)->check(CLI::Range(0.001, 1e6))->capture_default_str();
  app.add_option("--tick-ms", options.tick_ms)->check(CLI::Range(0.0, 1e5));
  app.add_option("--bytes", options.bytes)->check(CLI::Range(128, 65'535))->capture_default_str();
  app.add_option("--topics", options.topics)->check(CLI::Range(0, 20'000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return options;
}

Floor::Floor(const Options& options)
    : options_(options),
      names_(topic_names(options.topics)),
      listener_(listen_on(options.port)),
      epoll_(checked(epoll_create1(0), "epoll_create1")),
      timer_(checked(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), "timerfd_create")),
      sockets_(names_.size()),
      numbers_(names_.size()),
      receive_(64 * 1024) {
  watch(listener_);
  watch(timer_);
  if (options.tick_ms > 0) {
    burst_ = static_cast<std::size_t>(std::lround(options.rate * options.tick_ms / 1000));
  }
  frames_.reserve(64 * burst_ * (options.bytes + 4));
  broken_.reserve(64);
}

Floor::~Floor() {
  close(listener_);
  close(epoll_);
  close(timer_);
}

void Floor::watch(int descriptor) const {
  epoll_event event{.events = EPOLLIN, .data = {.fd = descriptor}};
  checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

void Floor::start_timer() {
  const double topics = static_cast<double>(names_.size());
  const double seconds =
      options_.tick_ms > 0 ? options_.tick_ms / 1000 : 1 / (options_.rate * topics);
  const auto nanoseconds = std::max(1L, std::lround(seconds * 1e9));
  const timespec period{.tv_sec = nanoseconds / 1'000'000'000,
                        .tv_nsec = nanoseconds % 1'000'000'000};
  const itimerspec timer{.it_interval = period, .it_value = period};
  checked(timerfd_settime(timer_, 0, &timer, nullptr), "timerfd_settime");
}

void Floor::run() {
  for (const int signal : {SIGTERM, SIGINT}) {
    struct sigaction action {};
    action.sa_handler = [](int) { stopped = 1; };
    sigaction(signal, &action, nullptr);
  }
  std::printf("listening on ws://127.0.0.1:%u/\n", port_of(listener_));
  std::fflush(stdout);
  start_timer();
  std::array<epoll_event, 256> events;
  while (stopped == 0) {
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
      if (descriptor == timer_) {
        on_timer();
      } else if (descriptor == listener_) {
        accept_all();
      } else {
        on_readable(descriptor);
      }
    }
  }
  std::printf("sent %llu frames, %llu did not fit\n", static_cast<unsigned long long>(sent_),
              static_cast<unsigned long long>(missed_));
}

Floor::Client& Floor::client_of(int socket) {
  const auto place = static_cast<std::size_t>(socket);
  if (place >= clients_.size()) clients_.resize(place + 1);
  return clients_[place];
}

void Floor::accept_all() {
  while (true) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (socket < 0) return;
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client_of(socket) = {};
    watch(socket);
  }
}

void Floor::on_readable(int socket) {
  const ssize_t got = recv(socket, receive_.data(), receive_.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return drop(socket);
  Client& client = client_of(socket);
  if (client.shaken) return;  // nothing that clients say is answered
  client.request.append(receive_.data(), static_cast<std::size_t>(got));
  if (client.request.find("\r\n\r\n") != std::string::npos) shake(socket, client);
}

void Floor::shake(int socket, Client& client) {
  std::string_view names = between(client.request, "subscribe=", "& ");
  for (std::size_t topic = 0; topic < names_.size(); ++topic) {
    if (options_.topics == 0) sockets_[topic].push_back(socket);
  }
  while (options_.topics > 0 && !names.empty()) {
    const std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    const auto found = std::ranges::find(names_, name);
    if (found == names_.end()) continue;
    sockets_[static_cast<std::size_t>(found - names_.begin())].push_back(socket);
  }
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      accept_key_for(between(client.request, "Sec-WebSocket-Key: ", "\r")) + "\r\n\r\n";
  client = {.shaken = true, .request = {}};
  if (send(socket, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) drop(socket);
}

void Floor::drop(int socket) {
  for (auto& sockets : sockets_) std::erase(sockets, socket);
  close(socket);
}

void Floor::on_timer() {
  std::uint64_t expirations = 0;
  if (read(timer_, &expirations, sizeof expirations) < 0) return;
  // What is late goes out together, but never more than was reserved for.
  const std::size_t times = std::min<std::uint64_t>(expirations, 64);
  const bool one_topic = names_.size() == 1 || options_.tick_ms > 0;
  const std::size_t turns = one_topic ? names_.size() : times;
  for (std::size_t turn = 0; turn < turns; ++turn) {
    const std::size_t topic = next_topic_;
    next_topic_ = (next_topic_ + 1) % names_.size();
    frames_.clear();
    for (std::size_t i = 0; i < (one_topic ? times * burst_ : 1); ++i) append_message(topic);
    send_to(sockets_[topic], frames_);
  }
  for (const int socket : broken_) drop(socket);
  broken_.clear();
}

void Floor::append_message(std::size_t topic) {
  const std::size_t bytes = options_.bytes;
  frames_ += '\x81';
  if (bytes < 126) {
    frames_ += static_cast<char>(bytes);
  } else {
    frames_ += {'\x7E', static_cast<char>(bytes >> 8), static_cast<char>(bytes & 0xFF)};
  }
  const std::size_t begin = frames_.size();
  const std::uint64_t number = ++numbers_[topic];
  frames_.append(R"({"topic":")").append(names_[topic]).append(R"(","seq":)");
  append_number(frames_, number);
  frames_ += R"(,"type":"bench","t":)";
  append_number(frames_, mono_now_ns());
  frames_ += R"(,"bseq":)";
  append_number(frames_, number);
  frames_ += R"(,"pad":")";
  frames_.append(bytes - (frames_.size() - begin) - 2, 'x');
  frames_ += "\"}";
}

void Floor::on_sent(int socket, std::ptrdiff_t sent, std::size_t wanted) {
  if (sent == static_cast<std::ptrdiff_t>(wanted)) {
    ++sent_;
  } else if (sent == -EAGAIN || sent == -EWOULDBLOCK) {
    ++missed_;
  } else {  // gone, or a part of a frame: nothing could follow that
    ++missed_;
    broken_.push_back(socket);
  }
}

}  // namespace broadcast
