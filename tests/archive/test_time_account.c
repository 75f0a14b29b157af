/* Gaps between sessions. Expected: FORMAT.md ("The ledger of gaps") and the contract in
 * archive/time_account.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "archive/archive_segment.h"
#include "archive/archive_view.h"
#include "archive/journal.h"
#include "archive/ledger.h"
#include "archive/time_account.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

enum { SPANS_MAX = 4, ROWS_MAX = 4 };

typedef struct stretch_row {
    uint64_t from_ns, to_ns;
} stretch_row;

typedef struct between_case {
    const char *what;
    stretch_row spans[SPANS_MAX];
    stretch_row listed[ROWS_MAX];
    stretch_row found[ROWS_MAX]; /* expected rows */
    uint64_t end_ns;   /* time of the first session's last message, if later than its last frame */
    const char *topic; /* expected topic of the rows; NULL: the whole connection */
    int is_one;        /* 1: all spans belong to one session */
    stretch_row removed[ROWS_MAX]; /* expected rows of reason pruned */
} between_case;

/* Feed "a" has pruned segments with the times [100, 120] and [140, 160]. */
static const between_case CASES[] = {
    {.what = "one session", .spans = {{10, 20}}},
    {.what = "two", .spans = {{10, 20}, {30, 40}}, .found = {{20, 30}}},
    {.what = "one in two parts", .spans = {{10, 20}, {30, 40}}, .found = {{20, 30}}, .is_one = 1},
    {.what = "three", .spans = {{10, 20}, {30, 40}, {60, 70}}, .found = {{20, 30}, {40, 60}}},
    {.what = "two that touch", .spans = {{10, 20}, {20, 40}}},
    {.what = "one in another", .spans = {{10, 50}, {20, 30}, {60, 70}}, .found = {{50, 60}}},
    {.what = "a chain of overlaps", .spans = {{10, 30}, {20, 50}, {50, 70}}},
    {.what = "a row of all of it", .spans = {{10, 20}, {30, 40}}, .listed = {{20, 31}}},
    {.what = "an open row", .spans = {{10, 20}, {30, 40}, {50, 60}}, .listed = {{20, GAP_OPEN}}},
    {.what = "a row of the beginning",
     .spans = {{10, 20}, {30, 40}},
     .listed = {{15, 25}},
     .found = {{25, 30}}},
    {.what = "a row of the end",
     .spans = {{10, 20}, {30, 40}},
     .listed = {{25, 35}},
     .found = {{20, 25}}},
    {.what = "a row of the middle",
     .spans = {{10, 20}, {30, 40}},
     .listed = {{22, 25}},
     .found = {{20, 22}, {25, 30}}},
    {.what = "rows of two slots", .spans = {{10, 20}, {30, 40}}, .listed = {{18, 26}, {24, 33}}},
    {.what = "a row of one topic",
     .spans = {{10, 20}, {30, 40}},
     .listed = {{20, 30}},
     .found = {{20, 30}},
     .topic = "trade"},
    {.what = "a row before the sessions",
     .spans = {{10, 20}, {30, 40}},
     .listed = {{2, 5}},
     .found = {{20, 30}}},
    {.what = "a row into the first one",
     .spans = {{10, 20}, {30, 40}},
     .listed = {{2, 25}},
     .found = {{25, 30}}},
    {.what = "a row from the last message on",
     .spans = {{10, 20}, {30, 40}},
     .listed = {{23, 30}},
     .end_ns = 23},
    {.what = "a row from beyond it",
     .spans = {{10, 20}, {30, 40}},
     .listed = {{24, 30}},
     .found = {{20, 24}},
     .end_ns = 23},
    {.what = "after what was pruned", .spans = {{170, 180}, {190, 200}}, .found = {{180, 190}}},
    {.what = "around what was pruned",
     .spans = {{90, 95}, {170, 180}},
     .found = {{95, 100}},
     .removed = {{100, 170}}},
    {.what = "imported into what was pruned",
     .spans = {{90, 95}, {130, 135}, {170, 180}},
     .found = {{95, 100}, {135, 140}},
     .removed = {{100, 130}, {140, 170}}},
    {.what = "over the end of what was pruned",
     .spans = {{90, 95}, {110, 135}, {137, 180}},
     .found = {{95, 100}, {135, 137}},
     .removed = {{100, 110}}},
    {.what = "with what was pruned",
     .spans = {{90, 95}, {100, 120}, {135, 180}},
     .found = {{95, 100}, {120, 135}}},
    {.what = "a row after what was pruned",
     .spans = {{90, 95}, {170, 180}},
     .listed = {{95, 100}, {162, 170}},
     .removed = {{100, 162}}},
    {.what = "before what was pruned", .spans = {{80, 85}, {90, 95}}, .found = {{85, 90}}},
};

static td_result append_pruned(journal *j, const char *name, uint64_t first_ns, uint64_t last_ns,
                               td_err *err)
{
    char numbers[3][24];
    const journal_field fields[] = {
        journal_text("segment", name),
        journal_text("feed", "a"),
        journal_u64("first_ns", first_ns, numbers[0]),
        journal_u64("last_ns", last_ns, numbers[1]),
        journal_u64("until_ns", last_ns, numbers[2]),
    };
    return journal_append(j, JOURNAL_PRUNED, fields, sizeof fields / sizeof fields[0], err);
}

/* A segment of a feed, with frames from first_ns to last_ns on channels "TOPIC" NUL "SYMBOL" NUL.
 * `number` also determines the hour in its name. */
typedef struct made_segment {
    const char *feed;
    char session;
    uint32_t number;
    uint64_t first_ns, last_ns, end_ns;
    int is_capture;
    td_bytes topics;
} made_segment;

static void add_segment(time_account *spans, const made_segment *from)
{
    segment_rows rows = {.index = {.last_ns = from->end_ns}};
    segment_index *index = &rows.index;
    archive_segment segment = {.name = {.session = {from->session},
                                        .number = from->number,
                                        .first_s = from->number * UINT64_C(7200),
                                        .is_parsed = 1}};
    (void)snprintf(segment.name.feed, sizeof segment.name.feed, "%s", from->feed);
    (void)snprintf(index->verb, sizeof index->verb, "%s", from->is_capture ? "import" : "record");
    for (size_t at = 0; at < from->topics.size;) {
        segment_channel channel = {.id = (uint16_t)(index->channel_count + 1),
                                   .info = {.dir = CHANNEL_IN, .feed = from->feed},
                                   .message_count = 1,
                                   .first_ns = from->first_ns,
                                   .last_ns = from->last_ns};
        channel.info.topic = (const char *)from->topics.data + at;
        channel.info.symbol = channel.info.topic + strlen(channel.info.topic) + 1;
        at += strlen(channel.info.topic) + strlen(channel.info.symbol) + 2;
        segment_index_add_channel(index, &channel);
    }
    const segment_brief brief = segment_rows_brief(&rows);
    time_account_add(spans, &segment, &brief);
    time_account_add_topics(spans, &segment.name, index);
    segment_rows_fini(&rows);
}

#define TOPICS(literal)                                                                            \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal)                                                \
    }
static const td_bytes TRADE = TOPICS("trade\0BTCUSD");

static void add_gaps(archive *a, time_account *spans, gap_list *ledger)
{
    archive_view *view;
    td_err err;
    assert_int_equal(archive_view_open(a, VIEW_FILES, NULL, &view, &err), TD_OK);
    time_account_add_between(spans, view, ledger);
    archive_view_close(view);
}

static gap_row listed_row(uint64_t from_ns, uint64_t to_ns, const char *topic)
{
    return (gap_row){.reason = GAP_CRASH,
                     .feed = "a",
                     .conn = 1,
                     .topic = topic == NULL ? "" : topic,
                     .symbol = "",
                     .from_ns = from_ns,
                     .to_ns = to_ns,
                     .frames_lost = GAP_FRAMES_UNKNOWN,
                     .covered_by = "",
                     .cause = "",
                     .detail = ""};
}

/* Checks a case. Another feed in the archive must neither change the result nor get rows. */
static void check_case(archive *a, const between_case *c)
{
    time_account *spans = time_account_open();
    gap_list ledger = {0};
    for (size_t i = 0; i < SPANS_MAX && c->spans[i].to_ns != 0; i++) {
        const made_segment made = {.feed = "a",
                                   .session = (char)('a' + (c->is_one ? 0 : (int)i)),
                                   .number = (uint32_t)i + 1,
                                   .first_ns = c->spans[i].from_ns,
                                   .last_ns = c->spans[i].to_ns,
                                   .end_ns =
                                       i == 0 && c->end_ns != 0 ? c->end_ns : c->spans[i].to_ns,
                                   .topics = TRADE};
        add_segment(spans, &made);
    }
    const made_segment other = {.feed = "b",
                                .session = 'b',
                                .number = 1,
                                .first_ns = 1,
                                .last_ns = 2,
                                .end_ns = 2,
                                .topics = TRADE};
    add_segment(spans, &other);
    for (size_t i = 0; i < ROWS_MAX && c->listed[i].from_ns != 0; i++) {
        const gap_row row = listed_row(c->listed[i].from_ns, c->listed[i].to_ns, c->topic);
        gap_list_add(&ledger, &row);
    }
    size_t listed = ledger.count;
    add_gaps(a, spans, &ledger);
    size_t found = 0;
    size_t removed = 0;
    for (size_t i = 0; i < ledger.count; i++) {
        const gap_row *row = &ledger.rows[i];
        if (row->reason == GAP_PRUNED &&
            (removed == ROWS_MAX || row->from_ns != c->removed[removed].from_ns ||
             row->to_ns != c->removed[removed].to_ns))
            fail_msg("%s: pruned from %llu to %llu", c->what, (unsigned long long)row->from_ns,
                     (unsigned long long)row->to_ns);
        removed += row->reason == GAP_PRUNED;
        if (row->reason != GAP_RESTART)
            continue;
        if (found == ROWS_MAX || row->from_ns != c->found[found].from_ns ||
            row->to_ns != c->found[found].to_ns)
            fail_msg("%s: row %llu to %llu", c->what, (unsigned long long)row->from_ns,
                     (unsigned long long)row->to_ns);
        assert_string_equal(row->feed, "a");
        assert_string_equal(row->topic, "");
        assert_string_equal(row->cause, c->is_one ? "nothing for an hour" : "between two sessions");
        found++;
    }
    if (found < ROWS_MAX && c->found[found].to_ns != 0)
        fail_msg("%s: the row from %llu is not there", c->what,
                 (unsigned long long)c->found[found].from_ns);
    if (removed < ROWS_MAX && c->removed[removed].to_ns != 0)
        fail_msg("%s: pruned from %llu is not there", c->what,
                 (unsigned long long)c->removed[removed].from_ns);
    assert_int_equal(ledger.count, listed + found + removed);
    gap_list_fini(&ledger);
    time_account_close(spans);
}

static void test_stretches_between(void **state)
{
    (void)state;
    archive_env env;
    journal *j;
    td_err err;
    archive_env_init_sim(&env);
    archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
    assert_int_equal(journal_open(a, NULL, NULL, NULL, &j, &err), TD_OK);
    assert_int_equal(
        append_pruned(j, "capture/a-20260101T000000Z-0000000a-000001.mcap", 100, 120, &err), TD_OK);
    assert_int_equal(
        append_pruned(j, "capture/a-20260101T000000Z-0000000b-000001.mcap", 140, 160, &err), TD_OK);
    journal_close(j);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        check_case(a, &CASES[i]);
    archive_close(a);
    archive_env_fini(&env);
}

/* A session of a feed with its topics, "TOPIC" NUL "SYMBOL" NUL; the last NUL is the one that ends
 * the string literal. */
typedef struct topics_span {
    stretch_row times;
    int is_capture;
    td_bytes topics;
} topics_span;

typedef struct topics_case {
    const char *what;
    topics_span spans[SPANS_MAX];
    stretch_row listed;          /* a row for the whole feed that the ledger already has */
    stretch_row found[ROWS_MAX]; /* expected rows of topic trade, symbol BTCUSD */
} topics_case;

#define BTC  TOPICS("trade\0BTCUSD")
#define XRP  TOPICS("trade\0XRPUSD")
#define BOTH TOPICS("trade\0BTCUSD\0trade\0XRPUSD")

static const topics_case TOPIC_CASES[] = {
    {"another topic's capture over a stop",
     {{{10, 20}, 0, BTC}, {{15, 40}, 1, XRP}, {{60, 70}, 0, BTC}},
     {0},
     {{20, 40}}},
    {"and with the stop's own row",
     {{{10, 20}, 0, BTC}, {{15, 40}, 1, XRP}, {{60, 70}, 0, BTC}},
     {40, 61},
     {{20, 40}}},
    {"another topic's capture between",
     {{{10, 20}, 0, BTC}, {{30, 40}, 1, XRP}, {{60, 70}, 0, BTC}},
     {0},
     {{30, 40}}},
    {"a row that covers it",
     {{{10, 20}, 0, BTC}, {{30, 40}, 1, XRP}, {{60, 70}, 0, BTC}},
     {20, 61},
     {{0}}},
    {"a capture that has the topic",
     {{{10, 20}, 0, BTC}, {{15, 40}, 1, BOTH}, {{60, 70}, 0, BTC}},
     {0},
     {{0}}},
    {"a recorded session without the topic answers for its configuration",
     {{{10, 20}, 1, BTC}, {{30, 40}, 0, XRP}, {{60, 70}, 1, BTC}, {{80, 90}, 1, XRP}},
     {0},
     {{0}}},
    {"but not if it was there before the topic ended",
     {{{10, 20}, 1, BTC}, {{15, 40}, 0, XRP}, {{60, 70}, 1, BTC}, {{80, 90}, 1, XRP}},
     {0},
     {{20, 40}}},
    {"nothing after the topic's last", {{{10, 20}, 0, BTC}, {{15, 40}, 1, XRP}}, {0}, {{0}}},
};

static void check_topics(archive *a, const topics_case *c)
{
    time_account *spans = time_account_open();
    gap_list ledger = {0};
    for (size_t i = 0; i < SPANS_MAX && c->spans[i].times.to_ns != 0; i++) {
        const topics_span *from = &c->spans[i];
        const made_segment made = {.feed = "t",
                                   .session = (char)('a' + (int)i),
                                   .number = 1,
                                   .first_ns = from->times.from_ns,
                                   .last_ns = from->times.to_ns,
                                   .end_ns = from->times.to_ns,
                                   .is_capture = from->is_capture,
                                   .topics = from->topics};
        add_segment(spans, &made);
    }
    if (c->listed.to_ns != 0) {
        gap_row row = listed_row(c->listed.from_ns, c->listed.to_ns, NULL);
        row.feed = "t";
        gap_list_add(&ledger, &row);
    }
    add_gaps(a, spans, &ledger);
    size_t found = 0;
    for (size_t i = 0; i < ledger.count; i++) {
        const gap_row *row = &ledger.rows[i];
        if (strcmp(row->symbol, "BTCUSD") != 0)
            continue;
        assert_string_equal(row->topic, "trade");
        if (found == ROWS_MAX || row->from_ns != c->found[found].from_ns ||
            row->to_ns != c->found[found].to_ns)
            fail_msg("%s: row %llu to %llu", c->what, (unsigned long long)row->from_ns,
                     (unsigned long long)row->to_ns);
        found++;
    }
    if (found < ROWS_MAX && c->found[found].to_ns != 0)
        fail_msg("%s: the row from %llu is missing", c->what,
                 (unsigned long long)c->found[found].from_ns);
    time_account_close(spans);
    gap_list_fini(&ledger);
}

/* A capture covers only its own topics. */
static void test_topics_that_captures_lack(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
    for (size_t i = 0; i < sizeof TOPIC_CASES / sizeof TOPIC_CASES[0]; i++)
        check_topics(a, &TOPIC_CASES[i]);
    archive_close(a);
    archive_env_fini(&env);
}

/* The receive time of frame i. If it was not received (some of the fixture's frames are sent, some
 * are events): of the next received frame in direction `step`. */
static uint64_t received_ns(uint64_t i, int step)
{
    fixture_frame frame;
    for (fixture_get(i, &frame); frame.dir != CHANNEL_IN; fixture_get(i, &frame))
        i = step > 0 ? i + 1 : i - 1;
    return frame.recv_ns;
}

/* The later session was recorded first. Catalog and files must give the same spans. */
static void test_spans_of_several_segments(void **state)
{
    (void)state;
    archive_env env;
    archive_view *view;
    time_account *spans = time_account_open();
    gap_list found = {0};
    uint64_t first_ns;
    uint64_t last_ns;
    td_err err;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 1000, 8); /* segments of 60 frames */
    archive_fixture_record(&env, 0, 8);
    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(archive_view_open(a, VIEW_ALL, NULL, &view, &err), TD_OK);
        assert_int_equal(view->catalog != NULL, i == 0);
        archive_feed_range(view, FIXTURE_FEED, &first_ns, &last_ns);
        assert_int_equal(first_ns, received_ns(0, 1));
        assert_int_equal(last_ns, received_ns(1159, -1));
        archive_view_close(view);
        assert_int_equal(catalog_remove(env.catalog_path, &err), TD_OK);
    }
    assert_int_equal(archive_view_open(a, VIEW_ALL, NULL, &view, &err), TD_OK);
    assert_true(view->listing.segment_count >= 4);
    for (size_t i = 0; i < view->listing.segment_count; i++) {
        const archive_segment *segment = &view->listing.segments[i];
        segment_rows rows;
        assert_int_equal(segment_rows_read(a, segment->path, &rows, &err), TD_OK);
        const segment_brief brief = segment_rows_brief(&rows);
        time_account_add(spans, segment, &brief);
        segment_rows_fini(&rows);
    }
    time_account_add_between(spans, view, &found);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.rows[0].feed, FIXTURE_FEED);
    assert_int_equal(found.rows[0].from_ns, received_ns(159, -1));
    assert_int_equal(found.rows[0].to_ns, received_ns(1000, 1));
    gap_list_fini(&found);
    time_account_close(spans);
    archive_view_close(view);
    archive_close(a);
    archive_env_fini(&env);
}

/* A recorder finishes a segment between listing and reading it: its rows must not be lost. */
static void test_renamed_meanwhile(void **state)
{
    (void)state;
    archive_env env;
    archive_listing listing;
    char open_path[LIMIT_PATH_BYTES];
    segment_rows right;
    segment_rows found;
    td_err err;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 3);
    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_list(a, &listing, &err), TD_OK);
    const char *path = listing.segments[0].path;
    (void)snprintf(open_path, sizeof open_path, "%.1000s.open", path);
    assert_int_equal(segment_rows_read(a, path, &right, &err), TD_OK);
    assert_int_equal(segment_rows_read(a, open_path, &found, &err), TD_OK);
    assert_true(right.gaps.count > 0);
    assert_int_equal(found.gaps.count, right.gaps.count);
    segment_rows_fini(&right);
    segment_rows_fini(&found);
    archive_listing_fini(&listing);
    archive_close(a);
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stretches_between),
        cmocka_unit_test(test_topics_that_captures_lack),
        cmocka_unit_test(test_spans_of_several_segments),
        cmocka_unit_test(test_renamed_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
