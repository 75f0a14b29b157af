/* Which program decoded: a hash of its bytes. What was decoded by another one is not added to an
 * unfinished baseline. Pure; any thread. */
#ifndef TD_REGRESS_PROGRAM_ID_H
#define TD_REGRESS_PROGRAM_ID_H

#include "base/err.h"
#include "base/hash.h"

/* The running program's (td_io_hash). TD_E_NOTFOUND, TD_E_IO, TD_E_NOMEM. */
TD_MUST_USE td_result program_id_own(char out[TD_HASH128_HEX_BYTES], td_err *err);

#endif
