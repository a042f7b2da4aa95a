// What outer.cpp needs.

namespace {

int of_this_version = 0;

}  // namespace

extern "C" __attribute__((visibility("default"))) const void* inner_reader() {
  return &of_this_version;
}
