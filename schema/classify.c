/* Classification, by the rules of the family's exchange: the first hit wins. It
 * reads an unchecked index and never judges a frame's validity: that is the decoder's. (Only where
 * keys or topic are written with escapes it is checked first, because that resolves them.)
 *
 * Expected load: every frame of a recorder. Small frames (all control frames are small) have every
 * key of their object looked at. In larger ones, and in those that begin with a topic and come to
 * "data", entries are not walked over: the keys before them are read forwards, those behind them
 * backwards from the end. Nearly all frames are of that kind and are read without an index
 * (classify_plain.c). */
#include "schema/classify.h"

#include <string.h>

#include "base/assert.h"
#include "schema/classify_impl.h"
#include "schema/dialect.h"
#include "schema/scan.h"

enum {
    SMALL_TOKENS = 96, /* the longest control frame known, an ack of ten topics, has about 60 */
};

void top_keys_add(top_keys *top, td_bytes key, uint32_t value)
{
    top->has_escapes |= (uint8_t)json_has_escape(key);
    if (top->count < TOP_KEYS_MAX) {
        top->key[top->count] = key;
        top->value[top->count++] = value;
    }
    uint8_t known = frame_key_find(top->keys, key);
    if (known != FRAME_KEY_NONE && top->known[known] == 0)
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
        int is_data = top->known[top->keys->data] == token;
        int has_topic = top->known[top->keys->topic] != 0;
        if (is_whole && is_data && (index->count > SMALL_TOKENS || has_topic)) {
            read_backwards(top, index, token);
            top->is_partial = 1;
            if (top->known[top->keys->topic] != 0)
                return;
            *top = (top_keys){
                .keys = top->keys}; /* the topic is between containers: look at everything */
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
    *top = (top_keys){.keys = top->keys, .is_checked = 1};
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
    const frame_keys *keys = top->keys;
    for (uint8_t i = 0; i < keys->count; i++)
        if (top->known[i] != 0 && i != keys->event && i != keys->event_time &&
            json_has_escape(top_keys_text(top, parser, top->known[i])))
            return 1;
    return 0;
}

/* The request that an answer echoes. */
static td_bytes echoed_op(const top_keys *top, json_parser *parser, classification *out)
{
    uint32_t token = top->known[top->keys->request];
    uint8_t op = top->keys->op;
    top_keys inside = {.keys = top->keys};
    if (token == 0 || json_char(&parser->index, token) != '{')
        return td_bytes_of(NULL, 0);
    top_keys_read(&inside, &parser->index, token + 1, STOP_AT_END);
    if (inside.has_escapes || json_has_escape(top_keys_text(&inside, parser, inside.known[op])))
        read_top_resolved(parser, token, &inside, out);
    return top_keys_text(&inside, parser, inside.known[op]);
}

/* The exchange's rules over the frame's members; CLASS_UNKNOWN if it is no control frame. */
static frame_class classify_control(const top_keys *top, json_parser *parser, classification *out)
{
    frame_words words;
    memset(&words, 0, sizeof words);
    for (uint8_t i = 0; i < top->keys->count; i++) {
        uint32_t token = top->known[i];
        if (token == 0 || token >= parser->index.count)
            continue;
        words.json[i] = json_token(&parser->index, token);
        words.text[i] = top_keys_text(top, parser, token);
    }
    words.op = words.text[top->keys->op];
    if (words.op.size == 0)
        words.op = echoed_op(top, parser, out);
    return control_find(top->keys, &words, &out->success);
}

/* Spot's private frames: an array of events, or one event bare. */
static void classify_event(decoder *d, const classify_job *job, uint32_t object,
                           classification *out)
{
    const frame_keys *keys = job->keys;
    top_keys event = {.keys = keys};
    if (json_char(&d->parser->index, object) != '{')
        return;
    top_keys_read(&event, &d->parser->index, object + 1, STOP_AT_END);
    if (event.has_escapes ||
        json_has_escape(top_keys_text(&event, d->parser, event.known[keys->event])))
        read_top_resolved(d->parser, object, &event, out);
    int is_listed = object != 0; /* one that comes bare has a time as well */
    if (!event.known[keys->topic] && (is_listed || event.known[keys->event_time]))
        classify_data(d, job, &event, keys->event, object, out);
}

/* A data frame by its keys; once more if parts of the topic that stand beside it (spot's symbol)
 * turn out to have escapes, which are not part of anybody's name. */
static void classify_topic(decoder *d, const classify_job *job, top_keys *top, classification *out)
{
    classify_data(d, job, top, job->keys->topic, 0, out);
    if (top->is_checked || !json_has_escape(out->exchange_topic))
        return;
    read_top_resolved(d->parser, 0, top, out);
    if (top->is_checked)
        classify_data(d, job, top, job->keys->topic, 0, out);
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
    top_keys top = {.keys = job->keys};
    read_top(&top, &parser->index);
    if (top.has_escapes || has_escaped_words(&top, parser))
        read_top_resolved(parser, 0, &top, out);
    frame_class control = classify_control(&top, parser, out);
    if (control != CLASS_UNKNOWN)
        out->frame_class = control;
    else if (top.known[job->keys->topic] && top.known[job->keys->data])
        classify_topic(d, job, &top, out);
    else
        classify_event(d, job, 0, out);
}

void decoder_classify(decoder *d, const family *of, td_bytes frame, frame_dir dir, uint64_t at_ns,
                      classification *out)
{
    const classify_job job = {of, &exchange_of(of)->frames, at_ns};
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

int frame_begins_as_data(const family *of, td_bytes frame)
{
    td_bytes start = exchange_of(of)->frames.data_start;
    return !of->dialect->echoes_topics && frame.size > start.size &&
           memcmp(frame.data, start.data, start.size) == 0;
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
