/* Names of units, and how they share the symbols of a day. Expected: docs/export.md ("In units").
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "export/export_format.h"
#include "export/export_unit.h"
#include "tests/testing/tape_fixture.h"

#define DAY_NS (UINT64_C(86400) * 1000000000)

static void test_names(void **state)
{
    static const char *const WRONG[] = {"",
                                        "2026-11-20",
                                        "2026-11-20.",
                                        "2026-11-20.of5",
                                        "2026-11-20.0of5",
                                        "2026-11-20.6of5",
                                        "2026-11-20.1of1000",
                                        "2026-11-20.01of5",
                                        "2026-11-20.1of5x",
                                        "2026-11-20/1of5",
                                        "2026-13-20.1of5",
                                        "26-11-20.1of5",
                                        "of"};
    char name[EXPORT_UNIT_NAME_BYTES];
    export_unit unit;
    (void)state;
    assert_true(export_unit_parse("2026-11-20.999of999", &unit));
    assert_int_equal(unit.day, TAPE_FIXTURE_NS / DAY_NS);
    assert_int_equal(unit.number, 999);
    export_unit_format(&unit, name);
    assert_string_equal(name, "2026-11-20.999of999");
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
        assert_false(export_unit_parse(WRONG[i], &unit));
}

static void put_trades(tape_segment *segment, const char *symbol, unsigned count, uint64_t *n)
{
    for (unsigned i = 0; i < count; i++) {
        ++*n;
        tape_segment_put(segment, &(tape_put){.topic = "trade",
                                              .symbol = symbol,
                                              .conn = 1,
                                              .ordinal = *n,
                                              .recv_ns = 100 + *n,
                                              .text = "{}"});
    }
}

static void test_shares(void **state)
{
    static const struct {
        const char *symbol;
        unsigned trades;
        uint32_t unit; /* of three: the first one has no symbol */
    } ROWS[] = {{"A", 9, 2}, {"B", 4, 3}, {"C", 4, 3}, {"D", 2, 3}, {"E", 1, 2}};
    export_spec spec = {.formats = {&EXPORT_TARDIS_CSV},
                        .format_count = 1,
                        .outputs = {{&EXPORT_TARDIS_CSV, &EXPORT_TRADES, "trades"}},
                        .output_count = 1};
    const selection all = {0};
    static tape_fixture tape;
    unit_symbols symbols = {0};
    td_err err;
    uint64_t n = 0;
    (void)state;
    tape_fixture_init(&tape);
    tape_segment *one =
        tape_segment_open(&tape, &(tape_segment_spec){"inverse", "aaaaaaaa", 1, 100, 1});
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        put_trades(one, ROWS[i].symbol, ROWS[i].trades, &n);
    tape_segment_finish(one);
    assert_int_equal(unit_symbols_find(tape_fixture_archive(&tape), &spec, &all, SELECTION_ALL_TIME,
                                       &symbols, &err),
                     TD_OK);
    assert_int_equal(symbols.count, sizeof ROWS / sizeof *ROWS);
    assert_false(symbols.is_recorded);
    /* By size, at most one symbol each, and one for everything else. */
    assert_int_equal(unit_symbols_units(&symbols, &spec, symbols.bytes), 1);
    assert_int_equal(unit_symbols_units(&symbols, &spec, symbols.bytes - 1), 3);
    assert_int_equal(unit_symbols_units(&symbols, &spec, 1), 6);
    unit_symbols_share(&symbols, 3);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        assert_int_equal(unit_symbols_find_unit(&symbols, td_bytes_str(ROWS[i].symbol)),
                         ROWS[i].unit);
    assert_int_equal(unit_symbols_find_unit(&symbols, td_bytes_str("Z")), 1);
    /* Files that depend on all symbols of a day. */
    spec.formats[0] = &EXPORT_HFTBACKTEST;
    assert_int_equal(unit_symbols_units(&symbols, &spec, 1), 1);
    spec.formats[0] = &EXPORT_SQLITE;
    assert_int_equal(unit_symbols_units(&symbols, &spec, 1), 1);
    unit_symbols_fini(&symbols);
    tape_fixture_fini(&tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_shares)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
