/* The process's limit on open files and connections (RLIMIT_NOFILE). The soft limit is often 1,024,
 * because of select(), which tapedeck does not use. */
#ifndef TD_BASE_OPEN_FILES_H
#define TD_BASE_OPEN_FILES_H

#include <stdint.h>

typedef struct td_open_files {
    uint64_t needed; /* the limit needed for the request and the open files */
    uint64_t before; /* the soft limit before the call */
    uint64_t limit;  /* the soft limit after the call; the hard limit may keep it below needed */
} td_open_files;

/* Raise the soft limit for `more` further open files, as far as the hard limit allows. Call at the
 * start of a program: assumes that the open descriptors are the lowest ones. */
td_open_files td_open_files_reserve(uint64_t more);

#endif
