#include "schema/bare_frame.h"

#include <stdio.h>
#include <string.h>

/* 1 if the rule is for this frame. */
static int rule_fits(const bare_rule *rule, json_value root)
{
    json_value value;
    td_bytes text;
    if (!json_find_path(root, rule->key, &value))
        return 0;
    return strcmp(rule->text, "*") == 0 ||
           (json_text(value, &text) && td_bytes_is(text, rule->text));
}

/* Append text; 0: it does not fit, or JSON cannot have it between quotes as it is. */
static int add(char out[LIMIT_TOPIC_BYTES], size_t *size, td_bytes text)
{
    if (text.size >= LIMIT_TOPIC_BYTES - *size)
        return 0;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < ' ' || text.data[i] == '"' || text.data[i] == '\\')
            return 0;
    if (text.size > 0)
        memcpy(out + *size, text.data, text.size);
    *size += text.size;
    return 1;
}

/* Compose a topic: {PATH} is a text or number of the frame. */
static size_t compose(const char *form, json_value root, char out[LIMIT_TOPIC_BYTES])
{
    size_t size = 0;
    while (*form != '\0' && *form != '*') {
        json_value value;
        td_bytes text;
        char path[LIMIT_TOPIC_BYTES];
        if (*form != '{') {
            const size_t plain = strcspn(form, "{*");
            if (!add(out, &size, td_bytes_of(form, plain)))
                return 0;
            form += plain;
            continue;
        }
        const size_t name = strcspn(form + 1, "}");
        (void)snprintf(path, sizeof path, "%.*s", (int)name, form + 1); /* checked: it fits */
        if (!json_find_path(root, path, &value) || json_type_of(value) >= JSON_ARRAY)
            return 0;
        if (!json_text(value, &text))
            text = json_raw(value);
        if (text.size == 0 || !add(out, &size, text))
            return 0;
        form += name + 2;
    }
    return size;
}

/* 1 if a value is an object with the members of a data frame. */
static int is_data_frame(const frame_keys *keys, json_value root)
{
    json_value found;
    return json_type_of(root) == JSON_OBJECT &&
           json_find_key(root, keys->names[keys->topic], &found) &&
           json_find_key(root, keys->names[keys->data], &found);
}

int bare_frame_is(const frame_keys *keys, json_parser *parser, td_bytes frame)
{
    json_value root;
    return bare_frame_may_be(keys, frame) &&
           json_parse(parser, frame, JSON_COPIED, &root, NULL) == TD_OK &&
           json_type_of(root) >= JSON_ARRAY && !is_data_frame(keys, root);
}

size_t bare_frame_topic(const frame_keys *keys, json_parser *parser, td_bytes frame,
                        char out[LIMIT_TOPIC_BYTES], int *is_open)
{
    json_value root;
    *is_open = 0;
    if (json_parse(parser, frame, JSON_PADDED, &root, NULL) != TD_OK ||
        json_type_of(root) != JSON_OBJECT || is_data_frame(keys, root))
        return 0;
    for (size_t i = 0; i < keys->bare_count; i++) {
        const bare_rule *rule = &keys->bare[i];
        if (!rule_fits(rule, root))
            continue;
        *is_open = rule->form[strlen(rule->form) - 1] == '*';
        return compose(rule->form, root, out);
    }
    return 0;
}

td_result bare_frame_wrap(const frame_keys *keys, td_bytes topic, td_bytes frame, td_buf *out,
                          td_err *err)
{
    const td_bytes data = keys->names[keys->data];
    td_result rc = td_buf_append(out, keys->data_start.data, keys->data_start.size, err);
    if (rc == TD_OK)
        rc = td_buf_append(out, topic.data, topic.size, err);
    if (rc == TD_OK)
        rc = td_buf_printf(out, err, "\",\"%.*s\":", (int)data.size, (const char *)data.data);
    if (rc == TD_OK)
        rc = td_buf_append(out, frame.data, frame.size, err);
    return rc == TD_OK ? td_buf_append(out, "}", 1, err) : rc;
}

td_bytes bare_frame_strip(const frame_keys *keys, json_parser *parser, td_bytes frame)
{
    json_value root, data;
    if (json_parse(parser, frame, JSON_COPIED, &root, NULL) != TD_OK ||
        !is_data_frame(keys, root) || !json_find_key(root, keys->names[keys->data], &data))
        return frame;
    return json_raw(data);
}
