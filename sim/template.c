#include "sim/template.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/time_text.h"

typedef enum op_kind {
    OP_TEXT,     /* bytes of the template's text */
    OP_VALUE,    /* a value in a format */
    OP_LIST,     /* the ops up to end, for each item */
    OP_OPTIONAL, /* the ops up to end, if something in them changed */
} op_kind;

typedef enum value_format {
    FORMAT_PLAIN,
    FORMAT_SHORTEST,
    FORMAT_SCALED, /* argument: power of ten */
    FORMAT_FIXED,  /* argument: places */
    FORMAT_BOOL,
    FORMAT_ISO, /* argument: digits of the fraction */
} value_format;

typedef struct template_op {
    uint8_t kind;
    uint8_t format;
    uint8_t argument;
    uint16_t name; /* sim_value_id or sim_list_id */
    uint32_t at;   /* of a text */
    uint32_t size;
    uint32_t end; /* of a list or optional part: the op behind its last one */
} template_op;

struct template
{
    char *text; /* with quotation marks */
    template_op *ops;
    uint32_t op_count;
    uint32_t has_optional;
};

#define VALUE_NAME(enumerator, name) name,
static const char *const VALUE_NAMES[] = {SIM_VALUES(VALUE_NAME)};
static const char *const LIST_NAMES[] = {SIM_LISTS(VALUE_NAME)};
#undef VALUE_NAME

enum { CUT_3 = 13 }; /* no digits of a fraction: three noughts */

/* A format's name, and what it is; a digit at the end of the text is its argument. */
typedef struct format_row {
    const char *name;
    value_format format;
    uint8_t argument;
} format_row;

static const format_row FORMATS[] = {
    {"s", FORMAT_SHORTEST, 0}, {"b", FORMAT_BOOL, 0},       {"sec", FORMAT_SCALED, 0},
    {"ms", FORMAT_SCALED, 3},  {"us", FORMAT_SCALED, 6},    {"ns", FORMAT_SCALED, 9},
    {"iso0", FORMAT_ISO, 0},   {"iso3", FORMAT_ISO, 3},     {"iso6", FORMAT_ISO, 6},
    {"iso9", FORMAT_ISO, 9},   {"cut3", FORMAT_ISO, CUT_3},
};

/* ---- compiling ---- */

/* Reads a template's text from left to right. */
typedef struct compiler {
    template *made;
    const char *at;
} compiler;

static size_t word_size(const char *at)
{
    size_t size = 0;
    while (islower((unsigned char)at[size]) || isdigit((unsigned char)at[size]) || at[size] == '_')
        size++;
    return size;
}

/* The templates are ours: one that is wrong is a fault, said with its place. */
static void must(int is_right, const compiler *c, const char *what)
{
    if (!is_right)
        fprintf(stderr, "template: %s: %.60s\n", what, c->at);
    TD_ASSERT(is_right);
}

static uint16_t find_name(compiler *c, const char *const *names, size_t count)
{
    size_t size = word_size(c->at);
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) == size && memcmp(names[i], c->at, size) == 0) {
            c->at += size;
            return (uint16_t)i;
        }
    }
    must(0, c, "no such name");
    return 0;
}

static template_op *add_op(compiler *c, op_kind kind)
{
    TD_ASSERT(c->made->op_count < strlen(c->made->text)); /* an op has a byte at least */
    template_op *op = &c->made->ops[c->made->op_count++];
    *op = (template_op){.kind = (uint8_t)kind};
    return op;
}

/* A format behind a value's name. A colon that no format follows is the frame's own. */
static void compile_format(compiler *c, template_op *op)
{
    if (*c->at != ':')
        return;
    const char *word = c->at + 1;
    size_t size = word_size(word);
    for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++) {
        if (strlen(FORMATS[i].name) != size || memcmp(FORMATS[i].name, word, size) != 0)
            continue;
        op->format = (uint8_t)FORMATS[i].format;
        op->argument = FORMATS[i].argument;
        c->at = word + size;
        return;
    }
    if (size < 2 || (word[0] != 'e' && word[0] != 'f') || !isdigit((unsigned char)word[1]))
        return;
    op->format = word[0] == 'e' ? FORMAT_SCALED : FORMAT_FIXED;
    op->argument = (uint8_t)strtoul(word + 1, NULL, 10);
    c->at = word + size;
}

static void compile_value(compiler *c)
{
    int is_braced = c->at[1] == '{';
    c->at += 1 + is_braced;
    template_op *op = add_op(c, OP_VALUE);
    op->name = find_name(c, VALUE_NAMES, SIM_COUNT);
    compile_format(c, op);
    if (is_braced)
        must(*c->at++ == '}', c, "a brace is missing before");
}

static void compile_text(compiler *c)
{
    size_t size = strcspn(c->at, "$@~()");
    template_op *op = add_op(c, OP_TEXT);
    op->at = (uint32_t)(c->at - c->made->text);
    op->size = (uint32_t)size;
    c->at += size;
}

/* What stands between brackets, or the whole text; parts nest three deep at most, as the frames do.
 */
static void compile_part(compiler *c, unsigned depth)
{
    must(depth < 4, c, "too many brackets");
    while (*c->at != '\0' && *c->at != ')') {
        if (*c->at == '$') {
            compile_value(c);
        } else if (*c->at == '@' || *c->at == '~') {
            int is_list = *c->at++ == '@';
            uint32_t index = c->made->op_count;
            template_op *op = add_op(c, is_list ? OP_LIST : OP_OPTIONAL);
            if (is_list)
                op->name = find_name(c, LIST_NAMES, SIM_LIST_COUNT);
            must(*c->at++ == '(', c, "a bracket is missing before");
            compile_part(c, depth + 1);
            must(*c->at++ == ')', c, "a bracket is missing before");
            c->made->ops[index].end = c->made->op_count;
            c->made->has_optional |= !is_list;
        } else {
            must(*c->at != '(', c, "a bracket without a name");
            compile_text(c);
        }
    }
}

td_result template_open(const char *text, template **out, td_err *err)
{
    size_t size = strlen(text) + 1;
    template *made = td_alloc_zero(1, sizeof *made);
    if (made != NULL) {
        made->text = td_alloc(size);
        made->ops = td_alloc_zero(size, sizeof *made->ops); /* an op has a byte at least */
    }
    if (made == NULL || made->text == NULL || made->ops == NULL) {
        template_close(made);
        return td_err_set(err, TD_E_NOMEM, "no memory for a template");
    }
    for (size_t i = 0; i < size; i++)
        made->text[i] = (char)(text[i] == '\'' ? '"' : text[i]);
    compiler c = {.made = made, .at = made->text};
    compile_part(&c, 0);
    must(*c.at == '\0', &c, "a bracket too many");
    *out = made;
    return TD_OK;
}

void template_close(template *t)
{
    if (t == NULL)
        return;
    td_free(t->text);
    td_free(t->ops);
    td_free(t);
}

/* ---- rendering ---- */

/* n / 10^from as so many 10^-to, cut. */
static int64_t rescale(int64_t n, unsigned from, unsigned to)
{
    TD_ASSERT(from <= 18);
    TD_ASSERT(to <= 18);
    return to >= from ? n * text_power10(to - from) : n / text_power10(from - to);
}

static void put_iso(text_out *out, uint64_t ns, unsigned digits)
{
    enum { TO_THE_SECOND = 19 };
    char text[TD_TIME_TEXT_BYTES]; /* with nine digits of the fraction */
    if (digits == CUT_3) {
        ns -= ns % TD_NS_PER_S;
        digits = 3;
    }
    td_time_format(ns, text);
    text_put(out, text, TO_THE_SECOND + (digits > 0 ? 1 + digits : 0));
    text_put(out, "Z", 1);
}

static void put_value(text_out *out, const template_op *op, const sim_value *value)
{
    TD_ASSERT(value->places <= 18);
    if (value->text != NULL) {
        text_puts(out, value->text);
        return;
    }
    switch ((value_format)op->format) {
    case FORMAT_PLAIN:
        text_put_fixed(out, value->n, value->places);
        break;
    case FORMAT_SHORTEST:
        text_put_shortest(out, value->n, value->places);
        break;
    case FORMAT_SCALED:
        text_put_fixed(out, rescale(value->n, value->places, op->argument), 0);
        break;
    case FORMAT_FIXED:
        text_put_fixed(out, rescale(value->n, value->places, op->argument), op->argument);
        break;
    case FORMAT_BOOL:
        text_puts(out, value->n != 0 ? "true" : "false");
        break;
    case FORMAT_ISO:
        put_iso(out, (uint64_t)value->n, op->argument);
        break;
    }
}

/* Does a value of these ops differ from what was shown? */
static int has_changed(const template *t, uint32_t from, uint32_t to, const template_source *source)
{
    TD_ASSERT(from <= to);
    TD_ASSERT(to <= t->op_count);
    for (uint32_t i = from; i < to; i++) {
        if (t->ops[i].kind != OP_VALUE)
            continue;
        const sim_value *now = &source->values[t->ops[i].name];
        const sim_value *before = &source->shown[t->ops[i].name];
        if (now->n != before->n || now->text != before->text)
            return 1;
    }
    return 0;
}

/* Optional parts that were put, over the ops from..to. */
static uint32_t render_part(const template *t, uint32_t from, uint32_t to,
                            const template_source *source, text_out *out);

static void render_list(const template *t, uint32_t at, const template_source *source,
                        text_out *out)
{
    const template_op *op = &t->ops[at];
    TD_ASSERT(op->end > at);
    TD_ASSERT(source->next_item != NULL);
    for (size_t i = 0; source->next_item(source->user, (sim_list_id)op->name, i, source->values);
         i++) {
        if (i > 0)
            text_puts(out, ",");
        (void)render_part(t, at + 1, op->end, source, out);
    }
}

static uint32_t render_part(const template *t, uint32_t from, uint32_t to,
                            const template_source *source, text_out *out)
{
    uint32_t put = 0;
    TD_ASSERT(to <= t->op_count);
    for (uint32_t i = from; i < to; i++) {
        const template_op *op = &t->ops[i];
        if (op->kind == OP_TEXT) {
            text_put(out, t->text + op->at, op->size);
        } else if (op->kind == OP_VALUE) {
            put_value(out, op, &source->values[op->name]);
        } else if (op->kind == OP_LIST) {
            render_list(t, i, source, out);
            i = op->end - 1;
        } else if (source->shown != NULL && !has_changed(t, i + 1, op->end, source)) {
            i = op->end - 1; /* nothing of it is new */
        } else {
            put++; /* its ops follow */
        }
    }
    return put;
}

int template_render(const template *t, const template_source *source, text_out *out)
{
    size_t before = out->size;
    uint32_t put = render_part(t, 0, t->op_count, source, out);
    if (t->has_optional && put == 0) {
        out->size = before;
        return 0;
    }
    return 1;
}
