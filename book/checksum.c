#include "book/checksum.h"

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

/* Add a level, if the side has it. 0: it is not known how it was written. */
static int put_level(checksum_text *to, const book *of, msg_side side, size_t index, put_fn *put)
{
    book_level level;
    if (index >= book_level_count(of, side))
        return 1;
    TD_ASSERT(to->size + 2 * (size_t)TD_DECIMAL_TEXT_BYTES <= sizeof to->bytes);
    if (!book_level_written(of, side, index, &level))
        return 0;
    put(to, level.price);
    put(to, level.size);
    return 1;
}

int book_checksum(const book *of, const checksum_recipe *recipe, uint32_t *out)
{
    checksum_text text;
    text.size = 0;
    TD_ASSERT(recipe->levels > 0);
    TD_ASSERT(recipe->levels <= CHECKSUM_LEVELS_MAX);
    int is_known = 1;
    if (recipe->order == CHECKSUM_ALTERNATING)
        for (size_t i = 0; is_known && i < recipe->levels; i++)
            is_known = put_level(&text, of, SIDE_BUY, i, put_number) &&
                       put_level(&text, of, SIDE_SELL, i, put_number);
    else
        for (size_t i = 0; is_known && i < 2 * recipe->levels; i++)
            is_known = put_level(&text, of, i < recipe->levels ? SIDE_SELL : SIDE_BUY,
                                 i % recipe->levels, put_digits);
    *out = is_known ? td_crc32(0, text.bytes, text.size) : 0;
    return is_known;
}
