/* Failures of a decoder are counted from a baseline alone. Expected: the reasons that frames were
 * given as docs/regress.md defines their hashes, with books beside them and over several blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "regress/failure_count.h"
#include "schema/canonical.h"
#include "tests/testing/files.h"

enum { FRAMES = 2 * BASELINE_BLOCK_FRAMES + 11, STREAMS = 2 };

/* Every frame's reason, DECODE_OK for most of them. */
static decode_reason reason_of(size_t stream, size_t index)
{
    if (index % 5 != 0)
        return DECODE_OK;
    return (decode_reason)(DECODE_OK + 1 +
                           (index / 5 + stream) % (DECODE_REASON_COUNT - DECODE_OK - 1));
}

/* Of a book the high half may be anything, and must not count. */
static uint64_t hash_of(size_t stream, size_t index)
{
    decode_reason reason = reason_of(stream, index);
    uint64_t book = UINT64_C(0x9e3779b97f4a7c15) * (index + 1);
    uint64_t own = reason == DECODE_OK ? book & ~CANONICAL_FAILED : canonical_failure(reason);
    return stream == 0 ? own : (own & UINT32_MAX) | (book & ~(uint64_t)UINT32_MAX);
}

static void add_stream(baseline *b, size_t stream, uint64_t expected[DECODE_REASON_COUNT])
{
    static uint16_t ids[FRAMES];
    static uint64_t hashes[FRAMES];
    static uint64_t times[FRAMES];
    td_err err;
    baseline_part part = {.of = {.feed = "v5-linear",
                                 .topic = stream == 0 ? "publicTrade" : "orderbook.50",
                                 .symbol = "BTCUSDT",
                                 .has_book = stream != 0,
                                 .frames = FRAMES,
                                 .first_ns = 1,
                                 .last_ns = FRAMES},
                          .ids = ids,
                          .hashes = hashes,
                          .recv_ns = times};
    for (size_t i = 0; i < FRAMES; i++) {
        decode_reason reason = reason_of(stream, i);
        hashes[i] = hash_of(stream, i);
        times[i] = i + 1;
        part.of.undecoded += reason != DECODE_OK;
        if (reason != DECODE_OK)
            expected[reason]++;
    }
    part.of.decoded = FRAMES - part.of.undecoded;
    assert_int_equal(baseline_add(b, &part, &err), TD_OK);
}

static void test_counts(void **state)
{
    char folder[TEMP_FOLDER_BYTES];
    char path[TEMP_FOLDER_BYTES + 16];
    const baseline_meta meta = {.version = "1", .decoder = "mine"};
    uint64_t expected[DECODE_REASON_COUNT] = {0};
    uint64_t counts[DECODE_REASON_COUNT];
    baseline *b = NULL;
    td_err err;
    (void)state;
    temp_folder_make(TEMP_IN_MEMORY, folder);
    (void)snprintf(path, sizeof path, "%s/x.tdb", folder); /* fits */
    assert_int_equal(baseline_create(path, &meta, &b, &err), TD_OK);
    for (size_t stream = 0; stream < STREAMS; stream++)
        add_stream(b, stream, expected);
    assert_int_equal(baseline_finish(b, &err), TD_OK);
    assert_int_equal(failure_count(b, counts, &err), TD_OK);
    for (int reason = 0; reason < DECODE_REASON_COUNT; reason++) {
        assert_int_equal(counts[reason], expected[reason]);
        assert_true(reason == DECODE_OK || expected[reason] > 100);
    }
    baseline_close(b);
    temp_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
