/* Finds the connection of each line of a capture, and sorts the records by time.
 *
 * A slot is a connection that is kept over reconnects (docs/design.md, "Words"). The successive
 * connections of a slot are numbered 1, 2, 3 … A line that names its connection ("conn") belongs to
 * the slot of that name. For other lines:
 *   - a connect line belongs to a slot of the same URL (a reconnect) if the line's time is not
 *     before the slot's last time; else it opens a slot;
 *   - a sent line belongs to the latest slot of its URL;
 *   - a received line belongs to the slot of the last connect or sent line.
 * For lines from another archive, each feed and shard has a slot, and conn_hash distinguishes its
 * connections. HTTP replies have slots of their own. The same lines give the same slots in every
 * reading.
 *
 * A record's effective time is its own time, or, if later, the effective time of the slot's
 * previous record. So records of a slot keep their order. Records of different slots are sorted by
 * effective time, then by line. A line may be out of order with lines of other slots if the records
 * between them fit into LIMIT_IMPORT_WINDOW_BYTES; otherwise it is refused. One thread. */
#ifndef TD_IMPORT_IMPORT_ORDER_H
#define TD_IMPORT_IMPORT_ORDER_H

#include <stdint.h>

#include "recorder/import/import_line.h"
#include "base/err.h"
#include "schema/family.h"

typedef struct import_order import_order;

typedef struct import_slot {
    const char *name; /* "" if the file gives no name */
    const char *url;  /* as in the file; NULL if unknown */
    const char *feed; /* feed of the other archive; NULL: not named */
    uint32_t shard;
    const family *family; /* named in the file, or NULL */
    uint64_t conn_hash;   /* hash of its current connection; 0: unknown */
    uint8_t is_http;
    uint32_t conn;    /* number of its current connection; 0 before the first line */
    uint64_t last_ns; /* latest effective time */
} import_slot;

/* Slot, connection and time of a record. */
typedef struct import_place {
    uint32_t slot;       /* index, from 0, in the order of first lines */
    uint32_t conn;       /* connection number in the slot, from 1; 0: a gap before the first */
    uint8_t is_new_conn; /* 1: the first record of this connection */
    /* The record's time, at least the effective time of the slot's previous record. A record
     * without a time gets the slot's last time, else the latest time of all slots; 0: no time is
     * known. */
    uint64_t effective_ns;
} import_place;

/* Open. For the first reading survey is NULL: no content is kept, but the number of bytes that
 * sorting must keep is measured. For the second reading survey is the order of the first reading,
 * and that number of bytes is kept. */
TD_NEVER_NULL import_order *import_order_open(const import_order *survey);
void import_order_close(import_order *order);

/* Find the place of a record, which must not be IMPORT_NOTHING. TD_OK; TD_E_LIMIT: it would need
 * more than LIMIT_FEED_SLOTS slots (nothing changed). */
TD_MUST_USE td_result import_order_place(import_order *order, const import_record *record,
                                         import_place *out, td_err *err);

/* Number of slots so far. */
uint32_t import_order_slot_count(const import_order *order);

/* A slot by index < count; valid until the next record is placed. */
const import_slot *import_order_slot(const import_order *order, uint32_t index);

/* 1 if the earliest record must be taken (import_order_next) before another is put. */
int import_order_is_full(const import_order *order);

/* Keep a copy of a placed record, without its conn, and in the first reading also without URL and
 * data. TD_E_INVALID: the record is earlier than a record that was taken. */
TD_MUST_USE td_result import_order_put(import_order *order, const import_record *record,
                                       const import_place *place, uint64_t line, td_err *err);

/* Take the earliest record; its views are valid until the next call. Returns 0 if no record is
 * left. */
int import_order_next(import_order *order, import_record *record, import_place *place);

#endif
