#include "regress/program_id.h"

#include "base/io_posix.h"

td_result program_id_own(char out[TD_HASH128_HEX_BYTES], td_err *err)
{
    return td_io_hash(io_posix(), "/proc/self/exe", out, err);
}
