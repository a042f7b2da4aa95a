// without_io_uring setup|enter COMMAND...: COMMAND where that system call is not permitted, as
// containers' seccomp filters have it.

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <string_view>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv) {
  const std::string_view which = argc > 2 ? argv[1] : "";
  if (which != "setup" && which != "enter") {
    std::fprintf(stderr, "without_io_uring setup|enter COMMAND...\n");
    return 2;
  }
  const unsigned call = which == "setup" ? __NR_io_uring_setup : __NR_io_uring_enter;
  sock_filter instructions[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{.len = sizeof instructions / sizeof *instructions,
                          .filter = instructions};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    std::perror("without_io_uring: prctl");
    return 2;
  }
  ::execv(argv[2], argv + 2);
  std::perror(argv[2]);
  return 2;
}
