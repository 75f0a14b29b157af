/* Harbor's row, topics and dialect:
 *
 *   client  {"method":"SUBSCRIBE","number":"sub-1","channels":["book@BTC-USD"]}
 *   server  {"reply":"sub-1","code":0},
 *           {"reply":"sub-1","code":404,"why":"book@X: no such channel"}
 *   client  {"method":"HEARTBEAT"}
 *   server  {"method":"ALIVE"}
 *   server  {"channel":"book","market":"BTC-USD","n":1,"at":MS,"kind":"whole",
 *            "payload":{"bids":[["1.5","2"]],"asks":[]}}
 *   server  {"channel":"trades","market":"BTC-USD","n":1,"at":MS,
 *            "payload":[{"id":"a","taker":"Buy","px":"1.5","qty":"2"}]}
 *
 * One answer per request, for all of its channels; n rises by one from frame to frame of a
 * channel's market. There are no credentials. */
#include "tests/venue/harbor.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/json/json_write.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "schema/family.h"

/* ---- the row ---- */

enum { KEY_KIND, KEY_CODE, KEY_REPLY, KEY_METHOD, KEY_CHANNEL, KEY_PAYLOAD, KEY_COUNT };

static const td_bytes KEYS[KEY_COUNT] = {
    [KEY_KIND] = FRAME_TEXT("kind"),       [KEY_CODE] = FRAME_TEXT("code"),
    [KEY_REPLY] = FRAME_TEXT("reply"),     [KEY_METHOD] = FRAME_TEXT("method"),
    [KEY_CHANNEL] = FRAME_TEXT("channel"), [KEY_PAYLOAD] = FRAME_TEXT("payload"),
};

#define ANY                                                                                        \
    {                                                                                              \
        NULL, 0                                                                                    \
    }
static const control_rule RULES[] = {
    {KEY_METHOD, FRAME_TEXT("ALIVE"), ANY, CLASS_PONG, CLASS_PONG, 0, SUCCESS_NOT_STATED},
    {KEY_REPLY, ANY, ANY, CLASS_ACK, CLASS_ACK, KEY_CODE, SUCCESS_CODE},
};

static const char *const OTHER_HOSTS[] = {"backup.harbor.example", NULL};

static const kind_word KINDS[] = {
    {"whole", FRAME_SNAPSHOT}, {"part", FRAME_DELTA}, {NULL, FRAME_UNTYPED}};

extern const dialect HARBOR_DIALECT; /* below */
static const named_dialect DIALECTS[] = {{"harbor", &HARBOR_DIALECT}, {NULL, NULL}};

const exchange_row HARBOR = {
    .name = "harbor",
    .dialects = DIALECTS,
    .kinds = KINDS,
    .other_hosts = OTHER_HOSTS,
    .connects = {200, UINT64_C(60) * 1000000000},
    .frames =
        {
            .names = KEYS,
            .count = KEY_COUNT,
            .first_of_size = {0, 0, 0, 0, KEY_KIND, KEY_REPLY, KEY_METHOD, KEY_CHANNEL, KEY_COUNT,
                              KEY_COUNT, KEY_COUNT, KEY_COUNT, KEY_COUNT, KEY_COUNT},
            .topic = KEY_CHANNEL,
            .data = KEY_PAYLOAD,
            .event = FRAME_KEY_NONE,
            .event_time = FRAME_KEY_NONE,
            .op = FRAME_KEY_NONE,
            .request = FRAME_KEY_NONE,
            .shared = KEY_KIND,
            .shared_first = 0,
            .shared_count = 0,
            .data_start = FRAME_TEXT("{\"channel\":\""),
            .rules = RULES,
            .rule_count = sizeof RULES / sizeof RULES[0],
        },
};

/* ---- the dialect: a client ---- */

enum { CHANNELS_PER_REQUEST = 2 };

static size_t fit(const char *const *topics, size_t count)
{
    (void)topics;
    return count < CHANNELS_PER_REQUEST ? count : CHANNELS_PER_REQUEST;
}

/* Spells a topic with another separator: "book.BTC-USD" is "book@BTC-USD" in Harbor's frames. 0 if
 * it is empty or too long. */
static size_t spell(td_bytes topic, char from, char to, char out[LIMIT_TOPIC_BYTES])
{
    if (topic.size == 0 || topic.size > LIMIT_TOPIC_BYTES)
        return 0;
    memcpy(out, topic.data, topic.size);
    char *at = memchr(out, from, topic.size);
    if (at == NULL)
        return 0;
    *at = to;
    return topic.size;
}

static td_result build_topics(td_buf *out, const dialect_ask *ask, td_err *err)
{
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    json_write_member_text(&writer, "method",
                           ask->kind == REQUEST_SUBSCRIBE ? "SUBSCRIBE" : "LEAVE");
    json_write_member_text(&writer, "number", ask->id == NULL ? "0" : ask->id);
    json_write_key(&writer, "channels");
    json_write_array_begin(&writer);
    for (size_t i = 0; i < ask->count; i++) {
        char channel[LIMIT_TOPIC_BYTES];
        size_t size = spell(td_bytes_str(ask->topics[i]), '.', '@', channel);
        if (size == 0)
            return td_err_set(err, TD_E_INVALID, "topic '%s' names no market", ask->topics[i]);
        json_write_bytes(&writer, td_bytes_of(channel, size));
    }
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

static td_result read_answer(dialect_text *text, json_value root, dialect_answer *out, td_err *err)
{
    td_bytes word = {0};
    (void)text;
    (void)err;
    if (json_find_text(root, "method", &word) && td_bytes_is(word, "ALIVE")) {
        out->kind = ANSWER_PONG;
        out->of = REQUEST_PING;
        return TD_OK;
    }
    if (!dialect_text_scalar(root, "reply", &out->id))
        return TD_OK;
    out->kind = ANSWER_TOPICS;
    out->success = dialect_text_scalar(root, "code", &word) && td_bytes_is(word, "0");
    (void)dialect_text_scalar(root, "why", &out->reason); /* only refusals have it */
    return TD_OK;
}

/* ---- the dialect: a server ---- */

static td_result read_channels(dialect_text *text, json_value list, dialect_request *out,
                               td_err *err)
{
    td_result rc = dialect_text_reserve(text, json_count(list), err);
    if (rc == TD_OK)
        rc = dialect_text_list(text, list, &out->arg_count, err);
    if (rc == TD_OK)
        rc = td_buf_reserve(&text->texts, out->arg_count * LIMIT_TOPIC_BYTES, err);
    for (size_t i = 0; i < out->arg_count && rc == TD_OK; i++) {
        char *topic = (char *)text->texts.data + text->texts.size;
        size_t size = spell(text->args[i], '@', '.', topic);
        text->args[i] = size == 0 ? text->args[i] : td_bytes_of(topic, size);
        text->texts.size += size;
    }
    out->args = rc == TD_OK ? text->args : NULL;
    return rc;
}

static td_result read_request(dialect_text *text, json_value root, dialect_request *out,
                              td_err *err)
{
    json_value channels;
    td_bytes method = {0};
    (void)json_find_text(root, "method", &method); /* if absent, the method is unknown */
    out->has_id = (uint8_t)dialect_text_scalar(root, "number", &out->id);
    if (td_bytes_is(method, "HEARTBEAT"))
        out->kind = REQUEST_PING;
    else if (td_bytes_is(method, "SUBSCRIBE"))
        out->kind = REQUEST_SUBSCRIBE;
    else if (td_bytes_is(method, "LEAVE"))
        out->kind = REQUEST_UNSUBSCRIBE;
    return json_find(root, "channels", &channels) ? read_channels(text, channels, out, err) : TD_OK;
}

static td_result build_answer(td_buf *out, const dialect_request *request,
                              const dialect_reply *reply, td_err *err)
{
    if (request->kind == REQUEST_PING)
        return td_buf_printf(out, err, "{\"method\":\"ALIVE\"}");
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    json_write_member_bytes(&writer, "reply", request->id);
    json_write_member_u64(&writer, "code", reply->refused == REFUSAL_NONE ? 0 : 404);
    if (reply->refused != REFUSAL_NONE)
        json_write_member_text(&writer, "why", "no such channel");
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

const dialect HARBOR_DIALECT = {
    .name = "harbor",
    .ping_interval_ns = UINT64_C(1000000000),
    .fit = fit,
    .build_topics = build_topics,
    .ping = "{\"method\":\"HEARTBEAT\"}",
    .build_answer = build_answer,
    .covers = dialect_covers_same,
    .read_request = read_request,
    .read_answer = read_answer,
};
