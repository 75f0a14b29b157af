/* Tapes of libtapedeck: batches, topics, books and gaps of a small archive. tests/python compares
 * them with the programs' output, for a capture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "archive/reindex.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "embed/include/tapedeck/archive.h"
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

/* Two lines bring equal frames, and the first one ends: the other one's first frames may be copies
 * of frames that it brought. */
static void possible_copies_have_a_flag(void **state)
{
    enum { FIRST_END = 12, BEGIN = 5, END = 60 };
    static const char TEXT[] =
        "{\"channel\":\"ticker\",\"timestamp\":\"2026-11-20T06:00:00Z\",\"sequence_num\":%d,"
        "\"events\":[{\"type\":\"update\",\"tickers\":[{\"type\":\"ticker\",\"product_id\":"
        "\"BTC-USD\",\"price\":\"1919.41\"}]}]}";
    const tape_segment_spec spec = {.feed = "coinbase", .session = "0000abcd", .number = 1};
    tape_segment *segment = tape_segment_open_family(*state, &spec, "coinbase-advanced");
    tapedeck_error error;
    tapedeck_batch batch;
    uint64_t marked[2] = {0, 0};
    for (int n = 0; n < END; n++)
        for (uint32_t line = 0; line < 2; line++) {
            const uint64_t recv_ns = SECOND + (uint64_t)n * SECOND / 2 + line;
            const int first = line == 0 ? 0 : BEGIN;
            const event ev = {
                .kind = n == first ? EVENT_CONNECT : EVENT_DISCONNECT, .line = line, .conn = 1};
            char text[512];
            if (n == first || (line == 0 && n == FIRST_END))
                tape_segment_event(segment, &ev, recv_ns);
            if (n < first || (line == 0 && n >= FIRST_END))
                continue;
            (void)snprintf(text, sizeof text, TEXT, n - first);
            tape_segment_put(segment, &(tape_put){.line = line,
                                                  .topic = "ticker",
                                                  .symbol = "BTC-USD",
                                                  .conn = 1,
                                                  .ordinal = (uint64_t)(n - first) + 1,
                                                  .recv_ns = recv_ns + 1,
                                                  .text = text});
        }
    tape_segment_finish(segment);
    tapedeck_archive *from = tapedeck_archive_open(((tape_fixture *)*state)->folder, &error);
    tapedeck_tape *tape = open_tape(from, NULL, 0, 1);
    while (tapedeck_tape_next(tape, &batch, &error) == TAPEDECK_TAPE_BATCH)
        for (size_t i = 0; i < batch.frame_count; i++)
            marked[batch.frames[i].line] +=
                (batch.frames[i].flags & TAPEDECK_ROW_POSSIBLE_COPY) != 0;
    assert_int_equal(marked[0], 0);
    assert_in_range(marked[1], FIRST_END - BEGIN, END - BEGIN - 1);
    tapedeck_tape_close(tape);
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
        assert_null(strstr(error.text, "tapedeck info")); /* no hints for the command line */
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
    /* An older version: missing members are 0. */
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
    for (int i = 0; i < 2; i++) { /* twice: the list is rebuilt */
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
        assert_int_equal(bid_size(&batch), 9); /* the state before that time */
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

/* ---- following ---- */

/* A feed with a growing segment. */
typedef struct open_feed {
    tape_fixture *fixture;
    tape_segment *segment;
    const char *session;
    uint32_t number; /* of the segment */
    uint64_t next;   /* number of the next frame on its connection */
    uint64_t second; /* time of the next frame, in seconds */
} open_feed;

static void begin_segment(open_feed *g)
{
    const tape_segment_spec spec = {.feed = "inverse",
                                    .session = g->session,
                                    .start_ns = g->session[0] == '2' ? 100 * SECOND : 0,
                                    .first_ns = g->second * SECOND,
                                    .number = ++g->number};
    g->segment = tape_segment_open(g->fixture, &spec);
    if (g->number == 1)
        tape_segment_connect(g->segment, 1, g->second * SECOND);
}

static void put_text(open_feed *g, const char *topic, const char *text)
{
    tape_segment_put(g->segment, &(tape_put){.topic = topic,
                                             .conn = 1,
                                             .ordinal = ++g->next,
                                             .recv_ns = ++g->second * SECOND,
                                             .text = text,
                                             .symbol = "BTCUSD"});
}

/* Writes a gap of a topic, or of all topics. */
static void put_gap(open_feed *g, const char *topic, uint64_t from_ns)
{
    event gap = {.kind = EVENT_GAP,
                 .gap = gap_row_of(GAP_DISCONNECT, "inverse", TAPE_FIXTURE_NS + from_ns,
                                   TAPE_FIXTURE_NS + from_ns + 1, "closed_by_peer")};
    gap.gap.topic = topic;
    gap.gap.conn = 1;
    tape_segment_event(g->segment, &gap, g->second * SECOND + 2);
}

static void make_catalog(const char *folder)
{
    const archive_options how = {.io = io_posix(), .clock = clock_real(), .verb = "reindex"};
    const reindex_options everything = {.scope = REINDEX_ALL};
    reindex_report report;
    archive *of = NULL;
    assert_int_equal(archive_open(&how, folder, ARCHIVE_MAINTAIN, &of, NULL), TD_OK);
    assert_int_equal(archive_reindex(of, &everything, &report, NULL), TD_OK);
    archive_close(of);
}

/* A topic in both of two segments, and one in each of them: frames at 2 to 4 and 6 to 8 seconds,
 * and a connection at 0. Without a catalog, the times are the segments'. */
static void topics_have_the_times_of_their_frames(void **state)
{
    static const struct {
        const char *topic;
        uint64_t frames, first_s[2], last_s[2]; /* without a catalog, and with one */
    } WANTED[] = {{"instrument_info.100ms", 1, {6, 8}, {8, 8}},
                  {"orderBookL2_25", 4, {0, 2}, {8, 7}},
                  {"trade", 1, {0, 3}, {4, 3}}};
    open_feed g = {.fixture = *state, .session = "1000abcd"};
    const tapedeck_topic *topics = NULL;
    size_t count = 0;
    begin_segment(&g);
    g.second = 1;
    put_text(&g, "orderBookL2_25", SNAPSHOT);
    put_text(&g, "trade", TRADE);
    put_text(&g, "orderBookL2_25", UPDATE("6", "9"));
    tape_segment_finish(g.segment);
    begin_segment(&g);
    g.second = 5;
    put_text(&g, "orderBookL2_25", UPDATE("7", "8"));
    put_text(&g, "orderBookL2_25", UPDATE("8", "4"));
    put_text(&g, "instrument_info.100ms", "{}");
    tape_segment_finish(g.segment);
    for (size_t has_catalog = 0; has_catalog < 2; has_catalog++) {
        if (has_catalog)
            make_catalog(g.fixture->folder);
        tapedeck_archive *from = tapedeck_archive_open(g.fixture->folder, NULL);
        assert_int_equal(tapedeck_archive_topics(from, &topics, &count, NULL), 1);
        assert_int_equal(count, sizeof WANTED / sizeof WANTED[0]);
        for (size_t i = 0; i < count; i++) {
            assert_string_equal(topics[i].topic, WANTED[i].topic);
            assert_int_equal(topics[i].frames, WANTED[i].frames);
            assert_int_equal(topics[i].first_ns,
                             TAPE_FIXTURE_NS + WANTED[i].first_s[has_catalog] * SECOND);
            assert_int_equal(topics[i].last_ns,
                             TAPE_FIXTURE_NS + WANTED[i].last_s[has_catalog] * SECOND);
        }
        tapedeck_archive_close(from);
    }
}

static const char *const INVERSE[] = {"inverse", NULL};
static const char *const LINEAR[] = {"linear", NULL};

static tapedeck_tape *open_following(tapedeck_archive *from, const char *const *feeds)
{
    const tapedeck_selection wanted = {
        .size = sizeof wanted, .feeds = feeds, .with = TAPEDECK_WITH_FOLLOW};
    tapedeck_error error = {0};
    tapedeck_tape *made = tapedeck_tape_open(from, &wanted, &error);
    assert_string_equal(error.text, "");
    assert_non_null(made);
    return made;
}

enum { ROWS_MAX = 32 };

/* The rows that a tape has returned. */
typedef struct rows {
    tapedeck_frame_row frames[ROWS_MAX];
    size_t count;
} rows;

/* Reads to the end; expects `count` more frames. */
static void read_more(tapedeck_tape *tape, rows *to, size_t count)
{
    tapedeck_batch batch;
    tapedeck_error error = {0};
    int result;
    size_t before = to->count;
    while ((result = tapedeck_tape_next(tape, &batch, &error)) == TAPEDECK_TAPE_BATCH) {
        assert_true(to->count + batch.frame_count <= ROWS_MAX);
        for (size_t i = 0; i < batch.frame_count; i++)
            to->frames[to->count++] = batch.frames[i];
    }
    assert_int_equal(result, TAPEDECK_TAPE_END);
    assert_int_equal(to->count - before, count);
}

static void expect_wait(tapedeck_tape *tape, int result)
{
    tapedeck_error error = {0};
    assert_int_equal(tapedeck_tape_wait(tape, 0, &error), result);
    assert_string_equal(error.text, "");
}

/* Checks that a tape opened afterwards has the same frames. */
static void expect_same_afterwards(tapedeck_archive *from, const rows *had)
{
    rows again = {.count = 0};
    tapedeck_tape *tape = open_tape(from, NULL, 0, 1);
    read_more(tape, &again, had->count);
    for (size_t i = 0; i < had->count; i++) {
        const tapedeck_frame_row *a = &had->frames[i];
        const tapedeck_frame_row *b = &again.frames[i];
        if (a->recv_ns != b->recv_ns || a->ordinal != b->ordinal || a->flags != b->flags ||
            a->connection != b->connection || a->content != b->content || a->number != b->number)
            fail_msg("frame %zu: flags %u, afterwards %u", i, a->flags, b->flags);
    }
    tapedeck_tape_close(tape);
}

static size_t count_gaps(const tapedeck_tape *tape)
{
    tapedeck_gap gap;
    size_t at = 0;
    size_t count = 0;
    while (tapedeck_tape_gap(tape, &at, &gap))
        count++;
    return count;
}

/* Chunks, a new topic, a gap, a new segment, the end of the session, and another session. */
static void a_tape_waits_for_more(void **state)
{
    open_feed g = {.fixture = *state, .session = "1000abcd"};
    rows had = {.count = 0};
    begin_segment(&g);
    put_text(&g, "orderBookL2_25", SNAPSHOT);
    put_text(&g, "orderBookL2_25", UPDATE("6", "9"));
    tape_segment_seal(g.segment);
    tapedeck_archive *from = tapedeck_archive_open(g.fixture->folder, NULL);
    tapedeck_tape *tape = open_following(from, INVERSE);
    expect_wait(tape, TAPEDECK_WAIT_MORE); /* frames not yet read */
    read_more(tape, &had, 2);
    expect_wait(tape, TAPEDECK_WAIT_TIMEOUT);
    put_text(&g, "trade", TRADE);
    expect_wait(tape, TAPEDECK_WAIT_TIMEOUT); /* not durable yet */
    tape_segment_seal(g.segment);
    expect_wait(tape, TAPEDECK_WAIT_MORE);
    expect_wait(tape, TAPEDECK_WAIT_MORE); /* until it is read */
    read_more(tape, &had, 1);
    put_text(&g, "orderBookL2_25", UPDATE("7", "8"));
    tape_segment_seal(g.segment);
    expect_wait(tape, TAPEDECK_WAIT_MORE);
    read_more(tape, &had, 1);
    assert_int_equal(had.frames[3].flags & TAPEDECK_ROW_SUSPECT, 0);
    assert_int_equal(count_gaps(tape), 0);
    put_gap(&g, "", g.second * SECOND + 1);
    put_text(&g, "orderBookL2_25", UPDATE("8", "4"));
    tape_segment_finish(g.segment);
    expect_wait(tape, TAPEDECK_WAIT_MORE);
    read_more(tape, &had, 1);
    assert_int_equal(had.frames[4].flags & TAPEDECK_ROW_SUSPECT, TAPEDECK_ROW_SUSPECT);
    assert_int_equal(count_gaps(tape), 1);
    begin_segment(&g); /* the next segment */
    put_text(&g, "orderBookL2_25", SNAPSHOT);
    tape_segment_seal(g.segment);
    expect_wait(tape, TAPEDECK_WAIT_MORE);
    read_more(tape, &had, 1);
    assert_int_equal(had.frames[5].flags & TAPEDECK_ROW_SUSPECT, 0);
    put_gap(&g, "trade", SECOND); /* an earlier gap; the book's gap does not count again */
    put_text(&g, "orderBookL2_25", UPDATE("6", "9"));
    tape_segment_finish(g.segment);
    expect_wait(tape, TAPEDECK_WAIT_MORE);
    read_more(tape, &had, 1);
    assert_int_equal(had.frames[6].flags & TAPEDECK_ROW_SUSPECT, 0);
    expect_wait(tape, TAPEDECK_WAIT_CRASHED); /* no process records, and the session has no end */
    expect_wait(tape, TAPEDECK_WAIT_TIMEOUT); /* returned only once */
    g = (open_feed){.fixture = *state, .session = "2000abcd", .second = 200};
    begin_segment(&g);
    put_text(&g, "orderBookL2_25", SNAPSHOT);
    tape_segment_finish(g.segment);
    expect_wait(tape, TAPEDECK_WAIT_MORE);
    read_more(tape, &had, 1);
    expect_wait(tape, TAPEDECK_WAIT_CRASHED); /* for the new session */
    expect_wait(tape, TAPEDECK_WAIT_TIMEOUT);
    expect_same_afterwards(from, &had);
    tapedeck_tape_close(tape);
    tapedeck_archive_close(from);
}

/* Damage found while following is returned by tapedeck_tape_next, and reading continues after it.
 */
static void damage_is_met_while_following(void **state)
{
    open_feed g = {.fixture = *state, .session = "1000abcd"};
    rows had = {.count = 0};
    tapedeck_batch batch;
    tapedeck_error error;
    char path[512];
    begin_segment(&g);
    put_text(&g, "trade", TRADE);
    tape_segment_seal(g.segment);
    tapedeck_archive *from = tapedeck_archive_open(g.fixture->folder, NULL);
    tapedeck_tape *tape = open_following(from, INVERSE);
    read_more(tape, &had, 1);
    (void)snprintf(path, sizeof path, "%s.open", tape_segment_path(g.segment));
    put_text(&g, "trade", TRADE);
    const segment_chunk chunk = tape_segment_seal(g.segment);
    tape_fixture_damage(path, chunk.offset + chunk.chunk_bytes / 2);
    put_text(&g, "trade", TRADE);
    tape_segment_seal(g.segment);
    expect_wait(tape, TAPEDECK_WAIT_MORE);
    assert_int_equal(tapedeck_tape_next(tape, &batch, &error), TAPEDECK_TAPE_DAMAGED);
    read_more(tape, &had, 1);
    assert_int_equal(had.frames[1].ordinal, 3);
    tape_segment_finish(g.segment);
    tapedeck_tape_close(tape);
    tapedeck_archive_close(from);
}

/* An archive without frames, and names that it lacks: they may appear later. */
static void what_is_followed_need_not_be_there(void **state)
{
    open_feed g = {.fixture = *state, .session = "1000abcd"};
    rows had = {.count = 0};
    tapedeck_archive *from = tapedeck_archive_open(g.fixture->folder, NULL);
    tapedeck_tape *tape = open_following(from, INVERSE);
    tapedeck_tape *other = open_following(from, LINEAR);
    expect_wait(tape, TAPEDECK_WAIT_TIMEOUT);
    begin_segment(&g);
    put_text(&g, "trade", TRADE);
    tape_segment_finish(g.segment);
    expect_wait(tape, TAPEDECK_WAIT_MORE);
    read_more(tape, &had, 1);
    expect_wait(other, TAPEDECK_WAIT_CRASHED);
    expect_wait(other, TAPEDECK_WAIT_TIMEOUT);
    tapedeck_tape_close(other);
    tapedeck_tape_close(tape);
    tapedeck_archive_close(from);
}

static void what_does_not_go_with_following(void **state)
{
    static const struct {
        const char *to;
        uint32_t with;
    } REFUSED[] = {{"2026-11-21", 0}, {NULL, TAPEDECK_WITH_COVERAGE}};
    tapedeck_archive *from = open_made(*state);
    tapedeck_error error = {0};
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        const tapedeck_selection wanted = {.size = sizeof wanted,
                                           .to = REFUSED[i].to,
                                           .with = TAPEDECK_WITH_FOLLOW | REFUSED[i].with};
        assert_null(tapedeck_tape_open(from, &wanted, &error));
        assert_int_equal(error.code, TAPEDECK_ERROR_INVALID);
    }
    tapedeck_tape *tape = open_tape(from, NULL, 0, 1);
    error = (tapedeck_error){0};
    assert_int_equal(tapedeck_tape_wait(tape, TAPEDECK_WAIT_FOREVER, &error), TAPEDECK_WAIT_FAILED);
    assert_int_equal(error.code, TAPEDECK_ERROR_INVALID);
    tapedeck_tape_close(tape);
    tapedeck_archive_close(from);
}

/* A tape that starts after the last frame has the books of that time, and later frames. */
static void following_begins_after_the_last_frame(void **state)
{
    open_feed g = {.fixture = *state, .session = "1000abcd"};
    const tapedeck_selection wanted = {.size = sizeof wanted,
                                       .feeds = INVERSE,
                                       .from = "2026-11-20T06:00:01.5Z",
                                       .with = TAPEDECK_WITH_FOLLOW};
    tapedeck_batch batch;
    tapedeck_error error;
    rows had = {.count = 0};
    begin_segment(&g);
    put_text(&g, "orderBookL2_25", SNAPSHOT);
    tape_segment_seal(g.segment);
    tapedeck_archive *from = tapedeck_archive_open(g.fixture->folder, NULL);
    tapedeck_tape *tape = tapedeck_tape_open(from, &wanted, &error);
    assert_non_null(tape);
    assert_int_equal(tapedeck_tape_books(tape, &batch, &error), 1);
    assert_int_equal(bid_size(&batch), 7);
    put_text(&g, "orderBookL2_25", UPDATE("6", "9"));
    tape_segment_finish(g.segment);
    expect_wait(tape, TAPEDECK_WAIT_MORE);
    read_more(tape, &had, 1);
    assert_int_equal(had.frames[0].flags & TAPEDECK_ROW_SUSPECT, 0);
    assert_int_equal(tapedeck_tape_books(tape, &batch, &error), 1);
    assert_int_equal(bid_size(&batch), 9);
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
        tape_fixture_test(possible_copies_have_a_flag),
        tape_fixture_test(books_are_those_of_the_moment),
        tape_fixture_test(what_cannot_be_opened_has_a_text),
        tape_fixture_test(a_selection_of_another_version),
        tape_fixture_test(topics_are_listed),
        tape_fixture_test(topics_have_the_times_of_their_frames),
        tape_fixture_test(a_tape_goes_on_at_another_time),
        tape_fixture_test(a_tape_waits_for_more),
        tape_fixture_test(damage_is_met_while_following),
        tape_fixture_test(what_is_followed_need_not_be_there),
        tape_fixture_test(what_does_not_go_with_following),
        tape_fixture_test(following_begins_after_the_last_frame),
        cmocka_unit_test(the_version_is_that_of_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
