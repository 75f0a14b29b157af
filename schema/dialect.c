/* Reading requests, and the storage that requests and answers are read into. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "wire/dialect_impl.h"

/* A client's request has kilobytes; what is larger is not read at all. An answer may echo one. */
enum { DIALECT_TEXT_BYTES_MAX = 2 << 20, ARGS_AT_FIRST = 64 };

/* Topics that are put together: each at most a topic's stem and its part of the request. */
enum { TEXTS_BYTES_MAX = DIALECT_TEXT_BYTES_MAX + DIALECT_ARGS_MAX * (LIMIT_TOPIC_BYTES + 2) };

/* ---- storage ---- */

td_result dialect_text_open(dialect_text *text, td_err *err)
{
    *text = (dialect_text){0};
    td_buf_init(&text->texts, TEXTS_BYTES_MAX);
    return json_parser_open(DIALECT_TEXT_BYTES_MAX, &text->json, err);
}

void dialect_text_close(dialect_text *text)
{
    json_parser_close(text->json);
    td_buf_fini(&text->texts);
    td_free(text->args);
}

td_result dialect_text_reserve(dialect_text *text, size_t count, td_err *err)
{
    if (count > DIALECT_ARGS_MAX)
        return td_err_set(err, TD_E_LIMIT, "%zu args: at most %d are read", count,
                          DIALECT_ARGS_MAX);
    if (text->args != NULL && count <= text->arg_capacity)
        return TD_OK;
    TD_ASSERT(count <= DIALECT_ARGS_MAX);
    size_t capacity = count < ARGS_AT_FIRST ? ARGS_AT_FIRST : count;
    td_bytes *args = td_realloc(text->args, capacity, sizeof *args);
    if (args == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu args", count);
    text->args = args;
    text->arg_capacity = capacity;
    return TD_OK;
}

td_result dialect_text_list(dialect_text *text, json_value list, size_t *count, td_err *err)
{
    if (json_type_of(list) != JSON_ARRAY)
        return td_err_set(err, TD_E_INVALID, "topics are no list");
    json_value element;
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, &element);) {
        td_bytes item;
        if (!json_text(element, &item))
            item = json_raw(element); /* numbers: auth's expires is one as often as a string */
        TD_ASSERT(*count < text->arg_capacity);
        text->args[(*count)++] = item;
    }
    return TD_OK;
}

/* Exchanges write the same member as a string here and as a number or boolean there (docs/wire.md
 * 5.5): to us it is its text. */
int dialect_find_scalar(json_value object, const char *key, td_bytes *out)
{
    json_value value;
    if (!json_find(object, key, &value))
        return 0;
    json_type type = json_type_of(value);
    if (type == JSON_NUMBER || type == JSON_BOOL) {
        *out = json_raw(value);
        return 1;
    }
    return type == JSON_STRING && json_text(value, out);
}

/* ---- requests ---- */

void dialect_read_id(json_value root, dialect_request *out)
{
    json_value value;
    if (!json_find(root, "req_id", &value) && !json_find(root, "id", &value))
        return;
    json_type type = json_type_of(value);
    if (type != JSON_STRING && type != JSON_NUMBER)
        return;
    out->has_id = 1; /* "" is one, too: some answers tell it from none */
    out->id_raw = json_raw(value);
    if (!json_text(value, &out->id))
        out->id = out->id_raw;
}

/* unSubAll is not among them: only C knows it, and reads it itself. */
static request_kind kind_of(td_bytes op)
{
    static const request_kind KINDS[] = {REQUEST_SUBSCRIBE, REQUEST_UNSUBSCRIBE, REQUEST_AUTH,
                                         REQUEST_PING};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (td_bytes_is(op, dialect_op_name(KINDS[i])))
            return KINDS[i];
    }
    return REQUEST_UNKNOWN;
}

td_result dialect_read_op(dialect_text *text, json_value root, dialect_request *out, td_err *err)
{
    td_bytes op;
    json_value args;
    TD_ASSERT(out->kind == REQUEST_UNKNOWN);
    if (json_find_text(root, "op", &op))
        out->kind = kind_of(op);
    dialect_read_id(root, out);
    /* Without args, or null: a ping has none, and what a subscription without any means is the
     * server's to say. */
    if (!json_find(root, "args", &args) || json_is_null(args))
        return TD_OK;
    td_result rc = dialect_text_reserve(text, json_count(args), err);
    if (rc == TD_OK)
        rc = dialect_text_list(text, args, &out->arg_count, err);
    if (rc == TD_OK)
        out->args = text->args;
    return rc;
}

const struct dialect_reading DIALECT_READING_OP = {.request = dialect_read_op};

struct request_parser {
    dialect_text text;
};

td_result request_parser_open(request_parser **out, td_err *err)
{
    *out = NULL;
    request_parser *parser = td_alloc_zero(1, sizeof *parser);
    if (parser == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a parser of requests");
    td_result rc = dialect_text_open(&parser->text, err);
    if (rc != TD_OK) {
        request_parser_close(parser);
        return rc;
    }
    *out = parser;
    return TD_OK;
}

void request_parser_close(request_parser *parser)
{
    if (parser == NULL)
        return;
    dialect_text_close(&parser->text);
    td_free(parser);
}

td_result request_parse(request_parser *parser, const dialect *spoken, td_bytes frame,
                        dialect_request *out, td_err *err)
{
    *out = (dialect_request){.kind = REQUEST_UNKNOWN, .frame = frame};
    td_buf_clear(&parser->text.texts);
    json_value root;
    td_result rc = json_parse(parser->text.json, frame, JSON_COPIED, &root, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "request");
    if (json_type_of(root) != JSON_OBJECT)
        return td_err_set(err, TD_E_INVALID, "request: no JSON object");
    TD_ASSERT(parser->text.texts.size == 0);
    rc = spoken->reading->request(&parser->text, root, out, err);
    TD_ASSERT(out->arg_count <= parser->text.arg_capacity);
    if (rc == TD_OK)
        return TD_OK;
    out->args = NULL; /* half of a list is none */
    out->arg_count = 0;
    return td_err_add(err, rc, "request");
}
