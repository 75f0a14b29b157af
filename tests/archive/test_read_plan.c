/* Read plans: those made from the catalog equal those made from the segments, and have only the
 * wanted chunks. tests/testing/segment_fixture.h determines which frames are in which chunk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/archive_view.h"
#include "archive/open_conns.h"
#include "archive/read_plan.h"
#include "archive/catalog.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

/* Frame i's receive time. */
static uint64_t at(uint64_t i)
{
    return FIXTURE_START_NS + FIXTURE_STEP_NS * i;
}

static int wants_symbol(void *user, const channel_info *info)
{
    return strcmp(info->symbol, user) == 0;
}

static int wants_feed(void *user, const char *feed)
{
    (void)user;
    return strcmp(feed, FIXTURE_FEED) == 0;
}

typedef struct plan_row {
    const char *name;
    uint64_t from_frame, to_frame; /* bounds: the times of these frames; UINT64_MAX: none */
    const char *symbol;            /* NULL: all channels */
    size_t segments;
    size_t chunks;
} plan_row;

/* Chunks of 20 frames, three per segment; frames 0 … 199 are in segments of 60, 60, 60 and 20
 * frames. */
static const plan_row ROWS[] = {
    {"all", 0, UINT64_MAX, NULL, 4, 10},
    {"one symbol is in every chunk", 0, UINT64_MAX, "BTCUSD", 4, 10},
    {"no such symbol", 0, UINT64_MAX, "XRPUSD", 0, 0},
    {"one frame", 65, 66, NULL, 1, 1},
    {"--to is exclusive", 0, 20, NULL, 1, 1},
    {"--from is inclusive", 199, UINT64_MAX, NULL, 1, 1},
    {"after the end", 200, UINT64_MAX, NULL, 0, 0},
    {"over a rotation", 59, 61, NULL, 2, 2},
    {"nothing", 50, 50, NULL, 0, 0},
};

static void check_plan(archive_env *env, const plan_row *row, const char *how)
{
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    read_plan *plan = NULL;
    td_err err;
    char symbol[16] = "";
    if (row->symbol != NULL)
        (void)snprintf(symbol, sizeof symbol, "%s", row->symbol);
    const read_query query = {
        .time = {at(row->from_frame), row->to_frame == UINT64_MAX ? UINT64_MAX : at(row->to_frame)},
        .wants_channel = row->symbol == NULL ? NULL : wants_symbol,
        .user = symbol,
    };
    assert_int_equal(read_plan_open(a, &query, &plan, &err), TD_OK);
    size_t chunks = 0;
    uint64_t last_ns = 0;
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const planned_segment *segment = read_plan_segment(plan, i);
        const segment_index *index = segment->index;
        assert_int_equal(read_plan_load_chunks(plan, i, &err), TD_OK);
        assert_string_equal(segment->index->feed, FIXTURE_FEED);
        assert_int_equal(segment->index->channel_count, 5);
        assert_int_equal(segment->wanted_count, row->symbol == NULL ? 5 : 1);
        assert_true(segment->index->first_ns > last_ns); /* segments are in the order of time */
        last_ns = segment->index->first_ns;
        for (size_t k = 0; k < index->chunk_count; k++) {
            chunks += read_plan_wants_chunk(plan, i, &index->chunks[k]) != 0;
            assert_int_equal(index->chunks[k].message_count, 20);
        }
        read_plan_drop(plan, i);
    }
    if (read_plan_count(plan) != row->segments || chunks != row->chunks)
        fail_msg("%s, %s: %zu segments, %zu chunks", row->name, how, read_plan_count(plan), chunks);
    read_plan_close(plan);
    archive_close(a);
}

static void test_same_with_and_without_catalog(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 10);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        check_plan(&env, &ROWS[i], "with the catalog");
    assert_int_equal(catalog_remove(env.catalog_path, NULL), TD_OK);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        check_plan(&env, &ROWS[i], "without");
    archive_env_fini(&env);
}

/* An unbounded plan includes receive times of 2^63 ns and more, although the catalog's integers are
 * signed. */
static void test_times_near_the_end_of_numbers(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    uint64_t from = (((uint64_t)INT64_MAX - FIXTURE_START_NS) / FIXTURE_STEP_NS) - 30;
    archive_fixture_record(&env, from, 3); /* one segment, before and after 2^63 */
    archive_fixture_record(&env, from + 60, 3);
    const plan_row all = {"near 2^63", 0, UINT64_MAX, NULL, 2, 6};
    check_plan(&env, &all, "with the catalog");
    archive_fixture_check_dump(&env);
    assert_int_equal(catalog_remove(env.catalog_path, NULL), TD_OK);
    check_plan(&env, &all, "without");
    archive_env_fini(&env);
}

/* The newest time before until_ns, which must be the same from the catalog and from the files. */
static uint64_t newest_ns(archive_env *env, uint64_t until_ns)
{
    uint64_t found_ns[2];
    for (int i = 0; i < 2; i++) {
        archive_view *view = NULL;
        archive *a = archive_env_open(env, ARCHIVE_APPEND, "record");
        td_err err;
        assert_int_equal(archive_view_open(a, i == 0 ? VIEW_ALL : VIEW_FILES, NULL, &view, &err),
                         TD_OK);
        found_ns[i] = archive_view_newest_ns(view, until_ns);
        archive_view_close(view);
        archive_close(a);
    }
    assert_int_equal(found_ns[0], found_ns[1]);
    return found_ns[0];
}

/* The newest frame is the one with the latest time, even if another was written later. */
static void test_the_newest_is_by_time(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    const uint64_t hour = UINT64_C(3600) * TD_NS_PER_S / FIXTURE_STEP_NS + 1; /* in frames */
    assert_int_equal(newest_ns(&env, UINT64_MAX), 0);
    archive_fixture_record(&env, 50 * hour, 3);
    archive_fixture_record(&env, 0, 3);
    archive_fixture_record(&env, 10 * hour, 5);
    /* Segments of 60, 60 and 100 frames. If the bound is inside a chunk of 20, the result is that
     * chunk's first frame. */
    const struct {
        uint64_t until, newest;
    } rows[] = {{UINT64_MAX, 50 * hour + 59},
                {50 * hour + 59, 50 * hour + 59},
                {50 * hour - 1, 10 * hour + 99},
                {10 * hour + 70, 10 * hour + 60},
                {10 * hour + 59, 10 * hour + 59},
                {9 * hour, 59},
                {0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t until_ns = rows[i].until == UINT64_MAX ? UINT64_MAX : at(rows[i].until);
        assert_int_equal(newest_ns(&env, until_ns), at(rows[i].newest));
    }
    assert_int_equal(newest_ns(&env, FIXTURE_START_NS - 1), 0);
    archive_env_fini(&env);
}

/* An open segment has the number of frames of each channel, like a finished one: the sum over its
 * chunks of 20 frames. */
static void test_open_segment_counts_its_channels(void **state)
{
    (void)state;
    archive_env env;
    read_plan *plan = NULL;
    td_err err;
    const read_query all = {.time = TIME_SPAN_ALL};
    archive_env_init_sim(&env);
    archive *appender = archive_env_open(&env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(appender);
    fixture_feed feed;
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    archive *reader = archive_env_open(&env, ARCHIVE_READ, NULL);
    assert_int_equal(read_plan_open(reader, &all, &plan, &err), TD_OK);
    assert_int_equal(read_plan_count(plan), 1);
    const planned_segment *segment = read_plan_segment(plan, 0);
    uint64_t sum = 0;
    assert_true(segment->index->is_open);
    for (size_t i = 0; i < segment->index->channel_count; i++)
        sum += segment->index->channels[i].message_count;
    assert_int_equal(segment->index->message_count, 40);
    assert_int_equal(sum, 40);
    read_plan_close(plan);
    archive_close(reader);
    fixture_feed_close(&feed);
    assert_int_equal(
        archive_writer_close(writer, WRITER_STOP, FIXTURE_START_NS + 40 * FIXTURE_STEP_NS, &err),
        TD_OK);
    archive_close(appender);
    archive_env_fini(&env);
}

/* With a current catalog, segments are opened only for their sizes. */
static void test_current_catalog_saves_reading(void **state)
{
    (void)state;
    archive_env env;
    read_plan *plan = NULL;
    td_err err;
    const read_query all = {.time = TIME_SPAN_ALL};
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 10);
    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    uint64_t before = io_fault_call_count(env.disk, IO_FAULT_OP_READ);
    assert_int_equal(read_plan_open(a, &all, &plan, &err), TD_OK);
    assert_int_equal(read_plan_count(plan), 4);
    /* Two reads: the journal, for the segments that must exist, and the lock, for the state of the
     * session. No segment is opened. */
    assert_int_equal(io_fault_call_count(env.disk, IO_FAULT_OP_READ), before + 2);
    read_plan_close(plan);
    archive_close(a);
    archive_env_fini(&env);
}

static uint64_t reading_calls(const archive_env *env)
{
    return io_fault_call_count(env->disk, IO_FAULT_OP_READ) +
           io_fault_call_count(env->disk, IO_FAULT_OP_LIST);
}

/* A view has read the folders, the journal and the catalog's list of segments; its plans do not
 * read them again, and can load chunks after the view is closed. A view does not have later
 * changes. */
static void test_plans_from_one_view(void **state)
{
    (void)state;
    archive_env env;
    archive_view *view = NULL;
    read_plan *plans[3] = {NULL};
    td_err err;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 10);
    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_view_open(a, VIEW_ALL, NULL, &view, &err), TD_OK);
    const read_query all = {.time = TIME_SPAN_ALL, .view = view};
    const read_query begin = {.time = {0, at(61)}, .view = view};
    const read_query later = {.time = TIME_SPAN_ALL};
    archive_fixture_record(&env, 200, 3);
    assert_int_equal(catalog_remove(env.catalog_path, NULL), TD_OK);
    const uint64_t before = reading_calls(&env);
    assert_int_equal(read_plan_open(a, &all, &plans[0], &err), TD_OK);
    assert_int_equal(read_plan_open(a, &begin, &plans[1], &err), TD_OK);
    archive_view_close(view);
    assert_int_equal(read_plan_count(plans[0]), 4);
    assert_int_equal(read_plan_count(plans[1]), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(read_plan_load_chunks(plans[i], 1, &err), TD_OK);
        assert_int_equal(read_plan_segment(plans[i], 1)->index->chunk_count, 3);
    }
    assert_int_equal(reading_calls(&env), before);
    assert_int_equal(read_plan_open(a, &later, &plans[2], &err), TD_OK);
    assert_int_equal(read_plan_count(plans[2]), 5);
    for (size_t i = 0; i < 3; i++)
        read_plan_close(plans[i]);
    archive_close(a);
    archive_env_fini(&env);
}

/* If the catalog lacks a segment, or describes another file of its name, the segment itself is
 * read. */
static void test_segment_that_the_catalog_lacks(void **state)
{
    (void)state;
    archive_env env;
    td_err err;
    catalog *c = NULL;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 10);
    assert_int_equal(catalog_open(env.catalog_path, CATALOG_WRITE, &c, &err), TD_OK);
    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    archive_listing listing;
    assert_int_equal(archive_list(a, &listing, &err), TD_OK);
    assert_int_equal(catalog_drop(c, listing.segments[1].path, &err), TD_OK);
    catalog_close(c);
    archive_listing_fini(&listing);
    archive_close(a);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        check_plan(&env, &ROWS[i], "with a row less");
    archive_env_fini(&env);
}

static void test_other_feeds_are_not_opened(void **state)
{
    (void)state;
    archive_env env;
    read_plan *plan = NULL;
    fixture_feed feed;
    td_err err;
    archive_env_init_sim(&env);
    archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, "other", 0, 1, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, 20, &err), TD_OK);
    const read_query query = {.time = TIME_SPAN_ALL, .wants_feed = wants_feed};
    assert_int_equal(read_plan_open(a, &query, &plan, &err), TD_OK);
    assert_int_equal(read_plan_count(plan), 0);
    read_plan_close(plan);
    /* The plan has an open segment up to its last chain record. */
    const read_query all = {.time = TIME_SPAN_ALL};
    assert_int_equal(read_plan_open(a, &all, &plan, &err), TD_OK);
    assert_int_equal(read_plan_count(plan), 1);
    assert_true(read_plan_segment(plan, 0)->index->is_open);
    assert_string_equal(read_plan_segment(plan, 0)->index->session, archive_session(a));
    read_plan_close(plan);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, 1, &err), TD_OK);
    archive_close(a);
    archive_env_fini(&env);
}

static size_t count_for_channels(archive_env *env)
{
    const read_query query = {.time = TIME_SPAN_ALL, .is_for_channels = 1};
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    read_plan *plan = NULL;
    td_err err;
    assert_int_equal(read_plan_open(a, &query, &plan, &err), TD_OK);
    const size_t count = read_plan_count(plan);
    read_plan_close(plan);
    archive_close(a);
    return count;
}

/* Four segments have the same channels, and one has a single channel: only a catalog shows which
 * segments have equal channels. */
static void test_segments_with_the_same_channels(void **state)
{
    (void)state;
    archive_env env;
    fixture_feed feed;
    td_err err;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 10);
    archive *a = archive_env_open(&env, ARCHIVE_APPEND, "record");
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 200, 1, &err), TD_OK);
    assert_int_equal(fixture_feed_put(&feed, 1, &err), TD_OK);
    fixture_feed_close(&feed);
    assert_int_equal(archive_writer_close(writer, WRITER_STOP, at(201), &err), TD_OK);
    archive_close(a);
    assert_int_equal(count_for_channels(&env), 2);
    assert_int_equal(catalog_remove(env.catalog_path, NULL), TD_OK);
    assert_int_equal(count_for_channels(&env), 5);
    archive_env_fini(&env);
}

static uint64_t hash_of_channels(const char *const symbols[], size_t count)
{
    segment_rows rows = {0};
    for (size_t i = 0; i < count; i++)
        segment_index_add_channel(&rows.index,
                                  &(segment_channel){.id = (uint16_t)(i + 1),
                                                     .info = {.feed = FIXTURE_FEED,
                                                              .family = "inverse",
                                                              .topic = "trade",
                                                              .exchange_topic = "",
                                                              .symbol = symbols[i],
                                                              .message_encoding = ""}});
    const uint64_t hash = segment_rows_brief(&rows).channels_hash;
    segment_rows_fini(&rows);
    return hash;
}

/* Channels are numbered by their first frames, whose order differs from segment to segment. */
static void test_channels_in_another_order(void **state)
{
    (void)state;
    const uint64_t hash = hash_of_channels((const char *const[]){"A", "B", "C"}, 3);
    assert_int_equal(hash_of_channels((const char *const[]){"C", "A", "B"}, 3), hash);
    assert_int_not_equal(hash_of_channels((const char *const[]){"A", "B"}, 2), hash);
    assert_int_not_equal(hash_of_channels((const char *const[]){"A", "B", "D"}, 3), hash);
}

/* Checks the checkpoint with which reading the feed's session begins at a moment; `frame` is the
 * first one of its chunk, or UINT64_MAX for none. */
static void check_start(archive_view *view, uint64_t at_ns, uint64_t frame)
{
    open_conns open = {.at_ns = at_ns};
    read_plan *plan = NULL;
    td_err err;
    assert_int_equal(read_plan_open_at(view, wants_feed, NULL, at_ns, &plan, &err), TD_OK);
    assert_int_equal(open_conns_read_planned(view, plan, &open, &err), TD_OK);
    assert_true(open.count > 0);
    const read_start start = read_plan_start(plan, &open.sessions[0], at_ns);
    assert_int_equal(start.path != NULL, frame != UINT64_MAX);
    assert_int_equal(start.checkpoint.at_ns, frame == UINT64_MAX ? 0 : at(frame));
    open_conns_fini(&open);
    read_plan_close(plan);
}

static archive_view *open_view(archive *a)
{
    archive_view *view = NULL;
    td_err err;
    assert_int_equal(archive_view_open(a, VIEW_ALL, NULL, &view, &err), TD_OK);
    return view;
}

/* Reading begins with the last checkpoint before the moment. The fixture's segment has one at
 * frames 20 and 80. Where sessions of the feed overlap, none has the feed's states. */
static void test_checkpoint_that_reading_begins_with(void **state)
{
    (void)state;
    archive_env env;
    segment_rows rows;
    td_err err;
    archive_env_init_sim(&env);
    const fixture_spec spec = {.path = ARCHIVE_FIXTURE_PATH
                               "/capture/2026/11/20/inverse-20261120T060000Z-3f2a9c01-000001.mcap",
                               .frame_count = 100,
                               .frames_per_chunk = 20};
    archive_close(archive_env_open(&env, ARCHIVE_APPEND, "record"));
    assert_int_equal(
        td_io_mkdir_below(io_fault_io(env.disk), ARCHIVE_FIXTURE_PATH, "capture/2026/11/20", &err),
        TD_OK);
    fixture_write(io_fault_io(env.disk), &spec);
    archive *a = archive_env_open(&env, ARCHIVE_READ, NULL);
    archive_view *view = open_view(a);
    check_start(view, at(20), UINT64_MAX);
    check_start(view, at(20) + 1, 20);
    check_start(view, at(99), 80);
    const archive_segment *segment = &view->listing.segments[0];
    assert_int_equal(archive_view_read(view, segment->path, archive_view_size(view, segment),
                                       CATALOG_ROWS, &rows, &err),
                     TD_OK);
    assert_null(read_start_of_segment(&rows).path); /* it is later than the first message */
    rows.index.first_ns = at(20);
    assert_int_equal(read_start_of_segment(&rows).checkpoint.at_ns, at(20));
    segment_rows_fini(&rows);
    archive_view_close(view);
    archive_fixture_record(&env, 50, 2);
    view = open_view(a);
    check_start(view, at(20) + 1, 20);
    check_start(view, at(89), UINT64_MAX);
    archive_view_close(view);
    archive_close(a);
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_with_and_without_catalog),
        cmocka_unit_test(test_times_near_the_end_of_numbers),
        cmocka_unit_test(test_the_newest_is_by_time),
        cmocka_unit_test(test_open_segment_counts_its_channels),
        cmocka_unit_test(test_current_catalog_saves_reading),
        cmocka_unit_test(test_plans_from_one_view),
        cmocka_unit_test(test_segment_that_the_catalog_lacks),
        cmocka_unit_test(test_other_feeds_are_not_opened),
        cmocka_unit_test(test_checkpoint_that_reading_begins_with),
        cmocka_unit_test(test_segments_with_the_same_channels),
        cmocka_unit_test(test_channels_in_another_order),
    };
    return cmocka_run_group_tests_name("read_plan", tests, NULL, NULL);
}
