#include "base/secret.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { SECRET_BYTES_MAX = 64 << 20 };

/* Header before the caller's bytes. */
typedef struct secret_head {
    size_t bytes; /* of the mapping */
    size_t magic;
} secret_head;

#define SECRET_MAGIC ((size_t)0x53ec7e75)

/* Pages of the kernel, not of malloc: malloc's neighbours would be omitted from dumps too, and
 * its freed memory is not overwritten. */
void *td_secret_alloc(size_t size)
{
    TD_ASSERT(size <= SECRET_BYTES_MAX);
    size_t bytes = size + sizeof(secret_head);
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        td_out_of_memory(bytes);
    /* On an old kernel without this advice only the second of two safeguards is missing. */
    (void)madvise(pages, bytes, MADV_DONTDUMP);
    secret_head *head = pages;
    *head = (secret_head){.bytes = bytes, .magic = SECRET_MAGIC};
    return head + 1;
}

void td_secret_free(void *memory)
{
    if (memory == NULL)
        return;
    secret_head *head = (secret_head *)memory - 1;
    TD_ASSERT(head->magic == SECRET_MAGIC);
    size_t bytes = head->bytes;
    explicit_bzero(head, bytes);
    int rc = munmap(head, bytes);
    TD_ASSERT(rc == 0);
}

td_result td_secret_forbid_core_dumps(td_err *err)
{
    struct rlimit none = {0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return td_err_set_os(err, errno, "cannot forbid core dumps, which would hold secrets");
    return TD_OK;
}
