/* The hot decoders' hands: reading tokens of an unchecked index that look just as the exchange
 * writes them.
 *
 * Everything here says 1 only for what the row-driven decoder would accept with the same value, and
 * 0 for the rest, valid or not: escapes, white space between tokens, odd numbers. 0 costs time,
 * never truth. No function reads behind the token after the one it is at, so each needs one more
 * token in the text; keys are compared over at most KEY_WORD_BYTES more, which padding covers. */
#ifndef TD_SCHEMA_DECODE_SCAN_H
#define TD_SCHEMA_DECODE_SCAN_H

#include "schema/decode_impl.h"

enum {
    SCAN_DIGITS_MAX = 18,
    SCAN_ENTRY_DEPTH = 5,       /* containers around an entry's fields, at most: nodes and a list */
    SCAN_SYMBOL_BYTES_MAX = 40, /* longer ones are not compared beyond the end of a text */
};

/* Where a token begins. */
static inline const uint8_t *scan_at(const json_index *index, uint32_t token)
{
    return index->bytes + index->starts[token];
}

/* Digits with an optional sign and point: at most 18, no leading zero, no exponent. Goes behind
 * them; NULL if it is anything else, or the digits run on. */
static inline const uint8_t *scan_decimal_text(const uint8_t *p, int64_t *mantissa, uint8_t *scale)
{
    int is_negative = *p == '-';
    p += is_negative;
    const uint8_t *begin = p;
    uint64_t value = 0;
    uint64_t digit;
    while ((digit = (uint64_t)*p - '0') < 10) {
        value = value * 10 + digit;
        p++;
    }
    size_t whole = (size_t)(p - begin);
    if (whole == 0 || (*begin == '0' && whole > 1))
        return NULL;
    size_t places = 0;
    if (*p == '.') {
        const uint8_t *point = p++;
        while ((digit = (uint64_t)*p - '0') < 10) {
            value = value * 10 + digit;
            p++;
        }
        places = (size_t)(p - point) - 1;
        if (places == 0)
            return NULL;
    }
    if (whole + places > SCAN_DIGITS_MAX)
        return NULL;
    *mantissa = is_negative ? -(int64_t)value : (int64_t)value;
    *scale = (uint8_t)places;
    return p;
}

/* 1 if a scalar that was read up to end really ends there: a string at its quote, else at the next
 * token. */
static inline int scan_ends(const json_index *index, uint32_t token, const uint8_t *end,
                            int is_string)
{
    return (!is_string || *end == '"') && end + is_string == scan_at(index, token + 1);
}

/* A decimal, as a number or a string. */
static inline int scan_decimal(const json_index *index, uint32_t token, int64_t *mantissa,
                               uint8_t *scale)
{
    const uint8_t *p = scan_at(index, token);
    int is_string = *p == '"';
    const uint8_t *end = scan_decimal_text(p + is_string, mantissa, scale);
    return end != NULL && scan_ends(index, token, end, is_string);
}

/* A whole number, as a number or a string. */
static inline int scan_integer(const json_index *index, uint32_t token, int64_t *value)
{
    uint8_t scale = 0;
    return scan_decimal(index, token, value, &scale) && scale == 0;
}

/* A time of unit_ns each since 1970. */
static inline int scan_time(const json_index *index, uint32_t token, uint64_t unit_ns, uint64_t *ns)
{
    int64_t value = 0;
    if (!scan_integer(index, token, &value) || value < 0 ||
        (uint64_t)value > (uint64_t)INT64_MAX / unit_ns)
        return 0;
    *ns = (uint64_t)value * unit_ns;
    return 1;
}

/* A string without escapes that says something: not "" and not "None". */
static inline int scan_text(const json_index *index, uint32_t token, td_bytes *out)
{
    const uint8_t *p = scan_at(index, token);
    const uint8_t *next = scan_at(index, token + 1);
    if (*p != '"' || next - p < 3 || next[-1] != '"')
        return 0;
    *out = td_bytes_of(p + 1, (size_t)(next - p) - 2);
    if (out->size == 4 && memcmp(out->data, "None", 4) == 0)
        return 0;
    return !json_has_escape(*out);
}

static inline int scan_side(const json_index *index, uint32_t token, uint8_t *side)
{
    const uint8_t *p = scan_at(index, token);
    if (memcmp(p, "\"Buy\"", 5) == 0) {
        *side = SIDE_BUY;
        return p + 5 == scan_at(index, token + 1);
    }
    *side = SIDE_SELL;
    return memcmp(p, "\"Sell\"", 6) == 0 && p + 6 == scan_at(index, token + 1);
}

/* A scalar that nobody reads, and that text fields take as it is: a string without escapes, or a
 * plain number. */
static inline int scan_unread(const json_index *index, uint32_t token)
{
    const uint8_t *p = scan_at(index, token);
    int64_t mantissa;
    uint8_t scale;
    if (*p != '"')
        return scan_decimal(index, token, &mantissa, &scale);
    const uint8_t *next = scan_at(index, token + 1);
    return next - p >= 2 && next[-1] == '"' &&
           !json_has_escape(td_bytes_of(p + 1, (size_t)(next - p) - 2));
}

/* Fields of one flat object: at[i] is the token of the plan's i-th field, 0 if it is not there.
 * Unknown scalars and containers are checked and counted. *token goes from the brace to behind its
 * end. */
int scan_object(const json_index *index, plan *p, uint32_t *token, uint32_t *at, uint32_t *unknown);

/* ---- what the walker of decode_hot.c and the decoders of entries share ---- */

typedef struct hot {
    decoder *d;
    plan *p;
    const topic_match *topic;
    const json_index *index;
    msg_head head;
    key_word symbol; /* the topic's, to compare each entry's with */
    size_t count;    /* entries so far */
} hot;

/* Entries of a list that begins at *token; goes behind its end. 0: not for the hot road. */
typedef int hot_entries(hot *h, uint32_t *token, const items_row *items);
hot_entries hot_book_entries;
hot_entries hot_trade_entries;

/* Compare an entry's symbol (token 0: it names none) with the topic's, and count a foreign one. */
static inline int hot_symbol(hot *h, uint32_t token)
{
    if (token == 0)
        return 1;
    const uint8_t *p = scan_at(h->index, token);
    if (TD_LIKELY(h->symbol.bytes <= SCAN_SYMBOL_BYTES_MAX && *p == '"' &&
                  key_is(&h->symbol, p + 1) &&
                  p + h->symbol.bytes + 2 == scan_at(h->index, token + 1)))
        return 1;
    td_bytes text;
    if (!scan_text(h->index, token, &text) || !h->p->has_symbol)
        return 0;
    h->head.foreign_symbols += !td_bytes_equal(text, h->topic->symbol);
    return 1;
}

#endif
