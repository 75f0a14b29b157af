#include "schema/dialect_text.h"

#include "base/alloc.h"
#include "base/limits.h"

/* DIALECT_TEXT_BYTES_MAX: larger requests and answers are not parsed. Real requests have kilobytes;
 * an answer may echo a request. */
enum { DIALECT_TEXT_BYTES_MAX = 2 << 20 };

/* Bytes for composed topics: each consists of a topic's stem and a part of the request. */
enum { TEXTS_BYTES_MAX = DIALECT_TEXT_BYTES_MAX + DIALECT_ARGS_MAX * (LIMIT_TOPIC_BYTES + 2) };

void dialect_text_open(dialect_text *text)
{
    *text = (dialect_text){.json = json_parser_open(DIALECT_TEXT_BYTES_MAX)};
    td_buf_init(&text->texts, TEXTS_BYTES_MAX);
    text->args = td_array_reach(NULL, &text->arg_capacity, 0, sizeof *text->args);
}

void dialect_text_close(dialect_text *text)
{
    json_parser_close(text->json);
    td_buf_fini(&text->texts);
    td_free(text->args);
}

void dialect_text_begin(dialect_text *text)
{
    td_buf_clear(&text->texts);
    text->arg_count = text->ended = 0;
}

td_result dialect_text_end(dialect_text *text, td_err *err)
{
    if (text->arg_count == DIALECT_ARGS_MAX)
        return td_err_set(err, TD_E_LIMIT, "at most %d args are read", DIALECT_ARGS_MAX);
    text->args =
        td_array_reach(text->args, &text->arg_capacity, text->arg_count, sizeof *text->args);
    text->args[text->arg_count++] = td_bytes_of(NULL, text->texts.size - text->ended);
    text->ended = text->texts.size;
    return TD_OK;
}

void dialect_text_seal(dialect_text *text)
{
    const uint8_t *at = text->texts.data;
    for (size_t i = 0; i < text->arg_count; at += text->args[i++].size)
        text->args[i].data = at;
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
