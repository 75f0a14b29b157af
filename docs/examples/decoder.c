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

/* ---- JSON as the exchange writes it, read once from begin to end ---- */

/* A value is a part of the frame's text. */
typedef tapedeck_text json;

static const json NOTHING = {NULL, 0};

/* The position in a frame; NULL once the text is found not to be JSON. */
typedef struct walk {
    const char *at, *end;
} walk;

/* A word with a bit set in its first byte that equals `byte`; later bytes may be wrong. */
static uint64_t bytes_equal(uint64_t word, char byte)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    word ^= ones * (unsigned char)byte;
    return (word - ones) & ~word & ones << 7;
}

/* The end of the string that begins at p, after its closing quote; NULL without one. Skips eight
 * bytes at a time: 64 bytes after the frame are readable. */
static const char *skip_string(const char *p, const char *end)
{
    uint64_t word;
    for (p++; p < end; p += 8) {
        memcpy(&word, p, sizeof word);
        const uint64_t found = bytes_equal(word, '"') | bytes_equal(word, '\\');
        if (found == 0)
            continue;
        p += __builtin_ctzll(found) / 8; /* of a little-endian machine */
        if (*p == '"')
            return p < end ? p + 1 : NULL;
        p += 2 - 8;
    }
    return NULL;
}

/* The end of the value that begins at p; NULL without one. */
static const char *skip_value(const char *p, const char *end)
{
    const char *begin = p;
    int depth = 0;
    if (p < end && *p == '"')
        return skip_string(p, end);
    if (p < end && *p != '{' && *p != '[') { /* a number or a word */
        while (p < end && (*p > ' ' && *p != ',' && *p != ']' && *p != '}'))
            p++;
        return p > begin ? p : NULL;
    }
    for (; p < end && (depth > 0 || (*p > ' ' && *p != ',' && *p != ']' && *p != '}')); p++) {
        if (*p == '"') {
            p = skip_string(p, end);
            if (p == NULL)
                return NULL;
            p--;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if ((*p == '}' || *p == ']') && --depth == 0) {
            return p + 1;
        }
    }
    return p > begin && depth == 0 ? p : NULL;
}

/* The value at the position, which moves to its end. */
static json take(walk *w)
{
    const char *begin = w->at;
    w->at = begin == NULL ? NULL : skip_value(begin, w->end);
    return w->at == NULL ? NOTHING : (json){begin, (size_t)(w->at - begin)};
}

/* Inline, as scalar below: they run for each value. */
static inline void skip_space(walk *w)
{
    while (w->at < w->end && *w->at <= ' ' &&
           (*w->at == ' ' || *w->at == '\n' || *w->at == '\t' || *w->at == '\r'))
        w->at++;
}

/* 1 and moves into the value if it begins with this bracket. */
static int enter(walk *w, char bracket)
{
    if (w->at == NULL || w->at >= w->end || *w->at != bracket)
        return 0;
    w->at++;
    return 1;
}

/* Move to the next element of the list that was entered; 0 at its end, which is left. */
static int next_element(walk *w)
{
    if (w->at == NULL)
        return 0;
    skip_space(w);
    if (w->at < w->end && *w->at == ',') {
        w->at++;
        skip_space(w);
    }
    if (w->at >= w->end) {
        w->at = NULL;
        return 0;
    }
    if (*w->at != ']' && *w->at != '}')
        return 1;
    w->at++;
    return 0;
}

/* The same in an object: the position is at the member's value. */
static int next_member(walk *w, json *key)
{
    if (!next_element(w))
        return 0;
    const char *begin = w->at;
    w->at = *begin == '"' ? skip_string(begin, w->end) : NULL;
    if (w->at == NULL)
        return 0;
    *key = (json){begin + 1, (size_t)(w->at - begin - 2)};
    skip_space(w);
    if (!enter(w, ':')) {
        w->at = NULL;
        return 0;
    }
    skip_space(w);
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

/* Read the object at the position; of another value no members. */
static void read_object(walk *w, object *out)
{
    json key;
    out->count = 0;
    if (!enter(w, '{'))
        (void)take(w);
    else
        while (next_member(w, &key)) {
            const json value = take(w);
            if (out->count == MEMBERS_MAX)
                continue;
            out->keys[out->count] = key;
            out->values[out->count++] = value;
        }
}

/* A value of an object, to be read. */
static walk walk_of(json value)
{
    return (walk){value.data, value.data + value.size};
}

/* A member of an object by its key; NOTHING if absent. */
static json find(const object *of, const char *wanted)
{
    size_t size = strlen(wanted);
    for (size_t i = 0; i < of->count; i++)
        if (of->keys[i].size == size && of->keys[i].data[0] == *wanted &&
            memcmp(of->keys[i].data, wanted, size) == 0)
            return of->values[i];
    return NOTHING;
}

/* The text of a string, number or boolean; empty for null, "" and "None", which mean absent. */
static inline json scalar(json value)
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

enum { US = 1000, MS = 1000000 };

/* An exchange's time, whole units of so many ns, in ns; 0 if it is absent. */
static uint64_t time_ns(const answer *a, json time, uint64_t unit_ns)
{
    const uint64_t most = UINT64_MAX / unit_ns / 10 - 1;
    uint64_t count = 0;
    for (size_t i = 0; i < time.size; i++) {
        if (time.data[i] < '0' || time.data[i] > '9' || count > most) {
            fail(a, "bad_time");
            return 0;
        }
        count = count * 10 + (uint64_t)(time.data[i] - '0');
    }
    return count * unit_ns;
}

static void head_time(const answer *a, const char *name, json time, uint64_t unit_ns)
{
    a->call->head_time(a->to, tapedeck_text_of(name), time_ns(a, time, unit_ns));
}

static void value_time(const answer *a, const char *name, json time, uint64_t unit_ns)
{
    a->call->value_time(a->to, tapedeck_text_of(name), time_ns(a, time, unit_ns));
}

/* ---- order books and trades of the older families ---- */

static void old_levels(const answer *a, const char *action, json list)
{
    walk w = walk_of(list);
    object level;
    for (int is_in = enter(&w, '['); is_in && next_element(&w);) {
        read_object(&w, &level);
        a->call->level(a->to, tapedeck_text_of(action), member(&level, "side"),
                       member(&level, "price"), member(&level, "size"));
        value(a, "symbol", member(&level, "symbol"));
        value(a, "id", member(&level, "id"));
    }
}

static void old_book(const answer *a, walk *w)
{
    object frame;
    object data;
    read_object(w, &frame);
    json list = find(&frame, "data");
    json kind = member(&frame, "type");
    walk in_data = walk_of(list);
    read_object(&in_data, &data);
    head(a, "kind", kind);
    head(a, "cross_seq", member(&frame, "cross_seq"));
    head_time(a, "exchange_ns", member(&frame, "timestamp_e6"), US);
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

static void old_trades(const answer *a, walk *w)
{
    object frame;
    object trade;
    int count = 0;
    read_object(w, &frame);
    walk list = walk_of(find(&frame, "data"));
    for (int is_in = enter(&list, '['); is_in && next_element(&list); count++) {
        read_object(&list, &trade);
        const json time = member(&trade, "trade_time_ms");
        a->call->trade(a->to, member(&trade, "side"), member(&trade, "price"),
                       member(&trade, "size"), time_ns(a, time, MS), member(&trade, "trade_id"));
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

/* The levels of a side, read where they are; 0 if the value is no array. */
static int v5_levels(const answer *a, const char *side, walk *w)
{
    if (!enter(w, '[')) {
        (void)take(w);
        return 0;
    }
    const json on_side = tapedeck_text_of(side), set = tapedeck_text_of("set"),
               delete = tapedeck_text_of("delete");
    while (next_element(w) && enter(w, '[')) {
        json level[2] = {NOTHING, NOTHING};
        for (size_t i = 0; next_element(w); i++)
            level[i < 2 ? i : 1] = scalar(take(w));
        a->call->level(a->to, is_zero(level[1]) ? delete : set, on_side, level[0], level[1]);
    }
    return 1;
}

/* The calls may come in the order of the frame's members. */
static void v5_book(const answer *a, walk *w)
{
    json key;
    int has_bids = 0;
    int has_asks = 0;
    for (int is_in = enter(w, '{'); is_in && next_member(w, &key);) {
        if (is(key, "type"))
            head(a, "kind", scalar(take(w)));
        else if (is(key, "ts"))
            head_time(a, "exchange_ns", scalar(take(w)), MS);
        else if (is(key, "cts"))
            head_time(a, "match_ns", scalar(take(w)), MS);
        else if (!is(key, "data") || !enter(w, '{'))
            (void)take(w);
        else
            while (next_member(w, &key)) {
                if (is(key, "b"))
                    has_bids = v5_levels(a, "Buy", w);
                else if (is(key, "a"))
                    has_asks = v5_levels(a, "Sell", w);
                else if (is(key, "u") || is(key, "seq"))
                    a->call->head(a->to, key, scalar(take(w)));
                else
                    (void)take(w);
            }
    }
    if (!has_bids || !has_asks)
        fail(a, has_bids ? "missing_field: data.a" : "missing_field: data.b");
}

static void v5_trade(const answer *a, walk *w, int is_first)
{
    object trade;
    read_object(w, &trade);
    const json time = member(&trade, "T");
    a->call->trade(a->to, member(&trade, "S"), member(&trade, "p"), member(&trade, "v"),
                   time_ns(a, time, MS), member(&trade, "i"));
    value(a, "symbol", member(&trade, "s"));
    value(a, "tick_direction", member(&trade, "L"));
    value(a, "seq", member(&trade, "seq"));
    value(a, "is_block_trade", member(&trade, "BT"));
    value(a, "is_rpi_trade", member(&trade, "RPI"));
    if (!is_first)
        return;
    head_time(a, "exchange_ns", time, MS);
    head(a, "seq", member(&trade, "seq"));
}

static void v5_trades(const answer *a, walk *w)
{
    json key;
    int count = 0;
    for (int is_in = enter(w, '{'); is_in && next_member(w, &key);) {
        if (is(key, "type"))
            head(a, "kind", scalar(take(w)));
        else if (is(key, "ts"))
            head_time(a, "send_ns", scalar(take(w)), MS);
        else if (!is(key, "data") || !enter(w, '['))
            (void)take(w);
        else
            while (next_element(w))
                v5_trade(a, w, count++ == 0);
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

static void v5_ticker(const answer *a, walk *w)
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
    object frame;
    object data;
    read_object(w, &frame);
    walk in_data = walk_of(find(&frame, "data"));
    read_object(&in_data, &data);
    json kind = member(&frame, "type");
    head(a, "kind", kind);
    head_time(a, "exchange_ns", member(&frame, "ts"), MS);
    head(a, "seq", member(&frame, "cs"));
    a->call->item(a->to, tapedeck_text_of(is(kind, "snapshot") ? "set" : "update"));
    put_renamed(a, &data, NAMES, sizeof NAMES / sizeof NAMES[0]);
    value_time(a, "next_funding_ns", member(&data, "nextFundingTime"), MS);
}

static void v5_candles(const answer *a, walk *w)
{
    static const new_name NAMES[] = {
        {"interval", "interval"}, {"open", "open"},
        {"close", "close"},       {"high", "high"},
        {"low", "low"},           {"volume", "volume"},
        {"turnover", "turnover"}, {"confirm", "is_confirmed"},
    };
    object frame;
    object candle;
    int count = 0;
    read_object(w, &frame);
    head(a, "kind", member(&frame, "type"));
    head_time(a, "exchange_ns", member(&frame, "ts"), MS);
    walk list = walk_of(find(&frame, "data"));
    for (int is_in = enter(&list, '['); is_in && next_element(&list);) {
        read_object(&list, &candle);
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
    void (*decode)(const answer *a, walk *frame);
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
    const char *bytes = (const char *)frame->bytes;
    walk w = {bytes, bytes + frame->byte_count};
    const topic_row *topic = frame->type[0] == '\0' ? NULL : find_topic(frame);
    if (!TAPEDECK_HAS(a.call, tapedeck_answer_calls, value_time))
        fail(&a, "this decoder needs a newer tapedeck");
    else if (topic == NULL)
        fail(&a, "unknown_topic");
    else if (frame->byte_count == 0 || *bytes != '{')
        fail(&a, "not_json");
    else
        topic->decode(&a, &w);
    if (topic != NULL && w.at == NULL)
        fail(&a, "not_json");
}

const struct tapedeck_plugin tapedeck_plugin = {
    .abi = TAPEDECK_PLUGIN_ABI,
    .size = sizeof tapedeck_plugin,
    .name = "decoder.c",
    .decode = decode,
};
