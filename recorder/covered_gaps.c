#include "recorder/covered_gaps.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/limits.h"

/* A row that other lines may cover. */
typedef struct candidate {
    gap_row row;
    uint64_t end_ns; /* of the row, which may have no length */
    uint16_t feed_index;
} candidate;

/* The time in which a connection has everything. */
typedef struct covered_time {
    const connection *slot;
    uint32_t conn;
    time_span span;
} covered_time;

struct covered_gaps {
    void (*emit)(void *user, uint16_t feed_index, const gap_row *row);
    void *user;
    candidate *items;
    size_t count;
    covered_time times[COVERED_TIMES_MAX]; /* by the order of their grants; a ring buffer */
    size_t time_first, time_count;
};

covered_gaps *covered_gaps_open(void (*emit)(void *user, uint16_t feed_index, const gap_row *row),
                                void *user)
{
    covered_gaps *self = td_alloc_zero(1, sizeof *self);
    self->emit = emit;
    self->user = user;
    return self;
}

static void drop(covered_gaps *self, size_t index)
{
    gap_row_fini(&self->items[index].row);
    self->items[index] = self->items[--self->count];
}

void covered_gaps_close(covered_gaps *self)
{
    if (self == NULL)
        return;
    while (self->count > 0)
        drop(self, self->count - 1);
    td_free(self->items);
    td_free(self);
}

/* ---- the connections' times ---- */

static covered_time *time_at(covered_gaps *self, size_t index)
{
    return &self->times[(self->time_first + index) % COVERED_TIMES_MAX];
}

static void note_time(covered_gaps *self, const connection *by)
{
    const uint32_t conn = connection_live_since(by, UINT64_MAX);
    if (conn == 0)
        return;
    for (size_t i = self->time_count; i > 0; i--) {
        covered_time *at = time_at(self, i - 1);
        if (at->slot != by || at->conn != conn)
            continue;
        at->span.to_ns = connection_complete_ns(by, conn);
        return;
    }
    if (self->time_count == COVERED_TIMES_MAX)
        self->time_first = (self->time_first + 1) % COVERED_TIMES_MAX;
    else
        self->time_count++;
    *time_at(self, self->time_count - 1) =
        (covered_time){.slot = by,
                       .conn = conn,
                       .span = {connection_granted_ns(by), connection_complete_ns(by, conn)}};
}

static int is_of_other_line(const candidate *row, const connection *of)
{
    return connection_feed(of) == row->feed_index && connection_shard(of) == row->row.shard &&
           connection_line(of) != row->row.line;
}

/* The time of another line that reaches furthest from at_ns on; NULL: none contains at_ns. */
static const covered_time *find_time(covered_gaps *self, const candidate *row, uint64_t at_ns)
{
    const covered_time *found = NULL;
    for (size_t i = 0; i < self->time_count; i++) {
        const covered_time *at = time_at(self, i);
        if (is_of_other_line(row, at->slot) && time_span_has(at->span, at_ns) &&
            (found == NULL || at->span.to_ns > found->span.to_ns))
            found = at;
    }
    return found;
}

/* The first moment after at_ns from which another line has something; the row's end if none. */
static uint64_t next_time(covered_gaps *self, const candidate *row, uint64_t at_ns)
{
    uint64_t next_ns = row->end_ns;
    for (size_t i = 0; i < self->time_count; i++) {
        const covered_time *at = time_at(self, i);
        if (is_of_other_line(row, at->slot) && at->span.from_ns > at_ns &&
            at->span.from_ns < next_ns && time_span_ns(at->span) > 0)
            next_ns = at->span.from_ns;
    }
    return next_ns;
}

/* 1 if a live connection of another line may still prove that it has more of the row. */
static int may_prove_more(covered_gaps *self, const candidate *row)
{
    for (size_t i = 0; i < self->time_count; i++) {
        const covered_time *at = time_at(self, i);
        if (is_of_other_line(row, at->slot) && at->span.from_ns < row->end_ns &&
            at->span.to_ns < row->end_ns && connection_live_since(at->slot, UINT64_MAX) == at->conn)
            return 1;
    }
    return 0;
}

/* ---- rows ---- */

/* Write the uncovered parts of a row, then that the row is covered, unless all of it is uncovered.
 */
static void write_parts(covered_gaps *self, const candidate *of)
{
    char line[LIMIT_NAME_BYTES] = "";
    uint64_t at_ns = of->row.from_ns;
    while (at_ns < of->end_ns) {
        const covered_time *by = find_time(self, of, at_ns);
        if (by != NULL) {
            (void)snprintf(line, sizeof line, "line %u", (unsigned)connection_line(by->slot));
            at_ns = by->span.to_ns;
            continue;
        }
        gap_row part = of->row;
        /* The row itself has the key of a part that begins with it. */
        part.from_ns = at_ns == of->row.from_ns ? at_ns + 1 : at_ns;
        part.to_ns = at_ns = next_time(self, of, at_ns);
        if (part.from_ns < part.to_ns && (part.to_ns < of->end_ns || line[0] != '\0'))
            self->emit(self->user, of->feed_index, &part);
    }
    gap_row covered = of->row;
    covered.covered_by = line;
    if (line[0] != '\0')
        self->emit(self->user, of->feed_index, &covered);
}

static void write_settled(covered_gaps *self)
{
    for (size_t i = self->count; i > 0; i--) {
        if (may_prove_more(self, &self->items[i - 1]))
            continue;
        write_parts(self, &self->items[i - 1]);
        drop(self, i - 1);
    }
}

void covered_gaps_add(covered_gaps *self, uint16_t feed_index, const gap_row *row,
                      connection *const *others, size_t other_count)
{
    if (self->count == COVERED_GAPS_MAX)
        return;
    self->items = td_array_grow(self->items, self->count, sizeof *self->items);
    self->items[self->count++] = (candidate){
        .row = gap_row_copy(row), .end_ns = gap_row_span(row).to_ns, .feed_index = feed_index};
    for (size_t i = 0; i < other_count; i++) {
        note_time(self, others[i]);
        connection_prove(others[i]);
    }
    write_settled(self);
}

void covered_gaps_proven(covered_gaps *self, const connection *by)
{
    note_time(self, by);
    write_settled(self);
}
