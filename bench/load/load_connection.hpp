#pragma once
// One client: connects, shakes hands, subscribes, and reads what comes, with one recvmsg() for each
// readiness. Nothing is parsed but the three fields that are measured. Owned by LoadRun; what all
// share is LoadTally. One thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bench/load/latency_histogram.hpp"
#include "bench/load/load_options.hpp"
#include "bench/load/load_tls.hpp"
#include "bench/load/message_inflater.hpp"

namespace broadcast {

[[nodiscard]] std::int64_t mono_ns();

/// What all connections count together.
struct LoadTally {
  LatencyHistogram latency;
  std::uint64_t bytes = 0;      ///< off the sockets, everything
  std::uint64_t gaps = 0;       ///< jumps of a topic's number on a connection
  std::uint64_t repeated = 0;   ///< a number that was not above the one before
  std::uint64_t deflated = 0;   ///< messages that came deflated
  std::uint64_t unstamped = 0;  ///< messages whose arrival the kernel did not stamp
  std::size_t shaken = 0;       ///< handshakes done
  std::size_t ready = 0;        ///< and subscribed
  std::size_t complete = 0;     ///< and a message of each topic has come
  std::size_t closed = 0;
  std::vector<std::string> errors;  ///< the first few

  void clear_window();
  void note(std::string error);
};

class LoadConnection {
 public:
  struct Shared {
    const LoadOptions& options;
    LoadTally& tally;
    std::unordered_map<std::string_view, std::size_t> topic_numbers;  ///< place in options.topics
    std::vector<char> buffer;  ///< what is being read, of whichever connection
    std::vector<char> sealed;  ///< the same before it is decrypted
    MessageInflater inflater;  ///< of connections without context
  };
  enum class Phase : std::uint8_t { kConnecting, kShaking, kSubscribing, kReady, kClosed };

  LoadConnection(Shared& shared, std::size_t number);
  ~LoadConnection();
  LoadConnection(const LoadConnection&) = delete;
  LoadConnection& operator=(const LoadConnection&) = delete;

  /// Begins to connect. Throws std::system_error.
  void start();
  /// Connected, or refused.
  void on_writable();
  void on_readable();

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] Phase phase() const { return phase_; }

 private:
  [[nodiscard]] std::string request() const;
  void send_raw(std::string_view bytes);
  [[nodiscard]] ssize_t receive(std::span<char> into);
  void on_sealed(std::string_view sealed);
  void on_bytes(std::size_t count);
  /// True once the whole answer is there; `data` is then what follows it.
  [[nodiscard]] bool take_handshake(std::string_view& data);
  void subscribe();
  void send_all(std::string_view bytes);
  void on_frames(std::string_view& data);
  void on_frame(unsigned char head, std::string_view payload);
  void on_data(unsigned char head, std::string_view payload);
  void on_message(std::string_view payload, bool deflated);
  void on_text(std::string_view text);
  void on_nats(std::string_view bytes);
  void on_nats_line(std::string_view line);
  void on_reply(std::string_view text);
  void on_number(std::string_view text);
  void confirm();
  void fail(const std::string& why);

  Shared& shared_;
  const std::size_t number_;
  const bool is_measured_;
  int fd_ = -1;
  Phase phase_ = Phase::kConnecting;
  bool is_stamped_ = false;          // by the kernel
  std::int64_t came_ns_ = 0;         // when what is looked at was there
  std::size_t awaited_ = 0;          // answers to what was subscribed
  std::size_t unseen_ = 0;           // topics of which nothing has come
  std::vector<std::uint64_t> last_;  // number of each topic
  std::string kept_;                 // a frame that has not come whole
  std::string fragments_;
  std::string stream_;  // NATS: a message that has not come whole
  bool fragments_deflated_ = false;
  std::optional<DeflateAnswer> deflate_;
  std::unique_ptr<LoadTls> tls_;               // null: plain
  std::unique_ptr<MessageInflater> inflater_;  // with context
};

}  // namespace broadcast
