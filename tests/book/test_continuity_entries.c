/* Rules about single entries: each symbol's order, ids, candles. Expected verdicts are written by
 * hand from docs/wire.md 6.6, never taken from the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/limits.h"
#include "book/continuity.h"

enum { ENTRIES_MAX = 3, STEPS_MAX = 9 };

#define ROW(text, msg, ...)                                                                        \
    {                                                                                              \
        .name = (text), .pattern = text ".{coin}", .type = (msg), .sequence = SEQ_ITEM, .rules = { \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
static const topic_row COIN_TRADES =
    ROW("recenttrades", MSG_TRADE, {RULE_ENTRY_SEQ_WEAK, STRENGTH_ERROR, MEMBER_CROSS_SEQ},
        {RULE_ENTRY_TIME_WEAK, STRENGTH_ERROR, MEMBER_NONE});
static const topic_row STRICT =
    ROW("position", MSG_POSITION, {RULE_ENTRY_SEQ_STRICT, STRENGTH_WARNING, MEMBER_SEQ});
static const topic_row ORDERS =
    ROW("order", MSG_ORDER, {RULE_ENTRY_TIME_WEAK, STRENGTH_STATISTIC, MEMBER_UPDATED_AT});
static const topic_row EXECUTIONS =
    ROW("execution", MSG_EXECUTION, {RULE_ID_UNIQUE, STRENGTH_ERROR, MEMBER_EXEC_ID});
static const topic_row UPDATES =
    ROW("order", MSG_ORDER, {RULE_FRAME_UNIQUE, STRENGTH_ERROR, MEMBER_NONE});
static const topic_row SPOT_TRADES =
    ROW("trade", MSG_TRADE, {RULE_ID_ASCENDING, STRENGTH_ERROR, MEMBER_TRADE_ID});
static const topic_row COUNTED_TRADES =
    ROW("aggTrade", MSG_TRADE, {RULE_ID_DENSE, STRENGTH_ERROR, MEMBER_TRADE_ID});
static const topic_row RISING_TRADES =
    ROW("trade", MSG_TRADE, {RULE_ID_ASCENDING, STRENGTH_ERROR, MEMBER_TRADE_ID},
        {RULE_ID_DENSE, STRENGTH_STATISTIC, MEMBER_TRADE_ID});
static const topic_row CANDLES =
    ROW("kline.1", MSG_KLINE, {RULE_KLINE_START, STRENGTH_WARNING, MEMBER_NONE},
        {RULE_KLINE_CONFIRM, STRENGTH_WARNING, MEMBER_NONE});

/* An entry as words: what it names, its number (cross_seq, seq or candle start; -2: absent), its
 * time in ms, its id; a candle with the id "closed" is closed. "X linear 1" is position 1 of a
 * symbol in a category. */
typedef struct entry_words {
    const char *symbol; /* NULL ends the entries */
    int64_t number;
    uint64_t time_ms;
    const char *id;
} entry_words;

typedef struct frame_words {
    const char
        *verdict; /* prefix "~": a new connection began; "!": an undecodable frame came before */
    entry_words entries[ENTRIES_MAX];
} frame_words;

typedef struct scenario {
    const char *name;
    const topic_row *row;
    frame_words frames[STEPS_MAX];
} scenario;

static const scenario SCENARIOS[] = {
    {"a coin's trades: order is each option's own",
     &COIN_TRADES,
     {{"", {{"BTC-A", 10, 5, "a"}, {"BTC-B", 7, 4, "b"}, {"BTC-A", 10, 6, "c"}}},
      {"", {{"BTC-B", 7, 4, "d"}, {"BTC-C", 1, 1, "e"}}},
      {"entry_seq_weak", {{"BTC-A", 9, 6, "f"}}},
      {"entry_time_weak", {{"BTC-B", 8, 3, "g"}}},
      {"~", {{"BTC-A", 1, 1, "a"}}}}},
    {"positions: -1 never traded; without a number there is no verdict",
     &STRICT,
     {{"", {{"X", -1, 0, ""}, {"Y", 4, 0, ""}}},
      {"", {{"X", 3, 0, ""}, {"X", -1, 0, ""}, {"X", -2, 0, ""}}},
      {"entry_seq_strict", {{"Y", 4, 0, ""}}},
      {"", {{"Y", 5, 0, ""}}}}},
    {"a symbol has an order of its own in each category, and for each of its positions",
     &STRICT,
     {{"", {{"X linear 0", 9, 0, ""}, {"X spot 0", 4, 0, ""}}},
      {"", {{"X spot 0", 5, 0, ""}, {"X linear 0", 10, 0, ""}}},
      {"", {{"X linear 1", 3, 0, ""}, {"X linear 2", 2, 0, ""}}},
      {"entry_seq_strict", {{"X spot 0", 5, 0, ""}}},
      {"entry_seq_strict", {{"X linear 1", 3, 0, ""}}}}},
    {"orders: the time that the row names",
     &ORDERS,
     {{"", {{"X", -2, 5, "a"}, {"Y", -2, 4, "b"}}},
      {"", {{"X", -2, 5, "c"}, {"Y", -2, 0, "b"}}},
      {"entry_time_weak", {{"X", -2, 4, "a"}}}}},
    {"an execution comes once",
     &EXECUTIONS,
     {{"", {{"X", 0, 0, "e1"}, {"Y", 0, 0, "e2"}, {"Y", 0, 0, ""}}},
      {"id_unique", {{"X", 0, 0, "e3"}, {"X", 0, 0, "e1"}}},
      {"id_unique", {{"X", 0, 0, "e3"}}},
      {"~", {{"X", 0, 0, "e3"}}}}},
    {"an update comes once, however alike the values of two updates",
     &UPDATES,
     {{"", {{"X", 1, 5, "a"}}},
      {"", {{"X", 1, 6, "a"}}},
      {"frame_unique", {{"X", 1, 6, "a"}}},
      {"", {{"X", 1, 6, "a"}, {"Y", 1, 6, "a"}}},
      {"frame_unique", {{"X", 1, 5, "a"}}},
      {"~", {{"X", 1, 5, "a"}}}}},
    {"ids of spot trades are numbers of any length",
     &SPOT_TRADES,
     {{"", {{"X", 0, 0, "3170000000004113848"}, {"X", 0, 0, "3170000000004113850"}}},
      {"", {{"X", 0, 0, "13170000000004113848"}}},
      {"id_ascending", {{"X", 0, 0, "013170000000004113848"}}},
      {"id_ascending", {{"X", 0, 0, "9"}}},
      {"", {{"X", 0, 0, "10"}}}}},
    {"ids of trades rise by one",
     &COUNTED_TRADES,
     {{"", {{"X", 0, 0, "9"}, {"X", 0, 0, "10"}}},
      {"", {{"X", 0, 0, "11"}}},
      {"id_dense", {{"X", 0, 0, "13"}}},
      {"id_dense", {{"X", 0, 0, "13"}}},
      {"", {{"X", 0, 0, "14"}}},
      {"id_dense", {{"X", 0, 0, "15"}, {"X", 0, 0, "17"}}},
      {"~", {{"X", 0, 0, "30"}}},
      {"!", {{"X", 0, 0, "40"}}},
      {"", {{"X", 0, 0, "41"}}}}},
    {"of ids that rise, those that do not by one are counted, too",
     &RISING_TRADES,
     {{"", {{"X", 0, 0, "9"}, {"X", 0, 0, "10"}}},
      {"", {{"X", 0, 0, "11"}, {"X", 0, 0, "12"}}},
      {"id_dense", {{"X", 0, 0, "14"}}},
      {"id_ascending id_dense", {{"X", 0, 0, "14"}}},
      {"", {{"X", 0, 0, "15"}}}}},
    {"a candle closes once, and none comes back",
     &CANDLES,
     {{"", {{"X", 60, 0, ""}}},
      {"", {{"X", 60, 0, "closed"}, {"X", 120, 0, ""}}},
      {"", {{"X", 120, 0, ""}}},
      {"kline_start kline_confirm", {{"X", 60, 0, ""}}},
      {"", {{"X", 120, 0, "closed"}}},
      {"kline_confirm", {{"X", 120, 0, "closed"}}},
      {"~", {{"X", 120, 0, ""}}}}},
};

/* ---- words to messages ---- */

typedef struct frame_space {
    msg_trade trades[ENTRIES_MAX];
    msg_item items[ENTRIES_MAX];
    msg_value values[ENTRIES_MAX][6];
} frame_space;

/* The names in an entry, as values. */
static size_t put_names(const char *words, msg_value *values)
{
    size_t symbol = strcspn(words, " ");
    values[0] = (msg_value){MEMBER_SYMBOL, VALUE_TEXT, .as = {.text = td_bytes_of(words, symbol)}};
    if (words[symbol] == '\0')
        return 1;
    const char *category = words + symbol + 1;
    size_t bytes = strcspn(category, " ");
    values[1] =
        (msg_value){MEMBER_CATEGORY, VALUE_TEXT, .as = {.text = td_bytes_of(category, bytes)}};
    values[2] = (msg_value){MEMBER_POSITION_IDX, VALUE_INTEGER,
                            .as = {.integer = category[bytes + 1] - '0'}};
    return 3;
}

static msg_item item_of(const entry_words *words, const topic_row *row, msg_value *values)
{
    size_t count = put_names(words->symbol, values);
    if (row->type == MSG_KLINE) {
        values[count++] = (msg_value){MEMBER_START, VALUE_TIME_NS,
                                      .as = {.time_ns = (uint64_t)words->number * 1000000000}};
        values[count++] =
            (msg_value){MEMBER_IS_CONFIRMED, VALUE_BOOL, .as = {.is_true = words->id[0] == 'c'}};
    } else {
        if (words->number != -2)
            values[count++] =
                (msg_value){MEMBER_SEQ, VALUE_INTEGER, .as = {.integer = words->number}};
        values[count++] =
            (msg_value){MEMBER_EXEC_ID, VALUE_TEXT, .as = {.text = td_bytes_str(words->id)}};
    }
    if (row->type == MSG_ORDER && words->time_ms != 0)
        values[count++] = (msg_value){MEMBER_UPDATED_AT, VALUE_TIME_NS,
                                      .as = {.time_ns = words->time_ms * 1000000}};
    return (msg_item){ACTION_NONE, values, count, 0};
}

static msg_trade trade_of(const entry_words *words)
{
    return (msg_trade){.symbol = td_bytes_str(words->symbol),
                       .cross_seq = words->number,
                       .has_cross_seq = words->number != -2,
                       .exchange_ns = words->time_ms * 1000000,
                       .trade_id = td_bytes_str(words->id)};
}

static message message_of(const frame_words *words, const topic_row *row, frame_space *space)
{
    size_t count = 0;
    for (; count < ENTRIES_MAX && words->entries[count].symbol != NULL; count++) {
        space->trades[count] = trade_of(&words->entries[count]);
        space->items[count] = item_of(&words->entries[count], row, space->values[count]);
    }
    const msg_head head = {.type = row->type, .row = row};
    if (row->type == MSG_TRADE)
        return (message){.trades = {head, space->trades, count}};
    return (message){.record = {.head = head, .items = space->items, .item_count = count}};
}

static void verdict_to_text(const verdict *v, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < v->count; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : " ",
                                 rule_name(v->items[i].rule));
}

static void test_scenarios(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SCENARIOS / sizeof *SCENARIOS; i++) {
        const scenario *c = &SCENARIOS[i];
        track *t = track_open(c->row);
        for (size_t k = 0; k < STEPS_MAX && c->frames[k].verdict != NULL; k++) {
            const char *expected = c->frames[k].verdict;
            if (*expected == '~')
                track_reset(t);
            if (*expected == '!')
                track_skip(t);
            frame_space space;
            message m = message_of(&c->frames[k], c->row, &space);
            verdict v;
            track_apply(t, &m, &v);
            char text[128];
            verdict_to_text(&v, text, sizeof text);
            if (strcmp(text, expected + strspn(expected, "~!")) != 0)
                fail_msg("%s: frame %zu: verdict is '%s'", c->name, k, text);
            assert_int_equal(v.unchecked, 0);
        }
        track_close(t);
    }
}

/* ---- limits ---- */

static void apply_one(track *t, const topic_row *row, const entry_words *words, verdict *v)
{
    frame_space space;
    const frame_words frame = {"", {*words}};
    message m = message_of(&frame, row, &space);
    track_apply(t, &m, v);
}

/* The last LIMIT_TRACK_IDS ids are known, and up to as many before them; the id before those is
 * forgotten. */
static void test_id_bound(void **state)
{
    (void)state;
    track *t = track_open(&EXECUTIONS);
    verdict v;
    char id[32];
    for (unsigned i = 0; i < 3 * LIMIT_TRACK_IDS; i++) {
        snprintf(id, sizeof id, "id-%u", i);
        apply_one(t, &EXECUTIONS, &(entry_words){"X", 0, 0, id}, &v);
        assert_int_equal(v.count, 0);
    }
    for (unsigned i = LIMIT_TRACK_IDS; i < 3 * LIMIT_TRACK_IDS; i++) {
        snprintf(id, sizeof id, "id-%u", i);
        apply_one(t, &EXECUTIONS, &(entry_words){"X", 0, 0, id}, &v);
        assert_int_equal(v.count, 1);
    }
    snprintf(id, sizeof id, "id-%u", LIMIT_TRACK_IDS - 1);
    apply_one(t, &EXECUTIONS, &(entry_words){"X", 0, 0, id}, &v);
    assert_int_equal(v.count, 0);
    track_close(t);
}

/* One symbol beyond the limit: the followed symbols are still judged, others are reported as
 * unchecked. */
static void test_symbol_bound(void **state)
{
    (void)state;
    track *t = track_open(&STRICT);
    verdict v;
    char symbol[32];
    for (unsigned i = 0; i <= LIMIT_TRACK_SYMBOLS; i++) {
        snprintf(symbol, sizeof symbol, "S-%u", i);
        apply_one(t, &STRICT, &(entry_words){symbol, 5, 0, ""}, &v);
        assert_int_equal(v.count, 0);
        assert_int_equal(v.unchecked, i == LIMIT_TRACK_SYMBOLS);
    }
    apply_one(t, &STRICT, &(entry_words){"S-0", 5, 0, ""}, &v);
    assert_int_equal(v.count, 1);
    assert_int_equal(v.unchecked, 0);
    track_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_id_bound),
        cmocka_unit_test(test_symbol_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
