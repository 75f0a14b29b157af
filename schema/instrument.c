#include "schema/instrument.h"

#include <string.h>

/* Find the object of a list that has this text as this member: "key=text". */
static int find_object(json_value list, td_bytes condition, json_value *out)
{
    const uint8_t *equals = memchr(condition.data, '=', condition.size);
    const size_t size = equals == NULL ? condition.size : (size_t)(equals - condition.data);
    const td_bytes wanted = td_bytes_of(condition.data + size + 1, condition.size - size - 1);
    json_value member;
    td_bytes text;
    if (equals == NULL || json_type_of(list) != JSON_ARRAY)
        return 0;
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, out);)
        if (json_type_of(*out) == JSON_OBJECT &&
            json_find_key(*out, td_bytes_of(condition.data, size), &member) &&
            json_text(member, &text) && td_bytes_equal(text, wanted))
            return 1;
    return 0;
}

/* Find a member. A path "a.b" is member b of the object in member a; "a[k=t].b" of the object in
 * the list a whose member k is t. */
static int find_member(json_value entry, td_bytes path, json_value *out)
{
    const uint8_t *dot = memchr(path.data, '.', path.size);
    const size_t size = dot == NULL ? path.size : (size_t)(dot - path.data);
    const uint8_t *open = memchr(path.data, '[', size);
    const size_t name = open == NULL ? size : (size_t)(open - path.data);
    if (!json_find_key(entry, td_bytes_of(path.data, name), out))
        return 0;
    if (open != NULL) {
        const json_value list = *out;
        if (!find_object(list, td_bytes_of(open + 1, size - name - 2), out))
            return 0;
    }
    return dot == NULL || find_member(*out, td_bytes_of(dot + 1, path.size - size - 1), out);
}

static int is_empty_text(json_value value)
{
    td_bytes text;
    return json_type_of(value) == JSON_STRING && json_text(value, &text) && text.size == 0;
}

int instrument_find_path(json_value entry, const char *paths, json_value *out)
{
    const char *path = paths;
    while (path != NULL) {
        const char *end = strchrnul(path, '|');
        if (find_member(entry, td_bytes_of(path, (size_t)(end - path)), out) &&
            !is_empty_text(*out))
            return 1;
        path = *end == '\0' ? NULL : end + 1;
    }
    return 0;
}

int instrument_find(const instrument_lists *lists, json_value entry, instrument_value which,
                    json_value *out)
{
    return instrument_find_path(entry, lists->members[which], out);
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
    if (of->lists->category != NULL && json_find_text(of->result, of->lists->category, &text) &&
        text.size > 0)
        return text;
    while (!matches_sign(entry, sign))
        sign++;
    return td_bytes_str(sign->category);
}

int instrument_reply_read(const instrument_lists *lists, json_value reply, instrument_reply *out)
{
    *out = (instrument_reply){.lists = lists};
    const int is_whole = lists->result != NULL && strcmp(lists->result, "*") == 0;
    out->result = reply;
    if (!is_whole &&
        !json_find(reply, lists->result == NULL ? "result" : lists->result, &out->result))
        return 0;
    out->list = out->result;
    int is_found = json_type_of(out->result) == JSON_ARRAY;
    for (size_t i = 0; !is_found && lists->lists[i] != NULL; i++)
        is_found = strcmp(lists->lists[i], "*") == 0 ||
                   json_find(out->result, lists->lists[i], &out->list);
    if (lists->page != NULL)
        (void)json_find_text(out->result, lists->page, &out->page); /* absent: one page */
    return is_found;
}
