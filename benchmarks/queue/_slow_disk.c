/* Makes every fsync and fdatasync of a process take at least SYNC_US microseconds (preloaded by end_to_end.py).
 *
 * Queues that commit each step alone follow the disk, queues that commit in groups follow the processor: a ratio
 * between them says little without the disk. This gives every machine the same disk, if its own is faster. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int at_least(const char *name, int descriptor)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    const char *given = getenv("SYNC_US");
    long long ns = end.tv_nsec + 1000LL * (given ? atoll(given) : 0);
    end.tv_sec += ns / 1000000000LL;
    end.tv_nsec = ns % 1000000000LL;
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int found = real(descriptor), kept = errno;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        ;
    errno = kept;
    return found;
}

int fsync(int descriptor) { return at_least("fsync", descriptor); }
int fdatasync(int descriptor) { return at_least("fdatasync", descriptor); }
