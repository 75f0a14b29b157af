/* Data frames: which row their topic has, and the exchange's time. Where the topic is not one
 * string on the wire it is put together, as the rows say; everybody else knows the one string only.
 */
#include "base/assert.h"
#include "schema/classify_impl.h"
#include "schema/scan.h"

/* Token of a key's value; 0 if it is not there. */
static uint32_t top_keys_find(const top_keys *top, td_bytes key)
{
    for (uint32_t i = 0; i < top->count; i++)
        if (td_bytes_equal(top->key[i], key))
            return top->value[i];
    return 0;
}

/* ---- the exchange's time ---- */

/* A time as a row's field writes it. Numbers and plain strings only: what the decoder would refuse
 * is no time here. */
static uint64_t read_time(decoder *d, const field_row *field, uint32_t token)
{
    json_parser *parser = d->parser;
    msg_value value;
    decode_error why;
    if (token == 0 || token >= parser->index.count || !json_is_scalar_at(&parser->index, token))
        return 0;
    const uint8_t *text = parser->index.bytes + parser->index.starts[token];
    uint64_t unit_ns = field_unit_ns(field->unit);
    uint64_t ns = 0;
    if (unit_ns != 0 && token + 1 < parser->index.count &&
        scan_time(text, unit_ns, &ns) == parser->index.bytes + parser->index.starts[token + 1])
        return ns;
    parser->has_escapes = 0; /* of this text nobody has made room for any */
    if (!decode_field(NULL, field, (json_value){parser, token}, &value, &why) ||
        value.type != VALUE_TIME_NS)
        return 0;
    return value.as.time_ns;
}

/* The value that a path leads to from a frame's keys, through the first element of an array; 0 if
 * there is none. */
static uint32_t follow(const top_keys *top, const json_index *index, const char *path)
{
    size_t size = strcspn(path, ".");
    uint32_t token = top_keys_find(top, td_bytes_of(path, size));
    while (token != 0 && path[size] == '.') {
        top_keys inside = {.keys = top->keys};
        token += json_char(index, token) == '[';
        if (json_char(index, token) != '{')
            return 0;
        top_keys_read(&inside, index, token + 1, STOP_AT_END);
        path += size + 1;
        size = strcspn(path, ".");
        token = top_keys_find(&inside, td_bytes_of(path, size));
    }
    return token;
}

/* Token of a key's value in the object whose first key is at token; 0 if it is not there. Entries
 * have more keys than top_keys holds: an order some 60. */
static uint32_t find_member(const json_index *index, uint32_t token, td_bytes key)
{
    while (json_char(index, token) == '"' && json_char(index, token + 1) == ':') {
        if (td_bytes_equal(json_string_token(index, token), key))
            return token + 2;
        token = json_skip_value(index, token + 2);
        if (json_char(index, token) != ',')
            return 0;
        token++;
    }
    return 0;
}

/* Time of the first entry at a path, by the row's fields; the preferred spelling first. */
static uint64_t first_entry_time(decoder *d, const topic_row *row, uint32_t token)
{
    const json_index *index = &d->parser->index;
    if (json_char(index, token) == '[')
        token++;
    if (json_char(index, token) != '{')
        return 0;
    uint64_t found = 0;
    for (size_t i = 0; i < row->field_count; i++) {
        const field_row *field = &row->fields[i];
        if (field->member != row->time_member || field->type != FIELD_TIME)
            continue;
        uint32_t value = find_member(index, token + 1, td_bytes_str(field->key));
        uint64_t time = read_time(d, field, value);
        if (time != 0 && (found == 0 || (field->flags & FIELD_PREFERRED)))
            found = time;
    }
    return found;
}

/* Where a row's time stands: in the envelope, else in the first entry. */
static uint64_t exchange_time(decoder *d, const topic_row *row, const top_keys *top,
                              uint32_t object)
{
    const json_index *index = &d->parser->index;
    if (row->time_member == MEMBER_NONE)
        return 0;
    for (size_t i = 0; i < row->envelope_count; i++) {
        const field_row *field = &row->envelope[i];
        if (field->member != row->time_member || field->type != FIELD_TIME)
            continue;
        uint64_t time = read_time(d, field, follow(top, index, field->key));
        if (time != 0)
            return time;
    }
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        int is_own = row->items[i].path[0] == '\0';
        uint32_t token = is_own ? object : follow(top, index, row->items[i].path);
        uint64_t time = token == 0 && !is_own ? 0 : first_entry_time(d, row, token);
        if (time != 0)
            return time;
    }
    return 0;
}

/* ---- topics ---- */

/* Which of the decoder's slots a topic's text would lie in. */
static topic_slot *slot_of(decoder *d, td_bytes text)
{
    TD_ASSERT(text.size > 0);
    uint64_t mix = text.size;
    for (size_t i = 1; i <= text.size && i <= 8; i++) /* the end tells symbols apart */
        mix = mix * 31 + text.data[text.size - i];
    mix = mix * 31 + text.data[text.size / 2];
    return &d->topics[mix % DECODER_TOPICS_MAX];
}

/* Is the slot's answer for this text, at that moment? */
static int slot_answers(const topic_slot *slot, const family *of, td_bytes text, uint64_t at_ns)
{
    return slot->of == of && td_bytes_equal(td_bytes_of(slot->text, slot->bytes), text) &&
           (!topic_row_is_dated(slot->row) || topic_row_is_valid(slot->row, at_ns));
}

/* A connection has few topics and many frames. */
int classify_match_topic(decoder *d, const family *of, td_bytes text, uint64_t at_ns,
                         topic_match *out)
{
    if (text.size == 0 || text.size > TOPIC_SLOT_BYTES)
        return topic_match_text(of->topics, of->topic_count, text, at_ns, out);
    topic_slot *slot = slot_of(d, text);
    if (!slot_answers(slot, of, text, at_ns)) {
        if (!topic_match_text(of->topics, of->topic_count, text, at_ns, out))
            return 0;
        TD_ASSERT(text.data != NULL);
        memcpy(slot->text, text.data, text.size);
        slot->of = of;
        slot->row = out->row;
        TD_ASSERT(out->topic.size <= text.size);
        slot->bytes = (uint8_t)text.size;
        slot->topic_bytes = (uint8_t)out->topic.size;
        slot->has_any_symbol = out->symbol.size != 0 && out->topic.size == text.size;
        slot->symbol_bytes = slot->has_any_symbol ? 0 : (uint8_t)out->symbol.size;
        return 1;
    }
    TD_ASSERT(slot->topic_bytes + slot->symbol_bytes <= slot->bytes);
    *out = (topic_match){.row = slot->row, .topic = td_bytes_of(text.data, slot->topic_bytes)};
    if (slot->symbol_bytes != 0)
        out->symbol = td_bytes_of(text.data + slot->topic_bytes + 1, slot->symbol_bytes);
    else if (slot->has_any_symbol)
        out->symbol = td_bytes_str("*");
    return 1;
}

/* A topic that is being put together. */
typedef struct topic_text {
    char *text; /* LIMIT_TOPIC_BYTES */
    size_t size;
} topic_text;

/* Append a part of a topic to what is there, behind a dot. 0: it is none, or does not fit. */
static int add_part(topic_text *out, td_bytes part)
{
    if (part.size == 0 || out->size + 1 + part.size >= LIMIT_TOPIC_BYTES)
        return 0;
    if (out->size > 0)
        out->text[out->size++] = '.';
    memcpy(out->text + out->size, part.data, part.size);
    out->size += part.size;
    return 1;
}

/* A part of a topic that stands elsewhere: a string, or a number as it is written. */
static int add_part_at(decoder *d, const top_keys *top, const char *path, topic_text *out)
{
    json_parser *parser = d->parser;
    uint32_t token = follow(top, &parser->index, path);
    if (token == 0 || token >= parser->index.count || !json_is_scalar_at(&parser->index, token))
        return 0;
    td_bytes text = top_keys_text(top, parser, token);
    return add_part(out, text.data != NULL ? text : json_token(&parser->index, token));
}

/* Put a topic together as a row says, into the decoder's memory. 0: the frame is not of that row.
 */
static int compose(decoder *d, const topic_row *row, const top_keys *top, td_bytes wire,
                   td_bytes *out)
{
    if (row->symbol_path == NULL || wire.size + 1 != strcspn(row->pattern, "{") ||
        memcmp(row->pattern, wire.data, wire.size) != 0)
        return 0;
    topic_text composed = {d->composed, 0};
    if (!add_part(&composed, wire) ||
        (row->parameter_path != NULL && !add_part_at(d, top, row->parameter_path, &composed)) ||
        !add_part_at(d, top, row->symbol_path, &composed))
        return 0;
    *out = td_bytes_of(composed.text, composed.size);
    return 1;
}

/* The row of a frame's topic: as it stands, or put together. *topic becomes what it is. */
static int match_data(decoder *d, const classify_job *job, const top_keys *top, td_bytes *topic,
                      topic_match *out)
{
    td_bytes wire = *topic;
    for (size_t i = 0; i < job->of->topic_count; i++) {
        const topic_row *row = &job->of->topics[i];
        if (compose(d, row, top, wire, topic) &&
            classify_match_topic(d, job->of, *topic, job->at_ns, out))
            return 1;
    }
    *topic = wire;
    return classify_match_topic(d, job->of, wire, job->at_ns, out) && out->row->symbol_path == NULL;
}

/* Fill in what the keys in top say. 1 if nothing is missing. */
static int fill_data(decoder *d, const classify_job *job, const top_keys *top, td_bytes topic,
                     uint32_t object, classification *out)
{
    topic_match match = {.row = NULL};
    int is_known = job->of != NULL && match_data(d, job, top, &topic, &match);
    out->exchange_topic = topic;
    out->topic = is_known ? match : (topic_match){.topic = topic};
    out->exchange_ns = is_known ? exchange_time(d, match.row, top, object) : 0;
    return is_known && (out->exchange_ns != 0 || match.row->time_member == MEMBER_NONE);
}

void classify_data(decoder *d, const classify_job *job, const top_keys *top, uint8_t topic_key,
                   uint32_t object, classification *out)
{
    td_bytes topic = top_keys_text(top, d->parser, top->known[topic_key]);
    if (topic.size == 0)
        return;
    out->frame_class = CLASS_DATA;
    if (fill_data(d, job, top, topic, object, out) || !top->is_partial)
        return;
    /* What is missing may stand between containers. */
    top_keys all = {.keys = top->keys};
    top_keys_read(&all, &d->parser->index, object + 1, STOP_AT_END);
    (void)fill_data(d, job, &all, topic, object, out); /* what is missing now is not there */
}
