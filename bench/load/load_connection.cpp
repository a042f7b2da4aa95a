#include "bench/load/load_connection.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <system_error>

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/wire/frame.hpp"

namespace broadcast {

namespace {

constexpr std::size_t kTopicsPerRequest = 128;
constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";  // of RFC 6455, for everybody
constexpr std::string_view kAcceptedKey = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
constexpr unsigned kFin = 0x80;
constexpr unsigned kDeflated = 0x40;

std::optional<std::string_view> behind(std::string_view text, std::string_view needle) {
  const void* const at = memmem(text.data(), text.size(), needle.data(), needle.size());
  if (at == nullptr) return std::nullopt;
  return text.substr(static_cast<std::size_t>(static_cast<const char*>(at) - text.data()) +
                     needle.size());
}

std::uint64_t number_at(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// The value of a header, whatever the case of its name; `name` in lower case.
std::string_view header_of(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos;) {
    const std::size_t end = head.find("\r\n", at + 2);
    const std::string_view line = head.substr(at + 2, end - at - 2);
    at = end;
    const bool is_it = line.size() > name.size() && line[name.size()] == ':' &&
                       std::equal(name.begin(), name.end(), line.begin(), [](char a, char b) {
                         return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
                       });
    if (!is_it) continue;
    const std::string_view value = line.substr(name.size() + 1);
    return value.substr(std::min(value.find_first_not_of(' '), value.size()));
  }
  return {};
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

std::int64_t ns_of(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

/// How long ago the kernel put the last of what was received into the socket, if it says so.
std::optional<std::int64_t> ns_since_stamped(msghdr& received) {
  for (const cmsghdr* part = CMSG_FIRSTHDR(&received); part != nullptr;
       part = CMSG_NXTHDR(&received, const_cast<cmsghdr*>(part))) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return ns_of(now) - ns_of(stamp);
  }
  return std::nullopt;
}

std::string start_of(std::string_view text) { return std::string(text.substr(0, 300)); }

}  // namespace

std::int64_t mono_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return ns_of(now);
}

void LoadTally::clear_window() {
  latency.clear();
  bytes = gaps = repeated = deflated = unstamped = 0;
}

void LoadTally::note(std::string error) {
  if (errors.size() < 10) errors.push_back(std::move(error));
}

LoadConnection::LoadConnection(Shared& shared, std::size_t number)
    : shared_(shared),
      number_(number),
      is_measured_(shared.options.topics.empty() ||
                   shared.options.topics[shared.options.first_topic_of(number)].starts_with(
                       shared.options.latency_of)),
      unseen_(shared.options.topics_each),
      last_(std::max<std::size_t>(shared.options.topics_each, 1)) {}

LoadConnection::~LoadConnection() {
  if (fd_ >= 0) close(fd_);
}

void LoadConnection::start() {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "socket");
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (shared_.options.kernel_stamps &&
      setsockopt(fd_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0) {
    throw std::system_error(errno, std::generic_category(), "the kernel does not stamp");
  }
  if (number_ >= shared_.options.connections) {  // one that stalls: the kernel shall not help it
    const int bytes = 4096;
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
  const auto* address = reinterpret_cast<const sockaddr*>(&shared_.options.address);
  if (connect(fd_, address, sizeof shared_.options.address) < 0 && errno != EINPROGRESS) {
    throw std::system_error(errno, std::generic_category(),
                            "connecting to " + shared_.options.authority);
  }
}

void LoadConnection::on_writable() {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    return fail("cannot connect to " + shared_.options.authority + ": " + std::strerror(error));
  }
  phase_ = Phase::kShaking;
  if (!shared_.options.tls) return send_all(request());
  tls_ = std::make_unique<LoadTls>();
  static_cast<void>(tls_->try_shake_hands());
  send_raw(tls_->take_sealed());
}

std::string LoadConnection::request() const {
  const LoadOptions& options = shared_.options;
  std::string target = options.path;
  const bool in_query =
      options.protocol == LoadProtocol::kBroadcast || options.protocol == LoadProtocol::kPlain;
  if (in_query && options.topics_each > 0 && options.topics_each <= kTopicsPerRequest) {
    target += options.path.find('?') == std::string::npos ? "?subscribe=" : "&subscribe=";
    for (std::size_t i = 0; i < options.topics_each; ++i) {
      if (i > 0) target += ',';
      target += options.topics[(options.first_topic_of(number_) + i) % options.topics.size()];
    }
  }
  std::string text = "GET " + target + " HTTP/1.1\r\nHost: " + options.authority +
                     "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
                     std::string(kKey) + "\r\n";
  if (options.deflate) text.append("Sec-WebSocket-Extensions: ").append(kDeflateOffer) += "\r\n";
  return text + "\r\n";
}

void LoadConnection::send_all(std::string_view bytes) {
  if (!tls_) return send_raw(bytes);
  tls_->seal(bytes);
  send_raw(tls_->take_sealed());
}

void LoadConnection::send_raw(std::string_view bytes) {
  const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  // We send little: what does not fit at once means a server that does not read.
  if (sent != static_cast<ssize_t>(bytes.size())) fail("the server does not take what is sent");
}

/// What recv() says; when it came is noted.
ssize_t LoadConnection::receive(std::span<char> into) {
  iovec space{into.data(), into.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(timespec))> control;
  msghdr received{};
  received.msg_iov = &space;
  received.msg_iovlen = 1;
  if (shared_.options.kernel_stamps) {
    received.msg_control = control.data();
    received.msg_controllen = control.size();
  }
  const ssize_t got = recvmsg(fd_, &received, 0);
  if (got <= 0) return got;
  const auto age_ns = ns_since_stamped(received);
  is_stamped_ = age_ns.has_value();
  came_ns_ = mono_ns() - age_ns.value_or(0);
  shared_.tally.bytes += static_cast<std::uint64_t>(got);
  return got;
}

void LoadConnection::on_readable() {
  const std::span<char> buffer = shared_.buffer;
  const ssize_t got = receive(tls_ ? std::span(shared_.sealed) : buffer.subspan(kept_.size()));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    return fail(got == 0 ? "the server closed the connection"
                         : std::string("reading: ") + std::strerror(errno));
  }
  const auto count = static_cast<std::size_t>(got);
  if (tls_) return on_sealed({shared_.sealed.data(), count});
  on_bytes(count);
}

void LoadConnection::on_sealed(std::string_view sealed) {
  tls_->feed(sealed);
  if (!tls_->is_shaken()) {
    const bool is_shaken = tls_->try_shake_hands();
    send_raw(tls_->take_sealed());
    if (tls_->has_failed()) return fail("the TLS handshake failed");
    if (!is_shaken) return;
    send_all(request());
  }
  while (phase_ != Phase::kClosed) {
    const std::size_t count = tls_->open(std::span(shared_.buffer).subspan(kept_.size()));
    if (count == 0) break;
    on_bytes(count);
  }
  if (tls_->has_failed()) fail("the server ended TLS");
}

/// `count` bytes stand in the shared buffer, behind where what is kept belongs.
void LoadConnection::on_bytes(std::size_t count) {
  std::vector<char>& buffer = shared_.buffer;
  std::memcpy(buffer.data(), kept_.data(), kept_.size());
  std::string_view data(buffer.data(), kept_.size() + count);
  if (phase_ != Phase::kShaking || take_handshake(data)) on_frames(data);
  if (phase_ == Phase::kClosed) return;
  if (data.size() == buffer.size()) return fail("a frame larger than the buffer");
  kept_.assign(data);
}

bool LoadConnection::take_handshake(std::string_view& data) {
  const std::size_t end = data.find("\r\n\r\n");
  if (end == std::string_view::npos) return false;
  const std::string_view head = data.substr(0, end + 2);
  const bool accepted =
      head.starts_with("HTTP/1.1 101") && header_of(head, "sec-websocket-accept") == kAcceptedKey;
  if (!accepted) {
    fail("the handshake was refused: " + start_of(data));
    return false;
  }
  const std::string_view extensions = header_of(head, "sec-websocket-extensions");
  if (!extensions.empty()) deflate_ = read_deflate_answer(extensions);
  if (shared_.options.deflate != deflate_.has_value()) {
    fail("permessage-deflate was offered: " + std::string(shared_.options.deflate ? "yes" : "no") +
         ", answered: \"" + std::string(extensions) + "\"");
    return false;
  }
  data.remove_prefix(end + 4);
  ++shared_.tally.shaken;
  phase_ = Phase::kSubscribing;
  subscribe();
  return phase_ != Phase::kClosed;
}

void LoadConnection::subscribe() {
  const LoadOptions& options = shared_.options;
  const auto topic = [&](std::size_t i) {
    return options.topics[(options.first_topic_of(number_) + i) % options.topics.size()];
  };
  std::string sent;
  switch (options.protocol) {
    case LoadProtocol::kPlain:
      break;
    case LoadProtocol::kBroadcast:
      if (options.topics_each == 0) break;
      awaited_ = options.topics_each;
      if (options.topics_each <= kTopicsPerRequest) return;  // the query string has them
      awaited_ = 0;
      for (std::size_t i = 0; i < options.topics_each; ++awaited_) {
        std::string names;
        const std::size_t end = std::min(i + kTopicsPerRequest, options.topics_each);
        for (; i < end; ++i) names += (names.empty() ? "\"" : ",\"") + topic(i) + '"';
        sent += client_frame(Opcode::kText, R"({"type":"subscribe","topics":[)" + names + "]}");
      }
      return send_all(sent);
    case LoadProtocol::kNats: {
      std::string commands =
          "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"c++\","
          "\"version\":\"1\",\"protocol\":1}\r\n";
      for (std::size_t i = 0; i < options.topics_each; ++i) {
        commands += "SUB " + topic(i) + ' ' + std::to_string(i + 1) + "\r\n";
      }
      awaited_ = 1;  // the PONG
      return send_all(client_frame(Opcode::kBinary, commands + "PING\r\n"));
    }
    case LoadProtocol::kSubscribeFrame:
      for (std::size_t i = 0; i < options.topics_each; ++i) {
        std::string text = options.subscribe_frame;
        if (const std::size_t at = text.find("{}"); at != std::string::npos) {
          text.replace(at, 2, topic(i));
        }
        sent += client_frame(Opcode::kText, text);
      }
      send_all(sent);
      break;
  }
  awaited_ = 1;
  if (phase_ != Phase::kClosed) confirm();
}

void LoadConnection::confirm() {
  if (phase_ != Phase::kSubscribing || --awaited_ > 0) return;
  phase_ = Phase::kReady;
  ++shared_.tally.ready;
  if (unseen_ == 0) ++shared_.tally.complete;
}

void LoadConnection::on_frames(std::string_view& data) {
  while (data.size() >= 2 && phase_ != Phase::kClosed) {
    const auto head = static_cast<unsigned char>(data[0]);
    const auto short_length = static_cast<unsigned char>(data[1]);
    const std::size_t length_bytes = short_length < 126 ? 0 : short_length == 126 ? 2 : 8;
    if (data.size() < 2 + length_bytes) return;
    const std::uint64_t length =
        length_bytes == 0 ? short_length : big_endian(data.substr(2, length_bytes));
    if (short_length > 127 || length > shared_.buffer.size()) {
      return fail("a frame that is masked, or larger than the buffer");
    }
    if (data.size() - 2 - length_bytes < length) return;
    on_frame(head, data.substr(2 + length_bytes, length));
    data.remove_prefix(2 + length_bytes + length);
  }
}

void LoadConnection::on_frame(unsigned char head, std::string_view payload) {
  switch (static_cast<Opcode>(head & 0x0FU)) {
    case Opcode::kContinuation:
    case Opcode::kText:
    case Opcode::kBinary:
      return on_data(head, payload);
    case Opcode::kPing:
      return send_all(client_frame(Opcode::kPong, payload));
    case Opcode::kPong:
      return;
    case Opcode::kClose:
      return fail("the server closed with " +
                  (payload.size() < 2 ? "no code"
                                      : std::to_string(big_endian(payload.substr(0, 2))) + " \"" +
                                            std::string(payload.substr(2)) + '"'));
  }
  fail("a frame of an unknown kind");
}

void LoadConnection::on_data(unsigned char head, std::string_view payload) {
  const bool continues = (head & 0x0FU) == 0;
  const bool last = (head & kFin) != 0;
  if (!continues) fragments_deflated_ = (head & kDeflated) != 0;
  if (!continues && last) return on_message(payload, fragments_deflated_);
  fragments_ += payload;
  if (!last) return;
  on_message(fragments_, fragments_deflated_);
  fragments_.clear();
}

void LoadConnection::on_message(std::string_view payload, bool deflated) {
  std::string_view text = payload;
  if (deflated) {
    if (!deflate_) return fail("a deflated message, which was not negotiated");
    if (deflate_->keeps_context && !inflater_) inflater_ = std::make_unique<MessageInflater>();
    MessageInflater& inflater = deflate_->keeps_context ? *inflater_ : shared_.inflater;
    const auto inflated = inflater.inflate(payload, *deflate_);
    if (!inflated) return fail("a message that cannot be inflated");
    text = *inflated;
    ++shared_.tally.deflated;
  }
  if (shared_.options.protocol == LoadProtocol::kNats) return on_nats(text);
  if (deflated && (text.empty() || text.front() != '{' || text.back() != '}')) {
    return fail("inflated, this is no JSON object: " + start_of(text));
  }
  on_text(text);
}

void LoadConnection::on_text(std::string_view text) {
  const auto stamp = behind(text, "\"t\":");
  if (!stamp) return on_reply(text);
  if (is_measured_) {
    if (!is_stamped_) ++shared_.tally.unstamped;
    shared_.tally.latency.add(came_ns_ - static_cast<std::int64_t>(number_at(*stamp)));
  }
  on_number(text);
}

void LoadConnection::on_number(std::string_view text) {
  const LoadOptions& options = shared_.options;
  const auto number = behind(text, '"' + options.number_key + "\":");
  if (!number) return;
  std::size_t slot = 0;
  if (options.topics_each > 1) {
    const auto name = behind(text, R"("topic":")");
    if (!name) return;
    const auto found = shared_.topic_numbers.find(name->substr(0, name->find('"')));
    if (found == shared_.topic_numbers.end()) return fail("a topic not asked for");
    const std::size_t all = options.topics.size();
    slot = (found->second + all - options.first_topic_of(number_)) % all;
    if (slot >= options.topics_each) return fail("a topic not asked for");
  }
  const std::uint64_t count = number_at(*number);
  std::uint64_t& last = last_[slot];
  if (last == 0) {
    if (unseen_ > 0 && --unseen_ == 0 && phase_ == Phase::kReady) ++shared_.tally.complete;
  } else if (count != last + 1) {
    ++(count > last ? shared_.tally.gaps : shared_.tally.repeated);
  }
  last = count;
}

void LoadConnection::on_reply(std::string_view text) {
  if (shared_.options.protocol != LoadProtocol::kBroadcast) return;
  const bool refused = behind(text, R"("type":"error")") || behind(text, R"("rejected":[{)");
  if (refused) return fail("the server answered " + start_of(text));
  if (behind(text, R"("type":"subscribed")")) confirm();
}

/// The frames are a stream of lines; MSG is followed by as many bytes as it says.
void LoadConnection::on_nats(std::string_view bytes) {
  std::string joined;
  if (!stream_.empty()) {
    joined = std::move(stream_) + std::string(bytes);
    stream_.clear();
    bytes = joined;
  }
  while (!bytes.empty() && phase_ != Phase::kClosed) {
    const std::size_t end = bytes.find("\r\n");
    if (end == std::string_view::npos) break;
    const std::string_view line = bytes.substr(0, end);
    std::size_t whole = end + 2;
    if (line.starts_with("MSG ")) {
      const std::uint64_t size = number_at(line.substr(line.rfind(' ') + 1));
      if (bytes.size() < whole + size + 2) break;
      on_text(bytes.substr(whole, size));
      whole += size + 2;
    } else {
      on_nats_line(line);
    }
    bytes.remove_prefix(whole);
  }
  stream_.assign(bytes);
}

void LoadConnection::on_nats_line(std::string_view line) {
  if (line == "PING") return send_all(client_frame(Opcode::kBinary, "PONG\r\n"));
  if (line == "PONG") return confirm();
  if (line.starts_with("-ERR")) fail("the server answered " + start_of(line));
}

void LoadConnection::fail(const std::string& why) {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  ++shared_.tally.closed;
  shared_.tally.note("connection " + std::to_string(number_) + ": " + why);
  close(fd_);
  fd_ = -1;
}

}  // namespace broadcast
