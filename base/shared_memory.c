#include "base/shared_memory.h"

#include <errno.h>
#include <stdio.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

td_result td_shared_open(const char *name, size_t size, td_shared *out, td_err *err)
{
    char path[128];
    struct stat about;
    *out = (td_shared){.size = size, .fd = -1};
    (void)snprintf(path, sizeof path, "/%.100s-%u", name, (unsigned)geteuid()); /* fits */
    int fd = shm_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return td_err_set_os(err, errno, "shared memory '%s'", path);
    void *data = MAP_FAILED;
    /* A file that another user made under this name would let that user change the content. */
    if (fstat(fd, &about) == 0 && about.st_uid == geteuid() && ftruncate(fd, (off_t)size) == 0)
        data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        td_result rc = td_err_set_os(err, errno == 0 ? EPERM : errno, "shared memory '%s'", path);
        (void)close(fd);
        return rc;
    }
    out->fd = fd;
    out->data = data;
    return TD_OK;
}

void td_shared_close(td_shared *self)
{
    if (self->fd < 0)
        return;
    (void)munmap(self->data, self->size);
    (void)close(self->fd);
    self->fd = -1;
}

void td_shared_hold(const td_shared *self)
{
    while (flock(self->fd, LOCK_EX) != 0 && errno == EINTR)
        ;
}

void td_shared_release(const td_shared *self)
{
    (void)flock(self->fd, LOCK_UN);
}
