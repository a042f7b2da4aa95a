#include "host/ingest/redis_connection.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

namespace broadcast {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::seconds;

/// From looking the name up to the last answer of the greeting.
constexpr seconds kConnect{5};
/// Without a byte: PING is sent, and so long again until it is given up. XREAD asks for less.
constexpr seconds kQuiet{10};
constexpr seconds kAnswer{5};
constexpr seconds kLook{1};

bool is_pong(const redisReply& reply) {
  if (text_of(reply) == "PONG") return true;
  const auto list = list_of(reply);
  return !list.empty() && text_of(*list[0]) == "pong";
}

}  // namespace

RedisConnection::RedisConnection(const Parts& parts, User& user)
    : parts_(parts), user_(user), timer_(parts.io) {}

void RedisConnection::start() { connect(); }

void RedisConnection::stop() {
  is_stopped_ = true;
  ++try_;
  is_ready_ = false;
  if (socket_) socket_->close();
  socket_.reset();
  timer_.cancel();
}

void RedisConnection::connect() {
  const std::uint64_t turn = ++try_;
  socket_ = make_redis_socket(parts_.io, parts_.url, parts_.tls, connects_++);
  reader_.emplace(parts_.limits);
  waiting_.clear();
  is_writing_ = false;
  heard_ = mono_now();
  watch();
  socket_->async_connect([this, turn](error_code error) {
    if (turn != try_) return;
    if (error) return fail("cannot connect: " + error.message(), "cannot connect");
    greet();
    read();
  });
}

/// All at once; what is answered tells whether it is ready. The PING says LOADING or NOAUTH.
void RedisConnection::greet() {
  const RedisUrl& url = parts_.url;
  greetings_ = 0;
  const auto say = [this](std::initializer_list<std::string_view> words) {
    ++greetings_;
    send(words);
  };
  if (!url.user.empty()) {
    say({"AUTH", url.user, url.password});
  } else if (!url.password.empty()) {
    say({"AUTH", url.password});
  }
  awaits_auth_ = greetings_ > 0;
  if (url.database != 0) say({"SELECT", std::to_string(url.database)});
  // What CLIENT SETNAME is answered is nothing to us: answers are counted from the end.
  say({"CLIENT", "SETNAME", "broadcast-host-" + parts_.name});
  say({"PING"});
}

void RedisConnection::read() {
  socket_->async_read(asio::buffer(buffer_),
                      [this, turn = try_](error_code error, std::size_t size) {
                        if (turn != try_) return;
                        if (error)
                          return fail("closed: " + error.message(), "the connection was closed");
                        on_read(size);
                      });
}

void RedisConnection::on_read(std::size_t size) {
  const std::uint64_t turn = try_;
  if (is_ready_) heard_ = mono_now();  // before, the time is for all of the greeting
  has_asked_ = false;
  if (const std::string wrong = reader_->feed({buffer_.data(), size}); !wrong.empty()) {
    return fail("sent an unreadable reply: " + wrong, "sent an unreadable reply");
  }
  while (const RedisReplyPtr reply = reader_->take()) {
    take(*reply);
    if (turn != try_) return;  // given up meanwhile
  }
  if (!reader_->error().empty()) {
    return fail("sent an unreadable reply: " + reader_->error(), "sent an unreadable reply");
  }
  read();
}

void RedisConnection::take(const redisReply& reply) {
  if (greetings_ > 0) return on_greeting(reply);
  if (is_pong(reply)) return;
  // A PING that the user of this connection may not send is answered all the same.
  if (is_error(reply) && error_text(reply).find("'ping'") != std::string::npos) return;
  user_.on_reply(reply);
}

void RedisConnection::on_greeting(const redisReply& reply) {
  const std::size_t still = --greetings_;
  const bool is_auth = std::exchange(awaits_auth_, false);
  if (is_error(reply)) {
    std::string text = error_text(reply);
    // One that does not know AUTH repeats the password.
    if (is_auth) text = "AUTH: " + text.substr(0, text.find(' '));
    const bool is_set_name = still == 1;
    const bool may_be = !is_auth && (is_set_name || (still == 0 && text.starts_with("NOPERM")));
    if (!may_be) return fail("refuses the connection: " + text, "refuses the connection");
  }
  if (still > 0) return;
  is_ready_ = true;
  heard_ = mono_now();
  ready_since_ = heard_;
  down_words_.clear();
  logged_.clear();
  spdlog::info("redis: {} connected to {}", parts_.name, parts_.url.shown());
  user_.on_ready();
}

void RedisConnection::send(std::span<const std::string_view> words) {
  waiting_ += redis_command(words);
  write();
}

void RedisConnection::write() {
  if (is_writing_ || waiting_.empty()) return;
  is_writing_ = true;
  socket_->async_write(std::exchange(waiting_, {}), [this, turn = try_](error_code error) {
    if (turn != try_) return;
    if (error) return fail("closed: " + error.message(), "the connection was closed");
    is_writing_ = false;
    write();
  });
}

void RedisConnection::watch() {
  timer_.expires_after(kLook);
  timer_.async_wait([this, turn = try_](error_code error) {
    if (error || turn != try_) return;
    const MonoTime now = mono_now();
    const MonoTime due = timer_.expiry();
    // It could not be heard meanwhile.
    if (was_slept_through(due, now)) heard_ = std::min(now, heard_ + (now - due));
    on_silence(now);
    if (turn == try_) watch();
  });
}

void RedisConnection::on_silence(MonoTime now) {
  const auto silent = now - heard_;
  if (!is_ready_) {
    if (silent >= kConnect) fail("does not answer", "does not answer");
  } else if (silent >= kQuiet + kAnswer) {
    fail("has not answered for 15 s", "does not answer");
  } else if (silent >= kQuiet && !has_asked_) {
    has_asked_ = true;
    send({"PING"});
  }
}

void RedisConnection::drop(const std::string& why) { fail(why, "answers with an error"); }

void RedisConnection::fail(const std::string& why, const std::string& words) {
  const bool was_ready = is_ready_.exchange(false);
  ++try_;
  socket_->close();
  socket_.reset();
  down_words_ = "Redis " + words;
  // The same again is one line, not one each try.
  if (was_ready || logged_ != why) {
    spdlog::warn("redis: {}: {} {}; the host keeps trying", parts_.name, parts_.url.shown(), why);
  }
  logged_ = why;
  if (was_ready) user_.on_down();
  retry();
}

void RedisConnection::retry() {
  if (is_stopped_) return;
  parts_.counters.add(Counter::kRedisReconnects);
  const MonoTime now = mono_now();
  const auto held = now - std::exchange(ready_since_, std::nullopt).value_or(now);
  std::uniform_real_distribution<double> chance(0, 1);
  timer_.expires_after(jittered(backoff_.after(held), chance(random_)));
  timer_.async_wait([this, turn = try_](error_code error) {
    if (!error && turn == try_) connect();
  });
}

}  // namespace broadcast
