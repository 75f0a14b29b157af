/* The real side of the I/O table: the operating system's files.
 *
 * Descriptors are close-on-exec; interrupted calls are repeated and short writes completed; sync is
 * fdatasync; locks are open file description locks, so two locks of one process exclude each other
 * too and a killed process leaves none behind. */
#ifndef TD_BASE_IO_POSIX_H
#define TD_BASE_IO_POSIX_H

#include "base/io.h"

/* The operating system's files. Has no state; may be used by any thread. */
td_io io_posix(void);

#endif
