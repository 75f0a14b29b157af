#include "schema/dialect_text.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

/* DIALECT_TEXT_BYTES_MAX: larger requests and answers are not parsed. Real requests have kilobytes;
 * an answer may echo a request. ARGS_AT_FIRST: initial capacity of the list of topics. */
enum { DIALECT_TEXT_BYTES_MAX = 2 << 20, ARGS_AT_FIRST = 64 };

/* Bytes for composed topics: each consists of a topic's stem and a part of the request. */
enum { TEXTS_BYTES_MAX = DIALECT_TEXT_BYTES_MAX + DIALECT_ARGS_MAX * (LIMIT_TOPIC_BYTES + 2) };

void dialect_text_open(dialect_text *text)
{
    *text = (dialect_text){.json = json_parser_open(DIALECT_TEXT_BYTES_MAX)};
    td_buf_init(&text->texts, TEXTS_BYTES_MAX);
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
    size_t last = count < ARGS_AT_FIRST ? ARGS_AT_FIRST - 1 : count - 1;
    text->args = td_array_reach(text->args, &text->arg_capacity, last, sizeof *text->args);
    return TD_OK;
}

td_result dialect_text_list(dialect_text *text, json_value list, size_t *count, td_err *err)
{
    if (json_type_of(list) != JSON_ARRAY)
        return td_err_set(err, TD_E_INVALID, "topics are not a list");
    json_value element;
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, &element);) {
        td_bytes item;
        if (!json_text(element, &item))
            item = json_raw(element); /* a number or a boolean: some clients send auth's expires as
                                         a number, others as a string */
        TD_ASSERT(*count < text->arg_capacity);
        text->args[(*count)++] = item;
    }
    return TD_OK;
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
