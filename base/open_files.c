#include "base/open_files.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* The lowest free descriptor, or the limit if all are in use. Standard error is always open
 * (io_posix_open_standard). */
static uint64_t lowest_free(uint64_t limit)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return limit;
    close(fd);
    return (uint64_t)fd;
}

td_open_files td_open_files_reserve(uint64_t more)
{
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) != 0)
        return (td_open_files){more, more, more}; /* unknown: opening files may fail */
    uint64_t before = now.rlim_cur;
    uint64_t needed = lowest_free(before) + more;
    if (needed > before) {
        now.rlim_cur = needed < now.rlim_max ? needed : now.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &now) != 0)
            now.rlim_cur = before;
    }
    return (td_open_files){needed, before, now.rlim_cur};
}
