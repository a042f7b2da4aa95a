// What a client sends over TLS comes out as it was sent, however its records are cut; and bytes
// that are not what it sent, in the handshake or after it, end the connection without inventing
// anything.
//
// Input: byte 0 chooses what is tried (low three bits); bytes 1 and 2 are two chunk sizes that take
// turns; byte 3 is which byte is flipped, or what the record says that it holds; the rest is what
// the client sends.

#include <array>
#include <memory>
#include <span>
#include <string>

#include <sys/socket.h>
#include <unistd.h>

#include "host/wire/tls.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/unit/wire/tls_client.hpp"

namespace broadcast {
namespace {

/// A server's side on one end of a pair of sockets; a client reads at the other one.
class Pair {
 public:
  explicit Pair(const std::shared_ptr<const TlsContext>& context) {
    fuzz::require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()) == 0,
                  "there are sockets");
    server = std::make_unique<TlsSession>(context, ends_[0]);
  }
  ~Pair() {
    for (const int end : ends_) ::close(end);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  void shake_hands() {
    bool is_done = false;
    for (int turn = 0; turn < 10 && !is_done; ++turn) {
      static_cast<void>(client.shake_hands());
      const std::string sent = client.take();
      server->feed(sent);
      is_done = server->handshake() == TlsSession::Handshake::kDone;
      std::array<char, 16384> answer;
      const ssize_t count = ::read(ends_[1], answer.data(), answer.size());
      if (count > 0) client.receive({answer.data(), static_cast<std::size_t>(count)});
    }
    fuzz::require(is_done && client.shake_hands(), "the two shake hands");
  }

  std::unique_ptr<TlsSession> server;
  TlsClient client;

 private:
  std::array<int, 2> ends_{};
};

struct Opened {
  std::string plain;
  TlsSession::Opened last = TlsSession::Opened::kNothing;
};

Opened open_in_chunks(TlsSession& server, std::string_view sealed,
                      std::array<std::size_t, 2> chunks) {
  Opened opened;
  std::array<char, 100> part;
  for (std::size_t turn = 0; !sealed.empty(); ++turn) {
    const std::string_view now = sealed.substr(0, chunks.at(turn % 2));
    sealed.remove_prefix(now.size());
    server.feed(now);
    while (true) {
      const auto [what, bytes] = server.open(part);
      opened.last = what;
      if (what != TlsSession::Opened::kBytes) break;
      opened.plain.append(part.data(), bytes);
    }
    if (opened.last != TlsSession::Opened::kNothing) break;
  }
  return opened;
}

/// Records of a client that has the keys, and puts into them what it likes.
void try_content(std::size_t content, std::string_view text) {
  text = text.substr(0, TlsRecordKey::kMostPlain);
  TlsRecordKey key(aes_128_gcm(), TlsRecordKey::Use::kSeal, tls_secret(1), 0);
  TlsRecords server(aes_128_gcm(), tls_secret(1), tls_secret(2), 0);
  std::string sealed;
  key.seal(static_cast<TlsContent>(content), text, sealed);
  std::string_view input = sealed;
  std::string plain(sealed.size(), '\0');
  const auto [what, bytes] = server.open(input, plain);
  // A content of zero is padding, and what stands before it says what is in the record.
  std::string inner = std::string(text) + static_cast<char>(content);
  while (!inner.empty() && inner.back() == 0) inner.pop_back();
  const bool is_data = inner.size() > 1 && inner.back() == static_cast<char>(TlsContent::kData);
  text = text.substr(0, inner.empty() ? 0 : inner.size() - 1);
  fuzz::require((what == TlsOpened::kBytes) == is_data, "data comes out, and nothing else");
  if (is_data) fuzz::require(std::string_view(plain).substr(0, bytes) == text, "as it was sent");
}

void try_input(std::string_view input) {
  static MadeCertificates certificates;
  static const auto context = std::make_shared<const TlsContext>(
      TlsOptions{.identities = {certificates.make("a.example")}});
  if (input.size() < 5) return;
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(input[i]));
  };
  const std::array<std::size_t, 2> chunks{byte(1) + 1, byte(2) + 1};
  const std::string_view rest = input.substr(4);
  if ((byte(0) & 7U) >= 4) return try_content(byte(3), rest);
  Pair pair(context);
  if ((byte(0) & 7U) == 0) {  // no client of ours
    pair.server->feed(rest);
    const auto result = pair.server->handshake();
    fuzz::require(result != TlsSession::Handshake::kDone, "nobody guesses a handshake");
    return;
  }
  pair.shake_hands();
  pair.client.send(rest);
  std::string sealed = pair.client.take();
  if ((byte(0) & 7U) == 1) {
    const Opened opened = open_in_chunks(*pair.server, sealed, chunks);
    fuzz::require(opened.plain == rest && opened.last == TlsSession::Opened::kNothing,
                  "what is sent comes out");
    return;
  }
  char& flipped = sealed.at(byte(3) % sealed.size());
  flipped = static_cast<char>(flipped ^ 0x20);
  const Opened opened = open_in_chunks(*pair.server, sealed, chunks);
  fuzz::require(rest.starts_with(opened.plain) && opened.plain.size() < rest.size(),
                "what was changed on its way does not come out");
}

}  // namespace
}  // namespace broadcast

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  broadcast::try_input(broadcast::fuzz::text_of(data, size));
  return 0;
}
