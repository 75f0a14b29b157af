#include "schema/checksum.h"

#include "base/assert.h"
#include "base/hash.h"

/* The text of some levels. */
enum { CHECKSUM_TEXT_BYTES = 8192 };

typedef struct checksum_text {
    char bytes[CHECKSUM_TEXT_BYTES];
    size_t size;
    uint32_t sum; /* of the text before the bytes */
    uint8_t has_sum;
} checksum_text;

/* "0.0420": ":0.0420" */
static void put_number(checksum_text *to, td_decimal value)
{
    if (to->size > 0 || to->has_sum)
        to->bytes[to->size++] = ':';
    to->size += td_decimal_format_whole(value, to->bytes + to->size);
}

/* "0.0420": "420", which are the digits of its mantissa; 0 has no text. */
static void put_digits(checksum_text *to, td_decimal value)
{
    if (value.mantissa != 0)
        to->size += td_decimal_format_whole((td_decimal){value.mantissa, 0}, to->bytes + to->size);
}

typedef void put_fn(checksum_text *to, td_decimal value);

/* Where levels come from, and how they are written. */
typedef struct checksum_source {
    checksum_level_fn *level;
    const void *book;
    put_fn *put;
} checksum_source;

static uint32_t text_sum(const checksum_text *text)
{
    return td_crc32(text->sum, text->bytes, text->size);
}

/* Add a level, or an order, if the side has it. */
static checksum_level put_level(checksum_text *to, const checksum_source *from, msg_side side,
                                size_t index)
{
    td_decimal price, size;
    const checksum_level found = from->level(from->book, side, index, &price, &size);
    if (found != CHECKSUM_LEVEL_THERE)
        return found;
    if (to->size + 2 * (size_t)TD_DECIMAL_TEXT_BYTES > sizeof to->bytes) {
        to->sum = text_sum(to);
        to->has_sum = 1;
        to->size = 0;
    }
    from->put(to, price);
    from->put(to, size);
    return found;
}

/* Add a side's levels, or orders, until it ends. 0: it is not known how one is written. */
static int put_side(checksum_text *to, const checksum_source *from, msg_side side, size_t most)
{
    checksum_level found = CHECKSUM_LEVEL_THERE;
    for (size_t i = 0; i < most && found == CHECKSUM_LEVEL_THERE; i++)
        found = put_level(to, from, side, i);
    return found != CHECKSUM_LEVEL_UNKNOWN;
}

/* Add a level of each side by turns. */
static int put_turns(checksum_text *to, const checksum_source *from, size_t levels)
{
    for (size_t i = 0; i < levels; i++)
        if (put_level(to, from, SIDE_BUY, i) == CHECKSUM_LEVEL_UNKNOWN ||
            put_level(to, from, SIDE_SELL, i) == CHECKSUM_LEVEL_UNKNOWN)
            return 0;
    return 1;
}

int checksum_compute(const checksum_recipe *recipe, checksum_level_fn *level, const void *book,
                     uint32_t *out)
{
    const int alternates = recipe->order == CHECKSUM_ALTERNATING;
    const checksum_source from = {level, book, alternates ? put_number : put_digits};
    const size_t most = recipe->order == CHECKSUM_ORDERS ? SIZE_MAX : recipe->levels;
    checksum_text text;
    text.size = text.sum = text.has_sum = 0;
    TD_ASSERT(recipe->levels > 0);
    TD_ASSERT(recipe->levels <= CHECKSUM_LEVELS_MAX);
    const int is_known = alternates ? put_turns(&text, &from, recipe->levels)
                                    : put_side(&text, &from, SIDE_SELL, most) &&
                                          put_side(&text, &from, SIDE_BUY, most);
    *out = is_known ? text_sum(&text) : 0;
    return is_known;
}
