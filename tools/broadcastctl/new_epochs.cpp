#include "tools/broadcastctl/new_epochs.hpp"

#include <filesystem>
#include <stdexcept>

#include "host/store/file_lock.hpp"
#include "host/store/state_format.hpp"
#include "tools/broadcastctl/plugin_bytes.hpp"

namespace broadcast {

void give_new_epochs(const std::string& path) {
  const std::string file = std::filesystem::absolute(path);
  if (!std::filesystem::is_regular_file(file)) {
    throw CannotRun(path + ": no such file. Give the host's state.path.");
  }
  if (FileLock::is_held(file)) {
    throw std::runtime_error(path + ": its host is running; stop it first");
  }
  try {
    const FileLock lock(file);
    SqliteDatabase database = open_state(file, Synchronous::kFull);
    begin_new_epochs(database);
    close_state(database);
  } catch (const StateUnreadable& unreadable) {
    throw std::runtime_error(path + ": cannot be used (" + unreadable.what() +
                             "); the host moves it aside at its start and begins new epochs");
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(path + ": " + error.what());
  }
}

}  // namespace broadcast
