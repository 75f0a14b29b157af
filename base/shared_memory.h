/* Memory that all processes of a user on this machine share by a name, until the machine restarts.
 * One process at a time holds it. */
#ifndef TD_BASE_SHARED_MEMORY_H
#define TD_BASE_SHARED_MEMORY_H

#include <stddef.h>

#include "base/err.h"

typedef struct td_shared {
    void *data; /* zero when it is made */
    size_t size;
    int fd;
} td_shared;

/* Map the memory of this name (without '/'), made if it does not exist. TD_E_IO, for instance if
 * the name is another user's. */
TD_MUST_USE td_result td_shared_open(const char *name, size_t size, td_shared *out, td_err *err);
void td_shared_close(td_shared *self);

/* Wait until no other process holds it, and hold it. Other threads of this process are not kept
 * out. */
void td_shared_hold(const td_shared *self);
void td_shared_release(const td_shared *self);

#endif
