#include "host/base/counters.hpp"

namespace broadcast {

namespace {
constexpr std::array<std::string_view, static_cast<std::size_t>(Counter::kCount)> kNames = {
    "connections_accepted_total",
    "handshakes_refused_total",
    "pages_served_total",
    "messages_received_total",
    "messages_published_total",
    "publish_busy_total",
    "publish_invalid_total",
    "publish_denied_total",
    "deliveries_total",
    "conflated_total",
    "inbox_conflated_total",
    "error_replies_total",
    "closed_normal_total",
    "closed_abnormal_total",
    "closed_shutdown_total",
    "closed_protocol_error_total",
    "closed_not_utf8_total",
    "closed_too_large_total",
    "closed_internal_total",
    "closed_heartbeat_total",
    "closed_slow_total",
    "closed_flood_total",
    "plugin_exceptions_total",
    "plugin_errors_total",
    "plugin_restarts_total",
    "producer_accepted_total",
    "producer_refused_total",
    "producer_unavailable_total",
    "limit_message_total",
    "limit_outbox_total",
    "limit_publish_total",
    "limit_write_stall_total",
    "limit_handshake_total",
    "limit_topics_total",
    "limit_topics_per_connection_total",
    "limit_topics_per_request_total",
    "limit_topic_name_total",
    "limit_commands_per_second_total",
    "limit_connections_total",
    "limit_connections_per_address_total",
    "limit_accepts_per_second_total",
};
static_assert(!kNames.back().empty(), "every counter has a name");
}  // namespace

std::string_view counter_name(Counter counter) { return kNames[static_cast<std::size_t>(counter)]; }

}  // namespace broadcast
