/* Searches a selection for drift (schema/drift.h) on all cores: the verb `drift` without its
 * command line. */
#ifndef TD_DRIFT_DRIFT_RUN_H
#define TD_DRIFT_DRIFT_RUN_H

#include <stdint.h>

#include "base/err.h"
#include "replay/play/observe.h"
#include "schema/drift_table.h"

typedef struct drift_run_result {
    drift_table *table; /* owned */
    uint64_t frames;    /* inbound frames of the selection, copies and control frames included */
    cursor_stats tape;
} drift_run_result;

/* Search every inbound frame of a selection. The result does not depend on the number of threads.
 * TD_E_IO: a signal stopped it, or I/O failed; TD_E_NOTFOUND: nothing is selected. */
TD_MUST_USE td_result drift_run(const observe_options *how, const selection *wanted,
                                drift_run_result *out, td_err *err);
void drift_run_result_fini(drift_run_result *result);

#endif
