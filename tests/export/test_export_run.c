/* A whole export of two days and two formats on a simulated disk: whichever call fails, each day is
 * complete or absent, and the same export completes it afterwards. Expected: docs/export.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "export/export.h"
#include "export/export_format.h"
#include "tests/testing/io_fault.h"
#include "tests/testing/tape_fixture.h"

#define FOLDER "sets/one"
#define DAY    (UINT64_C(86400) * 1000000000)

enum { SWEEP_CALLS_MAX = 3000, NAMES_BYTES = 1024 };

/* ---- what a run exports ---- */

static void put_trade(tape_segment *segment, unsigned n, uint64_t recv_ns, const char *symbol,
                      const char *size, const char *price)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "{\"topic\":\"trade.%s\",\"data\":[{\"trade_time_ms\":%u,\"timestamp\":"
                   "\"2026-11-20T06:00:00.000Z\",\"symbol\":\"%s\",\"side\":\"Buy\",\"size\":%s,"
                   "\"price\":%s,\"tick_direction\":\"PlusTick\",\"trade_id\":\"t%u\","
                   "\"cross_seq\":%u}]}",
                   symbol, n, symbol, size, price, n, n);
    tape_segment_put(segment, &(tape_put){.topic = "trade",
                                          .symbol = symbol,
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
        for (unsigned i = 1; i <= 40; i++)
            put_trade(one, i, from_ns + i, "BTCUSD", "5", "7.5");
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

static export_spec all_formats(void)
{
    export_spec spec = {0};
    spec.formats[spec.format_count++] = &EXPORT_TARDIS_CSV;
    spec.formats[spec.format_count++] = &EXPORT_JSONL;
    spec.outputs[spec.output_count++] =
        (export_output){&EXPORT_TARDIS_CSV, &EXPORT_TRADES, "trades"};
    const export_named_type lines = export_format_type(&EXPORT_JSONL, 0);
    spec.outputs[spec.output_count++] = (export_output){&EXPORT_JSONL, lines.type, lines.name};
    spec.types[spec.type_count++] = &EXPORT_TRADES;
    return spec;
}

typedef enum run_kind { RUN_MAKES, RUN_JOINS_UNITS } run_kind;

static td_result run_as(tape_fixture *tape, const export_spec *spec, td_io io, run_kind kind,
                        export_overwrite overwrite, export_result *result, td_err *err)
{
    const selection all = {0};
    const gap_list ledger = {0};
    const export_options options = {.spec = spec,
                                    .archive = tape_fixture_archive(tape),
                                    .wanted = &all,
                                    .ledger = &ledger,
                                    .io = io,
                                    .folder = FOLDER,
                                    .overwrite = overwrite,
                                    .joins_units = kind == RUN_JOINS_UNITS,
                                    .threads = 1};
    return export_run(&options, result, err);
}

static td_result run_spec(tape_fixture *tape, const export_spec *spec, td_io io,
                          export_overwrite overwrite, export_result *result, td_err *err)
{
    return run_as(tape, spec, io, RUN_MAKES, overwrite, result, err);
}

static td_result run_export(tape_fixture *tape, td_io io, export_overwrite overwrite,
                            export_result *result, td_err *err)
{
    const export_spec spec = all_formats();
    return run_spec(tape, &spec, io, overwrite, result, err);
}

/* Makes both days in two units each, the last one first, and joins them. */
static td_result run_in_units(tape_fixture *tape, td_io io, export_overwrite overwrite,
                              export_result *result, td_err *err)
{
    export_spec spec = all_formats();
    td_result rc = TD_OK;
    for (uint32_t i = 4; rc == TD_OK && i > 0; i--) {
        spec.unit = (export_unit){(uint32_t)(TAPE_FIXTURE_NS / DAY) + i % 2, (i + 1) / 2, 2};
        rc = run_spec(tape, &spec, io, overwrite, result, err);
    }
    spec.unit = (export_unit){0};
    if (rc == TD_OK)
        rc = run_as(tape, &spec, io, RUN_JOINS_UNITS, overwrite, result, err);
    return rc == TD_OK && result->days_unfinished > 0
               ? td_err_set(err, TD_E_NOTFOUND, "a unit is missing")
               : rc;
}

/* ---- the folder afterwards ---- */

static td_result add_name(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    char *names = user;
    size_t used = strlen(names);
    (void)err;
    if (kind == TD_ENTRY_FILE)
        (void)snprintf(names + used, NAMES_BYTES - used, "%s ", name);
    return TD_OK;
}

static void names_in(td_io io, char names[NAMES_BYTES])
{
    static const char *const FOLDERS[] = {FOLDER, FOLDER "/jsonl", FOLDER "/tardis-csv"};
    names[0] = '\0';
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        td_result rc = td_io_list(io, FOLDERS[i], add_name, names, NULL);
        assert_true(rc == TD_OK || rc == TD_E_NOTFOUND);
    }
}

#define DATA_NAMES                                                                                 \
    "messages_2026-11-20.jsonl messages_2026-11-21.jsonl "                                         \
    "bybit_trades_2026-11-20_BTCUSD.csv.gz bybit_trades_2026-11-21_BTCUSD.csv.gz "
#define MANIFEST_OF(date) "MANIFEST.2026-11-" date ".json"
#define ALL_NAMES         MANIFEST_OF("20") " " MANIFEST_OF("21") " " DATA_NAMES

static void assert_same_file(td_io io, td_io other, const char *name)
{
    uint8_t *one = NULL;
    uint8_t *two = NULL;
    size_t one_size = 0;
    size_t two_size = 0;
    td_err err;
    char path[128];
    (void)snprintf(path, sizeof path, FOLDER "/%s", name);
    assert_int_equal(td_io_read_file(io, path, 1 << 20, &one, &one_size, &err), TD_OK);
    assert_int_equal(td_io_read_file(other, path, 1 << 20, &two, &two_size, &err), TD_OK);
    assert_int_equal(one_size, two_size);
    assert_memory_equal(one, two, one_size);
    td_free(one);
    td_free(two);
}

static void assert_whole(td_io io, td_io fresh)
{
    char names[NAMES_BYTES];
    names_in(io, names);
    assert_string_equal(names, ALL_NAMES);
    assert_same_file(io, fresh, MANIFEST_OF("20"));
    assert_same_file(io, fresh, MANIFEST_OF("21"));
    assert_same_file(io, fresh, "jsonl/messages_2026-11-20.jsonl");
    assert_same_file(io, fresh, "tardis-csv/bybit_trades_2026-11-21_BTCUSD.csv.gz");
}

static void test_publish(void **state)
{
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    td_err err;
    export_result result;
    assert_int_equal(run_export(*state, io, EXPORT_KEEP, &result, &err), TD_OK);
    assert_int_equal(result.files, 4);
    assert_int_equal(result.rows, 160);
    assert_int_equal(result.days, 2);
    assert_int_equal(result.days_kept, 0);
    /* Publishing is durable: a power cut right after it loses nothing. */
    io_fault *after = io_fault_power_cut(disk, IO_FAULT_CUT_WORST);
    assert_whole(io_fault_io(after), io);
    /* A second export has nothing to do; with --force it replaces the first one's files. */
    assert_int_equal(run_export(*state, io, EXPORT_KEEP, &result, &err), TD_OK);
    assert_int_equal(result.days_kept, 2);
    assert_int_equal(result.files, 4);
    assert_int_equal(result.rows, 160);
    assert_whole(io, io_fault_io(after));
    assert_int_equal(run_export(*state, io, EXPORT_REPLACE, &result, &err), TD_OK);
    assert_int_equal(result.days_kept, 0);
    assert_whole(io, io_fault_io(after));
    assert_int_equal(io_fault_open_count(disk), 0);
    io_fault_close(after);
    io_fault_close(disk);
}

/* Checks that a day with a manifest has all of its files. */
static void assert_days_whole(const char *names)
{
    static const char *const DAYS[][3] = {{MANIFEST_OF("20") " ", "messages_2026-11-20.jsonl ",
                                           "bybit_trades_2026-11-20_BTCUSD.csv.gz "},
                                          {MANIFEST_OF("21") " ", "messages_2026-11-21.jsonl ",
                                           "bybit_trades_2026-11-21_BTCUSD.csv.gz "}};
    for (size_t i = 0; i < sizeof DAYS / sizeof DAYS[0]; i++)
        if (strstr(names, DAYS[i][0]) != NULL)
            for (size_t k = 1; k < 3; k++)
                assert_non_null(strstr(names, DAYS[i][k]));
}

typedef td_result run_fn(tape_fixture *tape, td_io io, export_overwrite overwrite,
                         export_result *result, td_err *err);

/* Makes call n fail for n = 1, 2, 3 …; then exports again without a failure. */
static void sweep(tape_fixture *tape, run_fn *run, io_fault_kind kind, io_fault_mode mode)
{
    io_fault *fresh = io_fault_open();
    export_result result;
    td_err err;
    assert_int_equal(run_export(tape, io_fault_io(fresh), EXPORT_KEEP, &result, &err), TD_OK);
    for (unsigned fail_at = 1; fail_at <= SWEEP_CALLS_MAX; fail_at++) {
        io_fault *disk = io_fault_open();
        td_io io = io_fault_io(disk);
        char names[NAMES_BYTES];
        td_err_clear(&err);
        io_fault_set_plan(disk, (io_fault_plan){.kind = kind, .mode = mode, .fail_at = fail_at});
        td_result rc = run(tape, io, EXPORT_KEEP, &result, &err);
        int fired = io_fault_did_fire(disk);
        io_fault_set_plan(disk, (io_fault_plan){0});
        assert_int_equal(io_fault_open_count(disk), 0);
        names_in(io, names);
        assert_days_whole(names);
        if (rc == TD_OK)
            assert_non_null(strstr(names, DATA_NAMES));
        if (rc != TD_OK && err.text[0] == '\0')
            fail_msg("call %u: an error without a text", fail_at);
        if (rc == TD_E_NOSPACE &&
            (strstr(err.text, "'" FOLDER) == NULL || strstr(err.hint, FOLDER) == NULL))
            fail_msg("call %u: '%s' does not tell which file, or how to fix it", fail_at, err.text);
        if (run(tape, io, EXPORT_KEEP, &result, &err) != TD_OK)
            fail_msg("call %u: not completed: %s", fail_at, err.text);
        assert_whole(io, io_fault_io(fresh));
        io_fault_close(disk);
        if (!fired) {
            io_fault_close(fresh);
            return;
        }
    }
    fail_msg("the sweep never ended");
}

static void test_failing_calls(void **state)
{
    sweep(*state, run_export, IO_FAULT_EIO, IO_FAULT_ONCE);
    sweep(*state, run_export, IO_FAULT_EIO, IO_FAULT_FOR_EVER);
    sweep(*state, run_export, IO_FAULT_ENOSPC, IO_FAULT_ONCE);
    sweep(*state, run_export, IO_FAULT_SHORT, IO_FAULT_ONCE);
}

/* Units, too, and what joins them: afterwards the dataset is that of one run. */
static void test_failing_calls_of_units(void **state)
{
    sweep(*state, run_in_units, IO_FAULT_EIO, IO_FAULT_ONCE);
    sweep(*state, run_in_units, IO_FAULT_SHORT, IO_FAULT_ONCE);
}

/* On a full disk, the error names it, and the folder is as before. */
static void test_full_disk(void **state)
{
    io_fault *disk = io_fault_open();
    td_io io = io_fault_io(disk);
    td_err err;
    export_result result;
    char names[NAMES_BYTES];
    io_fault_set_free_bytes(disk, 4 << 10);
    assert_int_equal(run_export(*state, io, EXPORT_KEEP, &result, &err), TD_E_NOSPACE);
    assert_non_null(strstr(err.text, "messages_2026-11-20.jsonl"));
    names_in(io, names);
    assert_string_equal(names, "");
    io_fault_close(disk);
}

/* The first symbol's last bar, which is made when the day ends, cannot be written. The second
 * symbol's bar can. */
static void test_failure_at_the_end_of_a_day(void **state)
{
    static tape_fixture tape;
    io_fault *disk = io_fault_open();
    export_result result;
    td_err err = {0};
    (void)state;
    tape_fixture_init(&tape);
    tape_segment *one =
        tape_segment_open(&tape, &(tape_segment_spec){"inverse", "aaaaaaaa", 100, 100, 1});
    put_trade(one, 1, 101, "BTCUSD", "9223372036854775807", "1");
    put_trade(one, 2, 102, "BTCUSD", "9223372036854775807", "2");
    put_trade(one, 3, 103, "BTCUSD", "0.000000000000000001", "1");
    put_trade(one, 4, 104, "ETHUSD", "5", "7.5");
    tape_segment_finish(one);
    export_spec spec = {.formats = {&EXPORT_TARDIS_CSV},
                        .format_count = 1,
                        .types = {&EXPORT_BARS},
                        .type_count = 1,
                        .outputs = {{&EXPORT_TARDIS_CSV, &EXPORT_BARS, "bars_1m"}},
                        .output_count = 1,
                        .settings = {.bar_ns = UINT64_C(60) * 1000000000, .decimal_scale = 9}};
    assert_int_equal(run_spec(&tape, &spec, io_fault_io(disk), EXPORT_KEEP, &result, &err),
                     TD_E_LIMIT);
    assert_non_null(strstr(err.text, "the bar of"));
    io_fault_close(disk);
    tape_fixture_fini(&tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure_at_the_end_of_a_day),
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_failing_calls),
        cmocka_unit_test(test_failing_calls_of_units),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
