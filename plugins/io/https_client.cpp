#include "plugins/io/https_client.hpp"

#include <utility>

#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "plugins/io/duration_text.hpp"

namespace broadcast {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::uint32_t kHeaderBytes = 16 * 1024;

}  // namespace

HttpsClient::HttpsClient(IoThread& io, TlsUrl url, Patience patience)
    : io_(io), url_(std::move(url)), patience_(patience), buffer_(kBodyBytes) {}

void HttpsClient::post(const HttpsRequest& request, std::function<void(HttpsResponse)> done) {
  done_ = std::move(done);
  parser_.reset();
  request_ = {http::verb::post, request.path, 11};
  request_.set(http::field::host, url_.host_header());
  for (const auto& [name, value] : request.headers) request_.set(name, value);
  request_.body() = request.body;
  request_.prepare_payload();
  is_reused_ = stream_ != nullptr;
  if (is_reused_) return send();
  connect_tls(io_, url_, patience_.connect,
              [this](std::unique_ptr<TlsStream> stream, const std::string& error) {
                if (!stream) return fail(error);
                stream_ = std::move(stream);
                buffer_.clear();
                send();
              });
}

void HttpsClient::send() {
  beast::get_lowest_layer(*stream_).expires_after(patience_.answer);  // for all of the exchange
  http::async_write(*stream_, request_,
                    [this](error_code error, std::size_t) { error ? fail(error) : receive(); });
}

void HttpsClient::receive() {
  parser_ = std::make_unique<http::response_parser<http::string_body>>();
  parser_->header_limit(kHeaderBytes);
  parser_->body_limit(kBodyBytes);
  http::async_read(*stream_, buffer_, *parser_,
                   [this](error_code error, std::size_t) { error ? fail(error) : finish(); });
}

void HttpsClient::finish() {
  const bool is_kept = parser_->keep_alive();
  auto answer = parser_->release();
  if (!is_kept) stream_.reset();
  std::exchange(done_, nullptr)({.status = answer.result_int(), .body = std::move(answer.body())});
}

void HttpsClient::fail(error_code error) {
  if (error == beast::error::timeout) {
    return fail("no complete answer within " + in_ms(patience_.answer));
  }
  // Closed by the server while nothing was asked: only this request found out.
  const bool was_stale = is_reused_ && (!parser_ || !parser_->got_some());
  stream_.reset();
  std::exchange(done_, nullptr)({.error = error.message(), .was_stale = was_stale});
}

void HttpsClient::fail(const std::string& why) {
  stream_.reset();
  std::exchange(done_, nullptr)({.error = why});
}

}  // namespace broadcast
