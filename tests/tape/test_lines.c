/* One stream out of two lines. A made-up exchange numbers its frames; each line brings them later
 * by a time of its own, and its connections are cut at random. Expected: every frame that reached
 * an open connection once, in order, and epochs only where no connection covers the other's end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tape/block.h"
#include "tape/lines.h"
#include "tests/testing/line_slots.h"

enum { LINES = 2, TEXT_BYTES = 48, FRAMES = 20000 };

/* A frame on its way over a line: a number of the exchange, or the snapshot of a connection. */
typedef struct arrival {
    uint64_t recv_ns;
    uint32_t line, conn;
    int number; /* -1: the snapshot; -2: the connection begins; -3: it ends; -4: it was replaced */
} arrival;

typedef struct fixture {
    connection_table *connections;
    line_streams *lines;
    session_feed *feed;
    session_slot *slots[LINES];
    frame_channel *channels[LINES];
    tape_block block;
    arrival *arrivals;
    size_t count;
    int *found; /* numbers in the order of their return; -1: a snapshot */
    size_t found_count;
    unsigned seed;
    const topic_row *row; /* of the next frame, and its own time, or 0 */
    uint64_t publish_ns;
} fixture;

static void open_fixture(fixture *f, unsigned seed)
{
    memset(f, 0, sizeof *f);
    f->seed = seed;
    f->connections = connection_table_open(NULL);
    f->lines = lines_open(f->connections);
    f->feed = line_slots_get(f->connections, "publicTrade", LINES, f->slots, f->channels);
    atomic_init(&f->block.references, 1);
}

static void close_fixture(fixture *f)
{
    lines_close(f->lines);
    assert_int_equal(atomic_load(&f->block.references), 1);
    connection_table_close(f->connections);
    td_free(f->arrivals);
    td_free(f->found);
}

static unsigned next_random(fixture *f, unsigned below)
{
    f->seed = f->seed * 1664525u + 1013904223u;
    return (f->seed >> 8) % below;
}

static void add(fixture *f, arrival made)
{
    f->arrivals = td_array_grow(f->arrivals, f->count, sizeof *f->arrivals);
    f->arrivals[f->count++] = made;
}

static int compare_arrivals(const void *a, const void *b)
{
    const arrival *left = a;
    const arrival *right = b;
    if (left->recv_ns != right->recv_ns)
        return left->recv_ns > right->recv_ns ? 1 : -1;
    if (left->line != right->line)
        return left->line > right->line ? 1 : -1;
    return (left->number > right->number) - (left->number < right->number);
}

static void event_of(fixture *f, const arrival *at)
{
    const event ev = {.kind = at->number == -2 ? EVENT_CONNECT : EVENT_DISCONNECT,
                      .line = at->line,
                      .conn = at->conn,
                      .cause = at->number == -4 ? EVENT_CAUSE_REPLACED : ""};
    connection_table_apply(f->feed, NULL, &ev, at->recv_ns);
    if (at->number == -2)
        f->slots[at->line]->granted_ns = at->recv_ns;
}

/* Give the frame with this text. */
static void give_text(fixture *f, uint32_t line, uint64_t recv_ns, int number, const char *text)
{
    const session_slot *as;
    frame_ref *next;
    session_slot *slot = f->slots[line];
    frame_ref frame = {.recv_ns = recv_ns,
                       .publish_ns = f->publish_ns == 0 ? recv_ns : f->publish_ns,
                       .row = f->row,
                       .ordinal = (uint64_t)(number + 2),
                       .channel = f->channels[line],
                       .conn = &slot->now->conn,
                       .bytes = td_bytes_of(text, strlen(text)),
                       .block = &f->block};
    assert_true(lines_has_stream(slot, &frame));
    assert_int_equal(lines_give(f->lines, slot, &frame, NULL), TD_OK);
    while ((next = lines_next(f->lines, &as)) != NULL) {
        assert_ptr_equal(next->channel, f->channels[0]);
        assert_int_equal(next->recv_ns, recv_ns);
        f->found = td_array_grow(f->found, f->found_count, sizeof *f->found);
        f->found[f->found_count++] = (int)next->ordinal - 2;
    }
}

static void give(fixture *f, const arrival *at)
{
    char text[TEXT_BYTES];
    if (at->number == -1)
        (void)snprintf(text, sizeof text, "snapshot %u/%u", at->line, at->conn);
    else
        (void)snprintf(text, sizeof text, "frame %d", at->number);
    give_text(f, at->line, at->recv_ns, at->number, text);
}

static void run(fixture *f)
{
    qsort(f->arrivals, f->count, sizeof *f->arrivals, compare_arrivals);
    for (size_t i = 0; i < f->count; i++)
        if (f->arrivals[i].number <= -2)
            event_of(f, &f->arrivals[i]);
        else
            give(f, &f->arrivals[i]);
}

/* Connections of a line, which brings frame n, made at n * step_ns, after delay_ns. Until the last
 * frame, a connection ends at cuts[i] and the next one begins down_ns later. */
static void add_line(fixture *f, uint32_t line, uint64_t step_ns, uint64_t delay_ns,
                     const uint64_t *cuts, size_t cut_count, uint64_t down_ns)
{
    uint64_t from_ns = 1;
    for (uint32_t conn = 1; conn <= cut_count + 1; conn++) {
        uint64_t to_ns = conn <= cut_count ? cuts[conn - 1] : FRAMES * step_ns + TD_NS_PER_S;
        add(f, (arrival){from_ns, line, conn, -2});
        add(f, (arrival){from_ns + 1, line, conn, -1});
        for (uint64_t n = from_ns / step_ns; n < FRAMES; n++) {
            uint64_t recv_ns = n * step_ns + delay_ns;
            if (recv_ns > from_ns + 1 && recv_ns < to_ns)
                add(f, (arrival){recv_ns, line, conn, (int)n});
        }
        add(f, (arrival){to_ns, line, conn, -3});
        from_ns = to_ns + down_ns;
    }
}

static size_t count_snapshots(const fixture *f)
{
    size_t count = 0;
    for (size_t i = 0; i < f->found_count; i++)
        count += f->found[i] == -1;
    return count;
}

/* Assert that all numbers from the first one on were returned, each once and in order. */
static void assert_all(const fixture *f, const char *what, int final)
{
    int last = -1;
    for (size_t i = 0; i < f->found_count; i++) {
        if (f->found[i] == -1)
            continue;
        if (last >= 0 && f->found[i] != last + 1)
            fail_msg("%s: frame %d after %d", what, f->found[i], last);
        last = f->found[i];
    }
    if (last < final)
        fail_msg("%s: the last frame is %d", what, last);
}

static void each_frame_is_returned_once(void **state)
{
    (void)state;
    static const struct {
        uint64_t step_ns, delays_ns[LINES];
    } ROWS[] = {
        {10 * TD_NS_PER_MS, {1 * TD_NS_PER_MS, 1 * TD_NS_PER_MS + 1}},
        {10 * TD_NS_PER_MS, {200 * TD_NS_PER_MS, 5 * TD_NS_PER_MS}}, /* always ahead */
        {10 * TD_NS_PER_MS, {5 * TD_NS_PER_MS, 200 * TD_NS_PER_MS}},
        {TD_NS_PER_MS, {90 * TD_NS_PER_MS, 1 * TD_NS_PER_MS}},
        {3 * TD_NS_PER_S, {900 * TD_NS_PER_MS, 1 * TD_NS_PER_MS}}, /* a silent topic */
        {60 * TD_NS_PER_S, {5 * TD_NS_PER_MS, 1 * TD_NS_PER_MS}},
    };
    for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++)
        for (unsigned seed = 1; seed <= 20; seed++) {
            enum { CUTS = 25 };
            char what[64];
            uint64_t cuts[LINES][CUTS];
            fixture f;
            (void)snprintf(what, sizeof what, "row %zu, seed %u", r, seed);
            open_fixture(&f, seed);
            /* The lines are cut by turns; each is back, and in step, before the other one is cut.
             */
            const uint64_t turn_ns = ROWS[r].step_ns * FRAMES / (2 * CUTS + 2);
            for (size_t i = 0; i < (size_t)LINES * CUTS; i++)
                cuts[i % LINES][i / LINES] =
                    turn_ns * (i + 1) + next_random(&f, 1000) * (turn_ns / 8000);
            for (uint32_t line = 0; line < LINES; line++)
                add_line(&f, line, ROWS[r].step_ns, ROWS[r].delays_ns[line], cuts[line], CUTS,
                         turn_ns / 4);
            run(&f);
            assert_all(&f, what, FRAMES - 2);
            assert_int_equal(lines_get_stats(f.lines)->epochs, 1);
            close_fixture(&f);
        }
}

/* Both lines end: the stream continues as another connection, with its snapshot. */
static void without_a_connection_the_stream_begins_again(void **state)
{
    (void)state;
    static const uint64_t CUTS[LINES][2] = {{50 * TD_NS_PER_S, 100 * TD_NS_PER_S},
                                            {51 * TD_NS_PER_S, 101 * TD_NS_PER_S}};
    fixture f;
    open_fixture(&f, 1);
    for (uint32_t line = 0; line < LINES; line++)
        add_line(&f, line, 10 * TD_NS_PER_MS, (line + 1) * TD_NS_PER_MS, CUTS[line], 2,
                 3 * TD_NS_PER_S);
    run(&f);
    assert_int_equal(lines_get_stats(f.lines)->epochs, 3);
    assert_int_equal(count_snapshots(&f), 3);
    int last = -1;
    for (size_t i = 0; i < f.found_count; i++)
        if (f.found[i] >= 0) {
            assert_true(f.found[i] > last);
            last = f.found[i];
        }
    close_fixture(&f);
}

/* A topic has a frame a minute. Between two of them another connection takes over. */
static void a_silent_topic_is_taken_over(void **state)
{
    (void)state;
    static const uint64_t BEFORE_S[] = {2, 15, 50};
    for (size_t r = 0; r < sizeof BEFORE_S / sizeof *BEFORE_S; r++) {
        fixture f;
        open_fixture(&f, 1);
        add(&f, (arrival){TD_NS_PER_S, 0, 1, -2});
        add(&f, (arrival){TD_NS_PER_S + 1, 0, 1, -1});
        for (uint64_t n = 1; n < 10; n++)
            add(&f, (arrival){n * 60 * TD_NS_PER_S, n > 5, 1, (int)n});
        uint64_t end_ns = 359 * TD_NS_PER_S;
        uint64_t begin_ns = end_ns - BEFORE_S[r] * TD_NS_PER_S;
        add(&f, (arrival){begin_ns, 1, 1, -2});
        add(&f, (arrival){begin_ns + TD_NS_PER_MS, 1, 1, -1});
        add(&f, (arrival){end_ns, 0, 1, -4});
        run(&f);
        assert_all(&f, "a silent topic", 9);
        assert_int_equal(lines_get_stats(f.lines)->epochs, 1);
        close_fixture(&f);
    }
}

/* Frames with equal bytes are counted: two of them are two. */
static void equal_frames_survive(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, 1);
    for (uint32_t line = 0; line < LINES; line++) {
        add(&f, (arrival){1, line, 1, -2});
        for (uint64_t i = 0; i < 100; i++)
            add(&f, (arrival){1000 + 10 * i + line, line, 1, (int)(i / 3)});
    }
    run(&f);
    size_t counts[40] = {0};
    for (size_t i = 0; i < f.found_count; i++)
        counts[f.found[i]]++;
    for (size_t i = 1; i < 33; i++)
        assert_int_equal(counts[i], 3);
    close_fixture(&f);
}

/* A connection that brings other bytes than the rest is never in step: it is used once it is the
 * only one. */
static void other_bytes_are_not_mixed_in(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, 1);
    add(&f, (arrival){1, 0, 1, -2});
    add(&f, (arrival){1, 1, 1, -2});
    for (uint64_t i = 0; i < 1000; i++) {
        add(&f, (arrival){TD_NS_PER_S + i * TD_NS_PER_MS, 0, 1, (int)i});
        add(&f, (arrival){TD_NS_PER_S + i * TD_NS_PER_MS + 1, 1, 1, (int)(i + 100000)});
    }
    run(&f);
    assert_int_equal(f.found_count, 1000);
    for (size_t i = 0; i < f.found_count; i++)
        assert_int_equal(f.found[i], i);
    close_fixture(&f);
}

/* The lines bring frames of a topic of Coinbase's. */
static void use_coinbase(fixture *f, const char *topic)
{
    topic_match match;
    const family *of = family_find(td_bytes_str("coinbase-advanced"));
    assert_int_equal(
        topic_match_text(of->topics, of->topic_count, td_bytes_str(topic), TOPIC_ANY_TIME, &match),
        1);
    f->row = match.row;
    for (uint32_t line = 0; line < LINES; line++) {
        channel_info info = f->channels[line]->info;
        info.feed = info.family = "coinbase-advanced";
        info.topic = match.row->name;
        info.exchange_topic = topic;
        info.symbol = "BTC-USD";
        assert_int_equal(connection_table_channel(f->connections, &info, &f->channels[line], NULL),
                         TD_OK);
        event_of(f, &(arrival){1, line, 1, -2});
    }
}

/* Each frame is found once, in order, and so many came over the other line, too. */
static void assert_each_once(fixture *f, int count, uint64_t copies)
{
    lines_end(f->lines);
    assert_int_equal(f->found_count, count);
    for (int n = 0; n < count; n++)
        assert_int_equal(f->found[n], n);
    assert_int_equal(lines_get_stats(f->lines)->copies, copies);
    assert_int_equal(lines_get_stats(f->lines)->epochs, 1);
    assert_int_equal(lines_get_stats(f->lines)->doubtful, 0);
}

/* Connections number their frames, as Coinbase's do, control frames, too: copies differ in the
 * numbers, and in how many digits these have. */
static void numbers_of_connections_are_left_out(void **state)
{
    (void)state;
    enum { COUNT = 300, CUT_AT = 150, FIRST_OF_SECOND = 95 };
    for (int layout = 0; layout < 2; layout++) {
        fixture f;
        open_fixture(&f, 1);
        use_coinbase(&f, "market_trades.BTC-USD");
        f.row = NULL;
        for (int n = 0; n < COUNT; n++)
            for (uint32_t line = 0; line < LINES; line++) {
                char text[2 * TEXT_BYTES];
                const uint64_t recv_ns = TD_NS_PER_S + (uint64_t)n * 10 * TD_NS_PER_MS + line;
                if ((line == 0 && n > CUT_AT) || (line == 1 && n < FIRST_OF_SECOND))
                    continue;
                const int number = line == 0 ? n : n - FIRST_OF_SECOND + 3;
                if (layout == 0)
                    (void)snprintf(
                        text, sizeof text,
                        "{\"channel\":\"l2_data\",\"sequence_num\":%d,\"events\":[{\"id\":%d}]}",
                        number, n);
                else
                    (void)snprintf(
                        text, sizeof text,
                        "{\"events\":[{\"sequence_num\":7}], \"sequence_num\" : \"%d\" ,\"id\":%d}",
                        number, n);
                give_text(&f, line, recv_ns, n, text);
                if (line == 0 && n == CUT_AT)
                    event_of(&f, &(arrival){recv_ns + 1, line, 1, -3});
            }
        assert_each_once(&f, COUNT, CUT_AT + 1 - FIRST_OF_SECOND);
        close_fixture(&f);
    }
}

/* Each connection writes the time at which it sends a frame: copies differ in it by some ms, in
 * either direction, and a frame of one line may have an earlier time than the frame before it,
 * which came over the other one. */
static void times_of_connections_are_left_out(void **state)
{
    (void)state;
    enum { COUNT = 300, CUT_AT = 150, FIRST_OF_SECOND = 95 };
    static const char *const TOPICS[] = {"market_trades.BTC-USD", "level2.BTC-USD",
                                         "ticker.BTC-USD"};
    for (size_t i = 0; i < sizeof TOPICS / sizeof *TOPICS; i++) {
        fixture f;
        open_fixture(&f, 1);
        use_coinbase(&f, TOPICS[i]);
        for (int n = 0; n < COUNT; n++)
            for (uint32_t line = 0; line < LINES; line++) {
                char text[4 * TEXT_BYTES];
                const uint64_t recv_ns = TD_NS_PER_S + (uint64_t)n * 50 * TD_NS_PER_MS + line;
                const int ms = 500 + 50 * n + (line == 0 ? 80 : 3);
                if ((line == 0 && n > CUT_AT) || (line == 1 && n < FIRST_OF_SECOND))
                    continue;
                if (i == 0)
                    (void)snprintf(
                        text, sizeof text,
                        "{\"timestamp\":\"%d.%03d\",\"sequence_num\":%d,\"events\":[{\"id\":%d}]}",
                        ms / 1000, ms % 1000, n + 2 * (int)line, n);
                else
                    (void)snprintf(text, sizeof text,
                                   "{\"sequence_num\":%d, \"id\":%d, \"timestamp\" : \"%d.%03d\" }",
                                   n + 2 * (int)line, n, ms / 1000, ms % 1000);
                f.publish_ns =
                    i == 0 ? recv_ns - line - TD_NS_PER_S / 2 : (uint64_t)ms * TD_NS_PER_MS;
                give_text(&f, line, recv_ns, n, text);
                if (line == 0 && n == CUT_AT)
                    event_of(&f, &(arrival){recv_ns + 2, line, 1, -3});
            }
        assert_each_once(&f, COUNT, CUT_AT + 1 - FIRST_OF_SECOND);
        close_fixture(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_frame_is_returned_once),
        cmocka_unit_test(without_a_connection_the_stream_begins_again),
        cmocka_unit_test(a_silent_topic_is_taken_over),
        cmocka_unit_test(equal_frames_survive),
        cmocka_unit_test(other_bytes_are_not_mixed_in),
        cmocka_unit_test(numbers_of_connections_are_left_out),
        cmocka_unit_test(times_of_connections_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
