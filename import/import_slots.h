/* The connections of a capture: which one a line belongs to, and the state of each. A slot
 * is one connection kept over reconnects (docs/design.md, "Words"); its connections are numbered
 * 1, 2, 3 …
 *
 * A line that names its connection ("conn") belongs to the slot of that name. Of lines that name
 * none:
 *   - a connect line continues a slot of the same URL if its time is not before that slot's last
 *     one (a reconnect), else it opens a slot;
 *   - a sent line belongs to the slot of its URL, the latest one first;
 *   - a received line belongs to the slot that was connected or sent to last: the line format says
 * no more. HTTP replies have slots of their own. The same lines give the same slots every time they
 * are read. Times within a slot are held to never fall: what is "effective" below. One thread. */
#ifndef TD_IMPORT_IMPORT_SLOTS_H
#define TD_IMPORT_IMPORT_SLOTS_H

#include <stdint.h>

#include "import/import_line.h"
#include "base/bytes.h"
#include "base/err.h"

typedef struct import_slots import_slots;

typedef struct import_slot {
    const char *name; /* "" if the file has none */
    const char *url;  /* as in the file; NULL if unknown */
    uint8_t is_http;
    uint32_t conn;    /* number of its present connection; 0 before the first line */
    uint64_t last_ns; /* latest effective time */
} import_slot;

/* Where a record belongs. */
typedef struct import_place {
    uint32_t slot;       /* index, from 0 in order of first sight */
    uint32_t conn;       /* connection number of the slot, from 1 */
    uint8_t is_new_conn; /* 1: the first record of this connection */
    /* The record's time, not before any earlier one of the slot. A record without a time has that
     * of the latest one before it; 0: absent. */
    uint64_t effective_ns;
} import_place;

TD_NEVER_NULL import_slots *import_slots_open(void);
void import_slots_close(import_slots *slots);

/* Place a record that is a frame or a connect. TD_OK; TD_E_LIMIT if it would need more than
 * LIMIT_FEED_SLOTS slots (nothing changed). */
TD_MUST_USE td_result import_slots_take(import_slots *slots, const import_record *record,
                                        import_place *out, td_err *err);

uint32_t import_slots_count(const import_slots *slots);

/* A slot by index < count; valid until the next take. */
const import_slot *import_slots_at(const import_slots *slots, uint32_t index);

#endif
