#include "schema/sent_secrets.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/credential.h"
#include "base/limits.h"
#include "base/json/json.h"
#include "schema/inflate.h"

/* How likely a value is a secret, judging by the names around it; ascending. */
typedef enum value_kind {
    KIND_PLAIN,
    KIND_VAGUE,    /* in a member whose name may be a credential's */
    KIND_ARGUMENT, /* argument of a request that authenticates */
    KIND_SECRET,
} value_kind;

enum {
    SECRET_BYTES_MIN = 4, /* minimum size of a KIND_SECRET value that is hidden everywhere */
    OTHER_BYTES_MIN = 8,
    RUN_BYTES_MIN = 12,   /* minimum size of a run of letters and digits in text that is not JSON */
    RUNS_MAX = 64,        /* runs read from one text */
    DATA_BYTES_MAX = 24,  /* shorter symbols, words and numbers may be market data */
    TOPIC_BYTES_MAX = 64, /* a shorter text with a dot may be a topic, a longer one is a token */
    VALUES_MAX = 256,     /* values found in one text: half of REDACT_SIGNATURES_MAX */
    INNER_TEXTS_MAX = 256, /* texts within one message that are searched */
    TIME_DIGITS = 10,      /* digits of a Unix time in seconds; milliseconds have three more */
    FRACTION_DIGITS_MAX = 9,
};

struct sent_secrets {
    json_parser *parser;
    inflater *inflater; /* made at the first message that may be compressed */
    sent_range *ranges;
    size_t range_count, range_capacity;
    td_buf values; /* found values, each preceded by its size */
    td_buf inner;  /* texts within the text: a value_kind byte, size, bytes */
    size_t value_count, inner_count;
    uint8_t wants_ranges;  /* 1: ranges are collected */
    uint8_t is_issued;     /* 1: the text is the exchange's: only certain names count */
    const uint8_t *parsed; /* the parser's copy of the JSON */
    size_t skipped;        /* bytes of the text before the JSON */
};

sent_secrets *sent_secrets_open(void)
{
    sent_secrets *self = td_alloc_zero(1, sizeof *self);
    self->parser = json_parser_open(0);
    td_buf_init(&self->values, SIZE_MAX);
    td_buf_init(&self->inner, SIZE_MAX);
    return self;
}

void sent_secrets_close(sent_secrets *self)
{
    if (self == NULL)
        return;
    json_parser_close(self->parser);
    inflater_close(self->inflater);
    td_free(self->ranges);
    td_buf_fini(&self->values);
    td_buf_fini(&self->inner);
    td_free(self);
}

/* ---- lists of texts ---- */

static void put_text(td_buf *list, td_bytes text)
{
    uint32_t size = (uint32_t)text.size;
    td_buf_add(list, &size, sizeof size);
    td_buf_add(list, text.data, text.size);
}

static int next_text(const td_buf *list, size_t *at, td_bytes *text)
{
    if (*at == list->size)
        return 0;
    size_t size = td_le32(list->data + *at);
    *text = td_bytes_of(list->data + *at + sizeof(uint32_t), size);
    *at += sizeof(uint32_t) + size;
    return 1;
}

int sent_secrets_next(const sent_secrets *self, size_t *at, td_bytes *value)
{
    return next_text(&self->values, at, value);
}

/* ---- values that are hidden everywhere ---- */

/* Characters of keys, signatures and tokens. */
static int is_run_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           c == '-' || c == '+' || c == '/';
}

/* The kinds of characters that a text has. */
typedef struct text_kinds {
    uint8_t has_capital, has_small, has_digit, has_dot, has_other;
} text_kinds;

static text_kinds kinds_of(td_bytes text)
{
    text_kinds has = {0};
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        has.has_capital |= c >= 'A' && c <= 'Z';
        has.has_small |= c >= 'a' && c <= 'z';
        has.has_digit |= c >= '0' && c <= '9';
        has.has_dot |= c == '.';
        has.has_other |= !is_run_char(c);
    }
    return has;
}

/* 1 if an argument is the name of a credential: "grant_type":"refresh_token". */
static int is_member_name(td_bytes text, text_kinds has)
{
    return !has.has_capital && !has.has_digit && !has.has_other && text.size < DATA_BYTES_MAX &&
           memchr(text.data, '_', text.size) != NULL && td_name_kind_of(text) != TD_NAME_PLAIN;
}

/* 1 if the value may also occur in market data: it is hidden in its message, but not searched
 * elsewhere. */
static int may_be_data(td_bytes text, value_kind kind)
{
    const text_kinds has = kinds_of(text);
    int is_number = has.has_digit && !has.has_small && !has.has_capital;
    if (kind == KIND_SECRET)
        return text.size < SECRET_BYTES_MIN || (is_number && text.size < OTHER_BYTES_MIN);
    if (text.size < OTHER_BYTES_MIN || (is_number && text.size < DATA_BYTES_MAX) ||
        (has.has_dot && text.size < TOPIC_BYTES_MAX))
        return 1;
    if (kind == KIND_ARGUMENT && is_member_name(text, has))
        return 1;
    /* A symbol has capitals and digits, a word has letters only. */
    return kind == KIND_VAGUE && text.size < DATA_BYTES_MAX && !(has.has_small && has.has_digit);
}

static void add_value(sent_secrets *self, td_bytes text, value_kind kind)
{
    if (self->value_count == VALUES_MAX || may_be_data(text, kind))
        return;
    self->value_count++;
    put_text(&self->values, text);
}

/* Add the runs of is_run_char characters in a text, which may be secrets. */
static void add_runs(sent_secrets *self, td_bytes text, size_t bytes_min)
{
    uint8_t *run = td_alloc_zero(1, text.size + 1);
    size_t size = 0;
    size_t count = 0;
    for (size_t at = 0; count < RUNS_MAX && at <= text.size;) {
        uint8_t c = ' ';
        at +=
            at == text.size ? 1 : td_read_escaped(td_bytes_of(text.data + at, text.size - at), &c);
        if (is_run_char(c)) {
            run[size++] = c;
        } else if (c != '\0') { /* a NUL is half of a UTF-16 character */
            count += size >= bytes_min;
            if (size >= bytes_min)
                add_value(self, td_bytes_of(run, size), KIND_VAGUE);
            size = 0;
        }
    }
    explicit_bzero(run, text.size);
    td_free(run);
}

/* ---- values of JSON ---- */

static void add_range(sent_secrets *self, td_bytes raw)
{
    if (!self->wants_ranges || raw.size == 0)
        return;
    self->ranges = td_array_reach(self->ranges, &self->range_capacity, self->range_count,
                                  sizeof *self->ranges);
    self->ranges[self->range_count++] =
        (sent_range){self->skipped + (size_t)(raw.data - self->parsed), raw.size};
}

static void put_inner(sent_secrets *self, td_bytes text, value_kind kind)
{
    if (self->inner_count == INNER_TEXTS_MAX)
        return;
    uint8_t byte = (uint8_t)kind;
    self->inner_count++;
    td_buf_add(&self->inner, &byte, 1);
    put_text(&self->inner, text);
}

/* 1 if a number, or its text, is a Unix time between 2017 and 2049, in seconds, which may have a
 * fraction, or milliseconds. */
static int is_time(td_bytes number)
{
    const uint8_t *dot = number.size == 0 ? NULL : memchr(number.data, '.', number.size);
    const size_t whole = dot == NULL ? number.size : (size_t)(dot - number.data);
    for (size_t i = 0; i < number.size; i++)
        if (i != whole && (number.data[i] < '0' || number.data[i] > '9'))
            return 0;
    return (whole == TIME_DIGITS || (whole == TIME_DIGITS + 3 && dot == NULL)) &&
           number.size <= whole + 1 + FRACTION_DIGITS_MAX && memcmp(number.data, "15", 2) >= 0 &&
           memcmp(number.data, "25", 2) < 0;
}

static void add_text(sent_secrets *self, json_value value, value_kind kind)
{
    td_bytes text;
    int is_text = json_text(value, &text);
    TD_ASSERT(is_text);
    if (kind != KIND_SECRET && is_time(text))
        return;
    /* The text may be JSON, a URL or NAME=VALUE pairs. */
    int has_members = text.size > 0 && (memchr(text.data, '{', text.size) != NULL ||
                                        memchr(text.data, '[', text.size) != NULL ||
                                        memchr(text.data, '=', text.size) != NULL);
    if (kind == KIND_PLAIN && (self->is_issued || !has_members || !td_mentions_credential(text)))
        return;
    td_bytes raw = json_raw(value);
    add_range(self, td_bytes_of(raw.data + 1, raw.size - 2));
    if (has_members)
        put_inner(self, text, kind > KIND_VAGUE ? KIND_VAGUE : kind);
    if (kind == KIND_PLAIN)
        return;
    add_value(self, text, kind);
    if (kinds_of(text).has_other) /* "Bearer TOKEN", "key:signature" */
        add_runs(self, text, OTHER_BYTES_MIN);
}

static void add_number(sent_secrets *self, json_value value, value_kind kind)
{
    td_bytes number = json_raw(value);
    if (kind == KIND_PLAIN || (kind != KIND_SECRET && is_time(number)))
        return;
    add_range(self, number);
    if (kind == KIND_SECRET)
        add_value(self, number, kind);
}

/* ---- requests ---- */

static int is_one_of(td_bytes name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (name.size == strlen(*names) &&
            strncasecmp((const char *)name.data, *names, name.size) == 0)
            return 1;
    return 0;
}

/* Names of members that hold a request's name, or its arguments. */
static const char *const OP_NAMES[] = {"op",   "operation", "event", "method",  "cmd",
                                       "type", "command",   "ch",    "channel", "action",
                                       "req",  "request",   NULL};
static const char *const ARGS_NAMES[] = {"args",  "arg",  "arguments", "params",
                                         "param", "data", "payload",   NULL};

/* 1 if the value is, or contains, the name of a request that authenticates. */
static int has_auth_name(json_value value)
{
    td_bytes text;
    json_value element;
    if (json_text(value, &text))
        return td_is_auth_name(text);
    json_iter it = json_iter_of(value);
    while (json_next(&it, NULL, &element))
        if (has_auth_name(element))
            return 1;
    return 0;
}

static int authenticates(json_value object)
{
    td_bytes text;
    json_value name;
    json_value element;
    json_iter it = json_iter_of(object);
    while (json_next(&it, &name, &element))
        if (json_text(name, &text) && is_one_of(text, OP_NAMES) && has_auth_name(element))
            return 1;
    return 0;
}

/* Facts about a value, from the names around it. */
typedef struct value_context {
    value_kind kind;
    uint8_t is_auth; /* within a request that authenticates */
} value_context;

static value_context member_context(const sent_secrets *self, value_context around, json_value name)
{
    td_bytes text;
    int is_text = json_text(name, &text);
    TD_ASSERT(is_text);
    td_name_kind named = td_name_kind_of(text);
    value_kind kind = named == TD_NAME_SECRET                         ? KIND_SECRET
                      : around.is_auth && is_one_of(text, ARGS_NAMES) ? KIND_ARGUMENT
                      : named == TD_NAME_VAGUE                        ? KIND_VAGUE
                                                                      : KIND_PLAIN;
    if (self->is_issued && kind != KIND_SECRET)
        kind = KIND_PLAIN;
    /* If an object has a secret's name, its members need not be secrets:
     * {"signature":{"type":"…"}}. */
    value_kind inherited = around.kind == KIND_SECRET ? KIND_VAGUE : around.kind;
    around.kind = kind > inherited ? kind : inherited;
    return around;
}

/* Search a value and everything in it. The recursion is at most LIMIT_JSON_DEPTH deep. */
static void walk_value(sent_secrets *self, json_value value, value_context context)
{
    json_value name;
    json_value element;
    json_iter it = json_iter_of(value);
    switch (json_type_of(value)) {
    case JSON_STRING:
        add_text(self, value, context.kind);
        break;
    case JSON_NUMBER:
        add_number(self, value, context.kind);
        break;
    case JSON_OBJECT:
        context.is_auth |= (uint8_t)authenticates(value);
        while (json_next(&it, &name, &element))
            walk_value(self, element, member_context(self, context, name));
        break;
    case JSON_ARRAY:
        while (json_next(&it, NULL, &element))
            walk_value(self, element, context);
        break;
    case JSON_NULL:
    case JSON_BOOL:
        break;
    }
}

/* Search a text that is JSON after blanks and byte order marks. Returns 0 if it is not JSON. */
static int walk_text(sent_secrets *self, td_bytes text, value_kind kind)
{
    static const char *const BLANKS[] = {" ",  "\t", "\n",           "\v",
                                         "\f", "\r", "\xef\xbb\xbf", "\xc2\xa0"};
    json_value root;
    json_value first;
    td_bytes name;
    const uint8_t *begin = text.data;
    for (size_t i = 0; i < sizeof BLANKS / sizeof *BLANKS;) {
        size_t size = strlen(BLANKS[i]);
        int is_blank = text.size >= size && memcmp(text.data, BLANKS[i], size) == 0;
        text = td_bytes_of(text.data + (is_blank ? size : 0), text.size - (is_blank ? size : 0));
        i = is_blank ? 0 : i + 1;
    }
    if (text.size == 0)
        return 1;
    if (json_parse(self->parser, text, JSON_COPIED, &root, NULL) != TD_OK)
        return 0;
    self->parsed = json_raw(root).data - json_offset(root);
    self->skipped = (size_t)(text.data - begin);
    /* ["auth", …] is a request, too. */
    json_iter it = json_iter_of(root);
    if (kind == KIND_PLAIN && !self->is_issued && json_type_of(root) == JSON_ARRAY &&
        json_next(&it, NULL, &first) && json_text(first, &name) && td_is_auth_name(name))
        kind = KIND_ARGUMENT;
    walk_value(self, root, (value_context){.kind = kind});
    return 1;
}

/* Search the texts within the message, and the texts within these. Collects their values, but no
 * ranges. */
static void walk_inner(sent_secrets *self)
{
    td_buf text;
    td_buf_init(&text, SIZE_MAX);
    self->wants_ranges = 0;
    for (size_t at = 0; at < self->inner.size;) {
        td_bytes found;
        value_kind kind = (value_kind)self->inner.data[at++];
        int is_there = next_text(&self->inner, &at, &found);
        TD_ASSERT(is_there);
        td_buf_clear(&text);
        td_buf_add(&text, found.data, found.size); /* copied: walking may move the list */
        if (!walk_text(self, td_buf_view(&text), kind))
            add_runs(self, td_buf_view(&text), RUN_BYTES_MIN);
    }
    td_buf_fini(&text);
}

/* ---- messages ---- */

int frame_may_be_compressed(td_bytes frame, int is_binary)
{
    if (is_binary || frame.size == 0)
        return is_binary;
    uint8_t first = frame.data[0];
    return first != '{' && first != '[' && first != ' ' && (first < '\t' || first > '\r');
}

static void begin_search(sent_secrets *self)
{
    self->range_count = 0;
    self->value_count = self->inner_count = 0;
    td_buf_clear(&self->values);
    td_buf_clear(&self->inner);
    self->wants_ranges = 1;
    self->is_issued = 0;
}

/* Search a text that is not JSON. Returns 1 if it has secrets. */
static int search_other(sent_secrets *self, td_bytes text)
{
    if (!td_mentions_credential(text))
        return 0;
    add_runs(self, text, RUN_BYTES_MIN);
    return 1;
}

/* Search a message as far as it inflates; if it is not compressed, search it as it is. Returns 1 if
 * it has secrets. */
static int search_inflated(sent_secrets *self, td_bytes frame)
{
    if (self->inflater == NULL)
        self->inflater = inflater_open(LIMIT_FRAME_BYTES, 0);
    td_bytes text;
    size_t size = 0;
    td_result rc = inflater_run(self->inflater, frame, &text, NULL);
    if (rc != TD_OK && search_other(self, frame))
        return 1;
    text.data =
        inflater_output(self->inflater, &size); /* also the output of a broken deflate stream */
    text.size = size;
    if (size == 0)
        return 0;
    if (!walk_text(self, text, KIND_PLAIN))
        return search_other(self, text);
    return self->range_count > 0;
}

sent_found sent_secrets_find(sent_secrets *self, td_bytes text, int is_binary)
{
    begin_search(self);
    sent_found found = {0};
    if (text.size == 0)
        return found;
    if (walk_text(self, text, KIND_PLAIN)) {
        walk_inner(self);
        found.ranges = self->ranges;
        found.count = self->range_count;
        return found;
    }
    found.is_whole =
        (uint8_t)(frame_may_be_compressed(text, is_binary) ? search_inflated(self, text)
                                                           : search_other(self, text));
    walk_inner(self);
    return found;
}

sent_found sent_secrets_hide(sent_secrets *self, uint8_t *text, size_t size, int is_binary)
{
    const sent_found found = sent_secrets_find(self, td_bytes_of(text, size), is_binary);
    if (found.is_whole)
        memset(text, '*', size);
    for (size_t i = 0; i < found.count; i++)
        memset(text + found.ranges[i].offset, '*', found.ranges[i].size);
    return found;
}

/* A part of a certain name. Every frame is searched for it, so memchr looks for one byte of it that
 * is rare in market data: memmem took up to 11 % of the instructions of an import. */
typedef struct name_part {
    const char *text;
    size_t rare;
} name_part;

static int has_name_part(td_bytes frame, const name_part *part)
{
    const size_t size = strlen(part->text);
    if (frame.size < size)
        return 0;
    const uint8_t *at = frame.data + part->rare;
    const uint8_t *end = frame.data + frame.size - (size - part->rare) + 1;
    while ((at = memchr(at, part->text[part->rare], (size_t)(end - at))) != NULL) {
        if (memcmp(at - part->rare, part->text, size) == 0)
            return 1;
        at++;
    }
    return 0;
}

/* 1 if a frame may have a certain name. Data frames do not, and are not parsed. */
static int may_issue(td_bytes frame)
{
    static const name_part PARTS[] = {{"oken", 1}, {"ecret", 1},    {"Key", 0},
                                      {"_key", 1}, {"ssphrase", 3}, {"assword", 4}};
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        if (has_name_part(frame, &PARTS[i]))
            return 1;
    return 0;
}

int sent_secrets_find_issued(sent_secrets *self, td_bytes frame)
{
    begin_search(self);
    if (!may_issue(frame))
        return 0;
    self->is_issued = 1;
    self->wants_ranges = 0;
    if (walk_text(self, frame, KIND_PLAIN))
        walk_inner(self);
    return self->value_count > 0;
}

int sent_secrets_find_answer(sent_secrets *self, td_bytes body, int has_credentials)
{
    if (!has_credentials)
        return sent_secrets_find_issued(self, body);
    (void)sent_secrets_find(self, body, 0); /* the result is ignored: only the values are needed */
    return self->value_count > 0;
}

void sent_secrets_find_fields(sent_secrets *self, const char *fields)
{
    begin_search(self);
    while (*fields != '\0') {
        size_t size = strcspn(fields, "\r\n");
        const char *colon = memchr(fields, ':', size);
        if (colon != NULL) {
            td_name_kind named = td_name_kind_of(td_bytes_of(fields, (size_t)(colon - fields)));
            const char *value = colon + 1 + strspn(colon + 1, " \t");
            td_bytes text = td_bytes_of(value, size - (size_t)(value - fields));
            if (named != TD_NAME_PLAIN) {
                add_value(self, text, named == TD_NAME_SECRET ? KIND_SECRET : KIND_VAGUE);
                add_runs(self, text, OTHER_BYTES_MIN); /* "Bearer TOKEN"; each cookie's value */
            }
        }
        fields += size;
        fields += strspn(fields, "\r\n");
    }
}
