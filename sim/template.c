#include "sim/template.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/suggest.h"
#include "base/time_text.h"

/* A compiled template is the text of the frame, with one of these codes for each variable part. A
 * code has 4 bytes. Its first byte is less than a space; the text has no such byte. */
enum {
    /* Followed by the value's id, the letter of its format or 0, and the format's digit. */
    CODE_VALUE = 1,
    /* Followed by the list's id, and in two bytes the size of the part that is repeated. */
    CODE_LIST = 2,
    /* Followed by a 0 byte, and in two bytes the size of the part that may be left out. */
    CODE_OPTIONAL = 3,
    CODE_BYTES = 4,       /* size of each code */
    VALUE_BYTES_MAX = 96, /* the longest value is a topic with its symbol */
    DEPTH_MAX = 4,        /* deepest nesting of parts; the frames need one less */
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

/* The state of compiling: the remaining text, and the template so far. */
typedef struct compiler {
    const char *at;
    template *into;
    uint8_t is_in_list;
    td_err *err;
} compiler;

/* Bytes of the text that an error shows. */
enum { SHOWN_BYTES = 24 };

static td_result expect_mark(compiler *c, char mark)
{
    if (*c->at != mark)
        return td_err_set(c->err, TD_E_INVALID, "'%c' expected before '%.*s'", mark, SHOWN_BYTES,
                          c->at);
    c->at++;
    return TD_OK;
}

/* The names that may follow a mark: names of values or of lists. */
typedef struct vocabulary {
    const char *what;
    char mark; /* the character before a name */
    const char *const *names;
    size_t count;
} vocabulary;

static const vocabulary VALUES = {"value", '$', VALUE_NAMES, SIM_COUNT};
static const vocabulary LISTS = {"list", '@', LIST_NAMES, SIM_LIST_COUNT};

static td_result refuse_name(compiler *c, td_bytes name, const vocabulary *of)
{
    suggest_search search = {.written = name};
    for (size_t i = 0; i < of->count; i++)
        suggest_offer(&search, of->names[i]);
    td_result rc = td_err_set(c->err, TD_E_INVALID, "unknown %s '%c%.*s'", of->what, of->mark,
                              (int)name.size, (const char *)name.data);
    if (search.name != NULL)
        td_err_hint(c->err, "did you mean '%c%s'?", of->mark, search.name);
    return rc;
}

/* Read the name after a mark; *id is its index. */
static td_result read_name(compiler *c, const vocabulary *of, uint8_t *id)
{
    size_t size = 0;
    c->at++;
    while (isalnum((unsigned char)c->at[size]) || c->at[size] == '_')
        size++;
    const td_bytes name = td_bytes_of(c->at, size);
    size_t i = 0;
    while (i < of->count && !td_bytes_is(name, of->names[i]))
        i++;
    if (i == of->count)
        return refuse_name(c, name, of);
    c->at += size;
    *id = (uint8_t)i;
    return TD_OK;
}

/* Read the format after a value's name: s, b, or d, e or i with a digit. A colon that no letter or
 * digit follows belongs to the frame. */
static td_result read_format(compiler *c, uint8_t code[CODE_BYTES])
{
    const char *word = c->at + 1;
    if (*c->at != ':' || !isalnum((unsigned char)*word))
        return TD_OK;
    int has_digit = *word == 'd' || *word == 'e' || *word == 'i';
    if (strchr("sbdei", *word) == NULL || (has_digit && !isdigit((unsigned char)word[1])) ||
        isalnum((unsigned char)word[1 + has_digit]))
        return td_err_set(
            c->err, TD_E_INVALID,
            "unknown format before '%.*s': expected :s, :b, :dDIGIT, :eDIGIT or :iDIGIT",
            SHOWN_BYTES, c->at);
    code[2] = (uint8_t)*word;
    code[3] = has_digit ? (uint8_t)(word[1] - '0') : 0;
    c->at = word + 1 + has_digit;
    return TD_OK;
}

static td_result compile_value(compiler *c)
{
    template *t = c->into;
    uint8_t *code = &t->code[t->size];
    code[0] = CODE_VALUE;
    td_result rc = read_name(c, &VALUES, &code[1]);
    if (rc == TD_OK)
        rc = read_format(c, code);
    t->size += CODE_BYTES;
    return rc;
}

static td_result compile_text(compiler *c, unsigned depth);

/* Compile a list or an optional part, with the content of its parentheses. */
static td_result compile_part(compiler *c, unsigned depth)
{
    template *t = c->into;
    uint8_t *code = &t->code[t->size];
    td_result rc = TD_OK;
    if (depth == DEPTH_MAX)
        return td_err_set(c->err, TD_E_INVALID, "more than %d brackets, one in the other",
                          DEPTH_MAX);
    const int is_list = *c->at == '@';
    if (is_list && c->is_in_list)
        return td_err_set(c->err, TD_E_INVALID, "a list is in a list, before '%.*s'", SHOWN_BYTES,
                          c->at);
    if (is_list) {
        code[0] = CODE_LIST;
        c->is_in_list = 1;
        rc = read_name(c, &LISTS, &code[1]);
    } else {
        code[0] = CODE_OPTIONAL;
        t->has_optional = 1;
        c->at++;
    }
    t->size += CODE_BYTES;
    size_t start = t->size;
    if (rc == TD_OK)
        rc = expect_mark(c, '(');
    if (rc == TD_OK)
        rc = compile_text(c, depth + 1);
    if (rc == TD_OK)
        rc = expect_mark(c, ')');
    if (rc == TD_OK && t->size - start > UINT16_MAX)
        rc = td_err_set(c->err, TD_E_INVALID, "more than %d bytes in brackets", UINT16_MAX);
    if (is_list)
        c->is_in_list = 0;
    code[2] = (uint8_t)((t->size - start) >> 8);
    code[3] = (uint8_t)(t->size - start);
    return rc;
}

/* Compile the text up to a closing parenthesis, or to its end. */
static td_result compile_text(compiler *c, unsigned depth)
{
    template *t = c->into;
    td_result rc = TD_OK;
    while (rc == TD_OK && *c->at != '\0' && *c->at != ')') {
        if (*c->at == '$') {
            rc = compile_value(c);
        } else if (*c->at == '@' || *c->at == '~') {
            rc = compile_part(c, depth);
        } else if (*c->at == '(') {
            rc = td_err_set(c->err, TD_E_INVALID, "'@NAME' or '~' expected before '%.*s'",
                            SHOWN_BYTES, c->at);
        } else {
            t->code[t->size++] = (uint8_t)*c->at++;
        }
    }
    return rc;
}

td_result template_compile(td_arena *memory, const char *text, const template **out, td_err *err)
{
    /* A code may be longer than the name that it replaces. */
    const size_t bytes = sizeof(template) + CODE_BYTES * strlen(text);
    template *t = td_arena_alloc(memory, bytes);
    memset(t, 0, bytes);
    compiler c = {.at = text, .into = t, .err = err};
    td_result rc = compile_text(&c, 0);
    if (rc == TD_OK && *c.at != '\0')
        rc = td_err_set(err, TD_E_INVALID, "no '(' for '%.*s'", SHOWN_BYTES, c.at);
    if (rc == TD_OK)
        *out = t;
    return rc;
}

const char *template_value_name(sim_value_id id)
{
    return VALUE_NAMES[id];
}

const char *template_list_name(sim_list_id id)
{
    return LIST_NAMES[id];
}

void template_describe(const template *t, template_content *out)
{
    size_t list_end = 0; /* a list is in no other list */
    *out = (template_content){.bytes = 0};
    for (size_t i = 0; i < t->size; i += t->code[i] < ' ' ? CODE_BYTES : 1) {
        size_t *bytes = i < list_end ? &out->item_bytes : &out->bytes;
        const uint8_t *code = &t->code[i];
        *bytes += *code == CODE_VALUE ? VALUE_BYTES_MAX : 1; /* or a comma after an item */
        if (*code == CODE_VALUE && code[1] > out->last_value)
            out->last_value = code[1];
        if (*code != CODE_LIST)
            continue;
        out->lists |= 1U << code[1];
        list_end = i + CODE_BYTES + ((size_t)code[2] << 8 | code[3]);
        out->item_bytes++;
    }
}

/* ---- rendering ---- */

/* Convert n / 10^from to units of 10^-to, truncated; the largest number if it is beyond 64 bits. */
static int64_t rescale(int64_t n, unsigned from, unsigned to)
{
    int64_t scaled;
    TD_ASSERT(from <= 18);
    TD_ASSERT(to <= 18);
    if (to < from)
        return n / sim_power10(from - to);
    if (__builtin_mul_overflow(n, sim_power10(to - from), &scaled))
        return n < 0 ? INT64_MIN : INT64_MAX;
    return scaled;
}

static void put_text(td_buf *out, const char *text)
{
    td_buf_add(out, text, strlen(text));
}

/* Write n / 10^places with all its places ("-29914.50"). */
static void put_fixed(td_buf *out, int64_t n, unsigned places)
{
    char text[TD_DECIMAL_TEXT_BYTES];
    td_buf_add(out, text, td_decimal_format_whole((td_decimal){n, (uint8_t)places}, text));
}

static void put_iso(td_buf *out, uint64_t ns, unsigned digits)
{
    enum { TO_THE_SECOND = 19 };
    char text[TD_TIME_TEXT_BYTES]; /* with nine digits of the fraction */
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
    else if (format == 'd')
        put_fixed(out, rescale(value->n, value->places, argument), argument);
    else if (format == 'i')
        put_iso(out, (uint64_t)value->n, argument);
    else
        put_fixed(out, value->n, value->places);
}

/* 1 if a value in the part differs from the value that was last shown. */
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

/* Render a part. Returns the number of optional parts included. */
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
