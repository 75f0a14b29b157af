/* A recorder whose wall clock a test can change while it runs: linked with --wrap=clock_real. The
 * file named by $TAPEDECK_TEST_CLOCK holds 8 bytes, a signed number of ns in this machine's byte
 * order, which is added to the wall clock. The monotonic clock never steps. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

/* The linker's names for the real function and its replacement. */
td_clock __real_clock_real(void);
td_clock __wrap_clock_real(void);

static pthread_once_t opened = PTHREAD_ONCE_INIT;
static const _Atomic int64_t *moved_ns;

static void open_file(void)
{
    const char *path = getenv("TAPEDECK_TEST_CLOCK");
    TD_ASSERT(path != NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    TD_ASSERT(fd >= 0);
    void *shared = mmap(NULL, sizeof *moved_ns, PROT_READ, MAP_SHARED, fd, 0);
    TD_ASSERT(shared != MAP_FAILED);
    moved_ns = shared;
    close(fd);
}

static uint64_t wall_ns(void *ctx)
{
    (void)ctx;
    return clock_wall_ns(__real_clock_real()) +
           (uint64_t)atomic_load_explicit(moved_ns, memory_order_relaxed);
}

static uint64_t mono_ns(void *ctx)
{
    (void)ctx;
    return clock_mono_ns(__real_clock_real());
}

static uint64_t boot_ns(void *ctx)
{
    (void)ctx;
    return clock_boot_ns(__real_clock_real());
}

static uint64_t thread_ns(void *ctx)
{
    (void)ctx;
    return clock_thread_ns(__real_clock_real());
}

static void sleep_until(void *ctx, uint64_t until_ns)
{
    (void)ctx;
    clock_sleep_until(__real_clock_real(), until_ns);
}

td_clock __wrap_clock_real(void)
{
    static const td_clock_ops OPS = {.wall_ns = wall_ns,
                                     .mono_ns = mono_ns,
                                     .boot_ns = boot_ns,
                                     .thread_ns = thread_ns,
                                     .sleep_until = sleep_until};
    pthread_once(&opened, open_file);
    return (td_clock){.ops = &OPS};
}
