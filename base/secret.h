/* Memory for keys, passwords and signatures: in pages of its own that core dumps omit,
 * overwritten before it is freed. And hardening of a process that holds secrets. */
#ifndef TD_BASE_SECRET_H
#define TD_BASE_SECRET_H

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"

/* size bytes of zeros for a secret, at least a page of memory. Any thread. */
TD_NEVER_NULL void *td_secret_alloc(size_t size);

/* Overwrite and free; NULL is fine. */
void td_secret_free(void *memory);

/* Disable core dumps of this process (prctl PR_SET_DUMPABLE, and RLIMIT_CORE for kernels that
 * write files): copies of secrets are also in the environment, in requests and inside TLS. As a
 * consequence other processes of the same user cannot attach to it or read its /proc entries.
 * TD_E_IO. */
TD_MUST_USE td_result td_secret_forbid_core_dumps(td_err *err);

#endif
