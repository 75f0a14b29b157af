/* Audits on hand-made frames. Expected values are written by hand from book/audit.h and
 * docs/wire.md 6.7, never taken from the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/limits.h"
#include "book/audit.h"
#include "tests/testing/book_text.h"

#define S UINT64_C(1000000000)

static const topic_row TRADES = {.name = "trade", .pattern = "trade.{symbol}", .type = MSG_TRADE};
static const topic_row CANDLES = {
    .name = "kline",
    .pattern = "kline.{interval}.{symbol}",
    .type = MSG_KLINE,
    .rules = {{RULE_TRADES_COMPLETE, STRENGTH_ERROR, MEMBER_TURNOVER}},
};
#define BOOK(text, depth)                                                                          \
    {                                                                                              \
        .name = (text), .pattern = text ".{symbol}", .type = MSG_BOOK_CHANGE,                      \
        .book_depth = (depth), .sequence = SEQ_ENVELOPE,                                           \
        .rules = {{RULE_ANCHORED, STRENGTH_ERROR, MEMBER_NONE},                                    \
                  {RULE_BOOKS_AGREE, STRENGTH_ERROR, MEMBER_SEQ}},                                 \
    }
static const topic_row BOOK_2 = BOOK("book.2", 2);
static const topic_row BOOK_3 = BOOK("book.3", 3);
static const topic_row TICKER = {
    .name = "tickers",
    .pattern = "tickers.{symbol}",
    .type = MSG_TICKER,
    .rules = {{RULE_BEST_AGREES, STRENGTH_WARNING, MEMBER_SEQ}},
};

/* ---- candles ---- */

/* An event. Times are in seconds; a candle lasts 60 s. */
typedef struct tick {
    char kind;   /* T trade, B block trade, K reading, k reading without a time, ~ new connection of
                    the trades, ! undecodable trades, G a grant of the trades, E its end, g a grant
                    of another topic, 0 end */
    uint32_t at; /* exchange time; received 1 s later */
    uint32_t start;   /* of the candle */
    int64_t size;     /* of the trade, or the candle's volume; the price is 10 */
    uint32_t missing; /* number of items that this must report as missing */
} tick;

typedef struct candle_case {
    const char *name;
    uint64_t granted_s; /* receive time, or 0 if unknown */
    tick ticks[16];
    uint32_t missing_at_end;
    uint64_t compared, skipped;
} candle_case;

static const candle_case CANDLE_CASES[] = {
    {"a candle from its start; readings after the trades",
     50,
     {{'T', 61, 0, 5, 0},
      {'T', 62, 0, 3, 0},
      {'K', 63, 60, 5, 0},
      {'T', 64, 0, 2, 0},
      {'K', 65, 60, 10, 0}},
     0,
     2,
     0},
    {"a reading ahead of the trades waits for them",
     50,
     {{'T', 61, 0, 5, 0}, {'K', 63, 60, 8, 0}, {'T', 63, 0, 3, 0}, {'K', 65, 60, 8, 0}},
     0,
     2,
     0},
    {"a trade is missing: the next trade shows it",
     50,
     {{'T', 61, 0, 5, 0},
      {'K', 62, 60, 5, 0},
      {'K', 64, 60, 8, 0},
      {'T', 70, 0, 1, 1},
      {'K', 72, 60, 9, 0}},
     0,
     3,
     0},
    {"a trade is missing: readings later show it",
     50,
     {{'T', 61, 0, 5, 0}, {'K', 62, 60, 8, 0}, {'K', 66, 60, 8, 0}, {'K', 68, 60, 8, 1}},
     0,
     3,
     0},
    {"a trade is missing: the end shows it",
     50,
     {{'T', 61, 0, 5, 0}, {'K', 62, 60, 8, 0}},
     1,
     1,
     0},
    {"a reading that comes late is a sum all the same",
     50,
     {{'T', 61, 0, 5, 0}, {'T', 62, 0, 3, 0}, {'K', 68, 60, 5, 0}},
     0,
     1,
     0},
    {"equal volume, another turnover",
     50,
     {{'T', 61, 0, 5, 0}, {'K', 63, 60, -5, 0}, {'T', 70, 0, 1, 1}},
     0,
     1,
     0},
    {"before the subscription was answered nothing is known; the first reading is an old one",
     65,
     {{'T', 64, 0, 5, 0},
      {'K', 66, 60, 100, 0},
      {'K', 70, 60, 105, 0},
      {'T', 74, 0, 4, 0},
      {'K', 75, 60, 109, 0},
      {'K', 82, 60, 112, 0},
      {'T', 84, 0, 1, 1}},
     0,
     2,
     2},
    {"unknown: from the first trade on",
     0,
     {{'T', 61, 0, 5, 0},
      {'K', 63, 60, 99, 0},
      {'T', 121, 0, 7, 0},
      {'K', 122, 120, 7, 0},
      {'K', 130, 120, 9, 0},
      {'T', 140, 0, 1, 1}},
     0,
     2,
     1},
    {"the next candle begins at nothing, the one before is over",
     50,
     {{'T', 61, 0, 5, 0},
      {'K', 119, 60, 5, 0},
      {'T', 121, 0, 7, 0},
      {'K', 122, 60, 5, 0},
      {'K', 122, 120, 7, 0},
      {'K', 123, 60, 5, 0}},
     0,
     3,
     0},
    {"block trades, lost connections and unreadable frames: not compared",
     50,
     {{'T', 61, 0, 5, 0},
      {'B', 62, 0, 9, 0},
      {'K', 63, 60, 5, 0},
      {'~', 70, 0, 0, 0},
      {'T', 71, 0, 1, 0},
      {'K', 72, 60, 50, 0},
      {'!', 73, 0, 0, 0},
      {'K', 74, 60, 60, 0}},
     0,
     0,
     3},
    {"a grant between two readings: a difference is no loss, and comparisons begin again",
     50,
     {{'T', 61, 0, 5, 0},
      {'K', 63, 60, 5, 0},
      {'G', 70, 0, 0, 0},
      {'K', 72, 60, 50, 0},
      {'T', 74, 0, 2, 0},
      {'K', 78, 60, 52, 0},
      {'T', 80, 0, 3, 0},
      {'K', 82, 60, 55, 0},
      {'K', 84, 60, 59, 0},
      {'T', 90, 0, 1, 1}},
     0,
     3,
     2},
    {"trades are unsubscribed, in this candle and the next one",
     50,
     {{'T', 61, 0, 5, 0},
      {'K', 63, 60, 5, 0},
      {'E', 70, 0, 0, 0},
      {'K', 72, 60, 50, 0},
      {'K', 78, 60, 60, 0},
      {'K', 84, 60, 70, 0},
      {'K', 122, 120, 5, 0},
      {'K', 128, 120, 8, 0},
      {'G', 130, 0, 0, 0},
      {'K', 132, 120, 9, 0},
      {'T', 133, 0, 1, 0},
      {'K', 134, 120, 10, 0},
      {'T', 135, 0, 1, 0},
      {'K', 136, 120, 11, 0}},
     0,
     2,
     7},
    {"trades and a reading that were sent before the exchange ended the trades",
     50,
     {{'T', 61, 0, 5, 0},
      {'E', 70, 0, 0, 0},
      {'T', 71, 0, 2, 0},
      {'K', 72, 60, 7, 0},
      {'K', 74, 60, 50, 0},
      {'K', 80, 60, 60, 0},
      {'G', 90, 0, 0, 0},
      {'T', 91, 0, 1, 0},
      {'K', 92, 60, 70, 0},
      {'K', 94, 60, 70, 0},
      {'K', 96, 60, 75, 0},
      {'T', 100, 0, 1, 1}},
     0,
     3,
     3},
    {"a trade is missing between two readings, with a grant of another topic",
     50,
     {{'T', 61, 0, 5, 0},
      {'K', 63, 60, 5, 0},
      {'g', 64, 0, 0, 0},
      {'K', 65, 60, 8, 0},
      {'T', 66, 0, 1, 0},
      {'T', 68, 0, 1, 1}},
     0,
     2,
     0},
    {"trades are unsubscribed, and another topic is granted",
     50,
     {{'T', 61, 0, 5, 0},
      {'K', 63, 60, 5, 0},
      {'E', 70, 0, 0, 0},
      {'g', 71, 0, 0, 0},
      {'K', 72, 60, 50, 0},
      {'K', 78, 60, 60, 0},
      {'K', 122, 120, 5, 0},
      {'K', 128, 120, 8, 0},
      {'K', 134, 120, 9, 0}},
     0,
     1,
     5},
    {"a grant between two readings that agree, as of another topic",
     50,
     {{'T', 61, 0, 5, 0},
      {'K', 63, 60, 5, 0},
      {'G', 70, 0, 0, 0},
      {'T', 72, 0, 3, 0},
      {'K', 73, 60, 8, 0},
      {'K', 75, 60, 9, 0},
      {'T', 80, 0, 1, 1}},
     0,
     3,
     0},
    {"a reading that was made before a grant, and read after it, without growth",
     50,
     {{'T', 61, 0, 5, 0},
      {'K', 63, 60, 5, 0},
      {'G', 70, 0, 0, 0},
      {'K', 71, 60, 5, 0},
      {'T', 72, 0, 2, 0},
      {'K', 73, 60, 50, 0},
      {'T', 76, 0, 1, 0},
      {'K', 77, 60, 53, 0},
      {'K', 78, 60, 60, 0},
      {'T', 80, 0, 1, 1}},
     0,
     3,
     2},
    {"a reading that was made before a grant, and read after it, and agrees",
     50,
     {{'T', 61, 0, 5, 0},
      {'K', 63, 60, 5, 0},
      {'T', 64, 0, 3, 0},
      {'G', 70, 0, 0, 0},
      {'K', 71, 60, 8, 0},
      {'T', 72, 0, 2, 0},
      {'K', 73, 60, 50, 0},
      {'T', 80, 0, 1, 0}},
     0,
     2,
     1},
    {"a grant before the candle began",
     50,
     {{'T', 61, 0, 5, 0},
      {'K', 63, 60, 5, 0},
      {'G', 70, 0, 0, 0},
      {'T', 121, 0, 7, 0},
      {'K', 125, 120, 9, 0},
      {'T', 130, 0, 1, 1}},
     0,
     2,
     0},
    /* Granted at 80: trades from 60 to 80 are missing. */
    {"candles without a time, and a clock that is behind: a trade shows what the time is",
     50,
     {{'<', 30, 0, 0, 0},
      {'k', 82, 60, 100, 0},
      {'T', 84, 0, 5, 0},
      {'k', 85, 60, 105, 0},
      {'T', 121, 0, 7, 0},
      {'k', 122, 120, 7, 0},
      {'k', 124, 120, 9, 0},
      {'T', 181, 0, 1, 1}},
     0,
     2,
     2},
    {"the first frame was read later after it was sent than the answer",
     50,
     {{'<', 11, 0, 0, 0},
      {'K', 61, 60, 5, 0},
      {'T', 62, 0, 3, 0},
      {'K', 63, 60, 8, 0},
      {'T', 63, 0, 1, 0}},
     0,
     0,
     2},
};

typedef struct candle_fixture {
    audit *a;
    audit_member *trades, *candles;
    uint64_t connection;
    uint64_t granted_ns; /* of any topic, by a tick; 0: as the case has it */
    trade_grant own;     /* of the trades */
    uint32_t behind_s;   /* of the recorder's clock */
} candle_fixture;

static message trade_message(const tick *t, msg_trade *space)
{
    *space = (msg_trade){.price = {10, 0},
                         .size = {t->size, 0},
                         .exchange_ns = t->at * S,
                         .is_block_trade = (int8_t)(t->kind == 'B' ? 1 : 0)};
    return (message){.trades = {{.type = MSG_TRADE, .exchange_ns = t->at * S}, space, 1}};
}

/* A negative volume means its absolute value, with a turnover that is off by one. */
static message candle_message(const tick *t, msg_value values[4], msg_item *item)
{
    int64_t volume = t->size < 0 ? -t->size : t->size;
    values[0] = (msg_value){MEMBER_START, VALUE_TIME_NS, .as = {.time_ns = t->start * S}};
    values[1] = (msg_value){MEMBER_END, VALUE_TIME_NS, .as = {.time_ns = (t->start + 60) * S - 1}};
    values[2] = (msg_value){MEMBER_VOLUME, VALUE_DECIMAL, .as = {.decimal = {volume * 100, 2}}};
    values[3] = (msg_value){MEMBER_TURNOVER, VALUE_DECIMAL,
                            .as = {.decimal = {volume * 10 + (t->size < 0), 0}}};
    *item = (msg_item){ACTION_NONE, values, 4, 0};
    uint64_t exchange_ns = (t->kind == 'k' ? t->start : t->at) * S;
    return (message){.record = {.head = {.type = MSG_KLINE, .exchange_ns = exchange_ns},
                                .items = item,
                                .item_count = 1}};
}

static uint32_t apply_tick(candle_fixture *f, const candle_case *c, const tick *t)
{
    msg_trade trade;
    msg_value values[4];
    msg_item item;
    audit_verdict found;
    int is_candle = t->kind == 'K' || t->kind == 'k';
    uint64_t recv_ns = (t->at + 1 - f->behind_s) * S;
    if (t->kind == '<') {
        f->behind_s = t->at;
        return 0;
    }
    if (t->kind == '!') {
        audit_skip(f->a, f->trades, recv_ns);
        return 0;
    }
    if (t->kind == '~') {
        f->connection++;
        return 0;
    }
    if (t->kind == 'E') {
        f->own.ended_ns = recv_ns;
        return 0;
    }
    if (t->kind == 'G' || t->kind == 'g') {
        f->granted_ns = recv_ns;
        f->own.granted_ns = t->kind == 'G' ? recv_ns : f->own.granted_ns;
        return 0;
    }
    const uint64_t granted_ns = f->granted_ns != 0 ? f->granted_ns : c->granted_s * S;
    const audit_frame frame = {.recv_ns = recv_ns,
                               .connection = f->connection,
                               .conn = (uint32_t)f->connection,
                               .granted_ns = f->connection > 1 ? 0 : granted_ns,
                               .trades = f->own};
    message m = is_candle ? candle_message(t, values, &item) : trade_message(t, &trade);
    audit_apply(f->a, is_candle ? f->candles : f->trades, &frame, &m, NULL, &found);
    for (uint32_t i = 0; i < found.count; i++) {
        assert_int_equal(found.items[i].verdict.rule, RULE_TRADES_COMPLETE);
        assert_ptr_equal(found.items[i].about.member, f->trades);
        assert_true(found.items[i].time.from_ns < found.items[i].time.to_ns);
    }
    return found.count;
}

static void test_candles(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CANDLE_CASES / sizeof *CANDLE_CASES; i++) {
        const candle_case *c = &CANDLE_CASES[i];
        candle_fixture f = {.connection = 1};
        uint32_t last = 0;
        f.a = audit_open();
        f.trades = audit_join(f.a, &TRADES, 0, NULL);
        f.candles = audit_join(f.a, &CANDLES, 0, NULL);
        for (size_t k = 0; c->ticks[k].kind != 0; k++) {
            uint32_t found = apply_tick(&f, c, &c->ticks[k]);
            if (found != c->ticks[k].missing)
                fail_msg("%s: tick %zu: %u found", c->name, k, found);
            last = c->ticks[k].kind == '<' ? 0 : c->ticks[k].at;
        }
        audit_verdict found;
        audit_finish(f.a, (last + 3) * S, &found);
        audit_stats stats = {0};
        audit_add_stats(f.a, &stats);
        if (found.count != c->missing_at_end || stats.trades.compared != c->compared ||
            stats.trades.skipped != c->skipped)
            fail_msg("%s: %u at the end, %u compared, %u skipped", c->name, found.count,
                     (unsigned)stats.trades.compared, (unsigned)stats.trades.skipped);
        audit_close(f.a);
    }
}

/* More trades between two readings than can be kept: the candle is skipped, and later ones are
 * compared. */
static void test_trades_beyond_bound(void **state)
{
    (void)state;
    candle_fixture f = {.connection = 1};
    const candle_case c = {.granted_s = 50};
    f.a = audit_open();
    f.trades = audit_join(f.a, &TRADES, 0, NULL);
    f.candles = audit_join(f.a, &CANDLES, 0, NULL);
    assert_int_equal(apply_tick(&f, &c, &(tick){'T', 61, 0, 1, 0}), 0);
    assert_int_equal(apply_tick(&f, &c, &(tick){'K', 62, 60, 1, 0}), 0);
    for (uint32_t i = 0; i < LIMIT_AUDIT_TRADES + 100; i++)
        assert_int_equal(apply_tick(&f, &c, &(tick){'T', 63, 0, 1, 0}), 0);
    assert_int_equal(apply_tick(&f, &c, &(tick){'K', 64, 60, 77, 0}), 0);
    assert_int_equal(apply_tick(&f, &c, &(tick){'T', 121, 0, 2, 0}), 0);
    assert_int_equal(apply_tick(&f, &c, &(tick){'K', 122, 120, 2, 0}), 0);
    audit_stats stats = {0};
    audit_add_stats(f.a, &stats);
    assert_int_equal(stats.trades.compared, 2);
    assert_int_equal(stats.trades.differed, 0);
    assert_true(stats.trades.skipped > 0);
    audit_close(f.a);
}

/* ---- books and tickers ---- */

enum { BOOK_MEMBERS = 3 };

typedef struct book_step {
    int member;        /* 0: two levels, 1: three levels, 2: two levels on line 1, 3: the ticker */
    const char *frame; /* or the ticker's bid */
    int64_t seq;
    const char *expected; /* rule that now differs, "=rule" that now agrees again, or "" */
} book_step;

static const book_step BOOK_STEPS[] = {
    {0, "S B99x1 B98x2 A101x1 A102x1", 10, ""},
    {1, "S B99x1.0 B98x2 B97x9 A101x1 A102x1", 10, ""},
    {2, "S B99x1 B98x2 A101x1 A102x1", 10, ""},
    {0, "D =B99x5", 12, ""},
    {0, "D =B99x6", 13, ""},
    {1, "D =B99x5 =B97x8", 12, ""}, /* the state before the other book's last */
    {1, "D =B97x7", 14, ""},        /* its 13 is lost; no other book is at 14 */
    {0, "D =A101x4", 15, ""},
    {1, "D =A101x4", 15, "books_agree"}, /* 99 has size 5 here and 6 there */
    {0, "D =A101x3", 16, ""},
    {1, "D =A101x3", 16, ""},              /* still different: reported once */
    {2, "D =B99x6 =A101x3", 16, "=lines"}, /* equal to line 0; the book of three levels differs */
    {1, "D =B99x6", 17, ""},
    {0, "D =A101x2", 18, ""},
    {1, "D =A101x2", 18, "=books_agree"},
    {3, "99", 18, ""},
    {3, "98", 19, ""},            /* waits for a state at or after 19 */
    {0, "D -B99 +B97x1", 20, ""}, /* 98 is the best price after it */
    {3, "96", 20, "best_agrees"},
};

static void test_books(void **state)
{
    (void)state;
    static const topic_row *const ROWS[BOOK_MEMBERS] = {&BOOK_2, &BOOK_3, &BOOK_2};
    audit *a = NULL;
    audit_member *members[BOOK_MEMBERS + 1];
    track *tracks[BOOK_MEMBERS];
    a = audit_open();
    for (uint32_t i = 0; i < BOOK_MEMBERS; i++) {
        members[i] = audit_join(a, ROWS[i], i == 2, NULL);
        tracks[i] = track_open(ROWS[i]);
    }
    members[3] = audit_join(a, &TICKER, 0, NULL);
    for (size_t i = 0; i < sizeof BOOK_STEPS / sizeof *BOOK_STEPS; i++) {
        const book_step *s = &BOOK_STEPS[i];
        const audit_frame frame = {.recv_ns = (i + 1) * S, .connection = 1};
        audit_verdict found;
        verdict own;
        if (s->member == 3) {
            td_decimal bid;
            assert_int_equal(td_decimal_parse(td_bytes_str(s->frame), &bid, NULL), TD_OK);
            msg_value value = {MEMBER_BID1_PRICE, VALUE_DECIMAL, .as = {.decimal = bid}};
            msg_item item = {ACTION_UPDATE, &value, 1, 0};
            message m = {.record = {.head = {.type = MSG_TICKER, .seq = s->seq, .has_seq = 1},
                                    .items = &item,
                                    .item_count = 1}};
            audit_apply(a, members[3], &frame, &m, NULL, &found);
        } else {
            book_frame text;
            book_frame_parse(s->frame, &text);
            text.message.head.seq = s->seq;
            text.message.head.has_seq = 1;
            message m = {.book = text.message};
            track_apply(tracks[s->member], &m, &own);
            audit_apply(a, members[s->member], &frame, &m, tracks[s->member], &found);
        }
        int differs = 0;
        for (uint32_t k = 0; k < found.count; k++) {
            const audit_item *item = &found.items[k];
            const char *name = rule_name(item->verdict.rule);
            differs += item->event == AUDIT_DIFFERS;
            assert_int_equal(item->against.member != NULL, item->verdict.rule != RULE_BEST_AGREES);
            assert_true(item->against.member != item->about.member);
            if (item->event == AUDIT_DIFFERS && strcmp(s->expected, "=lines") != 0)
                assert_string_equal(name, s->expected);
            if (item->event == AUDIT_AGREES)
                assert_string_equal(name, s->expected + 1);
        }
        if ((found.count == 0) != (s->expected[0] == '\0'))
            fail_msg("step %zu: %u items", i, found.count);
    }
    audit_stats stats = {0};
    audit_add_stats(a, &stats);
    assert_int_equal(stats.best.compared, 3);
    assert_int_equal(stats.best.differed, 1);
    for (uint32_t i = 0; i < BOOK_MEMBERS; i++)
        track_close(tracks[i]);
    audit_close(a);
}

/* A book that differs from all others at once: each pair has its finding, and later its end. */
static void test_a_finding_for_each_pair(void **state)
{
    (void)state;
    static const char *const STEPS[] = {"S B99x1 A101x1", "D =B99x2", "D =B99x3"};
    audit *a = audit_open();
    audit_member *members[LIMIT_AUDIT_MEMBERS];
    track *tracks[LIMIT_AUDIT_MEMBERS];
    for (uint32_t i = 0; i < LIMIT_AUDIT_MEMBERS; i++) {
        members[i] = audit_join(a, &BOOK_2, i, NULL);
        tracks[i] = track_open(&BOOK_2);
    }
    for (uint32_t step = 0; step < 3; step++)
        for (uint32_t i = 0; i < LIMIT_AUDIT_MEMBERS; i++) {
            int is_last = i == LIMIT_AUDIT_MEMBERS - 1;
            const audit_frame frame = {.recv_ns = (step + 1) * S + i, .connection = 1};
            audit_verdict found;
            verdict own;
            book_frame text;
            book_frame_parse(step == 1 && is_last ? "D =B99x7" : STEPS[step], &text);
            text.message.head.seq = step + 1;
            text.message.head.has_seq = 1;
            message m = {.book = text.message};
            track_apply(tracks[i], &m, &own);
            audit_apply(a, members[i], &frame, &m, tracks[i], &found);
            assert_int_equal(found.count, is_last && step > 0 ? LIMIT_AUDIT_MEMBERS - 1 : 0);
            for (uint32_t k = 0; k < found.count; k++) {
                assert_int_equal(found.items[k].event, step == 1 ? AUDIT_DIFFERS : AUDIT_AGREES);
                assert_ptr_equal(found.items[k].about.member, members[k]);
                assert_ptr_equal(found.items[k].against.member, members[i]);
            }
        }
    for (uint32_t i = 0; i < LIMIT_AUDIT_MEMBERS; i++)
        track_close(tracks[i]);
    audit_close(a);
}

/* ---- members ---- */

static void test_partners_are_needed(void **state)
{
    (void)state;
    static const struct {
        uint32_t books, best, trades, candles, expected;
    } CASES[] = {
        {1, 0, 0, 0, 0},
        {2, 0, 1, 0, 1u << AUDIT_BOOK},
        {1, 1, 0, 1, 1u << AUDIT_BOOK | 1u << AUDIT_BEST},
        {0, 1, 1, 1, 1u << AUDIT_TRADES | 1u << AUDIT_CANDLES},
        {1, 0, 2, 0, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const uint32_t counts[AUDIT_PARTS] = {[AUDIT_BOOK] = CASES[i].books,
                                              [AUDIT_BEST] = CASES[i].best,
                                              [AUDIT_TRADES] = CASES[i].trades,
                                              [AUDIT_CANDLES] = CASES[i].candles};
        assert_int_equal(audit_useful_parts(counts), CASES[i].expected);
    }
    assert_int_equal(audit_part_of(&BOOK_2), AUDIT_BOOK);
    assert_int_equal(audit_part_of(&TICKER), AUDIT_BEST);
    assert_int_equal(audit_part_of(&TRADES), AUDIT_TRADES);
    assert_int_equal(audit_part_of(&CANDLES), AUDIT_CANDLES);
}

static void test_member_bound(void **state)
{
    (void)state;
    audit *a = audit_open();
    for (uint32_t i = 0; i < LIMIT_AUDIT_MEMBERS; i++)
        assert_non_null(audit_join(a, &BOOK_2, i, NULL));
    assert_null(audit_join(a, &BOOK_2, 99, NULL));
    audit_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_candles),
        cmocka_unit_test(test_trades_beyond_bound),
        cmocka_unit_test(test_books),
        cmocka_unit_test(test_a_finding_for_each_pair),
        cmocka_unit_test(test_partners_are_needed),
        cmocka_unit_test(test_member_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
