#include "archive/gap_index.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

static uint64_t hash_of(const char *feed, const char *topic, const char *symbol)
{
    td_xxh64_state state;
    td_xxh64_begin(&state);
    td_xxh64_update(&state, feed, strlen(feed) + 1);
    td_xxh64_update(&state, topic, strlen(topic) + 1);
    td_xxh64_update(&state, symbol, strlen(symbol));
    return td_xxh64_end(&state);
}

void gap_index_build(gap_index *self, const gap_list *ledger)
{
    self->ledger = ledger;
    self->wide_count = 0;
    row_table_clear(&self->narrow);
    for (size_t i = 0; i < ledger->count; i++) {
        const gap_row *row = &ledger->rows[i];
        if (row->topic[0] != '\0' && row->symbol[0] != '\0' && strcmp(row->symbol, "*") != 0) {
            row_table_put(&self->narrow, hash_of(row->feed, row->topic, row->symbol), i);
            continue;
        }
        self->wide = td_array_grow(self->wide, self->wide_count, sizeof *self->wide);
        self->wide[self->wide_count++] = i;
    }
}

void gap_index_fini(gap_index *self)
{
    td_free(self->wide);
    row_table_fini(&self->narrow);
    *self = (gap_index){0};
}

/* The first wide row of a feed. */
static size_t first_of(const gap_index *self, const char *feed)
{
    size_t low = 0;
    size_t high = self->wide_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(self->ledger->rows[self->wide[middle]].feed, feed) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

gap_probe gap_index_find(const gap_index *self, const char *feed, const char *topic,
                         const char *symbol)
{
    const int is_of_all = strcmp(symbol, "*") == 0;
    return (gap_probe){.of = self,
                       .feed = feed,
                       .topic = topic,
                       .symbol = symbol,
                       .next = is_of_all ? 0 : first_of(self, feed),
                       .narrow = row_probe_of(hash_of(feed, topic, symbol))};
}

const gap_row *gap_index_next(gap_probe *at)
{
    const gap_index *of = at->of;
    const int is_of_all = strcmp(at->symbol, "*") == 0;
    const size_t count = is_of_all ? of->ledger->count : of->wide_count;
    while (at->next < count) {
        const gap_row *row = &of->ledger->rows[is_of_all ? at->next : of->wide[at->next]];
        const int order = strcmp(row->feed, at->feed);
        at->next = order > 0 ? count : at->next + 1; /* rows of a feed are contiguous */
        if (order == 0 && gap_row_affects_topic(row, at->topic, at->symbol))
            return row;
    }
    while (!is_of_all && row_table_next(&of->narrow, &at->narrow)) {
        const gap_row *row = &of->ledger->rows[at->narrow.row];
        if (strcmp(row->feed, at->feed) == 0 && gap_row_affects_topic(row, at->topic, at->symbol))
            return row;
    }
    return NULL;
}
