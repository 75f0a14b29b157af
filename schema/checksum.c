#include "schema/checksum.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

/* The text of up to CHECKSUM_LEVELS_MAX levels of both sides, each number with a separator. */
enum { CHECKSUM_TEXT_BYTES = CHECKSUM_LEVELS_MAX * 2 * 2 * TD_DECIMAL_TEXT_BYTES };

typedef struct checksum_text {
    char bytes[CHECKSUM_TEXT_BYTES];
    size_t size;
} checksum_text;

/* "0.0420": ":0.0420" */
static void put_number(checksum_text *to, td_decimal value)
{
    if (to->size > 0)
        to->bytes[to->size++] = ':';
    to->size += td_decimal_format_whole(value, to->bytes + to->size);
}

/* "0.0420": "420" */
static void put_digits(checksum_text *to, td_decimal value)
{
    char text[TD_DECIMAL_TEXT_BYTES];
    const size_t size = td_decimal_format_whole(value, text);
    size_t i = 0;
    while (i < size && (text[i] == '0' || text[i] == '.'))
        i++;
    for (; i < size; i++)
        if (text[i] != '.')
            to->bytes[to->size++] = text[i];
}

typedef void put_fn(checksum_text *to, td_decimal value);

/* Where levels come from, and how they are written. */
typedef struct checksum_source {
    checksum_level_fn *level;
    const void *book;
    put_fn *put;
} checksum_source;

/* Add a level, if the side has it. 0: it is not known how it was written. */
static int put_level(checksum_text *to, const checksum_source *from, msg_side side, size_t index)
{
    td_decimal price, size;
    const checksum_level found = from->level(from->book, side, index, &price, &size);
    if (found != CHECKSUM_LEVEL_THERE)
        return found == CHECKSUM_LEVEL_ABSENT;
    TD_ASSERT(to->size + 2 * (size_t)TD_DECIMAL_TEXT_BYTES <= sizeof to->bytes);
    from->put(to, price);
    from->put(to, size);
    return 1;
}

int checksum_compute(const checksum_recipe *recipe, checksum_level_fn *level, const void *book,
                     uint32_t *out)
{
    const int alternates = recipe->order == CHECKSUM_ALTERNATING;
    const checksum_source from = {level, book, alternates ? put_number : put_digits};
    checksum_text text;
    text.size = 0;
    TD_ASSERT(recipe->levels > 0);
    TD_ASSERT(recipe->levels <= CHECKSUM_LEVELS_MAX);
    int is_known = 1;
    if (alternates)
        for (size_t i = 0; is_known && i < recipe->levels; i++)
            is_known =
                put_level(&text, &from, SIDE_BUY, i) && put_level(&text, &from, SIDE_SELL, i);
    else
        for (size_t i = 0; is_known && i < 2 * recipe->levels; i++)
            is_known = put_level(&text, &from, i < recipe->levels ? SIDE_SELL : SIDE_BUY,
                                 i % recipe->levels);
    *out = is_known ? td_crc32(0, text.bytes, text.size) : 0;
    return is_known;
}
