/* Every recorded frame of inverse and linear: the hot and the row-driven decoders say the same,
 * nothing is undecoded, and the counts are those of docs/wire.md 6 (counted by scripts that share
 * no code with us). */
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
#include "tests/testing/message_compare.h"

typedef struct totals {
    size_t in, control, data, undecoded, snapshots, deltas, trade_frames, trades, unknown_fields;
    size_t level_entries;
} totals;

typedef struct decoders {
    decoder *hot;
    decoder *rows;
} decoders;

static decoders decoders_open(void)
{
    decoders d;
    td_err err;
    assert_int_equal(decoder_open(&d.hot, &err), TD_OK);
    assert_int_equal(decoder_open(&d.rows, &err), TD_OK);
    return d;
}

static void decoders_close(decoders *d)
{
    decoder_close(d->hot);
    decoder_close(d->rows);
}

/* Decode a frame on both paths and compare; 1 if it was decoded. */
static int decode_both(decoders *d, const topic_match *topic, td_bytes frame, message *hot)
{
    message rows;
    decode_error hot_why;
    decode_error rows_why;
    int is_hot = decoder_decode(d->hot, topic, frame, DECODE_PATH_HOT, hot, &hot_why);
    int is_row = decoder_decode(d->rows, topic, frame, DECODE_PATH_ROWS, &rows, &rows_why);
    assert_int_equal(is_hot, is_row);
    assert_int_equal(hot_why.reason, rows_why.reason);
    if (is_hot)
        assert_messages_equal(hot, &rows);
    return is_hot;
}

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
    decoders d = decoders_open();
    const family *of = family_find(td_bytes_str(family_name));
    assert_non_null(of);
    *t = (totals){0};
    for (capture_line line; capture_next(c, &line);) {
        if (line.kind != CAPTURE_IN)
            continue;
        t->in++;
        classification what;
        decoder_classify(d.hot, of, line.frame, DIR_IN, TOPIC_NOW, &what);
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
        if (!decode_both(&d, &what.topic, line.frame, &m)) {
            t->undecoded++;
            continue;
        }
        assert_int_equal(what.exchange_ns, m.head.exchange_ns);
        count_message(t, &m);
    }
    assert_int_equal(decoder_slow_count(d.hot), 0);
    decoders_close(&d);
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
    assert_int_equal(t.deltas, 1016);
    assert_int_equal(t.trade_frames, 76);
    assert_int_equal(t.trades, 150);
    assert_int_equal(t.unknown_fields, 0);
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
    assert_int_equal(t.deltas, 937);
    assert_int_equal(t.trade_frames, 22);
    assert_int_equal(t.trades, 25);
    assert_int_equal(t.unknown_fields, 0);
}

/* Single real frames and samples of 2019 to 2022 of the topics that have rows. */
static void run_samples(const char *folder, const char *family_name, size_t least)
{
    char prefix[128];
    char name[512];
    snprintf(prefix, sizeof prefix, "frames/%s", folder);
    const char *path = capture_path_or_skip(prefix);
    size_t count = 0;
    size_t decoded = 0;
    char **names = capture_list(path, ".json", &count);
    const family *of = family_find(td_bytes_str(family_name));
    decoders d = decoders_open();
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%s", prefix, names[i]);
        size_t size = 0;
        uint8_t *bytes = capture_read_file(capture_path(name), &size);
        td_bytes frame = td_bytes_of(bytes, size);
        classification what;
        decoder_classify(d.hot, of, frame, DIR_IN, TOPIC_NOW, &what);
        if (what.frame_class == CLASS_DATA && what.topic.row != NULL) {
            message m;
            if (!decode_both(&d, &what.topic, frame, &m))
                fail_msg("%s was not decoded", name);
            if (m.head.unknown_fields != 0)
                fail_msg("%s has %u unknown fields", name, m.head.unknown_fields);
            assert_true(message_item_count(&m) > 0);
            assert_int_equal(what.exchange_ns, m.head.exchange_ns);
            decoded++;
        }
        td_free(bytes);
        td_free(names[i]);
    }
    td_free(names);
    decoders_close(&d);
    assert_true(decoded >= least);
}

static void test_inverse_perpetual_samples(void **state)
{
    (void)state;
    run_samples("inverse-perpetual", "inverse", 11);
}

static void test_inverse_futures_samples(void **state)
{
    (void)state;
    run_samples("inverse-futures", "inverse", 5);
}

static void test_linear_samples(void **state)
{
    (void)state;
    run_samples("linear", "linear", 12);
}

/* Published samples that are no JSON (comments, missing commas, False): refused with a place, never
 * decoded. */
static void test_nonstrict_samples(void **state)
{
    (void)state;
    static const char *const folders[] = {"inverse-perpetual", "inverse-futures", "linear"};
    /* Before anything is open: a skipped test cleans nothing up. */
    (void)capture_path_or_skip("frames");
    decoders d = decoders_open();
    size_t refused = 0;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char prefix[128];
        char name[512];
        size_t count = 0;
        snprintf(prefix, sizeof prefix, "frames/%s/nonstrict", folders[i]);
        char **names = capture_list(capture_path_or_skip(prefix), ".txt", &count);
        const family *of = family_find(td_bytes_str(i == 2 ? "linear" : "inverse"));
        for (size_t j = 0; j < count; j++) {
            snprintf(name, sizeof name, "%s/%s", prefix, names[j]);
            size_t size = 0;
            uint8_t *bytes = capture_read_file(capture_path(name), &size);
            classification what;
            decoder_classify(d.hot, of, td_bytes_of(bytes, size), DIR_IN, TOPIC_NOW, &what);
            message m;
            decode_error why = {.reason = DECODE_NOT_JSON};
            if (what.topic.row != NULL &&
                decoder_decode(d.hot, &what.topic, td_bytes_of(bytes, size), DECODE_PATH_HOT, &m,
                               &why))
                fail_msg("%s was decoded", name);
            assert_int_equal(why.reason, DECODE_NOT_JSON);
            assert_true(why.offset <= size);
            refused++;
            td_free(bytes);
            td_free(names[j]);
        }
        td_free(names);
    }
    decoders_close(&d);
    assert_true(refused >= 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inverse_capture),
        cmocka_unit_test(test_linear_capture),
        cmocka_unit_test(test_inverse_perpetual_samples),
        cmocka_unit_test(test_inverse_futures_samples),
        cmocka_unit_test(test_linear_samples),
        cmocka_unit_test(test_nonstrict_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
