/* Searches a selection for drift (schema/drift.h), or measures the rules of its documents
 * (claims.h), on all cores: the verb `drift` without its command line. */
#ifndef TD_DRIFT_DRIFT_RUN_H
#define TD_DRIFT_DRIFT_RUN_H

#include <stdint.h>

#include "base/err.h"
#include "replay/play/observe.h"
#include "regress/drift/claims.h"
#include "schema/drift_table.h"

/* What a run compares the frames with. */
typedef enum drift_run_with { DRIFT_WITH_SCHEMA, DRIFT_WITH_RULES } drift_run_with;

typedef struct drift_run_result {
    drift_table *table; /* owned; NULL with DRIFT_WITH_RULES */
    claims *rules;      /* owned; NULL with DRIFT_WITH_SCHEMA */
    /* With the schema: inbound frames of the selection, copies and control frames included. With
     * the rules: frames of all topics, without copies. */
    uint64_t frames;
    cursor_stats tape;
} drift_run_result;

/* Read every frame of a selection. The result does not depend on the number of threads.
 * TD_E_IO: a signal stopped it, or I/O failed; TD_E_NOTFOUND: nothing is selected. */
TD_MUST_USE td_result drift_run(const observe_options *how, const selection *wanted,
                                drift_run_with with, drift_run_result *out, td_err *err);
void drift_run_result_fini(drift_run_result *result);

#endif
