/* Classification, in the order of wire facts section 1 (and of the v5 ones, 1.1, which agrees): the
 * first hit wins. It reads an unchecked index and never judges a frame's validity: that is the
 * decoder's.
 *
 * Expected load: every frame of a recorder. Small frames (all control frames are small) have every
 * key of their object looked at. In larger ones the entries are not walked over: the keys before
 * them are read forwards, those behind them backwards from the end. */
#include "schema/classify.h"

#include "base/assert.h"
#include "schema/decode_impl.h"

enum {
    TOP_KEYS_MAX = 24,
    SMALL_TOKENS = 96, /* the longest control frame known, an ack of ten topics, has about 60 */
};

/* Keys of a frame's object, with the tokens of their values. */
typedef struct top_keys {
    td_bytes key[TOP_KEYS_MAX];
    uint32_t value[TOP_KEYS_MAX];
    uint32_t count;
} top_keys;

static void add_key(top_keys *top, const json_index *index, uint32_t token)
{
    td_bytes key = json_string_token(index, token);
    if (key.data == NULL || top->count == TOP_KEYS_MAX)
        return;
    top->key[top->count] = key;
    top->value[top->count++] = token + 2;
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

static void read_top(top_keys *top, const json_index *index)
{
    top->count = 0;
    if (index->count <= SMALL_TOKENS || json_char(index, index->count - 1) != '}') {
        read_forwards(top, index, 1, STOP_AT_END);
        return;
    }
    uint32_t token = read_forwards(top, index, 1, STOP_AT_CONTAINER);
    if (token < index->count)
        read_backwards(top, index, token);
}

/* Token of a key's value; 0 if it is not there. Keys with escapes are not looked for: no exchange
 * writes any here, and the decoder resolves them. */
static uint32_t find(const top_keys *top, const char *key)
{
    for (uint32_t i = 0; i < top->count; i++)
        if (td_bytes_is(top->key[i], key))
            return top->value[i];
    return 0;
}

/* A string value; empty if it is none. */
static td_bytes find_text(const top_keys *top, const json_index *index, const char *key)
{
    uint32_t token = find(top, key);
    if (token == 0 || token >= index->count)
        return td_bytes_of(NULL, 0);
    return json_string_token(index, token);
}

static int8_t find_success(const top_keys *top, const json_index *index, const char *key)
{
    uint32_t token = find(top, key);
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
    uint32_t token = find(top, "request");
    top_keys inside = {.count = 0};
    if (token == 0 || json_char(index, token) != '{')
        return td_bytes_of(NULL, 0);
    read_forwards(&inside, index, token + 1, STOP_AT_END);
    return find_text(&inside, index, "op");
}

/* An answer with "success": what it answers decides. */
static frame_class classify_answer(const top_keys *top, const json_index *index, int8_t success)
{
    td_bytes op = find_text(top, index, "op");
    if (op.size == 0)
        op = echoed_op(top, index);
    if (td_bytes_is(op, "auth"))
        return CLASS_AUTH;
    if (success != 0 || td_bytes_is(op, "subscribe") || td_bytes_is(op, "unsubscribe"))
        return CLASS_ACK;
    return CLASS_ERROR;
}

/* Control frames of all dialects; CLASS_UNKNOWN if it is none of them. */
static frame_class classify_control(const top_keys *top, const json_index *index,
                                    classification *out)
{
    td_bytes type = find_text(top, index, "type");
    td_bytes op = find_text(top, index, "op");
    if (find(top, "pong"))
        return CLASS_PONG;
    if (find(top, "ping"))
        return CLASS_PING;
    if (td_bytes_is(op, "pong") || td_bytes_is(find_text(top, index, "ret_msg"), "pong"))
        return CLASS_PONG;
    out->success = find_success(top, index, "success");
    if (td_bytes_is(type, "AUTH_RESP"))
        return CLASS_AUTH;
    if (td_bytes_is(type, "COMMAND_RESP"))
        return CLASS_ACK;
    if (find(top, "auth")) {
        out->success = find_success(top, index, "auth");
        return CLASS_AUTH;
    }
    if (find(top, "success"))
        return classify_answer(top, index, out->success);
    if (find(top, "code") || find(top, "event")) {
        td_bytes code = find_text(top, index, "code");
        out->success = code.data == NULL ? (int8_t)-1 : (int8_t)td_bytes_is(code, "0");
        return out->success == 0 && !find(top, "event") ? CLASS_ERROR : CLASS_ACK;
    }
    if (find(top, "retCode"))
        return CLASS_ERROR;
    return CLASS_UNKNOWN;
}

/* ---- the exchange's time of a data frame ---- */

/* A time as a row's field writes it. Numbers and plain strings only: what the decoder would refuse
 * is no time here. */
static uint64_t read_time(json_parser *parser, const field_row *field, uint32_t token)
{
    msg_value value;
    decode_error why;
    if (token == 0 || token >= parser->index.count || !is_scalar_at(&parser->index, token))
        return 0;
    parser->has_escapes = 0; /* of this text nobody has made room for any */
    if (!decode_field(field, (json_value){parser, token}, &value, &why) ||
        value.type != VALUE_TIME_NS)
        return 0;
    return value.as.time_ns;
}

/* The value that a path leads to from a frame's keys; 0 if there is none. */
static uint32_t follow(const top_keys *top, const json_index *index, const char *path)
{
    top_keys inside = *top;
    for (;;) {
        size_t size = strcspn(path, ".");
        uint32_t token = 0;
        for (uint32_t i = 0; i < inside.count && token == 0; i++)
            if (td_bytes_equal(inside.key[i], td_bytes_of(path, size)))
                token = inside.value[i];
        if (token == 0 || path[size] == '\0')
            return token;
        if (json_char(index, token) != '{')
            return 0;
        inside.count = 0;
        read_forwards(&inside, index, token + 1, STOP_AT_END);
        path += size + 1;
    }
}

/* Time of the first entry at a path, by the row's fields; the preferred spelling first. */
static uint64_t first_entry_time(json_parser *parser, const topic_row *row, uint32_t token)
{
    const json_index *index = &parser->index;
    top_keys entry = {.count = 0};
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
        uint64_t time = read_time(parser, field, find(&entry, field->key));
        if (time != 0 && (found == 0 || (field->flags & FIELD_PREFERRED)))
            found = time;
    }
    return found;
}

static uint64_t exchange_time(json_parser *parser, const topic_row *row, const top_keys *top)
{
    if (row->time_member == MEMBER_NONE)
        return 0;
    for (size_t i = 0; i < row->envelope_count; i++) {
        const field_row *field = &row->envelope[i];
        if (field->member != row->time_member || field->type != FIELD_TIME)
            continue;
        uint64_t time = read_time(parser, field, follow(top, &parser->index, field->key));
        if (time != 0)
            return time;
    }
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        uint32_t token = follow(top, &parser->index, row->items[i].path);
        uint64_t time = token == 0 ? 0 : first_entry_time(parser, row, token);
        if (time != 0)
            return time;
    }
    return 0;
}

/* ---- data ---- */

static void classify_topic(json_parser *parser, const family *of, const top_keys *top,
                           classification *out)
{
    td_bytes text = find_text(top, &parser->index, "topic");
    out->frame_class = CLASS_DATA;
    out->exchange_topic = text;
    if (of == NULL || !topic_match_text(of->topics, of->topic_count, text, &out->topic)) {
        out->topic = (topic_match){.topic = text};
        return;
    }
    out->exchange_ns = exchange_time(parser, out->topic.row, top);
}

/* Spot's private frames: an array of events, or one event bare; "e" names the topic. */
static void classify_event(json_parser *parser, uint32_t object, classification *out)
{
    const json_index *index = &parser->index;
    top_keys event = {.count = 0};
    if (json_char(index, object) != '{')
        return;
    read_forwards(&event, index, object + 1, STOP_AT_END);
    td_bytes name = find_text(&event, index, "e");
    if (name.size == 0 || find(&event, "topic") || !find(&event, "E"))
        return;
    out->frame_class = CLASS_DATA;
    out->exchange_topic = name;
    out->topic = (topic_match){.topic = name};
}

static void classify_in(json_parser *parser, const family *of, classification *out)
{
    const json_index *index = &parser->index;
    uint8_t first = json_char(index, 0);
    if (first == '[') {
        classify_event(parser, 1, out);
        return;
    }
    if (first != '{')
        return;
    top_keys top;
    read_top(&top, index);
    frame_class control = classify_control(&top, index, out);
    if (control != CLASS_UNKNOWN)
        out->frame_class = control;
    else if (find_text(&top, index, "topic").size != 0 && find(&top, "data"))
        classify_topic(parser, of, &top, out);
    else
        classify_event(parser, 0, out);
}

void decoder_classify(decoder *d, const family *of, td_bytes frame, frame_dir dir,
                      classification *out)
{
    *out = (classification){.frame_class = CLASS_UNKNOWN, .success = -1};
    if (dir == DIR_OUT)
        out->frame_class = CLASS_REQUEST;
    if (dir != DIR_IN)
        return;
    if (json_parser_index(d->parser, frame, JSON_PADDED) == TD_OK)
        classify_in(d->parser, of, out);
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
