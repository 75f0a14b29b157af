#include "schema/conn_counter.h"

#include <inttypes.h>
#include <string.h>

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

/* Find the digits of the counter, a number or a string, as an integer field may be; size 0: the
 * frame is not numbered. */
static td_bytes find_number(td_bytes key, td_bytes frame)
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
        if (td_bytes_equal(td_bytes_of(frame.data + name + 1, after - name - 2), key)) {
            const size_t first = value + (value < frame.size && frame.data[value] == '"');
            size_t end = first;
            while (end < frame.size && frame.data[end] >= '0' && frame.data[end] <= '9')
                end++;
            return td_bytes_of(frame.data + first, end - first);
        }
        at = skip_value(frame, value);
    } while (at < frame.size && frame.data[at] == ',');
    return (td_bytes){0};
}

/* ---- numbers ---- */

td_bytes conn_counter_digits(const exchange_row *exchange, td_bytes frame)
{
    const td_bytes key = exchange->frames.counter;
    return key.size == 0 ? td_bytes_of(NULL, 0) : find_number(key, frame);
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
