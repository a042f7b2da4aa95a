#include "host/ingest/name_lookup.hpp"

#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <netdb.h>

#include "host/base/guarded.hpp"

namespace broadcast {

namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

error_code error_of(int status) {
  if (status == EAI_SYSTEM) return {errno, boost::system::system_category()};
  return status == EAI_AGAIN ? boost::asio::error::host_not_found_try_again
                             : boost::asio::error::host_not_found;
}

error_code look_up(const std::string& host, std::uint16_t port, std::vector<tcp::endpoint>& found) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
  addrinfo* all = nullptr;
  const int status = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &all);
  if (status != 0) return error_of(status);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(all, freeaddrinfo);
  for (const addrinfo* one = all; one != nullptr; one = one->ai_next) {
    tcp::endpoint endpoint;
    if (one->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
    endpoint.resize(one->ai_addrlen);
    found.push_back(endpoint);
  }
  return found.empty() ? boost::asio::error::host_not_found : error_code();
}

}  // namespace

struct NameLookup::Shared {
  Guarded<boost::asio::io_context*> io;  // null: cancelled
  Done done;                             // [ingest]

  static void post(const std::shared_ptr<Shared>& shared, error_code error,
                   std::vector<tcp::endpoint> found) {
    shared->io.with_lock([&](boost::asio::io_context* io_or_null) {
      if (io_or_null == nullptr) return;
      boost::asio::post(*io_or_null, [shared, error, found = std::move(found)]() mutable {
        if (shared->done) std::exchange(shared->done, nullptr)(error, std::move(found));
      });
    });
  }
};

NameLookup::NameLookup(boost::asio::io_context& io, std::string host, std::uint16_t port, Done done)
    : shared_(std::make_shared<Shared>()) {
  shared_->io.with_lock([&](boost::asio::io_context*& io_or_null) { io_or_null = &io; });
  shared_->done = std::move(done);
  try {
    std::thread([shared = shared_, host = std::move(host), port] {
      std::vector<tcp::endpoint> found;
      const error_code error = look_up(host, port, found);
      Shared::post(shared, error, std::move(found));
    }).detach();
  } catch (const std::system_error& error) {
    Shared::post(shared_, {error.code().value(), boost::system::system_category()}, {});
  }
}

void NameLookup::cancel() {
  shared_->io.with_lock([](boost::asio::io_context*& io_or_null) { io_or_null = nullptr; });
  shared_->done = nullptr;
}

}  // namespace broadcast
