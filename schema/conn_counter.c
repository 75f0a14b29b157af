#include "schema/conn_counter.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/decimal.h"

/* ---- a member of the frame's object ---- */

static size_t skip_space(td_bytes text, size_t at)
{
    while (at < text.size && (text.data[at] == ' ' || text.data[at] == '\t' ||
                              text.data[at] == '\n' || text.data[at] == '\r'))
        at++;
    return at;
}

/* The place after the string that begins at `at`. */
static size_t skip_string(td_bytes text, size_t at)
{
    for (at++; at < text.size && text.data[at] != '"'; at++)
        at += text.data[at] == '\\';
    return at < text.size ? at + 1 : text.size;
}

/* The place after the value that begins at `at`: the comma or bracket that follows it. */
static size_t skip_value(td_bytes text, size_t at)
{
    size_t depth = 0;
    while (at < text.size) {
        const uint8_t c = text.data[at];
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return at;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        at = c == '"' ? skip_string(text, at) : at + 1;
    }
    return at;
}

/* Find the value of a member, and all that follows it; size 0: the frame has no such member. */
static td_bytes find_value(td_bytes key, td_bytes frame)
{
    size_t at = skip_space(frame, 0);
    if (at == frame.size || frame.data[at] != '{')
        return (td_bytes){0};
    do {
        const size_t name = skip_space(frame, at + 1), after = skip_string(frame, name);
        const size_t colon = skip_space(frame, after);
        if (colon >= frame.size || frame.data[name] != '"' || frame.data[colon] != ':')
            return (td_bytes){0};
        const size_t value = skip_space(frame, colon + 1);
        if (td_bytes_equal(td_bytes_of(frame.data + name + 1, after - name - 2), key))
            return td_bytes_of(frame.data + value, frame.size - value);
        at = skip_value(frame, value);
    } while (at < frame.size && frame.data[at] == ',');
    return (td_bytes){0};
}

/* ---- numbers ---- */

td_bytes conn_counter_digits(const exchange_row *exchange, td_bytes frame)
{
    const td_bytes key = exchange->frames.counter;
    if (key.size == 0)
        return td_bytes_of(NULL, 0);
    /* A number or a string, as an integer field may be. */
    const td_bytes value = find_value(key, frame);
    const size_t first = value.size > 0 && value.data[0] == '"';
    size_t end = first;
    while (end < value.size && value.data[end] >= '0' && value.data[end] <= '9')
        end++;
    return value.size == 0 ? value : td_bytes_of(value.data + first, end - first);
}

const field_row *conn_time_field(const topic_row *row)
{
    for (size_t i = 0; row != NULL && i < row->envelope_count; i++)
        if ((row->envelope[i].flags & FIELD_PER_CONNECTION) != 0)
            return &row->envelope[i];
    return NULL;
}

td_bytes conn_time_text(const topic_row *row, td_bytes frame)
{
    const field_row *field = conn_time_field(row);
    if (field == NULL)
        return td_bytes_of(NULL, 0);
    const td_bytes value = find_value(td_bytes_str(field->key), frame);
    return td_bytes_of(value.data, skip_value(value, 0));
}

counted_frame conn_counter_apply(conn_counter *self, const exchange_row *exchange, uint64_t ordinal,
                                 td_bytes frame)
{
    uint64_t number = 0;
    TD_ASSERT(ordinal > self->ordinal);
    const uint64_t dropped = ordinal - self->ordinal - 1;
    const td_bytes digits = conn_counter_digits(exchange, frame);
    const int is_counted = digits.size > 0 && td_digits_parse(digits, UINT64_MAX - 1, &number);
    self->ordinal = ordinal;
    self->next += dropped;
    if (!is_counted)
        return (counted_frame){0, 0};
    const counted_frame out = {self->has_number ? self->next : number, number};
    self->has_number = 1;
    self->next = number + 1;
    return out;
}

td_result conn_counter_write(const exchange_row *exchange, td_bytes frame, uint64_t *next,
                             td_buf *memory, td_bytes *out, td_err *err)
{
    const td_bytes digits = conn_counter_digits(exchange, frame);
    *out = frame;
    if (digits.size == 0)
        return TD_OK;
    const size_t before = (size_t)(digits.data - frame.data), after = before + digits.size;
    td_buf_clear(memory);
    td_result rc = td_buf_append(memory, frame.data, before, err);
    if (rc == TD_OK)
        rc = td_buf_printf(memory, err, "%" PRIu64, *next);
    if (rc == TD_OK)
        rc = td_buf_append(memory, frame.data + after, frame.size - after, err);
    if (rc != TD_OK)
        return rc;
    *out = td_buf_view(memory);
    ++*next;
    return TD_OK;
}
