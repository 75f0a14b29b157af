/* Values kept as JSON text (FIELD_JSON), in one form for all spellings: objects whose members are
 * not known beforehand, such as fees by coin. */
#include "base/alloc.h"
#include "base/assert.h"
#include "schema/decode_impl.h"

/* Text on its way. */
typedef struct json_out {
    uint8_t *at;
    const uint8_t *end;
    uint8_t is_full; /* there was no room for all of it */
} json_out;

/* A member of an object, to be sorted. */
typedef struct json_member {
    td_bytes key; /* as it stands in the text, with its quotes */
    json_value value;
} json_member;

static void put(json_out *out, td_bytes bytes)
{
    TD_ASSERT(out->at <= out->end);
    if ((size_t)(out->end - out->at) < bytes.size) {
        out->is_full = 1;
        return;
    }
    if (bytes.size > 0)
        memcpy(out->at, bytes.data, bytes.size);
    out->at += bytes.size;
}

static void put_char(json_out *out, char c)
{
    put(out, td_bytes_of(&c, 1));
}

static void put_value(json_out *out, json_value value);

static void put_member(json_out *out, const json_member *member, size_t index)
{
    if (index > 0)
        put_char(out, ',');
    put(out, member->key);
    put_char(out, ':');
    put_value(out, member->value);
}

static int is_before(td_bytes a, td_bytes b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order < 0 || (order == 0 && a.size < b.size);
}

/* The members of a small object, sorted by insertion: equal keys stay in the order of the text. */
static size_t sort_members(json_value object, json_member members[JSON_SORTED_MEMBERS_MAX])
{
    json_value key;
    json_value element;
    size_t count = 0;
    for (json_iter it = json_iter_of(object); json_next(&it, &key, &element); count++) {
        TD_ASSERT(count < JSON_SORTED_MEMBERS_MAX);
        td_bytes text = json_raw(key);
        size_t at = count;
        for (; at > 0 && is_before(text, members[at - 1].key); at--)
            members[at] = members[at - 1];
        members[at] = (json_member){text, element};
    }
    return count;
}

static void put_object(json_out *out, json_value object)
{
    json_member members[JSON_SORTED_MEMBERS_MAX];
    json_value key;
    json_value element;
    size_t index = 0;
    put_char(out, '{');
    if (json_count(object) <= JSON_SORTED_MEMBERS_MAX) {
        size_t count = sort_members(object, members);
        for (; index < count; index++)
            put_member(out, &members[index], index);
    } else {
        for (json_iter it = json_iter_of(object); json_next(&it, &key, &element); index++)
            put_member(out, &(json_member){json_raw(key), element}, index);
    }
    put_char(out, '}');
}

/* Recursion is as deep as the text, which is checked: LIMIT_JSON_DEPTH. */
static void put_value(json_out *out, json_value value)
{
    json_value element;
    size_t index = 0;
    switch (json_type_of(value)) {
    case JSON_OBJECT:
        put_object(out, value);
        return;
    case JSON_ARRAY:
        put_char(out, '[');
        for (json_iter it = json_iter_of(value); json_next(&it, NULL, &element); index++) {
            if (index > 0)
                put_char(out, ',');
            put_value(out, element);
        }
        put_char(out, ']');
        return;
    case JSON_NULL:
    case JSON_BOOL:
    case JSON_NUMBER:
    case JSON_STRING:
        break;
    }
    put(out, json_raw(value));
}

/* The texts of a frame are never longer than the frame, as rows name each value once: room is made
 * once, and views stay. */
int decode_json_text(decoder *d, json_value value, td_bytes *out)
{
    size_t frame_bytes = value.parser->index.size;
    if (d->json_texts_bytes == 0 && d->json_texts_capacity < frame_bytes) {
        td_free(d->json_texts);
        d->json_texts = td_alloc(frame_bytes);
        d->json_texts_capacity = d->json_texts == NULL ? 0 : frame_bytes;
        if (d->json_texts == NULL)
            return 0;
    }
    json_out text = {.at = d->json_texts + d->json_texts_bytes,
                     .end = d->json_texts + d->json_texts_capacity};
    uint8_t *begin = text.at;
    put_value(&text, value);
    *out = td_bytes_of(begin, (size_t)(text.at - begin));
    d->json_texts_bytes += out->size;
    TD_ASSERT(d->json_texts_bytes <= d->json_texts_capacity);
    return !text.is_full;
}
