/* The members that lead to entries, in golden frames of every topic and kind: null, removed,
 * emptied, or an object instead of a list. Such a frame must not decode to a message without
 * changes, unless the exchange writes it so; both decoders agree. Expected: docs/wire.md, and the
 * recordings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/time_text.h"
#include "schema/decode.h"
#include "tests/testing/capture.h"
#include "tests/testing/decode_fixture.h"

/* A change of a member on the path to entries. */
typedef enum harm { HARM_NULL, HARM_REMOVED, HARM_EMPTIED, HARM_OBJECT, HARM_COUNT } harm;

static const char *const HARM_NAMES[HARM_COUNT] = {"null", "removed", "[]", "{}"};

enum {
    NULL_FINE = 1 << HARM_NULL,
    ABSENT_FINE = 1 << HARM_REMOVED,
    EMPTY_FINE = 1 << HARM_EMPTIED,
    OBJECT_FINE = 1 << HARM_OBJECT,
    ALL_FINE = NULL_FINE | ABSENT_FINE | EMPTY_FINE | OBJECT_FINE,
};

/* Members that may lack entries. All others are in every frame of their kind. */
typedef struct allowance {
    const char *family; /* prefix of its name */
    const char *topic;  /* prefix of its name */
    const char *path;
    unsigned decodes;
} allowance;

static const allowance ALLOWED[] = {
    /* docs/wire.md 5.4, 6.3 point 8: one or two of three lists are empty */
    {"", "orderBookL2_25", "data.delete", NULL_FINE | ABSENT_FINE | EMPTY_FINE},
    {"", "orderBookL2_25", "data.update", EMPTY_FINE},
    {"", "orderBookL2_25", "data.insert", NULL_FINE | ABSENT_FINE | EMPTY_FINE},
    {"", "orderBook_200.100ms", "data.delete", NULL_FINE | ABSENT_FINE | EMPTY_FINE},
    {"", "orderBook_200.100ms", "data.update", EMPTY_FINE},
    {"", "orderBook_200.100ms", "data.insert", NULL_FINE | ABSENT_FINE | EMPTY_FINE},
    {"", "instrument_info.100ms", "data.delete", NULL_FINE | ABSENT_FINE | EMPTY_FINE},
    {"", "instrument_info.100ms", "data.insert", NULL_FINE | ABSENT_FINE | EMPTY_FINE},
    /* one side of a book may be empty */
    {"inverse", "orderBook25", "data.bids", EMPTY_FINE},
    {"inverse", "orderBook25", "data.asks", EMPTY_FINE},
    {"spot-v1", "trade", "data", EMPTY_FINE}, /* before the first trade */
    {"spot-", "depth", "data.b", EMPTY_FINE},
    {"spot-", "depth", "data.a", EMPTY_FINE},
    {"spot-", "mergedDepth", "data.b", EMPTY_FINE},
    {"spot-", "mergedDepth", "data.a", EMPTY_FINE},
    {"spot-", "diffDepth", "data.b", EMPTY_FINE},
    {"spot-", "diffDepth", "data.a", EMPTY_FINE},
    {"", "orderbook.", "data.b", EMPTY_FINE},
    {"", "orderbook.", "data.a", EMPTY_FINE},
    {"okx", "books", "data.asks", EMPTY_FINE},
    {"binance-", "depth", "data.a", EMPTY_FINE},
    {"binance-", "depth", "data.b", EMPTY_FINE},
    {"binance-spot", "depth", "data.asks", EMPTY_FINE},
    {"binance-spot", "depth", "data.bids", EMPTY_FINE},
    {"binance-", "!ticker@arr", "data", EMPTY_FINE},
    {"binance-", "!miniTicker@arr", "data", EMPTY_FINE},
    {"binance-", "!markPrice@arr", "data", EMPTY_FINE},
    {"binance-usdm-private", "ACCOUNT_UPDATE", "data.a.B", EMPTY_FINE | OBJECT_FINE},
    {"binance-usdm-private", "ACCOUNT_UPDATE", "data.a.P", EMPTY_FINE | OBJECT_FINE},
    {"binance-usdm-private", "ACCOUNT_CONFIG_UPDATE", "data", ALL_FINE},
    {"binance-usdm-private", "ACCOUNT_CONFIG_UPDATE", "data.ac",
     NULL_FINE | ABSENT_FINE | OBJECT_FINE},
    {"binance-usdm-private", "ACCOUNT_CONFIG_UPDATE", "data.ai",
     NULL_FINE | ABSENT_FINE | OBJECT_FINE},
    {"binance-spot-private", "outboundAccountPosition", "data.event.B", EMPTY_FINE},
    {"binance-spot-private", "listStatus", "data.event.O", EMPTY_FINE | OBJECT_FINE},
    {"kraken-v2", "instrument", "data.assets", EMPTY_FINE | OBJECT_FINE},
    {"kraken-v2", "instrument", "data.pairs", EMPTY_FINE | OBJECT_FINE},
    {"kraken-v2-private", "executions", "data", EMPTY_FINE},
    {"kraken-v2-private", "balances", "data", EMPTY_FINE},
    {"coinbase-advanced", "user", "events.orders", EMPTY_FINE},
    {"bitstamp", "order_book", "data.bids", EMPTY_FINE},
    {"bitstamp", "order_book", "data.asks", EMPTY_FINE},
    {"bitstamp", "detail_", "data.bids", EMPTY_FINE},
    {"bitstamp", "detail_", "data.asks", EMPTY_FINE},
    {"bitstamp", "diff_", "data.bids", EMPTY_FINE},
    {"bitstamp", "diff_", "data.asks", EMPTY_FINE},
    {"okx", "books", "data.bids", EMPTY_FINE},
    {"okx", "positions", "data", EMPTY_FINE}, /* an account without positions */
    {"okx", "account", "data.details", EMPTY_FINE | OBJECT_FINE},
    {"okx", "balance_and_position", "data.balData", EMPTY_FINE | OBJECT_FINE},
    {"okx", "balance_and_position", "data.posData", EMPTY_FINE | OBJECT_FINE},
    {"okx", "balance_and_position", "data.trades", ALL_FINE},
    {"okx", "bbo-tbt", "data.asks", EMPTY_FINE},
    {"okx", "bbo-tbt", "data.bids", EMPTY_FINE},
    {"deribit", "book.", "params.data.asks", EMPTY_FINE},
    {"kraken-v2", "book-", "data.bids", EMPTY_FINE},
    {"kraken-v2", "level3-", "data.bids", EMPTY_FINE},
    {"kraken-v2", "level3-", "data.asks", EMPTY_FINE},
    {"kraken-v2", "book-", "data.asks", EMPTY_FINE},
    {"deribit", "book.", "params.data.bids", EMPTY_FINE},
    /* docs/wire.md 4.1: a book may be empty, and an account may have no orders or positions */
    {"usdc-option", "orderbook25", "data.orderBook", EMPTY_FINE},
    {"usdc-option", "orderbook100", "data.orderBook", EMPTY_FINE},
    {"usdc-option", "delta.orderbook100", "data.orderBook", EMPTY_FINE},
    {"usdc-option", "delta.orderbook100", "data.delete", EMPTY_FINE},
    {"usdc-option", "delta.orderbook100", "data.update", EMPTY_FINE},
    {"usdc-option", "delta.orderbook100", "data.insert", EMPTY_FINE},
    {"usdc-private", "user.openapi.option.position snapshot", "data.result", EMPTY_FINE},
    {"usdc-private", "user.openapi.perp.position snapshot", "data.result", EMPTY_FINE},
    {"usdc-private", "user.openapi.option.order snapshot", "data.result", EMPTY_FINE},
    {"usdc-private", "user.openapi.perp.order snapshot", "data.result", EMPTY_FINE},
    {"usdc-private", "user.openapi.greeks", "data.result", EMPTY_FINE},
    /* an account without coins; a coin is an object of optional fields */
    {"v5-private", "wallet", "data.coin", EMPTY_FINE | OBJECT_FINE},
};

typedef struct harms {
    const family *of;
    decoder_pair decoders;
    const char *name; /* of the golden frame */
    uint64_t at_ns;
    unsigned tried[HARM_COUNT];
    unsigned decodes[HARM_COUNT];
    unsigned was_allowed[sizeof ALLOWED / sizeof *ALLOWED];
} harms;

static int begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The changes that are allowed at a path. topic: the frame's topic, a space, and its kind. */
static unsigned allowed(harms *p, const char *topic, const char *path)
{
    for (size_t i = 0; i < sizeof ALLOWED / sizeof *ALLOWED; i++) {
        const allowance *at = &ALLOWED[i];
        if (begins(p->of->name, at->family) && begins(topic, at->topic) &&
            strcmp(path, at->path) == 0) {
            p->was_allowed[i]++;
            return at->decodes;
        }
    }
    return 0;
}

/* A member found by a path: from its key's quote to the end of its value. */
typedef struct span {
    size_t key, value, end;
} span;

/* The end of the value that begins at `at`. Golden frames are valid and compact. */
static size_t value_end(td_bytes text, size_t at)
{
    int depth = 0;
    int is_string = 0;
    for (; at < text.size; at++) {
        uint8_t c = text.data[at];
        if (is_string) {
            at += c == '\\';
            is_string = c != '"';
        } else if (c == '"') {
            is_string = 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return at;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return at + 1;
        }
    }
    return at;
}

static size_t skip_space(td_bytes text, size_t at)
{
    while (at < text.size && strchr(" \t\r\n", text.data[at]) != NULL)
        at++;
    return at;
}

/* Finds a key in the object at `at`, or in the first element of a list there. */
static int find_member(td_bytes text, size_t at, td_bytes key, span *out)
{
    at = skip_space(text, at);
    if (text.data[at] == '[')
        at = skip_space(text, at + 1);
    if (text.data[at] != '{')
        return 0;
    at = skip_space(text, at + 1);
    while (at < text.size && text.data[at] == '"') {
        size_t colon = at + 1;
        for (; text.data[colon] != '"'; colon++)
            colon += text.data[colon] == '\\';
        td_bytes found = td_bytes_of(text.data + at + 1, colon - at - 1);
        colon = skip_space(text, colon + 1);
        assert_int_equal(text.data[colon], ':');
        size_t value = skip_space(text, colon + 1);
        size_t end = value_end(text, value);
        if (td_bytes_equal(found, key)) {
            *out = (span){at, value, end};
            return 1;
        }
        end = skip_space(text, end);
        at = text.data[end] == ',' ? skip_space(text, end + 1) : text.size;
    }
    return 0;
}

/* Finds the member at the first size bytes of a path. 0 if it is absent. */
static int find_path(td_bytes text, const char *path, size_t size, span *out)
{
    size_t at = 0;
    for (size_t from = 0; from < size;) {
        size_t end = from + strcspn(path + from, ".");
        if (end > size)
            end = size;
        if (!find_member(text, at, td_bytes_of(path + from, end - from), out))
            return 0;
        at = out->value;
        from = end + 1;
    }
    return 1;
}

/* The frame with that member changed, and padding; the caller frees *memory. */
static td_bytes harmed(td_bytes text, const span *at, harm how, uint8_t **memory)
{
    static const char *const VALUES[HARM_COUNT] = {"null", "", "[]", "{}"};
    size_t begin = at->value;
    size_t end = at->end;
    if (how == HARM_REMOVED) {
        begin = at->key;
        size_t next = skip_space(text, end);
        if (text.data[next] == ',')
            end = skip_space(text, next + 1);
        else
            for (size_t i = begin; i-- > 0 && text.data[i] != '{';)
                if (text.data[i] == ',') {
                    begin = i;
                    break;
                }
    }
    size_t size = strlen(VALUES[how]);
    size_t whole = begin + size + text.size - end;
    uint8_t *made = td_alloc(whole + DECODE_PADDING_BYTES);
    assert_non_null(made);
    memcpy(made, text.data, begin);
    memcpy(made + begin, VALUES[how], size);
    memcpy(made + begin + size, text.data + end, text.size - end);
    memset(made + whole, '"', DECODE_PADDING_BYTES);
    *memory = made;
    return td_bytes_of(made, whole);
}

/* Decodes a changed frame. Without entries the reason must be missing_field, for the entries or for
 * other fields in the member. */
static void check_harm(harms *p, const topic_match *topic, td_bytes frame, harm how,
                       const char *path, int is_fine)
{
    message fast;
    decode_error why;
    classification what;
    int is_decoded = decoder_pair_decode(&p->decoders, topic, frame, &fast, NULL, &why);
    decode_reason reason = is_decoded ? DECODE_OK : why.reason;
    p->tried[how]++;
    p->decodes[how] += (unsigned)is_decoded;
    int is_right = is_fine ? is_decoded : reason == DECODE_MISSING_FIELD;
    if (how == HARM_OBJECT && !is_fine) /* a level is a list, and so is each side of a book */
        is_right |= reason == DECODE_WRONG_TYPE || (is_decoded && message_item_count(&fast) > 0);
    if (!is_right)
        fail_msg("%s/%s: %s %s: %s %s: %.*s", p->of->name, p->name, path, HARM_NAMES[how],
                 decode_reason_name(reason), reason == DECODE_OK || !why.field ? "" : why.field,
                 (int)frame.size, (const char *)frame.data);
    /* The frame must keep its topic, so that it breaks the topic's state, unless that was in the
     * changed member. */
    const char *key = topic_row_topic_key(topic->row);
    const int had_topic = begins(key, path) && key[strlen(path)] == '.';
    decoder_classify(p->decoders.rows, p->of, frame, CHANNEL_IN, p->at_ns, &what);
    const int is_entry = topic->row->type == MSG_ORDER_ENTRY; /* an answer may not name its op */
    if (topic->row->symbol_path == NULL && !had_topic && !is_entry &&
        (what.frame_class != CLASS_DATA || what.topic.row != topic->row))
        fail_msg("%s/%s: %s %s: is not its topic's", p->of->name, p->name, path, HARM_NAMES[how]);
}

/* Order entry: a request has no entries where its answer has them, and all of their fields are
 * optional. */
static unsigned allowed_of_orders(const items_row *items, int is_last)
{
    const int is_list = is_last && (items->flags & ITEMS_EMPTY) == 0;
    return is_list ? NULL_FINE | ABSENT_FINE | OBJECT_FINE : ALL_FINE;
}

/* Checks all members on the path to the entries of one of the row's items. */
static void check_items(harms *p, const topic_match *topic, const message *m, td_bytes text,
                        const items_row *items)
{
    char name[256];
    snprintf(name, sizeof name, "%.*s %s", (int)topic->topic.size, (const char *)topic->topic.data,
             frame_kind_name(m->head.kind));
    for (size_t size = strcspn(items->path, "."); size > 0;) {
        span at = {0};
        char path[128];
        snprintf(path, sizeof path, "%.*s", (int)size, items->path);
        int is_last = items->path[size] == '\0';
        if (!find_path(text, path, size, &at))
            return;
        const int is_entry = topic->row->type == MSG_ORDER_ENTRY;
        unsigned decodes = is_entry ? allowed_of_orders(items, is_last) : allowed(p, name, path);
        for (harm how = HARM_NULL; how < HARM_COUNT; how++) {
            uint8_t *memory = NULL;
            td_bytes frame = harmed(text, &at, how, &memory);
            check_harm(p, topic, frame, how, path, (decodes >> how & 1) != 0);
            td_free(memory);
        }
        if (is_last)
            return;
        size += 1 + strcspn(items->path + size + 1, ".");
    }
}

static uint64_t moment_of(const char *name)
{
    const char *at = strchr(name, '@');
    uint64_t ns = 0;
    char text[32];
    if (at == NULL)
        return TOPIC_NOW;
    snprintf(text, sizeof text, "%.10sT00:00:00Z", at + 1);
    assert_int_equal(td_time_parse_rfc3339(td_bytes_str(text), &ns, NULL), TD_OK);
    return ns;
}

/* Checks a golden frame, unless it cannot be decoded. */
static void check_frame(harms *p, td_bytes text)
{
    classification what;
    message m;
    decode_error why;
    classify_as_named(p->decoders.rows, p->of, text, p->at_ns, p->name, &what);
    if (!decoder_pair_decode(&p->decoders, &what.topic, text, &m, NULL, &why))
        return;
    const topic_match topic = what.topic;
    char names[2][256]; /* copies, because views into the frame end with the next one */
    snprintf(names[0], sizeof names[0], "%.*s", (int)topic.topic.size,
             (const char *)topic.topic.data);
    snprintf(names[1], sizeof names[1], "%.*s", (int)topic.symbol.size,
             (const char *)topic.symbol.data);
    const topic_match kept = {topic.row, td_bytes_str(names[0]), td_bytes_str(names[1])};
    const items_row *items = topic.row->items;
    const message first = m;
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && items[i].path != NULL; i++)
        if (items[i].kind == FRAME_ANY || items[i].kind == first.head.kind)
            check_items(p, &kept, &first, text, &items[i]);
}

static void check_family(harms *p)
{
    char path[512];
    size_t count = 0;
    snprintf(path, sizeof path, "tests/golden/%s", p->of->name);
    char **names = capture_list(path, ".json", &count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        int is_frame = length < 9 || strcmp(names[i] + length - 9, ".out.json") != 0;
        size_t size = 0;
        snprintf(path, sizeof path, "tests/golden/%s/%s", p->of->name, names[i]);
        p->name = names[i];
        p->at_ns = moment_of(names[i]);
        uint8_t *memory = is_frame ? capture_read_file(path, &size) : NULL;
        if (is_frame && size > 1 && (memory[0] == '{' || memory[0] == '['))
            check_frame(p, td_bytes_of(memory, size));
        td_free(memory);
        td_free(names[i]);
    }
    td_free(names);
}

static void test_harmed_items(void **state)
{
    (void)state;
    size_t count = 0;
    const family *const *table = family_table(&count);
    harms p = {.decoders = decoder_pair_open()};
    for (size_t i = 0; i < count; i++) {
        p.of = table[i];
        check_family(&p);
    }
    decoder_pair_close(&p.decoders);
    for (harm how = HARM_NULL; how < HARM_COUNT; how++) {
        print_message("  %s: %u frames, %u decoded\n", HARM_NAMES[how], p.tried[how],
                      p.decodes[how]);
        assert_true(p.tried[how] > 200);
    }
    for (size_t i = 0; i < sizeof ALLOWED / sizeof *ALLOWED; i++)
        if (p.was_allowed[i] == 0)
            fail_msg("no golden frame has %s %s %s", ALLOWED[i].family, ALLOWED[i].topic,
                     ALLOWED[i].path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_harmed_items)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
