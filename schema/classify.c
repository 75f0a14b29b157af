/* Classification, in the order of docs/wire.md 1 (which holds for v5 too): the first hit wins. It
 * reads an unchecked index and never judges a frame's validity: that is the decoder's.
 *
 * Expected load: every frame of a recorder. Small frames (all control frames are small) have every
 * key of their object looked at. In larger ones, and in those that begin with a topic and come to
 * "data", entries are not walked over: the keys before them are read forwards, those behind them
 * backwards from the end. Nearly all frames are of that kind and are read without an index
 * (classify_plain.c). */
#include "schema/classify.h"

#include "base/assert.h"
#include "schema/classify_impl.h"
#include "schema/decode_scan.h"

enum {
    TOP_KEYS_MAX = 24,
    SMALL_TOKENS = 96, /* the longest control frame known, an ack of ten topics, has about 60 */
};

#define KEY(text)                                                                                  \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }
static const td_bytes KNOWN[KNOWN_COUNT] = {
    [KNOWN_E] = KEY("e"),
    [KNOWN_TIME_E] = KEY("E"),
    [KNOWN_OP] = KEY("op"),
    [KNOWN_TYPE] = KEY("type"),
    [KNOWN_DATA] = KEY("data"),
    [KNOWN_PONG] = KEY("pong"),
    [KNOWN_PING] = KEY("ping"),
    [KNOWN_AUTH] = KEY("auth"),
    [KNOWN_CODE] = KEY("code"),
    [KNOWN_TOPIC] = KEY("topic"),
    [KNOWN_EVENT] = KEY("event"),
    [KNOWN_RET_MSG] = KEY("ret_msg"),
    [KNOWN_SUCCESS] = KEY("success"),
    [KNOWN_REQUEST] = KEY("request"),
    [KNOWN_RET_CODE] = KEY("retCode"),
};

/* The first known key of each size; those of the next larger size follow. */
enum { KNOWN_BYTES_MAX = 7 };
static const uint8_t FIRST_OF_SIZE[KNOWN_BYTES_MAX + 2] = {
    KNOWN_E,     KNOWN_E,       KNOWN_OP,      KNOWN_TYPE,  KNOWN_TYPE,
    KNOWN_TOPIC, KNOWN_RET_MSG, KNOWN_RET_MSG, KNOWN_COUNT,
};

known_key known_key_find(td_bytes key)
{
    if (key.size > KNOWN_BYTES_MAX)
        return KNOWN_COUNT;
    for (unsigned i = FIRST_OF_SIZE[key.size]; i < FIRST_OF_SIZE[key.size + 1]; i++) {
        TD_ASSERT_SLOW(KNOWN[i].size == key.size);
        if (KNOWN[i].data[0] == key.data[0] && memcmp(KNOWN[i].data, key.data, key.size) == 0)
            return (known_key)i;
    }
    return KNOWN_COUNT;
}

/* Keys of a frame's object, with the tokens of their values. */
typedef struct top_keys {
    td_bytes key[TOP_KEYS_MAX];
    uint32_t value[TOP_KEYS_MAX];
    uint32_t count;
    uint32_t known[KNOWN_COUNT]; /* token of the first value of each known key; 0: not there */
} top_keys;

static void add_key(top_keys *top, const json_index *index, uint32_t token)
{
    td_bytes key = json_string_token(index, token);
    if (key.data == NULL || top->count == TOP_KEYS_MAX)
        return;
    top->key[top->count] = key;
    top->value[top->count++] = token + 2;
    known_key known = known_key_find(key);
    if (known != KNOWN_COUNT && top->known[known] == 0)
        top->known[known] = token + 2;
}

static int is_scalar_at(const json_index *index, uint32_t token)
{
    uint8_t first = json_char(index, token);
    return first != '{' && first != '[' && first != 0;
}

/* Read keys forwards from token; stops behind the last one, or, if asked, in front of a container.
 * Returns the token it stopped at. */
typedef enum stop { STOP_AT_END, STOP_AT_CONTAINER } stop;
static uint32_t read_forwards(top_keys *top, const json_index *index, uint32_t token, stop where)
{
    while (json_char(index, token) == '"' && json_char(index, token + 1) == ':') {
        add_key(top, index, token);
        if (where == STOP_AT_CONTAINER && !is_scalar_at(index, token + 2))
            return token + 2;
        token = json_skip_value(index, token + 2);
        if (json_char(index, token) != ',')
            return token;
        token++;
    }
    return token;
}

/* Read keys with scalars backwards from the end of the frame: "key" : value , … } */
static void read_backwards(top_keys *top, const json_index *index, uint32_t first)
{
    uint32_t token = index->count - 1;
    while (token > first + 4) {
        uint8_t value = json_char(index, token - 1);
        if (value == '}' || value == ']' || json_char(index, token - 2) != ':' ||
            json_char(index, token - 3) != '"')
            return;
        add_key(top, index, token - 3);
        if (json_char(index, token - 4) != ',')
            return;
        token -= 4;
    }
}

/* 1 if the container at token is the data of a frame that begins with its topic. */
static int is_topic_data(const top_keys *top, uint32_t token)
{
    return top->count > 0 && top->known[KNOWN_DATA] == token && td_bytes_is(top->key[0], "topic");
}

/* The keys of the frame's own object. */
static void read_top(top_keys *top, const json_index *index)
{
    TD_ASSERT(json_char(index, 0) == '{');
    uint32_t token = read_forwards(top, index, 1, STOP_AT_CONTAINER);
    if (token >= index->count || is_scalar_at(index, token))
        return;
    int is_whole = json_char(index, index->count - 1) == '}';
    if (is_whole && (index->count > SMALL_TOKENS || is_topic_data(top, token))) {
        read_backwards(top, index, token);
        return;
    }
    token = json_skip_value(index, token);
    if (json_char(index, token) == ',')
        read_forwards(top, index, token + 1, STOP_AT_END);
}

/* Token of a key's value; 0 if it is not there. Keys with escapes are not looked for: no exchange
 * writes any here, and the decoder resolves them. */
static uint32_t find(const top_keys *top, td_bytes key)
{
    for (uint32_t i = 0; i < top->count; i++)
        if (td_bytes_equal(top->key[i], key))
            return top->value[i];
    return 0;
}

/* A string value; empty if it is none. */
static td_bytes find_text(const top_keys *top, const json_index *index, known_key key)
{
    uint32_t token = top->known[key];
    if (token == 0 || token >= index->count)
        return td_bytes_of(NULL, 0);
    return json_string_token(index, token);
}

/* What an answer says: 1, 0, or -1 for nothing. */
static int8_t find_success(const top_keys *top, const json_index *index, known_key key)
{
    uint32_t token = top->known[key];
    if (token == 0 || token >= index->count)
        return -1;
    td_bytes text = json_token(index, token);
    if (td_bytes_is(text, "true") || td_bytes_is(text, "\"success\""))
        return 1;
    return td_bytes_is(text, "false") || td_bytes_is(text, "\"fail\"") ? 0 : -1;
}

/* The op of the request that an ack of dialect A echoes. */
static td_bytes echoed_op(const top_keys *top, const json_index *index)
{
    uint32_t token = top->known[KNOWN_REQUEST];
    top_keys inside = {0};
    if (token == 0 || json_char(index, token) != '{')
        return td_bytes_of(NULL, 0);
    read_forwards(&inside, index, token + 1, STOP_AT_END);
    return find_text(&inside, index, KNOWN_OP);
}

/* An answer with "success": what it answers decides. */
static frame_class classify_answer(const top_keys *top, const json_index *index, int8_t success)
{
    td_bytes op = find_text(top, index, KNOWN_OP);
    if (op.size == 0)
        op = echoed_op(top, index);
    if (td_bytes_is(op, "auth"))
        return CLASS_AUTH;
    if (success != 0 || td_bytes_is(op, "subscribe") || td_bytes_is(op, "unsubscribe"))
        return CLASS_ACK;
    return CLASS_ERROR;
}

/* Control frames of all dialects; CLASS_UNKNOWN if it is none of them. Order of the rules:
 * docs/wire.md 1, points 3 to 9. */
static frame_class classify_control(const top_keys *top, const json_index *index,
                                    classification *out)
{
    td_bytes type = find_text(top, index, KNOWN_TYPE);
    td_bytes op = find_text(top, index, KNOWN_OP);
    if (top->known[KNOWN_PONG])
        return CLASS_PONG;
    if (top->known[KNOWN_PING])
        return CLASS_PING;
    if (td_bytes_is(op, "pong") || td_bytes_is(find_text(top, index, KNOWN_RET_MSG), "pong"))
        return CLASS_PONG;
    out->success = find_success(top, index, KNOWN_SUCCESS);
    if (td_bytes_is(type, "AUTH_RESP"))
        return CLASS_AUTH;
    if (td_bytes_is(type, "COMMAND_RESP"))
        return CLASS_ACK;
    if (top->known[KNOWN_AUTH]) {
        out->success = find_success(top, index, KNOWN_AUTH);
        return CLASS_AUTH;
    }
    if (top->known[KNOWN_SUCCESS])
        return classify_answer(top, index, out->success);
    if (top->known[KNOWN_CODE] || top->known[KNOWN_EVENT]) {
        td_bytes code = find_text(top, index, KNOWN_CODE);
        out->success = (int8_t)(code.data == NULL ? -1 : td_bytes_is(code, "0"));
        return out->success == 0 && !top->known[KNOWN_EVENT] ? CLASS_ERROR : CLASS_ACK;
    }
    if (top->known[KNOWN_RET_CODE])
        return CLASS_ERROR;
    return CLASS_UNKNOWN;
}

/* ---- the exchange's time of a data frame ---- */

/* A time as a row's field writes it. Numbers and plain strings only: what the decoder would refuse
 * is no time here. */
static uint64_t read_time(decoder *d, const field_row *field, uint32_t token)
{
    json_parser *parser = d->parser;
    msg_value value;
    decode_error why;
    if (token == 0 || token >= parser->index.count || !is_scalar_at(&parser->index, token))
        return 0;
    const uint8_t *text = parser->index.bytes + parser->index.starts[token];
    uint64_t unit_ns = field_unit_ns(field->unit);
    uint64_t ns = 0;
    if (unit_ns != 0 && token + 1 < parser->index.count &&
        scan_time(text, unit_ns, &ns) == parser->index.bytes + parser->index.starts[token + 1])
        return ns;
    parser->has_escapes = 0; /* of this text nobody has made room for any */
    if (!decode_field(d, field, (json_value){parser, token}, &value, &why) ||
        value.type != VALUE_TIME_NS)
        return 0;
    return value.as.time_ns;
}

/* The value that a path leads to from a frame's keys; 0 if there is none. */
static uint32_t follow(const top_keys *top, const json_index *index, const char *path)
{
    size_t size = strcspn(path, ".");
    uint32_t token = find(top, td_bytes_of(path, size));
    while (token != 0 && path[size] == '.') {
        top_keys inside = {0};
        if (json_char(index, token) != '{')
            return 0;
        read_forwards(&inside, index, token + 1, STOP_AT_END);
        path += size + 1;
        size = strcspn(path, ".");
        token = find(&inside, td_bytes_of(path, size));
    }
    return token;
}

/* Time of the first entry at a path, by the row's fields; the preferred spelling first. */
static uint64_t first_entry_time(decoder *d, const topic_row *row, uint32_t token)
{
    const json_index *index = &d->parser->index;
    top_keys entry = {0};
    if (json_char(index, token) == '[')
        token++;
    if (json_char(index, token) != '{')
        return 0;
    read_forwards(&entry, index, token + 1, STOP_AT_END);
    uint64_t found = 0;
    for (size_t i = 0; i < row->field_count; i++) {
        const field_row *field = &row->fields[i];
        if (field->member != row->time_member || field->type != FIELD_TIME)
            continue;
        uint64_t time = read_time(d, field, find(&entry, td_bytes_str(field->key)));
        if (time != 0 && (found == 0 || (field->flags & FIELD_PREFERRED)))
            found = time;
    }
    return found;
}

/* Where a row's time stands: in the envelope, else in the first entry. */
static uint64_t exchange_time(decoder *d, const topic_row *row, const top_keys *top)
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
        uint32_t token = follow(top, index, row->items[i].path);
        uint64_t time = token == 0 ? 0 : first_entry_time(d, row, token);
        if (time != 0)
            return time;
    }
    return 0;
}

/* ---- data ---- */

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

/* A frame with topic and data. */
static void classify_topic(decoder *d, const classify_job *job, const top_keys *top,
                           classification *out)
{
    td_bytes text = find_text(top, &d->parser->index, KNOWN_TOPIC);
    out->frame_class = CLASS_DATA;
    out->exchange_topic = text;
    if (job->of == NULL || !classify_match_topic(d, job->of, text, job->at_ns, &out->topic)) {
        out->topic = (topic_match){.topic = text};
        return;
    }
    out->exchange_ns = exchange_time(d, out->topic.row, top);
}

/* Spot's private frames: an array of events, or one event bare; "e" names the topic. */
static void classify_event(json_parser *parser, uint32_t object, classification *out)
{
    const json_index *index = &parser->index;
    top_keys event = {0};
    if (json_char(index, object) != '{')
        return;
    read_forwards(&event, index, object + 1, STOP_AT_END);
    td_bytes name = find_text(&event, index, KNOWN_E);
    if (name.size == 0 || event.known[KNOWN_TOPIC] || !event.known[KNOWN_TIME_E])
        return;
    out->frame_class = CLASS_DATA;
    out->exchange_topic = name;
    out->topic = (topic_match){.topic = name};
}

static void classify_in(decoder *d, const classify_job *job, classification *out)
{
    json_parser *parser = d->parser;
    const json_index *index = &parser->index;
    uint8_t first = json_char(index, 0);
    if (first == '[') {
        classify_event(parser, 1, out);
        return;
    }
    if (first != '{')
        return;
    top_keys top = {0};
    read_top(&top, index);
    frame_class control = classify_control(&top, index, out);
    if (control != CLASS_UNKNOWN)
        out->frame_class = control;
    else if (find_text(&top, index, KNOWN_TOPIC).size != 0 && top.known[KNOWN_DATA])
        classify_topic(d, job, &top, out);
    else
        classify_event(parser, 0, out);
}

void decoder_classify(decoder *d, const family *of, td_bytes frame, frame_dir dir, uint64_t at_ns,
                      classification *out)
{
    const classify_job job = {of, at_ns};
    *out = (classification){.frame_class = CLASS_UNKNOWN, .success = -1};
    if (dir == DIR_OUT)
        out->frame_class = CLASS_REQUEST;
    if (dir != DIR_IN)
        return;
    if (classify_plain(d, &job, frame, out))
        return;
    if (json_parser_index(d->parser, frame, JSON_PADDED) == TD_OK)
        classify_in(d, &job, out);
}

const char *frame_class_name(frame_class c)
{
    static const char *const NAMES[] = {
        [CLASS_DATA] = "data",       [CLASS_ACK] = "ack",         [CLASS_AUTH] = "auth",
        [CLASS_PING] = "ping",       [CLASS_PONG] = "pong",       [CLASS_ERROR] = "error",
        [CLASS_REQUEST] = "request", [CLASS_UNKNOWN] = "unknown",
    };
    TD_ASSERT(c <= CLASS_UNKNOWN);
    return NAMES[c];
}
