/* Scalars: from a JSON value to a typed one, as a field's row wants it. Numbers may be strings and
 * the reverse, because the families differ in it for the same field. */
#include "base/assert.h"
#include "base/decimal.h"
#include "base/time_text.h"
#include "schema/decode_impl.h"

static int refuse(decode_error *why, decode_reason reason, json_value value, const field_row *field)
{
    *why = (decode_error){.reason = reason, .offset = json_offset(value), .field = field->key};
    return 0;
}

/* "", "None" and null say that there is no value. */
static int says_nothing(td_bytes text)
{
    return text.size == 0 || td_bytes_is(text, "None");
}

/* An exact decimal; a scaled integer ("_e4") gets its places here. */
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

/* Digits from p on. */
static const uint8_t *skip_digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

int decode_big_decimal(td_bytes text, td_bytes *out)
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

/* A whole number, also if it is written "7.0" or "1e3". */
static int read_integer(td_bytes text, int64_t *out)
{
    td_decimal value;
    if (td_decimal_parse(text, &value, NULL) != TD_OK)
        return 0;
    value = td_decimal_shortest(value);
    *out = value.mantissa;
    return value.scale == 0;
}

/* All spellings that were met (docs/wire.md 5.5). */
static int read_bool(td_bytes text, uint8_t *out)
{
    int is_true = td_bytes_is(text, "true") || td_bytes_is(text, "True") || td_bytes_is(text, "1");
    int is_false =
        td_bytes_is(text, "false") || td_bytes_is(text, "False") || td_bytes_is(text, "0");
    *out = (uint8_t)is_true;
    return is_true || is_false;
}

static int read_side(td_bytes text, uint8_t *out)
{
    int is_buy = td_bytes_is(text, "Buy") || td_bytes_is(text, "BUY");
    *out = is_buy ? (uint8_t)SIDE_BUY : (uint8_t)SIDE_SELL;
    return *out == SIDE_BUY || td_bytes_is(text, "Sell") || td_bytes_is(text, "SELL");
}

/* A time as the unit says, up to 2262 (63 bits of ns); RFC 3339 is taken for any of them, because
 * some fields changed over. */
static int read_time(const field_row *field, td_bytes text, uint64_t *out)
{
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

/* A text that says something, as the field's type. On 0, *reason says which fault it is. */
static int read_typed(const field_row *field, td_bytes text, msg_value *out, decode_reason *reason)
{
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
        return field->scale_e10 == 0 && decode_big_decimal(text, &out->as.text);
    case FIELD_INTEGER:
        out->type = VALUE_INTEGER;
        *reason = DECODE_BAD_NUMBER;
        return read_integer(text, &out->as.integer);
    case FIELD_BOOL:
        out->type = VALUE_BOOL;
        *reason = DECODE_WRONG_TYPE;
        return read_bool(text, &out->as.is_true);
    case FIELD_SIDE:
        out->type = VALUE_SIDE;
        *reason = DECODE_BAD_SIDE;
        return read_side(text, &out->as.side);
    case FIELD_ANY_SIDE:
        out->type = VALUE_SIDE;
        if (!read_side(text, &out->as.side))
            out->as.side = (uint8_t)SIDE_NONE;
        return 1;
    case FIELD_TIME:
        out->type = VALUE_TIME_NS;
        *reason = DECODE_BAD_TIME;
        return read_time(field, text, &out->as.time_ns);
    case FIELD_IS_BUY:
        out->type = VALUE_SIDE;
        *reason = DECODE_BAD_SIDE;
        if (!read_bool(text, &out->as.side))
            return 0;
        out->as.side = out->as.side ? (uint8_t)SIDE_BUY : (uint8_t)SIDE_SELL;
        return 1;
    case FIELD_JSON:
        break; /* not read from a text */
    }
    TD_ASSERT(!"a field type that is none"); /* topic_row_fault() would have said so */
    return 0;
}

/* The text of a value that is to be read as the field's type; *is_absent if it says nothing. 0: the
 * JSON type does not fit. */
static int value_text(const field_row *field, json_value value, td_bytes *text, int *is_absent)
{
    json_type type = json_type_of(value);
    *is_absent = type == JSON_NULL;
    if (type == JSON_NULL)
        return 1;
    if (type == JSON_STRING) {
        int is_text = json_text(value, text);
        TD_ASSERT(is_text);
        *is_absent = field->type != FIELD_ANY_SIDE && says_nothing(*text);
        return 1;
    }
    *text = json_raw(value);
    switch (type) {
    case JSON_NUMBER:
        return field->type != FIELD_SIDE && field->type != FIELD_ANY_SIDE;
    case JSON_BOOL:
        return field->type == FIELD_BOOL || field->type == FIELD_IS_BUY;
    case JSON_ARRAY:
    case JSON_OBJECT:
    case JSON_NULL:
    case JSON_STRING:
        break;
    }
    return 0;
}

/* A value kept as JSON text. */
static int read_json(decoder *d, const field_row *field, json_value value, msg_value *out,
                     decode_error *why)
{
    td_bytes text;
    if (json_is_null(value) || (json_text(value, &text) && says_nothing(text)))
        return 1;
    out->type = VALUE_JSON;
    return decode_json_text(d, value, &out->as.text) || refuse(why, DECODE_NO_MEMORY, value, field);
}

int decode_field(decoder *d, const field_row *field, json_value value, msg_value *out,
                 decode_error *why)
{
    TD_ASSERT(field->key != NULL);
    TD_ASSERT(field->member < MEMBER_COUNT);
    td_bytes text = td_bytes_of(NULL, 0);
    int is_absent = 0;
    out->member = field->member;
    out->type = VALUE_ABSENT;
    out->is_scale_assumed = 0;
    if (field->type == FIELD_JSON)
        return read_json(d, field, value, out, why);
    if (!value_text(field, value, &text, &is_absent))
        return refuse(why, DECODE_WRONG_TYPE, value, field);
    if (is_absent)
        return 1;
    decode_reason reason = DECODE_WRONG_TYPE;
    return read_typed(field, text, out, &reason) || refuse(why, reason, value, field);
}

/* snapshot and delta in most families; NEW and CHANGE, or MergedSnapshot, in USDC ones; spot's "f",
 * a boolean or its name, for the first. */
int decode_kind(json_value value, frame_kind *out)
{
    static const struct {
        const char *text;
        frame_kind kind;
    } WORDS[] = {
        {"snapshot", FRAME_SNAPSHOT}, {"delta", FRAME_DELTA},  {"", FRAME_UNTYPED},
        {"NEW", FRAME_SNAPSHOT},      {"CHANGE", FRAME_DELTA}, {"MergedSnapshot", FRAME_SNAPSHOT},
        {"True", FRAME_SNAPSHOT},     {"False", FRAME_DELTA},  {"true", FRAME_SNAPSHOT},
        {"false", FRAME_DELTA},
    };
    td_bytes text;
    int is_true = 0;
    if (json_bool(value, &is_true)) {
        *out = is_true ? FRAME_SNAPSHOT : FRAME_DELTA;
        return 1;
    }
    if (json_is_null(value)) {
        *out = FRAME_UNTYPED;
        return 1;
    }
    if (!json_text(value, &text))
        return 0;
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        if (td_bytes_is(text, WORDS[i].text)) {
            *out = WORDS[i].kind;
            return 1;
        }
    }
    return 0;
}
