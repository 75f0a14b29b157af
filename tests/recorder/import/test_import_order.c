/* recorder/import/import_order: which connection a line belongs to, and the order by time of
 * several connections' records. Expected slots are written from the rules at the top of
 * import_order.h. */
#include "recorder/import/import_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"

typedef struct slot_row {
    import_kind kind;
    channel_dir dir;
    uint64_t time_ns;
    const char *conn;
    const char *url;
    uint32_t slot; /* expected, as the following members */
    uint32_t conn_number;
    uint8_t is_new_conn;
    uint64_t effective_ns;
} slot_row;

static import_record record_of(const slot_row *row)
{
    return (import_record){.kind = row->kind,
                           .dir = row->dir,
                           .time_ns = row->time_ns,
                           .conn = td_bytes_str(row->conn),
                           .url = td_bytes_str(row->url),
                           .data = td_bytes_str("{}")};
}

static void check_slots(const char *name, const slot_row *rows, size_t count)
{
    import_order *order = import_order_open(NULL);
    print_message("  %s\n", name);
    for (size_t i = 0; i < count; i++) {
        import_record record = record_of(&rows[i]);
        import_place place;
        assert_int_equal(import_order_place(order, &record, &place, NULL), TD_OK);
        assert_int_equal(place.slot, rows[i].slot);
        assert_int_equal(place.conn, rows[i].conn_number);
        assert_int_equal(place.is_new_conn, rows[i].is_new_conn);
        assert_int_equal(place.effective_ns, rows[i].effective_ns);
    }
    import_order_close(order);
}

#define CHECK_SLOTS(name, rows) check_slots(name, rows, sizeof(rows) / sizeof(rows)[0])

static void test_slots(void **state)
{
    static const slot_row ONE[] = {
        {IMPORT_CONNECT, CHANNEL_IN, 10, "", "wss://a", 0, 1, 1, 10},
        {IMPORT_FRAME, CHANNEL_OUT, 11, "", "wss://a", 0, 1, 0, 11},
        {IMPORT_FRAME, CHANNEL_IN, 9, "", "", 0, 1, 0, 11},
        {IMPORT_FRAME, CHANNEL_IN, 12, "", "", 0, 1, 0, 12},
        {IMPORT_CONNECT, CHANNEL_IN, 20, "", "wss://a", 0, 2, 1, 20},
        {IMPORT_FRAME, CHANNEL_IN, 21, "", "", 0, 2, 0, 21},
    };
    static const slot_row NO_CONNECT[] = {
        {IMPORT_FRAME, CHANNEL_IN, 5, "", "", 0, 1, 1, 5},
        {IMPORT_FRAME, CHANNEL_OUT, 6, "", "wss://a", 0, 1, 0, 6},
        {IMPORT_FRAME, CHANNEL_OUT, 7, "", "wss://b", 1, 1, 1, 7},
        {IMPORT_FRAME, CHANNEL_IN, 8, "", "", 1, 1, 0, 8},
        {IMPORT_FRAME, CHANNEL_OUT, 9, "", "wss://a", 0, 1, 0, 9},
    };
    static const slot_row RESTART[] = {
        {IMPORT_CONNECT, CHANNEL_IN, 10, "", "wss://a", 0, 1, 1, 10},
        {IMPORT_FRAME, CHANNEL_IN, 30, "", "", 0, 1, 0, 30},
        {IMPORT_CONNECT, CHANNEL_IN, 12, "", "wss://a", 1, 1, 1, 12},
        {IMPORT_FRAME, CHANNEL_IN, 13, "", "", 1, 1, 0, 13},
        {IMPORT_CONNECT, CHANNEL_IN, 20, "", "wss://a", 1, 2, 1, 20},
        {IMPORT_CONNECT, CHANNEL_IN, 40, "", "wss://b", 2, 1, 1, 40},
    };
    static const slot_row NAMED[] = {
        {IMPORT_FRAME, CHANNEL_HTTP, 1, "H", "https://x", 0, 1, 1, 1},
        {IMPORT_CONNECT, CHANNEL_IN, 2, "W.1", "wss://a", 1, 1, 1, 2},
        {IMPORT_FRAME, CHANNEL_IN, 9, "W.1", "", 1, 1, 0, 9},
        {IMPORT_CONNECT, CHANNEL_IN, 2, "W.2", "wss://a", 2, 1, 1, 2},
        {IMPORT_FRAME, CHANNEL_IN, 3, "W.2", "", 2, 1, 0, 3},
        {IMPORT_FRAME, CHANNEL_IN, 10, "W.1", "", 1, 1, 0, 10},
        {IMPORT_CONNECT, CHANNEL_IN, 11, "W.1", "wss://a", 1, 2, 1, 11},
        {IMPORT_FRAME, CHANNEL_IN, 12, "H", "", 3, 1, 1, 12},
        {IMPORT_FRAME, CHANNEL_HTTP, 12, "H", "https://y", 0, 1, 0, 12},
    };
    static const slot_row UNTIMED[] = {
        {IMPORT_FRAME, CHANNEL_IN, 0, "", "", 0, 1, 1, 0},
        {IMPORT_FRAME, CHANNEL_IN, 7, "", "", 0, 1, 0, 7},
        {IMPORT_FRAME, CHANNEL_IN, 0, "", "", 0, 1, 0, 7},
    };
    static const slot_row UNTIMED_LATER[] = {
        {IMPORT_FRAME, CHANNEL_IN, 7, "", "", 0, 1, 1, 7},
        {IMPORT_FRAME, CHANNEL_OUT, 0, "", "wss://a", 0, 1, 0, 7},
        {IMPORT_FRAME, CHANNEL_OUT, 0, "", "wss://b", 1, 1, 1, 7},
        {IMPORT_FRAME, CHANNEL_IN, 6, "", "", 1, 1, 0, 7},
    };
    (void)state;
    CHECK_SLOTS("one connection and its reconnect", ONE);
    CHECK_SLOTS("a capture that begins in the middle", NO_CONNECT);
    CHECK_SLOTS("a connect in the past is another connection", RESTART);
    CHECK_SLOTS("connections with names", NAMED);
    CHECK_SLOTS("bare frames", UNTIMED);
    CHECK_SLOTS("a connection that begins with a bare frame", UNTIMED_LATER);
}

static void test_too_many_slots(void **state)
{
    (void)state;
    import_order *order = import_order_open(NULL);
    import_place place;
    td_err err;
    for (uint32_t i = 0; i < LIMIT_FEED_SLOTS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "c%u", i);
        slot_row row = {.kind = IMPORT_FRAME, .time_ns = 1, .conn = name};
        import_record record = record_of(&row);
        assert_int_equal(import_order_place(order, &record, &place, NULL), TD_OK);
        assert_int_equal(place.slot, i);
    }
    slot_row row = {.kind = IMPORT_FRAME, .time_ns = 1, .conn = "one more"};
    import_record record = record_of(&row);
    assert_int_equal(import_order_place(order, &record, &place, &err), TD_E_LIMIT);
    assert_int_equal(import_order_slot_count(order), LIMIT_FEED_SLOTS);
    import_order_close(order);
}

/* Records of three connections are returned like a stable sort by time of the list that the test
 * keeps. Sizes vary; all records fit into the window. */
enum { WINDOW_RECORDS = 3000, WINDOW_RECORD_BYTES_MAX = 600000 };

typedef struct order_line {
    uint64_t ns;
    uint32_t slot;
    uint32_t serial;
    size_t size;
} order_line;

static int compare_kept(const void *left, const void *right)
{
    const order_line *a = left;
    const order_line *b = right;
    if (a->ns != b->ns)
        return a->ns < b->ns ? -1 : 1;
    return a->serial < b->serial ? -1 : 1;
}

static td_result put(import_order *order, const char *name, uint64_t ns, td_bytes data,
                     uint64_t line, td_err *err)
{
    import_record record = {.kind = IMPORT_FRAME,
                            .time_ns = ns,
                            .conn = td_bytes_str(name),
                            .url = td_bytes_str(line % 7 == 0 ? "wss://u" : ""),
                            .data = data};
    import_place place;
    assert_int_equal(import_order_place(order, &record, &place, NULL), TD_OK);
    return import_order_put(order, &record, &place, line, err);
}

static void test_window(void **state)
{
    (void)state;
    import_order *survey = NULL;
    import_order *order = NULL;
    import_record record;
    import_place place;
    order_line *all = calloc(WINDOW_RECORDS, sizeof *all);
    order_line *sorted = calloc(WINDOW_RECORDS, sizeof *sorted);
    char *data = calloc(1, WINDOW_RECORD_BYTES_MAX + 4);
    assert_non_null(all);
    assert_non_null(sorted);
    assert_non_null(data);
    memset(data, 'd', WINDOW_RECORD_BYTES_MAX + 4);
    uint32_t seed = 7;
    for (uint32_t i = 0; i < WINDOW_RECORDS; i++) {
        seed = seed * 1664525u + 1013904223u;
        all[i].serial = i;
        all[i].slot = i / (WINDOW_RECORDS / 3);
        all[i].ns = 1000 + (i % (WINDOW_RECORDS / 3)) / 2;
        all[i].size = 4 + (seed >> 8) % (i % 500 == 0 ? WINDOW_RECORD_BYTES_MAX : 900);
    }
    memcpy(sorted, all, WINDOW_RECORDS * sizeof *all);
    qsort(sorted, WINDOW_RECORDS, sizeof *sorted, compare_kept);
    for (int reading = 0; reading < 2; reading++) {
        survey = order;
        order = import_order_open(survey);
        uint32_t next = 0;
        for (uint32_t i = 0; i < WINDOW_RECORDS; i++) {
            for (; next < WINDOW_RECORDS && !import_order_is_full(order); next++) {
                char name[2] = {(char)('a' + all[next].slot), '\0'};
                memcpy(data, &next, sizeof next);
                td_bytes bytes = td_bytes_of(data, all[next].size);
                assert_int_equal(put(order, name, all[next].ns, bytes, next, NULL), TD_OK);
            }
            const order_line *expected = &sorted[i];
            assert_true(import_order_next(order, &record, &place));
            assert_int_equal(place.slot, expected->slot);
            assert_int_equal(record.time_ns, expected->ns);
            if (reading == 0)
                continue;
            uint32_t serial;
            assert_int_equal(record.data.size, expected->size);
            memcpy(&serial, record.data.data, sizeof serial);
            assert_int_equal(serial, expected->serial);
            assert_int_equal(record.data.data[record.data.size - 1] == 'd', expected->size > 4);
            assert_int_equal(record.url.size, serial % 7 == 0 ? 7 : 0);
        }
        assert_false(import_order_next(order, &record, &place));
        assert_false(import_order_next(order, &record, &place));
    }
    import_order_close(order);
    import_order_close(survey);
    free(all);
    free(sorted);
    free(data);
}

/* The second pass over sorted lines keeps no lines in memory. */
static void test_window_in_order(void **state)
{
    (void)state;
    import_order *survey = import_order_open(NULL);
    import_record record;
    import_place place;
    for (uint64_t line = 1; line < 10; line++)
        assert_int_equal(put(survey, "a", line, td_bytes_str("{}"), line, NULL), TD_OK);
    assert_false(import_order_is_full(survey));
    import_order *order = import_order_open(survey);
    for (uint64_t line = 1; line < 10; line++) {
        assert_int_equal(put(order, "a", line, td_bytes_str("{}"), line, NULL), TD_OK);
        assert_true(import_order_is_full(order));
        assert_true(import_order_next(order, &record, &place));
        assert_int_equal(record.time_ns, line);
        assert_true(td_bytes_is(record.data, "{}"));
    }
    import_order_close(order);
    import_order_close(survey);
}

/* The window is full after 64 MiB; then a line that is earlier than the last returned one is
 * refused, and other lines are kept. */
static void test_full_window_refuses(void **state)
{
    enum { RECORD_BYTES = 1 << 20 };
    (void)state;
    import_order *order = import_order_open(NULL);
    import_record record;
    import_place place;
    td_err err;
    char *data = calloc(1, RECORD_BYTES);
    assert_non_null(data);
    uint64_t line = 0;
    while (!import_order_is_full(order)) {
        td_bytes bytes = td_bytes_of(data, RECORD_BYTES);
        line++;
        assert_int_equal(put(order, "a", line * 1000000000, bytes, line, NULL), TD_OK);
    }
    assert_int_equal(line, LIMIT_IMPORT_WINDOW_BYTES / RECORD_BYTES);
    assert_true(import_order_next(order, &record, &place));
    assert_true(import_order_next(order, &record, &place));
    assert_int_equal(place.effective_ns, 2000000000);
    td_bytes bytes = td_bytes_str("late");
    assert_int_equal(put(order, "b", 500000000, bytes, 99, &err), TD_E_INVALID);
    assert_string_equal(err.text,
                        "line 99 is 1.5 s older than a line more than 64.0 MiB before it");
    assert_int_equal(put(order, "c", 2000000000, bytes, 100, NULL), TD_OK);
    assert_true(import_order_next(order, &record, &place));
    assert_int_equal(place.slot, 2);
    import_order_close(order);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_too_many_slots),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_window_in_order),
        cmocka_unit_test(test_full_window_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
