// A library that needs another one, which only its own RUNPATH finds.

extern "C" const void* inner_reader();

extern "C" __attribute__((visibility("default"))) const void* redisReaderCreate() {
  return inner_reader();
}
extern "C" __attribute__((visibility("default"))) bool is_reader_of_mine(const void* reader) {
  return reader == inner_reader();
}
