#include "recorder/capture/channel_router.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json/json.h"
#include "base/limits.h"
#include "base/row_table.h"
#include "base/url.h"
#include "format/segment_name.h"
#include "recorder/capture/order_requests.h"
#include "schema/decode.h"
#include "schema/dialect.h"

/* Key of a channel. Views are borrowed from the frame or from the channel's own strings. */
typedef struct route_key {
    uint32_t line;
    uint32_t shard;
    channel_dir dir;
    channel_opcode opcode;
    uint32_t form;
    const char *encoding; /* one of two constants: compared as pointers */
    td_bytes topic;
    td_bytes exchange_topic;
    td_bytes symbol;
} route_key;

typedef struct routed_channel {
    channel_info info;
    frame_role role;
    channel_notes notes;
    route_key key; /* views into info's strings */
    char names[];  /* topic, exchange_topic, symbol, each with its NUL; info points into it */
} routed_channel;

struct channel_router {
    char feed[LIMIT_NAME_BYTES];
    const family *family;
    decoder *decoder;
    json_parser *parser;
    channel_info events;
    routed_channel *channels[LIMIT_SEGMENT_CHANNELS]; /* allocated one by one: callers keep pointers
                                                         to their members */
    uint32_t channel_count;                           /* including channel 0, of events */
    uint32_t topic_channel_count;                     /* counted towards LIMIT_TOPIC_CHANNELS */
    row_table by_key;
    order_requests *orders;
    find_begun_fn *find; /* NULL: topics are not asked for */
    void *user;
};

static const char ENCODING_JSON[] = "json";
static const char ENCODING_RAW[] = "raw";

channel_router *channel_router_open(const char *feed, const family *of)
{
    size_t feed_size = strlen(feed);
    TD_ASSERT(feed_size < LIMIT_NAME_BYTES);
    channel_router *r = td_alloc_zero(1, sizeof *r);
    memcpy(r->feed, feed, feed_size + 1);
    r->family = of;
    r->decoder = decoder_open();
    r->parser = json_parser_open(0);
    r->orders = order_requests_open(of, r->parser);
    r->events = (channel_info){.feed = r->feed,
                               .family = of->name,
                               .dir = CHANNEL_EVENT,
                               .topic = CHANNEL_TOPIC_EVENTS,
                               .exchange_topic = "",
                               .symbol = "",
                               .opcode = OPCODE_TEXT,
                               .message_encoding = ENCODING_JSON};
    r->channel_count = 1;
    return r;
}

void channel_router_forget(channel_router *router)
{
    for (uint32_t i = 1; i < router->channel_count; i++)
        td_free(router->channels[i]);
    router->channel_count = 1;
    router->topic_channel_count = 0;
    row_table_clear(&router->by_key);
}

void channel_router_close(channel_router *router)
{
    if (router == NULL)
        return;
    channel_router_forget(router);
    order_requests_close(router->orders);
    decoder_close(router->decoder);
    json_parser_close(router->parser);
    row_table_fini(&router->by_key);
    td_free(router);
}

/* ---- finding ---- */

/* Hash a key: the exchange's topic string, in which nearly all channels differ, with the key's
 * numbers mixed in. Keys with equal hashes are then compared. */
static uint64_t hash_key(const route_key *key)
{
    uint64_t mix = (uint64_t)key->line << 40 | (uint64_t)key->shard << 24 |
                   (uint64_t)key->dir << 22 | (uint64_t)key->form << 18 |
                   (uint64_t)key->opcode << 16 | key->topic.size;
    if (key->encoding == ENCODING_RAW)
        mix |= UINT64_C(1) << 63;
    mix = mix * UINT64_C(0x9e3779b97f4a7c15) + key->symbol.size;
    return mix * UINT64_C(0xc2b2ae3d27d4eb4f) ^
           td_xxh64(key->exchange_topic.data, key->exchange_topic.size);
}

static int keys_equal(const route_key *a, const route_key *b)
{
    return a->line == b->line && a->shard == b->shard && a->dir == b->dir &&
           a->opcode == b->opcode && a->form == b->form && a->encoding == b->encoding &&
           td_bytes_equal(a->topic, b->topic) && td_bytes_equal(a->symbol, b->symbol) &&
           td_bytes_equal(a->exchange_topic, b->exchange_topic);
}

/* Return the number of the key's channel, or channel_count if it has no channel yet. */
static uint32_t find_channel(const channel_router *r, const route_key *key, uint64_t hash)
{
    row_probe at = row_probe_of(hash);
    while (row_table_next(&r->by_key, &at))
        if (keys_equal(&r->channels[at.row]->key, key))
            return at.row;
    return r->channel_count;
}

/* ---- making ---- */

/* Copy a name and a NUL to *at, advance *at, and make view point to the copy. */
static const char *copy_name(char **at, td_bytes *view)
{
    char *copy = *at;
    if (view->size > 0)
        memcpy(copy, view->data, view->size);
    copy[view->size] = '\0';
    *at = copy + view->size + 1;
    *view = td_bytes_of(copy, view->size);
    return copy;
}

/* 1 if the channel counts towards LIMIT_TOPIC_CHANNELS: it has a topic, an HTTP reply's name or a
 * form (FORM_*). The exchange or a capture determines how many such channels there are. The feed's
 * other channels are few. */
static uint32_t is_counted(const route_key *key, const topic_row *row)
{
    return row != NULL || key->exchange_topic.size > 0 || key->dir == CHANNEL_HTTP ||
           key->form != 0;
}

/* How many counted channels there may be before this one. Topics that the family does not have
 * leave half of them to those that it has. */
static uint32_t limit_of(const route_key *key, const topic_row *row)
{
    return row == NULL && key->exchange_topic.size > 0 ? LIMIT_TOPIC_CHANNELS / 2
                                                       : LIMIT_TOPIC_CHANNELS;
}

/* Make the key's channel, with its own copies of the strings. */
static void make_channel(channel_router *r, const route_key *key, uint64_t hash,
                         const topic_row *row)
{
    TD_ASSERT(r->channel_count < LIMIT_SEGMENT_CHANNELS);
    size_t names_bytes = key->topic.size + key->exchange_topic.size + key->symbol.size + 3;
    routed_channel *made = td_alloc(sizeof *made + names_bytes);
    *made = (routed_channel){.key = *key};
    made->info = (channel_info){.feed = r->feed,
                                .family = r->family->name,
                                .line = key->line,
                                .shard = key->shard,
                                .dir = key->dir,
                                .opcode = key->opcode,
                                .form = key->form,
                                .message_encoding = key->encoding};
    char *at = made->names;
    made->info.topic = copy_name(&at, &made->key.topic);
    made->info.exchange_topic = copy_name(&at, &made->key.exchange_topic);
    made->info.symbol = copy_name(&at, &made->key.symbol);
    made->role = channel_role(&made->info);
    row_table_put(&r->by_key, hash, r->channel_count);
    r->channels[r->channel_count++] = made;
    r->topic_channel_count += is_counted(key, row);
}

/* 1 if the name has a NUL. Such a name is rejected, because a channel's names are C strings. Only
 * the names of a new channel need this check. */
static int has_nul(td_bytes name)
{
    return name.size > 0 && memchr(name.data, '\0', name.size) != NULL;
}

/* Find or make the key's channel. TD_E_LIMIT: the channel would exceed LIMIT_TOPIC_CHANNELS;
 * TD_E_INVALID: a name has a NUL. */
static td_result get_channel(channel_router *r, const route_key *key, const topic_row *row,
                             feed_frame *frame, channel_route *out)
{
    uint64_t hash = hash_key(key);
    frame->channel = find_channel(r, key, hash);
    if (TD_UNLIKELY(frame->channel == r->channel_count)) {
        if (has_nul(key->topic) || has_nul(key->exchange_topic) || has_nul(key->symbol))
            return TD_E_INVALID;
        if (is_counted(key, row) && r->topic_channel_count >= limit_of(key, row))
            return TD_E_LIMIT;
        make_channel(r, key, hash, row);
    }
    routed_channel *channel = r->channels[frame->channel];
    frame->info = &channel->info;
    out->notes = &channel->notes;
    out->role = channel->role;
    return TD_OK;
}

/* ---- routing ---- */

/* 1 if the classified frame gets a channel of its topic. */
static int has_topic_channel(const classification *what)
{
    return what->frame_class == CLASS_DATA && what->topic.row != NULL &&
           what->topic.topic.size > 0 && what->topic.topic.size < LIMIT_TOPIC_BYTES &&
           what->exchange_topic.size < LIMIT_TOPIC_BYTES &&
           what->topic.symbol.size < LIMIT_SYMBOL_BYTES;
}

/* Return "json" if the bytes begin like an object or array; the decoder checks whether they are
 * valid. */
static const char *encoding_of(td_bytes bytes)
{
    size_t at = 0;
    if (bytes.size >= 3 && memcmp(bytes.data, "\xef\xbb\xbf", 3) == 0)
        at = 3;
    while (at < bytes.size && (bytes.data[at] == ' ' || bytes.data[at] == '\t' ||
                               bytes.data[at] == '\n' || bytes.data[at] == '\r'))
        at++;
    return at < bytes.size && (bytes.data[at] == '{' || bytes.data[at] == '[') ? ENCODING_JSON
                                                                               : ENCODING_RAW;
}

static route_key key_of(const feed_frame *frame)
{
    TD_ASSERT(frame->line < LIMIT_FEED_SLOTS);
    TD_ASSERT(frame->shard < LIMIT_FEED_SLOTS);
    return (route_key){.line = frame->line,
                       .shard = frame->shard,
                       .dir = frame->dir,
                       .opcode = frame->opcode,
                       .form = frame->form,
                       .encoding = encoding_of(frame->bytes)};
}

/* ---- HTTP replies ---- */

enum { HTTP_TOPIC_BYTES = LIMIT_NAME_BYTES + sizeof "http." };

void channel_router_http_name(td_bytes url, char out[LIMIT_NAME_BYTES])
{
    td_bytes path = td_url_split(url).path;
    while (path.size > 0 && path.data[path.size - 1] == '/')
        path.size--;
    const uint8_t *slash = path.size == 0 ? NULL : memrchr(path.data, '/', path.size);
    td_bytes name = td_bytes_str("reply");
    if (slash != NULL)
        name = td_bytes_of(slash + 1, path.size - (size_t)(slash + 1 - path.data));
    size_t size = name.size < LIMIT_NAME_BYTES ? name.size : LIMIT_NAME_BYTES - 1;
    const char *from = (const char *)name.data;
    for (size_t i = 0; i < size; i++) {
        out[i] = from[i];
        if (!feed_name_char(from[i]))
            out[i] = '_';
    }
    out[size] = '\0';
}

/* A reply that is a topic's snapshot does not name the topic. */
static void classify_fetched(const channel_router *r, const feed_frame *frame, classification *out)
{
    const td_bytes topic = td_bytes_str(frame->http_name);
    if (topic_match_text(r->family->topics, r->family->topic_count, topic, frame->recv_ns,
                         &out->topic))
        out->frame_class = CLASS_DATA;
    out->exchange_topic = topic;
}

/* ---- frames of several symbols ---- */

/* 1 if the text may have a member with this key and another value than the symbol. It need not be
 * parsed then, as is usual. */
static int may_have_others(td_bytes text, const char *key, td_bytes symbol)
{
    const uint8_t *end = text.data + text.size, *at = text.data;
    const size_t size = strlen(key);
    if (memchr(text.data, '\\', text.size) != NULL)
        return 1; /* keys and values may be escaped */
    while ((at = memmem(at, (size_t)(end - at), key, size)) != NULL) {
        at += size;
        at += at < end && *at == '"';
        while (at < end && strchr(" \t\r\n:", *at) != NULL && *at != '\0')
            at++;
        at += at < end && *at == '"';
        if ((size_t)(end - at) < symbol.size || memcmp(at, symbol.data, symbol.size) != 0)
            return 1;
        at += symbol.size;
        if (at < end && *at != '"' && *at != ',' && *at != '}')
            return 1;
    }
    return 0;
}

/* 1 if a value at the path, in any element of the lists on it, is not the symbol. */
static int names_another(json_value at, const char *path, td_bytes symbol)
{
    const json_type type = json_type_of(at);
    json_value value;
    td_bytes text;
    if (type == JSON_ARRAY) {
        for (json_iter it = json_iter_of(at); json_next(&it, NULL, &value);)
            if (names_another(value, path, symbol))
                return 1;
        return 0;
    }
    if (*path == '\0') {
        if (!json_text(at, &text))
            text = json_raw(at);
        return !td_bytes_equal(text, symbol);
    }
    const size_t size = strcspn(path, ".");
    return json_find_key(at, td_bytes_of(path, size), &value) &&
           names_another(value, path + size + (path[size] == '.'), symbol);
}

/* 1 if entries of the frame are of other symbols than that of its topic. */
static int has_others(const channel_router *r, const topic_match *topic, td_bytes text)
{
    const char *path = topic->row == NULL ? NULL : topic->row->symbol_path;
    json_value root;
    if (TD_LIKELY(path == NULL))
        return 0;
    const char *dot = strrchr(path, '.');
    return may_have_others(text, dot == NULL ? path : dot + 1, topic->symbol) &&
           json_parse(r->parser, text, JSON_PADDED, &root, NULL) == TD_OK &&
           names_another(root, path, topic->symbol);
}

/* Classify a frame that does not say all of its topic again, by its whole topic, if that is known.
 */
static void classify_begun(channel_router *r, const feed_frame *frame, classification *what)
{
    const char *topic = r->find == NULL ? NULL : r->find(r->user, frame, what->exchange_topic);
    td_buf spelled;
    if (topic == NULL)
        return;
    td_buf_init(&spelled, LIMIT_TOPIC_BYTES);
    if (dialect_spell(r->family->dialect, topic, &spelled, NULL) == TD_OK)
        decoder_classify_as(r->decoder, r->family, td_buf_view(&spelled), frame->bytes,
                            frame->recv_ns, what);
    td_buf_fini(&spelled);
}

/* Note a client's request; classify an answer that does not name its op by its request. */
static void classify_order(channel_router *r, const feed_frame *frame, classification *what)
{
    if (frame->dir == CHANNEL_OUT) {
        order_requests_note(r->orders, frame, what->topic.row);
        return;
    }
    const topic_row *row = order_requests_find(r->orders, frame);
    if (row != NULL)
        decoder_classify_answer(r->decoder, r->family, td_bytes_str(row->pattern), frame->bytes,
                                frame->recv_ns, what);
}

void channel_router_ask(channel_router *router, find_begun_fn *find, void *user)
{
    router->find = find;
    router->user = user;
}

void channel_router_route(channel_router *router, feed_frame *frame, channel_route *out)
{
    char http_topic[HTTP_TOPIC_BYTES];
    route_key key = key_of(frame);
    classification what = {.frame_class = CLASS_UNKNOWN};
    td_result rc = TD_E_INVALID; /* no channel of a topic or an HTTP reply yet */
    if (TD_UNLIKELY(frame->dir == CHANNEL_HTTP)) {
        int size = snprintf(http_topic, sizeof http_topic, "http.%s", frame->http_name);
        TD_ASSERT(size > 0);
        TD_ASSERT((size_t)size < sizeof http_topic);
        key.topic = td_bytes_of(http_topic, (size_t)size);
    } else if (TD_UNLIKELY((frame->form & FORM_FETCHED) != 0)) {
        classify_fetched(router, frame, &what);
    } else {
        decoder_classify(router->decoder, router->family, frame->bytes, frame->dir, frame->recv_ns,
                         &what);
        if (TD_UNLIKELY(what.is_open))
            classify_begun(router, frame, &what);
        if (TD_UNLIKELY(frame->dir == CHANNEL_OUT || what.topic.row == NULL))
            classify_order(router, frame, &what);
    }
    *out = (channel_route){.frame_class = what.frame_class};
    frame->publish_ns = what.exchange_ns != 0 ? what.exchange_ns : frame->recv_ns;
    if (TD_LIKELY(has_topic_channel(&what))) {
        key.topic = what.topic.topic;
        key.exchange_topic = what.exchange_topic;
        key.symbol = what.topic.symbol;
        if (frame->dir == CHANNEL_IN && (frame->form & FORM_FETCHED) == 0 &&
            has_others(router, &what.topic, frame->bytes))
            out->several = what.topic.row;
    } else if (what.frame_class == CLASS_DATA && what.topic.row == NULL &&
               frame->dir == CHANNEL_IN && what.exchange_topic.size > 0 &&
               what.exchange_topic.size < LIMIT_TOPIC_BYTES) {
        key.topic = td_bytes_str(CHANNEL_TOPIC_UNKNOWN);
        key.exchange_topic = what.exchange_topic;
    }
    if (TD_LIKELY(key.topic.size > 0))
        rc = get_channel(router, &key, what.topic.row, frame, out);
    if (TD_LIKELY(rc == TD_OK))
        return;
    /* Use _control or _unknown. There is always space for these two channels without a form
     * (FORM_*). Outbound frames without a topic always go to _control. */
    key = key_of(frame);
    out->is_overflow = rc == TD_E_LIMIT;
    int is_control = frame->dir == CHANNEL_OUT ||
                     (!out->is_overflow && frame_class_is_control(what.frame_class));
    key.topic = td_bytes_str(is_control ? CHANNEL_TOPIC_CONTROL : CHANNEL_TOPIC_UNKNOWN);
    rc = get_channel(router, &key, NULL, frame, out);
    if (rc == TD_E_LIMIT) {
        out->is_overflow = 1;
        key.form = 0;
        rc = get_channel(router, &key, NULL, frame, out);
    }
    TD_ASSERT(rc == TD_OK);
}

const channel_info *channel_router_events(const channel_router *router)
{
    return &router->events;
}
