/* Invalid input for every row of every family: frames generated from the row, with one fault each.
 * They must have the same reason on both paths, or decode if the fault is in a skipped member; and
 * the next frame must decode normally. Expected: docs/wire.md 5 and schema/decode.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "schema/decode.h"
#include "schema/family.h"
#include "tests/testing/decode_bench.h"
#include "tests/testing/row_frames.h"

enum {
    MONSTER = 100000, /* digits, or levels */
    TRIES = 60,       /* frames generated until one has the value to spoil */
    TEXT_MAX = 2 * LIMIT_FRAME_BYTES,
};

typedef struct bench {
    decoder_pair decoders;
    td_buf text;
    td_random random;
    const family *of;
    const topic_row *row;
    unsigned refused[DECODE_REASON_COUNT];
} bench;

static int bench_open(void **state)
{
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->decoders = decoder_pair_open();
    td_buf_init(&b->text, TEXT_MAX);
    td_random_init(&b->random, 7);
    *state = b;
    return 0;
}

static int bench_close(void **state)
{
    bench *b = *state;
    decoder_pair_close(&b->decoders);
    td_buf_fini(&b->text);
    free(b);
    return 0;
}

/* ---- one frame ---- */

/* The bench's text, with padding. */
static td_bytes padded(bench *b)
{
    static const char PADDING[DECODE_PADDING_BYTES];
    size_t size = b->text.size;
    assert_int_equal(td_buf_append(&b->text, PADDING, sizeof PADDING, NULL), TD_OK);
    return td_bytes_of(td_buf_view(&b->text).data, size);
}

static td_bytes write_frame(bench *b, const row_frame *frame)
{
    td_buf_clear(&b->text);
    row_frame_write(frame, 0, &b->random, &b->text);
    return padded(b);
}

static topic_match match_of(const bench *b)
{
    topic_match match;
    assert_true(topic_match_text(b->of->topics, b->of->topic_count,
                                 td_bytes_str(row_frame_topic(b->row)), row_frame_moment(b->row),
                                 &match));
    assert_ptr_equal(match.row, b->row);
    return match;
}

/* Decodes on all paths; returns the reason and the key. Any frame can be classified. */
static decode_error refuse(bench *b, td_bytes text)
{
    message m;
    decode_error why = {.reason = DECODE_OK};
    classification what;
    const topic_match match = match_of(b);
    (void)decoder_pair_decode(&b->decoders, &match, text, &m, NULL, &why);
    decoder_classify(b->decoders.rows, b->of, text, CHANNEL_IN, row_frame_moment(b->row), &what);
    b->refused[why.reason]++;
    return why;
}

static void expect(bench *b, td_bytes text, const char *what, decode_reason reason, const char *key)
{
    decode_error found = refuse(b, text);
    if (found.reason == reason &&
        (key == NULL || found.field == NULL || strcmp(found.field, key) == 0))
        return;
    fail_msg("%s %s, %s: %s of %s, expected %s of %s: %.*s", b->of->name, b->row->name, what,
             decode_reason_name(found.reason), found.field == NULL ? "-" : found.field,
             decode_reason_name(reason), key == NULL ? "-" : key,
             text.size > 3000 ? 3000 : (int)text.size, (const char *)text.data);
}

/* ---- spoiled values ---- */

typedef struct spoiled {
    const char *name;
    row_frame_spoil what;
    const char *text; /* NULL: removed */
    decode_reason reason;
} spoiled;

/* Texts that are too long for literals. */
static char many_digits[MONSTER + 4], quoted_digits[MONSTER + 4], deep[MONSTER + 4];
static char fits[2 * (LIMIT_JSON_DEPTH - 4) + 1];

static const spoiled SPOILED[] = {
    {"a lone surrogate", SPOIL_UNKNOWN, "\"\\ud800\"", DECODE_NOT_JSON},
    {"half a pair", SPOIL_UNKNOWN, "\"\\ud83d\\u0041\"", DECODE_NOT_JSON},
    {"a second half", SPOIL_UNKNOWN, "\"\\udc00\"", DECODE_NOT_JSON},
    {"a pair", SPOIL_UNKNOWN, "\"\\ud83d\\ude00\"", DECODE_OK},
    {"a byte that is none", SPOIL_UNKNOWN, "\"\xff\"", DECODE_NOT_UTF8},
    {"an overlong one", SPOIL_UNKNOWN, "\"\xc0\xaf\"", DECODE_NOT_UTF8},
    {"a surrogate in UTF-8", SPOIL_UNKNOWN, "\"\xed\xa0\x80\"", DECODE_NOT_UTF8},
    {"a control character", SPOIL_UNKNOWN, "\"\x01\"", DECODE_NOT_JSON},
    {"half a word", SPOIL_UNKNOWN, "tru", DECODE_NOT_JSON},
    {"Python's False", SPOIL_UNKNOWN, "False", DECODE_NOT_JSON},
    {"no number", SPOIL_UNKNOWN, "NaN", DECODE_NOT_JSON},
    {"a leading zero", SPOIL_UNKNOWN, "01", DECODE_NOT_JSON},
    {"a comment", SPOIL_UNKNOWN, "1 // one", DECODE_NOT_JSON},
    {"100,000 digits in a skipped value", SPOIL_UNKNOWN, many_digits, DECODE_OK},
    {"some levels", SPOIL_UNKNOWN, fits, DECODE_OK},
    {"100,000 levels", SPOIL_UNKNOWN, deep, DECODE_LIMIT},
    {"100,000 digits", SPOIL_DECIMAL, many_digits, DECODE_BAD_NUMBER},
    {"100,000 digits in a string", SPOIL_DECIMAL, quoted_digits, DECODE_BAD_NUMBER},
    {"a large exponent", SPOIL_DECIMAL, "1e999999999999", DECODE_BAD_NUMBER},
    {"a text", SPOIL_DECIMAL, "\"1.2.3\"", DECODE_BAD_NUMBER},
    {"a list", SPOIL_DECIMAL, "[1]", DECODE_WRONG_TYPE},
    {"a truth", SPOIL_DECIMAL, "true", DECODE_WRONG_TYPE},
    {"2^63", SPOIL_INTEGER, "9223372036854775808", DECODE_BAD_NUMBER},
    {"a fraction", SPOIL_INTEGER, "\"1.5\"", DECODE_BAD_NUMBER},
    {"an object", SPOIL_INTEGER, "{}", DECODE_WRONG_TYPE},
    {"soon", SPOIL_TIME, "\"soon\"", DECODE_BAD_TIME},
    {"a list of times", SPOIL_TIME, "[1]", DECODE_WRONG_TYPE},
    {"nothing there", SPOIL_REQUIRED, NULL, DECODE_MISSING_FIELD},
    {"null", SPOIL_REQUIRED, "null", DECODE_MISSING_FIELD},
};

static void fill_texts(void)
{
    memset(many_digits, '7', MONSTER);
    memset(quoted_digits, '7', MONSTER);
    quoted_digits[0] = '"';
    quoted_digits[MONSTER - 1] = '"';
    memset(deep, '[', MONSTER);
    memset(fits, '[', sizeof fits / 2);
    memset(fits + sizeof fits / 2, ']', sizeof fits / 2);
}

/* The expected reason for a spoiled value of that key: a time next to an entry, which orders
 * nothing, is skipped. */
static decode_reason reason_of(const bench *b, const spoiled *how, const char *key)
{
    if (how->reason != DECODE_BAD_TIME)
        return how->reason;
    for (size_t i = 0; i < b->row->field_count; i++) {
        const field_row *field = &b->row->fields[i];
        if (strcmp(field->key, key) == 0 && field->type == FIELD_TIME &&
            field->member != b->row->time_member && !(field->flags & FIELD_REQUIRED))
            return DECODE_OK;
    }
    return how->reason;
}

/* Spoils one frame of a row. 1 if the row has such a value. */
static int spoil(bench *b, const spoiled *how)
{
    for (int i = 0; i < TRIES; i++) {
        row_frame *frame = row_frame_make(b->row, &b->random);
        const char *key = row_frame_set(frame, how->what, how->text);
        if (key != NULL)
            expect(b, write_frame(b, frame), how->name, reason_of(b, how, key),
                   how->what == SPOIL_UNKNOWN ? NULL : key);
        row_frame_free(frame);
        if (key != NULL)
            return 1;
    }
    return 0;
}

static void sound_one(bench *b)
{
    row_frame *frame = row_frame_make(b->row, &b->random);
    expect(b, write_frame(b, frame), "a sound one after it", DECODE_OK, NULL);
    row_frame_free(frame);
}

/* ---- spoiled texts ---- */

static void spoil_text(bench *b)
{
    row_frame *frame = row_frame_make(b->row, &b->random);
    td_bytes text = write_frame(b, frame);
    size_t size = text.size;
    expect(b, td_bytes_of(text.data, size / 2), "half", DECODE_NOT_JSON, NULL);
    expect(b, td_bytes_of(text.data, size - 1), "all but the last", DECODE_NOT_JSON, NULL);
    expect(b, td_bytes_of(text.data, 0), "nothing", DECODE_NOT_JSON, NULL);
    b->text.size = size;
    assert_int_equal(td_buf_append(&b->text, "}", 1, NULL), TD_OK);
    expect(b, padded(b), "one bracket more", DECODE_NOT_JSON, NULL);
    row_frame_free(frame);
}

static void for_each_row(bench *b, void (*fn)(bench *b))
{
    size_t count = 0;
    const family *const *families = family_table(&count);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < families[i]->topic_count; k++) {
            b->of = families[i];
            b->row = &families[i]->topics[k];
            fn(b);
        }
    }
}

/* The number of rows that each kind of fault was tried on. */
static unsigned tried[sizeof SPOILED / sizeof SPOILED[0]];

static void check_row(bench *b)
{
    for (size_t i = 0; i < sizeof SPOILED / sizeof SPOILED[0]; i++)
        tried[i] += (unsigned)spoil(b, &SPOILED[i]);
    spoil_text(b);
    sound_one(b);
}

static void test_spoiled(void **state)
{
    bench *b = *state;
    fill_texts();
    for_each_row(b, check_row);
    for (size_t i = 0; i < sizeof SPOILED / sizeof SPOILED[0]; i++) {
        print_message("  %s: %u rows\n", SPOILED[i].name, tried[i]);
        assert_true(tried[i] > 0);
    }
    for (size_t i = 1; i < DECODE_REASON_COUNT; i++)
        print_message("  %s: %u frames\n", decode_reason_name((decode_reason)i), b->refused[i]);
}

/* ---- the wrong family ---- */

/* On every other family's connection, the frame has one of its topics, or an unknown topic. */
static void check_elsewhere(bench *b)
{
    size_t count = 0;
    const family *const *families = family_table(&count);
    row_frame *frame = row_frame_make(b->row, &b->random);
    td_bytes text = write_frame(b, frame);
    for (size_t i = 0; i < count; i++) {
        classification what;
        message m;
        decode_error why = {.reason = DECODE_OK};
        decoder_classify(b->decoders.rows, families[i], text, CHANNEL_IN, row_frame_moment(b->row),
                         &what);
        int is_known = what.frame_class == CLASS_DATA && what.topic.row != NULL;
        int is_decoded =
            decoder_decode(b->decoders.rows, &what.topic, text, DECODE_PATH_ROWS, &m, &why);
        if (is_decoded || is_known || families[i] == b->of)
            continue;
        if (why.reason != DECODE_UNKNOWN_TOPIC && why.reason != DECODE_NO_TOPIC)
            fail_msg("%s %s on %s: %s: %.*s", b->of->name, b->row->name, families[i]->name,
                     decode_reason_name(why.reason), (int)text.size, (const char *)text.data);
        b->refused[why.reason]++;
    }
    row_frame_free(frame);
}

static void test_elsewhere(void **state)
{
    bench *b = *state;
    for_each_row(b, check_elsewhere);
    assert_true(b->refused[DECODE_UNKNOWN_TOPIC] > 100);
}

/* A frame over the limit is refused before it is parsed; one frame per family. */
static void test_too_large(void **state)
{
    bench *b = *state;
    size_t count = 0;
    const family *const *families = family_table(&count);
    for (size_t i = 0; i < count; i++) {
        b->of = families[i];
        b->row = &families[i]->topics[0];
        row_frame *frame = row_frame_make(b->row, &b->random);
        size_t size = write_frame(b, frame).size;
        char *spaces = malloc(LIMIT_FRAME_BYTES);
        assert_non_null(spaces);
        memset(spaces, ' ', LIMIT_FRAME_BYTES);
        b->text.size = size;
        assert_int_equal(td_buf_append(&b->text, spaces, LIMIT_FRAME_BYTES - size, NULL), TD_OK);
        expect(b, padded(b), "as large as can be", DECODE_OK, NULL);
        b->text.size = LIMIT_FRAME_BYTES;
        assert_int_equal(td_buf_append(&b->text, " ", 1, NULL), TD_OK);
        expect(b, padded(b), "too large", DECODE_LIMIT, NULL);
        free(spaces);
        row_frame_free(frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_spoiled, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(test_elsewhere, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(test_too_large, bench_open, bench_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
