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
#include "tests/testing/decode_fixture.h"
#include "tests/testing/row_frames.h"

enum {
    HUGE_COUNT = 100000, /* digits, or levels */
    TRIES = 60,          /* frames generated until one has the value to spoil */
    TEXT_MAX = 2 * LIMIT_FRAME_BYTES,
};

typedef struct fixture {
    decoder_pair decoders;
    td_buf text;
    td_random random;
    const family *of;
    const topic_row *row;
    unsigned refused[DECODE_REASON_COUNT];
} fixture;

static int fixture_open(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->decoders = decoder_pair_open();
    td_buf_init(&f->text, TEXT_MAX);
    td_random_init(&f->random, 7);
    *state = f;
    return 0;
}

static int fixture_close(void **state)
{
    fixture *f = *state;
    decoder_pair_close(&f->decoders);
    td_buf_fini(&f->text);
    free(f);
    return 0;
}

/* ---- one frame ---- */

/* The fixture's text, with padding. */
static td_bytes padded(fixture *f)
{
    static const char PADDING[DECODE_PADDING_BYTES];
    size_t size = f->text.size;
    assert_int_equal(td_buf_append(&f->text, PADDING, sizeof PADDING, NULL), TD_OK);
    return td_bytes_of(td_buf_view(&f->text).data, size);
}

static td_bytes write_frame(fixture *f, const row_frame *frame)
{
    td_buf_clear(&f->text);
    row_frame_write(frame, 0, &f->random, &f->text);
    return padded(f);
}

static topic_match match_of(const fixture *f)
{
    topic_match match;
    assert_true(topic_match_text(f->of->topics, f->of->topic_count,
                                 td_bytes_str(row_frame_topic(f->row)), row_frame_moment(f->row),
                                 &match));
    assert_ptr_equal(match.row, f->row);
    return match;
}

/* Decodes on all paths; returns the reason and the key. Any frame can be classified. */
static decode_error refuse(fixture *f, td_bytes text)
{
    message m;
    decode_error why = {.reason = DECODE_OK};
    classification what;
    const topic_match match = match_of(f);
    (void)decoder_pair_decode(&f->decoders, &match, text, &m, NULL, &why);
    decoder_classify(f->decoders.rows, f->of, text, CHANNEL_IN, row_frame_moment(f->row), &what);
    f->refused[why.reason]++;
    return why;
}

static void expect(fixture *f, td_bytes text, const char *what, decode_reason reason,
                   const char *key)
{
    decode_error found = refuse(f, text);
    if (found.reason == reason &&
        (key == NULL || found.field == NULL || strcmp(found.field, key) == 0))
        return;
    fail_msg("%s %s, %s: %s of %s, expected %s of %s: %.*s", f->of->name, f->row->name, what,
             decode_reason_name(found.reason), found.field == NULL ? "-" : found.field,
             decode_reason_name(reason), key == NULL ? "-" : key,
             text.size > 3000 ? 3000 : (int)text.size, (const char *)text.data);
}

/* ---- bad values ---- */

typedef struct bad_value {
    const char *name;
    row_frame_spoil what;
    const char *text; /* NULL: removed */
    decode_reason reason;
} bad_value;

/* Texts that are too long for literals. */
static char many_digits[HUGE_COUNT + 4], quoted_digits[HUGE_COUNT + 4], deep[HUGE_COUNT + 4];
static char fits[2 * (LIMIT_JSON_DEPTH - 4) + 1];

static const bad_value BAD_VALUES[] = {
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
    memset(many_digits, '7', HUGE_COUNT);
    memset(quoted_digits, '7', HUGE_COUNT);
    quoted_digits[0] = '"';
    quoted_digits[HUGE_COUNT - 1] = '"';
    memset(deep, '[', HUGE_COUNT);
    memset(fits, '[', sizeof fits / 2);
    memset(fits + sizeof fits / 2, ']', sizeof fits / 2);
}

/* The expected reason for a bad value of that key: a time next to an entry, which orders
 * nothing, is skipped. */
static decode_reason reason_of(const fixture *f, const bad_value *how, const char *key)
{
    if (how->reason != DECODE_BAD_TIME)
        return how->reason;
    for (size_t i = 0; i < f->row->field_count; i++) {
        const field_row *field = &f->row->fields[i];
        if (strcmp(field->key, key) == 0 && field->type == FIELD_TIME &&
            field->member != f->row->time_member && !(field->flags & FIELD_REQUIRED))
            return DECODE_OK;
    }
    return how->reason;
}

/* 1 if the key of an entry is the end of the path of the topic's symbol: without it the frame is of
 * no topic, whatever else is wrong. */
static int is_symbol(const topic_row *row, const char *key)
{
    const char *end = row->symbol_path == NULL ? NULL : strrchr(row->symbol_path, '.');
    return end != NULL && strcmp(end + 1, key) == 0;
}

/* Spoils one frame of a row. 1 if the row has such a value. */
static int spoil(fixture *f, const bad_value *how)
{
    for (int i = 0; i < TRIES; i++) {
        row_frame *frame = row_frame_make(f->row, &f->random);
        const char *key = row_frame_set(frame, how->what, how->text);
        if (key != NULL && is_symbol(f->row, key))
            assert_int_not_equal(refuse(f, write_frame(f, frame)).reason, DECODE_OK);
        else if (key != NULL)
            expect(f, write_frame(f, frame), how->name, reason_of(f, how, key),
                   how->what == SPOIL_UNKNOWN ? NULL : key);
        row_frame_free(frame);
        if (key != NULL)
            return 1;
    }
    return 0;
}

static void sound_one(fixture *f)
{
    row_frame *frame = row_frame_make(f->row, &f->random);
    expect(f, write_frame(f, frame), "a sound one after it", DECODE_OK, NULL);
    row_frame_free(frame);
}

/* ---- bad texts ---- */

static void spoil_text(fixture *f)
{
    row_frame *frame = row_frame_make(f->row, &f->random);
    td_bytes text = write_frame(f, frame);
    size_t size = text.size;
    expect(f, td_bytes_of(text.data, size / 2), "half", DECODE_NOT_JSON, NULL);
    expect(f, td_bytes_of(text.data, size - 1), "all but the last", DECODE_NOT_JSON, NULL);
    expect(f, td_bytes_of(text.data, 0), "nothing", DECODE_NOT_JSON, NULL);
    f->text.size = size;
    assert_int_equal(td_buf_append(&f->text, "}", 1, NULL), TD_OK);
    expect(f, padded(f), "one bracket more", DECODE_NOT_JSON, NULL);
    row_frame_free(frame);
}

static void for_each_row(fixture *f, void (*fn)(fixture *f))
{
    size_t count = 0;
    const family *const *families = family_table(&count);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < families[i]->topic_count; k++) {
            f->of = families[i];
            f->row = &families[i]->topics[k];
            fn(f);
        }
    }
}

/* The number of rows that each kind of fault was tried on. */
static unsigned tried[sizeof BAD_VALUES / sizeof BAD_VALUES[0]];

static void check_row(fixture *f)
{
    for (size_t i = 0; i < sizeof BAD_VALUES / sizeof BAD_VALUES[0]; i++)
        tried[i] += (unsigned)spoil(f, &BAD_VALUES[i]);
    spoil_text(f);
    sound_one(f);
}

static void test_bad_values_are_refused(void **state)
{
    fixture *f = *state;
    fill_texts();
    for_each_row(f, check_row);
    for (size_t i = 0; i < sizeof BAD_VALUES / sizeof BAD_VALUES[0]; i++) {
        print_message("  %s: %u rows\n", BAD_VALUES[i].name, tried[i]);
        assert_true(tried[i] > 0);
    }
    for (size_t i = 1; i < DECODE_REASON_COUNT; i++)
        print_message("  %s: %u frames\n", decode_reason_name((decode_reason)i), f->refused[i]);
}

/* ---- the wrong family ---- */

/* On every other family's connection, the frame has one of its topics, or an unknown topic. */
static void check_elsewhere(fixture *f)
{
    size_t count = 0;
    const family *const *families = family_table(&count);
    row_frame *frame = row_frame_make(f->row, &f->random);
    td_bytes text = write_frame(f, frame);
    for (size_t i = 0; i < count; i++) {
        classification what;
        message m;
        decode_error why = {.reason = DECODE_OK};
        decoder_classify(f->decoders.rows, families[i], text, CHANNEL_IN, row_frame_moment(f->row),
                         &what);
        int is_known = what.frame_class == CLASS_DATA && what.topic.row != NULL;
        int is_decoded =
            decoder_decode(f->decoders.rows, &what.topic, text, DECODE_PATH_ROWS, &m, &why);
        if (is_decoded || is_known || families[i] == f->of)
            continue;
        if (why.reason != DECODE_UNKNOWN_TOPIC && why.reason != DECODE_NO_TOPIC)
            fail_msg("%s %s on %s: %s: %.*s", f->of->name, f->row->name, families[i]->name,
                     decode_reason_name(why.reason), (int)text.size, (const char *)text.data);
        f->refused[why.reason]++;
    }
    row_frame_free(frame);
}

static void test_misplaced_is_refused(void **state)
{
    fixture *f = *state;
    for_each_row(f, check_elsewhere);
    assert_true(f->refused[DECODE_UNKNOWN_TOPIC] > 100);
}

/* A frame over the limit is refused before it is parsed; one frame per family. */
static void test_large_frames_are_refused(void **state)
{
    fixture *f = *state;
    size_t count = 0;
    const family *const *families = family_table(&count);
    for (size_t i = 0; i < count; i++) {
        f->of = families[i];
        f->row = &families[i]->topics[0];
        row_frame *frame = row_frame_make(f->row, &f->random);
        size_t size = write_frame(f, frame).size;
        char *spaces = malloc(LIMIT_FRAME_BYTES);
        assert_non_null(spaces);
        memset(spaces, ' ', LIMIT_FRAME_BYTES);
        f->text.size = size;
        assert_int_equal(td_buf_append(&f->text, spaces, LIMIT_FRAME_BYTES - size, NULL), TD_OK);
        expect(f, padded(f), "as large as can be", DECODE_OK, NULL);
        f->text.size = LIMIT_FRAME_BYTES;
        assert_int_equal(td_buf_append(&f->text, " ", 1, NULL), TD_OK);
        expect(f, padded(f), "too large", DECODE_LIMIT, NULL);
        free(spaces);
        row_frame_free(frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_values_are_refused, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_misplaced_is_refused, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_large_frames_are_refused, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
