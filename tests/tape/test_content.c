/* Decoded contents on a tape: equal for every number of threads, each frame decoded once, and still
 * valid when the reader has moved on to other frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/random.h"
#include "schema/message_json.h"
#include "tape/block.h"
#include "tape/content.h"
#include "tests/testing/row_frames.h"
#include "tests/testing/tape_fixture.h"

static void append_content(const frame_ref *frame, td_buf *out)
{
    const frame_content *content = &frame->content;
    json_writer w;
    json_write_begin(&w, out);
    json_write_object_begin(&w);
    if (content->message != NULL)
        message_json_members(&w, content->message);
    else if (content->why.reason != DECODE_OK)
        message_json_raw(&w, &frame->channel->topic, td_bytes_str(""), &content->why);
    if (content->what != NULL) {
        json_write_member_text(&w, "class", frame_class_name(content->what->frame_class));
        json_write_member_bytes(&w, "named", content->what->exchange_topic);
    }
    json_write_object_end(&w);
    assert_int_equal(json_write_end(&w, NULL), TD_OK);
}

/* ---- kept contents ---- */

/* Frames of every row, written so that some texts are in the decoder's memory. */
static void keep_row(const family *of, const topic_row *row, content_reader *reader,
                     content_reader *other, td_arena *arena, td_random *random)
{
    row_frame *frame = row_frame_make(row, random);
    frame_channel channel = {.family = of,
                             .info = {.family = of->name, .dir = CHANNEL_IN, .exchange_topic = ""}};
    td_buf bytes, before, after;
    td_buf_init(&bytes, LIMIT_FRAME_BYTES);
    td_buf_init(&before, LIMIT_FRAME_BYTES);
    td_buf_init(&after, LIMIT_FRAME_BYTES);
    row_frame_write(frame, ROW_FRAME_ESCAPED | ROW_FRAME_SHUFFLED | ROW_FRAME_EXTENDED, random,
                    &bytes);
    td_bytes text = td_buf_view(&bytes);
    assert_int_equal(td_buf_reserve(&bytes, bytes.size + DECODE_PADDING_BYTES, NULL), TD_OK);
    memset(bytes.data + bytes.size, 0, DECODE_PADDING_BYTES);
    text.data = bytes.data;
    assert_true(topic_match_text(row, 1, td_bytes_str(row_frame_topic(row)), TOPIC_ANY_TIME,
                                 &channel.topic));
    frame_ref kept = {.channel = &channel, .recv_ns = row_frame_moment(row), .bytes = text};
    kept.row = content_row(reader, &channel, kept.recv_ns);
    content_read(reader, &kept);
    assert_true(kept.is_read);
    append_content(&kept, &before);
    content_keep(&kept, arena);
    /* Another frame, which fits no row, reuses the reader's memory. */
    static const char OTHER[256] = "{\"topic\":\"\\u0041\\u0042\\u0043\\u0044\",\"data\":[1,2,3]}";
    frame_ref later = {.channel = &channel,
                       .recv_ns = kept.recv_ns,
                       .row = row,
                       .bytes = td_bytes_of(OTHER, strlen(OTHER))};
    content_read(reader, &later);
    content_read(other, &later);
    append_content(&kept, &after);
    if (!td_bytes_equal(td_buf_view(&before), td_buf_view(&after)))
        fail_msg("%s %s\nread %.*s\nkept %.*s", of->name, row->name, (int)before.size,
                 (const char *)before.data, (int)after.size, (const char *)after.data);
    td_buf_fini(&bytes);
    td_buf_fini(&before);
    td_buf_fini(&after);
    row_frame_free(frame);
}

static void test_kept(void **state)
{
    (void)state;
    static const tape_reads HOW[] = {TAPE_READS_MESSAGES, TAPE_READS_ALL};
    size_t family_count = 0;
    const family *const *families = family_table(&family_count);
    td_random random;
    td_random_init(&random, 3);
    size_t rows = 0;
    for (size_t how = 0; how < sizeof HOW / sizeof HOW[0]; how++) {
        content_reader *reader = content_reader_open(HOW[how]);
        content_reader *other = content_reader_open(HOW[how]);
        td_arena *arena = td_arena_open();
        assert_true(reader != NULL && other != NULL && arena != NULL);
        for (size_t f = 0; f < family_count; f++)
            for (size_t i = 0; i < families[f]->topic_count; i++, rows++)
                keep_row(families[f], &families[f]->topics[i], reader, other, arena, &random);
        td_arena_close(arena);
        content_reader_close(other);
        content_reader_close(reader);
    }
    assert_true(rows > 200);
}

/* ---- on a tape ---- */

enum { TAPE_FRAMES = 600 };

/* The result of reading an archive with a number of threads. */
typedef struct tape_text {
    td_buf text;
    uint64_t frames, contents;
    cursor_stats stats;
} tape_text;

static void put_frames(tape_fixture *f)
{
    static const char *const TEXTS[] = {
        "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1619000000000,\"timestamp\":"
        "\"2021-04-21T10:13:20.000Z\",\"symbol\":\"BTCUSD\",\"side\":\"Sell\",\"size\":1,\"price\":"
        "2.5,\"tick_direction\":\"MinusTick\",\"trade_id\":\"a\\u0062c\",\"cross_seq\":7}]}",
        "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"side\":1}]}",
        "{\"success\":true,\"ret_msg\":\"pong\",\"conn_id\":\"a\",\"request\":{\"op\":\"ping\","
        "\"args\":null}}",
        "{\"op\":\"ping\"}",
        "{\"topic\":\"not.a.topic\",\"data\":[]}",
        "{\"topic\":\"trade.ETHUSD\",\"data\":[{\"trade_time_ms\":1619000000000,\"timestamp\":"
        "\"2021-04-21T10:13:20.000Z\",\"symbol\":\"ETHUSD\",\"side\":\"Sell\",\"size\":1,\"price\":"
        "2.5,\"tick_direction\":\"MinusTick\",\"trade_id\":\"x\",\"cross_seq\":8}]}",
    };
    static const struct {
        channel_dir dir;
        const char *topic, *symbol;
    } PLACES[] = {
        {CHANNEL_IN, "trade", "BTCUSD"},         {CHANNEL_IN, "trade", "BTCUSD"},
        {CHANNEL_IN, CHANNEL_TOPIC_CONTROL, ""}, {CHANNEL_OUT, CHANNEL_TOPIC_CONTROL, ""},
        {CHANNEL_IN, CHANNEL_TOPIC_UNKNOWN, ""}, {CHANNEL_IN, CHANNEL_TOPIC_UNKNOWN, ""},
    };
    uint64_t in = 0, out = 0;
    tape_segment *segment = tape_segment_open(
        f, &(tape_segment_spec){.feed = "inverse", .session = "0000000a", .number = 1});
    tape_segment_connect(segment, 1, 1000);
    for (unsigned n = 0; n < TAPE_FRAMES; n++) {
        unsigned of = n % (sizeof TEXTS / sizeof TEXTS[0]);
        int is_out = PLACES[of].dir == CHANNEL_OUT;
        tape_segment_put(segment, &(tape_put){.dir = PLACES[of].dir,
                                              .topic = PLACES[of].topic,
                                              .symbol = PLACES[of].symbol,
                                              .conn = 1,
                                              .ordinal = is_out ? ++out : ++in,
                                              .recv_ns = 2000 + n * 1000,
                                              .text = TEXTS[of],
                                              .opcode = OPCODE_TEXT});
        if (n % 41 == 40)
            (void)tape_segment_seal(segment);
    }
    tape_segment_finish(segment);
}

/* Blocks are held for a while, as by the player's workers. */
static td_result read_tape(tape_fixture *f, const cursor_options *options, tape_text *out)
{
    enum { HELD = 50 };
    static const selection EVERYTHING = {.has_from = 0};
    const frame_ref *held[HELD];
    size_t held_count = 0;
    cursor *t = NULL;
    td_err err;
    *out = (tape_text){0};
    td_buf_init(&out->text, LIMIT_RECORD_BYTES);
    if (cursor_open(tape_fixture_archive(f), &EVERYTHING, options, &t, &err) != TD_OK)
        fail_msg("%s", err.text);
    int is_kept = options->threads > 1 || options->decoding != NULL;
    td_result rc = TD_OK;
    for (int is_more = 1; is_more;) {
        const frame_ref *frame;
        rc = cursor_next(t, &frame, &err);
        is_more = rc == TD_OK;
        if (is_more) {
            out->frames++;
            out->contents += frame->is_read;
            tape_block_acquire(frame->block);
            held[held_count++] = frame;
        }
        for (size_t i = 0; i < held_count && (held_count == (is_kept ? HELD : 1) || !is_more);
             i++) {
            append_content(held[i], &out->text);
            tape_block_release(held[i]->block);
            held_count -= i + 1 == held_count ? held_count : 0;
        }
    }
    cursor_get_stats(t, &out->stats);
    cursor_close(t);
    return rc;
}

static void test_threads(void **state)
{
    (void)state;
    /* Requests are decoded if everything is wanted; of the frames on unknown channels every third
     * has a row. */
    static const struct {
        tape_reads reads;
        uint64_t contents;
    } CASES[] = {{TAPE_READS_FRAMES, 0},
                 {TAPE_READS_MESSAGES, TAPE_FRAMES / 6 * 5},
                 {TAPE_READS_ALL, TAPE_FRAMES}};
    static const unsigned THREADS[] = {1, 2, 4, 16};
    tape_fixture f;
    tape_fixture_init(&f);
    put_frames(&f);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        tape_text first = {0};
        for (size_t k = 0; k < sizeof THREADS / sizeof THREADS[0]; k++) {
            tape_text seen;
            const cursor_options options = {.threads = THREADS[k], .reads = CASES[i].reads};
            assert_int_equal(read_tape(&f, &options, &seen), TD_EOF);
            assert_int_equal(seen.frames, TAPE_FRAMES);
            assert_int_equal(seen.contents, CASES[i].contents);
            assert_int_equal(seen.stats.contents_read, CASES[i].contents);
            if (k == 0) {
                first = seen;
                continue;
            }
            assert_int_equal(seen.text.size, first.text.size);
            assert_memory_equal(seen.text.data, first.text.data, first.text.size);
            td_buf_fini(&seen.text);
        }
        td_buf_fini(&first.text);
    }
    tape_fixture_fini(&f);
}

/* ---- another decoder ---- */

/* A decoder that wraps the built-in one and records its calls. */
typedef struct fake_reader {
    tape_reads reads;
    decode_reason without_row; /* its answer for frames without a row; DECODE_OK: a message */
    td_result rc;              /* result of each call */
    atomic_uint calls, frames, frames_max;
} fake_reader;

static td_result fake_read(void *ctx, frame_ref *const *frames, size_t count, td_arena *arena,
                           td_err *err)
{
    static const message EMPTY = {.head = {.type = MSG_NOTICE}};
    fake_reader *s = ctx;
    atomic_fetch_add(&s->calls, 1);
    atomic_fetch_add(&s->frames, (unsigned)count);
    if (count > atomic_load(&s->frames_max))
        atomic_store(&s->frames_max, (unsigned)count);
    content_reader *reader = content_reader_open(s->reads);
    assert_non_null(reader);
    for (size_t i = 0; i < count; i++) {
        frame_ref *frame = frames[i];
        assert_true(frame_role_is_of_topic(frame->channel->role));
        if (frame->row == NULL && s->without_row == DECODE_OK) {
            frame->content.message = &EMPTY;
        } else if (frame->row == NULL) {
            frame->content.why.reason = s->without_row;
        } else {
            content_read(reader, frame);
            content_keep(frame, arena);
        }
        frame->content.what = NULL;
    }
    content_reader_close(reader);
    return s->rc == TD_OK ? TD_OK : td_err_set(err, s->rc, "of the decoder");
}

/* A decoder that answers like the built-in one: the tape is the same, and calls it once per chunk.
 */
static void test_own_decoder(void **state)
{
    (void)state;
    static const unsigned THREADS[] = {1, 4};
    tape_fixture f;
    tape_fixture_init(&f);
    put_frames(&f);
    for (tape_reads reads = TAPE_READS_FRAMES; reads <= TAPE_READS_ALL; reads++) {
        tape_text built_in;
        const cursor_options plain = {.threads = 1, .reads = reads};
        assert_int_equal(read_tape(&f, &plain, &built_in), TD_EOF);
        for (size_t k = 0; k < sizeof THREADS / sizeof THREADS[0]; k++) {
            fake_reader of = {.reads = reads, .without_row = DECODE_REFUSED};
            const tape_decoding decoding = {fake_read, &of};
            const cursor_options options = {
                .threads = THREADS[k], .reads = reads, .decoding = &decoding};
            tape_text seen;
            assert_int_equal(read_tape(&f, &options, &seen), TD_EOF);
            assert_int_equal(seen.stats.contents_read, built_in.stats.contents_read);
            assert_int_equal(seen.text.size, built_in.text.size);
            assert_memory_equal(seen.text.data, built_in.text.data, built_in.text.size);
            int asks = reads != TAPE_READS_FRAMES;
            assert_int_equal(of.frames, asks ? TAPE_FRAMES / 6 * 4 : 0);
            assert_int_equal(of.calls, asks ? (TAPE_FRAMES + 40) / 41 : 0);
            assert_int_equal(of.frames_max, asks ? 28 : 0);
            td_buf_fini(&seen.text);
        }
        td_buf_fini(&built_in.text);
    }
    tape_fixture_fini(&f);
}

/* A decoder may know topics without a row, and may give its own reasons. */
static void test_decoding_without_row(void **state)
{
    (void)state;
    static const struct {
        decode_reason answer;
        const char *shown;
    } CASES[] = {{DECODE_OK, "{\"type\":\"notice\",\"kind\":null,"},
                 {DECODE_CRASHED, "\"error\":{\"reason\":\"crashed\","},
                 {DECODE_REFUSED, "\"error\":{\"reason\":\"unknown_topic\","}};
    tape_fixture f;
    tape_fixture_init(&f);
    put_frames(&f);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        fake_reader of = {.reads = TAPE_READS_MESSAGES, .without_row = CASES[i].answer};
        const tape_decoding decoding = {fake_read, &of};
        const cursor_options options = {
            .threads = 2, .reads = TAPE_READS_MESSAGES, .decoding = &decoding};
        tape_text seen;
        assert_int_equal(read_tape(&f, &options, &seen), TD_EOF);
        assert_int_equal(td_buf_append(&seen.text, "", 1, NULL), TD_OK);
        unsigned shown = 0;
        for (const char *at = (const char *)seen.text.data;
             (at = strstr(at, CASES[i].shown)) != NULL; at++)
            shown++;
        assert_int_equal(shown, TAPE_FRAMES / 6);
        td_buf_fini(&seen.text);
    }
    tape_fixture_fini(&f);
}

/* An error of the decoder ends the tape with its result; it does not count as a damaged chunk. */
static void test_decoder_error_ends_the_tape(void **state)
{
    (void)state;
    tape_fixture f;
    tape_fixture_init(&f);
    put_frames(&f);
    for (unsigned threads = 1; threads <= 2; threads++) {
        fake_reader of = {.rc = TD_E_LIMIT, .reads = TAPE_READS_MESSAGES};
        const tape_decoding decoding = {fake_read, &of};
        const cursor_options options = {
            .threads = threads, .reads = TAPE_READS_MESSAGES, .decoding = &decoding};
        tape_text seen;
        assert_int_equal(read_tape(&f, &options, &seen), TD_E_LIMIT);
        assert_int_equal(seen.frames, 0);
        assert_int_equal(seen.stats.damaged_chunks, 0);
        td_buf_fini(&seen.text);
    }
    tape_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_own_decoder),
        cmocka_unit_test(test_decoding_without_row),
        cmocka_unit_test(test_decoder_error_ends_the_tape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
