/* A user's decoder for tapedeck, as a shared object:
 *
 *     cc -shared -fPIC -O2 -o decoder.so decoder.c `pkg-config --cflags tapedeck`
 *     tapedeck regress check ARCHIVE --decoder ./decoder.so
 *
 * Order books and trades of the inverse, linear and public v5 families, v5's candles, and tickers
 * of v5-linear and v5-inverse; everything else is refused as unknown_topic, like a topic that
 * tapedeck does not know. The interface is <tapedeck/plugin.h>. */
#include <tapedeck/plugin.h>

#include <stdio.h>
#include <string.h>

/* ---- JSON as the exchange writes it; a value is a part of the frame's text ---- */

typedef tapedeck_text json;

static const json NOTHING = {NULL, 0};

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* The end of the string that begins at p, after its closing quote; NULL without one. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\')
            p++;
    return p < end ? p + 1 : NULL;
}

/* The end of the object or array that begins at p; NULL without one. */
static const char *skip_container(const char *p, const char *end)
{
    int depth = 0;
    while (p != NULL && p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            continue;
        }
        depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        p++;
        if (depth == 0)
            return p;
    }
    return NULL;
}

/* The end of the value that begins at p; NULL without one. */
static const char *skip_value(const char *p, const char *end)
{
    if (p < end && *p == '"')
        return skip_string(p, end);
    if (p < end && (*p == '{' || *p == '['))
        return skip_container(p, end);
    const char *begin = p;
    while (p<end && * p> ' ' && *p != ',' && *p != ']' && *p != '}')
        p++;
    return p > begin ? p : NULL;
}

/* The next member of an object (key and value) or element of an array (value). *at is NULL at
 * first, then the position to continue from. Returns 0 at the end. */
static int next_of(json container, const char **at, json *key, json *value)
{
    const char *end = container.data + container.size;
    if (container.size < 2 || (container.data[0] != '{' && container.data[0] != '['))
        return 0;
    const char *p = skip_space(*at == NULL ? container.data + 1 : *at, end);
    if (p < end && *p == ',')
        p = skip_space(p + 1, end);
    if (p >= end || *p == '}' || *p == ']')
        return 0;
    if (container.data[0] == '{') {
        const char *key_end = *p == '"' ? skip_string(p, end) : NULL;
        if (key_end == NULL)
            return 0;
        *key = (json){p + 1, (size_t)(key_end - p - 2)};
        p = skip_space(key_end, end);
        if (p >= end || *p != ':')
            return 0;
        p = skip_space(p + 1, end);
    }
    *at = skip_value(p, end);
    if (*at == NULL)
        return 0;
    *value = (json){p, (size_t)(*at - p)};
    return 1;
}

static int is(json text, const char *wanted)
{
    return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

/* The members of an object, parsed once. */
enum { MEMBERS_MAX = 64 };
typedef struct object {
    json keys[MEMBERS_MAX], values[MEMBERS_MAX];
    size_t count;
} object;

static void read_object(json text, object *out)
{
    out->count = 0;
    if (text.size == 0 || text.data[0] != '{')
        return;
    for (const char *at = NULL; out->count < MEMBERS_MAX; out->count++)
        if (!next_of(text, &at, &out->keys[out->count], &out->values[out->count]))
            return;
}

/* A member of an object by its key; NOTHING if absent. */
static json find(const object *of, const char *wanted)
{
    size_t size = strlen(wanted);
    for (size_t i = 0; i < of->count; i++)
        if (of->keys[i].size == size && memcmp(of->keys[i].data, wanted, size) == 0)
            return of->values[i];
    return NOTHING;
}

/* The text of a string, number or boolean; empty for null, "" and "None", which mean absent. */
static json scalar(json value)
{
    if (value.size >= 2 && value.data[0] == '"')
        value = (json){value.data + 1, value.size - 2};
    return is(value, "null") || is(value, "None") ? NOTHING : value;
}

static json member(const object *of, const char *key)
{
    return scalar(find(of, key));
}

static int is_array(json value)
{
    return value.size > 0 && value.data[0] == '[';
}

/* ---- answers ---- */

typedef struct answer {
    tapedeck_answer *to;
    const tapedeck_answer_calls *call;
} answer;

static void head(const answer *a, const char *name, json value)
{
    a->call->head(a->to, tapedeck_text_of(name), value);
}

static void value(const answer *a, const char *name, json text)
{
    a->call->value(a->to, tapedeck_text_of(name), text);
}

static void fail(const answer *a, const char *why)
{
    a->call->fail(a->to, tapedeck_text_of(why));
}

/* Text of an exchange's time in ns: its digits, and zeros that convert its unit. */
typedef struct time_text {
    char digits[32];
    json text;
} time_text;

enum { US = 3, MS = 6 };

static json time_ns(time_text *out, json time, int zeros)
{
    int size = snprintf(out->digits, sizeof out->digits, "%.*s%.*s", (int)time.size,
                        time.size > 0 ? time.data : "", zeros, "000000");
    if (time.size == 0 || size < 0 || (size_t)size >= sizeof out->digits)
        return NOTHING;
    return (json){out->digits, (size_t)size};
}

static void head_time(const answer *a, const char *name, json time, int zeros)
{
    time_text ns;
    head(a, name, time_ns(&ns, time, zeros));
}

static void value_time(const answer *a, const char *name, json time, int zeros)
{
    time_text ns;
    value(a, name, time_ns(&ns, time, zeros));
}

/* ---- order books and trades of the older families ---- */

static void old_levels(const answer *a, const char *action, json list)
{
    json key = NOTHING;
    json text;
    object level;
    for (const char *at = NULL; next_of(list, &at, &key, &text);) {
        read_object(text, &level);
        a->call->level(a->to, tapedeck_text_of(action), member(&level, "side"),
                       member(&level, "price"), member(&level, "size"));
        value(a, "symbol", member(&level, "symbol"));
        value(a, "id", member(&level, "id"));
    }
}

static void old_book(const answer *a, const object *frame)
{
    json list = find(frame, "data");
    json kind = member(frame, "type");
    object data;
    read_object(list, &data);
    head(a, "kind", kind);
    head(a, "cross_seq", member(frame, "cross_seq"));
    head_time(a, "exchange_ns", member(frame, "timestamp_e6"), US);
    head_time(a, "transact_ns", member(&data, "transactTimeE6"), US);
    if (is(kind, "snapshot")) {
        old_levels(a, "set", is_array(list) ? list : find(&data, "order_book"));
        return;
    }
    if (!is_array(find(&data, "update"))) {
        fail(a, "missing_field: data.update");
        return;
    }
    old_levels(a, "delete", find(&data, "delete"));
    old_levels(a, "update", find(&data, "update"));
    old_levels(a, "insert", find(&data, "insert"));
}

static void old_trades(const answer *a, const object *frame)
{
    json key = NOTHING;
    json text;
    object trade;
    int count = 0;
    for (const char *at = NULL; next_of(find(frame, "data"), &at, &key, &text); count++) {
        read_object(text, &trade);
        json time = member(&trade, "trade_time_ms");
        a->call->trade(a->to, member(&trade, "side"), member(&trade, "price"),
                       member(&trade, "size"), 0, member(&trade, "trade_id"));
        value_time(a, "exchange_ns", time, MS);
        value(a, "symbol", member(&trade, "symbol"));
        value(a, "tick_direction", member(&trade, "tick_direction"));
        value(a, "cross_seq", member(&trade, "cross_seq"));
        value(a, "is_block_trade", member(&trade, "is_block_trade"));
        if (count == 0) {
            head_time(a, "exchange_ns", time, MS);
            head(a, "cross_seq", member(&trade, "cross_seq"));
        }
    }
    if (count == 0)
        fail(a, "missing_field: data");
}

/* ---- v5 ---- */

/* A size of 0 removes the level. */
static int is_zero(json size)
{
    for (size_t i = 0; i < size.size; i++)
        if (size.data[i] >= '1' && size.data[i] <= '9')
            return 0;
    return 1;
}

static void v5_levels(const answer *a, const char *side, json list)
{
    const char *end = list.data + list.size;
    const char *at = list.data + 1;
    while (at != NULL && (at = memchr(at, '[', (size_t)(end - at))) != NULL) {
        const json level = {at, (size_t)(end - at)};
        json key = NOTHING;
        json price = NOTHING;
        json size = NOTHING;
        at = NULL;
        if (next_of(level, &at, &key, &price))
            (void)next_of(level, &at, &key, &size);
        const char *action = is_zero(scalar(size)) ? "delete" : "set";
        a->call->level(a->to, tapedeck_text_of(action), tapedeck_text_of(side), scalar(price),
                       scalar(size));
    }
}

static void v5_book(const answer *a, const object *frame)
{
    object data;
    read_object(find(frame, "data"), &data);
    if (!is_array(find(&data, "b")) || !is_array(find(&data, "a"))) {
        fail(a, is_array(find(&data, "b")) ? "missing_field: data.a" : "missing_field: data.b");
        return;
    }
    head(a, "kind", member(frame, "type"));
    head_time(a, "exchange_ns", member(frame, "ts"), MS);
    head_time(a, "match_ns", member(frame, "cts"), MS);
    head(a, "u", member(&data, "u"));
    head(a, "seq", member(&data, "seq"));
    v5_levels(a, "Buy", find(&data, "b"));
    v5_levels(a, "Sell", find(&data, "a"));
}

static void v5_trades(const answer *a, const object *frame)
{
    json key = NOTHING;
    json text;
    object trade;
    int count = 0;
    head(a, "kind", member(frame, "type"));
    head_time(a, "send_ns", member(frame, "ts"), MS);
    for (const char *at = NULL; next_of(find(frame, "data"), &at, &key, &text); count++) {
        read_object(text, &trade);
        a->call->trade(a->to, member(&trade, "S"), member(&trade, "p"), member(&trade, "v"), 0,
                       member(&trade, "i"));
        value_time(a, "exchange_ns", member(&trade, "T"), MS);
        value(a, "symbol", member(&trade, "s"));
        value(a, "tick_direction", member(&trade, "L"));
        value(a, "seq", member(&trade, "seq"));
        value(a, "is_block_trade", member(&trade, "BT"));
        value(a, "is_rpi_trade", member(&trade, "RPI"));
        if (count == 0) {
            head_time(a, "exchange_ns", member(&trade, "T"), MS);
            head(a, "seq", member(&trade, "seq"));
        }
    }
    if (count == 0)
        fail(a, "missing_field: data");
}

/* A member that is only renamed. */
typedef struct new_name {
    const char *key, *name;
} new_name;

static void put_renamed(const answer *a, const object *from, const new_name *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        value(a, names[i].name, member(from, names[i].key));
}

static void v5_ticker(const answer *a, const object *frame)
{
    static const new_name NAMES[] = {
        {"symbol", "symbol"},
        {"tickDirection", "tick_direction"},
        {"price24hPcnt", "price_24h_pcnt"},
        {"lastPrice", "last_price"},
        {"prevPrice24h", "prev_price_24h"},
        {"highPrice24h", "high_price_24h"},
        {"lowPrice24h", "low_price_24h"},
        {"prevPrice1h", "prev_price_1h"},
        {"markPrice", "mark_price"},
        {"indexPrice", "index_price"},
        {"openInterest", "open_interest"},
        {"openInterestValue", "open_value"},
        {"turnover24h", "turnover_24h"},
        {"volume24h", "volume_24h"},
        {"fundingIntervalHour", "funding_rate_interval_hours"},
        {"fundingCap", "funding_cap"},
        {"singleOpenInterest", "single_open_interest"},
        {"singleOpenInterestValue", "single_open_value"},
        {"fundingRate", "funding_rate"},
        {"bid1Price", "bid1_price"},
        {"bid1Size", "bid1_size"},
        {"ask1Price", "ask1_price"},
        {"ask1Size", "ask1_size"},
        {"preOpenPrice", "pre_open_price"},
        {"preQty", "pre_open_size"},
        {"curPreListingPhase", "pre_listing_phase"},
    };
    object data;
    read_object(find(frame, "data"), &data);
    json kind = member(frame, "type");
    head(a, "kind", kind);
    head_time(a, "exchange_ns", member(frame, "ts"), MS);
    head(a, "seq", member(frame, "cs"));
    a->call->item(a->to, tapedeck_text_of(is(kind, "snapshot") ? "set" : "update"));
    put_renamed(a, &data, NAMES, sizeof NAMES / sizeof NAMES[0]);
    value_time(a, "next_funding_ns", member(&data, "nextFundingTime"), MS);
}

static void v5_candles(const answer *a, const object *frame)
{
    static const new_name NAMES[] = {
        {"interval", "interval"}, {"open", "open"},
        {"close", "close"},       {"high", "high"},
        {"low", "low"},           {"volume", "volume"},
        {"turnover", "turnover"}, {"confirm", "is_confirmed"},
    };
    json key = NOTHING;
    json text;
    object candle;
    int count = 0;
    head(a, "kind", member(frame, "type"));
    head_time(a, "exchange_ns", member(frame, "ts"), MS);
    for (const char *at = NULL; next_of(find(frame, "data"), &at, &key, &text);) {
        read_object(text, &candle);
        a->call->item(a->to, NOTHING);
        put_renamed(a, &candle, NAMES, sizeof NAMES / sizeof NAMES[0]);
        value_time(a, "start_ns", member(&candle, "start"), MS);
        value_time(a, "end_ns", member(&candle, "end"), MS);
        value_time(a, "last_trade_ns", member(&candle, "timestamp"), MS);
        count++;
    }
    if (count == 0)
        fail(a, "missing_field: data");
}

/* ---- the decoder ---- */

/* Functions that decode topics, by the topic's first word. A topic's members differ between
 * families. */
typedef struct topic_row {
    const char *word;
    void (*decode)(const answer *a, const object *frame);
    const char *const *families; /* ends with NULL */
} topic_row;

static const char *const OLD[] = {"inverse", "linear", NULL};
static const char *const V5[] = {"v5-linear", "v5-inverse", "v5-spot",
                                 "v5-option", "v5-spread",  NULL};
static const char *const V5_FUTURES[] = {"v5-linear", "v5-inverse", NULL};

static const topic_row TOPICS[] = {
    {"orderbook", v5_book, V5},         {"publicTrade", v5_trades, V5},
    {"tickers", v5_ticker, V5_FUTURES}, {"kline", v5_candles, V5},
    {"orderBookL2_25", old_book, OLD},  {"orderBook_200", old_book, OLD},
    {"trade", old_trades, OLD},
};

static int is_one_of(const char *text, const char *const *words)
{
    while (*words != NULL && strcmp(text, *words) != 0)
        words++;
    return *words != NULL;
}

static const topic_row *find_topic(const tapedeck_frame *frame)
{
    const json word = {frame->topic, strcspn(frame->topic, ".")};
    if (strcmp(frame->topic, "orderbook.rpi") == 0) /* its levels have a third member */
        return NULL;
    for (size_t i = 0; i < sizeof TOPICS / sizeof TOPICS[0]; i++)
        if (is(word, TOPICS[i].word) && is_one_of(frame->family, TOPICS[i].families))
            return &TOPICS[i];
    return NULL;
}

static void decode(void *self, const tapedeck_frame *frame, tapedeck_answer *to)
{
    (void)self;
    const answer a = {to, to->calls};
    const json bytes = {(const char *)frame->bytes, frame->byte_count};
    const topic_row *topic = frame->type[0] == '\0' ? NULL : find_topic(frame);
    object members;
    read_object(bytes, &members);
    if (topic == NULL)
        fail(&a, "unknown_topic");
    else if (bytes.size == 0 || bytes.data[0] != '{')
        fail(&a, "not_json");
    else if (member(&members, "data").size == 0)
        fail(&a, "missing_field: data");
    else
        topic->decode(&a, &members);
}

const struct tapedeck_plugin tapedeck_plugin = {
    .abi = TAPEDECK_PLUGIN_ABI,
    .size = sizeof tapedeck_plugin,
    .name = "decoder.c",
    .decode = decode,
};
