#pragma once
// One producer's message while the plugin handles it, from its MESSAGE to the verdict: what of it
// was published when it came before, where each publication stands in the producer's stream, what
// was published now, and who waits for the verdict. Part of a generation's HostServices, made and
// used on the plugin's thread; only give_up() is for others.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <broadcast/abi.h>

#include "host/base/guarded.hpp"
#include "host/base/owner_thread.hpp"
#include "host/hub/sequencer.hpp"
#include "host/hub/topic_owner.hpp"

namespace broadcast {

class MessageTurn {
 public:
  /// `name` is the broadcaster's, for the texts of verdicts. Both outlive the turns.
  MessageTurn(const std::string& name, Sequencer& sequencer) : name_(name), sequencer_(sequencer) {}
  MessageTurn(const MessageTurn&) = delete;
  MessageTurn& operator=(const MessageTurn&) = delete;

  // The plugin's thread.

  /// What this thread publishes from now on belongs to `message`; `done` is called once, on any
  /// thread. REQUIRES: no message is under way.
  void begin(const ProducerMessage& message, std::function<void(Verdict)> done);
  [[nodiscard]] bool is_under_way() const;
  /// The callback has returned `status`, with what fail() said. The producer gets the verdict once
  /// everything that was published is committed; nobody does after give_up(). REQUIRES: a message
  /// is under way.
  void end(bc_status status, const std::string& text);

  // The same, for each publication. REQUIRES: a message is under way.

  /// True: the message caused this one when it came before; it is answered BC_OK and left out.
  [[nodiscard]] bool try_leave_out();
  /// Of the next publication in the producer's stream; empty if the message is from none.
  [[nodiscard]] StreamPosition next_position() const;
  void on_published(std::string_view topic, Published published);
  /// It was answered REVOKED: the message is to be tried again.
  void on_revoked();

  // [any]

  /// The callback does not return: the producer is answered kUnavailable in its place.
  void give_up();

 private:
  struct Turn {
    StreamPosition position;
    std::size_t to_leave_out = 0;
    std::size_t left_out = 0;
    bool was_revoked = false;
    std::vector<std::uint64_t> commits;  // one for each publication; 0: nothing to wait for
    std::string last_topic;
    Published last;  // on that; with the newest commit of all
  };
  [[nodiscard]] Verdict verdict_of(bc_status status, const std::string& text) const;
  [[nodiscard]] std::function<void(Verdict)> take_producer();

  // Constant after construction.
  const std::string& name_;
  Sequencer& sequencer_;
  // Shared.
  Guarded<std::function<void(Verdict)>> producer_;  // null: nobody waits
  // The plugin's thread.
  OwnerThread owner_;
  std::optional<Turn> turn_;
};

}  // namespace broadcast
