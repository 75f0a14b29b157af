/* Faults that the simulated exchange injects, "KIND@N". N counts the data frames of a family
 * from 1 as its venue makes them; for refuse, upgrades from 1. Those that last may have a topic:
 * "KIND@N:TOPIC". Constant data. */
#ifndef TD_SIM_FAULT_H
#define TD_SIM_FAULT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef enum fault_kind {
    FAULT_DISCONNECT, /* after frame N every connection is closed with 1001 */
    FAULT_CUT,        /* the same without a close frame, as by a crash */
    FAULT_DROP,       /* frame N is dropped */
    FAULT_REPEAT,     /* frame N is sent twice */
    FAULT_SILENCE,    /* after frame N the open connections get no more data, but answers */
    FAULT_REFUSE,     /* upgrade N is answered with 502 */
    /* From frame N on, all frames have another form (sim/drift.h). */
    FAULT_NEW_FIELD,
    FAULT_LOST_FIELD,
    FAULT_NEW_TYPE,
    FAULT_NEW_TOPIC,
    FAULT_KINDS,
} fault_kind;

typedef struct fault {
    fault_kind kind;
    uint64_t at;       /* N, from 1 */
    const char *topic; /* only frames of this topic, without its symbol; NULL: of all. Borrowed from
                          the text that it was parsed from */
} fault;

/* Stable name ("disconnect"). */
const char *fault_name(fault_kind kind);

/* 1 if it changes the form of frames from N on. */
static inline int fault_is_drift(fault_kind kind)
{
    return kind >= FAULT_NEW_FIELD && kind < FAULT_KINDS;
}

/* Parse "KIND@N" or "KIND@N:TOPIC". TD_E_INVALID, with the kinds as a hint. */
TD_MUST_USE td_result fault_parse(const char *text, fault *out, td_err *err);

#endif
