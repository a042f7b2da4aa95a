#include "host/admin/admin_server.hpp"

#include <algorithm>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include "host/admin/admin_exchange.hpp"
#include "host/net/listen_sockets.hpp"

namespace broadcast {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Place = AdminExchange::Place;

}  // namespace

struct AdminServer::Core : AdminShared {
  Core(asio::io_context& context, HostView view, ProducerGate& gate, Options chosen, Counters& own)
      : AdminShared(context, std::move(view), gate, std::move(chosen), own),
        acceptor(context),
        retry(context) {}

  static void accept(const std::shared_ptr<Core>& self);
  void note_no_accept(error_code error);
  static void welcome(const std::shared_ptr<Core>& self, tcp::socket socket);
  [[nodiscard]] bool is_full(Place place, std::size_t most) const;
  /// Ends the one of `place` that has waited longest, if it may be ended. False: none may.
  [[nodiscard]] bool try_make_room(Place place);

  tcp::acceptor acceptor;
  asio::steady_timer retry;
};

bool AdminServer::Core::is_full(Place place, std::size_t most) const {
  return std::ranges::count(open, place, &AdminExchange::place) >=
         static_cast<std::ptrdiff_t>(most);
}

bool AdminServer::Core::try_make_room(Place place) {
  AdminExchange* longest = nullptr;
  for (AdminExchange* one : open) {
    if (one->place() != place || !one->is_idle()) continue;
    if (longest == nullptr || one->waits_since() < longest->waits_since()) longest = one;
  }
  if (longest != nullptr) longest->close();
  return longest != nullptr;
}

/// The newest is an operator as likely as any other, so whoever is idle goes first. Where nobody
/// is, it may still be a probe: the answer to those must not depend on who else asks what.
void AdminServer::Core::welcome(const std::shared_ptr<Core>& self, tcp::socket socket) {
  Place place = Place::kAny;
  if (self->is_full(Place::kAny, self->options.connections)) {
    self->counters.add(Counter::kLimitAdminConnections);
    if (!self->try_make_room(Place::kAny)) place = Place::kProbe;
  }
  if (place == Place::kProbe && self->is_full(Place::kProbe, kProbes)) {
    // Nobody is busy there.
    static_cast<void>(self->try_make_room(Place::kProbe));
  }
  std::make_shared<AdminExchange>(self, std::move(socket), place)->start();
}

void AdminServer::Core::note_no_accept(error_code error) {
  const auto line = log_throttle.line("admin.listen", mono_now());
  if (!line) return;
  spdlog::error("{}: cannot accept: {}. Out of descriptors? Raise the limit (ulimit -n){}",
                line->name, ::strerrordesc_np(error.value()), line->more());
}

void AdminServer::Core::accept(const std::shared_ptr<Core>& self) {
  self->acceptor.async_accept([self](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {  // out of descriptors, most likely: not again at once, unless there is one now
      const bool is_needed = somebody_waits(self->acceptor.native_handle());
      if (is_needed) self->note_no_accept(error);
      if (is_needed && (self->try_make_room(Place::kAny) || self->try_make_room(Place::kProbe))) {
        return accept(self);
      }
      self->retry.expires_after(std::chrono::seconds(1));
      self->retry.async_wait([self](error_code stopped) {
        if (!stopped) accept(self);
      });
      return;
    }
    welcome(self, std::move(socket));
    accept(self);
  });
}

AdminServer::AdminServer(asio::io_context& io, HostView host, ProducerGate& gate, Options options,
                         Counters& counters)
    : core_(std::make_shared<Core>(io, std::move(host), gate, std::move(options), counters)) {
  tcp::endpoint& listen = core_->options.listen;
  try {
    if (core_->options.passed >= 0) {
      listen = local_address_of(core_->options.passed).value_or(listen);
      core_->acceptor.assign(listen.protocol(), core_->options.passed);
    } else {
      core_->acceptor.open(listen.protocol());
      core_->acceptor.set_option(tcp::acceptor::reuse_address(true));
      core_->acceptor.bind(listen);
      core_->acceptor.listen();
    }
  } catch (const boost::system::system_error& error) {
    std::ostringstream words;
    words << "admin.listen: " << listen << ": " << error.code().message()
          << ". Is another host running? Stop it, or choose another port.";
    throw std::runtime_error(words.str());
  }
  Core::accept(core_);
}

AdminServer::~AdminServer() { stop(); }

tcp::endpoint AdminServer::endpoint() const { return core_->acceptor.local_endpoint(); }

void AdminServer::set_limits(Options options) {
  core_->options.tls = std::move(options.tls);
  core_->options.tokens = std::move(options.tokens);
  core_->options.body_bytes = options.body_bytes;
  core_->options.connections = options.connections;
}

void AdminServer::on_tick(MonoTime now) {
  for (const LogThrottle::Line& one : core_->log_throttle.due(now)) {
    spdlog::warn("{}", one.rest());
  }
}

void AdminServer::stop_accepting() {
  error_code ignored;
  core_->acceptor.close(ignored);
  core_->retry.cancel();
}

bool AdminServer::is_answering() const {
  return std::ranges::any_of(core_->open, &AdminExchange::is_answering);
}

void AdminServer::stop() {
  stop_accepting();
  const std::vector<AdminExchange*> open(core_->open.begin(), core_->open.end());
  for (AdminExchange* exchange : open) exchange->close();
}

}  // namespace broadcast
