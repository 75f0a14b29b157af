/* Every recorded frame of inverse and linear: the fast and the row-driven decoder agree, all frames
 * are decoded, and the counts are from docs/wire.md 6 (counted by scripts that share no code
 * with the program). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "schema/decode.h"
#include "schema/message.h"
#include "tests/testing/capture.h"
#include "tests/testing/decode_fixture.h"

typedef struct totals {
    size_t in, control, data, undecoded, snapshots, deltas, trade_frames, trades, unknown_fields;
    size_t level_entries;
} totals;

static void count_message(totals *t, const message *m)
{
    t->snapshots += m->head.kind == FRAME_SNAPSHOT;
    t->deltas += m->head.kind == FRAME_DELTA;
    t->unknown_fields += m->head.unknown_fields;
    assert_int_equal(m->head.foreign_symbols, 0);
    assert_true(m->head.exchange_ns > UINT64_C(1500000000) * 1000000000);
    if (m->head.type == MSG_TRADE) {
        t->trade_frames++;
        t->trades += message_item_count(m);
    } else {
        t->level_entries += message_item_count(m);
    }
}

static void run_capture(const char *name, const char *family_name, totals *t)
{
    const char *path = capture_path_or_skip(name);
    capture *c = capture_open(path);
    decoder_pair d = decoder_pair_open();
    const family *of = family_find(td_bytes_str(family_name));
    assert_non_null(of);
    *t = (totals){0};
    for (capture_line line; capture_next(c, &line);) {
        if (line.kind != CAPTURE_IN)
            continue;
        t->in++;
        classification what;
        decoder_classify(d.fast, of, line.frame, CHANNEL_IN, TOPIC_NOW, &what);
        if (frame_class_is_control(what.frame_class)) {
            assert_int_equal(what.frame_class, CLASS_ACK);
            assert_int_equal(what.success, 1);
            t->control++;
            continue;
        }
        assert_int_equal(what.frame_class, CLASS_DATA);
        assert_non_null(what.topic.row);
        t->data++;
        message m;
        decode_error why;
        if (!decoder_pair_decode(&d, &what.topic, line.frame, &m, NULL, &why)) {
            t->undecoded++;
            continue;
        }
        assert_int_equal(what.exchange_ns, m.head.exchange_ns);
        count_message(t, &m);
    }
    assert_int_equal(decoder_slow_count(d.fast), 0);
    decoder_pair_close(&d);
    capture_close(c);
}

static void test_inverse_capture(void **state)
{
    (void)state;
    totals t;
    run_capture("inverse-2021-04-17.jsonl.gz", "inverse", &t);
    assert_int_equal(t.in, 1098);
    assert_int_equal(t.control, 4);
    assert_int_equal(t.undecoded, 0);
    assert_int_equal(t.snapshots, 2);
    assert_int_equal(t.unknown_fields, 0);
    if (capture_is_recorded()) {
        assert_int_equal(t.deltas, 1016);
        assert_int_equal(t.trade_frames, 76);
        assert_int_equal(t.trades, 150);
    }
}

static void test_linear_capture(void **state)
{
    (void)state;
    totals t;
    run_capture("linear-2021-04-17.jsonl.gz", "linear", &t);
    assert_int_equal(t.in, 983);
    assert_int_equal(t.control, 16);
    assert_int_equal(t.undecoded, 0);
    assert_int_equal(t.snapshots, 8);
    assert_int_equal(t.unknown_fields, 0);
    if (capture_is_recorded()) {
        assert_int_equal(t.deltas, 937);
        assert_int_equal(t.trade_frames, 22);
        assert_int_equal(t.trades, 25);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inverse_capture),
        cmocka_unit_test(test_linear_capture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
