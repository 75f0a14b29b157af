#include "schema/template.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/document.h"

/* A compiled template is the text of the frame, with one of these codes for each variable part. A
 * code has 4 bytes: its number, which no byte of the text is as small as, an id, and the size of
 * what belongs to it. */
enum {
    CODE_VALUE = 1, /* its format or path, with a NUL */
    CODE_LIST,      /* the part that is repeated */
    CODE_OPTIONAL,  /* the part that may be left out; the id is 0 */
    CODE_LAST = CODE_OPTIONAL,
    CODE_BYTES = 4,       /* size of each code */
    VALUE_BYTES_MAX = 96, /* the longest value of a frame is a topic with its symbol */
    DEPTH_MAX = 4,        /* deepest nesting of parts; the frames need one less */
};

struct template
{
    size_t size;
    uint8_t has_optional;
    uint8_t code[];
};

/* ---- compiling ---- */

/* The state of compiling: the remaining text, and the template so far. */
typedef struct compiler {
    const char *at;
    const template_names *names;
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

/* Read the name after a mark; *id is its value. Digits at its end may be text that follows it. */
static td_result read_name(compiler *c, const document_word *words, size_t count, uint8_t *id)
{
    const char *const mark = c->at++;
    size_t size = 0;
    while (isalnum((unsigned char)c->at[size]) || c->at[size] == '_')
        size++;
    const td_bytes name = td_bytes_of(c->at, size);
    int found = document_word_value(words, count, name);
    while (found < 0 && size > 0 && isdigit((unsigned char)c->at[size - 1]))
        found = document_word_value(words, count, td_bytes_of(c->at, --size));
    c->at += size;
    *id = (uint8_t)found;
    if (found >= 0)
        return TD_OK;
    td_result rc =
        td_err_set(c->err, TD_E_INVALID, "there is no %s '%.*s'", *mark == '$' ? "value" : "list",
                   (int)name.size, (const char *)name.data);
    document_hint_words(name, words, count, c->err);
    return rc;
}

/* Set the size of what belongs to a code, which ends at the template's end. */
static td_result end_code(const compiler *c, uint8_t *code)
{
    const size_t size = (size_t)(&c->into->code[c->into->size] - code) - CODE_BYTES;
    code[2] = (uint8_t)(size >> 8);
    code[3] = (uint8_t)size;
    return size <= UINT16_MAX
               ? TD_OK
               : td_err_set(c->err, TD_E_INVALID, "more than %d bytes in brackets", UINT16_MAX);
}

/* The size of the format or path at a text; 0 if there is neither. */
static size_t suffix_size(const char *text, int is_path)
{
    size_t size = 0;
    while (is_path ? isalpha((unsigned char)text[size]) || text[size] == '_' || text[size] == '.'
                   : isalnum((unsigned char)text[size]))
        size++;
    return size;
}

/* 1 if a format is s, b, or d, e or i with a digit. */
static int is_format(const char *word, size_t size)
{
    return (size == 1 && strchr("sb", *word) != NULL) ||
           (size == 2 && strchr("dei", *word) != NULL && isdigit((unsigned char)word[1]));
}

/* A colon that no letter or digit follows belongs to the frame. */
static td_result compile_value(compiler *c)
{
    const template_names *names = c->names;
    template *t = c->into;
    uint8_t *code = &t->code[t->size];
    code[0] = CODE_VALUE;
    t->size += CODE_BYTES;
    td_result rc = read_name(c, names->values, names->value_count, &code[1]);
    const int is_path = rc == TD_OK && names->object > 0 && code[1] >= names->object;
    const char *const suffix = c->at + 1;
    size_t size = 0;
    if (rc == TD_OK && *c->at == (is_path ? '.' : ':') && (is_path || names->list_count > 0))
        size = suffix_size(suffix, is_path);
    if (rc == TD_OK && is_path && size == 0)
        return td_err_set(c->err, TD_E_INVALID, "a path '.NAME' is expected before '%.*s'",
                          SHOWN_BYTES, c->at);
    if (rc == TD_OK && !is_path && size > 0 && !is_format(suffix, size))
        return td_err_set(
            c->err, TD_E_INVALID,
            "unknown format before '%.*s': expected :s, :b, :dDIGIT, :eDIGIT or :iDIGIT",
            SHOWN_BYTES, c->at);
    if (rc != TD_OK)
        return rc;
    memcpy(&t->code[t->size], suffix, size);
    t->size += size + 1; /* with the NUL that is there */
    c->at += size > 0 ? 1 + size : 0;
    return end_code(c, code);
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
        rc = read_name(c, c->names->lists, c->names->list_count, &code[1]);
    } else {
        code[0] = CODE_OPTIONAL;
        t->has_optional = 1;
        c->at++;
    }
    t->size += CODE_BYTES;
    if (rc == TD_OK)
        rc = expect_mark(c, '(');
    if (rc == TD_OK)
        rc = compile_text(c, depth + 1);
    if (rc == TD_OK)
        rc = expect_mark(c, ')');
    if (is_list)
        c->is_in_list = 0;
    return rc == TD_OK ? end_code(c, code) : rc;
}

/* Compile the text up to a closing parenthesis, or to its end. */
static td_result compile_text(compiler *c, unsigned depth)
{
    template *t = c->into;
    const int has_lists = c->names->list_count > 0;
    td_result rc = TD_OK;
    while (rc == TD_OK && *c->at != '\0' && (*c->at != ')' || (depth == 0 && !has_lists))) {
        if (*c->at == '$') {
            rc = compile_value(c);
        } else if ((has_lists && *c->at == '@') || strncmp(c->at, "~(", 2) == 0) {
            rc = compile_part(c, depth);
        } else if (has_lists && *c->at == '(') {
            rc = td_err_set(c->err, TD_E_INVALID, "'@NAME' or '~' expected before '%.*s'",
                            SHOWN_BYTES, c->at);
        } else if ((unsigned char)*c->at <= CODE_LAST) {
            rc = td_err_set(c->err, TD_E_INVALID, "a text has a control character");
        } else {
            t->code[t->size++] = (uint8_t)*c->at++;
        }
    }
    return rc;
}

td_result template_compile(td_arena *memory, const char *text, const template_names *names,
                           const template **out, td_err *err)
{
    /* A code may be longer than the name that it replaces. */
    const size_t bytes = sizeof(template) + CODE_BYTES * strlen(text);
    template *t = td_arena_alloc(memory, bytes);
    memset(t, 0, bytes);
    compiler c = {.at = text, .names = names, .into = t, .err = err};
    td_result rc = compile_text(&c, 0);
    if (rc == TD_OK && *c.at != '\0')
        rc = td_err_set(err, TD_E_INVALID, "no '(' for '%.*s'", SHOWN_BYTES, c.at);
    if (rc == TD_OK)
        *out = t;
    return rc;
}

/* The size of what belongs to a code. */
static size_t size_of(const uint8_t *code)
{
    return (size_t)code[2] << 8 | code[3];
}

/* The size of the value, the begin of a part, or the character at a place. */
static size_t step(const uint8_t *at)
{
    return *at > CODE_LAST ? 1 : CODE_BYTES + (*at == CODE_VALUE ? size_of(at) : 0);
}

void template_describe(const template *t, template_content *out)
{
    size_t list_end = 0; /* a list is in no other list */
    *out = (template_content){.bytes = 0};
    for (size_t i = 0; i < t->size; i += step(&t->code[i])) {
        size_t *bytes = i < list_end ? &out->item_bytes : &out->bytes;
        const uint8_t *code = &t->code[i];
        *bytes += *code == CODE_VALUE ? VALUE_BYTES_MAX : 1; /* or a comma after an item */
        if (*code == CODE_VALUE && code[1] > out->last_value)
            out->last_value = code[1];
        if (*code != CODE_LIST)
            continue;
        out->lists |= 1U << code[1];
        list_end = i + CODE_BYTES + size_of(code);
        out->item_bytes++;
    }
}

int template_has(const template *t, unsigned id)
{
    for (size_t i = 0; i < t->size; i += step(&t->code[i]))
        if (t->code[i] == CODE_VALUE && t->code[i + 1] == id)
            return 1;
    return 0;
}

int template_is(const template *t, td_bytes text)
{
    return td_bytes_equal(td_bytes_of(t->code, t->size), text);
}

/* ---- rendering ---- */

typedef struct rendering {
    const template_source *source;
    td_buf *out;
    unsigned parts; /* parts that could be omitted and were not */
    int is_whole;   /* no value of the present part is absent */
    td_err *err;
} rendering;

/* 1 if a value in the part differs from the value that was last shown. */
static int has_changed(const uint8_t *at, const uint8_t *end, const template_source *source)
{
    for (; at < end; at += step(at))
        if (*at == CODE_VALUE && source->has_changed(source->user, at[1]))
            return 1;
    return 0;
}

static td_result render_part(rendering *r, const uint8_t *at, const uint8_t *end);

static td_result render_list(rendering *r, uint8_t list, const uint8_t *at, const uint8_t *end)
{
    const template_source *source = r->source;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && source->next_item(source->user, list, i); i++) {
        td_buf_add(r->out, ",", i > 0);
        rc = render_part(r, at, end);
    }
    return rc;
}

static td_result render_optional(rendering *r, const uint8_t *at, const uint8_t *end)
{
    const size_t before = r->out->size;
    const int was_whole = r->is_whole;
    if (r->source->has_changed != NULL && !has_changed(at, end, r->source))
        return TD_OK;
    r->is_whole = 1;
    td_result rc = render_part(r, at, end);
    r->parts += (unsigned)r->is_whole;
    r->out->size = r->is_whole ? r->out->size : before;
    r->is_whole = was_whole;
    return rc;
}

static td_result render_part(rendering *r, const uint8_t *at, const uint8_t *end)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && at < end) {
        const uint8_t *code = at;
        while (code < end && code[0] > CODE_LAST)
            code++;
        rc = td_buf_append(r->out, at, (size_t)(code - at), r->err);
        if (rc != TD_OK || code == end)
            return rc;
        const uint8_t *part = code + CODE_BYTES;
        int is_there = 1;
        at = part + size_of(code);
        if (*code == CODE_LIST)
            rc = render_list(r, code[1], part, at);
        else if (*code == CODE_OPTIONAL)
            rc = render_optional(r, part, at);
        else
            rc = r->source->put(r->source->user, code[1], (const char *)part, r->out, &is_there,
                                r->err);
        r->is_whole &= is_there;
    }
    return rc;
}

td_result template_render(const template *t, const template_source *source, td_buf *out, int *parts,
                          td_err *err)
{
    rendering r = {.source = source, .out = out, .is_whole = 1, .err = err};
    td_result rc = render_part(&r, t->code, t->code + t->size);
    if (parts != NULL)
        *parts = !t->has_optional || r.parts > 0;
    return rc;
}

/* ---- plain texts ---- */

void template_fill(const char *text, const template_word *words, size_t count, char *out,
                   size_t out_bytes)
{
    size_t size = 0;
    out[0] = '\0';
    while (*text != '\0' && size < out_bytes) {
        size_t i = 0;
        while (i < count && strncmp(text, words[i].place, strlen(words[i].place)) != 0)
            i++;
        const td_bytes put = i < count ? words[i].text : td_bytes_of(text, 1);
        (void)snprintf(out + size, out_bytes - size, "%.*s", (int)put.size,
                       put.size == 0 ? "" : (const char *)put.data); /* cut if too long */
        size += put.size;
        text += i < count ? strlen(words[i].place) : 1;
    }
}
