#include "schema/list_frame.h"

#include <string.h>

#include "base/json/json_tokens.h"

/* The bytes of the elements from one token to the one after another; *token becomes that of the
 * comma or bracket after them. */
static td_bytes take(const json_index *index, uint32_t *token, size_t count)
{
    const uint32_t begin = index->starts[*token];
    for (size_t i = 0; i < count; i++)
        *token = json_skip_value(index, *token + (i > 0));
    return td_bytes_of(index->bytes + begin, index->starts[*token] - begin);
}

/* The number of elements of the list at the first token; 0 if the text is not one list. */
static size_t count_elements(const json_index *index)
{
    size_t count = 0;
    uint32_t token = 0;
    if (json_char(index, 0) != '[')
        return 0;
    do {
        token = json_skip_value(index, token + 1);
        count++;
    } while (json_char(index, token) == ',');
    return json_char(index, token) == ']' && token + 1 == index->count ? count : 0;
}

static void add(td_buf *out, const char *text)
{
    td_buf_add(out, text, strlen(text));
}

enum { MARKS = 6 }; /* of a name: quotes, colon, comma and brackets */

/* 1 if there is space for the object, and for padding. */
static int fits(const list_names *names, td_bytes frame, td_buf *out)
{
    size_t size = frame.size + JSON_PADDING_BYTES;
    for (size_t i = 0; i < names->count; i++)
        size += strlen(names->names[i]) + MARKS;
    return td_buf_reserve(out, size, NULL) == TD_OK;
}

/* 1 if the value at a token is the list of entries itself: entries are objects or lists. */
static int is_entries(const json_index *index, uint32_t token)
{
    const uint8_t first = json_char(index, token + 1);
    return json_char(index, token) == '[' && (first == '{' || first == '[' || first == ']');
}

/* ---- entries with ids ---- */

/* An entry while the list of entries is written. */
typedef struct keyed_list {
    const json_index *index;
    const char *key;
    td_buf *out;
    size_t count; /* of entries so far */
} keyed_list;

/* Write the object at a token, with the id before it. Returns 0 if it is no object, or if there is
 * no space for the key. */
static int add_keyed(keyed_list *list, td_bytes id, uint32_t token)
{
    const json_index *index = list->index;
    const uint32_t last = json_skip_value(index, token) - 1;
    if (json_char(index, token) != '{' || last == token || json_char(index, last) != '}' ||
        td_buf_reserve(list->out, strlen(list->key) + MARKS + JSON_PADDING_BYTES, NULL) != TD_OK)
        return 0;
    const uint32_t begin = index->starts[token] + 1;
    add(list->out, list->count++ > 0 ? ",{\"" : "{\"");
    add(list->out, list->key);
    add(list->out, "\":\"");
    td_buf_add(list->out, id.data, id.size);
    add(list->out, last == token + 1 ? "\"" : "\",");
    td_buf_add(list->out, index->bytes + begin, index->starts[last] + 1 - begin);
    return 1;
}

/* Write the entries of the object at a token: at least one. */
static int add_ids(keyed_list *list, uint32_t token)
{
    const json_index *index = list->index;
    uint32_t after = token;
    if (json_char(index, token) != '{')
        return 0;
    do {
        const uint32_t at = after + 1;
        if (json_char(index, at) != '"' || json_char(index, at + 1) != ':' ||
            !add_keyed(list, json_string_token(index, at), at + 2))
            return 0;
        after = json_skip_value(index, at + 2);
    } while (json_char(index, after) == ',');
    return json_char(index, after) == '}';
}

/* Write the list of entries: `taken` elements from a token on, which have commas in between, or the
 * elements of the only one, which is a list. */
static int add_entries(const json_index *index, const char *key, uint32_t token, size_t taken,
                       td_buf *out)
{
    keyed_list list = {.index = index, .key = key, .out = out};
    const int is_list = taken == 1 && json_char(index, token) == '[';
    const uint32_t end = is_list ? json_skip_value(index, token) - 1 : 0;
    uint32_t at = token + (uint32_t)is_list;
    add(out, "[");
    for (size_t i = 0; is_list ? at != end : i < taken; i++) {
        if (!add_ids(&list, at))
            return 0;
        at = json_skip_value(index, at);
        const int is_comma = json_char(index, at) == ',';
        if (is_list && (is_comma ? at + 1 == end : at != end))
            return 0;
        at += (uint32_t)is_comma;
    }
    add(out, "]");
    return !is_list || json_char(index, end) == ']';
}

/* ---- frames ---- */

int list_frame_name(const list_names *names, json_parser *parser, td_bytes frame, td_buf *out)
{
    if (frame.size < 2 || *frame.data != '[' ||
        json_parser_index(parser, frame, JSON_PADDED) != TD_OK)
        return 0;
    const json_index *index = json_parser_tokens(parser);
    const size_t count = count_elements(index);
    if (count < names->count)
        return 0;
    td_buf_clear(out);
    if (!fits(names, frame, out))
        return 0;
    uint32_t token = 0;
    for (size_t i = 0; i < names->count; i++) {
        const size_t taken = i == names->rest ? count - names->count + 1 : 1;
        const uint32_t first = ++token;
        const int is_keyed = i == names->rest && names->key != NULL;
        const int is_list =
            !is_keyed && i == names->rest && (taken > 1 || !is_entries(index, token));
        const td_bytes value = take(index, &token, taken);
        add(out, i == 0 ? "{\"" : ",\"");
        add(out, names->names[i]);
        add(out, is_list ? "\":[" : "\":");
        if (is_keyed) {
            if (!add_entries(index, names->key, first, taken, out))
                return 0;
            continue;
        }
        td_buf_add(out, value.data, value.size);
        add(out, is_list ? "]" : "");
    }
    add(out, "}");
    return 1;
}
