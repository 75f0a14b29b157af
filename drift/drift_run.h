/* A selection, looked through for drift (schema/drift.h) on all cores: the verb's work without its
 * command line. */
#ifndef TD_DRIFT_DRIFT_RUN_H
#define TD_DRIFT_DRIFT_RUN_H

#include <stdint.h>

#include "archive/archive.h"
#include "base/err.h"
#include "base/log.h"
#include "drift/schema_usage.h"
#include "schema/drift_table.h"
#include "tape/selection.h"
#include "tape/cursor.h"

typedef struct drift_run_options {
    archive *archive; /* borrowed, as all here */
    const selection *wanted;
    unsigned threads;
    uint8_t with_coverage; /* 1: what of the documented topics there is is counted, too */
    const td_log *log;
    /* Called a few times a second; 1 stops. */
    int (*progress)(void *user, uint64_t frames, uint64_t recv_ns);
    void *user;
} drift_run_options;

typedef struct drift_run_result {
    drift_table *table;     /* owned */
    schema_usage *coverage; /* owned; NULL: not asked for */
    uint64_t frames; /* inbound frames of the selection, copies and control frames included */
    cursor_stats tape;
} drift_run_result;

/* Look at every inbound frame of the selection. The result does not depend on the number of
 * threads. TD_OK; TD_EOF: progress stopped it, and there is no result; TD_E_NOTFOUND: nothing is
 * selected; TD_E_*. */
TD_MUST_USE td_result drift_run(const drift_run_options *options, drift_run_result *out,
                                td_err *err);
void drift_run_result_fini(drift_run_result *result);

#endif
