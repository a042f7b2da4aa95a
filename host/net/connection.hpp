#pragma once
// One socket and its Outbox: bytes in, bytes out, nothing about topics. Reads into its shard's one
// receive buffer, parses frames in place and hands whole messages to its Client; writes everything
// that waits with one gathered call. Owned by its Shard, and by its handlers in flight; [shard].

#include <chrono>
#include <memory>
#include <span>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

#include "host/base/clock.hpp"
#include "host/hub/client.hpp"
#include "host/hub/outbox.hpp"
#include "host/net/admission.hpp"
#include "host/net/frame_reader.hpp"

namespace broadcast {

class Shard;

struct ConnectionLimits {
  std::size_t message_bytes = 64 * 1024;  ///< what a client may send in one message
  Outbox::Limits outbox;
  std::chrono::nanoseconds write_stall = std::chrono::seconds(10);
  std::chrono::nanoseconds drain = std::chrono::seconds(30);
};

class Connection final : public std::enable_shared_from_this<Connection>, public OutboxWriter {
 public:
  /// `socket` has finished its handshake. `shard` and `limits` outlive the connection.
  Connection(Shard& shard, boost::asio::ip::tcp::socket socket, Admission::Place place,
             const ConnectionLimits& limits);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] Outbox& outbox() { return outbox_; }

  // What a Flusher writes it with.

  /// It left the touched list. True: something waits, and the socket may take it.
  [[nodiscard]] bool begin_flush(MonoTime now);
  [[nodiscard]] int native_handle() { return socket_.native_handle(); }
  /// What came of sending what waits at the front: bytes, or an errno below zero. True: go on.
  [[nodiscard]] bool on_sent(ssize_t result, MonoTime now);

  /// Starts to read. `first_bytes` came with the handshake request.
  void open(std::unique_ptr<Client> client, std::span<char> first_bytes, MonoTime now);
  /// Twice a second: write stalls, and close handshakes that nobody answers.
  void on_tick(MonoTime now);
  /// Tells the client, then closes with 1001.
  void shut_down(std::chrono::milliseconds retry_after);
  /// Closes if no frame came for `idle`.
  void close_if_idle(std::chrono::nanoseconds idle, const CloseReason& reason, MonoTime now);
  /// Ends it at once, without another word.
  void reset(MonoTime now);

 private:
  friend class FrameSink;

  void wait_readable();
  void on_readable(MonoTime now);
  /// False: the connection is over.
  [[nodiscard]] bool read_some(MonoTime now);
  void receive(std::span<char> bytes, MonoTime now);
  /// Many answers to one read must not fill the outbox of a client that reads: writes when it is
  /// half full. False: the connection is over.
  [[nodiscard]] bool make_room(MonoTime now);
  [[nodiscard]] bool is_half_full() const {
    return outbox_.pending_bytes() > limits_.outbox.bytes / 2;
  }
  void wait_writable();
  void end_of_sending(MonoTime now);
  void finish(const CloseReason& reason, MonoTime now);

  Shard& shard_;
  const ConnectionLimits& limits_;
  const Admission::Place place_;
  boost::asio::ip::tcp::socket socket_;
  Outbox outbox_;
  FrameReader reader_;
  std::unique_ptr<Client> client_;
  MonoTime last_inbound_{};
  MonoTime last_progress_{};  // when the kernel last took bytes
  MonoTime give_up_at_{};     // set once closing: then the socket is reset
  MonoTime answer_until_{};   // for the peer's close frame, once it has had ours
  Outbox::Ticket pong_ = 0;   // the last one
  std::uint32_t pongs_ = 0;   // since nothing waited
  bool waits_writable_ = false;
  bool is_shut_down_ = false;
  bool peer_closed_ = false;  // its close frame came
  bool sent_close_ = false;   // ours is in the kernel
  bool finished_ = false;
};

}  // namespace broadcast
