#include "book/checksum.h"

#include "schema/checksum.h"

static checksum_level level_of(const void *of, msg_side side, size_t index, td_decimal *price,
                               td_decimal *size)
{
    book_level level;
    if (index >= book_level_count(of, side))
        return CHECKSUM_LEVEL_ABSENT;
    if (!book_level_written(of, side, index, &level))
        return CHECKSUM_LEVEL_UNKNOWN;
    *price = level.price;
    *size = level.size;
    return CHECKSUM_LEVEL_THERE;
}

int book_checksum(const book *of, const checksum_recipe *recipe, uint32_t *out)
{
    return checksum_compute(recipe, level_of, of, out);
}
