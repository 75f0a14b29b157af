/* What other lines have of a gap. Connections of three lines live and end at any moment, in a model
 * that proves them complete every 100 ms. Expected: the rows that are not covered, together, are
 * the time in which a row of a line is open and no other line has everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "recorder/covered_gaps.h"

enum { LINES = 3, STEPS = 600, RUNS = 200 };
#define STEP_NS (100 * TD_NS_PER_MS)

/* ---- connections of the model, in the place of recorder/connection.c ---- */

struct connection {
    uint32_t line, conn;
    uint64_t granted_ns, complete_ns; /* granted_ns 0: not live */
};

uint16_t connection_feed(const connection *self)
{
    (void)self;
    return 0;
}

uint32_t connection_line(const connection *self)
{
    return self->line;
}

uint32_t connection_shard(const connection *self)
{
    (void)self;
    return 0;
}

uint32_t connection_live_since(const connection *self, uint64_t from_ns)
{
    return self->granted_ns != 0 && self->granted_ns <= from_ns ? self->conn : 0;
}

uint64_t connection_granted_ns(const connection *self)
{
    return self->granted_ns;
}

uint64_t connection_complete_ns(const connection *self, uint32_t conn)
{
    return self->granted_ns != 0 && self->conn == conn ? self->complete_ns : 0;
}

void connection_prove(connection *self)
{
    (void)self; /* it is proven at the next step */
}

/* ---- the model ---- */

typedef struct model {
    unsigned seed;
    connection lines[LINES];
    gap_row open[LINES];
    uint8_t had[LINES][STEPS]; /* the line has everything of this step */
    uint8_t in_row[STEPS];     /* a row that has ended contains this step */
    gap_list ledger;
    size_t parts;
} model;

static unsigned next_random(model *m, unsigned below)
{
    m->seed = m->seed * 1664525u + 1013904223u;
    return (m->seed >> 8) % below;
}

static void emit(void *user, uint16_t feed_index, const gap_row *row)
{
    model *m = user;
    assert_int_equal(feed_index, 0);
    gap_list_add(&m->ledger, row);
    m->parts += row->covered_by[0] == '\0';
}

static uint64_t at_step(size_t step)
{
    return (1000 + step) * STEP_NS;
}

static void end_row(model *m, covered_gaps *gaps, uint32_t line, size_t step)
{
    connection *others[LINES];
    size_t count = 0;
    gap_row *row = &m->open[line];
    row->to_ns = at_step(step);
    for (uint32_t i = 0; i < LINES; i++)
        if (i != line)
            others[count++] = &m->lines[i];
    for (size_t i = 0; i < step; i++)
        if (at_step(i) >= row->from_ns)
            m->in_row[i] = 1;
    gap_list_add(&m->ledger, row);
    covered_gaps_add(gaps, 0, row, others, count);
    row->feed = NULL;
}

/* Let a line connect, or end, with one chance of a number; the last proof was a step ago or more.
 */
static void change_line(model *m, covered_gaps *gaps, uint32_t line, size_t step, unsigned chances)
{
    connection *of = &m->lines[line];
    if (next_random(m, chances) != 0)
        return;
    if (of->granted_ns != 0) {
        m->open[line] = gap_row_of(GAP_DISCONNECT, "feed", of->complete_ns, GAP_OPEN, "reset");
        m->open[line].line = line;
        m->open[line].conn = of->conn;
        of->granted_ns = 0;
        return;
    }
    of->conn++;
    of->granted_ns = of->complete_ns = at_step(step);
    if (m->open[line].feed != NULL)
        end_row(m, gaps, line, step);
}

static void prove(model *m, covered_gaps *gaps, uint32_t line, size_t step)
{
    connection *of = &m->lines[line];
    if (of->granted_ns == 0 || next_random(m, 3) == 0)
        return;
    for (size_t i = 0; i < step; i++)
        if (at_step(i) >= of->granted_ns)
            m->had[line][i] = 1;
    of->complete_ns = at_step(step);
    covered_gaps_proven(gaps, of);
}

static int is_missing(const model *m, size_t step)
{
    for (size_t i = 0; i < m->ledger.count; i++) {
        const gap_row *row = &m->ledger.rows[i];
        if (row->covered_by[0] == '\0' && row->from_ns <= at_step(step) + 1 &&
            row->to_ns > at_step(step) + 1)
            return 1;
    }
    return 0;
}

static void rows_are_as_long_as_what_no_line_has(void **state)
{
    (void)state;
    size_t missing = 0;
    size_t parts = 0;
    for (unsigned seed = 1; seed <= RUNS; seed++) {
        model m = {.seed = seed};
        covered_gaps *gaps = covered_gaps_open(emit, &m);
        for (uint32_t line = 0; line < LINES; line++)
            m.lines[line].line = line;
        for (size_t step = 0; step < STEPS; step++)
            for (uint32_t line = 0; line < LINES; line++) {
                /* At the end all lines connect, and are proven. */
                const int is_end = step > STEPS - 20;
                if (!is_end || m.lines[line].granted_ns == 0)
                    change_line(&m, gaps, line, step, is_end ? 1 : 30);
                prove(&m, gaps, line, step);
            }
        for (size_t step = 0; step < STEPS - 20; step++) {
            int is_had = 0;
            for (uint32_t line = 0; line < LINES; line++)
                is_had |= m.had[line][step];
            const int expected = m.in_row[step] && !is_had;
            if (is_missing(&m, step) != expected)
                fail_msg("seed %u, step %zu: %d, not %d", seed, step, !expected, expected);
            missing += (size_t)expected;
        }
        parts += m.parts;
        covered_gaps_close(gaps);
        gap_list_fini(&m.ledger);
    }
    print_message("%d runs: %zu steps that no line has, in %zu parts of rows\n", RUNS, missing,
                  parts);
    assert_true(missing > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_are_as_long_as_what_no_line_has)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
