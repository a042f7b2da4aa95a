#include "host/wire/tls.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/wire/tls_client.hpp"

namespace broadcast {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class TlsTest : public testing::Test {
 protected:
  TlsTest() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()), 0); }
  ~TlsTest() override {
    for (const int end : ends_) ::close(end);
  }

  std::unique_ptr<TlsSession> session(TlsOptions options) {
    return std::make_unique<TlsSession>(std::make_shared<const TlsContext>(options), ends_[0]);
  }
  /// What the session has written to its socket.
  std::string from_socket() {
    std::string all;
    std::array<char, 4096> part{};
    for (ssize_t n = 0; (n = ::read(ends_[1], part.data(), part.size())) > 0;) {
      all.append(part.data(), static_cast<std::size_t>(n));
    }
    return all;
  }
  /// How the server's side of the handshake ends; `step`: so many bytes reach it at once.
  TlsSession::Handshake shake_hands(TlsSession& server, TlsClient& client,
                                    std::size_t step = SIZE_MAX) {
    auto result = TlsSession::Handshake::kWantsToRead;
    for (int turn = 0; turn < 20 && result == TlsSession::Handshake::kWantsToRead; ++turn) {
      client.shake_hands();
      for (std::string sent = client.take(); !sent.empty();) {
        const std::string now = sent.substr(0, step);
        sent.erase(0, now.size());
        server.feed(now);
        result = server.handshake();
        if (result == TlsSession::Handshake::kDone) {
          early_ += opened(server);
          continue;
        }
        if (result != TlsSession::Handshake::kWantsToRead) break;
      }
      client.receive(from_socket());
    }
    client.shake_hands();
    return result;
  }
  /// What comes out of `sent`.
  std::string opened_of(TlsSession& server, const std::string& sent) {
    server.feed(sent);
    return opened(server);
  }
  std::string opened(TlsSession& server, std::size_t room = 4096) {
    std::string all;
    std::string part(room, '\0');
    while (true) {
      const auto [what, bytes] = server.open(part);
      last_ = what;
      if (what != TlsSession::Opened::kBytes) return all;
      all.append(part, 0, bytes);
    }
  }

  MadeCertificates certificates;
  std::array<int, 2> ends_{};
  std::string early_;
  std::string kept_;
  TlsSession::Opened last_ = TlsSession::Opened::kNothing;
};

TEST_F(TlsTest, WhatOneSealsTheOtherReads) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  TlsClient client;
  ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
  EXPECT_THAT(server->cipher(), HasSubstr("TLSv1.3"));
  ASSERT_TRUE(server->is_sealing()) << "a socket pair is nothing that the kernel encrypts";
  client.send("hello");
  EXPECT_EQ(opened_of(*server, client.take()), "hello");
  server->seal("welcome");
  EXPECT_TRUE(server->has_sealed());
  client.receive(server->take_sealed());
  EXPECT_EQ(client.read(), "welcome");
  EXPECT_FALSE(server->has_sealed());
  EXPECT_TRUE(server->try_seal_end());
  client.receive(server->take_sealed());
  EXPECT_THAT(client.read(), IsEmpty());
  EXPECT_TRUE(client.was_told_the_end());
}

TEST_F(TlsTest, EveryVersionAndCipherIsSpokenBothWays) {
  const struct {
    const char* cipher;
    std::function<void(SSL*)> prepare;
  } rows[] = {
      {"TLSv1.2, ", [](SSL* one) { SSL_set_max_proto_version(one, TLS1_2_VERSION); }},
      {"TLSv1.3, TLS_AES_128_GCM_SHA256",
       [](SSL* one) { SSL_set_ciphersuites(one, "TLS_AES_128_GCM_SHA256"); }},
      {"TLSv1.3, TLS_AES_256_GCM_SHA384",
       [](SSL* one) { SSL_set_ciphersuites(one, "TLS_AES_256_GCM_SHA384"); }},
      {"TLSv1.3, TLS_CHACHA20_POLY1305_SHA256",
       [](SSL* one) { SSL_set_ciphersuites(one, "TLS_CHACHA20_POLY1305_SHA256"); }},
  };
  for (const auto& row : rows) {
    const auto server = session({.identities = {certificates.make("a.example")}});
    TlsClient client(row.prepare);
    ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone) << row.cipher;
    EXPECT_THAT(server->cipher(), HasSubstr(row.cipher));
    for (const std::size_t bytes : {1U, 300U, 16384U, 40000U}) {
      std::string text(bytes, 'a');
      for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i % 251);
      for (const std::size_t room : {100U, 65536U}) {
        client.send(text);
        server->feed(kept_ = client.take());
        EXPECT_EQ(opened(*server, room), text) << row.cipher;
      }
      for (std::string_view rest = text; !rest.empty();
           rest.remove_prefix(std::min(rest.size(), TlsSession::kMostSealed))) {
        server->seal(rest.substr(0, TlsSession::kMostSealed));
      }
      client.receive(server->take_sealed());
      EXPECT_EQ(client.read(), text) << row.cipher;
    }
    client.send("bye");
    EXPECT_EQ(opened_of(*server, client.take()), "bye") << row.cipher;
  }
}

TEST_F(TlsTest, ASessionIsResumed) {
  const auto context = std::make_shared<const TlsContext>(
      TlsOptions{.identities = {certificates.make("a.example")}});
  std::unique_ptr<SSL_SESSION, Freed<SSL_SESSION_free>> ticket;
  for (const bool is_resumed : {false, true, true}) {
    TlsSession server(context, ends_[0]);
    TlsClient client([&](SSL* one) {
      if (ticket) SSL_set_session(one, ticket.get());
    });
    ASSERT_EQ(shake_hands(server, client), TlsSession::Handshake::kDone);
    EXPECT_EQ(SSL_session_reused(client.get()) == 1, is_resumed);
    client.send("hello");
    EXPECT_EQ(opened_of(server, client.take()), "hello");
    server.seal("welcome");
    client.receive(server.take_sealed());
    EXPECT_EQ(client.read(), "welcome");
    ticket.reset(SSL_SESSION_dup(SSL_get0_session(client.get())));
  }
}

TEST_F(TlsTest, AnIdleSessionOfTls13DoesWithoutOpenSsls) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  TlsClient client;
  ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
  const auto old = session({.identities = {certificates.make("a.example")}});
  TlsClient old_client([](SSL* one) { SSL_set_max_proto_version(one, TLS1_2_VERSION); });
  ASSERT_EQ(shake_hands(*old, old_client), TlsSession::Handshake::kDone);
  EXPECT_LT(server->idle_bytes() * 4, old->idle_bytes());
}

TEST_F(TlsTest, BytesMayComeOneByOne) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  TlsClient client;
  ASSERT_EQ(shake_hands(*server, client, 1), TlsSession::Handshake::kDone);
  client.send("hello");
  std::string all;
  const std::string sent = client.take();
  for (const char& one : sent) {
    server->feed({&one, 1});
    all += opened(*server);
  }
  EXPECT_EQ(all, "hello");
}

TEST_F(TlsTest, AClientMayAskForNewKeys) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  TlsClient client;
  ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
  client.receive(server->take_sealed());
  ASSERT_EQ(SSL_key_update(client.get(), SSL_KEY_UPDATE_REQUESTED), 1);
  client.send("with new keys");
  EXPECT_EQ(opened_of(*server, client.take()), "with new keys");
  server->seal("so do I");
  client.receive(server->take_sealed());
  EXPECT_EQ(client.read(), "so do I");
}

TEST_F(TlsTest, NewKeysWithoutEndAreAFault) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  TlsClient client;
  ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
  client.receive(server->take_sealed());
  std::string flood;
  for (int i = 0; i < 1000; ++i) {
    SSL_key_update(client.get(), SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(client.get());
    flood += client.take();
  }
  EXPECT_EQ(opened_of(*server, flood), "");
  EXPECT_EQ(last_, TlsSession::Opened::kBroken);
}

TEST_F(TlsTest, APartOfARecordIsSeen) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  TlsClient client;
  ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
  EXPECT_EQ(server->kept_bytes(), 0U);
  client.send("hello");
  const std::string sent = client.take();
  EXPECT_EQ(opened_of(*server, sent.substr(0, 7)), "");
  EXPECT_GT(server->kept_bytes(), 0U);
  EXPECT_EQ(opened_of(*server, sent.substr(7)), "hello");
  EXPECT_EQ(server->kept_bytes(), 0U);
}

TEST_F(TlsTest, OfAPartOfARecordNoMoreIsKeptThanHasCome) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  TlsClient client;
  ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
  client.send(std::string(300'000, 'x'));
  const std::string sent = client.take();
  const std::size_t cut = sent.size() - 10'000;
  std::size_t bytes = opened_of(*server, sent.substr(0, 1)).size();
  bytes += opened_of(*server, sent.substr(1, cut - 1)).size();
  EXPECT_GT(server->kept_bytes(), 0U);
  EXPECT_LT(server->kept_bytes(), 17U * 1024);
  bytes += opened_of(*server, sent.substr(cut)).size();
  EXPECT_EQ(bytes, 300'000U);
  EXPECT_EQ(server->kept_bytes(), 0U);
}

TEST_F(TlsTest, NothingFollowsTheEnd) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  TlsClient client;
  ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
  client.receive(server->take_sealed());
  EXPECT_TRUE(server->try_seal_end());
  server->seal("");
  client.receive(server->take_sealed());
  EXPECT_EQ(client.read(), "");
  EXPECT_TRUE(client.was_told_the_end());
  EXPECT_EQ(BIO_ctrl_pending(SSL_get_rbio(client.get())), 0U);
}

TEST_F(TlsTest, AClientThatWantsSmallRecordsGetsThem) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  TlsClient client(
      [](SSL* one) { SSL_set_tlsext_max_fragment_length(one, TLSEXT_max_fragment_length_512); });
  ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
  server->seal(std::string(1000, 'x'));
  client.receive(server->take_sealed());
  EXPECT_EQ(client.read(), std::string(1000, 'x'));
}

TEST_F(TlsTest, AHandshakeThatTheSocketDoesNotTakeAtOnceGoesOn) {
  TlsIdentity identity = certificates.make("a.example");
  std::ifstream stream(identity.certificate);
  const std::string one{std::istreambuf_iterator<char>(stream), {}};
  std::string chain;
  for (int i = 0; i < 60; ++i) chain += one;  // more than the socket below takes
  identity.certificate = certificates.file_of("chain.pem", chain);
  const int least = 1;
  ASSERT_EQ(::setsockopt(ends_[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least), 0);
  const auto server = session({.identities = {identity}});
  TlsClient client;
  client.shake_hands();
  const std::string hello = client.take();
  server->feed(hello);
  auto result = server->handshake();
  EXPECT_EQ(result, TlsSession::Handshake::kWantsToWrite);
  for (int turn = 0; turn < 100 && result != TlsSession::Handshake::kDone; ++turn) {
    client.receive(from_socket());
    client.shake_hands();
    const std::string sent = client.take();
    server->feed(sent);
    result = server->handshake();
    ASSERT_NE(result, TlsSession::Handshake::kFailed) << server->problem();
  }
  EXPECT_EQ(result, TlsSession::Handshake::kDone);
}

TEST_F(TlsTest, TheCertificateIsThatOfTheNameThatIsAskedFor) {
  TlsIdentity wildcard = certificates.make("c.example");
  wildcard.names = {"*.c.example"};
  const TlsOptions options{
      .identities = {certificates.make("a.example"), certificates.make("b.example"), wildcard}};
  const struct {
    const char* asked;
    const char* shown;
  } rows[] = {{"a.example", "a.example"},     {"B.example", "b.example"},
              {"x.c.example", "c.example"},   {"c.example", "a.example"},
              {"x.y.c.example", "a.example"}, {"other.example", "a.example"},
              {nullptr, "a.example"}};
  for (const auto& row : rows) {
    const auto server = session(options);
    TlsClient client([&](SSL* one) {
      if (row.asked != nullptr) SSL_set_tlsext_host_name(one, row.asked);
    });
    ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
    EXPECT_EQ(client.shown_name(), row.shown) << (row.asked ? row.asked : "none");
  }
}

TEST_F(TlsTest, OldVersionsAndForeignProtocolsAreRefused) {
  const TlsOptions options{.identities = {certificates.make("a.example")},
                           .min_version = TlsVersion::k13};
  auto server = session(options);
  TlsClient old([](SSL* one) { SSL_set_max_proto_version(one, TLS1_2_VERSION); });
  EXPECT_EQ(shake_hands(*server, old), TlsSession::Handshake::kFailed);
  EXPECT_THAT(server->problem(), HasSubstr("unsupported protocol"));

  server = session(options);
  TlsClient h2([](SSL* one) {
    SSL_set_alpn_protos(one, reinterpret_cast<const unsigned char*>("\x02h2"), 3);
  });
  EXPECT_EQ(shake_hands(*server, h2), TlsSession::Handshake::kFailed);

  server = session(options);
  TlsClient http([](SSL* one) {
    SSL_set_alpn_protos(one, reinterpret_cast<const unsigned char*>("\x02h2\x08http/1.1"), 12);
  });
  EXPECT_EQ(shake_hands(*server, http), TlsSession::Handshake::kDone);
  const unsigned char* chosen = nullptr;
  unsigned bytes = 0;
  SSL_get0_alpn_selected(http.get(), &chosen, &bytes);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), bytes), "http/1.1");
}

TEST_F(TlsTest, PlainHttpIsToldApart) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  server->feed("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  EXPECT_EQ(server->handshake(), TlsSession::Handshake::kIsHttp);
  EXPECT_THAT(from_socket(), IsEmpty());
}

TEST_F(TlsTest, ClientsNeedACertificateWhereOneIsAskedFor) {
  const TlsIdentity clients = certificates.make("client");
  const TlsOptions options{.identities = {certificates.make("a.example")},
                           .client_ca = clients.certificate};
  auto server = session(options);
  TlsClient without;
  EXPECT_EQ(shake_hands(*server, without), TlsSession::Handshake::kFailed);
  server = session(options);
  TlsClient with([&](SSL* one) {
    SSL_use_certificate_file(one, clients.certificate.c_str(), SSL_FILETYPE_PEM);
    SSL_use_PrivateKey_file(one, clients.key.c_str(), SSL_FILETYPE_PEM);
  });
  EXPECT_EQ(shake_hands(*server, with), TlsSession::Handshake::kDone);
  with.send("hello");
  EXPECT_EQ(opened_of(*server, with.take()), "hello");
  server->seal("welcome");
  with.receive(server->take_sealed());
  EXPECT_EQ(with.read(), "welcome");
}

TEST_F(TlsTest, RecordsThatNoClientSendsAreBroken) {
  using namespace std::string_literals;
  for (const std::string& sent :
       {"\x14\x03\x03\x00\x01\x01"s,                  // a cipher's change, behind the handshake
        "\x16\x03\x03\x00\x05\x18\x00\x00\x01\x00"s,  // new keys, but not encrypted
        "\x17\x03\x03\x41\x01"s,                      // too long
        "\x17\x03\x03\x00\x00"s,                      // no tag
        "\x17\x03\x03\x00\x11"s + std::string(17, 'x'), "\x17\x02\x03\x00\x11"s}) {
    const auto server = session({.identities = {certificates.make("a.example")}});
    TlsClient client;
    ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
    EXPECT_EQ(opened_of(*server, sent), "");
    EXPECT_EQ(last_, TlsSession::Opened::kBroken) << testing::PrintToString(sent);
  }
}

TEST_F(TlsTest, WhatIsNotWhatTheClientSentIsBroken) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  TlsClient client;
  ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
  client.send("hello");
  std::string sent = client.take();
  sent.back() = static_cast<char>(sent.back() ^ 1);
  server->feed(sent);
  EXPECT_THAT(opened(*server), IsEmpty());
  EXPECT_EQ(last_, TlsSession::Opened::kBroken);
}

TEST_F(TlsTest, TheEndOfAClientIsSeen) {
  const auto server = session({.identities = {certificates.make("a.example")}});
  TlsClient client;
  ASSERT_EQ(shake_hands(*server, client), TlsSession::Handshake::kDone);
  client.send("last");
  SSL_shutdown(client.get());
  const std::string sent = client.take();
  server->feed(sent);
  EXPECT_EQ(opened(*server, 2), "last");
  EXPECT_EQ(last_, TlsSession::Opened::kClosed);
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreNamedWithWhatToDo) {
  const TlsIdentity good = certificates.make("a.example");
  const TlsIdentity other = certificates.make("b.example");
  const auto problem = [](const TlsOptions& options) -> std::string {
    try {
      const TlsContext context(options);
      return {};
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  };
  EXPECT_THAT(problem({.identities = {{{}, "/nowhere.pem", good.key}}}),
              HasSubstr("/nowhere.pem: cannot be read: No such file"));
  EXPECT_THAT(problem({.identities = {{{}, certificates.file_of("x", "no"), good.key}}}),
              HasSubstr("holds no certificate in PEM"));
  EXPECT_THAT(problem({.identities = {{{}, good.certificate, other.key}}}),
              HasSubstr("b.example.key: is not the key of "));
  EXPECT_THAT(problem({.identities = {{{}, good.certificate, certificates.file_of("y", "no")}}}),
              HasSubstr("holds no private key in PEM, or an encrypted one"));
  EXPECT_THAT(problem({.identities = {good}, .client_ca = certificates.file_of("z", "no")}),
              HasSubstr("z: holds no certificate"));
}

TEST_F(TlsTest, AKeyOfAnotherTypeIsNotTheCertificates) {
  const TlsIdentity rsa = certificates.make_rsa("rsa.example");
  const TlsIdentity ec = certificates.make("ec.example");
  for (const auto& [certificate, key] :
       {std::pair(rsa.certificate, ec.key), std::pair(ec.certificate, rsa.key)}) {
    try {
      const TlsContext context(
          {.identities = {{.names = {}, .certificate = certificate, .key = key}}});
      FAIL() << certificate;
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), key + ": is not the key of " + certificate);
    }
  }
}

TEST_F(TlsTest, ACertificateThatHasExpiredIsTold) {
  EXPECT_THAT(TlsContext({.identities = {certificates.make("a.example")}}).warnings(), IsEmpty());
  const TlsContext expired({.identities = {certificates.make("old.example", -60)}});
  ASSERT_THAT(expired.warnings(), SizeIs(1));
  EXPECT_THAT(expired.warnings()[0], HasSubstr("old.example.pem has expired on 20"));
}

}  // namespace
}  // namespace broadcast
