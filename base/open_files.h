/* How many files and connections the process may have open: RLIMIT_NOFILE. Its soft limit is often
 * 1,024, for the sake of select(), which nothing here uses. */
#ifndef TD_BASE_OPEN_FILES_H
#define TD_BASE_OPEN_FILES_H

#include <stdint.h>

typedef struct td_open_files {
    uint64_t needed; /* the limit that the request needs, with what is open already */
    uint64_t before; /* the soft limit before the call */
    uint64_t limit;  /* and after it; less than needed: the hard limit allows no more */
} td_open_files;

/* Request that many more open files: raises the soft limit as far as they need it and the hard
 * limit allows. At the start of a program, before descriptors are closed here and there: those in
 * use are taken for the lowest ones. */
td_open_files td_open_files_reserve(uint64_t more);

#endif
