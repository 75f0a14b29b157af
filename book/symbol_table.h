/* The symbols of feeds with their states, found by feed and symbol, in the order of addition. The
 * table copies the names and closes the states. Entries do not move until it is freed, so users may
 * keep pointers. One thread. */
#ifndef TD_BOOK_SYMBOL_TABLE_H
#define TD_BOOK_SYMBOL_TABLE_H

#include <stddef.h>

#include "base/attr.h"
#include "base/channel.h"
#include "base/row_table.h"
#include "book/symbol_state.h"

typedef struct symbol_entry {
    const char *feed, *symbol;
    symbol_state *state; /* NULL before it is opened */
    void *user;          /* for the caller; NULL at first */
    char names[];
} symbol_entry;

/* Zero-initialise. */
typedef struct symbol_table {
    symbol_entry **items;
    size_t count;
    row_table by_name;
} symbol_table;

/* Close all states. The table is empty afterwards. */
void symbol_table_fini(symbol_table *table);

/* The symbol's entry, added if new. */
TD_NEVER_NULL symbol_entry *symbol_table_get(symbol_table *table, const char *feed,
                                             const char *symbol);

/* Memory of the entry, without its state, in bytes. */
size_t symbol_entry_bytes(const symbol_entry *entry);

/* An entry's state, opened if it is NULL. */
TD_NEVER_NULL symbol_state *symbol_entry_state(symbol_entry *entry, symbol_audits audits);

/* The topic of a channel's frames; topic and state are created if new. */
TD_NEVER_NULL symbol_topic *symbol_table_topic(symbol_table *table, const channel_info *info,
                                               symbol_audits audits);

/* Move the states of another table into this one (symbol_state_move). */
void symbol_table_take(symbol_table *table, symbol_table *from);

#endif
