/* A disk whose syncs take as long as the test sets, to be linked into tapedeck-record with
 * --wrap=td_io_sync. The first 8 bytes of the file named by TAPEDECK_TEST_SYNC are the least number
 * of nanoseconds for each sync; a smaller number also shortens syncs in progress. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/io.h"

/* The linker's names for the real function and its replacement. */
td_result __real_td_io_sync(td_file *file, td_err *err);
td_result __wrap_td_io_sync(td_file *file, td_err *err);

static pthread_once_t opened = PTHREAD_ONCE_INIT;
static const _Atomic uint64_t *sync_ns;

static void open_file(void)
{
    const char *path = getenv("TAPEDECK_TEST_SYNC");
    TD_ASSERT(path != NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    TD_ASSERT(fd >= 0);
    void *shared = mmap(NULL, sizeof *sync_ns, PROT_READ, MAP_SHARED, fd, 0);
    TD_ASSERT(shared != MAP_FAILED);
    sync_ns = shared;
    close(fd);
}

td_result __wrap_td_io_sync(td_file *file, td_err *err)
{
    td_clock clock = clock_real();
    pthread_once(&opened, open_file);
    uint64_t from_ns = clock_mono_ns(clock);
    while (clock_mono_ns(clock) - from_ns < atomic_load_explicit(sync_ns, memory_order_relaxed))
        clock_sleep_until(clock, clock_mono_ns(clock) + TD_NS_PER_MS);
    return __real_td_io_sync(file, err);
}
