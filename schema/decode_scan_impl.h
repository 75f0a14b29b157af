/* The hot decoders' hands: reading bytes that look just as the exchange writes them.
 *
 * Measured on the recorded frames, walking simdjson's index costs as much as indexing and reading
 * the bytes together, so the hot road does without: every byte is either compared with what a row
 * wants there, or belongs to a number or to a string of printable ASCII. What these functions
 * accept, the row-driven decoder accepts with the same value; the rest, valid or not (escapes,
 * white space, other characters, odd numbers), they refuse, and it costs time, never truth.
 *
 * Each takes the place where something should begin and returns the place behind it, or NULL. None
 * reads more than SCAN_REACH bytes beyond the place where it begins, or beyond the end of the text:
 * whoever calls makes sure that it begins inside the text, and padding covers the rest. */
#ifndef TD_SCHEMA_DECODE_SCAN_H
#define TD_SCHEMA_DECODE_SCAN_H

#include "base/attr.h"
#include "schema/decode_impl.h"

enum {
    SCAN_DIGITS_MAX = 18,
    SCAN_KEY_BYTES_MAX = 40,
    SCAN_REACH = 60, /* a sign, digits, a point, digits, a quote */
};
_Static_assert((int)SCAN_REACH < (int)JSON_PADDING_BYTES, "padding covers what is read ahead");
_Static_assert((int)SCAN_KEY_BYTES_MAX + 8 < (int)SCAN_REACH, "a key, its quotes and its colon");

/* The digits in the low bytes of word (each byte 0 to 9, the first digit lowest) as a number:
 * pairs, then fours, then all eight, three multiplications instead of eight. */
static inline uint64_t scan_eight_digits(uint64_t word)
{
    const uint64_t mask = UINT64_C(0x000000ff000000ff);
    word = word * 10 + (word >> 8);
    return ((word & mask) * UINT64_C(0x000f424000000064) +
            ((word >> 16) & mask) * UINT64_C(0x0000271000000001)) >>
           32;
}

/* The top bit of each byte that is no digit. */
static inline uint64_t scan_other_bytes(uint64_t word)
{
    uint64_t digits = word ^ UINT64_C(0x3030303030303030);
    return ((digits + UINT64_C(0x7676767676767676)) | digits) & UINT64_C(0x8080808080808080);
}

static const uint32_t SCAN_POW10[9] = {1,      10,      100,      1000,     10000,
                                       100000, 1000000, 10000000, 100000000};

/* scan_digits() where there are eight or more. */
const uint8_t *scan_many_digits(const uint8_t *p, uint64_t *value, size_t *count);

/* Digits, added to *value; *count of them, more than SCAN_DIGITS_MAX if there are too many. Eight
 * at a time: a loop over single digits misses its end in every second size. */
static inline const uint8_t *scan_digits(const uint8_t *p, uint64_t *value, size_t *count)
{
    uint64_t word = td_le64(p);
    uint64_t others = scan_other_bytes(word);
    if (TD_UNLIKELY(others == 0))
        return scan_many_digits(p, value, count);
    size_t rest = (size_t)__builtin_ctzll(others) / 8;
    uint64_t digits = word ^ UINT64_C(0x3030303030303030);
    digits = digits << (56 - 8 * rest) << 8; /* in two steps: rest may be 0 */
    *value = *value * SCAN_POW10[rest] + scan_eight_digits(digits);
    *count = rest;
    return p + rest;
}

/* scan_number() behind the sign, for numbers of any length. */
const uint8_t *scan_long_number(const uint8_t *p, uint64_t *value, uint8_t *scale);

/* scan_number() behind the sign, where the point is known to stand behind whole digits (1 to 7) of
 * the word at p, and digits follow it up to the word's end. */
static inline const uint8_t *scan_two_words(const uint8_t *p, size_t whole, uint64_t *value,
                                            uint8_t *scale)
{
    const uint64_t zeros = UINT64_C(0x3030303030303030);
    uint64_t word = td_le64(p + whole + 1);
    uint64_t others = scan_other_bytes(word);
    size_t places = (size_t)__builtin_ctzll(others | UINT64_C(1) << 63) / 8;
    if (TD_UNLIKELY(others == 0 || places == 0 || whole + places > 8))
        return scan_long_number(p, value, scale);
    uint64_t front = (td_le64(p) ^ zeros) << (64 - 8 * whole);
    uint64_t behind = (word ^ zeros) << (64 - 8 * places);
    *value = scan_eight_digits(behind | front >> (8 * places));
    *scale = (uint8_t)places;
    return p + whole + 1 + places;
}

/* A decimal without quotes: no leading zero, no exponent, at most 18 digits. Most end within eight
 * bytes: then the point is cut out of the word, and all digits are read at once. */
static inline const uint8_t *scan_number(const uint8_t *p, int64_t *mantissa, uint8_t *scale)
{
    int is_negative = *p == '-';
    p += is_negative;
    uint64_t value = 0;
    uint64_t word = td_le64(p);
    uint64_t others = scan_other_bytes(word);
    size_t whole = (size_t)__builtin_ctzll(others | UINT64_C(1) << 63) / 8;
    uint64_t digits = word ^ UINT64_C(0x3030303030303030);
    if (TD_UNLIKELY(whole == 0 || ((uint8_t)digits == 0 && whole > 1)))
        return NULL;
    if (TD_UNLIKELY(others == 0)) {
        p = scan_long_number(p, &value, scale);
    } else if ((uint8_t)(word >> (8 * whole)) != '.') {
        value = scan_eight_digits(digits << (64 - 8 * whole));
        *scale = 0;
        p += whole;
    } else if ((others &= others - 1) != 0) {
        size_t end = (size_t)__builtin_ctzll(others) / 8;
        uint64_t front = (UINT64_C(1) << (8 * whole)) - 1;
        digits = (digits & front) | ((digits >> 8) & ~front);
        value = scan_eight_digits(digits << (72 - 8 * end));
        *scale = (uint8_t)(end - 1 - whole);
        p = TD_LIKELY(end - 1 > whole) ? p + end : NULL;
    } else {
        p = scan_two_words(p, whole, &value, scale);
    }
    *mantissa = is_negative ? -(int64_t)value : (int64_t)value;
    return p;
}

/* A decimal, with quotes or without. */
static inline const uint8_t *scan_decimal(const uint8_t *p, int64_t *mantissa, uint8_t *scale)
{
    if (*p != '"')
        return scan_number(p, mantissa, scale);
    p = scan_number(p + 1, mantissa, scale);
    return p != NULL && *p == '"' ? p + 1 : NULL;
}

/* A whole number, with quotes or without. */
static inline const uint8_t *scan_integer(const uint8_t *p, int64_t *value)
{
    uint8_t scale = 0;
    p = scan_decimal(p, value, &scale);
    return scale == 0 ? p : NULL;
}

/* A time of unit_ns each since 1970. */
static inline const uint8_t *scan_time(const uint8_t *p, uint64_t unit_ns, uint64_t *ns)
{
    int64_t value = 0;
    p = scan_integer(p, &value);
    if (p == NULL || value < 0 || (uint64_t)value > (uint64_t)INT64_MAX / unit_ns)
        return NULL;
    *ns = (uint64_t)value * unit_ns;
    return p;
}

/* A bit in the top of each byte of word that is a control character, '"', '\\' or no ASCII.
 * (Borrows may set bits above the first one that is right; only the first is used.) */
static inline uint64_t scan_special_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ (ones * '"');
    uint64_t backslash = word ^ (ones * '\\');
    uint64_t special = (word - ones * 0x20) | (quote - ones) | (backslash - ones) | word;
    return special & (ones * 0x80);
}

/* A string of printable ASCII without escapes, of any length. The text between its quotes. */
static inline const uint8_t *scan_string(const uint8_t *p, const uint8_t *end, td_bytes *text)
{
    if (TD_UNLIKELY(*p != '"'))
        return NULL;
    const uint8_t *begin = ++p;
    for (; p < end; p += 8) {
        uint64_t special = scan_special_bytes(td_le64(p));
        if (special == 0)
            continue;
        p += __builtin_ctzll(special) / 8;
        *text = td_bytes_of(begin, (size_t)(p - begin));
        return *p == '"' && p < end ? p + 1 : NULL;
    }
    return NULL;
}

/* A string that says something: not "" and not "None". */
static inline const uint8_t *scan_text(const uint8_t *p, const uint8_t *end, td_bytes *text)
{
    p = scan_string(p, end, text);
    if (p == NULL || text->size == 0 || (text->size == 4 && memcmp(text->data, "None", 4) == 0))
        return NULL;
    return p;
}

/* "Buy" or "Sell", without a branch on which: nobody can guess it. */
static inline const uint8_t *scan_side(const uint8_t *p, uint8_t *side)
{
    static const char TEXTS[2][8] = {"\"Sell\"", "\"Buy\""};
    static const char MASKS[2][8] = {"\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff"};
    size_t is_buy = p[1] == 'B';
    uint64_t text = key_load((const uint8_t *)TEXTS[is_buy]);
    uint64_t mask = key_load((const uint8_t *)MASKS[is_buy]);
    _Static_assert(SIDE_BUY == 0 && SIDE_SELL == 1, "a side is computed from the text");
    *side = (uint8_t)(1 - is_buy);
    return ((key_load(p) ^ text) & mask) == 0 ? p + 6 - is_buy : NULL;
}

/* A whole number of 1 to 15 digits that nobody reads. */
static inline const uint8_t *scan_unread_digits(const uint8_t *p)
{
    uint64_t low = scan_other_bytes(td_le64(p));
    uint64_t high = scan_other_bytes(td_le64(p + 8));
    size_t low_digits = (size_t)__builtin_ctzll(low | UINT64_C(1) << 63) / 8;
    size_t high_digits = (size_t)__builtin_ctzll(high | UINT64_C(1) << 63) / 8;
    size_t count = low == 0 ? 8 + high_digits : low_digits;
    int is_plain = count > 0 && (*p != '0' || count == 1) && (low | high) != 0;
    return is_plain ? p + count : NULL;
}

/* A string or number that nobody reads, and that text fields take as it is. */
static inline const uint8_t *scan_unread(const uint8_t *p, const uint8_t *end)
{
    td_bytes text;
    return *p == '"' ? scan_string(p, end, &text) : scan_unread_digits(p);
}

/* Any plain scalar: the value of a key that no row names. */
const uint8_t *scan_scalar(const uint8_t *p, const uint8_t *end);

/* true or false, also as a string: linear trades have "false" (docs/wire.md 2). */
const uint8_t *scan_bool(const uint8_t *p, int8_t *out);

/* scan_key() where the key is not the one that was guessed. */
const uint8_t *scan_key_unguessed(key_set *set, uint32_t place, const uint8_t *p,
                                  const uint8_t *end, uint32_t *found);

/* A key and its colon, the place-th of its object: which of the set's it is (KEY_NONE: none). */
static inline const uint8_t *scan_key(key_set *set, uint32_t place, const uint8_t *p,
                                      const uint8_t *end, uint32_t *found)
{
    uint32_t guess = set->guess[place < set->count ? place : set->count];
    if (TD_LIKELY(guess < set->count)) {
        const key_word *key = &set->keys[guess];
        const uint8_t *colon = p + key->bytes + 2;
        if (TD_LIKELY(*p == '"' && key->bytes <= SCAN_KEY_BYTES_MAX && key_is(key, p + 1) &&
                      *colon == ':')) {
            *found = guess;
            return colon + 1;
        }
    }
    return scan_key_unguessed(set, place, p, end, found);
}

/* ---- what the walker of decode_hot.c and the decoders of entries share ---- */

typedef struct hot {
    decoder *d;
    plan *p;
    const topic_match *topic;
    const uint8_t *end; /* of the text */
    msg_head head;
    const key_word *symbol; /* the topic's, to compare each entry's with */
    size_t count;           /* entries so far */
} hot;

/* Behind a member of an object: 1 another one follows, 0 it was the last. *p goes behind it, or is
 * NULL. */
static inline int hot_goes_on(const uint8_t **p, const uint8_t *end)
{
    const uint8_t *at = *p;
    if (TD_UNLIKELY(at == NULL || at >= end || (*at != ',' && *at != '}'))) {
        *p = NULL;
        return 0;
    }
    *p = at + 1;
    return *at == ',';
}

/* Read the value of an entry's field at p into the entry (a msg_level or msg_trade). */
typedef const uint8_t *hot_value(hot *h, hot_role role, const uint8_t *p, void *entry);

/* hot_fields() from where the order of the row ends. p is at the object's brace, or at
 * the comma behind the fields that were seen. */
static inline __attribute__((always_inline)) const uint8_t *
hot_other_fields(hot *h, const uint8_t *p, hot_value *value, void *entry, uint64_t *seen)
{
    uint32_t place = 0;
    if (*p != (*seen == 0 ? '{' : ','))
        return NULL;
    p++;
    do {
        uint32_t field;
        p = p < h->end ? scan_key(&h->p->entry, place++, p, h->end, &field) : NULL;
        if (p == NULL || p >= h->end)
            return NULL;
        if (field == KEY_NONE) {
            h->head.unknown_fields++;
            p = scan_scalar(p, h->end);
            continue;
        }
        if (*seen & (UINT64_C(1) << field))
            return NULL;
        *seen |= UINT64_C(1) << field;
        p = value(h, (hot_role)h->p->role_of[field], p, entry);
    } while (hot_goes_on(&p, h->end));
    return p;
}

/* The fields of the object at p, and which there were: a bit for each. Frames have them in the
 * order of the row, mostly: then brace or comma, key and colon are one comparison. From where that
 * ends, each key is looked for. Always inlined, so that value is no call. */
static inline __attribute__((always_inline)) const uint8_t *
hot_fields(hot *h, const uint8_t *p, hot_value *value, void *entry, uint64_t *seen)
{
    const plan_lead *leads = h->p->leads;
    const uint8_t *roles = h->p->role_of;
    const uint8_t *end = h->end;
    uint32_t count = h->p->entry.count;
    uint32_t field = 0;
    while (field < count && plan_lead_is(&leads[field], p)) {
        p = value(h, (hot_role)roles[field], p + leads[field].bytes, entry);
        if (TD_UNLIKELY(p == NULL || p >= end))
            return NULL;
        field++;
    }
    *seen = (UINT64_C(1) << field) - 1;
    if (TD_LIKELY(field > 0 && *p == '}'))
        return p + 1;
    return hot_other_fields(h, p, value, entry, seen);
}

/* One entry of a list: an object at p. */
typedef const uint8_t *hot_entry(hot *h, const uint8_t *p, const items_row *items);
hot_entry hot_book_entry;
hot_entry hot_book_pair; /* an array at p */
hot_entry hot_trade_entry;

/* An entry's symbol: compare it with the topic's, and count a foreign one, which goes to *foreign.
 */
static inline const uint8_t *hot_symbol(hot *h, const uint8_t *p, td_bytes *foreign)
{
    if (TD_LIKELY(*p == '"' && h->symbol->bytes <= SCAN_KEY_BYTES_MAX && key_is(h->symbol, p + 1)))
        return p + h->symbol->bytes + 2;
    td_bytes text;
    p = scan_text(p, h->end, &text);
    if (p != NULL && !td_bytes_equal(text, h->topic->symbol)) {
        h->head.foreign_symbols += !h->p->has_coin;
        *foreign = text;
    }
    return p;
}

#endif
