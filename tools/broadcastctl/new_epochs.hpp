#pragma once
// `broadcastctl state new-epochs`: for a state file that is older than its host's clients in a way
// that no host can see, such as the snapshot of a whole disk.

#include <string>

namespace broadcast {

/// Every topic in the state file `path` begins another epoch. Throws CannotRun if it is not there,
/// std::runtime_error that says why it cannot be changed: its host runs, or it is damaged.
void give_new_epochs(const std::string& path);

}  // namespace broadcast
