/* Rows of discarded frames: one per connection, topic and symbol, up to the bound. Expected: the
 * contract of recorder/drop_count.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "recorder/drop_count.h"

enum { SWEEP_MAX = 100 };

static const char *const FRAMES[] = {
    "{\"topic\":\"trade.BTCUSD\",\"data\":[]}",
    "{\"topic\":\"trade.EOSUSD\",\"data\":[]}",
    "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"delta\",\"data\":{}}",
    "{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"a\",\"request\":{\"op\":\"ping\"}}",
};
static const char *const TOPICS[] = {"trade", "trade", "orderBookL2_25", "_control"};
static const char *const SYMBOLS[] = {"BTCUSD", "EOSUSD", "BTCUSD", ""};
enum { FRAME_COUNT = sizeof FRAMES / sizeof FRAMES[0] };

static void drop(drop_count *self, uint32_t conn, frame_dir dir, const char *frame,
                 uint64_t recv_ns)
{
    drop_row at = {.feed_index = 1, .line = 2, .shard = 3, .conn = conn, .from_ns = recv_ns / 2};
    drop_count_add(self, family_find(td_bytes_str("inverse")), &at, dir, td_bytes_str(frame),
                   recv_ns);
}

static drop_count *open_count(void)
{
    drop_count *self = NULL;
    self = drop_count_open();
    return self;
}

static void test_rows(void **state)
{
    (void)state;
    drop_count *self = open_count();
    for (int round = 0; round < 2; round++) {
        uint64_t now = 0;
        for (uint32_t again = 0; again < 3; again++)
            for (uint32_t conn = 1; conn <= 2; conn++)
                for (size_t i = 0; i < FRAME_COUNT; i++)
                    drop(self, conn, DIR_IN, FRAMES[i], ++now);
        const drop_row *rows;
        assert_int_equal(drop_count_rows(self, &rows), 2 * FRAME_COUNT);
        for (size_t i = 0; i < (size_t)2 * FRAME_COUNT; i++) {
            assert_string_equal(rows[i].topic, TOPICS[i % FRAME_COUNT]);
            assert_string_equal(rows[i].symbol, SYMBOLS[i % FRAME_COUNT]);
            assert_int_equal(rows[i].conn, 1 + i / FRAME_COUNT);
            assert_int_equal(rows[i].feed_index, 1);
            assert_int_equal(rows[i].line, 2);
            assert_int_equal(rows[i].shard, 3);
            assert_int_equal(rows[i].frames, 3);
            assert_int_equal(rows[i].from_ns, (i + 1) / 2);
            assert_int_equal(rows[i].last_ns, i + 1 + (size_t)4 * FRAME_COUNT);
        }
        drop_count_clear(self);
        assert_int_equal(drop_count_rows(self, &rows), 0);
    }
    drop_count_close(self);
}

/* When the rows of topics are used up, each connection has one for all of its other topics; no
 * frame is counted for another connection. */
static void test_connection_rows(void **state)
{
    (void)state;
    enum { MORE = 100 };
    drop_count *self = open_count();
    uint64_t now = 0;
    for (uint32_t conn = 1; conn <= DROP_TOPIC_ROWS_MAX + MORE; conn++)
        drop(self, conn, DIR_OUT, "", ++now);
    for (uint32_t conn = 1; conn <= MORE; conn++)
        for (size_t i = 0; i < FRAME_COUNT; i++)
            drop(self, conn, DIR_IN, FRAMES[i], ++now);
    const drop_row *rows;
    assert_int_equal(drop_count_rows(self, &rows), DROP_TOPIC_ROWS_MAX + 2 * MORE);
    uint64_t frames = 0;
    for (uint32_t i = 0; i < DROP_TOPIC_ROWS_MAX + 2 * MORE; i++) {
        int is_topic = i < DROP_TOPIC_ROWS_MAX;
        int is_second =
            i >= DROP_TOPIC_ROWS_MAX + MORE; /* of a connection that has a topic's row */
        assert_string_equal(rows[i].topic, is_topic ? "_control" : "");
        assert_int_equal(rows[i].conn, is_second ? i + 1 - DROP_TOPIC_ROWS_MAX - MORE : i + 1);
        frames += rows[i].frames;
    }
    /* Of the four frames, the answer is of the topic that the connection has a row for. */
    assert_int_equal(rows[0].frames, 2);
    assert_int_equal(rows[DROP_TOPIC_ROWS_MAX + MORE].frames, FRAME_COUNT - 1);
    assert_int_equal(frames, now);
    drop_count_close(self);
}

/* A frame that is not looked at may be of any topic: its row is about all of the connection's. */
static void test_long_frame(void **state)
{
    (void)state;
    drop_count *self = open_count();
    size_t size = DROP_FRAME_BYTES_MAX + 1;
    uint8_t *frame = td_alloc_zero(1, size);
    drop_row at = {.conn = 1, .from_ns = 1};
    memset(frame, ' ', size);
    memcpy(frame, FRAMES[0], strlen(FRAMES[0]));
    for (uint64_t now = 2; now <= 3; now++)
        drop_count_add(self, family_find(td_bytes_str("inverse")), &at, DIR_IN,
                       td_bytes_of(frame, size - (now == 3)), now);
    const drop_row *rows;
    assert_int_equal(drop_count_rows(self, &rows), 2);
    assert_string_equal(rows[0].topic, "");
    assert_string_equal(rows[1].topic, "trade");
    td_free(frame);
    drop_count_close(self);
}

/* At the bound no frame is lost from the count. */
static void test_bound(void **state)
{
    (void)state;
    drop_count *self = open_count();
    uint64_t now = 0;
    for (uint32_t conn = 1; conn <= DROP_ROWS_MAX + 100; conn++)
        drop(self, conn, DIR_OUT, "", ++now);
    for (uint32_t conn = 1; conn <= DROP_ROWS_MAX - 1; conn++)
        drop(self, conn, DIR_OUT, "", ++now);
    const drop_row *rows;
    uint64_t frames = 0;
    assert_int_equal(drop_count_rows(self, &rows), DROP_ROWS_MAX);
    for (size_t i = 0; i < DROP_ROWS_MAX; i++) {
        assert_int_equal(rows[i].conn, i + 1);
        if (i < DROP_ROWS_MAX - 1)
            assert_int_equal(rows[i].frames, 2);
        frames += rows[i].frames;
    }
    assert_int_equal(frames, now);
    drop_count_close(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_connection_rows),
        cmocka_unit_test(test_long_frame),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests_name("drop_count", tests, NULL, NULL);
}
