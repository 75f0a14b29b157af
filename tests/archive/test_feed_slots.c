/* A feed's slots (configured connections), read from its segments. Expected: archive/feed_slots.h
 * and the fixture's frames (segment_fixture.h): in every 10 frames, number 0 is an event, 1 a
 * request, 2 a pong, the others are data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "archive/feed_slots.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

enum { FRAMES_PER_CHUNK = 20 };

static uint64_t ns_of(uint64_t frame)
{
    return FIXTURE_START_NS + frame * FIXTURE_STEP_NS;
}

static void read_slots(archive_env *env, const feed_slots_query *query, feed_slots *out)
{
    td_err err;
    archive_view *view = NULL;
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_view_open(a, VIEW_ALL, NULL, &view, &err), TD_OK);
    assert_int_equal(feed_slots_read(view, query, out, &err), TD_OK);
    archive_view_close(view);
    archive_close(a);
}

/* Only data frames count, and only those before the given time. */
static void the_last_frame_of_data(void **state)
{
    (void)state;
    archive_env env;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 5); /* frames 0 to 99 */
    static const struct {
        uint64_t before; /* number of a frame */
        uint8_t is_control_data;
        uint64_t last, any;
    } ROWS[] = {
        {1000, 0, 99, 99}, {99, 0, 99, 99}, {60, 0, 59, 59}, {62, 0, 59, 62}, {62, 1, 62, 62},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        feed_slots slots;
        const feed_slots_query query = {.feed = FIXTURE_FEED,
                                        .before_ns = ns_of(ROWS[i].before),
                                        .shard_count = 1,
                                        .is_control_data = ROWS[i].is_control_data};
        read_slots(&env, &query, &slots);
        assert_int_equal(slots.slot_count, 1);
        /* The catalog has only the first and last time of each channel in a chunk, so the result
         * may be earlier than the frame, never later. */
        assert_true(slots.slots[0].last_ns <= ns_of(ROWS[i].last));
        assert_true(slots.slots[0].last_ns + FRAMES_PER_CHUNK * FIXTURE_STEP_NS >=
                    ns_of(ROWS[i].last));
        assert_true(slots.slots[0].last_any_ns <= ns_of(ROWS[i].any));
        if (ROWS[i].before >= 99)
            assert_int_equal(slots.slots[0].last_ns, ns_of(99));
        assert_false(slots.slots[0].is_crashed);
        feed_slots_fini(&slots);
    }
    archive_env_fini(&env);
}

static void topics_and_other_feeds(void **state)
{
    (void)state;
    archive_env env;
    feed_slots slots;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 2);
    read_slots(&env,
               &(feed_slots_query){.feed = FIXTURE_FEED, .before_ns = UINT64_MAX, .shard_count = 1},
               &slots);
    assert_int_equal(slots.topic_count, 2); /* control frames have no topic */
    for (size_t i = 0; i < 2; i++) {
        int is_trade = strcmp(slots.topics[i]->name, "trade.BTCUSD") == 0;
        assert_string_equal(slots.topics[i]->name, is_trade ? "trade.BTCUSD" : "book.EOSUSD");
        assert_int_equal(slots.topics[i]->topic_bytes, is_trade ? 6 : 5);
        assert_int_equal(slots.topics[i]->slot, 0);
    }
    assert_null(feed_slots_find(&slots, 0, 1));
    feed_slots_fini(&slots);
    read_slots(&env,
               &(feed_slots_query){.feed = "other", .before_ns = UINT64_MAX, .shard_count = 1},
               &slots);
    assert_int_equal(slots.slot_count, 0);
    feed_slots_fini(&slots);
    archive_env_fini(&env);
}

/* The latest session by time counts, not the one written last: here an older capture is imported
 * last. */
static void the_newest_is_asked_first(void **state)
{
    (void)state;
    archive_env env;
    feed_slots slots;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 4000000, 2);
    archive_fixture_record(&env, 0, 2);
    read_slots(&env,
               &(feed_slots_query){.feed = FIXTURE_FEED, .before_ns = UINT64_MAX, .shard_count = 1},
               &slots);
    assert_int_equal(slots.slots[0].last_ns, ns_of(4000039));
    feed_slots_fini(&slots);
    /* A session in the future must not count. */
    read_slots(
        &env,
        &(feed_slots_query){.feed = FIXTURE_FEED, .before_ns = ns_of(3000000), .shard_count = 1},
        &slots);
    assert_int_equal(slots.slots[0].last_ns, ns_of(39));
    feed_slots_fini(&slots);
    archive_env_fini(&env);
}

/* An import gives no slot: a capture may lack topics that a recording would have. */
static void an_import_has_no_slot(void **state)
{
    (void)state;
    archive_env env;
    feed_slots slots;
    archive_env_init_sim(&env);
    archive_fixture_record(&env, 0, 2);
    archive_fixture_session(&env, "import", 4000000, 2);
    read_slots(&env,
               &(feed_slots_query){.feed = FIXTURE_FEED, .before_ns = UINT64_MAX, .shard_count = 1},
               &slots);
    assert_int_equal(slots.slot_count, 1);
    assert_int_equal(slots.slots[0].last_ns, ns_of(39));
    feed_slots_fini(&slots);
    archive_env_fini(&env);
}

/* Number of segments that a search reads. Without a catalog, each is opened for its size and for
 * its rows. */
static uint64_t segments_read(archive_env *env, const feed_slots_query *query)
{
    td_err err;
    feed_slots slots;
    archive_view *view = NULL;
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_view_open(a, VIEW_FILES, NULL, &view, &err), TD_OK);
    const uint64_t before = io_fault_call_count(env->disk, IO_FAULT_OP_OPEN);
    assert_int_equal(feed_slots_read(view, query, &slots, &err), TD_OK);
    const uint64_t after = io_fault_call_count(env->disk, IO_FAULT_OP_OPEN);
    feed_slots_fini(&slots);
    archive_view_close(view);
    archive_close(a);
    return (after - before) / 2;
}

/* The newest segment is read, and one that is old enough to show that no other slot was connected.
 * A slot that was never connected does not extend the search beyond its limit. */
static void few_segments_are_read(void **state)
{
    (void)state;
    const uint64_t hour = UINT64_C(3600) * TD_NS_PER_S / FIXTURE_STEP_NS + 1; /* in frames */
    archive_env env;
    archive_env_init_sim(&env);
    for (uint64_t i = 0; i < FEED_SLOTS_SEGMENTS_MAX + 12; i++)
        archive_fixture_record(&env, i * hour, 1);
    feed_slots_query query = {.feed = FIXTURE_FEED, .before_ns = UINT64_MAX, .shard_count = 1};
    assert_int_equal(segments_read(&env, &query), 2);
    query.shard_count = 2;
    assert_int_equal(segments_read(&env, &query), FEED_SLOTS_SEGMENTS_MAX);
    query.before_ns = ns_of(20 * hour); /* older ones are fewer than the limit */
    assert_int_equal(segments_read(&env, &query), 21);
    archive_env_fini(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_frame_of_data),    cmocka_unit_test(topics_and_other_feeds),
        cmocka_unit_test(the_newest_is_asked_first), cmocka_unit_test(an_import_has_no_slot),
        cmocka_unit_test(few_segments_are_read),
    };
    return cmocka_run_group_tests_name("feed_slots", tests, NULL, NULL);
}
