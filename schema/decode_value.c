#include "schema/decode_value.h"

#include <string.h>

#include "base/assert.h"
#include "base/decimal.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "schema/exchange.h"

static int refuse(decode_error *why, decode_reason reason, json_value value, const field_row *field)
{
    *why = (decode_error){.reason = reason, .offset = json_offset(value), .field = field->key};
    return 0;
}

int value_is_empty(td_bytes text)
{
    return text.size == 0 || td_bytes_is(text, "None");
}

/* Read an exact decimal. A scaled integer ("_e4") gets its decimal places here. */
static int read_decimal(const field_row *field, td_bytes text, td_decimal *out)
{
    if (td_decimal_parse(text, out, NULL) != TD_OK)
        return 0;
    if (field->scale_e10 == 0)
        return 1;
    if (out->scale + field->scale_e10 > TD_DECIMAL_SCALE_MAX)
        *out = td_decimal_shortest(*out);
    if (out->scale + field->scale_e10 > TD_DECIMAL_SCALE_MAX)
        return 0;
    out->scale = (uint8_t)(out->scale + field->scale_e10);
    return 1;
}

/* Returns the position after the digits that begin at p. */
static const uint8_t *skip_digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* Read the shortest form of a decimal text of at most LIMIT_BIG_DECIMAL_DIGITS, as a view into
 * text. Returns 0 if text is not a decimal, or if no part of it has the shortest form (leading
 * zeros, an exponent). */
static int read_big_decimal(td_bytes text, td_bytes *out)
{
    const uint8_t *end = text.data + text.size;
    const uint8_t *first = text.data + (text.size > 0 && text.data[0] == '-');
    const uint8_t *point = skip_digits(first, end);
    if (point == first || (*first == '0' && point - first > 1))
        return 0;
    const uint8_t *last = point;
    if (point < end) {
        if (*point != '.' || point + 1 == end || skip_digits(point + 1, end) != end)
            return 0;
        last = end;
        while (last[-1] == '0')
            last--;
        last -= last[-1] == '.';
    }
    *out = td_bytes_of(text.data, (size_t)(last - text.data));
    size_t digits = (size_t)(last - first) - (last > point ? 1 : 0) - (*first == '0' ? 1 : 0);
    TD_ASSERT(digits > 0);
    return digits <= LIMIT_BIG_DECIMAL_DIGITS;
}

/* Read a whole number, also written as "7.0" or "1e3". */
static int read_integer(td_bytes text, int64_t *out)
{
    td_decimal value;
    if (td_decimal_parse(text, &value, NULL) != TD_OK)
        return 0;
    value = td_decimal_shortest(value);
    *out = value.mantissa;
    return value.scale == 0;
}

/* Read a boolean in any form that occurs (docs/wire.md 5.5). */
static int read_bool(td_bytes text, uint8_t *out)
{
    int is_true = td_bytes_is(text, "true") || td_bytes_is(text, "True") || td_bytes_is(text, "1");
    int is_false =
        td_bytes_is(text, "false") || td_bytes_is(text, "False") || td_bytes_is(text, "0");
    *out = (uint8_t)is_true;
    return is_true || is_false;
}

/* Read a side, as the field's type writes it. */
static int read_side(field_type type, td_bytes text, uint8_t *out)
{
    static const struct {
        td_bytes word;
        uint8_t side, is_lower;
    } WORDS[] = {
        {FRAME_TEXT("Buy"), SIDE_BUY, 0},    {FRAME_TEXT("Sell"), SIDE_SELL, 0},
        {FRAME_TEXT("BUY"), SIDE_BUY, 0},    {FRAME_TEXT("SELL"), SIDE_SELL, 0},
        {FRAME_TEXT("buy"), SIDE_BUY, 1},    {FRAME_TEXT("sell"), SIDE_SELL, 1},
        {FRAME_TEXT("b"), SIDE_BUY, 1},      {FRAME_TEXT("s"), SIDE_SELL, 1},
        {FRAME_TEXT("bid"), SIDE_BUY, 1},    {FRAME_TEXT("ask"), SIDE_SELL, 1},
        {FRAME_TEXT("offer"), SIDE_SELL, 1},
    };
    const int is_lower = type == FIELD_LOWER_SIDE || type == FIELD_LOWER_MAKER_SIDE;
    const int is_other = type == FIELD_MAKER_SIDE || type == FIELD_LOWER_MAKER_SIDE;
    size_t i = 0;
    *out = SIDE_NONE;
    if (type == FIELD_IS_BUY || type == FIELD_IS_SELL) {
        if (!read_bool(text, out))
            return 0;
        *out = *out == (type == FIELD_IS_BUY) ? (uint8_t)SIDE_BUY : (uint8_t)SIDE_SELL;
        return 1;
    }
    while (i < sizeof WORDS / sizeof *WORDS &&
           (WORDS[i].is_lower != is_lower || !td_bytes_equal(text, WORDS[i].word)))
        i++;
    if (i == sizeof WORDS / sizeof *WORDS)
        return type == FIELD_ANY_SIDE;
    *out = (uint8_t)(WORDS[i].side ^ is_other);
    return 1;
}

/* Read a time in the field's unit, up to the year 2262 (63 bits of ns). Accepts RFC 3339 whatever
 * the unit, because some fields changed from one form to the other. The year 1 is how Go writes a
 * time that is not set: 0, as where the unit is a number. */
static int read_time(const field_row *field, td_bytes text, uint64_t *out)
{
    static const char NOT_SET[] = "0001-01-01T00:00:00Z";
    *out = 0;
    if (td_bytes_is(text, NOT_SET))
        return 1;
    if (text.size > 4 && text.data[4] == '-')
        return td_time_parse_rfc3339(text, out, NULL) == TD_OK && *out <= (uint64_t)INT64_MAX;
    uint64_t unit_ns = field_unit_ns(field->unit);
    uint8_t places = 0;
    for (uint64_t left = unit_ns; left > 1; left /= 10)
        places++;
    td_decimal value;
    int64_t ns = 0;
    if (unit_ns == 0 || td_decimal_parse(text, &value, NULL) != TD_OK)
        return 0;
    value = td_decimal_shortest(value);
    if (value.scale > places || value.mantissa < 0 ||
        td_decimal_rescale(value, places, &ns) != TD_OK)
        return 0;
    *out = (uint64_t)ns;
    return 1;
}

int field_may_be_number(field_type type)
{
    return field_value_type(type) != VALUE_SIDE || field_may_be_bool(type);
}

int field_may_be_bool(field_type type)
{
    return type == FIELD_BOOL || type == FIELD_IS_BUY || type == FIELD_IS_SELL;
}

int decode_text(const field_row *field, td_bytes text, msg_value *out, decode_reason *reason)
{
    out->is_scale_assumed = 0;
    *reason = DECODE_WRONG_TYPE;
    switch (field->type) {
    case FIELD_TEXT:
        out->type = VALUE_TEXT;
        out->as.text = text;
        return 1;
    case FIELD_DECIMAL:
        out->type = VALUE_DECIMAL;
        *reason = DECODE_BAD_NUMBER;
        if (read_decimal(field, text, &out->as.decimal)) {
            int is_open = (field->flags & FIELD_SCALE_VARIES) && out->as.decimal.mantissa != 0;
            out->is_scale_assumed = (uint8_t)is_open;
            return 1;
        }
        out->type = VALUE_BIG_DECIMAL;
        return field->scale_e10 == 0 && read_big_decimal(text, &out->as.text);
    case FIELD_INTEGER:
        out->type = VALUE_INTEGER;
        *reason = DECODE_BAD_NUMBER;
        if (!read_integer(text, &out->as.integer))
            return 0;
        if (field->flags & FIELD_NEXT_NUMBER)
            out->as.integer = field_number_below(out->as.integer);
        return 1;
    case FIELD_BOOL:
        out->type = VALUE_BOOL;
        return read_bool(text, &out->as.is_true);
    case FIELD_TIME:
        out->type = VALUE_TIME_NS;
        *reason = DECODE_BAD_TIME;
        return read_time(field, text, &out->as.time_ns);
    case FIELD_SIDE:
    case FIELD_ANY_SIDE:
    case FIELD_MAKER_SIDE:
    case FIELD_LOWER_SIDE:
    case FIELD_LOWER_MAKER_SIDE:
    case FIELD_IS_BUY:
    case FIELD_IS_SELL:
        out->type = VALUE_SIDE;
        *reason = DECODE_BAD_SIDE;
        return read_side(field->type, text, &out->as.side);
    case FIELD_JSON:
        break; /* FIELD_JSON is not read from text */
    }
    TD_ASSERT(!"an unknown field type"); /* tests check the rows */
    return 0;
}

/* Get the text of a value, to be read as the field's type. *is_absent is 1 if the value means that
 * the field is absent. Returns 0 if the JSON type does not fit the field. */
static int value_text(const field_row *field, json_value value, td_bytes *text, int *is_absent)
{
    json_type type = json_type_of(value);
    *is_absent = type == JSON_NULL;
    if (type == JSON_NULL)
        return 1;
    if (type == JSON_STRING) {
        int is_text = json_text(value, text);
        TD_ASSERT(is_text);
        *is_absent = field->type != FIELD_ANY_SIDE && value_is_empty(*text);
        return 1;
    }
    *text = json_raw(value);
    return type == JSON_NUMBER ? field_may_be_number(field->type)
                               : type == JSON_BOOL && field_may_be_bool(field->type);
}

/* ---- FIELD_JSON: values as canonical JSON text, for objects with members that a row cannot name,
 * such as fees by coin ---- */

/* Members are sorted by key in objects of at most this many; a larger object keeps its own order.
 */
enum { JSON_SORTED_MEMBERS_MAX = 64 };

/* A text that is being written. */
typedef struct json_out {
    uint8_t *at;
    const uint8_t *end;
} json_out;

/* A member of an object, to be sorted. */
typedef struct json_member {
    td_bytes key; /* as written, with its quotes */
    json_value value;
} json_member;

static void put(json_out *out, td_bytes bytes)
{
    TD_ASSERT(bytes.size <= (size_t)(out->end - out->at)); /* never longer than the value's own */
    if (bytes.size > 0)
        memcpy(out->at, bytes.data, bytes.size);
    out->at += bytes.size;
}

static void put_char(json_out *out, char c)
{
    put(out, td_bytes_of(&c, 1));
}

static void put_value(json_out *out, json_value value);

static void put_member(json_out *out, const json_member *member, size_t index)
{
    if (index > 0)
        put_char(out, ',');
    put(out, member->key);
    put_char(out, ':');
    put_value(out, member->value);
}

/* Get the members of a small object, sorted by key. Members with equal keys keep their order. */
static size_t sort_members(json_value object, json_member members[JSON_SORTED_MEMBERS_MAX])
{
    json_value key;
    json_value element;
    size_t count = 0;
    for (json_iter it = json_iter_of(object); json_next(&it, &key, &element); count++) {
        TD_ASSERT(count < JSON_SORTED_MEMBERS_MAX);
        td_bytes text = json_raw(key);
        size_t at = count;
        for (; at > 0 && td_bytes_compare(text, members[at - 1].key) < 0; at--)
            members[at] = members[at - 1];
        members[at] = (json_member){text, element};
    }
    return count;
}

static void put_object(json_out *out, json_value object)
{
    json_member members[JSON_SORTED_MEMBERS_MAX];
    json_value key;
    json_value element;
    size_t index = 0;
    put_char(out, '{');
    if (json_count(object) <= JSON_SORTED_MEMBERS_MAX) {
        size_t count = sort_members(object, members);
        for (; index < count; index++)
            put_member(out, &members[index], index);
    } else {
        for (json_iter it = json_iter_of(object); json_next(&it, &key, &element); index++)
            put_member(out, &(json_member){json_raw(key), element}, index);
    }
    put_char(out, '}');
}

/* Write a value in canonical form. The recursion is bounded, because the parser accepts nesting
 * only up to LIMIT_JSON_DEPTH. */
static void put_value(json_out *out, json_value value)
{
    json_value element;
    size_t index = 0;
    switch (json_type_of(value)) {
    case JSON_OBJECT:
        put_object(out, value);
        return;
    case JSON_ARRAY:
        put_char(out, '[');
        for (json_iter it = json_iter_of(value); json_next(&it, NULL, &element); index++) {
            if (index > 0)
                put_char(out, ',');
            put_value(out, element);
        }
        put_char(out, ']');
        return;
    case JSON_NULL:
    case JSON_BOOL:
    case JSON_NUMBER:
    case JSON_STRING:
        break;
    }
    put(out, json_raw(value));
}

td_bytes value_json_text(td_arena *memory, json_value value)
{
    const size_t size = json_raw(value).size;
    uint8_t *text = td_arena_alloc(memory, size);
    json_out to = {.at = text, .end = text + size};
    put_value(&to, value);
    return td_bytes_of(text, (size_t)(to.at - text));
}

int decode_field(td_arena *memory, const field_row *field, json_value value, msg_value *out,
                 decode_error *why)
{
    TD_ASSERT(field->key != NULL);
    TD_ASSERT(field->member < MEMBER_COUNT);
    td_bytes text = td_bytes_of(NULL, 0);
    int is_absent = 0;
    out->member = field->member;
    out->type = VALUE_ABSENT;
    out->is_scale_assumed = 0;
    if (field->type == FIELD_JSON) {
        if (!json_is_null(value) && !(json_text(value, &text) && value_is_empty(text))) {
            out->type = VALUE_JSON;
            out->as.text = value_json_text(memory, value);
        }
        return 1;
    }
    json_value element;
    json_iter it = json_iter_of(value);
    if ((field->flags & FIELD_LISTED) != 0 && json_type_of(value) == JSON_ARRAY) {
        if (!json_next(&it, NULL, &element))
            return 1;
        value = element;
    }
    if (!value_text(field, value, &text, &is_absent))
        return refuse(why, DECODE_WRONG_TYPE, value, field);
    if (is_absent)
        return 1;
    decode_reason reason;
    return decode_text(field, text, out, &reason) || refuse(why, reason, value, field);
}
