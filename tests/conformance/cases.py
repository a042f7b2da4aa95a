"""RFC 6455 as a table: what a client sends, byte by byte, and exactly what must come back. The
groups and their numbers follow Autobahn's; its groups 12 and 13 are about compression: deflate_test.py."""

from dataclasses import dataclass, field

from raw_websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, frame)

KIB = 1024
MIB = 1024 * KIB
LARGEST = 64 * MIB  # what conformance-echo takes


@dataclass
class Case:
    """`sends` in one piece, and again in `pieces` of so many bytes. Back come `frames`, as (opcode,
    payload), and then either nothing, or a close frame with `closed`: a code, or "empty"."""
    name: str
    sends: bytes
    frames: list = field(default_factory=list)
    closed: object = None
    pieces: tuple = (1,)


def text(payload, **how):
    return frame(TEXT, payload if isinstance(payload, bytes) else payload.encode(), **how)


def more(payload=b"", *, last=False, **how):
    return frame(CONTINUATION, payload, fin=last, **how)


def fragments(opcode, payload, size):
    """`payload` in frames of `size` bytes."""
    parts = [payload[at:at + size] for at in range(0, len(payload), size)] or [b""]
    made = [frame(opcode if i == 0 else CONTINUATION, part, fin=i == len(parts) - 1)
            for i, part in enumerate(parts)]
    return b"".join(made)


def pattern(size):
    """ASCII that shows a shift of one byte."""
    block = bytes(32 + i % 95 for i in range(95 * 8))
    return (block * (size // len(block) + 1))[:size]


def blob(size):
    block = bytes(range(256)) + bytes(reversed(range(256)))
    return (block * (size // len(block) + 1))[:size]


HELLO = [(TEXT, b"hello")]
STAR = b"*"


def framing():
    for opcode, name, payload in ((TEXT, "text", pattern), (BINARY, "binary", blob)):
        for size in (0, 1, 125, 126, 127, 128, 65535, 65536, 65537):
            chops = (1,) if size < 1000 else (997,)
            yield Case(f"1 {name} of {size}", frame(opcode, payload(size)),
                       [(opcode, payload(size))], pieces=chops)
    yield Case("1 a thousand messages at once", b"".join(text(str(i)) for i in range(1000)),
               [(TEXT, str(i).encode()) for i in range(1000)], pieces=(7,))
    yield Case("1 the mask is of no consequence", text("hello", key=b"\0\0\0\0") + text("hello", key=b"\xff" * 4),
               HELLO * 2)
    yield Case("1 not masked", text("hello", key=None), closed=1002)
    yield Case("1 not masked, behind a good one", text("hello") + text("hello", key=None), HELLO, 1002)
    yield Case("1 a length of 125 in two bytes", text(pattern(125), length_bytes=2), closed=1002)
    yield Case("1 a length of 65535 in eight bytes", text(b"", length_bytes=8, announce=65535), closed=1002)
    yield Case("1 a length with its top bit", text(b"", length_bytes=8, announce=1 << 63), closed=1002)


def pings():
    for name, payload in (("empty", b""), ("of text", b"Hello, world!"), ("binary", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"),
                          ("of 125 bytes", b"\xfe" * 125)):
        yield Case(f"2 ping {name}", frame(PING, payload), [(PONG, payload)])
    yield Case("2 ping of 126 bytes", frame(PING, b"\xfe" * 126), closed=1002)
    yield Case("2 ping of 126 bytes announced", frame(PING, b"", length_bytes=2, announce=126), closed=1002)
    yield Case("2 pong nobody asked for", frame(PONG))
    yield Case("2 pong with payload nobody asked for", frame(PONG, b"unsolicited"))
    yield Case("2 pong, then a ping", frame(PONG, b"unsolicited") + frame(PING, b"ping"), [(PONG, b"ping")])
    yield Case("2 ten pings", b"".join(frame(PING, b"ping-%d" % i) for i in range(10)),
               [(PONG, b"ping-%d" % i) for i in range(10)])
    yield Case("2 pong of 126 bytes", frame(PONG, b"\xfe" * 126), closed=1002)
    yield Case("2 nine hundred pongs at once", frame(PONG) * 900, pieces=(7,))
    yield Case("2 a flood of pongs", frame(PONG) * 2000, closed=4429, pieces=(7,))


def reserved_bits():
    for rsv in range(1, 8):
        yield Case(f"3 text, bits {rsv}", text("hello", rsv=rsv), closed=1002)
    yield Case("3 behind a good one", text("hello") + text("hello", rsv=2) + frame(PING), HELLO, 1002)
    yield Case("3 binary", frame(BINARY, b"\x00\xff", rsv=5), closed=1002)
    yield Case("3 ping", text("hello") + frame(PING, b"hello", rsv=6), HELLO, 1002)
    yield Case("3 close", frame(CLOSE, close_payload(1000), rsv=7), closed=1002)
    yield Case("3 on a later fragment", text("hel", fin=False) + more(b"lo", last=True, rsv=4), closed=1002)


def reserved_opcodes():
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield Case(f"4 opcode {opcode}", frame(opcode), closed=1002)
        yield Case(f"4 opcode {opcode} with payload behind a good one",
                   text("hello") + frame(opcode, b"hello") + frame(PING), HELLO, 1002)


def fragmentation():
    both = b"fragment1fragment2"
    one = text("fragment1", fin=False)
    yield Case("5.1 ping in fragments", frame(PING, b"frag", fin=False) + more(b"ment", last=True), closed=1002)
    yield Case("5.2 pong in fragments", frame(PONG, b"frag", fin=False) + more(b"ment", last=True), closed=1002)
    yield Case("5.2 close in fragments", frame(CLOSE, close_payload(1000), fin=False), closed=1002)
    yield Case("5.3 text in two", one + more(b"fragment2", last=True), [(TEXT, both)])
    yield Case("5.3 binary in two", frame(BINARY, b"\x00", fin=False) + more(b"\xff", last=True),
               [(BINARY, b"\x00\xff")])
    yield Case("5.6 a ping between", one + frame(PING, b"ping") + more(b"fragment2", last=True),
               [(PONG, b"ping"), (TEXT, both)])
    yield Case("5.6 a pong between", one + frame(PONG, b"pong") + more(b"fragment2", last=True), [(TEXT, both)])
    yield Case("5.9 continuation of nothing, then text", more(b"non-fragment", last=True) + text("hello"),
               closed=1002)
    yield Case("5.12 open continuation of nothing", more(b"non-fragment") + text("hello"), closed=1002)
    yield Case("5.15 continuation behind the end", one + more(b"fragment2", last=True) + more(b"fragment3")
               + text("fragment4"), [(TEXT, both)], 1002)
    yield Case("5.16 continuations of nothing", (more(b"fragment1") + text("fragment2", fin=False)
                                                 + more(b"fragment3", last=True)) * 2, closed=1002)
    yield Case("5.18 the second one is text again", one + text("fragment2"), closed=1002)
    yield Case("5.18 the second one is binary", one + frame(BINARY, b"fragment2"), closed=1002)
    yield Case("5 a flood of empty fragments", text("", fin=False) + more(b"") * 2000, closed=4429, pieces=(7,))
    five = (text("fragment1", fin=False) + more(b"fragment2") + frame(PING, b"pongme 1!") + more(b"fragment3")
            + more(b"fragment4") + frame(PING, b"pongme 2!") + more(b"fragment5", last=True))
    yield Case("5.19 five, with pings between", five,
               [(PONG, b"pongme 1!"), (PONG, b"pongme 2!"),
                (TEXT, b"fragment1fragment2fragment3fragment4fragment5")])
    yield Case("5.20 and another message behind", five + text("hello"),
               [(PONG, b"pongme 1!"), (PONG, b"pongme 2!"),
                (TEXT, b"fragment1fragment2fragment3fragment4fragment5")] + HELLO)


VALID_UTF8 = {
    "greek": "Hello-µ@ßöäüàá-UTF-8!!", "korean": "거래량 폭증 삼성전자", "kosme": "κόσμε",
    "first of two bytes": "\u0080", "first of three": "\u0800", "first of four": "\U00010000",
    "last of one": "\u007f", "last of two": "\u07ff", "last of three": "\uffff", "the very last": "\U0010ffff",
    "before the surrogates": "\ud7ff", "behind the surrogates": "\ue000", "replacement": "\ufffd",
    "not a character": "\ufffe", "not a character either": "\U0001fffe", "zero": "\0",
    "byte order mark": "\ufeffhello",
}
# What must be refused when the byte at the index comes, whatever follows.
INVALID_UTF8 = {
    "a continuation": (b"\x80", 0), "another": (b"\xbf", 0), "many": (b"\x80\xbf\x80", 0),
    "a lone start of two": (b"\xc3\x20", 1), "of three": (b"\xe2\x82\x20", 2), "of four": (b"\xf0\x9f\x98\x20", 3),
    "start upon start": (b"\xc3\xc3\xa9", 1), "five bytes": (b"\xf8\x88\x80\x80\x80", 0),
    "six bytes": (b"\xfc\x84\x80\x80\x80\x80", 0), "fe": (b"\xfe", 0), "ff": (b"\xff", 0),
    "overlong slash of two": (b"\xc0\xaf", 0), "overlong c1": (b"\xc1\xbf", 0),
    "overlong slash of three": (b"\xe0\x80\xaf", 1), "of four ": (b"\xf0\x80\x80\xaf", 1),
    "overlong e0": (b"\xe0\x9f\xbf", 1), "overlong f0": (b"\xf0\x8f\xbf\xbf", 1),
    "overlong zero": (b"\xc0\x80", 0), "first surrogate": (b"\xed\xa0\x80", 1),
    "last surrogate": (b"\xed\xbf\xbf", 1), "surrogate pair": (b"\xed\xa0\x80\xed\xb0\x80", 1),
    "beyond the last": (b"\xf4\x90\x80\x80", 1), "f5": (b"\xf5\x80\x80\x80", 0),
    "kosme, then a surrogate": ("κόσμε".encode() + b"\xed\xa0\x80edited", 12),
}
UNFINISHED = {"two": b"\xc3", "three": b"\xe2\x82", "four": b"\xf0\x9f\x98"}


def utf8_valid():
    yield Case("6.1 nothing in three fragments", text("", fin=False) + more() + more(last=True), [(TEXT, b"")])
    yield Case("6.1 something between nothing", text("", fin=False) + more(b"middle") + more(last=True),
               [(TEXT, b"middle")])
    for name, words in VALID_UTF8.items():
        sent = words.encode()
        yield Case(f"6.2 {name}", text(sent), [(TEXT, sent)])
        yield Case(f"6.2 {name}, a byte a fragment", fragments(TEXT, sent, 1), [(TEXT, sent)])
        yield Case(f"6.2 {name}, with pings between", b"".join(
            frame(TEXT if i == 0 else CONTINUATION, sent[i:i + 1], fin=i == len(sent) - 1)
            + (frame(PING, b"p") if i < len(sent) - 1 else b"") for i in range(len(sent))),
            [(PONG, b"p")] * (len(sent) - 1) + [(TEXT, sent)])


def utf8_invalid():
    for name, (sent, bad) in INVALID_UTF8.items():
        yield Case(f"6.3 {name}", text(sent), closed=1007)
        yield Case(f"6.3 {name}, a byte a fragment", fragments(TEXT, sent, 1), closed=1007)
        # The frame announces more, the message is not over: the bad byte alone decides.
        yield Case(f"6.4 {name}, at once", text(sent[:bad + 1], announce=100), closed=1007)
        yield Case(f"6.4 {name}, at once in a fragment", text("ok", fin=False)
                   + more(sent[:bad + 1], announce=100), closed=1007)
        yield Case(f"6.4 {name}, behind a fragment", fragments(TEXT, sent[:bad + 1] + b"x", 1)[:-7], closed=1007)
    for name, sent in UNFINISHED.items():
        yield Case(f"6.5 unfinished of {name}", text(sent), closed=1007)
        yield Case(f"6.5 unfinished of {name} in fragments", text(sent, fin=False) + more(last=True), closed=1007)
    yield Case("6.6 binary is not text", frame(BINARY, b"\xff\xfe\x80"), [(BINARY, b"\xff\xfe\x80")])


GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)


def closing():
    goodbye = frame(CLOSE, close_payload(1000))
    yield Case("7.1.1 a message, then close", text("hello") + goodbye, HELLO, 1000)
    yield Case("7.1.2 close twice", goodbye + frame(CLOSE, close_payload(1001)), closed=1000)
    yield Case("7.1.3 ping behind close", goodbye + frame(PING, b"ping"), closed=1000)
    yield Case("7.1.4 text behind close", goodbye + text("hello"), closed=1000)
    yield Case("7.1.5 close between fragments", text("frag", fin=False) + goodbye + more(b"ment", last=True),
               closed=1000)
    yield Case("7.1.6 a large message, then close", text(pattern(256 * KIB)) + goodbye + frame(PING),
               [(TEXT, pattern(256 * KIB))], 1000, pieces=(4099,))
    yield Case("7.3.1 no code", frame(CLOSE), closed="empty")
    yield Case("7.3.2 half a code", frame(CLOSE, b"\x03"), closed=1002)
    yield Case("7.3.4 a reason", frame(CLOSE, close_payload(1000, "안녕히 계세요".encode())), closed=1000)
    yield Case("7.3.5 the longest reason", frame(CLOSE, close_payload(1000, b"*" * 123)), closed=1000)
    yield Case("7.3.6 too long a reason", frame(CLOSE, close_payload(1000, b"*" * 124)), closed=1002)
    yield Case("7.5.1 the reason is not UTF-8", frame(CLOSE, close_payload(1000, b"caf\xe9")), closed=1007)
    yield Case("7.5.1 the reason is cut in a character",
               frame(CLOSE, close_payload(1000, "안".encode()[:2])), closed=1007)
    for code in GOOD_CODES:
        yield Case(f"7.7 code {code}", frame(CLOSE, close_payload(code)), closed=code)
        yield Case(f"7.7 code {code} with a reason", frame(CLOSE, close_payload(code, b"bye")), closed=code)
    for code in BAD_CODES:
        yield Case(f"7.9 code {code}", frame(CLOSE, close_payload(code)), closed=1002)
        yield Case(f"7.9 code {code} with a reason", frame(CLOSE, close_payload(code, b"bye")), closed=1002)


def large():
    for size in (64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, LARGEST):
        yield Case(f"9.1 text of {size}", text(pattern(size)), [(TEXT, pattern(size))], pieces=())
        yield Case(f"9.2 binary of {size}", frame(BINARY, blob(size)), [(BINARY, blob(size))], pieces=())
    korean = ("삼성전자 " * (MIB // 13 + 1)).encode()
    yield Case("9.1 a megabyte of Korean", text(korean), [(TEXT, korean)], pieces=(4099,))
    for size in (64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB):
        yield Case(f"9.3 4 MiB of text in fragments of {size}", fragments(TEXT, pattern(4 * MIB), size),
                   [(TEXT, pattern(4 * MIB))], pieces=())
        yield Case(f"9.4 4 MiB in fragments of {size}", fragments(BINARY, blob(4 * MIB), size),
                   [(BINARY, blob(4 * MIB))], pieces=())
    for size in (64, 256, KIB, 4 * KIB):
        yield Case(f"9.5 a megabyte in writes of {size}", text(pattern(MIB)), [(TEXT, pattern(MIB))],
                   pieces=(size,))
    yield Case("9.6 the largest in fragments", fragments(BINARY, blob(LARGEST), MIB),
               [(BINARY, blob(LARGEST))], pieces=())
    yield Case("9.9 one byte too many announced", frame(BINARY, b"", announce=LARGEST + 1, length_bytes=8),
               closed=1009)
    yield Case("9.9 an absurd length", frame(TEXT, b"", announce=(1 << 63) - 1, length_bytes=8), closed=1009)
    yield Case("9.9 too many in fragments",
               fragments(BINARY, blob(LARGEST), 16 * MIB)[:-(16 * MIB + 14)]
               + frame(CONTINUATION, blob(16 * MIB), fin=False) + more(b"", announce=1), closed=1009, pieces=())


def auto_fragments():
    yield Case("10.1 64 KiB in fragments of 1300", fragments(TEXT, STAR * 65536, 1300), [(TEXT, STAR * 65536)],
               pieces=(1301,))


GROUPS = {"framing": framing, "pings": pings, "reserved_bits": reserved_bits,
          "reserved_opcodes": reserved_opcodes, "fragmentation": fragmentation, "utf8_valid": utf8_valid,
          "utf8_invalid": utf8_invalid, "closing": closing, "large": large, "auto_fragments": auto_fragments}
