/* Classification, in the order of docs/wire.md 1 (which holds for v5 too): the first hit wins. It
 * reads an unchecked index and never judges a frame's validity: that is the decoder's. (Only where
 * keys or topic are written with escapes it is checked first, because that resolves them.)
 *
 * Expected load: every frame of a recorder. Small frames (all control frames are small) have every
 * key of their object looked at. In larger ones, and in those that begin with a topic and come to
 * "data", entries are not walked over: the keys before them are read forwards, those behind them
 * backwards from the end. Nearly all frames are of that kind and are read without an index
 * (classify_plain.c). */
#include "schema/classify.h"

#include "base/assert.h"
#include "schema/classify_impl.h"
#include "decode_scan_impl.h"

enum {
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

void top_keys_add(top_keys *top, td_bytes key, uint32_t value)
{
    top->has_escapes |= (uint8_t)json_has_escape(key);
    if (top->count < TOP_KEYS_MAX) {
        top->key[top->count] = key;
        top->value[top->count++] = value;
    }
    known_key known = known_key_find(key);
    if (known != KNOWN_COUNT && top->known[known] == 0)
        top->known[known] = value;
}

static void add_key(top_keys *top, const json_index *index, uint32_t token)
{
    td_bytes key = json_string_token(index, token);
    if (key.data != NULL)
        top_keys_add(top, key, token + 2);
}

int json_is_scalar_at(const json_index *index, uint32_t token)
{
    uint8_t first = json_char(index, token);
    return first != '{' && first != '[' && first != 0;
}

uint32_t top_keys_read(top_keys *top, const json_index *index, uint32_t token, top_stop where)
{
    while (json_char(index, token) == '"' && json_char(index, token + 1) == ':') {
        add_key(top, index, token);
        if (where == STOP_AT_CONTAINER && !json_is_scalar_at(index, token + 2))
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

/* The keys of the frame's own object: all of a small one; of others those up to the data, and the
 * scalars behind. */
static void read_top(top_keys *top, const json_index *index)
{
    TD_ASSERT(json_char(index, 0) == '{');
    int is_whole = json_char(index, index->count - 1) == '}';
    uint32_t token = 1;
    for (;;) {
        token = top_keys_read(top, index, token, STOP_AT_CONTAINER);
        if (token >= index->count || json_is_scalar_at(index, token))
            return;
        int is_data = top->known[KNOWN_DATA] == token;
        if (is_whole && is_data && (index->count > SMALL_TOKENS || top->known[KNOWN_TOPIC])) {
            read_backwards(top, index, token);
            top->is_partial = 1;
            if (top->known[KNOWN_TOPIC])
                return;
            *top = (top_keys){0}; /* the topic is between containers: look at everything */
            top_keys_read(top, index, 1, STOP_AT_END);
            return;
        }
        token = json_skip_value(index, token);
        if (json_char(index, token) != ',')
            return;
        token++;
    }
}

/* The keys of the object at a token with escapes in them resolved, for which the text has to be
 * valid: else as it was. */
static void read_top_resolved(json_parser *parser, uint32_t object, top_keys *top,
                              classification *out)
{
    json_value key;
    json_value element;
    td_bytes text;
    json_value root;
    td_bytes all = td_bytes_of(parser->index.bytes, parser->index.size);
    td_result rc = json_parse(parser, all, JSON_PADDED, &root, NULL);
    out->is_starved |= rc == TD_E_NOMEM;
    if (rc != TD_OK)
        return;
    TD_ASSERT(json_char(&parser->index, object) == '{');
    *top = (top_keys){.is_checked = 1};
    json_value of = {parser, object};
    for (json_iter it = json_iter_of(of); json_next(&it, &key, &element);)
        if (json_text(key, &text))
            top_keys_add(top, text, element.token);
}

td_bytes top_keys_text(const top_keys *top, json_parser *parser, uint32_t token)
{
    td_bytes text = td_bytes_of(NULL, 0);
    if (token == 0 || token >= parser->index.count)
        return text;
    if (top->is_checked && json_text((json_value){parser, token}, &text))
        return text;
    return json_string_token(&parser->index, token);
}

/* 1 if a value that control frames are told apart by is written with escapes. */
static int has_escaped_words(const top_keys *top, json_parser *parser)
{
    static const known_key WORDS[] = {KNOWN_OP,   KNOWN_TYPE,    KNOWN_RET_MSG, KNOWN_AUTH,
                                      KNOWN_CODE, KNOWN_SUCCESS, KNOWN_RET_CODE};
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++)
        if (json_has_escape(top_keys_text(top, parser, top->known[WORDS[i]])))
            return 1;
    return 0;
}

/* A string value; empty if it is none. */
static td_bytes find_text(const top_keys *top, json_parser *parser, known_key key)
{
    return top_keys_text(top, parser, top->known[key]);
}

/* What an answer says: 1, 0, or -1 for nothing. */
static int8_t find_success(const top_keys *top, json_parser *parser, known_key key)
{
    uint32_t token = top->known[key];
    if (token == 0 || token >= parser->index.count)
        return -1;
    td_bytes text = json_token(&parser->index, token);
    td_bytes word = top_keys_text(top, parser, token);
    if (td_bytes_is(text, "true") || td_bytes_is(word, "success"))
        return 1;
    return td_bytes_is(text, "false") || td_bytes_is(word, "fail") ? 0 : -1;
}

/* What a code says, a number or a string of one: 0 is success. */
static int8_t find_code(const top_keys *top, json_parser *parser, known_key key)
{
    uint32_t token = top->known[key];
    if (token == 0 || token >= parser->index.count)
        return -1;
    td_bytes text = json_token(&parser->index, token);
    return (int8_t)(td_bytes_is(top_keys_text(top, parser, token), "0") || td_bytes_is(text, "0"));
}

/* The op of the request that an ack of dialect A echoes. */
static td_bytes echoed_op(const top_keys *top, json_parser *parser, classification *out)
{
    uint32_t token = top->known[KNOWN_REQUEST];
    top_keys inside = {0};
    if (token == 0 || json_char(&parser->index, token) != '{')
        return td_bytes_of(NULL, 0);
    top_keys_read(&inside, &parser->index, token + 1, STOP_AT_END);
    if (inside.has_escapes || json_has_escape(find_text(&inside, parser, KNOWN_OP)))
        read_top_resolved(parser, token, &inside, out);
    return find_text(&inside, parser, KNOWN_OP);
}

/* An answer with "success": what it answers decides. */
static frame_class classify_answer(const top_keys *top, json_parser *parser, classification *out)
{
    td_bytes op = find_text(top, parser, KNOWN_OP);
    if (op.size == 0)
        op = echoed_op(top, parser, out);
    if (td_bytes_is(op, "auth"))
        return CLASS_AUTH;
    if (out->success != 0 || td_bytes_is(op, "subscribe") || td_bytes_is(op, "unsubscribe"))
        return CLASS_ACK;
    return CLASS_ERROR;
}

/* Control frames of all dialects; CLASS_UNKNOWN if it is none of them. Order of the rules:
 * docs/wire.md 1, points 3 to 9. */
static frame_class classify_control(const top_keys *top, json_parser *parser, classification *out)
{
    td_bytes type = find_text(top, parser, KNOWN_TYPE);
    td_bytes op = find_text(top, parser, KNOWN_OP);
    if (top->known[KNOWN_PONG])
        return CLASS_PONG;
    if (top->known[KNOWN_PING])
        return CLASS_PING;
    if (td_bytes_is(op, "pong") || td_bytes_is(find_text(top, parser, KNOWN_RET_MSG), "pong"))
        return CLASS_PONG;
    out->success = find_success(top, parser, KNOWN_SUCCESS);
    if (td_bytes_is(type, "AUTH_RESP"))
        return CLASS_AUTH;
    if (td_bytes_is(type, "COMMAND_RESP"))
        return CLASS_ACK;
    if (top->known[KNOWN_AUTH]) {
        out->success = find_success(top, parser, KNOWN_AUTH);
        return CLASS_AUTH;
    }
    if (top->known[KNOWN_SUCCESS])
        return classify_answer(top, parser, out);
    if (top->known[KNOWN_CODE] || top->known[KNOWN_EVENT]) {
        out->success = find_code(top, parser, KNOWN_CODE);
        return out->success == 0 && !top->known[KNOWN_EVENT] ? CLASS_ERROR : CLASS_ACK;
    }
    if (top->known[KNOWN_RET_CODE]) { /* order entry */
        out->success = find_code(top, parser, KNOWN_RET_CODE);
        return td_bytes_is(op, "auth") ? CLASS_AUTH : out->success == 0 ? CLASS_ERROR : CLASS_ACK;
    }
    return CLASS_UNKNOWN;
}

/* Spot's private frames: an array of events, or one event bare. */
static void classify_event(decoder *d, const classify_job *job, uint32_t object,
                           classification *out)
{
    top_keys event = {0};
    if (json_char(&d->parser->index, object) != '{')
        return;
    top_keys_read(&event, &d->parser->index, object + 1, STOP_AT_END);
    if (event.has_escapes || json_has_escape(find_text(&event, d->parser, KNOWN_E)))
        read_top_resolved(d->parser, object, &event, out);
    int is_listed = object != 0; /* one that comes bare has a time as well */
    if (!event.known[KNOWN_TOPIC] && (is_listed || event.known[KNOWN_TIME_E]))
        classify_data(d, job, &event, KNOWN_E, object, out);
}

/* A data frame by its keys; once more if parts of the topic that stand beside it (spot's symbol)
 * turn out to have escapes, which are not part of anybody's name. */
static void classify_topic(decoder *d, const classify_job *job, top_keys *top, classification *out)
{
    classify_data(d, job, top, KNOWN_TOPIC, 0, out);
    if (top->is_checked || !json_has_escape(out->exchange_topic))
        return;
    read_top_resolved(d->parser, 0, top, out);
    if (top->is_checked)
        classify_data(d, job, top, KNOWN_TOPIC, 0, out);
}

static void classify_in(decoder *d, const classify_job *job, classification *out)
{
    json_parser *parser = d->parser;
    uint8_t first = json_char(&parser->index, 0);
    if (first == '[') {
        classify_event(d, job, 1, out);
        return;
    }
    if (first != '{')
        return;
    top_keys top = {0};
    read_top(&top, &parser->index);
    td_bytes topic = find_text(&top, parser, KNOWN_TOPIC);
    if (top.has_escapes || json_has_escape(topic) || has_escaped_words(&top, parser))
        read_top_resolved(parser, 0, &top, out);
    frame_class control = classify_control(&top, parser, out);
    if (control != CLASS_UNKNOWN)
        out->frame_class = control;
    else if (top.known[KNOWN_TOPIC] && top.known[KNOWN_DATA])
        classify_topic(d, job, &top, out);
    else
        classify_event(d, job, 0, out);
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
    td_result rc = decoder_inflate(d, frame, &frame);
    if (rc == TD_OK)
        rc = json_parser_index(d->parser, frame, JSON_PADDED);
    if (rc == TD_OK)
        classify_in(d, &job, out);
    out->is_starved |= rc == TD_E_NOMEM;
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
