#include "host/wire/frame_reader.hpp"

#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/wire/frame_play.hpp"

namespace broadcast {
namespace {

using namespace std::string_literals;

constexpr std::size_t kLimit = 1024;

std::string text(std::string_view payload, Fragment fragment = Fragment::kLast) {
  return client_frame(Opcode::kText, payload, fragment);
}
std::string binary(std::string_view payload, Fragment fragment = Fragment::kLast) {
  return client_frame(Opcode::kBinary, payload, fragment);
}
std::string more(std::string_view payload, Fragment fragment) {
  return client_frame(Opcode::kContinuation, payload, fragment);
}
std::string ping(std::string_view payload) { return client_frame(Opcode::kPing, payload); }
std::string pong(std::string_view payload) { return client_frame(Opcode::kPong, payload); }
std::string close_frame(unsigned code, std::string_view reason = {}) {
  std::string payload{static_cast<char>(code >> 8U), static_cast<char>(code & 0xFFU)};
  return client_frame(Opcode::kClose, payload.append(reason));
}
std::string raw(std::initializer_list<unsigned> bytes) {
  std::string out;
  for (const unsigned byte : bytes) out += static_cast<char>(byte);
  return out;
}
/// `wire` without its last `count` bytes.
std::string cut(std::string wire, std::size_t count) {
  wire.resize(wire.size() - count);
  return wire;
}

struct Row {
  std::string name;
  std::string wire;
  std::string said;
};

void expect_the_same_at_every_split(const Row& row, const FramePlay::Options& options = {
                                                        .max_message_bytes = kLimit}) {
  SCOPED_TRACE(row.name);
  EXPECT_EQ(played_at_once(row.wire, options), row.said);
  EXPECT_EQ(played_in_chunks(row.wire, {1}, options), row.said) << "byte by byte";
  for (std::size_t first = 1; first < row.wire.size(); ++first) {
    ASSERT_EQ(played_in_chunks(row.wire, {first, SIZE_MAX}, options), row.said)
        << "after " << first << " bytes";
  }
}

TEST(FrameReaderTest, ReadsWhatIsValid) {
  const std::string k125(125, 'a');
  const std::string k126(126, 'b');
  const std::string kAll(kLimit, 'c');
  const Row rows[] = {
      {"nothing", "", ""},
      {"text", text("Hello"), "text(Hello)"},
      {"empty text", text(""), "text()"},
      {"RFC 6455 5.7", raw({0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58}),
       "text(Hello)"},
      {"binary of any bytes", binary("\xFF\x00\x80"s), "binary(\xFF\x00\x80)"s},
      {"two messages", text("one") + binary("two"), "text(one) binary(two)"},
      {"125 bytes", text(k125), "text(" + k125 + ")"},
      {"126 bytes", text(k126), "text(" + k126 + ")"},
      {"a mask of zeros", client_frame(Opcode::kText, "plain", Fragment::kLast, {}), "text(plain)"},
      {"Korean", text("삼성전자 🚀"), "text(삼성전자 🚀)"},
      {"two fragments", text("Hel", Fragment::kMore) + more("lo", Fragment::kLast), "text(Hello)"},
      {"empty fragments",
       binary("", Fragment::kMore) + more("", Fragment::kMore) + more("x", Fragment::kMore) +
           more("", Fragment::kLast),
       "binary(x)"},
      {"only empty fragments", text("", Fragment::kMore) + more("", Fragment::kLast), "text()"},
      {"a character over three fragments",
       text("\xEC", Fragment::kMore) + more("\x82", Fragment::kMore) +
           more("\xBC", Fragment::kLast),
       "text(삼)"},
      {"control frames between fragments",
       text("Hel", Fragment::kMore) + ping("abc") + more("l", Fragment::kMore) + pong("de") +
           ping("") + more("o", Fragment::kLast) + text("next"),
       "ping(abc) pong(de) ping() text(Hello) text(next)"},
      {"a ping between empty fragments",
       binary("", Fragment::kMore) + ping("abc") + more("", Fragment::kLast), "ping(abc) binary()"},
      {"ping of 125 bytes", ping(k125), "ping(" + k125 + ")"},
      {"ping of any bytes", ping("\xFF\xFE"), "ping(\xFF\xFE)"},
      {"pong", pong("x"), "pong(x)"},
      {"close between fragments", text("lost", Fragment::kMore) + close_frame(1001),
       "closed 1001()"},
      {"fragments up to the limit",
       binary(kAll.substr(1), Fragment::kMore) + more("c", Fragment::kLast) + text("ok"),
       played_at_once(binary(kAll), {}) + " text(ok)"},
  };
  for (const Row& row : rows) expect_the_same_at_every_split(row);
}

TEST(FrameReaderTest, ReadsCloseFrames) {
  const Row rows[] = {
      {"without a code", client_frame(Opcode::kClose, ""), "closed 1005()"},
      {"with a code", close_frame(1000), "closed 1000()"},
      {"with a reason", close_frame(4999, "끝"), "closed 4999(끝)"},
      {"of 125 bytes", close_frame(1000, std::string(123, 'r')),
       "closed 1000(" + std::string(123, 'r') + ")"},
      {"nothing after it is read", close_frame(1000) + text("late") + raw({0xFF, 0xFF}),
       "closed 1000()"},
      {"half a code", client_frame(Opcode::kClose, "\x03"),
       "error 1002(close frame with half a code)"},
      {"reason not UTF-8", close_frame(1000, "\xC0\x80"), "error 1007(close reason is not UTF-8)"},
      {"reason cut in a character", close_frame(1000, "\xEC\x82"),
       "error 1007(close reason is not UTF-8)"},
  };
  for (const Row& row : rows) expect_the_same_at_every_split(row);
}

TEST(FrameReaderTest, KnowsWhichCloseCodesMayBeSent) {
  for (unsigned code = 0; code <= 0xFFFF; ++code) {
    const bool valid = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1011) ||
                       (code >= 3000 && code <= 4999);
    const std::string said = valid ? "closed " + std::to_string(code) + "()"
                                   : "error 1002(close frame with an invalid code)";
    ASSERT_EQ(played_at_once(close_frame(code), {}), said) << code;
  }
}

// Each row ends with the byte that is wrong: it must be enough, and must be needed.
TEST(FrameReaderTest, RefusesAtTheFirstWrongByte) {
  const std::string start = text("x", Fragment::kMore);
  const std::string begun = "continuation without a message to continue";
  const std::string interleaved = "new message before the last fragment of the previous one";
  const std::string minimal = "length not in its shortest form";
  const Row rows[] = {
      {"RSV1", raw({0xC1}), "error 1002(reserved bit set)"},
      {"RSV2", raw({0xA1}), "error 1002(reserved bit set)"},
      {"RSV3", raw({0x91}), "error 1002(reserved bit set)"},
      {"RSV1 on a ping", raw({0xC9}), "error 1002(reserved bit set)"},
      {"RSV1 on a continuation", start + raw({0xC0}), "error 1002(reserved bit set)"},
      {"opcode 3", raw({0x83}), "error 1002(unknown opcode)"},
      {"opcode 4", raw({0x84}), "error 1002(unknown opcode)"},
      {"opcode 5", raw({0x85}), "error 1002(unknown opcode)"},
      {"opcode 6", raw({0x86}), "error 1002(unknown opcode)"},
      {"opcode 7", raw({0x87}), "error 1002(unknown opcode)"},
      {"opcode B", raw({0x8B}), "error 1002(unknown opcode)"},
      {"opcode C", raw({0x8C}), "error 1002(unknown opcode)"},
      {"opcode D", raw({0x8D}), "error 1002(unknown opcode)"},
      {"opcode E", raw({0x8E}), "error 1002(unknown opcode)"},
      {"opcode F", raw({0x8F}), "error 1002(unknown opcode)"},
      {"fragmented close", raw({0x08}), "error 1002(control frame in fragments)"},
      {"fragmented ping", raw({0x09}), "error 1002(control frame in fragments)"},
      {"fragmented pong", raw({0x0A}), "error 1002(control frame in fragments)"},
      {"continuation first", raw({0x80}), "error 1002(" + begun + ")"},
      {"continuation, more to come, first", raw({0x00}), "error 1002(" + begun + ")"},
      {"continuation after the end", start + more("y", Fragment::kLast) + raw({0x80}),
       "text(xy) error 1002(" + begun + ")"},
      {"text inside text", start + raw({0x81}), "error 1002(" + interleaved + ")"},
      {"binary inside text", start + raw({0x02}), "error 1002(" + interleaved + ")"},
      {"unmasked", raw({0x81, 0x05}), "error 1002(a client's frames must be masked)"},
      {"unmasked ping", raw({0x89, 0x00}), "error 1002(a client's frames must be masked)"},
      {"ping of 126 bytes", raw({0x89, 0xFE}), "error 1002(control frame of more than 125 bytes)"},
      {"close of 2^16 bytes", raw({0x88, 0xFF}),
       "error 1002(control frame of more than 125 bytes)"},
      {"125 in two bytes", raw({0x81, 0xFE, 0x00, 0x7D}), "error 1002(" + minimal + ")"},
      {"0 in two bytes", raw({0x81, 0xFE, 0x00, 0x00}), "error 1002(" + minimal + ")"},
      {"65535 in eight bytes", raw({0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}),
       "error 1002(" + minimal + ")"},
      {"0 in eight bytes", raw({0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0}),
       "error 1002(" + minimal + ")"},
      {"top bit", raw({0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 1}),
       "error 1002(length with its top bit set)"},
      {"limit + 1", raw({0x82, 0xFE, 0x04, 0x01}), "error 1009(message too large)"},
      {"2^40", raw({0x82, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0}), "error 1009(message too large)"},
      {"2^63 - 1", raw({0x82, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255}),
       "error 1009(message too large)"},
      {"limit + 1 in fragments",
       binary(std::string(kLimit, 'x'), Fragment::kMore) + raw({0x80, 0x81}),
       "error 1009(message too large)"},
      {"an error after good ones", text("a") + ping("b") + raw({0x83}),
       "text(a) ping(b) error 1002(unknown opcode)"},
      {"lone continuation byte", cut(text("ab\x80zz"), 2), "error 1007(text is not UTF-8)"},
      {"overlong C0", cut(text("\xC0\x80"), 1), "error 1007(text is not UTF-8)"},
      {"overlong C1", cut(text("\xC1\xBF"), 1), "error 1007(text is not UTF-8)"},
      {"overlong E0", cut(text("\xE0\x80\x80"), 1), "error 1007(text is not UTF-8)"},
      {"overlong F0", cut(text("\xF0\x80\x80\x80"), 2), "error 1007(text is not UTF-8)"},
      {"surrogate", cut(text("\xED\xA0\x80"), 1), "error 1007(text is not UTF-8)"},
      {"above U+10FFFF", cut(text("\xF4\x90\x80\x80"), 2), "error 1007(text is not UTF-8)"},
      {"F5", cut(text("\xF5zzz"), 3), "error 1007(text is not UTF-8)"},
      {"broken character", cut(text("\xEC\x82xyz"), 2), "error 1007(text is not UTF-8)"},
      {"bad byte in a fragment", cut(text("ok\xFFmore", Fragment::kMore), 4),
       "error 1007(text is not UTF-8)"},
      {"bad byte in a continuation",
       text("\xEC\x82", Fragment::kMore) + ping("p") + cut(more("zz", Fragment::kLast), 1),
       "ping(p) error 1007(text is not UTF-8)"},
      {"text ends in a character", text("\xEC\x82"),
       "error 1007(text ends in the middle of a character)"},
      {"fragments end in a character",
       text("\xEC", Fragment::kMore) + more("\x82", Fragment::kLast),
       "error 1007(text ends in the middle of a character)"},
      {"an empty last fragment in a character",
       text("\xEC\x82", Fragment::kMore) + more("", Fragment::kLast),
       "error 1007(text ends in the middle of a character)"},
  };
  for (const Row& row : rows) {
    expect_the_same_at_every_split(row);
    EXPECT_EQ(played_at_once(cut(row.wire, 1), {.max_message_bytes = kLimit}).find("error"),
              std::string::npos)
        << row.name << " is refused too early";
    EXPECT_EQ(played_at_once(row.wire + text("late"), {.max_message_bytes = kLimit}), row.said)
        << row.name << ": nothing is read after an error";
  }
}

TEST(FrameReaderTest, UnmasksEveryLengthAtEverySplit) {
  std::string payload;
  for (unsigned length = 0; length < 40; ++length) {
    expect_the_same_at_every_split(
        {std::to_string(length), binary(payload), "binary(" + payload + ")"});
    payload += static_cast<char>('0' + length);
  }
}

TEST(FrameReaderTest, StopsWhenTheSinkSaysSo) {
  const std::string wire = text("a") + ping("b") + text("c") + raw({0xFF});
  EXPECT_EQ(played_at_once(wire, {.stop_after = 1}), "text(a)");
  EXPECT_EQ(played_in_chunks(wire, {1}, {.stop_after = 2}), "text(a) ping(b)");
  FramePlay play({.stop_after = 1});
  play.feed(text("a"));
  EXPECT_TRUE(play.reader().done());
}

TEST(FrameReaderTest, IsDoneAfterAnExceptionOfTheSink) {
  struct Throwing {
    static bool on_message(FrameReader::MessageKind, std::string_view) {
      throw std::runtime_error("sink");
    }
    static bool on_ping(std::string_view) { return true; }
  } sink;
  FrameReader reader(kLimit);
  std::string wire = text("a") + text("b");
  EXPECT_THROW(static_cast<void>(reader.feed(wire, sink)), std::runtime_error);
  EXPECT_TRUE(reader.done());
}

TEST(FrameReaderTest, TellsOfFragmentsWithNothingInThem) {
  struct Counting {
    static bool on_message(FrameReader::MessageKind, std::string_view) { return true; }
    static bool on_ping(std::string_view) { return true; }
    bool on_empty_fragment() { return ++empty < 3; }
    int empty = 0;
  } sink;
  const std::string nothing = more("", Fragment::kMore);
  FrameReader reader(kLimit);
  std::string wire = text("", Fragment::kMore) + more("a", Fragment::kMore) +
                     more("", Fragment::kLast) + text("") + text("b", Fragment::kMore) + nothing +
                     nothing + nothing;
  static_cast<void>(reader.feed(wire, sink));
  EXPECT_EQ(sink.empty, 3);
  EXPECT_TRUE(reader.done()) << "the sink said so";
  EXPECT_EQ(reader.frames(), 7U);
}

TEST(FrameReaderTest, HandsOutAWholeFrameWithoutCopyingIt) {
  struct Looking {
    bool on_message(FrameReader::MessageKind, std::string_view payload) {
      at = payload.data();
      return true;
    }
    static bool on_ping(std::string_view) { return true; }
    const char* at = nullptr;
  } sink;
  FrameReader reader(kLimit);
  std::string wire = text(std::string(500, 'x'));
  static_cast<void>(reader.feed(wire, sink));
  EXPECT_EQ(sink.at, wire.data() + 8);
  EXPECT_EQ(reader.heap_bytes(), 0U);
}

TEST(FrameReaderTest, TakesNoMemoryForWhatIsOnlyAnnounced) {
  FramePlay play({.max_message_bytes = SIZE_MAX});
  play.feed(raw({0x82, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4}) + std::string(100, 'x'));
  EXPECT_EQ(play.said(), "");
  EXPECT_LE(play.reader().heap_bytes(), 256U);
}

TEST(FrameReaderTest, GivesItsMemoryBackWithTheMessage) {
  const std::string wire = binary(std::string(900, 'x'), Fragment::kMore) + ping("in between") +
                           more(std::string(100, 'y'), Fragment::kLast);
  FramePlay play({.max_message_bytes = kLimit});
  play.feed(std::string_view(wire).substr(0, wire.size() - 1));
  EXPECT_GE(play.reader().heap_bytes(), 999U);
  play.feed(std::string_view(wire).substr(wire.size() - 1));
  EXPECT_EQ(play.reader().heap_bytes(), 0U);
}

TEST(FrameReaderTest, GivesItsMemoryBackWithAControlFrameThatCameInPieces) {
  const std::string wire = ping(std::string(100, 'p'));
  FramePlay play({});
  play.feed(std::string_view(wire).substr(0, 50));
  EXPECT_GT(play.reader().heap_bytes(), 0U);
  play.feed(std::string_view(wire).substr(50));
  EXPECT_EQ(play.reader().heap_bytes(), 0U);
}

TEST(FrameReaderTest, GivesItsMemoryBackAtAnError) {
  FramePlay play({});
  play.feed(binary(std::string(900, 'x'), Fragment::kMore));
  play.feed(raw({0x83}));
  EXPECT_EQ(play.reader().heap_bytes(), 0U);
}

/// "Hello" of RFC 7692 7.2.3.1, and what of it stands in a frame.
const std::string kDeflatedHello = "\xf2\x48\xcd\xc9\xc9\x07\x00"s;

std::string rsv1(std::string frame) {
  frame[0] = static_cast<char>(frame[0] | 0x40);
  return frame;
}

std::string deflated(std::string_view payload) {
  std::string out;
  EXPECT_TRUE(make_compressor({.min_bytes = 16})(payload, out));
  return out;
}

TEST(FrameReaderTest, InflatesWhatWasNegotiated) {
  const std::string_view hello = kDeflatedHello;
  const std::string all(10 * kLimit, 'a');
  const std::string not_utf8 = std::string(100, 'a') + "\xED\xA0\x80";
  const std::string whole = "error 1002(message is not whole deflate blocks)";
  const Row rows[] = {
      {"text", rsv1(text(hello)), "text(Hello)"},
      {"binary", rsv1(binary(hello)), "binary(Hello)"},
      {"plain and deflated", text("one") + rsv1(text(hello)) + text("two"),
       "text(one) text(Hello) text(two)"},
      {"fragments, with a ping between them",
       rsv1(text(hello.substr(0, 3), Fragment::kMore)) + more("", Fragment::kMore) + ping("p") +
           more(hello.substr(3), Fragment::kLast),
       "ping(p) text(Hello)"},
      {"no text", rsv1(text(std::string(1, '\0'))), "text()"},
      {"ten times the limit", rsv1(text(deflated(all))),
       "text(10240 bytes, hash " + std::to_string(std::hash<std::string_view>{}(all)) + ")"},
      {"a byte more", rsv1(text(deflated(all + "a"))), "error 1009(message too large)"},
      {"text that is not UTF-8", rsv1(text(deflated(not_utf8))), "error 1007(text is not UTF-8)"},
      {"binary need not be", rsv1(binary(deflated(not_utf8))), "binary(" + not_utf8 + ")"},
      {"text cut in a character", rsv1(text(deflated(std::string(100, 'a') + "\xEC\x82"))),
       "error 1007(text is not UTF-8)"},
      {"not deflated at all", rsv1(text("\xFF\xFF")), whole},
      {"cut", rsv1(text(hello.substr(0, 4))), whole},
      {"nothing", rsv1(text("")), whole},
      {"RSV1 on a continuation", rsv1(text(hello, Fragment::kMore)) + raw({0xC0}),
       "error 1002(reserved bit set)"},
      {"RSV1 on a ping", raw({0xC9}), "error 1002(reserved bit set)"},
      {"RSV1 on a close", raw({0xC8}), "error 1002(reserved bit set)"},
      {"RSV2 beside it", raw({0xE1}), "error 1002(reserved bit set)"},
  };
  for (const Row& row : rows) {
    expect_the_same_at_every_split(row, {.max_message_bytes = kLimit, .deflate = true});
  }
}

TEST(FrameReaderTest, ReadsLargeMessagesInTheShardsChunks) {
  std::string payload;
  while (payload.size() < 4U << 20U) payload += "{\"ticker\":\"005930\",\"name\":\"삼성전자\"}";
  const FramePlay::Options options{.max_message_bytes = 64U << 20U};
  const std::string said = played_at_once(text(payload), options);
  EXPECT_TRUE(said.starts_with("text(" + std::to_string(payload.size()) + " bytes")) << said;
  EXPECT_EQ(played_in_chunks(text(payload), {64U << 10U}, options), said);
  const std::size_t half = payload.size() / 2;
  const std::string fragments = text(std::string_view(payload).substr(0, half), Fragment::kMore) +
                                more(std::string_view(payload).substr(half), Fragment::kLast);
  EXPECT_EQ(played_in_chunks(fragments, {(64U << 10U) - 1}, options), said);
}

}  // namespace
}  // namespace broadcast
