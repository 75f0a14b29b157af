#include "sim/template.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/time_text.h"

/* A compiled template is the text of the frame, which has no bytes below a space, with these
 * codes for the parts that change. */
enum {
    CODE_VALUE = 1,    /* then a value's id, its format's letter or 0, its digit */
    CODE_LIST = 2,     /* then a list's id, and the size of the part that follows, in two bytes */
    CODE_OPTIONAL = 3, /* then 0, and that size */
    CODE_BYTES = 4,    /* of each code */
    DEPTH_MAX = 4,     /* of nested parts: one more than the frames have */
};

_Static_assert(SIM_COUNT <= 256, "a value's id is a byte");

struct template
{
    size_t size;
    uint8_t has_optional;
    uint8_t code[];
};

#define VALUE_NAME(enumerator, name) name,
static const char *const VALUE_NAMES[] = {SIM_VALUES(VALUE_NAME)};
static const char *const LIST_NAMES[] = {SIM_LISTS(VALUE_NAME)};
#undef VALUE_NAME

/* ---- compiling ---- */

static void skip_mark(const char **at, char mark)
{
    TD_ASSERT(**at == mark);
    (*at)++;
}

static size_t word_size(const char *at)
{
    size_t size = 0;
    while (islower((unsigned char)at[size]) || isdigit((unsigned char)at[size]) || at[size] == '_')
        size++;
    return size;
}

/* Index of the name at *at; advances *at past it. */
static uint8_t read_name(const char **at, const char *const *names, size_t count)
{
    size_t size = word_size(*at);
    size_t i = 0;
    while (i < count && !td_bytes_is(td_bytes_of(*at, size), names[i]))
        i++;
    TD_ASSERT(i < count);
    *at += size;
    return (uint8_t)i;
}

/* A format after a value's name: s, b, or e or i with a digit. A colon without a format belongs to
 * the frame. */
static void read_format(const char **at, uint8_t code[CODE_BYTES])
{
    const char *word = *at;
    if (word[0] != ':' || word[1] == '\0' || strchr("sbei", word[1]) == NULL)
        return;
    int has_digit = word[1] == 'e' || word[1] == 'i';
    TD_ASSERT(!has_digit || isdigit((unsigned char)word[2]));
    code[2] = (uint8_t)word[1];
    code[3] = has_digit ? (uint8_t)(word[2] - '0') : 0;
    *at = word + 2 + has_digit;
}

static void compile_value(template *t, const char **at)
{
    uint8_t *code = &t->code[t->size];
    (*at)++;
    code[0] = CODE_VALUE;
    code[1] = read_name(at, VALUE_NAMES, SIM_COUNT);
    read_format(at, code);
    t->size += CODE_BYTES;
}

/* Compile the text up to a closing bracket, or all of it. */
static void compile_part(template *t, const char **at, unsigned depth)
{
    TD_ASSERT(depth < DEPTH_MAX);
    while (**at != '\0' && **at != ')') {
        uint8_t *code = &t->code[t->size];
        if (**at == '$') {
            compile_value(t, at);
        } else if (**at == '@' || **at == '~') {
            code[0] = *(*at)++ == '@' ? CODE_LIST : CODE_OPTIONAL;
            if (code[0] == CODE_LIST)
                code[1] = read_name(at, LIST_NAMES, SIM_LIST_COUNT);
            t->has_optional |= code[0] == CODE_OPTIONAL;
            skip_mark(at, '(');
            t->size += CODE_BYTES;
            size_t start = t->size;
            compile_part(t, at, depth + 1);
            skip_mark(at, ')');
            TD_ASSERT(t->size - start <= UINT16_MAX);
            code[2] = (uint8_t)((t->size - start) >> 8);
            code[3] = (uint8_t)(t->size - start);
        } else {
            TD_ASSERT(**at != '(');
            t->code[t->size++] = (uint8_t)(**at == '\'' ? '"' : **at);
            (*at)++;
        }
    }
}

template *template_open(const char *text)
{
    /* A value's name can be shorter than its code. */
    template *t = td_alloc_zero(1, sizeof *t + CODE_BYTES * strlen(text));
    compile_part(t, &text, 0);
    TD_ASSERT(*text == '\0');
    return t;
}

void template_close(template *t)
{
    td_free(t);
}

/* ---- rendering ---- */

/* n / 10^from in units of 10^-to, truncated. */
static int64_t rescale(int64_t n, unsigned from, unsigned to)
{
    TD_ASSERT(from <= 18);
    TD_ASSERT(to <= 18);
    return to >= from ? n * sim_power10(to - from) : n / sim_power10(from - to);
}

static void put_text(td_buf *out, const char *text)
{
    td_buf_add(out, text, strlen(text));
}

/* n / 10^places with all its places ("-29914.50"). */
static void put_fixed(td_buf *out, int64_t n, unsigned places)
{
    char digits[24];
    size_t at = sizeof digits;
    size_t least = places > 0 ? places + 2 : 1; /* a zero before the point */
    uint64_t size = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    while (size > 0 || sizeof digits - at < least) {
        if (places > 0 && sizeof digits - at == places)
            digits[--at] = '.';
        digits[--at] = (char)('0' + size % 10);
        size /= 10;
    }
    if (n < 0)
        digits[--at] = '-';
    td_buf_add(out, digits + at, sizeof digits - at);
}

static void put_iso(td_buf *out, uint64_t ns, unsigned digits)
{
    enum { TO_THE_SECOND = 19 };
    char text[TD_TIME_TEXT_BYTES]; /* with nine digits of fraction */
    td_time_format(ns, text);
    td_buf_add(out, text, TO_THE_SECOND + (digits > 0 ? 1 + digits : 0));
    td_buf_add(out, "Z", 1);
}

static void put_value(td_buf *out, const sim_value *value, uint8_t format, unsigned argument)
{
    char digits[TD_DECIMAL_TEXT_BYTES];
    if (value->text != NULL)
        put_text(out, value->text);
    else if (format == 's')
        td_buf_add(out, digits, td_decimal_format((td_decimal){value->n, value->places}, digits));
    else if (format == 'b')
        put_text(out, value->n != 0 ? "true" : "false");
    else if (format == 'e')
        put_fixed(out, rescale(value->n, value->places, argument), 0);
    else if (format == 'i')
        put_iso(out, (uint64_t)value->n, argument);
    else
        put_fixed(out, value->n, value->places);
}

/* 1 if a value of the part differs from the one last shown. */
static int has_changed(const uint8_t *at, const uint8_t *end, const template_source *source)
{
    for (; at < end; at += *at < ' ' ? CODE_BYTES : 1) {
        if (*at != CODE_VALUE)
            continue;
        const sim_value *now = &source->values[at[1]];
        const sim_value *before = &source->shown[at[1]];
        if (now->n != before->n || now->text != before->text)
            return 1;
    }
    return 0;
}

/* Returns the number of optional parts that were rendered. */
static unsigned render_part(const uint8_t *at, const uint8_t *end, const template_source *source,
                            td_buf *out)
{
    unsigned put = 0;
    while (at < end) {
        const uint8_t *text = at;
        while (at < end && *at >= ' ')
            at++;
        td_buf_add(out, (const char *)text, (size_t)(at - text));
        if (at == end)
            break;
        const uint8_t *code = at;
        at += CODE_BYTES;
        if (*code == CODE_VALUE) {
            put_value(out, &source->values[code[1]], code[2], code[3]);
            continue;
        }
        const uint8_t *part = at;
        at += (size_t)code[2] << 8 | code[3];
        if (*code == CODE_LIST) {
            for (size_t i = 0;
                 source->next_item(source->user, (sim_list_id)code[1], i, source->values); i++) {
                td_buf_add(out, ",", i > 0);
                (void)render_part(part, at, source, out);
            }
        } else if (source->shown == NULL || has_changed(part, at, source)) {
            put += 1 + render_part(part, at, source, out);
        }
    }
    return put;
}

int template_render(const template *t, const template_source *source, td_buf *out)
{
    size_t before = out->size;
    unsigned put = render_part(t->code, t->code + t->size, source, out);
    if (t->has_optional && put == 0) {
        out->size = before;
        return 0;
    }
    return 1;
}
