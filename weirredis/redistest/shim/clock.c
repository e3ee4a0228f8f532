/* Loaded into a server by LD_PRELOAD: time of day comes from a mapped file that
 * the test writes. Monotonic time stays real, and drives the server's event loop. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(long) == 8 && sizeof(time_t) == 8, "needs a 64-bit system");

/* Microseconds. The clock stands still at frozen; where that is 0 it is the real
 * one plus offset. */
static struct { int64_t frozen, offset; } *clock_file;

__attribute__((constructor)) static void map_clock(void) {
	const char *path = getenv("REDISTEST_CLOCK");
	if (!path) return;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *page = mmap(0, sizeof *clock_file, PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) abort();
	clock_file = page;
	close(fd);
}

/* A system call, not dlsym: allocators ask for the time before dlsym may run. */
int clock_gettime(clockid_t id, struct timespec *ts) {
	long failed = syscall(SYS_clock_gettime, id, ts);
	if (failed || !clock_file || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return failed;
	int64_t us = __atomic_load_n(&clock_file->frozen, __ATOMIC_ACQUIRE);
	if (us) {
		ts->tv_nsec = us % 1000000 * 1000;
	} else {
		us = ts->tv_sec * INT64_C(1000000) + ts->tv_nsec / 1000 + __atomic_load_n(&clock_file->offset, __ATOMIC_ACQUIRE);
		ts->tv_nsec = us % 1000000 * 1000 + ts->tv_nsec % 1000;
	}
	ts->tv_sec = us / 1000000;
	return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
	struct timespec ts;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts)) return -1;
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *t) {
	struct timespec ts;
	if (clock_gettime(CLOCK_REALTIME, &ts)) return -1;
	if (t) *t = ts.tv_sec;
	return ts.tv_sec;
}
