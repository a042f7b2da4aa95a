// A library that has a function of one that the host is linked with, in another version.

namespace {

int of_this_version = 0;

}  // namespace

extern "C" __attribute__((visibility("default"))) void* redisReaderCreate() {
  return &of_this_version;
}
extern "C" __attribute__((visibility("default"))) bool is_reader_of_mine(const void* reader) {
  return reader == &of_this_version;
}
