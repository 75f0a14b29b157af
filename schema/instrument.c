#include "schema/instrument.h"

#include <string.h>

/* Find a member. A path "a.b" is member b of the object in member a. */
static int find_member(json_value entry, td_bytes path, json_value *out)
{
    const uint8_t *dot = memchr(path.data, '.', path.size);
    size_t size = dot == NULL ? path.size : (size_t)(dot - path.data);
    if (!json_find_key(entry, td_bytes_of(path.data, size), out))
        return 0;
    return dot == NULL || find_member(*out, td_bytes_of(dot + 1, path.size - size - 1), out);
}

int instrument_find(const instrument_lists *lists, json_value entry, instrument_value which,
                    json_value *out)
{
    const char *path = lists->members[which];
    while (path != NULL) {
        const char *end = strchrnul(path, '|');
        if (find_member(entry, td_bytes_of(path, (size_t)(end - path)), out))
            return 1;
        path = *end == '\0' ? NULL : end + 1;
    }
    return 0;
}

static int matches_sign(json_value entry, const category_sign *sign)
{
    td_bytes text;
    json_value ignored;
    return sign->member == NULL ||
           (json_find(entry, sign->member, &ignored) &&
            (sign->text_member == NULL ||
             (json_find_text(entry, sign->text_member, &text) && td_bytes_is(text, sign->text))));
}

td_bytes instrument_category(const instrument_reply *of, json_value entry)
{
    td_bytes text = {0};
    const category_sign *sign = of->lists->signs;
    if (json_find_text(of->result, of->lists->category, &text) && text.size > 0)
        return text;
    while (!matches_sign(entry, sign))
        sign++;
    return td_bytes_str(sign->category);
}

int instrument_reply_read(const instrument_lists *lists, json_value reply, instrument_reply *out)
{
    *out = (instrument_reply){.lists = lists};
    if (!json_find(reply, "result", &out->result))
        return 0;
    out->list = out->result;
    int is_found = json_type_of(out->result) == JSON_ARRAY;
    for (size_t i = 0; !is_found && lists->lists[i] != NULL; i++)
        is_found = json_find(out->result, lists->lists[i], &out->list);
    (void)json_find_text(out->result, lists->page, &out->page); /* absent: one page */
    return is_found;
}
