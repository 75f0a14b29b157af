/* Mapping files: their syntax, the names that they give, what they leave out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "regress/decoder_map.h"
#include "schema/canonical.h"

static decoder_map *open_map(const char *text)
{
    decoder_map *map = NULL;
    td_err err;
    if (decoder_map_open(td_bytes_str(text), "m", &map, &err) != TD_OK)
        fail_msg("%s: %s", text, err.text);
    assert_string_equal(decoder_map_text(map), text);
    return map;
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } CASES[] = {
        {"levels.px", "m:1: levels.px: a rule is THEIRS = OURS"},
        {"\n# c\n = price", "m:3: = price: a rule is THEIRS = OURS; '-' stands for none"},
        {"px =", "m:1: px =: a rule is THEIRS = OURS; '-' stands for none"},
        {"- = -", "m:1: - = -: no name on either side"},
        {"levels.px = levels.cost", "m:1: levels.cost: no member of messages; "},
        {"levels.px = price", "m:1: price: a member cannot be moved to another part"},
        {"- = levels.cost", "m:1: levels.cost: no member of messages; "},
        {"a = u\nb = u\na = seq", "m:3: a: the second rule for this name"},
        {"trades.what = trades.action", "m:1: trades.action: no member of messages; "},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        decoder_map *map = NULL;
        td_err err;
        assert_int_equal(decoder_map_open(td_bytes_str(CASES[i].text), "m", &map, &err),
                         TD_E_INVALID);
        if (strncmp(err.text, CASES[i].why, strlen(CASES[i].why)) != 0)
            fail_msg("%s\nexpected %s\nfound    %s", CASES[i].text, CASES[i].why, err.text);
    }
    td_err err;
    decoder_map *map = NULL;
    assert_int_equal(decoder_map_open(td_bytes_of("a = u\0", 6), "m", &map, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "NUL"));
}

static void test_names(void **state)
{
    (void)state;
    decoder_map *map = open_map("# their names\r\n"
                                "levels.px=levels.price   # a comment\n"
                                "trades.px = trades.trade_id\n"
                                "\titems.verb = items.action\n"
                                "items.more = -\n"
                                "number = cross_seq\n"
                                "what = kind");
    static const struct {
        msg_type type;
        uint8_t in_entry;
        const char *theirs, *ours; /* NULL: passed over */
    } CASES[] = {
        {MSG_BOOK_CHANGE, 1, "px", "price"},  {MSG_TRADE, 1, "px", "trade_id"},
        {MSG_TICKER, 1, "px", "px"},          {MSG_BOOK_CHANGE, 0, "px", "px"},
        {MSG_TICKER, 1, "verb", "action"},    {MSG_TICKER, 1, "more", NULL},
        {MSG_BOOK_CHANGE, 1, "more", "more"}, {MSG_RAW, 0, "number", "cross_seq"},
        {MSG_TRADE, 1, "number", "number"},   {MSG_TRADE, 0, "what", "kind"},
    };
    const message_names *names = decoder_map_names(map);
    assert_non_null(names);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        td_bytes ours;
        int is_kept = names->find(names->ctx, CASES[i].type, CASES[i].in_entry,
                                  td_bytes_str(CASES[i].theirs), &ours);
        assert_int_equal(is_kept, CASES[i].ours != NULL);
        if (is_kept && !td_bytes_is(ours, CASES[i].ours))
            fail_msg("case %zu: %.*s", i, (int)ours.size, (const char *)ours.data);
    }
    assert_false(decoder_map_leaves_out(map));
    decoder_map_close(map);
    map = open_map("- = u\n");
    assert_null(decoder_map_names(map));
    assert_true(decoder_map_leaves_out(map));
    decoder_map_close(map);
}

/* ---- leaving out: messages that differ only in what is left out are the same afterwards ---- */

static uint64_t hash_without(const char *text, const message *m)
{
    decoder_map *map = open_map(text);
    const message *left = NULL;
    td_arena *arena = td_arena_open(1 << 16);
    assert_non_null(arena);
    assert_int_equal(decoder_map_apply(map, m, arena, &left, NULL), TD_OK);
    uint64_t hash = canonical_hash(left, CANONICAL_WHOLE);
    td_arena_close(arena);
    decoder_map_close(map);
    return hash;
}

static void expect_same(const char *text, const message *a, const message *b)
{
    assert_true(canonical_hash(a, CANONICAL_WHOLE) != canonical_hash(b, CANONICAL_WHOLE));
    assert_true(hash_without("# nothing", a) != hash_without("# nothing", b));
    if (hash_without(text, a) != hash_without(text, b))
        fail_msg("%s", text);
}

static void test_levels(void **state)
{
    (void)state;
    static const msg_level LEVELS[] = {
        {.price = 5, .size = 8, .side = SIDE_BUY, .action = ACTION_UPDATE},
        {.price = 6, .side = SIDE_SELL, .action = ACTION_DELETE},
    };
    static const struct {
        const char *rule;
        msg_level first;
    } CASES[] = {
        {"- = action", {.price = 5, .size = 8, .side = SIDE_BUY, .action = ACTION_INSERT}},
        {"- = levels.price", {.price = 7, .size = 8, .side = SIDE_BUY, .action = ACTION_UPDATE}},
        {"- = levels.size", {.price = 5, .size = 9, .side = SIDE_BUY, .action = ACTION_UPDATE}},
        {"- = levels.side", {.price = 5, .size = 8, .side = SIDE_SELL, .action = ACTION_UPDATE}},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        msg_level levels[] = {CASES[i].first, LEVELS[1]};
        message a = {.beside = NULL};
        a.book = (msg_book){.head = {.type = MSG_BOOK_CHANGE}, .levels = LEVELS, .level_count = 2};
        message b = a;
        b.book.levels = levels;
        expect_same(CASES[i].rule, &a, &b);
    }
    /* A deletion is no set. */
    message a = {.beside = NULL};
    a.book = (msg_book){.head = {.type = MSG_BOOK_CHANGE}, .levels = &LEVELS[0], .level_count = 1};
    message b = a;
    b.book.levels = &LEVELS[1];
    assert_true(hash_without("- = action", &a) != hash_without("- = action", &b));
}

static void test_head_and_trades(void **state)
{
    (void)state;
    static const msg_trade TRADE = {
        .price = {5, 0}, .size = {1, 0}, .is_block_trade = -1, .is_rpi_trade = -1};
    message a = {.beside = NULL};
    a.trades = (msg_trades){.head = {.type = MSG_TRADE, .kind = FRAME_DELTA, .exchange_ns = 4},
                            .trades = &TRADE,
                            .trade_count = 1};
#define CHANGED(rule, statement)                                                                   \
    do {                                                                                           \
        message b = a;                                                                             \
        msg_trade trade = TRADE;                                                                   \
        b.trades.trades = &trade;                                                                  \
        statement;                                                                                 \
        expect_same(rule, &a, &b);                                                                 \
    } while (0)
    CHANGED("- = kind", b.head.kind = FRAME_SNAPSHOT);
    CHANGED("- = exchange_ns", b.head.exchange_ns = 5);
    CHANGED("- = cross_seq", (b.head.has_cross_seq = 1, b.head.cross_seq = 9));
    CHANGED("- = u", b.head.has_u = 1);
    CHANGED("- = seq", b.head.has_seq = 1);
    CHANGED("- = trades.trade_id", trade.trade_id = td_bytes_str("x"));
    CHANGED("- = trades.tick_direction", trade.tick_direction = td_bytes_str("x"));
    CHANGED("- = trades.symbol", trade.symbol = td_bytes_str("x"));
    CHANGED("- = trades.side", trade.side = SIDE_SELL);
    CHANGED("- = trades.price", trade.price.mantissa = 6);
    CHANGED("- = trades.size", trade.size.mantissa = 6);
    CHANGED("- = trades.exchange_ns", trade.exchange_ns = 6);
    CHANGED("- = trades.seq", trade.has_seq = 1);
    CHANGED("- = trades.cross_seq", trade.has_cross_seq = 1);
    CHANGED("- = trades.is_block_trade", trade.is_block_trade = 1);
    CHANGED("- = trades.is_rpi_trade", trade.is_rpi_trade = 0);
#undef CHANGED
}

static void test_values(void **state)
{
    (void)state;
    static const msg_value OLD[] = {
        {.member = MEMBER_LAST_PRICE, .type = VALUE_DECIMAL, .as.decimal = {5, 0}},
        {.member = MEMBER_BID1_PRICE, .type = VALUE_DECIMAL, .as.decimal = {4, 0}}};
    static const msg_value NEW[] = {
        {.member = MEMBER_LAST_PRICE, .type = VALUE_DECIMAL, .as.decimal = {6, 0}},
        {.member = MEMBER_BID1_PRICE, .type = VALUE_DECIMAL, .as.decimal = {4, 0}}};
    const msg_item old_item = {.action = ACTION_UPDATE, .values = OLD, .value_count = 2};
    const msg_item new_item = {.action = ACTION_UPDATE, .values = NEW, .value_count = 2};
    const msg_item without = {.action = ACTION_UPDATE, .values = NEW + 1, .value_count = 1};
    message a = {.beside = NULL};
    a.record = (msg_record){.head = {.type = MSG_TICKER}, .items = &old_item, .item_count = 1};
    message b = a;
    b.record.items = &new_item;
    expect_same("- = items.last_price", &a, &b);
    b.record.items = &without;
    expect_same("- = items.last_price", &a, &b);
    /* Of the message itself, and beside a book. */
    b = a;
    b.record.values = NEW;
    b.record.value_count = 1;
    expect_same("- = last_price", &a, &b);
    const msg_beside beside = {.items = &old_item};
    const msg_beside other = {.items = &without, .values = NEW, .value_count = 1};
    msg_level level = {.price = 1, .size = 1, .side = SIDE_BUY, .action = ACTION_SET};
    a.book = (msg_book){.head = {.type = MSG_BOOK_CHANGE}, .levels = &level, .level_count = 1};
    b = a;
    a.beside = &beside;
    b.beside = &other;
    expect_same("- = levels.last_price\n- = last_price", &a, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused), cmocka_unit_test(test_names),
        cmocka_unit_test(test_levels),  cmocka_unit_test(test_head_and_trades),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
