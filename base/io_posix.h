/* The real side of the I/O table: the operating system's files.
 *
 * Descriptors are close-on-exec; interrupted calls are repeated and short writes completed; sync is
 * fdatasync; locks are open file description locks, so two locks of one process exclude each other
 * too and a killed process leaves none. */
#ifndef TD_BASE_IO_POSIX_H
#define TD_BASE_IO_POSIX_H

#include "base/io.h"

/* The operating system's files. Has no state; may be used by any thread. */
td_io io_posix(void);

/* Open those of descriptors 0 to 2 that are closed; otherwise files opened later get these
 * numbers, and printed text is written into them. They become /dev/null, 0 for writing and 1 for
 * reading, so that using them is an error (EBADF) as if they were closed. Call it before
 * anything else is opened. TD_E_IO. */
TD_MUST_USE td_result io_posix_open_standard(td_err *err);

#endif
