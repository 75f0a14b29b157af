#include "schema/dialect_text.h"

#include "base/alloc.h"
#include "base/limits.h"

/* DIALECT_TEXT_BYTES_MAX: larger requests and answers are not parsed. Real requests have kilobytes;
 * an answer may echo a request. */
enum { DIALECT_TEXT_BYTES_MAX = 2 << 20 };

/* Bytes for composed topics: each consists of a topic's stem and a part of the request. */
enum { TEXTS_BYTES_MAX = DIALECT_TEXT_BYTES_MAX + DIALECT_ARGS_MAX * (LIMIT_TOPIC_BYTES + 2) };

dialect_parser *dialect_parser_open(void)
{
    dialect_parser *made = td_alloc_zero(1, sizeof *made);
    made->json = json_parser_open(DIALECT_TEXT_BYTES_MAX);
    td_buf_init(&made->texts, TEXTS_BYTES_MAX);
    made->args = td_array_reach(NULL, &made->arg_capacity, 0, sizeof *made->args);
    return made;
}

void dialect_parser_close(dialect_parser *parser)
{
    if (parser == NULL)
        return;
    json_parser_close(parser->json);
    td_buf_fini(&parser->texts);
    td_free(parser->args);
    td_free(parser);
}

void dialect_text_begin(dialect_parser *parser)
{
    td_buf_clear(&parser->texts);
    parser->arg_count = parser->ended = 0;
}

td_result dialect_text_end(dialect_parser *parser, td_err *err)
{
    if (parser->arg_count == DIALECT_ARGS_MAX)
        return td_err_set(err, TD_E_LIMIT, "at most %d args are read", DIALECT_ARGS_MAX);
    parser->args = td_array_reach(parser->args, &parser->arg_capacity, parser->arg_count,
                                  sizeof *parser->args);
    parser->args[parser->arg_count++] = td_bytes_of(NULL, parser->texts.size - parser->ended);
    parser->ended = parser->texts.size;
    return TD_OK;
}

void dialect_text_seal(dialect_parser *parser)
{
    const uint8_t *at = parser->texts.data;
    for (size_t i = 0; i < parser->arg_count; at += parser->args[i++].size)
        parser->args[i].data = at;
}

/* Reads any scalar as text, because exchanges write the same member as a string or as a number or
 * boolean (docs/wire.md 5.5). */
int dialect_text_scalar(json_value object, const char *path, td_bytes *out)
{
    json_value value;
    if (!json_find_path(object, path, &value))
        return 0;
    json_type type = json_type_of(value);
    if (type == JSON_NUMBER || type == JSON_BOOL) {
        *out = json_raw(value);
        return 1;
    }
    return type == JSON_STRING && json_text(value, out);
}

int dialect_text_first(json_value object, const char *const *paths, td_bytes *out)
{
    while (*paths != NULL && !dialect_text_scalar(object, *paths, out))
        paths++;
    return *paths != NULL;
}
