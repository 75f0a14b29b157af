/* Faults that the simulated exchange injects, "KIND@N". N counts the data frames of a family
 * from 1 as its venue makes them; for refuse, upgrades from 1. Constant data. */
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
    FAULT_KINDS,
} fault_kind;

typedef struct fault {
    fault_kind kind;
    uint64_t at; /* N, from 1 */
} fault;

/* Stable name ("disconnect"). */
const char *fault_name(fault_kind kind);

/* Parse "KIND@N". TD_E_INVALID, with the kinds as a hint. */
TD_MUST_USE td_result fault_parse(const char *text, fault *out, td_err *err);

#endif
