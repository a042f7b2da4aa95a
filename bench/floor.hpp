#pragma once
// What any WebSocket fan-out must do at least: answers handshakes, and sends each message, framed
// once, to everybody. No queues, no replies, no close handshake: a socket that is full misses the
// message. How the frames get to the sockets is the two programs' difference. One thread, which
// allocates nothing for a message.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace broadcast {

class Floor {
 public:
  struct Options {
    std::uint16_t port = 0;
    double rate = 100;        ///< messages a second of each topic
    double tick_ms = 0;       ///< 0: evenly spaced; else rate * tick of them at each tick
    std::size_t bytes = 300;  ///< of a message's text
    std::size_t topics = 0;  ///< t0, t1, … by ?subscribe=; 0: the one topic `bench`, for everybody
  };
  /// Reads the command line. Prints and exits by itself for --help and what cannot be read.
  [[nodiscard]] static Options read_options(int argc, char** argv, const std::string& name);

  /// Listens. Throws std::system_error.
  explicit Floor(const Options& options);
  virtual ~Floor();
  Floor(const Floor&) = delete;
  Floor& operator=(const Floor&) = delete;

  /// Until SIGTERM or SIGINT; prints where it listens, and at the end what it sent.
  void run();

 protected:
  /// Sends `frames` to each of `sockets`, and calls on_sent() once for each.
  virtual void send_to(std::span<const int> sockets, std::string_view frames) = 0;
  /// `sent` bytes, or an errno below 0, of `wanted`.
  void on_sent(int socket, std::ptrdiff_t sent, std::size_t wanted);

 private:
  struct Client {
    bool shaken = false;
    std::string request;
  };

  void watch(int descriptor) const;
  void start_timer();
  void accept_all();
  void on_readable(int socket);
  void shake(int socket, Client& client);
  void drop(int socket);
  void on_timer();
  void append_message(std::size_t topic);
  [[nodiscard]] Client& client_of(int socket);

  const Options options_;
  const std::vector<std::string> names_;
  const int listener_;
  const int epoll_;
  const int timer_;
  std::size_t burst_ = 1;  // messages of a topic at each expiration
  std::size_t next_topic_ = 0;
  std::vector<Client> clients_;            // by descriptor
  std::vector<std::vector<int>> sockets_;  // by topic
  std::vector<std::uint64_t> numbers_;     // by topic
  std::vector<char> receive_;
  std::string frames_;  // of what is being sent
  std::vector<int> broken_;
  std::uint64_t sent_ = 0;
  std::uint64_t missed_ = 0;
};

}  // namespace broadcast
