#include "drift/schema_usage.h"

#include "base/alloc.h"
#include "base/assert.h"

struct schema_usage {
    usage_topic **topics; /* of all families, in the order of these and of their rows */
    size_t count;
};

/* ---- a topic ---- */

static size_t count_values(const value_row *row)
{
    size_t count = 0;
    while (row != NULL && row->values[count] != NULL)
        count++;
    return count;
}

static usage_field *open_fields(const family *of, const field_row *rows, size_t count)
{
    usage_field *out = td_alloc_zero(count, sizeof *out);
    for (size_t i = 0; i < count; i++) {
        out[i].row = &rows[i];
        out[i].values = family_values(of, &rows[i]);
        out[i].value_count = count_values(out[i].values);
        out[i].value_counts = td_alloc_zero(out[i].value_count, sizeof *out[i].value_counts);
    }
    return out;
}

static void close_fields(usage_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        td_free(fields[i].value_counts);
    td_free(fields);
}

usage_topic *usage_topic_open(const family *of, const topic_row *row)
{
    usage_topic *made = td_alloc_zero(1, sizeof *made);
    made->of = of;
    made->row = row;
    made->envelope = open_fields(of, row->envelope, row->envelope_count);
    made->fields = open_fields(of, row->fields, row->field_count);
    return made;
}

void usage_topic_close(usage_topic *topic)
{
    if (topic == NULL)
        return;
    close_fields(topic->envelope, topic->row->envelope_count);
    close_fields(topic->fields, topic->row->field_count);
    td_free(topic);
}

static void count_field(usage_field *field, json_value value)
{
    td_bytes text;
    field->count++;
    if (field->value_count == 0 || !json_text(value, &text))
        return;
    for (size_t i = 0; i < field->value_count; i++)
        if (td_bytes_is(text, field->values->values[i])) {
            field->value_counts[i]++;
            return;
        }
}

static void count_member(usage_topic *topic, const frame_survey *survey, const survey_member *m)
{
    const json_value value = {survey->root.parser, m->token};
    switch ((survey_what)m->what) {
    case SURVEY_KIND: /* counted by the frame */
        return;
    case SURVEY_ENTRY:
        TD_ASSERT(m->place < TOPIC_ITEMS_MAX);
        topic->items[m->place]++;
        return;
    case SURVEY_FIELD:
        count_field(m->place == SURVEY_ENVELOPE ? &topic->envelope[m->index]
                                                : &topic->fields[m->index],
                    value);
        return;
    }
}

void usage_topic_count(usage_topic *topic, uint64_t recv_ns, const drift_look *look)
{
    TD_ASSERT(look->row == topic->row);
    if (topic->frames++ == 0 || recv_ns < topic->first_ns)
        topic->first_ns = recv_ns;
    if (recv_ns > topic->last_ns)
        topic->last_ns = recv_ns;
    if (look->survey == NULL) {
        topic->undecoded++;
        return;
    }
    TD_ASSERT(look->kind < FRAME_ANY);
    topic->kinds[look->kind]++;
    for (size_t i = 0; i < look->survey->member_count; i++)
        count_member(topic, look->survey, &look->survey->members[i]);
}

/* ---- all topics ---- */

schema_usage *usage_open(void)
{
    schema_usage *made = td_alloc_zero(1, sizeof *made);
    size_t family_count = 0;
    const family *const *all = family_table(&family_count);
    for (size_t i = 0; i < family_count; i++)
        for (size_t k = 0; k < all[i]->topic_count; k++) {
            made->topics = td_array_grow(made->topics, made->count, sizeof(usage_topic *));
            made->topics[made->count++] = usage_topic_open(all[i], &all[i]->topics[k]);
        }
    return made;
}

void usage_close(schema_usage *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++)
        usage_topic_close(self->topics[i]);
    td_free(self->topics);
    td_free(self);
}

static void add_fields(usage_field *to, const usage_field *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i].count += from[i].count;
        for (size_t k = 0; k < from[i].value_count; k++)
            to[i].value_counts[k] += from[i].value_counts[k];
    }
}

void usage_add(schema_usage *self, const usage_topic *topic)
{
    const topic_row *row = topic->row;
    size_t index = 0;
    while (index < self->count &&
           (self->topics[index]->of != topic->of || self->topics[index]->row != row))
        index++;
    TD_ASSERT(index < self->count); /* all families are there */
    usage_topic *to = self->topics[index];
    if (topic->frames > 0 && (to->frames == 0 || topic->first_ns < to->first_ns))
        to->first_ns = topic->first_ns;
    if (topic->last_ns > to->last_ns)
        to->last_ns = topic->last_ns;
    to->frames += topic->frames;
    to->undecoded += topic->undecoded;
    for (size_t i = 0; i < FRAME_ANY; i++)
        to->kinds[i] += topic->kinds[i];
    for (size_t i = 0; i < TOPIC_ITEMS_MAX; i++)
        to->items[i] += topic->items[i];
    add_fields(to->envelope, topic->envelope, row->envelope_count);
    add_fields(to->fields, topic->fields, row->field_count);
}

const usage_topic *const *usage_topics(const schema_usage *self, size_t *count)
{
    *count = self->count;
    return (const usage_topic *const *)self->topics;
}

int usage_has_family(const schema_usage *self, const family *of)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->topics[i]->of == of && self->topics[i]->frames > 0)
            return 1;
    return 0;
}
