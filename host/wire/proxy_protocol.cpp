#include "host/wire/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>

namespace broadcast {

namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;
using Fault = ProxyHeaderFault;
using Incomplete = ProxyHeaderIncomplete;

constexpr std::string_view kLineStart = "PROXY ";
constexpr std::size_t kMostLine = 107;
constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixedBytes = 16;  // of version 2, before the addresses

constexpr Fault kNoHeader{"the connection does not begin with a PROXY header"};
constexpr Fault kLineTooLong{"a PROXY header of version 1 is longer than 107 bytes"};
constexpr Fault kBadLine{"a PROXY header of version 1 is malformed"};
constexpr Fault kBadVersion{"a PROXY header has another version than 1 or 2"};
constexpr Fault kBadCommand{"a PROXY header of version 2 has an unknown command"};
constexpr Fault kTooShort{"a PROXY header of version 2 is too short for its addresses"};
constexpr Fault kTooLong{"a PROXY header of version 2 is longer than 2048 bytes"};

/// `text` could still become one that begins with `start`.
bool may_begin_with(std::string_view text, std::string_view start) {
  return start.starts_with(text.substr(0, start.size()));
}

/// Takes the word up to the next blank off `line`, with the blank.
std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(text.begin(), text.end(), port);
  if (problem != std::errc() || end != text.end()) return std::nullopt;
  return port;
}

std::optional<address> address_of(std::string_view text, bool is_v4) {
  boost::system::error_code error;
  const address parsed = boost::asio::ip::make_address(std::string(text), error);
  if (error || parsed.is_v4() != is_v4) return std::nullopt;
  if (parsed.is_v6() && parsed.to_v6().scope_id() != 0) return std::nullopt;
  return parsed;
}

/// "TCP4 192.0.2.1 192.0.2.2 56324 443", without the line's end.
ProxyHeaderResult parse_line(std::string_view line, std::size_t bytes) {
  const std::string_view family = take_word(line);
  if (family == "UNKNOWN") return ProxyHeader{bytes, std::nullopt};
  if (family != "TCP4" && family != "TCP6") return kBadLine;
  const bool is_v4 = family == "TCP4";
  const auto source = address_of(take_word(line), is_v4);
  const auto destination = address_of(take_word(line), is_v4);
  const auto source_port = port_of(take_word(line));
  const auto destination_port = port_of(line);
  if (!source || !destination || !source_port || !destination_port) return kBadLine;
  return ProxyHeader{bytes, ProxiedPeer{*source, *source_port}};
}

ProxyHeaderResult parse_version_1(std::string_view bytes) {
  const std::size_t end = bytes.substr(0, kMostLine).find("\r\n");
  if (end == std::string_view::npos) {
    return bytes.size() < kMostLine ? ProxyHeaderResult(Incomplete{}) : kLineTooLong;
  }
  return parse_line(bytes.substr(kLineStart.size(), end - kLineStart.size()), end + 2);
}

std::uint8_t byte_at(std::string_view bytes, std::size_t place) {
  return static_cast<std::uint8_t>(bytes[place]);
}

std::uint16_t number_at(std::string_view bytes, std::size_t place) {
  return static_cast<std::uint16_t>(byte_at(bytes, place) << 8 | byte_at(bytes, place + 1));
}

template <class Address>
ProxiedPeer source_of(std::string_view addresses) {
  typename Address::bytes_type bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = byte_at(addresses, i);
  return {Address(bytes), number_at(addresses, 2 * bytes.size())};  // behind the destination
}

ProxyHeaderResult parse_version_2(std::string_view bytes) {
  constexpr std::uint8_t kTcpV4 = 0x11;
  constexpr std::uint8_t kTcpV6 = 0x21;
  constexpr std::size_t kBytesOfV4 = 12;
  constexpr std::size_t kBytesOfV6 = 36;
  if (bytes.size() < kFixedBytes) return Incomplete{};
  const unsigned version = byte_at(bytes, 12) >> 4;
  const unsigned command = byte_at(bytes, 12) & 0x0FU;
  const std::uint8_t family = byte_at(bytes, 13);
  const std::size_t length = number_at(bytes, 14);
  if (version != 2) return kBadVersion;
  if (command > 1) return kBadCommand;
  if (kFixedBytes + length > kMostProxyHeader) return kTooLong;
  if (bytes.size() < kFixedBytes + length) return Incomplete{};
  ProxyHeader header{kFixedBytes + length, std::nullopt};
  const std::string_view addresses = bytes.substr(kFixedBytes, length);
  const bool is_local = command == 0;
  if (is_local) return header;
  if (family == kTcpV4) {
    if (length < kBytesOfV4) return kTooShort;
    header.source = source_of<address_v4>(addresses);
  } else if (family == kTcpV6) {
    if (length < kBytesOfV6) return kTooShort;
    header.source = source_of<address_v6>(addresses);
  }
  return header;  // of another family, such as Unix sockets, there is no address
}

}  // namespace

bool begins_with_proxy_header(std::string_view bytes) {
  return bytes.starts_with(kSignature) || bytes.starts_with(kLineStart);
}

ProxyHeaderResult parse_proxy_header(std::string_view bytes) {
  if (bytes.starts_with(kSignature)) return parse_version_2(bytes);
  if (bytes.starts_with(kLineStart)) return parse_version_1(bytes);
  const bool may_be_one = may_begin_with(bytes, kSignature) || may_begin_with(bytes, kLineStart);
  return may_be_one ? ProxyHeaderResult(Incomplete{}) : kNoHeader;
}

}  // namespace broadcast
