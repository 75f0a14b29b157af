/* Dialect D: {"topic","event":"sub","symbol","params"}, answered by the request with a code. v1
 * accepts a list of symbols; v2 has a single symbol, in params (docs/wire.md 1.3). */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "schema/bybit/dialects.h"

/* The versions of the dialect, which differ in requests and answers. */
typedef enum generation { GENERATION_V1, GENERATION_V2 } generation;

/* ---- client ---- */

/* The parts of a topic in the form that the rest of the program uses (spot_topics.c). */
typedef struct spot_parts {
    td_bytes name;
    td_bytes parameter; /* empty: no parameter */
    td_bytes symbol;
} spot_parts;

/* Size of the text before the last dot; 0 if there is no dot. */
static size_t stem_size(const char *topic)
{
    const char *dot = strrchr(topic, '.');
    return dot == NULL ? 0 : (size_t)(dot - topic);
}

static int begins_with(td_bytes text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static td_result split(const char *topic, spot_parts *out, td_err *err)
{
    size_t stem = stem_size(topic);
    size_t name = strcspn(topic, ".");
    TD_ASSERT(stem == 0 || name <= stem);
    if (strlen(topic) > LIMIT_TOPIC_BYTES)
        return td_err_set(err, TD_E_INVALID, "a topic of %zu characters: 1 to %u are allowed",
                          strlen(topic), LIMIT_TOPIC_BYTES);
    if (name == 0 || stem == 0 || topic[stem + 1] == '\0')
        return td_err_set(err, TD_E_INVALID,
                          "topic '%s' names no symbol: spot needs one (depth.BTCUSDT)", topic);
    out->name = td_bytes_of(topic, name);
    out->parameter = stem > name ? td_bytes_of(topic + name + 1, stem - name - 1) : (td_bytes){0};
    out->symbol = td_bytes_str(topic + stem + 1);
    if (begins_with(out->name, "kline_"))
        return td_err_set(err, TD_E_INVALID, "topic '%s': write spot's candles as kline.1m.BTCUSDT",
                          topic);
    const char *parameter = bybit_spot_parameter(out->name);
    if (parameter == NULL && stem > name)
        return td_err_set(err, TD_E_INVALID, "topic '%s': %.*s has no parameter in spot", topic,
                          (int)name, topic);
    if (parameter != NULL && out->parameter.size == 0)
        return td_err_set(err, TD_E_INVALID,
                          "topic '%s': %.*s needs its %s between name and symbol", topic, (int)name,
                          topic, parameter);
    return TD_OK;
}

static void write_params(json_writer *writer, const spot_parts *parts, generation of,
                         dialect_frames frames)
{
    td_bytes parameter = parts->parameter;
    int is_in_topic = of == GENERATION_V1 && td_bytes_is(parts->name, "kline");
    json_write_member_object_begin(writer, "params");
    if (of == GENERATION_V2)
        json_write_member_bytes(writer, "symbol", parts->symbol);
    if (parameter.size > 0 && !is_in_topic) {
        TD_ASSERT(bybit_spot_parameter(parts->name) != NULL); /* checked by split() */
        json_write_key(writer, bybit_spot_parameter(parts->name));
        /* As in the exchange's samples, a scale is a number without leading zero ("dumpScale":1),
         * an interval is text ("klineType":"1m"). */
        uint64_t number;
        int is_number = td_digits_parse(parameter, 999999999, &number) &&
                        (parameter.data[0] != '0' || parameter.size == 1);
        if (is_number)
            json_write_raw(writer, parameter);
        else
            json_write_bytes(writer, parameter);
    }
    json_write_member_bool(writer, "binary", frames == DIALECT_FRAMES_BINARY);
    json_write_object_end(writer);
}

/* Write the topic's name; in v1 it contains the interval of candles: "kline_1m". */
static void write_name(json_writer *writer, const spot_parts *parts, generation of)
{
    char text[LIMIT_TOPIC_BYTES];
    td_bytes name = parts->name;
    size_t size = name.size + 1 + parts->parameter.size;
    if (of == GENERATION_V1 && td_bytes_is(name, "kline")) {
        TD_ASSERT(size <= sizeof text); /* checked by split() */
        memcpy(text, name.data, name.size);
        text[name.size] = '_';
        memcpy(text + name.size + 1, parts->parameter.data, parts->parameter.size);
        name = td_bytes_of(text, size);
    }
    json_write_member_bytes(writer, "topic", name);
}

static const char *event_name(request_kind kind)
{
    TD_ASSERT(kind == REQUEST_SUBSCRIBE || kind == REQUEST_UNSUBSCRIBE);
    return kind == REQUEST_SUBSCRIBE ? "sub" : "cancel";
}

/* Join the symbols of all topics with commas. The topics' other parts are equal. */
static td_result join_symbols(const dialect_ask *ask, td_buf *out, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < ask->count && rc == TD_OK; i++) {
        /* fit_v1() selects topics that differ only after their last dot */
        TD_ASSERT(stem_size(ask->topics[i]) == stem_size(ask->topics[0]));
        const char *symbol = ask->topics[i] + stem_size(ask->topics[i]) + 1;
        if (i > 0)
            rc = td_buf_append(out, ",", 1, err);
        if (rc == TD_OK)
            rc = td_buf_append(out, symbol, strlen(symbol), err);
    }
    return rc;
}

/* Build a request of v1. The members are in the order of document 001's requests (as in
 * build_v2()). */
static td_result build_v1(td_buf *out, const dialect_ask *ask, td_err *err)
{
    TD_ASSERT(ask->count > 0);
    spot_parts parts;
    td_buf symbols;
    td_buf_init(&symbols, (size_t)2 * DIALECT_REQUEST_BYTES);
    td_result rc = split(ask->topics[0], &parts, err);
    if (rc == TD_OK)
        rc = join_symbols(ask, &symbols, err);
    if (rc == TD_OK) {
        json_writer writer;
        json_write_begin(&writer, out);
        json_write_object_begin(&writer);
        json_write_member_bytes(&writer, "symbol", td_buf_view(&symbols));
        write_name(&writer, &parts, GENERATION_V1);
        json_write_member_text(&writer, "event", event_name(ask->kind));
        write_params(&writer, &parts, GENERATION_V1, ask->frames);
        json_write_object_end(&writer);
        rc = json_write_end(&writer, err);
    }
    td_buf_fini(&symbols);
    return rc;
}

static td_result build_v2(td_buf *out, const dialect_ask *ask, td_err *err)
{
    TD_ASSERT(ask->count == 1);
    spot_parts parts;
    td_result rc = split(ask->topics[0], &parts, err);
    if (rc != TD_OK)
        return rc;
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    write_name(&writer, &parts, GENERATION_V2);
    json_write_member_text(&writer, "event", event_name(ask->kind));
    write_params(&writer, &parts, GENERATION_V2, ask->frames);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

/* The number of topics that fit into one request: they may differ only in their symbol. */
static size_t fit_v1(const char *const *topics, size_t count)
{
    size_t most = bybit_fit_bytes(topics, count);
    size_t stem = stem_size(topics[0]);
    size_t taken = 1;
    TD_ASSERT(most > 0);
    /* Limit by bytes first, so that the request with its list stays small. */
    while (taken < most && stem > 0 && stem_size(topics[taken]) == stem &&
           memcmp(topics[taken], topics[0], stem) == 0)
        taken++;
    return taken;
}

static size_t fit_v2(const char *const *topics, size_t count)
{
    (void)topics;
    TD_ASSERT(count > 0);
    return 1;
}

/* ---- server: requests ---- */

static td_result read_request(dialect_text *text, json_value root, dialect_request *out,
                              td_err *err)
{
    json_value heartbeat;
    td_bytes op;
    const spot_symbols symbols =
        out->dialect->variant == GENERATION_V1 ? SPOT_SYMBOL_LIST : SPOT_ONE_SYMBOL;
    /* {"op":"ping"} belongs to other dialects, but clients that use several dialects send it here,
     * too. */
    if (json_find(root, "ping", &heartbeat) ||
        (json_find_text(root, "op", &op) && td_bytes_is(op, bybit_op_name(REQUEST_PING)))) {
        out->kind = REQUEST_PING;
        return TD_OK;
    }
    if (json_find(root, "pong", &heartbeat)) {
        out->kind = REQUEST_PONG;
        return TD_OK;
    }
    /* Read the parts even if the event is unknown: refusals of v2 echo them. */
    bybit_spot_read(root, out->parts);
    td_bytes event = out->parts[SPOT_EVENT];
    if (td_bytes_is(event, "sub"))
        out->kind = REQUEST_SUBSCRIBE;
    else if (td_bytes_is(event, "cancel"))
        out->kind = REQUEST_UNSUBSCRIBE;
    else
        return TD_OK; /* unknown: no other event is documented */
    td_result rc = bybit_spot_topics(text, out->parts, symbols, &out->arg_count, err);
    if (rc == TD_OK)
        out->args = text->args;
    return rc;
}

/* ---- server: answers ---- */

/* The names of all topics (docs/wire.md 4.2), by which an unknown topic is distinguished from an
 * unknown symbol. */
static const char *const TOPICS_V1[] = {"trade",       "realtimes", "kline", "depth",
                                        "mergedDepth", "diffDepth", "lt",    NULL};
static const char *const TOPICS_V2[] = {"trade", "realtimes", "kline", "depth", "bookTicker", NULL};
static const char *const KLINE_TYPES[] = {"1m", "3m", "5m",  "15m", "30m", "1h", "2h",
                                          "4h", "6h", "12h", "1d",  "1w",  "1M", NULL};

static int is_one_of(td_bytes text, const char *const *names)
{
    while (*names != NULL && !td_bytes_is(text, *names))
        names++;
    return *names != NULL;
}

/* 1 if a topic that matches a row's pattern can exist: "kline.9m.A" and "bookTicker.A,B" cannot. */
static int is_possible(td_bytes topic)
{
    static const char KLINE[] = "kline.";
    size_t prefix = sizeof KLINE - 1;
    if (topic.size > 0 && memchr(topic.data, ',', topic.size) != NULL)
        return 0;
    if (!begins_with(topic, KLINE))
        return 1;
    const uint8_t *dot = memchr(topic.data + prefix, '.', topic.size - prefix);
    return dot != NULL &&
           is_one_of(td_bytes_of(topic.data + prefix, (size_t)(dot - topic.data) - prefix),
                     KLINE_TYPES);
}

/* A refusal of the exchange (docs/wire.md 5.3). */
typedef struct spot_error {
    const char *code;
    const char *text;
    int is_echoed; /* 1: the answer echoes the request and has the text as msg; 0: only code and
                      desc */
} spot_error;

static spot_error error_of(const dialect_request *request, const dialect_reply *reply,
                           generation of)
{
    static const spot_error PERIOD = {"-10009", "Invalid period!", 0};
    static const spot_error SYMBOLS = {"-100010", "Invalid Symbols!", 0};
    const spot_stem stem = bybit_spot_stem(request->parts);
    TD_ASSERT(reply->refused != REFUSAL_NONE);
    int is_known = is_one_of(stem.name, of == GENERATION_V1 ? TOPICS_V1 : TOPICS_V2);
    if (reply->refused == REFUSAL_UNKNOWN_TOPIC && is_known) {
        if (td_bytes_is(stem.name, "kline") && !is_one_of(stem.parameter, KLINE_TYPES))
            return PERIOD;
        if (!stem.has_parameter || stem.parameter.size > 0)
            return SYMBOLS; /* the rest of the topic is valid */
    }
    return (spot_error){"-100011", "Parameter error!",
                        of == GENERATION_V2 && request->parts[SPOT_EVENT].size > 0};
}

/* Echo the request. The values of params are always strings. */
static void write_echo(json_writer *writer, const td_bytes parts[SPOT_PARTS], generation of)
{
    json_write_member_bytes(writer, "topic", parts[SPOT_TOPIC]);
    json_write_member_bytes(writer, "event", parts[SPOT_EVENT]);
    if (of == GENERATION_V1)
        json_write_member_bytes(writer, "symbol", parts[SPOT_SYMBOL]);
    json_write_member_object_begin(writer, "params");
    if (of == GENERATION_V2)
        json_write_member_bytes(writer, "symbol", parts[SPOT_SYMBOL]);
    json_write_member_text(writer, "binary", parts[SPOT_BINARY].size > 0 ? "true" : "false");
    if (parts[SPOT_KLINE_TYPE].size > 0)
        json_write_member_bytes(writer, "klineType", parts[SPOT_KLINE_TYPE]);
    if (parts[SPOT_DUMP_SCALE].size > 0)
        json_write_member_bytes(writer, "dumpScale", parts[SPOT_DUMP_SCALE]);
    if (of == GENERATION_V2)
        json_write_member_bytes(writer, "symbolName", parts[SPOT_SYMBOL]);
    json_write_object_end(writer);
}

static td_result build_answer(td_buf *out, const dialect_request *request,
                              const dialect_reply *reply, td_err *err)
{
    const generation of = (generation)request->dialect->variant;
    /* Cannot happen: this dialect is for public topics, and has no auth. */
    TD_ASSERT(request->kind != REQUEST_AUTH);
    if (request->kind == REQUEST_PONG)
        return TD_OK; /* this frame answers the server's own ping, and gets no answer */
    if (request->kind == REQUEST_PING)
        return dialect_heartbeat(out, BYBIT_SPOT_PONG, reply->now_ms, err);
    spot_error error = {"0", "Success", 1};
    if (reply->refused != REFUSAL_NONE)
        error = error_of(request, reply, of);
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    if (error.is_echoed)
        write_echo(&writer, request->parts, of);
    json_write_member_text(&writer, "code", error.code);
    json_write_member_text(&writer, error.is_echoed ? "msg" : "desc", error.text);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

const dialect BYBIT_SPOT = {
    .has_binary = 1,
    .echoes_topics = 1,
    .name = "spot",
    BYBIT_SHARED,
    .fit = fit_v1,
    .build_topics = build_v1,
    .ping = BYBIT_SPOT_PING,
    .pong = BYBIT_SPOT_PONG,
    .variant = GENERATION_V1,
    .build_answer = build_answer,
    .covers = dialect_covers_same,
    .is_possible = is_possible,
    .read_request = read_request,
};

const dialect BYBIT_SPOT_V2 = {
    .has_binary = 1,
    .echoes_topics = 1,
    .name = "spot",
    BYBIT_SHARED,
    .fit = fit_v2,
    .build_topics = build_v2,
    .ping = BYBIT_SPOT_PING,
    .pong = BYBIT_SPOT_PONG,
    .variant = GENERATION_V2,
    .build_answer = build_answer,
    .covers = dialect_covers_same,
    .is_possible = is_possible,
    .read_request = read_request,
};
