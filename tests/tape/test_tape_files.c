/* The tape on files that are not finished segments of ours: one that grows, files of other
 * programs, a single file, things that are no MCAP. Foreign files are built record by record after
 * the MCAP specification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io_posix.h"
#include "format/mcap_encode.h"
#include "tape/cursor.h"
#include "tests/testing/files.h"
#include "tests/testing/segment_fixture.h"
#include "tests/testing/mcap_records.h"
#include "tests/testing/tape_fixture.h"

/* Frames [from, to) come next, then there is nothing more for now. */
static void expect_frames(cursor *t, unsigned from, unsigned to)
{
    const frame_ref *frame;
    for (unsigned n = from; n < to; n++) {
        td_err err;
        td_result rc = cursor_next(t, &frame, &err);
        if (rc != TD_OK || tape_frame_number(frame) != n)
            fail_msg("frame %u: result %d", n, rc);
    }
    assert_int_equal(cursor_next(t, &frame, NULL), TD_EOF);
}

static void put_number(tape_segment *segment, unsigned n)
{
    char text[32];
    snprintf(text, sizeof text, "%u", n);
    tape_segment_put(segment, &(tape_put){.topic = "trade",
                                          .symbol = n % 2 == 0 ? "BTCUSD" : "EOSUSD",
                                          .conn = 1,
                                          .ordinal = n + 1,
                                          .recv_ns = 1000 + n,
                                          .text = text});
}

/* ---- a segment that is being written ---- */

/* Chunks that become durable are seen at the next look; so are channels that are new, the end of
 * the segment, and the segment after it. */
static void test_follow(void **state)
{
    (void)state;
    tape_fixture f;
    tape_fixture_init(&f);
    tape_segment *segment =
        tape_segment_open(&f, &(tape_segment_spec){"alpha", "aaaaaaaa", 1, 1000, 1});
    put_number(segment, 0);
    tape_segment_seal(segment);
    cursor_options options = {.is_following = 1, .threads = 2};
    cursor *t = tape_fixture_tape(&f, NULL, &options);
    expect_frames(t, 0, 1);
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    put_number(segment, 1); /* pending, not on disk */
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    tape_segment_seal(segment);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 1, 2);
    for (unsigned n = 2; n < 6; n++) {
        put_number(segment, n);
        tape_segment_seal(segment);
    }
    tape_segment_finish(segment);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 2, 6);
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    segment = tape_segment_open(&f, &(tape_segment_spec){"alpha", "aaaaaaaa", 1, 1000, 2});
    put_number(segment, 6);
    tape_segment_seal(segment);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 6, 7);
    put_number(segment, 7);
    tape_segment_finish(segment);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 7, 8);
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    cursor_close(t);
    tape_fixture_fini(&f);
}

/* An empty archive can be followed: a recorder may be started later. */
static void test_follow_from_nothing(void **state)
{
    (void)state;
    tape_fixture f;
    tape_fixture_init(&f);
    cursor_options options = {.is_following = 1};
    cursor *t = tape_fixture_tape(&f, NULL, &options);
    expect_frames(t, 0, 0);
    assert_int_equal(cursor_poll(t, NULL), TD_EOF);
    tape_segment *segment =
        tape_segment_open(&f, &(tape_segment_spec){"alpha", "aaaaaaaa", 1, 1000, 1});
    put_number(segment, 0);
    tape_segment_finish(segment);
    assert_int_equal(cursor_poll(t, NULL), TD_OK);
    expect_frames(t, 0, 1);
    cursor_close(t);
    tape_fixture_fini(&f);
}

/* A tape that does not follow reads what is there when it is opened, and the file may be finished
 * and renamed before the tape comes to it. */
static void test_finished_meanwhile(void **state)
{
    (void)state;
    tape_fixture f;
    tape_fixture_init(&f);
    tape_segment *segment =
        tape_segment_open(&f, &(tape_segment_spec){"alpha", "aaaaaaaa", 1, 1000, 1});
    put_number(segment, 0);
    tape_segment_seal(segment);
    cursor_options options = {.threads = 1};
    cursor *t = tape_fixture_tape(&f, NULL, &options);
    tape_segment_finish(segment);
    expect_frames(t, 0, 1);
    cursor_close(t);
    tape_fixture_fini(&f);
}

/* ---- other programs' files ---- */

typedef struct foreign_message {
    uint16_t channel;
    uint32_t sequence;
    uint64_t log_ns;
    const char *text;
} foreign_message;

static void encode_messages(td_buf *out, const foreign_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mcap_message one = {.channel_id = messages[i].channel,
                            .sequence = messages[i].sequence,
                            .log_ns = messages[i].log_ns,
                            .publish_ns = messages[i].log_ns,
                            .data = td_bytes_str(messages[i].text)};
        mcap_encode_message(out, &one);
    }
}

static void encode_channel(td_buf *out, uint16_t id, const char *topic)
{
    mcap_channel channel = {
        .id = id, .topic = td_bytes_str(topic), .message_encoding = td_bytes_str("json")};
    mcap_encode_channel(out, &channel);
}

static void encode_chunk(td_buf *out, const foreign_message *messages, size_t count)
{
    td_buf records;
    td_buf_init(&records, 1 << 20);
    encode_messages(&records, messages, count);
    mcap_chunk chunk = {.start_ns = UINT64_MAX,
                        .uncompressed_bytes = records.size,
                        .records = td_buf_view(&records)};
    for (size_t i = 0; i < count; i++) {
        if (messages[i].log_ns < chunk.start_ns)
            chunk.start_ns = messages[i].log_ns;
        if (messages[i].log_ns > chunk.end_ns)
            chunk.end_ns = messages[i].log_ns;
    }
    mcap_encode_chunk(out, &chunk);
    td_buf_fini(&records);
}

static void begin_file(td_buf *out)
{
    td_buf_init(out, 1 << 20);
    mcap_header header = {.profile = td_bytes_str(""), .library = td_bytes_str("elsewhere")};
    mcap_encode_magic(out);
    mcap_encode_header(out, &header);
    encode_channel(out, 1, "/alpha");
    encode_channel(out, 2, "/beta");
}

/* End without summary, write to a file, open it as an archive. */
static void end_file(td_buf *out, tape_fixture *f, const char *name)
{
    mcap_encode_data_end(out, &(mcap_data_end){0});
    mcap_encode_footer(out, &(mcap_footer){0});
    mcap_encode_magic(out);
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    file_make(io_posix(), path, out->data, out->size);
    td_buf_fini(out);
    archive_options options = {.io = io_posix(), .clock = clock_real()};
    td_err err;
    if (archive_open(&options, path, ARCHIVE_READ, &f->archive, &err) != TD_OK)
        fail_msg("%s", err.text);
}

/* Chunks that overlap, messages out of order within them, equal times over channels: a foreign file
 * comes out in order of time all the same; at equal times in order of ordinals. */
static void test_foreign_chunks_out_of_order(void **state)
{
    (void)state;
    static const foreign_message FIRST[] = {
        {1, 1, 500, "4"}, {1, 2, 100, "0"}, {2, 3, 300, "2"}, {2, 9, 700, "6"}};
    static const foreign_message SECOND[] = {
        {1, 5, 200, "1"}, {2, 7, 700, "5"}, {1, 8, 400, "3"}, {1, 8, 900, "7"}};
    tape_fixture f;
    tape_fixture_init(&f);
    td_buf file;
    begin_file(&file);
    encode_chunk(&file, FIRST, 4);
    encode_chunk(&file, SECOND, 4);
    end_file(&file, &f, "foreign.mcap");
    static const unsigned COUNTS[] = {1, 2};
    for (size_t i = 0; i < 2; i++) {
        cursor_options options = {.threads = COUNTS[i]};
        cursor *t = tape_fixture_tape(&f, NULL, &options);
        expect_frames(t, 0, 8);
        cursor_close(t);
    }
    tape_fixture_fini(&f);
}

/* Messages outside of chunks; channels without our metadata: the MCAP topic is the topic, the
 * connection is unknown, and the sequence is the ordinal. */
static void test_foreign_without_chunks(void **state)
{
    (void)state;
    static const foreign_message MESSAGES[] = {
        {1, 41, 100, "0"}, {2, 7, 200, "1"}, {1, 42, 300, "2"}};
    tape_fixture f;
    tape_fixture_init(&f);
    td_buf file;
    begin_file(&file);
    encode_messages(&file, MESSAGES, 3);
    end_file(&file, &f, "plain.mcap");
    cursor *t = tape_fixture_tape(&f, NULL, &(cursor_options){0});
    for (unsigned n = 0; n < 3; n++) {
        const frame_ref *frame;
        assert_int_equal(cursor_next(t, &frame, NULL), TD_OK);
        assert_int_equal(tape_frame_number(frame), n);
        assert_int_equal(frame->conn->number, 0);
        assert_int_equal(frame->ordinal, MESSAGES[n].sequence);
        assert_string_equal(frame->channel->info.topic, n == 1 ? "/beta" : "/alpha");
        assert_null(frame->channel->family);
        assert_null(frame->channel->topic.row);
    }
    expect_frames(t, 0, 0);
    cursor_close(t);
    tape_fixture_fini(&f);
}

/* A finished segment of ours, named alone, is an archive for reading; and what is no MCAP is left
 * out of one, and counted. */
static void test_single_and_unreadable_files(void **state)
{
    (void)state;
    tape_fixture f;
    tape_fixture_init(&f);
    tape_segment *segment =
        tape_segment_open(&f, &(tape_segment_spec){"alpha", "aaaaaaaa", 1, 1000, 1});
    char path[LIMIT_PATH_BYTES];
    snprintf(path, sizeof path, "%s", tape_segment_path(segment));
    for (unsigned n = 0; n < 5; n++)
        put_number(segment, n);
    tape_segment_finish(segment);

    archive_options options = {.io = io_posix(), .clock = clock_real()};
    archive *single = NULL;
    assert_int_equal(archive_open(&options, path, ARCHIVE_READ, &single, NULL), TD_OK);
    cursor *t = NULL;
    assert_int_equal(
        cursor_open(single, &(selection){.has_from = 0}, &(cursor_options){0}, &t, NULL), TD_OK);
    expect_frames(t, 0, 5);
    cursor_close(t);
    archive_close(single);

    *strrchr(path, '/') = '\0';
    char garbage[LIMIT_PATH_BYTES + 64];
    snprintf(garbage, sizeof garbage, "%s/alpha-20261120T060000Z-aaaaaaaa-000002.mcap", path);
    file_make(io_posix(), garbage, "no segment at all", 17);
    t = tape_fixture_tape(&f, NULL, &(cursor_options){0});
    expect_frames(t, 0, 5);
    cursor_stats stats;
    cursor_get_stats(t, &stats);
    assert_int_equal(stats.segments_unreadable, 1);
    cursor_close(t);
    tape_fixture_fini(&f);
}

/* ---- what was unknown ---- */

/* A real frame's shape (docs/wire.md 2), recorded by a version that had no row for it. */
static const char TRADE_FRAME[] =
    "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1618677786587,\"timestamp\":"
    "\"2021-04-17T16:43:06.000Z\",\"symbol\":\"BTCUSD\",\"side\":\"Buy\",\"size\":77,\"price\":"
    "60622,"
    "\"tick_direction\":\"PlusTick\",\"trade_id\":\"1d28db3f-725d-5f15-9d9a-dd680bbbc71f\","
    "\"cross_seq\":5938955471}]}";

static const char *const TRADES[] = {"trade"};

static void test_unknown_is_classified_again(void **state)
{
    (void)state;
    tape_fixture f;
    tape_fixture_init(&f);
    tape_segment *segment =
        tape_segment_open(&f, &(tape_segment_spec){"alpha", "aaaaaaaa", 1, 100, 1});
    const char *texts[] = {TRADE_FRAME, "{\"topic\":\"nobody.knows\",\"data\":[]}"};
    for (uint64_t n = 0; n < 2; n++)
        tape_segment_put(segment, &(tape_put){.topic = CHANNEL_TOPIC_UNKNOWN,
                                              .conn = 1,
                                              .ordinal = n + 1,
                                              .recv_ns = 100 + n,
                                              .text = texts[n]});
    tape_segment_finish(segment);
    selection trades = {.topics = {TRADES, 1}};
    cursor *t = tape_fixture_tape(&f, &trades, &(cursor_options){0});
    const frame_ref *frame;
    assert_int_equal(cursor_next(t, &frame, NULL), TD_OK);
    assert_string_equal(frame->channel->info.topic, "trade");
    assert_string_equal(frame->channel->info.symbol, "BTCUSD");
    assert_non_null(frame->channel->topic.row);
    assert_int_equal(cursor_next(t, &frame, NULL), TD_EOF);
    cursor_close(t);
    t = tape_fixture_tape(&f, NULL, &(cursor_options){0});
    assert_int_equal(cursor_next(t, &frame, NULL), TD_OK);
    assert_int_equal(cursor_next(t, &frame, NULL), TD_OK);
    assert_string_equal(frame->channel->info.topic, CHANNEL_TOPIC_UNKNOWN);
    assert_int_equal(cursor_next(t, &frame, NULL), TD_EOF);
    cursor_close(t);
    tape_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_follow_from_nothing),
        cmocka_unit_test(test_finished_meanwhile),
        cmocka_unit_test(test_foreign_chunks_out_of_order),
        cmocka_unit_test(test_foreign_without_chunks),
        cmocka_unit_test(test_single_and_unreadable_files),
        cmocka_unit_test(test_unknown_is_classified_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
