#include "archive/gap_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static int compare_names(const gap_row *left, const gap_row *right)
{
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = strcmp(left->topic, right->topic);
    return order == 0 ? strcmp(left->symbol, right->symbol) : order;
}

/* By names, then in the ledger's order. */
static int compare_narrow(const void *a, const void *b)
{
    const gap_row *left = *(const gap_row *const *)a;
    const gap_row *right = *(const gap_row *const *)b;
    const int order = compare_names(left, right);
    return order != 0 ? order : (left > right) - (left < right);
}

void gap_index_build(gap_index *self, const gap_list *ledger)
{
    self->ledger = ledger;
    self->wide_count = 0;
    self->narrow_count = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        const gap_row *row = &ledger->rows[i];
        if (row->topic[0] != '\0' && row->symbol[0] != '\0' && strcmp(row->symbol, "*") != 0) {
            self->narrow = td_array_grow(self->narrow, self->narrow_count, sizeof(const gap_row *));
            self->narrow[self->narrow_count++] = row;
            continue;
        }
        self->wide = td_array_grow(self->wide, self->wide_count, sizeof *self->wide);
        self->wide[self->wide_count++] = i;
    }
    if (self->narrow_count > 0)
        qsort(self->narrow, self->narrow_count, sizeof(const gap_row *), compare_narrow);
}

void gap_index_fini(gap_index *self)
{
    td_free(self->wide);
    td_free(self->narrow);
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

/* The first narrow row of a topic and symbol, or of what follows them. */
static size_t first_narrow(const gap_index *self, const gap_row *names)
{
    size_t low = 0;
    size_t high = self->narrow_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_names(self->narrow[middle], names) < 0)
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
    const gap_row names = {.feed = feed, .topic = topic, .symbol = symbol};
    return (gap_probe){.of = self,
                       .feed = feed,
                       .topic = topic,
                       .symbol = symbol,
                       .next = is_of_all ? 0 : first_of(self, feed),
                       .narrow = is_of_all ? 0 : first_narrow(self, &names)};
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
    const gap_row names = {.feed = at->feed, .topic = at->topic, .symbol = at->symbol};
    if (is_of_all || at->narrow == of->narrow_count ||
        compare_names(of->narrow[at->narrow], &names) != 0)
        return NULL;
    return of->narrow[at->narrow++];
}
