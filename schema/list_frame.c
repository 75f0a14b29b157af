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

/* 1 if there is space for the object, and for padding. */
static int fits(const list_names *names, td_bytes frame, td_buf *out)
{
    enum { MARKS = 6 }; /* of a name: quotes, colon, comma and brackets */
    size_t size = frame.size + JSON_PADDING_BYTES;
    for (size_t i = 0; i < names->count; i++)
        size += strlen(names->names[i]) + MARKS;
    return td_buf_reserve(out, size, NULL) == TD_OK;
}

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
        token++;
        const int is_list = i == names->rest && (taken > 1 || json_char(index, token) != '[');
        const td_bytes value = take(index, &token, taken);
        add(out, i == 0 ? "{\"" : ",\"");
        add(out, names->names[i]);
        add(out, is_list ? "\":[" : "\":");
        td_buf_add(out, value.data, value.size);
        add(out, is_list ? "]" : "");
    }
    add(out, "}");
    return 1;
}
