/* When the trades of a symbol were unsubscribed on a connection, and granted again. The comparison
 * of candles with trades (book/audit.h) needs it with frames of other topics, too. Grants and ends
 * of topics other than trades change nothing. A topic of a list of symbols, or of all, counts for
 * each symbol. Zero-initialise to start. One thread. */
#ifndef TD_SCHEMA_TRADE_GRANTS_H
#define TD_SCHEMA_TRADE_GRANTS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/row_table.h"
#include "schema/family.h"

/* Times of the last end and of the last grant; 0: none that is known. */
typedef struct trade_grant {
    uint64_t ended_ns, granted_ns;
} trade_grant;

/* The trades of a connection. */
typedef struct trade_grants {
    struct trade_grant_row *rows;
    row_table by_symbol;
    trade_grant all; /* of topics of several symbols */
} trade_grants;

/* Note the end or the grant of a topic (as the exchange writes it). of NULL: an unknown family. */
void trade_grants_note(trade_grants *self, const family *of, td_bytes topic, trade_grant now);

/* What is known of a symbol's trades. */
trade_grant trade_grants_find(const trade_grants *self, td_bytes symbol);

/* Forget all, as when another connection begins, and free the memory. */
void trade_grants_fini(trade_grants *self);

#endif
