/* What an export finds out before its first row (docs/export.md): which topics have books, exactly
 * for the selected time, without reading frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "export/export_scan.h"
#include "tests/testing/tape_fixture.h"

/* The midnight after TAPE_FIXTURE_NS, relative to it. */
#define MIDNIGHT (UINT64_C(18) * 3600 * 1000000000)

typedef struct fixture {
    tape_fixture tape;
    export_choices found;
    td_err err;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    f = (fixture){0};
    tape_fixture_init(&f.tape);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    export_choices_fini(&f->found);
    tape_fixture_fini(&f->tape);
    return 0;
}

/* Scans from_ns <= time < to_ns. */
static td_result scan(fixture *f, uint64_t from_ns, uint64_t to_ns)
{
    const selection all = {0};
    const selection_window window = {TAPE_FIXTURE_NS + from_ns, TAPE_FIXTURE_NS + to_ns};
    const export_settings settings = {0};
    export_scan what = {.settings = &settings,
                        .from = tape_fixture_archive(&f->tape),
                        .wanted = &all,
                        .window = window};
    what.types = export_type_table(&what.type_count);
    static uint64_t symbols[256];
    assert_true(what.type_count <= sizeof symbols / sizeof *symbols);
    what.symbols = symbols;
    export_choices_fini(&f->found);
    return export_scan_run(&what, &f->found, &f->err);
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

/* The topic of the only book that was found; NULL if none was. */
static const char *found_book(const fixture *f)
{
    const char *found = NULL;
    for (size_t i = 0; i < f->found.count; i++) {
        if (f->found.items[i]->prefers != export_prefers_book)
            continue;
        assert_null(found);
        found = f->found.items[i]->row->name;
    }
    return found;
}

static void expect_book(const fixture *f, const char *topic)
{
    const char *found = found_book(f);
    assert_int_equal(found != NULL, topic != NULL);
    if (topic != NULL)
        assert_string_equal(found, topic);
}

/* The selection begins or ends inside a chunk: only topics with frames in the selection count. */
static void test_cut_chunks(void **state)
{
    fixture *f = *state;
    static const struct {
        uint64_t from_ns, to_ns;
        const char *topic; /* of A's book; NULL without a book */
    } CASES[] = {{0, 300, NULL},
                 {0, 301, "orderBook_200.100ms"},
                 {301, 400, NULL},
                 {301, 401, "orderBookL2_25"},
                 {0, 1000, "orderBookL2_25"},
                 {401, 1000, NULL}};
    tape_segment *one = open_feed(f, "one", 100);
    put_trade(one, "A", 1, 200);
    put_frame(one, "orderBook_200.100ms", "A", 2, 300, "{}");
    put_frame(one, "orderBookL2_25", "A", 3, 400, "{}");
    put_trade(one, "B", 4, 500);
    tape_segment_finish(one);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(scan(f, CASES[i].from_ns, CASES[i].to_ns), TD_OK);
        expect_book(f, CASES[i].topic);
    }
}

/* Topics that were described after they were recorded are chosen as others are, by their names. */
static void test_described_afterwards(void **state)
{
    fixture *f = *state;
    static const char *const TOPICS[] = {"orderBook_200.100ms.A", "orderBookL2_25.A", "no.A"};
    tape_segment *one = open_feed(f, "one", 100);
    for (size_t i = 0; i < sizeof TOPICS / sizeof TOPICS[0]; i++)
        tape_segment_put(one, &(tape_put){.topic = CHANNEL_TOPIC_UNKNOWN,
                                          .symbol = "",
                                          .exchange_topic = TOPICS[i],
                                          .conn = 1,
                                          .ordinal = i + 1,
                                          .recv_ns = 200 + i,
                                          .text = "{}"});
    tape_segment_finish(one);
    assert_int_equal(scan(f, 0, MIDNIGHT), TD_OK);
    assert_int_equal(f->found.count, 1);
    assert_string_equal(f->found.items[0]->row->name, "orderBookL2_25");
    assert_string_equal(f->found.items[0]->symbol, "A");
}

/* Makers keep choices while further symbols are offered. */
static void test_choices_stay(void **state)
{
    fixture *f = *state;
    const export_choice *first = NULL;
    char symbols[33][8];
    frame_channel channel = {.family = family_find(td_bytes_str("inverse"))};
    topic_match_text(channel.family->topics, channel.family->topic_count,
                     td_bytes_str("orderBookL2_25.A"), TOPIC_NOW, &channel.topic);
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        (void)snprintf(symbols[i], sizeof symbols[i], "S%zu", i);
        channel.info = (channel_info){.feed = "one", .symbol = symbols[i]};
        assert_int_equal(export_choice_offer(&f->found, &EXPORT_QUOTES, &channel, &f->err), TD_OK);
        if (i == 0)
            first = export_choice_find(&f->found, &EXPORT_QUOTES, &channel);
    }
    channel.info.symbol = symbols[0];
    assert_ptr_equal(export_choice_find(&f->found, &EXPORT_QUOTES, &channel), first);
    assert_string_equal(first->symbol, "S0");
}

/* ---- what is read ---- */

/* Damage inside a chunk is not noticed, because the scan reads no frames. */
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
    assert_int_equal(scan(f, 0, MIDNIGHT), TD_OK);
    expect_book(f, "orderBookL2_25");
    assert_int_equal(scan(f, 0, 200), TD_OK);
    assert_int_equal(f->found.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cut_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_described_afterwards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_choices_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frames_are_not_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
