/* Loaded before the C library, it adds an offset to the wall clock of one process: the seconds in the first eight bytes
 * of the file that CLOCK_OFFSET_FILE names, which may change at any time. Other clocks are left as they are.
 * Waits until a time by the wall clock are until a time by the shifted one, as the kernel knows nothing of it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static int64_t offset_s(void) {
  static volatile int64_t none;
  static volatile int64_t *volatile place;
  if (!place) {
    const char *name = getenv("CLOCK_OFFSET_FILE");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    place = mapped == MAP_FAILED ? &none : mapped;
  }
  return *place;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = (int)syscall(SYS_clock_gettime, clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    now->tv_sec += offset_s();
  }
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int failed = (int)syscall(SYS_gettimeofday, now, zone);
  if (!failed) {
    now->tv_sec += offset_s();
  }
  return failed;
}

time_t time(time_t *now) {
  struct timespec read;
  clock_gettime(CLOCK_REALTIME, &read);
  if (now) {
    *now = read.tv_sec;
  }
  return read.tv_sec;
}

/* Conditions of C11 are waited for by the wall clock. Those of Rust are not, and no others are used. */
int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) {
  static int (*volatile real)(cnd_t *, mtx_t *, const struct timespec *);
  if (!real) {
    real = (int (*)(cnd_t *, mtx_t *, const struct timespec *))dlsym(RTLD_NEXT, "cnd_timedwait");
  }
  struct timespec shifted = *until;
  shifted.tv_sec -= offset_s();
  return real(condition, mutex, &shifted);
}
