#pragma once
// POST over one kept-alive TLS connection, one request at a time. [io]; destroyed after the I/O
// thread has ended.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "plugins/io/tls_connect.hpp"

namespace broadcast {

struct HttpsRequest {
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;  ///< besides Host and Content-Length
  std::string body;
};

struct HttpsResponse {
  std::string error;       ///< why there is none
  bool was_stale = false;  ///< the kept connection had been closed meanwhile: try again
  unsigned status = 0;     ///< of HTTP
  std::string body;
};

class HttpsClient {
 public:
  static constexpr std::size_t kBodyBytes = 2 * 1024 * 1024;  ///< of an answer; a larger one fails

  struct Patience {
    std::chrono::nanoseconds connect;
    std::chrono::nanoseconds answer;  ///< from the request to the end of its answer
  };

  /// `io` outlives this.
  HttpsClient(IoThread& io, TlsUrl url, Patience patience);
  HttpsClient(const HttpsClient&) = delete;
  HttpsClient& operator=(const HttpsClient&) = delete;

  /// Calls `done` once, with the answer or why there is none. REQUIRES: the request before is done.
  void post(const HttpsRequest& request, std::function<void(HttpsResponse)> done);

 private:
  void send();
  void receive();
  void finish();
  void fail(boost::system::error_code error);
  void fail(const std::string& why);

  IoThread& io_;
  const TlsUrl url_;
  const Patience patience_;
  std::unique_ptr<TlsStream> stream_;  // null: not connected
  bool is_reused_ = false;
  boost::beast::flat_buffer buffer_;
  boost::beast::http::request<boost::beast::http::string_body> request_;
  std::unique_ptr<boost::beast::http::response_parser<boost::beast::http::string_body>> parser_;
  std::function<void(HttpsResponse)> done_;
};

}  // namespace broadcast
