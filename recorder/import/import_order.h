/* The connections of a capture: which one a line belongs to, and all records in order of time.
 *
 * A slot is one connection kept over reconnects (docs/design.md, "Words"); its connections are
 * numbered 1, 2, 3 … A line that names its connection ("conn") belongs to the slot of that name.
 * Of lines that name none:
 *   - a connect line continues a slot of the same URL if its time is not before that slot's last
 *     one (a reconnect), else it opens a slot;
 *   - a sent line belongs to the slot of its URL, the latest one first;
 *   - a received line belongs to the slot that was connected or sent to last.
 * Of lines that another archive gave, a slot is a feed's shard; its connections follow from
 * conn_hash. HTTP replies have slots of their own. The same lines give the same slots every time
 * they are read.
 *
 * A record's time is raised to that of the record before it in its slot ("effective"), so records
 * of one slot keep their order. Between slots the earlier time goes first, and at the same time the
 * earlier line. A line may come after later ones of other slots, as long as the records between
 * them fit into LIMIT_IMPORT_WINDOW_BYTES; a line that is later than that is refused. One thread.
 */
#ifndef TD_IMPORT_IMPORT_ORDER_H
#define TD_IMPORT_IMPORT_ORDER_H

#include <stdint.h>

#include "recorder/import/import_line.h"
#include "base/bytes.h"
#include "base/err.h"

typedef struct import_order import_order;

typedef struct import_slot {
    const char *name; /* "" if the file has none */
    const char *url;  /* as in the file; NULL if unknown */
    const char *feed; /* that the file names, with shard; NULL: none */
    uint32_t shard;
    const family *family; /* that the file names; NULL: none */
    uint64_t conn_hash;   /* of its present connection; 0 if the file has none */
    uint8_t is_http;
    uint32_t conn;    /* number of its present connection; 0 before the first line */
    uint64_t last_ns; /* latest effective time */
} import_slot;

/* Where a record belongs. */
typedef struct import_place {
    uint32_t slot;       /* index, from 0 in order of first sight */
    uint32_t conn;       /* connection number of the slot, from 1; of a gap: 0 before the first */
    uint8_t is_new_conn; /* 1: the first record of this connection */
    /* The record's time, not before any earlier one of the slot. A record without a time has that
     * of the latest one before it; 0: absent. */
    uint64_t effective_ns;
} import_place;

/* For the first reading (NULL), which finds out how much the second one must hold; it keeps no
 * content. For the second: only that much. */
TD_NEVER_NULL import_order *import_order_open(const import_order *survey);
void import_order_close(import_order *order);

/* Place a record that is a frame or a connect. TD_OK; TD_E_LIMIT if it would need more than
 * LIMIT_FEED_SLOTS slots (nothing changed). */
TD_MUST_USE td_result import_order_place(import_order *order, const import_record *record,
                                         import_place *out, td_err *err);

uint32_t import_order_slot_count(const import_order *order);

/* A slot by index < count; valid until the next record is placed. */
const import_slot *import_order_slot(const import_order *order, uint32_t index);

/* 1 if the earliest record must be taken before the next one is put. */
int import_order_is_full(const import_order *order);

/* Keep a copy of a record that was placed (not its conn name, which the place replaces; in the
 * first reading neither URL nor data). TD_E_INVALID if it is earlier than one that was taken. */
TD_MUST_USE td_result import_order_put(import_order *order, const import_record *record,
                                       const import_place *place, uint64_t line, td_err *err);

/* Return the earliest record; its views are valid until the next call. 0 if none is left. */
int import_order_next(import_order *order, import_record *record, import_place *place);

#endif
