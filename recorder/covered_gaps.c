#include "recorder/covered_gaps.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/limits.h"

/* A row that another line may cover. */
typedef struct candidate {
    gap_row row;
    uint16_t feed_index;
    const connection *other;
    uint32_t conn; /* number of its connection when the gap ended */
} candidate;

struct covered_gaps {
    void (*emit)(void *user, uint16_t feed_index, const gap_row *row);
    void *user;
    candidate *items;
    size_t count;
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

void covered_gaps_add(covered_gaps *self, uint16_t feed_index, const gap_row *row,
                      connection *other)
{
    uint32_t conn = connection_live_since(other, row->from_ns);
    if (conn == 0 || self->count == COVERED_GAPS_MAX)
        return;
    self->items = td_array_grow(self->items, self->count, sizeof *self->items);
    self->items[self->count++] = (candidate){gap_row_copy(row), feed_index, other, conn};
    connection_prove(other);
}

void covered_gaps_proven(covered_gaps *self, const connection *by)
{
    for (size_t i = self->count; i > 0; i--) {
        candidate *at = &self->items[i - 1];
        char line[LIMIT_NAME_BYTES];
        if (at->other != by)
            continue;
        uint64_t complete_ns = connection_complete_ns(by, at->conn);
        if (complete_ns != 0 && complete_ns < at->row.to_ns)
            continue; /* an answer to an earlier ping */
        if (complete_ns != 0) {
            gap_row covered = at->row;
            (void)snprintf(line, sizeof line, "line %u", (unsigned)connection_line(by)); /* fits */
            covered.covered_by = line;
            self->emit(self->user, at->feed_index, &covered);
        }
        drop(self, i - 1);
    }
}
