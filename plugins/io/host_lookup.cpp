#include "plugins/io/host_lookup.hpp"

#include <cstring>

#include <netdb.h>
#include <time.h>

namespace broadcast {

/// All that glibc reads and writes, in one place that does not move.
struct HostLookup::Request {
  std::string host;
  std::string port;
  addrinfo hints{};
  gaicb item{};
  int started = 0;

  ~Request() {
    if (item.ar_result != nullptr) freeaddrinfo(item.ar_result);
  }
};

HostLookup::HostLookup(const std::string& host, const std::string& port)
    : request_(std::make_unique<Request>()) {
  request_->host = host;
  request_->port = port;
  request_->hints.ai_family = AF_UNSPEC;
  request_->hints.ai_socktype = SOCK_STREAM;
  request_->hints.ai_flags = AI_NUMERICSERV;
  request_->item.ar_name = request_->host.c_str();
  request_->item.ar_service = request_->port.c_str();
  request_->item.ar_request = &request_->hints;
#ifdef __SANITIZE_THREAD__
  // ThreadSanitizer does not survive the threads that glibc makes for it.
  request_->started = getaddrinfo(request_->host.c_str(), request_->port.c_str(), &request_->hints,
                                  &request_->item.ar_result);
#else
  gaicb* list[] = {&request_->item};
  request_->started = getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr);
#endif
}

HostLookup::~HostLookup() {
  if (request_->started != 0 || gai_cancel(&request_->item) != EAI_NOTCANCELED) return;
  // One that is answered at all is so by then, and nothing is left behind.
  constexpr timespec kMoment{.tv_sec = 0, .tv_nsec = 200'000'000};
  const gaicb* list[] = {&request_->item};
  static_cast<void>(gai_suspend(list, 1, &kMoment));
  if (gai_error(&request_->item) == EAI_INPROGRESS) static_cast<void>(request_.release());
}

std::optional<HostLookup::Found> HostLookup::poll() const {
  const int status = request_->started != 0 ? request_->started : gai_error(&request_->item);
  if (status == EAI_INPROGRESS) return std::nullopt;
  Found found;
  if (status != 0) {
    found.error = gai_strerror(status);
    return found;
  }
  for (const addrinfo* one = request_->item.ar_result; one != nullptr; one = one->ai_next) {
    boost::asio::ip::tcp::endpoint endpoint;
    if (one->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
    endpoint.resize(one->ai_addrlen);
    found.endpoints.push_back(endpoint);
  }
  if (found.endpoints.empty()) found.error = "the name has no addresses";
  return found;
}

}  // namespace broadcast
