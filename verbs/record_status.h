/* What a running recorder answers over HTTP (--status-listen): /metrics in Prometheus' text format,
 * /healthz (200, or 503 with the reasons), and /status, which is `tapedeck ctl status --json`.
 * Names, units and types are listed in docs/monitoring.md. Answers hold no URL and no credential.
 * Made on the server's worker threads. */
#ifndef TD_VERBS_RECORD_STATUS_H
#define TD_VERBS_RECORD_STATUS_H

#include "base/err.h"
#include "archive/archive.h"
#include "verbs/record_control.h"

typedef struct record_status record_status;

/* Listen at "HOST:PORT". of and into are borrowed until close. TD_E_INVALID (the address),
 * TD_E_NETWORK (cannot listen there), TD_E_IO. */
TD_MUST_USE td_result record_status_open(const char *listen, record_control *of,
                                         const archive *into, record_status **out, td_err *err);

/* Where it is: "http://127.0.0.1:9464/". */
const char *record_status_url(const record_status *self);

/* NULL is fine. */
void record_status_close(record_status *self);

#endif
