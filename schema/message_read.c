#include "schema/message_read.h"

#include "base/assert.h"

static td_bytes key_text(json_value key)
{
    td_bytes text = td_bytes_of(NULL, 0);
    int is_text = json_text(key, &text);
    TD_ASSERT(is_text);
    return text;
}

static written_value written_of(json_value value)
{
    const json_type type = json_type_of(value);
    return (written_value){.type = type,
                           .text = type == JSON_STRING ? key_text(value) : json_raw(value),
                           .json = value,
                           .has_json = 1};
}

static void read_entries(message_builder *b, json_value list)
{
    json_value entry;
    const char *name = message_build_entries_name(b);
    size_t index = 0;
    if (json_type_of(list) != JSON_ARRAY) {
        message_build_fault(b, "%s: no array", name);
        return;
    }
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, &entry); index++) {
        json_value key;
        json_value value;
        message_build_entry(b);
        if (json_type_of(entry) != JSON_OBJECT)
            message_build_fault(b, "%s[%zu]: no object", name, index);
        if (message_build_is_faulty(b))
            return;
        for (json_iter member = json_iter_of(entry); json_next(&member, &key, &value);) {
            const written_value written = written_of(value);
            message_build_member(b, key_text(key), &written);
        }
    }
}

td_result message_read(message_builder *b, json_value object, const char *beside,
                       const message_subject *subject, td_arena *arena, message *out, td_err *err)
{
    json_value key;
    json_value value;
    int has_entries = 0;
    message_build_begin(b, subject, td_bytes_of(NULL, 0), arena);
    if (json_type_of(object) != JSON_OBJECT)
        message_build_fault(b, "no object");
    /* Read "type" first, wherever it is in the object: it determines the name of the member with
     * the entries. */
    if (subject->row == NULL && json_find(object, "type", &value)) {
        const written_value written = written_of(value);
        message_build_head(b, td_bytes_str("type"), &written);
    }
    for (json_iter it = json_iter_of(object); json_next(&it, &key, &value);) {
        const written_value written = written_of(value);
        td_bytes name = key_text(key);
        if (beside != NULL && td_bytes_is(name, beside))
            continue;
        if (!td_bytes_is(name, message_build_entries_name(b))) {
            message_build_head(b, name, &written);
            continue;
        }
        if (has_entries++ > 0)
            message_build_fault(b, "%s: twice", message_build_entries_name(b));
        read_entries(b, value);
    }
    return message_build_end(b, out, err);
}
