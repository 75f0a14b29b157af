#include "regress/program_id.h"

#include "base/io_posix.h"

enum { PIECE_BYTES = 1 << 16 };

static td_result hash_file(td_file *file, td_hasher *hasher, td_err *err)
{
    uint8_t piece[PIECE_BYTES];
    for (uint64_t at = 0;;) {
        size_t got = 0;
        td_result rc = td_io_read_at(file, at, piece, sizeof piece, &got, err);
        if (rc != TD_OK || got == 0)
            return rc;
        td_hasher_update(hasher, piece, got);
        at += got;
    }
}

td_result program_id_of(const char *path, char out[TD_HASH128_HEX_BYTES], td_err *err)
{
    td_file *file = NULL;
    td_result rc = td_io_open(io_posix(), path, TD_OPEN_READ, &file, err);
    if (rc != TD_OK)
        return rc;
    td_hasher *hasher = td_hasher_open();
    rc = hasher == NULL ? td_err_set(err, TD_E_NOMEM, "no memory to hash '%s'", path)
                        : hash_file(file, hasher, err);
    if (rc == TD_OK)
        td_hash128_hex(td_hasher_digest(hasher), out);
    td_hasher_close(hasher);
    td_io_close(file);
    return rc;
}

td_result program_id_own(char out[TD_HASH128_HEX_BYTES], td_err *err)
{
    return program_id_of("/proc/self/exe", out, err);
}
