/* The I/O table for the operating system's files.
 *
 * Descriptors are close-on-exec; interrupted calls are repeated and short writes completed; sync is
 * fdatasync. Locks are open file description locks: two locks of one process exclude each other,
 * and a killed process leaves no lock. */
#ifndef TD_BASE_IO_POSIX_H
#define TD_BASE_IO_POSIX_H

#include "base/io.h"

/* The operating system's files. No state; any thread. */
td_io io_posix(void);

/* Open the closed ones of descriptors 0 to 2; otherwise files that are opened later would get these
 * numbers, and output would be written to them. They become /dev/null, 0 for writing and 1 for
 * reading, so that using them fails (EBADF) as if they were closed. Call it before anything else is
 * opened. TD_E_IO. */
TD_MUST_USE td_result io_posix_open_standard(td_err *err);

#endif
