#pragma once
// One socket and its Outbox: bytes in, bytes out, nothing about topics. Reads into its shard's one
// receive buffer, parses frames in place and hands whole messages to its Client; a Flusher writes
// what waits. Small, because most are idle. Owned by its Shard; [shard].

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <boost/intrusive/list_hook.hpp>
#include <sys/types.h>

#include "host/base/clock.hpp"
#include "host/base/limits.hpp"
#include "host/base/token_bucket.hpp"
#include "host/hub/client.hpp"
#include "host/hub/outbox.hpp"
#include "host/net/admission.hpp"
#include "host/seams/client_census.hpp"
#include "host/wire/deflate_offer.hpp"
#include "host/wire/frame_reader.hpp"
#include "host/wire/tls.hpp"

namespace broadcast {

class Shard;

/// In one of its shard's lists.
using ConnectionHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class Connection final : public ConnectionHook, public OutboxWriter {
 public:
  /// `socket` has finished its handshake, and is closed with the connection. `deflate` are the
  /// terms it agreed on. `shard` and `limits` outlive it.
  /// `tls`: its handshake is done; null: plain. `peer`: what a proxy says whose connection it is;
  /// empty: it is that of the socket's other end.
  Connection(Shard& shard, int socket, std::unique_ptr<TlsSession> tls, Admission::Place place,
             std::string peer, const std::optional<DeflateTerms>& deflate, const Limits& limits);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] Outbox& outbox() { return outbox_; }
  /// A close frame.
  [[nodiscard]] MessagePtr closing_message(const CloseReason& reason) const override;

  // What a Flusher writes it with.

  /// It left the touched list. True: something waits, and the socket may take it.
  [[nodiscard]] bool begin_flush(MonoTime now);
  [[nodiscard]] int socket() const { return socket_; }
  /// What goes to the socket next is sealed(), and not what stands at the front of the outbox.
  [[nodiscard]] bool is_sealing() const { return tls_ && tls_->session->is_sealing(); }
  /// At most a record of what waits, encrypted: it cannot be superseded any more. The same until
  /// on_sent() says that it is written. REQUIRES: is_sealing(), and something waits.
  [[nodiscard]] std::string_view sealed();
  /// What came of sending what waits at the front: bytes, or an errno below zero. True: go on.
  [[nodiscard]] bool on_sent(ssize_t result, MonoTime now);

  /// Sends `response`, the answer to the upgrade, and starts to read. `first_bytes` came with the
  /// request.
  void open(std::unique_ptr<Client> client, std::string_view response, std::span<char> first_bytes,
            MonoTime now);
  /// Its socket has something to read, or has ended.
  void on_readable(MonoTime now);
  /// Its socket takes bytes again.
  void on_writable(MonoTime now);
  /// Twice a second while it waits: write stalls, and close handshakes that nobody answers.
  void on_tick(MonoTime now);
  /// Tells the client that it will be closed.
  void announce_shutdown(std::chrono::milliseconds retry_after);
  /// Closes with 1001. False: it is closing already.
  [[nodiscard]] bool try_shut_down();
  /// Closes if there was no sign of life for `idle`, nor is there one to be read. True: it did.
  bool close_if_idle(std::chrono::nanoseconds idle, const CloseReason& reason, MonoTime now);
  void count_silence_from(MonoTime now) { alive_ = now; }
  /// Sends `ping` if the silence reached a multiple of `interval` between the two times.
  void ping_if_silent(std::chrono::nanoseconds interval, const MessagePtr& ping, MonoTime from,
                      MonoTime now);
  /// The host itself did not run for `pause`, which ends now: it counts against nobody.
  void forgive(std::chrono::nanoseconds pause, MonoTime now);
  [[nodiscard]] std::size_t pending_bytes() const { return outbox_.pending_bytes(); }
  /// What waits for it, beside what others wait for, too.
  [[nodiscard]] std::size_t queue_bytes() const { return outbox_.queue_bytes() + sealed_bytes(); }
  /// Memory that would be free without it, but for what is the same for all.
  [[nodiscard]] std::size_t held_bytes() const;
  /// It ends already.
  [[nodiscard]] bool is_closing() const { return outbox_.closing(); }
  /// It does because of what it held, which is gone but for little.
  [[nodiscard]] bool was_emptied() const;
  [[nodiscard]] ClientView view(MonoTime now) const;
  /// Ends it at once, without another word.
  void reset(MonoTime now);

 private:
  friend class FrameSink;

  /// What only those need whose socket takes no more, or who are closing.
  struct Waiting {
    MonoTime progress;        // when the kernel last took bytes
    MonoTime give_up_at{};    // set once closing: then the socket is reset
    MonoTime answer_until{};  // for the peer's close frame, once it has had ours
  };
  /// What only those need that are encrypted.
  struct Tls {
    std::unique_ptr<TlsSession> session;
    std::string sealed;          // on its way to the socket
    std::size_t sent = 0;        // of that
    bool has_ended = false;      // close_notify is sealed, or written
    bool ends_later = false;     // as soon as the socket takes it
    std::size_t kept_bytes = 0;  // of what has come in part, as it was counted
  };
  [[nodiscard]] bool is_over() const { return socket_ < 0; }
  /// Nothing waits, neither plain nor sealed.
  [[nodiscard]] bool has_nothing_to_send() const {
    return outbox_.empty() && (!tls_ || (tls_->sealed.empty() && !tls_->session->has_sealed()));
  }
  /// On its way to the socket.
  [[nodiscard]] std::size_t sealed_bytes() const {
    return tls_ ? tls_->sealed.capacity() + tls_->session->sealed_bytes() : 0;
  }
  void consume(std::size_t bytes);
  void note_kept();
  void open_received(std::span<char> sealed, MonoTime now);
  /// From now on it is looked at twice a second.
  Waiting& waiting(MonoTime now);
  void read_some(MonoTime now);
  void receive(std::span<char> bytes, MonoTime now);
  /// Of a ping, a pong or a fragment with nothing in it: they cost the peer next to nothing. False:
  /// there were too many, and it is closed.
  [[nodiscard]] bool takes_control_frame(MonoTime now);
  [[nodiscard]] double control_frames_at_once() const {
    return 10.0 * limits_.control_frames_per_second;
  }
  /// Many answers to one read must not fill the outbox of a client that reads: writes when it is
  /// half full. False: the connection is over.
  [[nodiscard]] bool make_room(MonoTime now);
  [[nodiscard]] bool is_half_full() const {
    return outbox_.pending_bytes() > limits_.outbox_bytes / 2;
  }
  void set_waits_writable(bool waits);
  void close_in_time(MonoTime now);
  void end_of_sending(MonoTime now);
  void finish(const CloseReason& reason, MonoTime now);

  /// Whose connection it is, for operators; empty: gone.
  [[nodiscard]] std::string peer() const;

  Shard& shard_;
  const Limits& limits_;
  const std::unique_ptr<const std::string> proxied_peer_;  // null: the socket's other end
  int socket_;                                             // -1: closed, the connection is over
  bool waits_writable_ = false;
  bool is_shut_down_ = false;
  bool peer_closed_ = false;  // its close frame came
  bool sent_close_ = false;   // ours is in the kernel
  Outbox outbox_;
  std::unique_ptr<Client> client_;
  const std::unique_ptr<Tls> tls_;  // null: plain
  std::unique_ptr<Waiting> waiting_;
  MonoTime alive_{};         // the last sign of life: a frame, or room made by a slow reader
  Outbox::Ticket pong_ = 0;  // the last one
  std::uint32_t pongs_ = 0;  // since nothing waited
  TokenBucket control_frames_;
  FrameReader reader_;
  const Admission::Place place_;
};

}  // namespace broadcast
