#pragma once
// REST over one kept-alive TLS connection, one request at a time. [io]; destroyed when the I/O
// thread has ended.

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "plugins/price/kiwoom/kiwoom_connect.hpp"

namespace broadcast {

struct KiwoomRequest {
  std::string path;
  std::string api_id;  ///< empty: without
  std::string token;   ///< empty: without
  std::string body;
};

struct KiwoomResponse {
  std::string error;     ///< why there is none
  bool is_worn = false;  ///< the kept connection had been closed meanwhile: try again
  unsigned status = 0;   ///< of HTTP
  std::string body;
};

class KiwoomHttps {
 public:
  static constexpr std::size_t kBodyBytes = 2 * 1024 * 1024;  // 100 rows are 250 KB

  struct Patience {
    std::chrono::nanoseconds connect;
    std::chrono::nanoseconds answer;  ///< from the request to the end of its answer
  };

  /// `io` outlives this.
  KiwoomHttps(KiwoomIo& io, KiwoomUrl url, Patience patience);
  KiwoomHttps(const KiwoomHttps&) = delete;
  KiwoomHttps& operator=(const KiwoomHttps&) = delete;

  /// REQUIRES: the one before is done.
  void post(const KiwoomRequest& request, std::function<void(KiwoomResponse)> done);

 private:
  void send();
  void receive();
  void finish();
  void fail(boost::system::error_code error);
  void fail(const std::string& why);

  KiwoomIo& io_;
  const KiwoomUrl url_;
  const Patience patience_;
  std::unique_ptr<KiwoomStream> stream_;  // null: not connected
  bool is_reused_ = false;
  boost::beast::flat_buffer buffer_;
  boost::beast::http::request<boost::beast::http::string_body> request_;
  std::unique_ptr<boost::beast::http::response_parser<boost::beast::http::string_body>> parser_;
  std::function<void(KiwoomResponse)> done_;
};

}  // namespace broadcast
