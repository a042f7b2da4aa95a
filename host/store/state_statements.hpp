#pragma once
// What is written to the tables of a state file, prepared. Used by StateFile; lives no longer than
// the database.

#include "host/store/sqlite.hpp"

namespace broadcast {

struct StateStatements {
  explicit StateStatements(const SqliteDatabase& database)
      : put_topic(database,
                  "INSERT INTO topics (id, name, epoch, delivery, seq, commits, sum) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, row_sum(?1, ?2, ?3, ?4, ?5, ?6)) "
                  "ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, "
                  "delivery = excluded.delivery, seq = excluded.seq, "
                  "commits = excluded.commits, sum = excluded.sum"),
        put_message(database,
                    "INSERT INTO messages (topic, seq, published_ns, text, sum) "
                    "VALUES (?1, ?2, ?3, ?4, row_sum(?1, ?2, ?3, ?4))"),
        prune(database, "DELETE FROM messages WHERE topic = ?1 AND seq <= ?2"),
        forget(database, "DELETE FROM messages WHERE topic = ?1"),
        put_position(database,
                     "INSERT INTO positions (stream, id, commits, sum) "
                     "VALUES (?1, ?2, ?3, row_sum(?1, ?2, ?3)) "
                     "ON CONFLICT (stream) DO UPDATE SET id = excluded.id, "
                     "commits = excluded.commits, sum = excluded.sum"),
        put_plugin_state(database,
                         "INSERT INTO plugin_states (broadcaster, state, sum) "
                         "VALUES (?1, ?2, row_sum(?1, ?2)) "
                         "ON CONFLICT (broadcaster) DO UPDATE SET state = excluded.state, "
                         "sum = excluded.sum"),
        forget_plugin_state(database, "DELETE FROM plugin_states WHERE broadcaster = ?1") {}

  SqliteStatement put_topic;
  SqliteStatement put_message;
  SqliteStatement prune;
  SqliteStatement forget;
  SqliteStatement put_position;
  SqliteStatement put_plugin_state;
  SqliteStatement forget_plugin_state;
};

}  // namespace broadcast
