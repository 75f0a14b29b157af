#include "schema/trade_grants.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "schema/dialect.h"

typedef struct trade_grant_row {
    uint64_t symbol; /* its hash */
    trade_grant times;
} trade_grant_row;

static trade_grant_row *find_row(const trade_grants *self, uint64_t symbol)
{
    row_probe at = row_probe_of(symbol);
    while (row_table_next(&self->by_symbol, &at))
        if (self->rows[at.row].symbol == symbol)
            return &self->rows[at.row];
    return NULL;
}

static trade_grant *get_times(trade_grants *self, td_bytes name)
{
    const uint64_t symbol = td_xxh64(name.data, name.size);
    trade_grant_row *row = find_row(self, symbol);
    if (row == NULL) {
        self->rows = td_array_grow(self->rows, self->by_symbol.count, sizeof *self->rows);
        row = &self->rows[self->by_symbol.count];
        *row = (trade_grant_row){.symbol = symbol};
        row_table_put(&self->by_symbol, symbol, self->by_symbol.count);
    }
    return &row->times;
}

static void add_times(trade_grant *times, const trade_grant *other)
{
    if (other->ended_ns > times->ended_ns)
        times->ended_ns = other->ended_ns;
    if (other->granted_ns > times->granted_ns)
        times->granted_ns = other->granted_ns;
}

void trade_grants_note(trade_grants *self, const family *of, td_bytes topic, trade_grant now)
{
    topic_match match;
    if (of == NULL)
        return;
    const int has_lists = of->dialect->covers != dialect_covers_same;
    const int is_known =
        topic_match_text(of->topics, of->topic_count, topic, TOPIC_ANY_TIME, &match);
    if (is_known ? match.row->type != MSG_TRADE : !has_lists)
        return;
    const td_bytes symbol = match.symbol;
    const int is_of_several = symbol.size == 0 || td_bytes_is(symbol, "*") ||
                              (has_lists && memchr(symbol.data, '|', symbol.size) != NULL);
    add_times(is_of_several ? &self->all : get_times(self, symbol), &now);
}

trade_grant trade_grants_find(const trade_grants *self, td_bytes symbol)
{
    trade_grant out = self->all;
    if (self->by_symbol.count == 0)
        return out;
    const trade_grant_row *row = find_row(self, td_xxh64(symbol.data, symbol.size));
    if (row != NULL)
        add_times(&out, &row->times);
    return out;
}

void trade_grants_fini(trade_grants *self)
{
    row_table_fini(&self->by_symbol);
    td_free(self->rows);
    *self = (trade_grants){0};
}
