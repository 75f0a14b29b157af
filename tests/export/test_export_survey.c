/* What an export finds out before its first row, from docs/export.md: clashes and limits show by
 * day, exact to the frame at midnight and at the edges of the selection, and frames are read only
 * where their channel does not say where they belong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "export/export_survey.h"
#include "tests/testing/io_fault.h"
#include "tests/testing/tape_fixture.h"

/* The midnight after TAPE_FIXTURE_NS, as tests count times. */
#define MIDNIGHT (UINT64_C(18) * 3600 * 1000000000)

typedef struct fixture {
    tape_fixture tape;
    export_spec spec;
    io_fault *disk;
    export_folder *folder;
    export_survey found;
    td_err err;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    size_t count = 0;
    f = (fixture){0};
    tape_fixture_init(&f.tape);
    f.spec.format = export_format_table(&count)[0];
    assert_string_equal(f.spec.format->name, "tardis-csv");
    for (size_t i = 0; i < export_type_count(f.spec.format); i++)
        f.spec.types[i] = &f.spec.format->types[i];
    f.disk = io_fault_open();
    assert_int_equal(export_folder_open(io_fault_io(f.disk), "out", EXPORT_KEEP, &f.folder, &f.err),
                     TD_OK);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    export_survey_fini(&f->found);
    export_folder_close(f->folder);
    assert_int_equal(io_fault_open_count(f->disk), 0);
    io_fault_close(f->disk);
    tape_fixture_fini(&f->tape);
    return 0;
}

/* Survey from_ns <= time < to_ns. */
static td_result survey(fixture *f, uint64_t from_ns, uint64_t to_ns)
{
    const selection all = {0};
    const export_survey_options options = {
        .spec = &f->spec,
        .archive = tape_fixture_archive(&f->tape),
        .wanted = &all,
        .window = {TAPE_FIXTURE_NS + from_ns, TAPE_FIXTURE_NS + to_ns},
        .folder = f->folder,
        .threads = 1};
    export_survey_fini(&f->found);
    return export_survey_run(&options, &f->found, &f->err);
}

static tape_segment *open_feed(fixture *f, const char *feed, uint64_t first_ns)
{
    return tape_segment_open(&f->tape, &(tape_segment_spec){feed, "aaaaaaaa", 1, first_ns, 1});
}

static void put_frame(tape_segment *segment, const char *topic, const char *symbol, uint64_t n,
                      uint64_t recv_ns, const char *text)
{
    tape_segment_put(segment, &(tape_put){.topic = topic,
                                          .symbol = symbol,
                                          .conn = 1,
                                          .ordinal = n,
                                          .recv_ns = recv_ns,
                                          .text = text});
}

static void put_trade(tape_segment *segment, const char *symbol, uint64_t n, uint64_t recv_ns)
{
    put_frame(segment, "trade", symbol, n, recv_ns, "{}");
}

/* ---- limits ---- */

/* A day with one symbol more than files may be open. */
static void test_files_of_a_day(void **state)
{
    fixture *f = *state;
    tape_segment *segment = open_feed(f, "alpha", 100);
    char symbol[16];
    for (unsigned i = 0; i <= LIMIT_EXPORT_FILES; i++) {
        (void)snprintf(symbol, sizeof symbol, "S%u", i);
        put_trade(segment, symbol, i + 1, 200 + i);
    }
    tape_segment_finish(segment);
    assert_int_equal(survey(f, 0, MIDNIGHT), TD_E_LIMIT);
    assert_non_null(strstr(f->err.text, "more than 2048 files of one day"));
    assert_non_null(strstr(f->err.hint, "--symbol"));
    /* Without the last frame it is one file less. */
    assert_int_equal(survey(f, 0, 200 + LIMIT_EXPORT_FILES), TD_OK);
    assert_true(f->found.has_useful);
}

/* ---- clashes ---- */

static void test_days_apart(void **state)
{
    fixture *f = *state;
    tape_segment *one = open_feed(f, "one", MIDNIGHT - 10);
    put_trade(one, "A", 1, MIDNIGHT - 1);
    tape_segment_finish(one);
    tape_segment *two = open_feed(f, "two", MIDNIGHT);
    put_trade(two, "A", 1, MIDNIGHT);
    tape_segment_finish(two);
    assert_int_equal(survey(f, 0, 2 * MIDNIGHT), TD_OK);
    assert_true(f->found.has_useful);
    assert_false(f->found.is_incomplete);
}

/* The selection cuts a chunk of each feed: only frames inside it clash. */
static void test_cut_chunks(void **state)
{
    fixture *f = *state;
    static const struct {
        uint64_t from_ns, to_ns;
        char clash; /* the symbol; 0: none */
    } CASES[] = {{0, 250, 0},      {0, 300, 0},    {0, 301, 'A'},   {200, 301, 'A'}, {201, 301, 0},
                 {250, 350, 0},    {250, 450, 0},  {250, 501, 'B'}, {400, 501, 'B'}, {401, 600, 0},
                 {300, 1000, 'B'}, {501, 1000, 0}, {0, 1000, 'A'}};
    tape_segment *one = open_feed(f, "one", 100);
    put_trade(one, "A", 1, 200);
    put_trade(one, "B", 2, 400);
    tape_segment_finish(one);
    tape_segment *two = open_feed(f, "two", 100);
    put_trade(two, "A", 1, 300);
    put_trade(two, "B", 2, 500);
    tape_segment_finish(two);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char text[128];
        td_result rc = survey(f, CASES[i].from_ns, CASES[i].to_ns);
        if (rc != (CASES[i].clash == 0 ? TD_OK : TD_E_INVALID))
            fail_msg("case %zu: %s", i, td_result_name(rc));
        (void)snprintf(text, sizeof text,
                       "feeds 'one' and 'two' would share the trades file of %c, 2026-11-20",
                       CASES[i].clash);
        if (rc != TD_OK)
            assert_string_equal(f->err.text, text);
        else
            assert_int_equal(f->found.has_useful, CASES[i].from_ns < 501);
    }
}

/* ---- what is read ---- */

/* A topic that was unknown when it was recorded: its frames are read. */
static void test_unknown_topic(void **state)
{
    fixture *f = *state;
    tape_segment *one = open_feed(f, "one", 100);
    put_frame(one, "_unknown", "", 1, 200,
              "{\"topic\":\"trade.A\",\"data\":[{\"trade_time_ms\":1618700000000,\"symbol\":\"A\","
              "\"side\":\"Buy\",\"size\":1,\"price\":1.5,\"trade_id\":\"x\",\"cross_seq\":1}]}");
    tape_segment_finish(one);
    assert_int_equal(survey(f, 0, MIDNIGHT), TD_OK);
    assert_true(f->found.has_useful);
    tape_segment *two = open_feed(f, "two", 100);
    put_trade(two, "A", 1, 300);
    tape_segment_finish(two);
    assert_int_equal(survey(f, 0, MIDNIGHT), TD_E_INVALID);
    assert_string_equal(f->err.text,
                        "feeds 'two' and 'one' would share the trades file of A, 2026-11-20");
    assert_int_equal(survey(f, 0, 300), TD_OK);
}

/* Damage inside a chunk does not show: what the chunk holds is known without its frames. */
static void test_frames_are_not_read(void **state)
{
    fixture *f = *state;
    char path[256];
    tape_segment *one = open_feed(f, "one", 100);
    put_frame(one, "orderBookL2_25", "A", 1, 200, "{}");
    put_trade(one, "A", 2, 201);
    const segment_chunk chunk = tape_segment_seal(one);
    (void)snprintf(path, sizeof path, "%s.open", tape_segment_path(one));
    tape_fixture_damage(path, chunk.offset + chunk.chunk_bytes / 2);
    tape_segment_finish(one);
    assert_int_equal(survey(f, 0, MIDNIGHT), TD_OK);
    assert_true(f->found.has_useful);
    assert_int_equal(f->found.choices.count, 1);
    assert_string_equal(f->found.choices.items[0].row->name, "orderBookL2_25");
    assert_int_equal(survey(f, 0, 200), TD_OK);
    assert_false(f->found.has_frames);
    assert_int_equal(f->found.choices.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files_of_a_day, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_days_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_topic, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frames_are_not_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
