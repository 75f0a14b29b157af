/* Two lines whose connections overlap at any moment, each with a delay of its own, against a model
 * of the exchange. A line is a row of connections. A connection is subscribed at a time, brings
 * what was made since then after 0 to 3 s, is cut at any moment, and its row begins at the last
 * proof that it was alive. Frames repeat (one or three distinct texts) or differ.
 *
 * Expected: of frames that differ, each that a line has once and in order. Of frames that repeat,
 * those that are certain are a part of what the lines have, and all that the lines have is a part
 * of those that were returned. A loss within a stream is always shown by a new connection. What was
 * made before the first frame of a stream, and came later than that, is not returned. */
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
#include "tests/testing/long_test.h"

enum { LINES = 2, FRAMES = 400, TEXT_BYTES = 48, RUNS = 300, LONG_RUNS = 1500, RATES = 3 };
/* A snapshot is SNAPSHOT - n, where n is the number of the frame after it. */
enum { CONNECT = -2, CUT = -3, SNAPSHOT = -10 };

#define MS TD_NS_PER_MS

/* Something that a line brings. */
typedef struct arrival {
    uint64_t recv_ns;
    uint32_t line, conn;
    int number; /* of the exchange's frame, or one of the constants above */
    uint64_t proof_ns, granted_ns;
} arrival;

/* A frame that was returned. */
typedef struct outcome {
    int number, content, is_doubtful;
    const frame_conn *as;
} outcome;

typedef struct model {
    unsigned seed;
    unsigned distinct; /* texts; 0: each frame has its own */
    int has_time, has_state;
    uint64_t made_ns[FRAMES];
    int content[FRAMES];
    uint8_t is_had[FRAMES];   /* a line has it */
    uint8_t is_early[FRAMES]; /* older than the stream in which it came */
    arrival *arrivals;
    size_t count;
    outcome *found;
    size_t found_count;
    connection_table *connections;
    line_streams *lines;
    session_feed *feed;
    session_slot *slots[LINES];
    frame_channel *channels[LINES];
    tape_block block;
} model;

/* What all runs of a kind add up to. */
typedef struct totals {
    size_t runs, frames, twice, lost, early, doubtful, epochs, false_epochs, unordered,
        unseen_holes;
} totals;

static unsigned next_random(model *m, unsigned below)
{
    m->seed = m->seed * 1664525u + 1013904223u;
    return (m->seed >> 8) % below;
}

static void add(model *m, arrival made)
{
    m->arrivals = td_array_grow(m->arrivals, m->count, sizeof *m->arrivals);
    m->arrivals[m->count++] = made;
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

/* A connection from `from_ns` to `cut_ns`, the times of the recorder. */
static void add_conn(model *m, uint32_t line, uint32_t conn, uint64_t from_ns, uint64_t cut_ns)
{
    const uint64_t delay_ns =
        next_random(m, 3) == 0 ? next_random(m, 20) * MS : next_random(m, 3001) * MS;
    const uint64_t subscribed_ns = from_ns + 1 + next_random(m, 300) * MS;
    const uint64_t granted_ns = subscribed_ns + delay_ns;
    const uint64_t pinged_ns = cut_ns > delay_ns + next_random(m, 1000) * MS
                                   ? cut_ns - delay_ns - next_random(m, 1000) * MS
                                   : 0;
    uint64_t last_ns = granted_ns;
    add(m, (arrival){from_ns, line, conn, CONNECT, 0, granted_ns});
    int next = 0;
    while (next < FRAMES && m->made_ns[next] < subscribed_ns)
        next++;
    if (granted_ns < cut_ns && m->has_state)
        add(m, (arrival){granted_ns, line, conn, SNAPSHOT - next, 0, granted_ns});
    for (int n = 0; n < FRAMES; n++) {
        uint64_t recv_ns = m->made_ns[n] + delay_ns + 1;
        recv_ns = recv_ns <= last_ns ? last_ns + 1 : recv_ns;
        if (m->made_ns[n] < subscribed_ns || recv_ns >= cut_ns)
            continue;
        last_ns = recv_ns;
        m->is_had[n] = 1;
        add(m, (arrival){recv_ns, line, conn, n, 0, granted_ns});
    }
    add(m, (arrival){cut_ns, line, conn, CUT, pinged_ns > granted_ns ? pinged_ns : granted_ns,
                     granted_ns});
}

static void make(model *m, unsigned rate)
{
    static const unsigned MOST_MS[RATES] = {20, 200, 2000};
    uint64_t at_ns = 100 * TD_NS_PER_S;
    for (int n = 0; n < FRAMES; n++) {
        at_ns += 1 + next_random(m, MOST_MS[rate]) * MS;
        m->made_ns[n] = at_ns;
        m->content[n] = m->distinct == 0 ? n : (int)next_random(m, m->distinct);
    }
    for (uint32_t line = 0; line < LINES; line++) {
        uint64_t from_ns = 100 * TD_NS_PER_S + next_random(m, 4000) * MS;
        for (uint32_t conn = 1; from_ns < at_ns; conn++) {
            const uint64_t cut_ns = from_ns + 1 + next_random(m, 20000) * MS;
            add_conn(m, line, conn, from_ns, cut_ns);
            from_ns = cut_ns + 1 + next_random(m, 3000) * MS;
        }
    }
    if (m->count > 0)
        qsort(m->arrivals, m->count, sizeof *m->arrivals, compare_arrivals);
}

/* ---- the lines ---- */

static void open_model(model *m)
{
    static const char *const TOPICS[] = {"publicTrade", "orderbook.50"};
    m->connections = connection_table_open(NULL);
    m->lines = lines_open(m->connections);
    m->feed = line_slots_get(m->connections, TOPICS[m->has_state], LINES, m->slots, m->channels);
    atomic_init(&m->block.references, 1);
}

static void close_model(model *m)
{
    lines_close(m->lines);
    assert_int_equal(atomic_load(&m->block.references), 1);
    connection_table_close(m->connections);
    td_free(m->arrivals);
    td_free(m->found);
}

static void take_all(model *m)
{
    const session_slot *as;
    frame_ref *next;
    while ((next = lines_next(m->lines, &as)) != NULL) {
        const int number = (int)next->ordinal - 2;
        m->found = td_array_grow(m->found, m->found_count, sizeof *m->found);
        m->found[m->found_count++] = (outcome){.number = number,
                                               .content = number < 0 ? -1 : m->content[number],
                                               .is_doubtful = next->is_doubtful,
                                               .as = next->conn};
    }
}

static void give(model *m, const arrival *at)
{
    static const topic_row BOOK = {.type = MSG_BOOK_CHANGE};
    char text[TEXT_BYTES];
    session_slot *slot = m->slots[at->line];
    if (at->number <= SNAPSHOT)
        (void)snprintf(text, sizeof text, "snapshot %u/%u", at->line, at->conn);
    else
        (void)snprintf(text, sizeof text, "frame %d", m->content[at->number]);
    if (slot->granted_ns == 0 && at->recv_ns >= at->granted_ns)
        slot->granted_ns = at->granted_ns;
    frame_ref frame = {.recv_ns = at->recv_ns,
                       .publish_ns =
                           m->has_time && at->number >= 0 ? m->made_ns[at->number] : at->recv_ns,
                       .ordinal = (uint64_t)(at->number + 2),
                       .channel = m->channels[at->line],
                       .conn = &slot->now->conn,
                       .row = m->has_state ? &BOOK : NULL,
                       .bytes = td_bytes_of(text, strlen(text)),
                       .block = &m->block};
    assert_int_equal(lines_give(m->lines, slot, &frame, NULL), TD_OK);
    take_all(m);
}

static void run(model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        const arrival *at = &m->arrivals[i];
        const gap_row gap = {.reason = GAP_DISCONNECT,
                             .feed = "v5-linear",
                             .line = at->line,
                             .conn = at->conn,
                             .topic = "",
                             .symbol = "",
                             .from_ns = at->proof_ns,
                             .covered_by = "",
                             .cause = "",
                             .detail = ""};
        const event ev = {.kind = at->number == CONNECT ? EVENT_CONNECT : EVENT_DISCONNECT,
                          .line = at->line,
                          .conn = at->conn,
                          .cause = ""};
        if (at->number >= 0 || at->number <= SNAPSHOT) {
            give(m, at);
            continue;
        }
        connection_table_apply(m->feed, NULL, &ev, at->recv_ns);
        if (at->number == CUT)
            connection_table_apply(m->feed, NULL, &(event){.kind = EVENT_GAP, .gap = gap},
                                   at->recv_ns);
    }
    lines_end(m->lines);
    take_all(m);
}

/* ---- what was returned ---- */

/* The frames of the exchange that can be returned: a line has them, and the stream had not begun
 * with a later frame before they came. */
static size_t find_expected(model *m, int *expected, totals *sum)
{
    uint8_t *is_early = m->is_early;
    const frame_conn *as = NULL;
    int last = -1;
    size_t count = 0;
    for (size_t i = 0; i < m->found_count; i++) {
        const outcome *at = &m->found[i];
        const int number = at->number < 0 ? SNAPSHOT - at->number : at->number;
        for (int n = last + 1; at->as != as && n < number; n++)
            is_early[n] = 1;
        as = at->as;
        last = at->number > last ? at->number : last;
    }
    for (int n = 0; n < FRAMES; n++) {
        sum->early += m->is_had[n] && is_early[n];
        if (m->is_had[n] && !is_early[n])
            expected[count++] = m->content[n];
    }
    sum->frames += count;
    return count;
}

/* How many of the frames `of` are not in `in`, in order: all but their longest common part. */
static size_t count_outside(const int *of, size_t of_count, const int *in, size_t in_count)
{
    size_t *best = td_alloc_zero(in_count + 1, sizeof *best); /* by how much of `in` is used */
    for (size_t i = 0; i < of_count; i++) {
        size_t before = 0; /* best[k] without of[i] */
        for (size_t k = 0; k < in_count; k++) {
            const size_t without = best[k + 1];
            const size_t with = before + (of[i] == in[k]);
            best[k + 1] = without > best[k] ? without : best[k];
            best[k + 1] = with > best[k + 1] ? with : best[k + 1];
            before = without;
        }
    }
    const size_t common = best[in_count];
    td_free(best);
    return of_count - common;
}

static void check(model *m, totals *sum)
{
    int expected[FRAMES];
    int *certain = td_alloc_zero(m->found_count + 1, sizeof *certain);
    int *all = td_alloc_zero(m->found_count + 1, sizeof *all);
    size_t certain_count = 0;
    size_t all_count = 0;
    int last = -1;
    const frame_conn *as = NULL;
    const size_t expected_count = find_expected(m, expected, sum);
    for (size_t i = 0; i < m->found_count; i++) {
        const outcome *at = &m->found[i];
        if (at->number < 0)
            continue;
        all[all_count++] = at->content;
        if (!at->is_doubtful && !m->is_early[at->number])
            certain[certain_count++] = at->content;
        sum->doubtful += (size_t)at->is_doubtful;
        sum->epochs += at->as != as;
        if (m->distinct == 0) {
            sum->unordered += at->number <= last;
            for (int n = last + 1; last >= 0 && at->as == as && n < at->number; n++)
                sum->unseen_holes += !m->is_had[n];
            sum->false_epochs += last >= 0 && at->as != as && at->number == last + 1;
        }
        last = at->number;
        as = at->as;
    }
    sum->lost += count_outside(expected, expected_count, all, all_count);
    sum->twice += count_outside(certain, certain_count, expected, expected_count);
    sum->runs++;
    td_free(certain);
    td_free(all);
}

static totals run_kind(unsigned distinct, int has_time, int has_state, const char *name)
{
    /* An ended connection, older than the stream, agrees with a later part of it by chance; a frame
     * fits a place in the stream, and one that may be a copy. */
    static const unsigned FURTHER[] = {1528, 11366};
    enum { FURTHER_COUNT = sizeof FURTHER / sizeof *FURTHER };
    totals sum = {0};
    const unsigned runs = long_tests_are_on() ? LONG_RUNS : RUNS;
    for (unsigned i = 0; i < runs + FURTHER_COUNT; i++) {
        const unsigned seed = i < runs ? i + 1 : FURTHER[i - runs];
        model *m = td_alloc_zero(1, sizeof *m);
        m->seed = seed;
        m->distinct = distinct;
        m->has_time = has_time;
        m->has_state = has_state;
        open_model(m);
        make(m, seed % RATES);
        run(m);
        check(m, &sum);
        close_model(m);
        td_free(m);
    }
    print_message(
        "%s: %zu runs, %zu frames: %zu twice, %zu lost, %zu out of order, %zu undecidable, "
        "%zu older than their stream; %zu streams, %zu of them without a hole, %zu holes "
        "unseen\n",
        name, sum.runs, sum.frames, sum.twice, sum.lost, sum.unordered, sum.doubtful, sum.early,
        sum.epochs, sum.false_epochs, sum.unseen_holes);
    return sum;
}

static void frames_that_differ_come_once_and_in_order(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"many, trades", "many, books"};
    for (int has_state = 0; has_state < 2; has_state++) {
        const totals sum = run_kind(0, 1, has_state, NAMES[has_state]);
        assert_int_equal(sum.lost, 0);
        assert_int_equal(sum.twice, 0);
        assert_int_equal(sum.unordered, 0);
        assert_int_equal(sum.doubtful, 0);
        assert_int_equal(sum.unseen_holes, 0);
    }
}

static void frames_that_repeat_are_not_lost_and_copies_are_marked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned distinct;
        int has_state;
    } ROWS[] = {{"3 texts", 3, 0},
                {"3 texts, snapshots", 3, 1},
                {"1 text", 1, 0},
                {"1 text, snapshots", 1, 1}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const totals sum = run_kind(ROWS[i].distinct, 0, ROWS[i].has_state, ROWS[i].name);
        assert_int_equal(sum.lost, 0);
        assert_int_equal(sum.twice, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_that_differ_come_once_and_in_order),
        cmocka_unit_test(frames_that_repeat_are_not_lost_and_copies_are_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
