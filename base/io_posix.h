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

/* If any of descriptors 0 to 2 is closed, open /dev/null as this descriptor. Otherwise a file that
 * is opened later would get the number, and output would be written to the file. Descriptor 0 is
 * opened for writing and 1 for reading, so that reading 0 and writing 1 fail (EBADF) as if they
 * were closed; 2 discards what is written. Call before anything else is opened. TD_E_IO. */
TD_MUST_USE td_result io_posix_open_standard(td_err *err);

#endif
