/* Every row of every family, with frames generated from it: they decode; unknown members, other
 * orders of keys and white space change no decoded value; the fast path and the row-driven decoder
 * agree, and so do classification and decoding. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "schema/decode.h"
#include "schema/family.h"
#include "tests/testing/decode_fixture.h"
#include "tests/testing/long_test.h"
#include "tests/testing/row_frames.h"
#include "tests/testing/message_compare.h"
#include "tests/testing/message_round.h"

enum { FRAMES_OF_A_ROW = 40, TEXT_MAX = 1 << 20 };

typedef struct fixture {
    decoder_pair decoders;
    message_round *round;
    td_buf text;
    td_random random;
    unsigned hot; /* number of frames that the fast path read completely */
} fixture;

static int fixture_open(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->decoders = decoder_pair_open();
    f->round = message_round_open();
    td_buf_init(&f->text, TEXT_MAX);
    td_random_init(&f->random, 3);
    *state = f;
    return 0;
}

static int fixture_close(void **state)
{
    fixture *f = *state;
    decoder_pair_close(&f->decoders);
    message_round_close(f->round);
    td_buf_fini(&f->text);
    free(f);
    return 0;
}

/* Writes the text of a frame, with padding. */
static td_bytes write_frame(fixture *f, const row_frame *frame, unsigned how)
{
    static const char PADDING[DECODE_PADDING_BYTES];
    td_buf_clear(&f->text);
    row_frame_write(frame, how, &f->random, &f->text);
    size_t size = f->text.size;
    assert_int_equal(td_buf_append(&f->text, PADDING, sizeof PADDING, NULL), TD_OK);
    return td_bytes_of(td_buf_view(&f->text).data, size);
}

/* Checks the time found by classification against the decoded time. It may be missing if keys have
 * escapes, may come from another spelling of the time, or from either of two duplicates
 * (schema/classify.h). */
static int is_same_time(const topic_row *row, uint64_t found_ns, uint64_t decoded_ns, unsigned how)
{
    int spellings = 0;
    for (size_t i = 0; i < row->field_count; i++)
        spellings += row->fields[i].member == row->time_member;
    return found_ns == decoded_ns || (how & ROW_FRAME_DOUBLED) != 0 ||
           ((found_ns == 0 || spellings > 2) && (how & ROW_FRAME_ESCAPED) != 0);
}

/* Classifies and decodes a text on all paths; returns its digest. */
static uint64_t digest_of(fixture *f, const family *of, const topic_row *row, td_bytes text,
                          unsigned how)
{
    classification what;
    classify_as_named(f->decoders.rows, of, text, row_frame_moment(row), row_frame_topic(row),
                      &what);
    if (what.frame_class != CLASS_DATA || what.topic.row != row)
        fail_msg("%s %s: classified as %s of %s: %.*s", of->name, row->name,
                 frame_class_name(what.frame_class),
                 what.topic.row == NULL ? "no row" : what.topic.row->name, (int)text.size,
                 (const char *)text.data);
    message hot;
    message rows;
    decode_error why;
    uint64_t slow = decoder_slow_count(f->decoders.fast);
    if (!decoder_pair_decode(&f->decoders, &what.topic, text, &hot, &rows, &why))
        fail_msg("%s %s: %s at %zu, %s: %.*s", of->name, row->name, decode_reason_name(why.reason),
                 why.offset, why.field == NULL ? "-" : why.field, (int)text.size,
                 (const char *)text.data);
    f->hot += decoder_slow_count(f->decoders.fast) == slow;
    uint64_t digest = message_hash64(&rows);
    message_round_check(f->round, &what.topic, &rows);
    if (rows.head.foreign_symbols != 0 ||
        !is_same_time(row, what.exchange_ns, rows.head.exchange_ns, how))
        fail_msg("%s %s: %u foreign symbols; times %" PRIu64 ", %" PRIu64 ": %.*s", of->name,
                 row->name, rows.head.foreign_symbols, what.exchange_ns, rows.head.exchange_ns,
                 (int)text.size, (const char *)text.data);
    return digest;
}

/* Spellings of one frame. White space and escapes are left to the row-driven decoder; the others
 * are read on the fast path, for books and trades, as far as possible. */
static const struct {
    const char *name;
    unsigned how;
} SPELLINGS[] = {
    {"shuffled", ROW_FRAME_SHUFFLED}, {"spaced", ROW_FRAME_SPACED},
    {"extended", ROW_FRAME_EXTENDED}, {"doubled", ROW_FRAME_DOUBLED},
    {"nulled", ROW_FRAME_NULLED},     {"escaped", ROW_FRAME_ESCAPED},
    {"quoted", ROW_FRAME_QUOTED},     {"all but doubled", ROW_FRAME_ANY},
};
enum { SPELLING_COUNT = sizeof SPELLINGS / sizeof SPELLINGS[0] };

static void check_row(fixture *f, const family *of, const topic_row *row,
                      unsigned hot[SPELLING_COUNT])
{
    int is_struct = row->type == MSG_BOOK_CHANGE || row->type == MSG_TRADE;
    const int frames = long_tests_are_on() ? FRAMES_OF_A_ROW : FRAMES_OF_A_ROW / 10;
    for (int i = 0; i < frames; i++) {
        row_frame *frame = row_frame_make(row, &f->random);
        uint64_t digest = digest_of(f, of, row, write_frame(f, frame, 0), 0);
        for (size_t k = 0; k < SPELLING_COUNT; k++) {
            td_bytes text = write_frame(f, frame, SPELLINGS[k].how);
            f->hot = 0;
            if (digest_of(f, of, row, text, SPELLINGS[k].how) != digest)
                fail_msg("%s %s, %s: a value changed: %.*s", of->name, row->name, SPELLINGS[k].name,
                         (int)text.size, (const char *)text.data);
            /* by chance, a frame with few texts has no escape */
            const int is_plain = (SPELLINGS[k].how & ROW_FRAME_ESCAPED) != 0 &&
                                 memchr(text.data, '\\', text.size) == NULL;
            hot[k] += is_struct && !is_plain ? f->hot : 0;
        }
        row_frame_free(frame);
    }
}

static void test_spellings(void **state)
{
    fixture *f = *state;
    size_t count = 0;
    size_t rows = 0;
    unsigned hot[SPELLING_COUNT] = {0};
    const family *const *families = family_table(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < families[i]->topic_count; k++, rows++)
            check_row(f, families[i], &families[i]->topics[k], hot);
    }
    print_message("  %zu rows\n", rows);
    assert_true(rows > 0);
    for (size_t k = 0; k < SPELLING_COUNT; k++)
        print_message("  %s: %u books and trades on the fast path\n", SPELLINGS[k].name, hot[k]);
    for (size_t k = 0; k < SPELLING_COUNT; k++)
        assert_true((hot[k] > 0) ==
                    ((SPELLINGS[k].how & (ROW_FRAME_SPACED | ROW_FRAME_ESCAPED)) == 0));
}

/* Entries whose symbol only they name, those with two fields for one member, and those that have
 * values of the envelope inside, which are in lists here, are read by rows only. */
static const char *const BY_ROW[] = {
    "inverse instrument_info.100ms",
    "inverse kline",
    "linear instrument_info.100ms",
    "copytrade instrument_info.100ms",
    "usdc-perp instrument_info.100ms",
    "usdc-option instrument_info.all",
    "usdc-option instrument_info",
    "contract-v3 tickers",
    "unified-v3 tickers",
    "binance-spot !ticker@arr",
    "binance-spot !miniTicker@arr",
    "binance-usdm !bookTicker",
    "binance-usdm !markPrice@arr@1s",
    "binance-usdm !markPrice@arr",
    "binance-usdm !ticker@arr",
    "binance-usdm !miniTicker@arr",
    "deribit trades.kind.raw",
    "deribit trades.kind.100ms",
    "deribit trades.kind.agg2",
    "deribit ticker.raw",
    "deribit ticker.100ms",
    "deribit ticker.agg2",
    "deribit incremental_ticker",
};

static int is_by_row(const family *of, const topic_row *row)
{
    char name[128];
    snprintf(name, sizeof name, "%s %s", of->name, row->name);
    for (size_t i = 0; i < sizeof BY_ROW / sizeof BY_ROW[0]; i++)
        if (strcmp(BY_ROW[i], name) == 0)
            return 1;
    return 0;
}

/* 1 if the fast path should read a row: the most frequent types, without JSON, which is an object
 * in these frames. */
static int should_be_hot(const topic_row *row)
{
    for (size_t i = 0; i < row->field_count; i++)
        if (row->fields[i].type == FIELD_JSON)
            return 0;
    return row->type == MSG_BOOK_CHANGE || row->type == MSG_TRADE || row->type == MSG_TICKER ||
           row->type == MSG_KLINE;
}

/* For frames in the exchange's own spelling, the fast path reads some frames of every other
 * topic completely. */
static void test_hot_rows(void **state)
{
    fixture *f = *state;
    size_t count = 0;
    size_t wrong = 0;
    const family *const *families = family_table(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < families[i]->topic_count; k++) {
            const topic_row *row = &families[i]->topics[k];
            if (!should_be_hot(row))
                continue;
            f->hot = 0;
            for (int n = 0; n < FRAMES_OF_A_ROW; n++) {
                row_frame *frame = row_frame_make(row, &f->random);
                (void)digest_of(f, families[i], row, write_frame(f, frame, 0), 0);
                row_frame_free(frame);
            }
            if ((f->hot == 0) != is_by_row(families[i], row)) {
                print_error("%s %s: %u of %d frames not by the row\n", families[i]->name, row->name,
                            f->hot, FRAMES_OF_A_ROW);
                wrong++;
            }
        }
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_spellings, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_hot_rows, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
