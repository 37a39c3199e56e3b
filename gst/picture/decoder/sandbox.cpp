// What the process gives up before it looks at a picture.
// SPDX-License-Identifier: Apache-2.0
#include "sandbox.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <algorithm>
#include <cerrno>
#include <csignal>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OVI_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OVI_SANITIZED 1
#endif
#endif
#ifndef OVI_SANITIZED
#include <seccomp.h>
#endif

namespace ovii2v::picture {
namespace {

/// What is lower already stays.
bool limit(int what, uint64_t most, uint64_t beyond = 0) {
  rlimit limits{};
  if (getrlimit(what, &limits) != 0) return false;
  limits.rlim_max = std::min<rlim_t>(limits.rlim_max, most + beyond);
  limits.rlim_cur = std::min<rlim_t>(most, limits.rlim_max);
  return setrlimit(what, &limits) == 0;
}

}  // namespace

bool limit_process(uint64_t seconds, uint64_t memory) {
  // Whoever writes a file gets an error, not a signal.
  signal(SIGXFSZ, SIG_IGN);
  bool whole = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  whole &= limit(RLIMIT_CORE, 0) &&
           limit(RLIMIT_FSIZE, 0) &&  // SIGXCPU first: the parent knows what that is.
           limit(RLIMIT_CPU, seconds, 1);
#ifndef OVI_SANITIZED
  whole &= limit(RLIMIT_DATA, memory);
#endif
  return whole;
}

bool close_doors() {
#ifndef OVI_SANITIZED
  // What is not listed fails with EPERM: libraries take that as "not there".
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (!filter) return false;
  const int allowed[] = {
      // the descriptors that are open
      SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close),
      SCMP_SYS(fstat), SCMP_SYS(fstat64), SCMP_SYS(lseek), SCMP_SYS(_llseek),
      // memory
      SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(munmap), SCMP_SYS(mremap),
      SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(membarrier),
      // threads
      SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(futex), SCMP_SYS(futex_time64),
      SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address), SCMP_SYS(gettid),
      SCMP_SYS(getpid), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu),
      SCMP_SYS(exit), SCMP_SYS(exit_group),
      // signals and time
      SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(tgkill),
      SCMP_SYS(restart_syscall), SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64),
      SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(getrandom),
      SCMP_SYS(sysinfo), SCMP_SYS(uname)};
  bool whole = true;
  for (const int call : allowed) whole &= seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0;
  whole = whole && seccomp_load(filter) == 0;
  seccomp_release(filter);
  return whole;
#else
  return true;
#endif
}

bool close_network() {
#ifndef OVI_SANITIZED
  const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (!filter) return false;
  const int refused[] = {SCMP_SYS(socket),
                         SCMP_SYS(connect),
                         SCMP_SYS(bind),
                         SCMP_SYS(listen),
                         SCMP_SYS(execve),
                         SCMP_SYS(execveat),
                         SCMP_SYS(ptrace),
                         SCMP_SYS(unlink),
                         SCMP_SYS(unlinkat),
                         SCMP_SYS(rename),
                         SCMP_SYS(renameat),
                         SCMP_SYS(renameat2),
                         SCMP_SYS(mkdir),
                         SCMP_SYS(mkdirat),
                         SCMP_SYS(link),
                         SCMP_SYS(linkat),
                         SCMP_SYS(symlink),
                         SCMP_SYS(symlinkat),
                         SCMP_SYS(truncate),
                         SCMP_SYS(kill),
                         SCMP_SYS(creat),
                         SCMP_SYS(mknod),
                         SCMP_SYS(mknodat),
                         SCMP_SYS(chmod),
                         SCMP_SYS(fchmod),
                         SCMP_SYS(fchmodat),
                         SCMP_SYS(chown),
                         SCMP_SYS(fchown),
                         SCMP_SYS(lchown),
                         SCMP_SYS(fchownat),
                         SCMP_SYS(rmdir),
                         SCMP_SYS(utimensat),
                         SCMP_SYS(setxattr),
                         SCMP_SYS(fsetxattr),
                         SCMP_SYS(lsetxattr),
                         SCMP_SYS(mount),
                         SCMP_SYS(unshare),
                         SCMP_SYS(setns),
                         SCMP_SYS(bpf),
                         SCMP_SYS(keyctl),
                         SCMP_SYS(process_vm_writev)};
  bool whole = true;
  for (const int call : refused)
    whole &= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0) == 0;
  // Ways to open that no rule on flags sees: as on a kernel without them.
  for (const int call : {SCMP_SYS(openat2), SCMP_SYS(io_uring_setup)})
    whole &= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0) == 0;
  // Files are read: none is written or made, not even the ones that orc keeps its code in.
  constexpr uint64_t access = O_ACCMODE, make = O_CREAT;
  const scmp_datum_t writing[][2] = {{access, O_WRONLY}, {access, O_RDWR}, {make, O_CREAT}};
  for (const auto& [mask, flags] : writing) {
    whole &= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(open), 1,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, mask, flags)) == 0;
    whole &= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, mask, flags)) == 0;
  }
  whole = whole && seccomp_load(filter) == 0;
  seccomp_release(filter);
  return whole;
#else
  return true;
#endif
}

}  // namespace ovii2v::picture
