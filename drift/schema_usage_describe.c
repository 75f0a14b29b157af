#include "drift/schema_usage_describe.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

/* Of what a topic never had, in the report for people; JSON has all of it. */
enum { NEVER_TEXT_BYTES = 100 };

static const table_column COLUMNS[] = {
    {"family", TABLE_LEFT, "{family}"},        {"topic", TABLE_LEFT, "{topic}"},
    {"frames", TABLE_RIGHT, "{frames}"},       {"undecoded", TABLE_RIGHT, "{undecoded|-}"},
    {"first", TABLE_SPARE_LEFT, "{first_ns}"}, {"last", TABLE_SPARE_LEFT, "{last_ns}"},
    {"entries", TABLE_RIGHT, "{paths_seen}"},  {"fields", TABLE_RIGHT, "{fields_seen}"},
    {"values", TABLE_RIGHT, "{values_seen}"},  {"never", TABLE_LEFT, "{never|-}"},
};

/* How many of something documented there were, and which were never there. */
typedef struct tally {
    uint32_t seen, all;
} tally;

typedef struct summary {
    tally paths, fields, values;
    char never[NEVER_TEXT_BYTES + 32];
    size_t never_size;
    uint32_t never_left_out;
} summary;

/* Note that something was never there: key, or key=value. */
static void note_never(summary *s, const char *key, const char *value)
{
    char text[NEVER_TEXT_BYTES];
    int size = snprintf(text, sizeof text, "%s%s%s%s", s->never_size == 0 ? "" : " ", key,
                        value == NULL ? "" : "=", value == NULL ? "" : value);
    TD_ASSERT(size > 0);
    if (s->never_left_out > 0 || s->never_size + (size_t)size >= NEVER_TEXT_BYTES) {
        s->never_left_out++;
        return;
    }
    memcpy(s->never + s->never_size, text, (size_t)size + 1);
    s->never_size += (size_t)size;
}

static void tally_one(summary *s, tally *of, uint64_t count, const char *key, const char *value)
{
    of->all++;
    if (count > 0)
        of->seen++;
    else
        note_never(s, key, value);
}

static void tally_fields(summary *s, const usage_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tally_one(s, &s->fields, fields[i].count, fields[i].row->key, NULL);
        for (size_t k = 0; k < fields[i].value_count && fields[i].count > 0; k++)
            tally_one(s, &s->values, fields[i].value_counts[k], fields[i].row->key,
                      fields[i].values->values[k]);
    }
}

static void summarize(const usage_topic *topic, summary *s)
{
    const topic_row *row = topic->row;
    *s = (summary){.never_size = 0};
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        tally_one(s, &s->paths, topic->items[i],
                  row->items[i].path[0] == '\0' ? "frame" : row->items[i].path, NULL);
    tally_fields(s, topic->envelope, row->envelope_count);
    tally_fields(s, topic->fields, row->field_count);
    if (s->never_left_out > 0)
        (void)snprintf(s->never + s->never_size, sizeof s->never - s->never_size, " and %u more",
                       s->never_left_out);
}

/* ---- for programs ---- */

static void write_kinds(json_writer *json, const usage_topic *topic)
{
    json_write_member_object_begin(json, "kinds");
    for (size_t i = 0; i < FRAME_ANY; i++)
        json_write_member_u64(json, frame_kind_name((frame_kind)i), topic->kinds[i]);
    json_write_object_end(json);
}

static void write_entries(json_writer *json, const usage_topic *topic)
{
    const items_row *items = topic->row->items;
    json_write_member_array_begin(json, "entries");
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && items[i].path != NULL; i++) {
        json_write_object_begin(json);
        json_write_member_text(json, "path", items[i].path);
        json_write_member_text(json, "kind", frame_kind_name(items[i].kind));
        json_write_member_u64(json, "count", topic->items[i]);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void write_fields(json_writer *json, const char *name, const usage_field *fields,
                         size_t count)
{
    json_write_member_array_begin(json, name);
    for (size_t i = 0; i < count; i++) {
        const usage_field *field = &fields[i];
        json_write_object_begin(json);
        json_write_member_text(json, "key", field->row->key);
        json_write_member_text(json, "member", msg_member_name(field->row->member));
        json_write_member_u64(json, "count", field->count);
        if (field->value_count > 0) {
            json_write_member_object_begin(json, "values");
            for (size_t k = 0; k < field->value_count; k++)
                json_write_member_u64(json, field->values->values[k], field->value_counts[k]);
            json_write_object_end(json);
        }
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

/* ---- a topic ---- */

static void note_tally(result_writer *r, const char *name, const usage_topic *topic, tally of)
{
    if (topic->frames == 0 || of.all == 0)
        result_note(r, name, "-");
    else
        result_note(r, name, "%u/%u", of.seen, of.all);
}

/* Two rows of one topic are distinguished by the date from which they hold. */
static void add_name(result_writer *r, const topic_row *row)
{
    char name[LIMIT_TOPIC_BYTES + 32];
    (void)snprintf(name, sizeof name, "%s%s%s", row->name, row->valid_from == NULL ? "" : "@",
                   row->valid_from == NULL ? "" : row->valid_from); /* rows are short */
    result_text(r, "topic", name);
}

static void describe_topic(result_writer *r, const usage_topic *topic)
{
    const topic_row *row = topic->row;
    json_writer *json = result_json(r);
    summary s;
    summarize(topic, &s);
    result_object_begin(r, NULL);
    result_text(r, "family", topic->of->name);
    add_name(r, row);
    if (json != NULL)
        json_write_member_text(json, "pattern", row->pattern);
    result_count(r, "frames", topic->frames);
    result_count(r, "undecoded", topic->undecoded);
    result_time(r, "first_ns", topic->first_ns);
    result_time(r, "last_ns", topic->last_ns);
    if (json != NULL) {
        write_kinds(json, topic);
        write_entries(json, topic);
        write_fields(json, "frame_fields", topic->envelope, row->envelope_count);
        write_fields(json, "entry_fields", topic->fields, row->field_count);
    }
    note_tally(r, "paths_seen", topic, s.paths);
    note_tally(r, "fields_seen", topic, s.fields);
    note_tally(r, "values_seen", topic, s.values);
    result_note(r, "never", "%s", topic->frames == 0 ? "no frame at all" : s.never);
    result_object_end(r, NULL);
}

void usage_describe(result_writer *r, const schema_usage *of)
{
    size_t count = 0;
    const usage_topic *const *topics = usage_topics(of, &count);
    result_table_begin(r, "coverage", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < count; i++)
        if (usage_has_family(of, topics[i]->of))
            describe_topic(r, topics[i]);
    result_list_end(r);
}
