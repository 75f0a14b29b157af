/* A Nautilus dataset of two days, of which the second has prices with more decimal places. One run
 * gives all files the precision of the second day; whichever call fails, and whenever the run is
 * killed or the power is cut, the next run completes the same files. A run of the second day alone
 * is refused after the first day is published, and changes no file. Expected: docs/export.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "export/export.h"
#include "tests/testing/io_fault.h"
#include "tests/testing/tape_fixture.h"

#define FOLDER "daily"
#define DAY    (UINT64_C(86400) * 1000000000)
#define FIRST_FILE                                                                                 \
    FOLDER "/data/trades/BTCUSD-INVERSE.BYBIT/"                                                    \
           "2026-11-20T06-00-00-000000101Z_2026-11-20T06-00-00-000000110Z.parquet"
#define FIRST_MANIFEST  FOLDER "/MANIFEST.2026-11-20.json"
#define SECOND_MANIFEST FOLDER "/MANIFEST.2026-11-21.json"

enum { SWEEP_CALLS_MAX = 1000, CUT_SEEDS = 6, FILE_BYTES_MAX = 1 << 20 };

static void put_trade(tape_segment *segment, unsigned n, const char *price, uint64_t recv_ns)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":%u,\"timestamp\":"
                   "\"2026-11-20T06:00:00.000Z\",\"symbol\":\"BTCUSD\",\"side\":\"Buy\",\"size\":5,"
                   "\"price\":%s,\"tick_direction\":\"PlusTick\",\"trade_id\":\"t%u\","
                   "\"cross_seq\":%u}]}",
                   n, price, n, n);
    tape_segment_put(segment, &(tape_put){.topic = "trade",
                                          .symbol = "BTCUSD",
                                          .conn = 1,
                                          .ordinal = n,
                                          .recv_ns = recv_ns,
                                          .text = text});
}

static int set_up(void **state)
{
    static tape_fixture tape;
    tape_fixture_init(&tape);
    for (unsigned day = 0; day < 2; day++) {
        uint64_t from_ns = day * DAY + 100;
        tape_segment *one = tape_segment_open(
            &tape, &(tape_segment_spec){"inverse", day == 0 ? "aaaaaaaa" : "bbbbbbbb", from_ns,
                                        from_ns, 1});
        for (unsigned i = 1; i <= 10; i++)
            put_trade(one, i, day == 0 ? "7.5" : "7.125", from_ns + i);
        tape_segment_finish(one);
    }
    *state = &tape;
    return 0;
}

static int tear_down(void **state)
{
    tape_fixture_fini(*state);
    return 0;
}

/* Exports `count` days from day `first`, 0 or 1, as one run. */
static td_result run_days(tape_fixture *tape, td_io io, unsigned first, unsigned count, td_err *err)
{
    static const export_spec SPEC = {
        .formats = {&EXPORT_NAUTILUS},
        .format_count = 1,
        .outputs = {{&EXPORT_NAUTILUS, &EXPORT_TRADES, "trades"}},
        .output_count = 1,
        .types = {&EXPORT_TRADES},
        .type_count = 1,
    };
    const uint64_t from = TAPE_FIXTURE_NS / DAY + first;
    selection wanted = {0};
    const gap_list ledger = {0};
    export_result result;
    selection_set_window(&wanted, (selection_window){from * DAY, (from + count) * DAY});
    const export_options options = {.spec = &SPEC,
                                    .archive = tape_fixture_archive(tape),
                                    .wanted = &wanted,
                                    .ledger = &ledger,
                                    .io = io,
                                    .folder = FOLDER,
                                    .threads = 1};
    return export_run(&options, &result, err);
}

static int has_text(td_io io, const char *path, const char *text)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int found = 0;
    td_err err;
    assert_int_equal(td_io_read_file(io, path, FILE_BYTES_MAX, &bytes, &size, &err), TD_OK);
    for (size_t i = 0; !found && i + strlen(text) <= size; i++)
        found = memcmp(bytes + i, text, strlen(text)) == 0;
    td_free(bytes);
    return found;
}

/* A disk with `count` days, exported by one run. */
static io_fault *export_days(tape_fixture *tape, unsigned count)
{
    io_fault *disk = io_fault_open();
    td_err err;
    assert_int_equal(run_days(tape, io_fault_io(disk), 0, count, &err), TD_OK);
    return disk;
}

static void assert_same_disk(io_fault *disk, io_fault *other, const char *when, uint64_t number)
{
    if (!td_hash128_equal(io_fault_digest(disk), io_fault_digest(other)))
        fail_msg("%s %u: other files", when, (unsigned)number);
    assert_int_equal(io_fault_open_count(disk), 0);
}

static void test_one_run(void **state)
{
    io_fault *disk = export_days(*state, 2);
    td_io io = io_fault_io(disk);
    assert_true(has_text(io, FIRST_MANIFEST, "\"price_precision\":3,\"size_precision\":0,"));
    assert_true(has_text(io, SECOND_MANIFEST, "\"price_precision\":3,\"size_precision\":0,"));
    assert_true(has_text(io, FIRST_FILE, "price_precision\x18\x01\x33"));
    /* A power cut afterwards loses nothing. */
    io_fault *after = io_fault_power_cut(disk, IO_FAULT_CUT_WORST);
    assert_same_disk(after, disk, "cut", 0);
    io_fault_close(after);
    io_fault_close(disk);
}

static void test_later_day_is_refused(void **state)
{
    io_fault *before = export_days(*state, 1);
    io_fault *disk = export_days(*state, 1);
    td_io io = io_fault_io(disk);
    td_err err;
    assert_true(has_text(io, FIRST_MANIFEST, "\"price_precision\":1,\"size_precision\":0,"));
    for (unsigned first = 0; first < 2; first++) {
        assert_int_equal(run_days(*state, io, first, 2 - first, &err), TD_E_INVALID);
        assert_string_equal(err.text,
                            "BTCUSD-INVERSE.BYBIT needs 3 decimal places in prices and 0 in sizes, "
                            "but other files in 'daily' have 1 and 0");
        assert_string_equal(err.hint, "this command with --from 2026-11-20 --to 2026-11-21 --force "
                                      "makes the dataset again; or export into another folder");
        assert_same_disk(disk, before, "refused", first);
    }
    io_fault_close(disk);
    io_fault_close(before);
}

/* Runs that are refused leave the first day as it was, whichever call fails. */
static void test_failing_calls_of_a_refused_run(void **state)
{
    int fired = 1;
    for (unsigned fail_at = 1; fired && fail_at <= SWEEP_CALLS_MAX; fail_at++) {
        io_fault *disk = export_days(*state, 1);
        td_io io = io_fault_io(disk);
        uint64_t size = 0;
        td_err err;
        io_fault_set_plan(
            disk,
            (io_fault_plan){.kind = IO_FAULT_EIO, .mode = IO_FAULT_FOR_EVER, .fail_at = fail_at});
        assert_int_not_equal(run_days(*state, io, 1, 1, &err), TD_OK);
        fired = io_fault_did_fire(disk);
        io_fault_set_plan(disk, (io_fault_plan){0});
        assert_int_equal(td_io_size_at(io, SECOND_MANIFEST, &size, &err), TD_E_NOTFOUND);
        assert_true(has_text(io, FIRST_MANIFEST, "\"price_precision\":1,\"size_precision\":0,"));
        assert_true(has_text(io, FIRST_FILE, "price_precision\x18\x01\x31"));
        io_fault_close(disk);
    }
    assert_false(fired);
}

static void sweep(tape_fixture *tape, io_fault_kind kind, io_fault_mode mode)
{
    io_fault *whole = export_days(tape, 2);
    int fired = 1;
    for (unsigned fail_at = 1; fired && fail_at <= SWEEP_CALLS_MAX; fail_at++) {
        io_fault *disk = io_fault_open();
        td_err err;
        td_err_clear(&err);
        io_fault_set_plan(disk, (io_fault_plan){.kind = kind, .mode = mode, .fail_at = fail_at});
        td_result rc = run_days(tape, io_fault_io(disk), 0, 2, &err);
        fired = io_fault_did_fire(disk);
        io_fault_set_plan(disk, (io_fault_plan){0});
        if (rc != TD_OK && err.text[0] == '\0')
            fail_msg("call %u: an error without a text", fail_at);
        if (run_days(tape, io_fault_io(disk), 0, 2, &err) != TD_OK)
            fail_msg("call %u: not completed: %s", fail_at, err.text);
        assert_same_disk(disk, whole, "call", fail_at);
        io_fault_close(disk);
    }
    assert_false(fired);
    io_fault_close(whole);
}

static void test_failing_calls(void **state)
{
    sweep(*state, IO_FAULT_EIO, IO_FAULT_ONCE);
    sweep(*state, IO_FAULT_EIO, IO_FAULT_FOR_EVER);
    sweep(*state, IO_FAULT_ENOSPC, IO_FAULT_ONCE);
    sweep(*state, IO_FAULT_SHORT, IO_FAULT_ONCE);
}

static void complete(tape_fixture *tape, io_fault *disk, io_fault *whole, const char *when,
                     uint64_t number)
{
    td_err err;
    if (run_days(tape, io_fault_io(disk), 0, 2, &err) != TD_OK)
        fail_msg("%s %u: not completed: %s", when, (unsigned)number, err.text);
    assert_same_disk(disk, whole, when, number);
    io_fault_close(disk);
}

/* Ends a run of both days after each of its changes, by a kill or a power cut. */
static void test_kills_and_power_cuts(void **state)
{
    io_fault *whole = export_days(*state, 2);
    io_fault *disk = io_fault_open();
    td_err err;
    io_fault_log_start(disk);
    assert_int_equal(run_days(*state, io_fault_io(disk), 0, 2, &err), TD_OK);
    uint64_t count = io_fault_log_count(disk);
    assert_true(count > 20);
    for (uint64_t i = 0; i <= count; i++) {
        io_fault *then = io_fault_at(disk, i);
        complete(*state, io_fault_kill(then), whole, "killed after", i);
        complete(*state, io_fault_power_cut(then, IO_FAULT_CUT_BEST), whole, "best cut after", i);
        for (uint64_t seed = IO_FAULT_CUT_WORST; seed < CUT_SEEDS; seed++)
            complete(*state, io_fault_power_cut(then, seed), whole, "power cut after", i);
        io_fault_close(then);
    }
    io_fault_close(disk);
    io_fault_close(whole);
}

static void test_table(void **state)
{
    (void)state;
    export_precisions table = {0};
    export_precisions other = {0};
    export_precision is = {.instrument = "A", .price = 2, .size = 3};
    assert_null(export_precisions_find(&table, "A"));
    export_precisions_raise(&table, &is);
    is.price = 1;
    is.size = 4;
    export_precisions_raise(&table, &is);
    export_precisions_join(&other, &table);
    assert_int_equal(export_precisions_find(&other, "A")->price, 2);
    assert_int_equal(export_precisions_find(&other, "A")->size, 4);
    assert_null(export_precisions_find(&other, "B"));
    export_precisions_fini(&table);
    export_precisions_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_one_run),
        cmocka_unit_test(test_later_day_is_refused),
        cmocka_unit_test(test_failing_calls_of_a_refused_run),
        cmocka_unit_test(test_failing_calls),
        cmocka_unit_test(test_kills_and_power_cuts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
