#include "sim/drift.h"

#include <string.h>

#include "schema/topic.h"
#include "sim/venue.h"

/* A text that replaces bytes [from, until) of a frame. */
typedef struct change {
    size_t from, until;
    const char *before, *after; /* around what is kept of it */
    td_bytes kept;
} change;

static const change NO_CHANGE = {.from = SIZE_MAX};

void drift_maker_fini(drift_maker *self)
{
    json_parser_close(self->parser);
    td_buf_fini(&self->in);
    td_buf_fini(&self->out);
}

static td_bytes text_of(const char *text)
{
    return td_bytes_of(text, strlen(text));
}

/* The first element of lists, down to something else; *value may become an empty list. */
static json_value first_of(json_value value)
{
    json_value element;
    while (json_type_of(value) == JSON_ARRAY) {
        json_iter it = json_iter_of(value);
        if (!json_next(&it, NULL, &element))
            break;
        value = element;
    }
    return value;
}

/* 1 if an object has a field of entries: in frames of another kind a path may lead to something
 * else. */
static int has_field(const topic_row *row, json_value object)
{
    json_value found;
    for (size_t i = 0; i < row->field_count; i++)
        if (json_find(object, row->fields[i].key, &found))
            return 1;
    return 0;
}

/* The first entry at the end of a path. 0: there is none. */
static int find_entry(const topic_row *row, const items_row *items, json_value root,
                      json_value *out)
{
    json_value at = first_of(root);
    for (const char *path = items->path; path[0] != '\0';) {
        size_t size = strcspn(path, ".");
        if (!json_find_key(first_of(at), td_bytes_of(path, size), &at))
            return 0;
        path += size + (path[size] == '.');
    }
    if ((items->flags & ITEMS_POSITIONAL) == 0) {
        *out = first_of(at);
        return has_field(row, *out);
    }
    json_iter it = json_iter_of(at);
    return json_next(&it, NULL, out) && json_count(*out) > 0;
}

/* The frame's first entry, else the frame itself. */
static json_value changed_object(const topic_row *row, json_value root)
{
    json_value entry;
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        if (find_entry(row, &row->items[i], root, &entry))
            return entry;
    return first_of(root);
}

static size_t end_of(json_value value)
{
    return json_offset(value) + json_raw(value).size;
}

static change new_field(json_value object)
{
    int is_object = json_type_of(object) == JSON_OBJECT;
    size_t at = is_object ? json_offset(object) + 1 : end_of(object) - 1;
    return (change){at, at, is_object ? "\"simulated\":\"1\"," : ",\"1\"", "", {0}};
}

/* 1 if a fault concerns a field: FAULT_NEW_TYPE one that is a number, FAULT_LOST_FIELD one that is
 * required. */
static int is_concerned(const field_row *field, fault_kind kind)
{
    if (kind == FAULT_NEW_TYPE)
        return field->type == FIELD_DECIMAL || field->type == FIELD_INTEGER;
    return (field->flags & (FIELD_REQUIRED | FIELD_REQUIRED_TO_SET)) != 0;
}

/* The first member that a fault concerns, and where its key begins; of an array the last. */
static int find_field(const topic_row *row, fault_kind kind, json_value object, json_value *value,
                      size_t *from)
{
    json_value key;
    int is_found = 0;
    if (json_type_of(object) == JSON_ARRAY) {
        for (json_iter it = json_iter_of(object); json_next(&it, NULL, value); is_found = 1)
            *from = json_offset(*value);
        return is_found;
    }
    for (json_iter it = json_iter_of(object); json_next(&it, &key, value);) {
        td_bytes name;
        *from = json_offset(key);
        for (size_t i = 0; i < row->field_count; i++)
            if (is_concerned(&row->fields[i], kind) && json_text(key, &name) &&
                td_bytes_is(name, row->fields[i].key))
                return 1;
    }
    return 0;
}

/* Without the member, and without the comma after it, or before it if it is the last. */
static change lost_field(td_bytes frame, json_value value, size_t from)
{
    size_t until = end_of(value);
    if (frame.data[until] == ',')
        until++;
    else if (frame.data[from - 1] == ',')
        from--;
    return (change){from, until, "", "", {0}};
}

/* 1 if the text is a number in JSON. */
static int is_number(td_bytes text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] >= '0' && text.data[i] <= '9')
            digits++;
        else if (!(text.data[i] == '-' && i == 0) && !(text.data[i] == '.' && digits > 0))
            return 0;
    }
    return digits > 0 && (text.data[0] != '0' || digits == 1 || text.data[1] == '.');
}

static change new_type(json_value value)
{
    td_bytes raw = json_raw(value);
    change done = {json_offset(value), end_of(value), "", "", raw};
    td_bytes inner = raw.size >= 2 ? td_bytes_of(raw.data + 1, raw.size - 2) : raw;
    if (json_type_of(value) != JSON_STRING) {
        done.before = done.after = "\"";
    } else if (is_number(inner)) {
        done.kept = inner;
    } else {
        done.before = "[";
        done.after = "]";
    }
    return done;
}

static change new_topic(const topic_row *row, json_value root)
{
    json_value topic;
    if (!json_find(first_of(root), topic_row_topic_key(row), &topic) ||
        json_type_of(topic) != JSON_STRING)
        return NO_CHANGE;
    size_t at = json_offset(topic) + 1;
    return (change){at, at, "new_", "", {0}};
}

/* The change of a frame of this row. */
static change make_change(fault_kind kind, const topic_row *row, td_bytes frame, json_value root)
{
    json_value value;
    size_t from = 0;
    if (kind == FAULT_NEW_TOPIC)
        return new_topic(row, root);
    json_value object = changed_object(row, root);
    if (kind == FAULT_NEW_FIELD)
        return json_count(object) > 0 ? new_field(object) : NO_CHANGE;
    if (!find_field(row, kind, object, &value, &from))
        return NO_CHANGE;
    return kind == FAULT_LOST_FIELD ? lost_field(frame, value, from) : new_type(value);
}

/* The frame with the change, in self->out. */
static td_result apply(drift_maker *self, td_bytes frame, const change *done, td_err *err)
{
    const td_bytes parts[] = {td_bytes_of(frame.data, done->from), text_of(done->before),
                              done->kept, text_of(done->after),
                              td_bytes_of(frame.data + done->until, frame.size - done->until)};
    td_result rc = TD_OK;
    td_buf_clear(&self->out);
    for (size_t i = 0; rc == TD_OK && i < sizeof parts / sizeof parts[0]; i++)
        rc = parts[i].size == 0 ? TD_OK
                                : td_buf_append(&self->out, parts[i].data, parts[i].size, err);
    return rc;
}

td_result drift_make(drift_maker *self, fault_kind kind, const family *of,
                     const char *exchange_topic, td_bytes bytes, td_bytes *out, td_err *err)
{
    topic_match match;
    json_value root;
    td_result rc = TD_OK;
    *out = bytes;
    if (!topic_match_text(of->topics, of->topic_count, td_bytes_str(exchange_topic), TOPIC_NOW,
                          &match))
        return TD_OK;
    if (self->parser == NULL) {
        td_buf_init(&self->in, 2 * (size_t)VENUE_FRAME_BYTES_MAX);
        td_buf_init(&self->out, 2 * (size_t)VENUE_FRAME_BYTES_MAX);
        self->parser = json_parser_open(0);
    }
    /* bytes may be what the last call made. */
    td_buf_clear(&self->in);
    if (rc == TD_OK)
        rc = td_buf_append(&self->in, bytes.data, bytes.size, err);
    if (rc == TD_OK)
        rc = json_parse(self->parser, td_buf_view(&self->in), JSON_COPIED, &root, err);
    if (rc != TD_OK)
        return rc;
    const change done = make_change(kind, match.row, td_buf_view(&self->in), root);
    if (done.from == NO_CHANGE.from)
        return TD_OK;
    rc = apply(self, td_buf_view(&self->in), &done, err);
    *out = td_buf_view(&self->out);
    return rc;
}
