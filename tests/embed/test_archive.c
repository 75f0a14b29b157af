/* Tapes of libtapedeck: batches, streams, books and gaps of a small archive. That they hold what
 * the programs print, tests/python shows with a capture.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "include/tapedeck/archive.h"
#include "tests/testing/tape_fixture.h"

#define SECOND UINT64_C(1000000000)
#define BOOK(type, seq, data)                                                                      \
    "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"" type "\",\"data\":" data                    \
    ",\"cross_seq\":" seq ",\"timestamp_e6\":179515440" seq "000000}"
#define LEVEL(price, id, side, size)                                                               \
    "{\"price\":\"" price "\",\"symbol\":\"BTCUSD\",\"id\":" id ",\"side\":\"" side                \
    "\",\"size\":" size "}"
#define SNAPSHOT                                                                                   \
    BOOK("snapshot", "5",                                                                          \
         "[" LEVEL("100.00", "1000000", "Buy", "7") "," LEVEL("100.50", "1005000", "Sell",         \
                                                              "3") "]")
#define UPDATE(seq, size)                                                                          \
    BOOK("delta", seq,                                                                             \
         "{\"delete\":[],\"update\":[" LEVEL("100.00", "1000000", "Buy",                           \
                                             size) "],\"insert\":[],\"transactTimeE6\":0}")
#define TRADE                                                                                      \
    "{\"topic\":\"trade.BTCUSD\",\"data\":[{\"trade_time_ms\":1795154403000,\"timestamp\":"        \
    "\"2026-11-20T06:00:03.000Z\",\"symbol\":\"BTCUSD\",\"side\":\"Sell\",\"size\":12,\"price\":"  \
    "100.5,\"tick_direction\":\"PlusTick\",\"trade_id\":\"a-trade\",\"cross_seq\":9}]}"

/* A snapshot, an update a second later, a trade, another update. */
static tapedeck_archive *open_made(tape_fixture *fixture)
{
    static const struct {
        const char *topic, *text;
    } FRAMES[] = {{"orderBookL2_25", SNAPSHOT},
                  {"orderBookL2_25", UPDATE("6", "9")},
                  {"trade", TRADE},
                  {"orderBookL2_25", UPDATE("8", "4")}};
    const tape_segment_spec spec = {.feed = "inverse", .session = "0000abcd", .number = 1};
    tapedeck_error error;
    tape_segment *segment = tape_segment_open(fixture, &spec);
    tape_segment_connect(segment, 1, 1);
    for (size_t i = 0; i < sizeof FRAMES / sizeof FRAMES[0]; i++)
        tape_segment_put(segment, &(tape_put){.topic = FRAMES[i].topic,
                                              .conn = 1,
                                              .ordinal = i + 1,
                                              .recv_ns = (i + 1) * SECOND,
                                              .text = FRAMES[i].text,
                                              .symbol = "BTCUSD"});
    tape_segment_finish(segment);
    tapedeck_archive *made = tapedeck_archive_open(fixture->folder, &error);
    assert_non_null(made);
    return made;
}

static tapedeck_tape *open_tape(tapedeck_archive *from, const char *start, uint32_t with,
                                uint32_t threads)
{
    static const char *const symbols[] = {"BTC*", NULL};
    const tapedeck_selection wanted = {
        .size = sizeof wanted, .symbols = symbols, .from = start, .with = with, .threads = threads};
    tapedeck_error error = {0};
    tapedeck_tape *made = tapedeck_tape_open(from, &wanted, &error);
    assert_int_equal(error.code, TAPEDECK_ERROR_NONE);
    return made;
}

static void a_batch_has_frames_and_rows(void **state)
{
    tapedeck_archive *from = open_made(*state);
    tapedeck_error error;
    tapedeck_batch batch;
    tapedeck_stream of;
    for (uint32_t threads = 0; threads < 3; threads++) {
        tapedeck_tape *tape =
            open_tape(from, NULL, TAPEDECK_WITH_BYTES | TAPEDECK_WITH_MESSAGES, threads);
        assert_int_equal(tapedeck_tape_next(tape, &batch, &error), 1);
        assert_int_equal(batch.frame_count, 4);
        assert_int_equal(batch.level_count, 4);
        assert_int_equal(batch.trade_count, 1);
        const tapedeck_frame_row *frame = &batch.frames[2];
        assert_int_equal(frame->content, TAPEDECK_TRADES);
        assert_int_equal(frame->byte_count, strlen(TRADE));
        assert_memory_equal(batch.text + frame->bytes_at, TRADE, strlen(TRADE));
        assert_memory_equal(batch.text + frame->message_at, "{\"type\":\"trade\",", 16);
        const tapedeck_trade_row *trade = &batch.trades[frame->first_entry];
        assert_string_equal(trade->trade_id, "a-trade");
        assert_int_equal(trade->row.price_int, 1005);
        assert_int_equal(trade->row.price_scale, 1);
        assert_true(trade->row.price > 100.4 && trade->row.price < 100.6);
        assert_int_equal(trade->row.side, TAPEDECK_SELL);
        assert_int_equal(trade->row.frame, 2);
        assert_int_equal(batch.frames[0].flags & TAPEDECK_ROW_SNAPSHOT, TAPEDECK_ROW_SNAPSHOT);
        assert_int_equal(batch.frames[3].flags & TAPEDECK_ROW_SUSPECT, 0);
        assert_int_equal(batch.frames[3].number, 8);
        assert_int_equal(tapedeck_tape_stream(tape, trade->row.stream, &of), 1);
        assert_string_equal(of.topic, "trade");
        assert_string_equal(of.symbol, "BTCUSD");
        assert_int_equal(tapedeck_tape_stream(tape, 99, &of), 0);
        assert_int_equal(tapedeck_tape_next(tape, &batch, &error), 0);
        tapedeck_tape_close(tape);
    }
    tapedeck_archive_close(from);
}

static int64_t bid_size(const tapedeck_batch *batch)
{
    assert_int_equal(batch->frame_count, 1);
    assert_int_equal(batch->level_count, 2);
    assert_int_equal(batch->levels[0].side, TAPEDECK_BUY);
    return batch->levels[0].size_int;
}

static void books_are_those_of_the_moment(void **state)
{
    tapedeck_archive *from = open_made(*state);
    tapedeck_error error;
    tapedeck_batch batch;
    tapedeck_tape *tape = open_tape(from, "2026-11-20T06:00:02.5Z", 0, 1);
    assert_int_equal(tapedeck_tape_books(tape, &batch, &error), 1);
    assert_int_equal(bid_size(&batch), 9);
    assert_int_equal(tapedeck_tape_next(tape, &batch, &error), 1);
    assert_int_equal(batch.frame_count, 2);
    assert_int_equal(tapedeck_tape_books(tape, &batch, &error), 1);
    assert_int_equal(bid_size(&batch), 4);
    tapedeck_tape_close(tape);
    tape = open_tape(from, "2026-11-20T06:00:00.5Z", TAPEDECK_WITH_BOOKS, 1);
    assert_int_equal(tapedeck_tape_books(tape, &batch, &error), 0);
    assert_int_equal(tapedeck_tape_next(tape, &batch, &error), 1);
    assert_int_equal(batch.level_count, 6);
    assert_int_equal(batch.levels[4].size_int, 4);
    tapedeck_tape_close(tape);
    tapedeck_archive_close(from);
}

static void what_cannot_be_opened_has_a_text(void **state)
{
    tapedeck_archive *from = open_made(*state);
    const char *const symbols[] = {"ETHUSD", NULL};
    const tapedeck_selection wanted[] = {{.size = sizeof *wanted, .symbols = symbols},
                                         {.size = sizeof *wanted, .from = "noon"}};
    tapedeck_error error;
    for (size_t i = 0; i < 2; i++) {
        assert_null(tapedeck_tape_open(from, &wanted[i], &error));
        assert_non_null(strstr(error.text, i == 0 ? "no such" : "noon"));
        assert_int_equal(error.code, i == 0 ? TAPEDECK_ERROR_NOT_FOUND : TAPEDECK_ERROR_INVALID);
        assert_null(strstr(error.text, "tapedeck info")); /* no words of the command line */
    }
    assert_null(tapedeck_archive_open("/no/such", &error));
    assert_non_null(strstr(error.text, "/no/such"));
    assert_int_equal(error.code, TAPEDECK_ERROR_NOT_FOUND);
    assert_null(tapedeck_archive_open("/no/such", NULL));
    tapedeck_archive_close(from);
    tapedeck_archive_close(NULL);
    tapedeck_tape_close(NULL);
}

static void a_selection_of_another_version(void **state)
{
    tapedeck_archive *from = open_made(*state);
    struct {
        tapedeck_selection known;
        uint64_t more;
    } later = {.known = {.size = sizeof later}, .more = 0};
    tapedeck_selection wanted = {.size = sizeof wanted, .with = 1U << 20};
    const tapedeck_selection unset = {.size = 0};
    /* An older one: what it lacks is 0. */
    tapedeck_selection older = {.size = offsetof(tapedeck_selection, with), .with = UINT32_MAX};
    tapedeck_error error;
    tapedeck_tape *made = tapedeck_tape_open(from, &later.known, &error);
    assert_non_null(made);
    tapedeck_tape_close(made);
    later.more = 1;
    assert_null(tapedeck_tape_open(from, &later.known, &error));
    assert_int_equal(error.code, TAPEDECK_ERROR_INVALID);
    assert_null(tapedeck_tape_open(from, &wanted, &error));
    assert_int_equal(error.code, TAPEDECK_ERROR_INVALID);
    assert_null(tapedeck_tape_open(from, &unset, &error));
    made = tapedeck_tape_open(from, &older, &error);
    assert_non_null(made);
    tapedeck_tape_close(made);
    tapedeck_archive_close(from);
}

static void topics_are_listed(void **state)
{
    tapedeck_archive *from = open_made(*state);
    const tapedeck_topic *topics = NULL;
    size_t count = 0;
    for (int i = 0; i < 2; i++) { /* twice: the list is made again */
        assert_int_equal(tapedeck_archive_topics(from, &topics, &count, NULL), 1);
        assert_int_equal(count, 2);
        assert_string_equal(topics[0].topic, "orderBookL2_25");
        assert_string_equal(topics[0].symbol, "BTCUSD");
        assert_string_equal(topics[0].feed, "inverse");
        assert_int_equal(topics[0].frames, 3);
        assert_true(topics[0].last_ns - topics[0].first_ns >= 3 * SECOND);
        assert_string_equal(topics[1].topic, "trade");
        assert_int_equal(topics[1].frames, 1);
    }
    tapedeck_archive_close(from);
}

static void a_tape_goes_on_at_another_time(void **state)
{
    tapedeck_archive *from = open_made(*state);
    const tapedeck_selection wanted = {.size = sizeof wanted};
    tapedeck_error error = {0};
    tapedeck_batch batch;
    tapedeck_stream stream;
    tapedeck_tape *tape = tapedeck_tape_open(from, &wanted, &error);
    assert_non_null(tape);
    assert_int_equal(tapedeck_tape_next(tape, &batch, &error), 1);
    assert_int_equal(batch.frame_count, 4);
    const uint32_t trades = batch.trades[0].row.stream;
    assert_int_equal(tapedeck_tape_next(tape, &batch, &error), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tapedeck_tape_seek(tape, "+2s", &error), 1);
        assert_int_equal(tapedeck_tape_books(tape, &batch, &error), 1);
        assert_int_equal(bid_size(&batch), 9); /* the state before that moment */
        assert_int_equal(tapedeck_tape_next(tape, &batch, &error), 1);
        assert_int_equal(batch.frame_count, 2);
        assert_int_equal(batch.trades[0].row.stream, trades);
        assert_int_equal(tapedeck_tape_stream(tape, trades, &stream), 1);
        assert_string_equal(stream.topic, "trade");
        assert_string_equal(stream.family, "inverse");
    }
    assert_int_equal(tapedeck_tape_seek(tape, "never", &error), 0);
    assert_int_equal(error.code, TAPEDECK_ERROR_INVALID);
    assert_int_equal(tapedeck_tape_seek(tape, "+3s", &error), 1);
    assert_int_equal(tapedeck_tape_next(tape, &batch, &error), 1);
    assert_int_equal(batch.frame_count, 1);
    tapedeck_tape_close(tape);
    tapedeck_archive_close(from);
}

static void the_version_is_that_of_the_headers(void **state)
{
    char text[32];
    (void)state;
    (void)snprintf(text, sizeof text, "%d.%d.%d", TAPEDECK_VERSION_MAJOR, TAPEDECK_VERSION_MINOR,
                   TAPEDECK_VERSION_PATCH);
    assert_string_equal(tapedeck_version(), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        tape_fixture_test(a_batch_has_frames_and_rows),
        tape_fixture_test(books_are_those_of_the_moment),
        tape_fixture_test(what_cannot_be_opened_has_a_text),
        tape_fixture_test(a_selection_of_another_version),
        tape_fixture_test(topics_are_listed),
        tape_fixture_test(a_tape_goes_on_at_another_time),
        cmocka_unit_test(the_version_is_that_of_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
