/* Looking up names without holding up the network thread: each look-up runs on a short-lived thread
 * of its own (getaddrinfo, so /etc/hosts and nsswitch count), and its answer is taken by the loop's
 * thread. A look-up cannot be called back: one that was given up ends unheard, and the resolver's
 * memory lives until the last of them is done. */
#ifndef TD_WIRE_RESOLVE_H
#define TD_WIRE_RESOLVE_H

#include <stddef.h>

#include "base/err.h"

enum { RESOLVE_ADDRESSES_MAX = 8, RESOLVE_ADDRESS_BYTES = 64 };

/* What a name stands for, in the order to try. */
typedef struct resolve_answer {
    size_t count;     /* 0: none */
    const char *text; /* why there is none; valid for ever */
    char addresses[RESOLVE_ADDRESSES_MAX][RESOLVE_ADDRESS_BYTES]; /* numeric */
} resolve_answer;

typedef struct resolver resolver;
typedef struct resolve_job resolve_job;

/* notify is called on the look-up's thread when an answer waits, never after resolver_close has
 * returned; it must not call back into the resolver. TD_E_NOMEM. */
TD_MUST_USE td_result resolver_open(void (*notify)(void *user), void *user, resolver **out,
                                    td_err *err);
void resolver_close(resolver *resolver);

/* Start to look up a name. done is called by resolver_deliver, unless the job was given up.
 * TD_E_NOMEM, TD_E_IO (no thread). */
TD_MUST_USE td_result resolver_start(resolver *resolver, const char *name,
                                     void (*done)(void *user, const resolve_answer *answer),
                                     void *user, resolve_job **out, td_err *err);

/* Give a job up: done will not be called. NULL is fine. Same thread as deliver; before close. */
void resolve_job_cancel(resolve_job *job);

/* Call done for every answer that has come; a job is gone once it was called. */
void resolver_deliver(resolver *resolver);

#endif
