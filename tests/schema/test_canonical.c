/* The canonical form: what must be equal and different is from docs/regress.md, "Canonical form";
 * the seeds of its fuzz target are forms made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "schema/canonical.h"
#include "tests/testing/canonical_check.h"

enum { VALUES = 3 };

static const msg_level LEVELS[] = {
    {.price = 300100, .price_scale = 2, .side = SIDE_SELL, .action = ACTION_DELETE},
    {.price = 299900, .size = 8, .price_scale = 2, .side = SIDE_BUY, .action = ACTION_UPDATE},
};

static message book_of(const msg_level *levels, size_t count)
{
    message m = {.beside = NULL};
    m.book = (msg_book){.head = {.type = MSG_BOOK_CHANGE, .kind = FRAME_DELTA, .exchange_ns = 7},
                        .levels = levels,
                        .level_count = count};
    return m;
}

static uint64_t whole(const message *m)
{
    return canonical_hash(m, CANONICAL_WHOLE);
}

static uint64_t plain(const message *m)
{
    return canonical_hash(m, CANONICAL_PLAIN);
}

static void check(const message *m)
{
    canonical_check *checks = canonical_check_open();
    canonical_check_message(checks, m);
    canonical_check_close(checks);
}

static void test_the_head_is_covered(void **state)
{
    (void)state;
    const message m = book_of(LEVELS, 2);
    check(&m);
#define CHANGED(statement)                                                                         \
    do {                                                                                           \
        message other = m;                                                                         \
        statement;                                                                                 \
        check(&other);                                                                             \
        assert_true(plain(&m) != plain(&other));                                                   \
    } while (0)
    CHANGED(other.head.kind = FRAME_UNTYPED);
    CHANGED(other.head.exchange_ns = 0);
    CHANGED(other.head.has_u = 1);
    CHANGED((other.head.has_cross_seq = 1, other.head.cross_seq = -1));
    CHANGED(other.head.match_ns = 1);
    CHANGED(other.head.version = td_bytes_str("1"));
#undef CHANGED
    message trades = {.beside = NULL};
    message notice = {.beside = NULL};
    trades.head.type = MSG_TRADE;
    notice.head.type = MSG_NOTICE;
    check(&trades);
    check(&notice);
    assert_true(plain(&trades) != plain(&notice)); /* the type is in front */
}

static void test_what_is_beside_is_covered_on_request(void **state)
{
    (void)state;
    const msg_value id = {.member = MEMBER_LEVEL_ID, .type = VALUE_INTEGER, .as.integer = 5};
    const msg_value version = {
        .member = MEMBER_VERSION, .type = VALUE_TEXT, .as.text = td_bytes_str("v")};
    const msg_value absent = {.member = MEMBER_LEVEL_ID, .type = VALUE_ABSENT};
    msg_item items[2] = {{.action = ACTION_NONE, .values = &id, .value_count = 1}, {0}};
    const msg_beside beside = {.items = items};
    const message without = book_of(LEVELS, 2);
    message m = without;
    m.beside = &beside;
    check(&m);
    assert_true(plain(&m) == plain(&without));
    assert_true(whole(&m) != whole(&without));
    /* Nothing, an absent value, and a version, which the head has: as if there were no lists. */
    items[0].values = &absent;
    assert_true(whole(&m) == whole(&without));
    items[0].value_count = 0;
    assert_true(whole(&m) == whole(&without));
    const msg_beside versioned = {.values = &version, .value_count = 1, .items = items};
    m.beside = &versioned;
    assert_true(whole(&m) == whole(&without));
    check(&m);
}

static void test_sizes_of_retail_orders(void **state)
{
    (void)state;
    const td_decimal rpi[] = {{9, 0}, {50, 1}};
    const message without = book_of(LEVELS, 2);
    message m = without;
    m.book.rpi_sizes = rpi;
    check(&m);
    assert_true(plain(&m) != plain(&without));
    const td_decimal same[] = {{0, 0}, {5, 0}}; /* a deleted level has no size of any kind */
    message other = m;
    other.book.rpi_sizes = same;
    assert_true(plain(&m) == plain(&other));
    m.book.level_count = 1; /* only the deleted one */
    other = without;
    other.book.level_count = 1;
    assert_true(plain(&m) == plain(&other));
    check(&m);
}

static void test_the_order_of_values_does_not_matter(void **state)
{
    (void)state;
    msg_value values[VALUES] = {
        {.member = MEMBER_TITLE, .type = VALUE_TEXT, .as.text = td_bytes_str("x")},
        {.member = MEMBER_MARK_PRICE, .type = VALUE_DECIMAL, .as.decimal = {150, 2}},
        {.member = MEMBER_BASKET, .type = VALUE_JSON, .as.text = td_bytes_str("{\"a\":[1]}")},
    };
    const msg_item item = {.action = ACTION_SET, .values = values, .value_count = VALUES};
    message m = {.beside = NULL};
    m.record = (msg_record){.head = {.type = MSG_NOTICE, .kind = FRAME_SNAPSHOT},
                            .values = values,
                            .value_count = VALUES,
                            .items = &item,
                            .item_count = 1};
    uint64_t before = plain(&m);
    check(&m);
    msg_value first = values[0];
    values[0] = values[2];
    values[2] = first;
    values[1].as.decimal = (td_decimal){15, 1};
    values[1].is_scale_assumed = 1;
    assert_true(plain(&m) == before);
    values[1].as.decimal.mantissa = 16;
    assert_true(plain(&m) != before);
    check(&m);
}

/* Forms that are hashed in pieces: shorter, as long, and longer than what is gathered. */
static void test_forms_of_any_length(void **state)
{
    (void)state;
    static msg_level many[400];
    for (size_t i = 0; i < 400; i++)
        many[i] = (msg_level){.price = (int64_t)i + 1, .size = 5, .action = ACTION_SET};
    for (size_t count = 0; count <= 400; count += count < 50 || count > 70 ? 7 : 1) {
        message m = book_of(many, count);
        check(&m);
    }
    static char text[5000];
    memset(text, 'x', sizeof text);
    msg_trade trade = {.is_block_trade = -1, .is_rpi_trade = -1};
    message m = {.beside = NULL};
    m.trades = (msg_trades){.head = {.type = MSG_TRADE}, .trades = &trade, .trade_count = 1};
    for (size_t size = 1; size < sizeof text; size += 61) {
        trade.trade_id = trade.symbol = td_bytes_of(text, size);
        check(&m);
    }
}

static void test_failures(void **state)
{
    (void)state;
    for (int i = DECODE_OK + 1; i < DECODE_REASON_COUNT; i++) {
        uint64_t mark = canonical_failure((decode_reason)i);
        assert_int_equal(mark & CANONICAL_FAILED, CANONICAL_FAILED);
        for (int j = DECODE_OK + 1; j < i; j++) /* of books a baseline has these bits alone */
            assert_int_not_equal((uint32_t)mark, (uint32_t)canonical_failure((decode_reason)j));
    }
}

static void test_control_frames(void **state)
{
    (void)state;
    const classification ack = {.frame_class = CLASS_ACK, .success = 1};
    classification other = ack;
    assert_true(canonical_control(&ack) == canonical_control(&other));
    assert_int_equal(canonical_control(&ack) & 1, 0);
    other.success = -1;
    assert_true(canonical_control(&ack) != canonical_control(&other));
    other = ack;
    other.frame_class = CLASS_AUTH;
    assert_true(canonical_control(&ack) != canonical_control(&other));
    other = ack;
    other.exchange_topic = td_bytes_str("trade");
    assert_true(canonical_control(&ack) != canonical_control(&other));
}

/* ---- what is refused ---- */

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals, which are joined */
#define U64(n)                        n "\0\0\0\0\0\0\0"
#define ZERO                          U64("\0")
#define HEAD(type, kind_flags, count) type kind_flags ZERO ZERO ZERO ZERO U64(count)
#define BOOK                          U64("\x0b") "book_change"
#define TRADE                         U64("\x05") "trade"
#define NOTICE                        U64("\x06") "notice"
#define ONE                           U64("\1") ZERO /* 10^-18 */
#define WIDE                          ZERO U64("\1") /* 2^64 times 10^-18 has no zeros to leave out */
#define FORM(text)                    td_bytes_of(text, sizeof(text) - 1)
#define FORM_ROW(text)                text, sizeof(text) - 1
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct {
    const char *says; /* NULL: accepted */
    const char *form;
    size_t size;
} FORMS[] = {
    {"byte 0: the form ends too early", FORM_ROW("")},
    {"byte 0: unknown type 'control'", FORM_ROW(HEAD(U64("\7") "control", "u\0", "\0"))},
    {"byte 0: unknown type 'books'", FORM_ROW(HEAD(U64("\5") "books", "u\0", "\0"))},
    {"byte 0: a text that is longer than the form", FORM_ROW(U64("\7") "trades")},
    {NULL, FORM_ROW(HEAD(TRADE, "u\0", "\0"))},
    {"byte 13: no kind", FORM_ROW(HEAD(TRADE, "a\0", "\0"))},
    {"byte 14: flags that the type does not have", FORM_ROW(HEAD(TRADE, "u\x80", "\0"))},
    {"byte 14: flags that the type does not have", FORM_ROW(HEAD(TRADE, "u\x20", "\0"))},
    {"byte 14: flags that the type does not have", FORM_ROW(HEAD(TRADE, "u\x10", "\0"))},
    {"byte 15: flags that the type does not have", FORM_ROW(HEAD(NOTICE, "u\x40", "\0"))},
    {"byte 55: bytes after the message", FORM_ROW(HEAD(TRADE, "u\0", "\0") "q")},
    {"byte 47: a count of more than the form has", FORM_ROW(HEAD(TRADE, "u\0", "\1"))},
    {"byte 15: a time after the year 2262",
     FORM_ROW(TRADE "u\0\0\0\0\0\0\0\0\x80" ZERO ZERO ZERO ZERO)},
    {"byte 23: a number that is absent, and not 0",
     FORM_ROW(TRADE "u\0" ZERO U64("\1") ZERO ZERO ZERO)},
    {NULL, FORM_ROW(TRADE "u\1" ZERO U64("\1") ZERO ZERO ZERO)},
    {"byte 55: a time of 0 where there is none", FORM_ROW(HEAD(TRADE, "u\x08", "\0") ZERO)},
    {NULL, FORM_ROW(HEAD(TRADE, "u\x08", "\0") U64("\1"))},
    {"byte 61: an empty text where there is none", FORM_ROW(HEAD(BOOK, "u\x10", "\0") ZERO)},
    {NULL, FORM_ROW(HEAD(BOOK, "u\0", "\1") "=B" ONE ONE)},
    {NULL, FORM_ROW(HEAD(BOOK, "u\0", "\1") "dB" ONE)},
    {"byte 79: the form ends too early", FORM_ROW(HEAD(BOOK, "u\0", "\1") "uB" ONE)},
    {"byte 61: no action", FORM_ROW(HEAD(BOOK, "u\0", "\1") "xB" ONE)},
    {"byte 62: no side", FORM_ROW(HEAD(BOOK, "u\0", "\1") "=b" ONE)},
    {"byte 61: a level without action or side", FORM_ROW(HEAD(BOOK, "u\0", "\1") "=-" ONE)},
    {"byte 61: a level without action or side", FORM_ROW(HEAD(BOOK, "u\0", "\1") "-B" ONE)},
    {"byte 63: a decimal of more than 64 bits and 18 places",
     FORM_ROW(HEAD(BOOK, "u\0", "\1") "dB" WIDE)},
    {NULL, FORM_ROW(HEAD(BOOK, "u\x20", "\1") "=B" ONE ONE ONE)},
    {"byte 95: a size of retail orders that is no part of its level's",
     FORM_ROW(HEAD(BOOK, "u\x20", "\1") "=B" ONE ONE
                                        "\0\0\0\0\0\0\0\x80\xff\xff\xff\xff\xff\xff\xff\xff")},
    {"byte 79: sizes of retail orders, but no level that has one",
     FORM_ROW(HEAD(BOOK, "u\x20", "\1") "dB" ONE)},
    {"byte 61: values beside the entries, but not one",
     FORM_ROW(HEAD(BOOK, "u\x40", "\1") ZERO ZERO "dB" ONE)},
    {"byte 69: a member that stands elsewhere: 'version'",
     FORM_ROW(HEAD(BOOK, "u\x40", "\0") U64("\1") U64("\7") "versiont" U64("\1") "v")},
    {NULL, FORM_ROW(HEAD(TRADE, "u\x40", "\0") U64("\1") U64("\7") "versiont" U64("\1") "v")},
    {"byte 77: a member that stands elsewhere: 'price'",
     FORM_ROW(HEAD(BOOK, "u\x40", "\1") ZERO U64("\1") U64("\5") "pricet" U64("\1") "v"
                                                                                    "dB" ONE)},
#define SOLD HEAD(TRADE, "u\0", "\1") "S"
    {NULL, FORM_ROW(SOLD "\0" ONE ONE ZERO "\0" ZERO ZERO)},
    {NULL, FORM_ROW(SOLD "\2" ONE ONE ZERO "\1" ONE ZERO "q" ZERO "Ry" U64("\1") "X")},
    {"byte 56: a block trade that is neither 0, 1 nor 2",
     FORM_ROW(SOLD "\3" ONE ONE ZERO "\0" ZERO ZERO)},
    {"byte 97: a presence that is neither 0 nor 1",
     FORM_ROW(SOLD "\0" ONE ONE ZERO "\2" ZERO ZERO)},
    {"byte 115: an empty text where there is none",
     FORM_ROW(SOLD "\0" ONE ONE ZERO "\0" ZERO ZERO "y" ZERO)},
    {"byte 115: bytes after the message", FORM_ROW(SOLD "\0" ONE ONE ZERO "\0" ZERO ZERO "Rr")},
#define NOTICED HEAD(NOTICE, "u\0", "\0")
    {"byte 64: unknown member 'prise'", FORM_ROW(NOTICED U64("\1") U64("\5") "priseT")},
    {NULL, FORM_ROW(NOTICED U64("\2") U64("\5") "priceT" U64("\4") "sizeF")},
    {"byte 78: not in order of names: 'price'",
     FORM_ROW(NOTICED U64("\2") U64("\5") "priceT" U64("\5") "priceT")},
    {"byte 77: not in order of names: 'price'",
     FORM_ROW(NOTICED U64("\2") U64("\4") "sizeT" U64("\5") "priceT")},
    {"byte 77: no type of a value", FORM_ROW(NOTICED U64("\1") U64("\5") "pricen")},
    {NULL, FORM_ROW(NOTICED U64("\1") U64("\3") "navD" U64("\x14") "12345678901234567890")},
    {"byte 75: a big decimal that is none, or not in shortest form",
     FORM_ROW(NOTICED U64("\1") U64("\3") "navD" U64("\x13") "1234567890123456789")},
    {"byte 75: a big decimal that is none, or not in shortest form",
     FORM_ROW(NOTICED U64("\1") U64("\3") "navD" U64("\x16") "12345678901234567890.0")},
    {"byte 75: a big decimal that is none, or not in shortest form",
     FORM_ROW(NOTICED U64("\1") U64("\3") "navD" U64("\1") "x")},
    {NULL, FORM_ROW(NOTICED U64("\1") U64("\3") "navj" U64("\x0d") "{\"a\":1,\"b\":2}")},
    {"byte 75: JSON with white space, or keys that are not in order",
     FORM_ROW(NOTICED U64("\1") U64("\3") "navj" U64("\x0d") "{\"b\":1,\"a\":2}")},
    {"byte 75: JSON with white space, or keys that are not in order",
     FORM_ROW(NOTICED U64("\1") U64("\3") "navj" U64("\3") "[ ]")},
    {"byte 75: a text that is no JSON", FORM_ROW(NOTICED U64("\1") U64("\3") "navj" U64("\1") "[")},
};

static void test_what_is_refused(void **state)
{
    (void)state;
    td_arena *arena = td_arena_open(1 << 20);
    assert_non_null(arena);
    json_parser *parser = json_parser_open(0);
    canonical_check *checks = canonical_check_open();
    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++) {
        message m;
        td_err err;
        td_bytes form = td_bytes_of(FORMS[i].form, FORMS[i].size);
        td_err_clear(&err);
        td_result rc = canonical_read(form, parser, arena, &m, &err);
        assert_string_equal(err.text, FORMS[i].says == NULL ? "" : FORMS[i].says);
        assert_int_equal(rc, FORMS[i].says == NULL ? TD_OK : TD_E_INVALID);
        assert_int_equal(canonical_check_form(checks, form), FORMS[i].says == NULL);
    }
    canonical_check_close(checks);
    json_parser_close(parser);
    td_arena_close(arena);
}

/* A record's version is in its head, as decoders leave it. */
static void test_a_version_that_is_read(void **state)
{
    (void)state;
    message m;
    td_arena *arena = td_arena_open(1 << 20);
    td_bytes form = FORM(NOTICED U64("\1") U64("\7") "versiont" U64("\2") "v7");
    json_parser *parser = json_parser_open(0);
    assert_int_equal(canonical_read(form, parser, arena, &m, NULL), TD_OK);
    assert_true(td_bytes_is(m.head.version, "v7"));
    json_parser_close(parser);
    td_arena_close(arena);
}

static void test_bounds(void **state)
{
    (void)state;
    message m;
    td_err err;
    td_buf small;
    td_arena *arena = td_arena_open(16);
    json_parser *parser = json_parser_open(0);
    assert_int_equal(
        canonical_read(FORM(HEAD(BOOK, "u\0", "\1") "dB" ONE), parser, arena, &m, &err),
        TD_E_LIMIT);
    td_buf_init(&small, 40);
    m = book_of(LEVELS, 2);
    assert_int_equal(canonical_write(&m, CANONICAL_PLAIN, &small, &err), TD_E_LIMIT);
    td_buf_fini(&small);
    json_parser_close(parser);
    td_arena_close(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_head_is_covered),
        cmocka_unit_test(test_what_is_beside_is_covered_on_request),
        cmocka_unit_test(test_sizes_of_retail_orders),
        cmocka_unit_test(test_the_order_of_values_does_not_matter),
        cmocka_unit_test(test_forms_of_any_length),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_control_frames),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_a_version_that_is_read),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
