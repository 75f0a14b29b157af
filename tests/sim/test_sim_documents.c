/* Streams as only documents of users have them: all of their frames are made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "sim/catalog.h"
#include "sim/catalog_file.h"
#include "sim/sim_family.h"

enum { SYMBOLS = 3, STEPS = 3000, STEP_NS = 200000000, TEXT_BYTES = 1 << 15 };

#define START_NS UINT64_C(1795154400000000000)

static int find_text(void *user, td_bytes name, td_bytes *text)
{
    *text = td_bytes_str(user);
    return td_bytes_is(name, "made");
}

static td_result read_streams(const char *streams, td_arena *memory, catalog_row *out, td_err *err)
{
    static char text[TEXT_BYTES];
    const family_texts texts = {.find = find_text, .user = text};
    (void)snprintf(text, sizeof text,
                   "family: made\nsimulator:\n  products: [linear]\n  streams:\n%s", streams);
    return catalog_file_read(&texts, "made", memory, out, err);
}

/* Serve the streams for ten minutes, all of which are wanted. Returns how many frames each had. */
static void serve(const char *streams, uint32_t *frames, size_t most)
{
    td_arena *memory = td_arena_open();
    catalog_row made;
    td_err err;
    if (read_streams(streams, memory, &made, &err) != TD_OK)
        fail_msg("%s", err.text);
    const family of = {.name = "made"};
    made.of = &of;
    const sim_family_options options = {
        .row = &made, .symbol_count = SYMBOLS, .seed = 1, .start_ns = START_NS};
    sim_family *served = sim_family_open(&options);
    sim_frame frame;
    memset(frames, 0, most * sizeof *frames);
    assert_true(sim_family_stream_count(served) <= most);
    for (uint32_t i = 0; i < sim_family_stream_count(served); i++)
        sim_family_subscribe(served, i);
    for (uint64_t i = 1; i <= STEPS; i++)
        if (sim_family_next(served, START_NS + i * STEP_NS, &frame))
            frames[frame.stream]++;
    sim_family_close(served);
    td_arena_close(memory);
}

/* Two streams of a symbol with a frame for each trade. */
static void test_each_trade_twice(void **state)
{
    (void)state;
    uint32_t frames[2 * SYMBOLS];
    serve("    - {topic: a, shows: trade_each, snapshot: '@trades($price)'}\n"
          "    - {topic: b, shows: trade_each, snapshot: '@trades($price)'}\n",
          frames, 2 * SYMBOLS);
    assert_true(frames[0] > 0);
    assert_true(frames[1] > 0);
}

/* A topic of the whole family that is also that of a symbol's book. */
static void test_equal_names(void **state)
{
    (void)state;
    uint32_t frames[SYMBOLS];
    serve("    - {topic: book, shows: book, depth: 10, events: 1, snapshot: '@levels($price)'}\n"
          "    - {topic: book.BTCUSDT, shows: notice per_family, every_ms: 10, snapshot: $ts}\n",
          frames, SYMBOLS);
    for (size_t i = 0; i < SYMBOLS; i++)
        assert_true(frames[i] > 0);
}

/* A change of all levels has twice as many entries as the book. */
static void test_largest_change(void **state)
{
    (void)state;
    enum { ITEM_BYTES = 8000 };
    static char streams[2 * ITEM_BYTES + 200];
    td_arena *memory = td_arena_open();
    catalog_row made;
    td_err err = {0};
    (void)snprintf(streams, sizeof streams,
                   "    - {topic: b, shows: book, depth: 60, every_ms: 500000,\n"
                   "       snapshot: '@levels($price)', delta: '@levels(%0*d$price)'}\n",
                   ITEM_BYTES, 0);
    assert_int_equal(read_streams(streams, memory, &made, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "frames can be longer than 1 MiB"));
    td_arena_close(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_largest_change),
        cmocka_unit_test(test_equal_names),
        cmocka_unit_test(test_each_trade_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
