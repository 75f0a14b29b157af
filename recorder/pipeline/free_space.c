#include "recorder/pipeline/free_space.h"

#include "base/assert.h"
#include "base/cli/units.h"

enum { DEFAULT_PART = 20 }; /* one in 20: 5 % of the file system */

#define DEFAULT_BYTES (UINT64_C(1) << 30)

uint64_t free_space_needed_bytes(uint64_t min_bytes, uint64_t total_bytes)
{
    if (min_bytes != FREE_SPACE_DEFAULT)
        return min_bytes;
    uint64_t part = total_bytes / DEFAULT_PART;
    return part < DEFAULT_BYTES ? part : DEFAULT_BYTES;
}

td_result free_space_check(const free_space *self, td_err *err)
{
    td_space space;
    TD_ASSERT(self->path != NULL);
    if (self->min_bytes == 0)
        return TD_OK;
    td_result rc = td_io_space(self->io, self->path, &space, err);
    if (rc != TD_OK || space.total_bytes == 0)
        return rc;
    uint64_t needed = free_space_needed_bytes(self->min_bytes, space.total_bytes);
    if (space.free_bytes >= needed)
        return TD_OK;
    td_err_set(
        err, TD_E_NOSPACE,
        "the disk of '%s' is nearly full: %s are free, %s must stay free (min_free), %s more",
        self->path, format_size(space.free_bytes).text, format_size(needed).text,
        format_size(needed - space.free_bytes).text);
    td_err_hint(err,
                "free some space, or give a smaller --min-free; record then continues in the same "
                "archive");
    return TD_E_NOSPACE;
}
