#include "host/wire/networks.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace broadcast {

namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v6;
using Bytes = std::array<std::uint8_t, 16>;

constexpr std::string_view kUnix = "unix";
constexpr unsigned kBitsOfV6 = 128;
constexpr unsigned kBitsBeforeV4 = 96;

Bytes bytes_of(const address& from) {
  const address_v6 v6 =
      from.is_v4() ? make_address_v6(boost::asio::ip::v4_mapped, from.to_v4()) : from.to_v6();
  return v6.to_bytes();
}

/// The first `bits` of `bytes`; the others are 0.
Bytes masked(Bytes bytes, unsigned bits) {
  for (unsigned i = 0; i < bytes.size(); ++i) {
    const unsigned before = 8 * i;
    const unsigned kept = bits <= before ? 0 : std::min(bits - before, 8U);
    bytes[i] &= static_cast<std::uint8_t>(0xFF00U >> kept);
  }
  return bytes;
}

struct Parsed {
  address first;
  unsigned prefix;  // as it was written: of 32, or of 128
};

std::optional<Parsed> parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  boost::system::error_code error;
  const address first = boost::asio::ip::make_address(std::string(text.substr(0, slash)), error);
  if (error || (first.is_v6() && first.to_v6().scope_id() != 0)) return std::nullopt;
  const unsigned most = first.is_v4() ? kBitsOfV6 - kBitsBeforeV4 : kBitsOfV6;
  if (slash == std::string_view::npos) return Parsed{first, most};
  const std::string_view digits = text.substr(slash + 1);
  unsigned prefix = 0;
  const auto [end, problem] = std::from_chars(digits.begin(), digits.end(), prefix);
  if (problem != std::errc() || end != digits.end() || prefix > most) return std::nullopt;
  return Parsed{first, prefix};
}

unsigned bits_of(const Parsed& parsed) {
  return parsed.first.is_v4() ? parsed.prefix + kBitsBeforeV4 : parsed.prefix;
}

}  // namespace

Networks::Networks(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (text == kUnix) {
      contains_unix_ = true;
    } else if (const auto parsed = parse(text)) {
      blocks_.push_back({bytes_of(parsed->first), bits_of(*parsed)});
    }
  }
}

bool Networks::contains(const address& address) const {
  const Bytes bytes = bytes_of(address);
  return std::ranges::any_of(
      blocks_, [&](const Block& block) { return masked(bytes, block.bits) == block.bytes; });
}

std::string expected_network(std::string_view text) {
  if (text == kUnix) return {};
  const auto parsed = parse(text);
  if (!parsed) {
    return "an address, a block of addresses such as 10.0.0.0/8 or fd00::/8, or \"unix\"";
  }
  const Bytes first = masked(bytes_of(parsed->first), bits_of(*parsed));
  if (first == bytes_of(parsed->first)) return {};
  const address_v6 v6(first);
  const address start = parsed->first.is_v4()
                            ? address(make_address_v4(boost::asio::ip::v4_mapped, v6))
                            : address(v6);
  return start.to_string() + "/" + std::to_string(parsed->prefix);
}

}  // namespace broadcast
