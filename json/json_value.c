#include "json/json.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "json/json_tokens.h"
#include "base/utf8.h"

td_result json_parser_open(size_t bytes_max, json_parser **out, td_err *err)
{
    *out = NULL;
    json_parser *parser = td_alloc_zero(1, sizeof *parser);
    if (parser == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a JSON parser");
    parser->bytes_max = bytes_max == 0 ? LIMIT_FRAME_BYTES : bytes_max;
    TD_ASSERT(parser->bytes_max < UINT32_MAX / 2);
    parser->indexer = json_indexer_open();
    if (parser->indexer == NULL) {
        json_parser_close(parser);
        return td_err_set(err, TD_E_NOMEM, "no memory for a JSON parser");
    }
    *out = parser;
    return TD_OK;
}

void json_parser_close(json_parser *parser)
{
    if (parser == NULL)
        return;
    json_indexer_close(parser->indexer);
    td_free(parser->after);
    td_free(parser->copy);
    td_free(parser->strings);
    td_free(parser);
}

/* Note what is wrong with the text. */
static td_result fail(json_parser *parser, td_result rc, size_t offset, const char *what)
{
    parser->error = (json_error){.offset = offset, .what = what};
    return rc;
}

/* Make room for count elements; what was there is not needed any more. */
static int reserve(void **memory, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity)
        return 1;
    size_t wanted = *capacity == 0 ? 1024 : *capacity;
    while (wanted < count)
        wanted *= 2;
    td_free(*memory);
    *memory = td_alloc(wanted * size);
    *capacity = *memory == NULL ? 0 : wanted;
    return *memory != NULL;
}

/* Behind a refusal of the index: find out what it met first, and where. */
static json_error explain_refusal(td_bytes text)
{
    size_t string_at = text.size;
    int in_string = 0;
    for (size_t at = 0; at < text.size;) {
        uint8_t byte = text.data[at];
        size_t size = td_utf8_bytes(text.data + at, text.size - at);
        if (size == 0)
            return (json_error){at, "no UTF-8", 1};
        if (in_string && byte < 0x20)
            return (json_error){at, "control character in a string", 0};
        if (byte == '\\' && in_string && at + 1 < text.size && text.data[at + 1] < 0x80)
            size = 2;
        if (byte == '"') {
            in_string = !in_string;
            string_at = at;
        }
        at += size;
    }
    if (in_string)
        return (json_error){string_at, "expected the end of a string", 0};
    return (json_error){text.size, "no value", 0};
}

td_result json_parser_index(json_parser *parser, td_bytes text, json_padding padding)
{
    parser->error = (json_error){0};
    parser->has_escapes = 0;
    parser->index.count = 0;
    if (text.size > parser->bytes_max)
        return fail(parser, TD_E_LIMIT, parser->bytes_max, "text is too long");
    if (padding == JSON_COPIED) {
        size_t needed = text.size + JSON_PADDING_BYTES; /* bytes_max is far from overflow */
        if (!reserve((void **)&parser->copy, &parser->copy_capacity, needed, 1))
            return fail(parser, TD_E_NOMEM, 0, "no memory for a copy of the text");
        if (text.size > 0)
            memcpy(parser->copy, text.data, text.size);
        memset(parser->copy + text.size, 0, JSON_PADDING_BYTES);
        text.data = parser->copy;
    }
    parser->bom_bytes = text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    text = td_bytes_of(text.data + parser->bom_bytes, text.size - parser->bom_bytes);
    json_index_result rc = json_indexer_run(parser->indexer, text.data, text.size, &parser->index);
    if (rc == JSON_INDEX_OK)
        return TD_OK;
    if (rc == JSON_INDEX_NOMEM)
        return fail(parser, TD_E_NOMEM, 0, "no memory for the index of the text");
    json_error error = explain_refusal(text);
    (void)fail(parser, TD_E_INVALID, error.offset + parser->bom_bytes,
               error.what); /* as returned */
    parser->error.is_encoding = error.is_encoding;
    return TD_E_INVALID;
}

td_result json_parse(json_parser *parser, td_bytes text, json_padding padding, json_value *root,
                     td_err *err)
{
    td_result rc = json_parser_index(parser, text, padding);
    if (rc == TD_OK && !reserve((void **)&parser->after, &parser->after_capacity,
                                (size_t)parser->index.count + 1, sizeof *parser->after))
        rc = fail(parser, TD_E_NOMEM, 0, "no memory for the structure of the text");
    if (rc == TD_OK)
        rc = json_parser_check(parser);
    if (rc == TD_OK && parser->has_escapes &&
        !reserve((void **)&parser->strings, &parser->strings_capacity, parser->index.size, 1))
        rc = fail(parser, TD_E_NOMEM, 0, "no memory for strings with escapes");
    if (rc != TD_OK)
        return td_err_set(err, rc, "JSON at byte %zu: %s", parser->error.offset,
                          parser->error.what);
    *root = (json_value){.parser = parser, .token = 0};
    return TD_OK;
}

json_error json_parse_error(const json_parser *parser)
{
    return parser->error;
}

json_type json_type_of(json_value value)
{
    TD_ASSERT_SLOW(value.token < value.parser->index.count);
    switch (json_char(&value.parser->index, value.token)) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

size_t json_offset(json_value value)
{
    TD_ASSERT(value.token < value.parser->index.count);
    return (size_t)value.parser->index.starts[value.token] + value.parser->bom_bytes;
}

/* Only containers have an end that was noted. */
static int is_container(json_value value)
{
    uint8_t first = json_char(&value.parser->index, value.token);
    return first == '{' || first == '[';
}

/* The token behind a value. */
static uint32_t token_behind(json_value value)
{
    return is_container(value) ? value.parser->after[value.token] : value.token + 1;
}

td_bytes json_raw(json_value value)
{
    const json_index *index = &value.parser->index;
    TD_ASSERT(value.token < index->count);
    if (!is_container(value))
        return json_token(index, value.token);
    uint32_t start = index->starts[value.token];
    uint32_t last = index->starts[token_behind(value) - 1];
    return td_bytes_of(index->bytes + start, last - start + 1);
}

json_iter json_iter_of(json_value container)
{
    TD_ASSERT(container.token < container.parser->index.count);
    json_iter it = {.parser = container.parser};
    if (!is_container(container))
        return it;
    it.is_object = json_type_of(container) == JSON_OBJECT;
    if (container.parser->after[container.token] != container.token + 2)
        it.token = container.token + 1;
    return it;
}

int json_next(json_iter *iter, json_value *key, json_value *element)
{
    if (iter->token == 0)
        return 0;
    uint32_t token = iter->token;
    if (iter->is_object) {
        if (key != NULL)
            *key = (json_value){iter->parser, token};
        token += 2;
    }
    *element = (json_value){iter->parser, token};
    uint32_t behind = token_behind(*element);
    TD_ASSERT(behind > token);
    iter->token = json_char(&iter->parser->index, behind) == ',' ? behind + 1 : 0;
    return 1;
}

size_t json_count(json_value container)
{
    size_t count = 0;
    json_value element;
    for (json_iter it = json_iter_of(container); json_next(&it, NULL, &element);)
        count++;
    return count;
}

int json_find_key(json_value object, td_bytes key, json_value *out)
{
    json_value name = object;
    json_value element;
    td_bytes text;
    if (json_type_of(object) != JSON_OBJECT)
        return 0;
    for (json_iter it = json_iter_of(object); json_next(&it, &name, &element);) {
        if (json_text(name, &text) && td_bytes_equal(text, key)) {
            *out = element;
            return 1;
        }
    }
    return 0;
}

int json_find(json_value object, const char *key, json_value *out)
{
    return json_find_key(object, td_bytes_str(key), out);
}

int json_find_text(json_value object, const char *key, td_bytes *out)
{
    json_value value;
    return json_find(object, key, &value) && json_text(value, out);
}

int json_find_u64(json_value object, const char *key, uint64_t *out)
{
    json_value value;
    return json_find(object, key, &value) && json_u64(value, out);
}
