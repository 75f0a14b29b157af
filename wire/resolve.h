/* Looks names up without blocking the network thread: getaddrinfo, so /etc/hosts and nsswitch
 * count, on threads, and the loop's thread takes the answers.
 *
 * A look-up cannot be cancelled, and one without an answer lasts until the system's timeout. So
 * that it delays no other name, each has a thread of its own, up to LIMIT_RESOLVE_THREADS; and a
 * name is looked up once at a time: further callers wait for the same answer.
 *
 * A cancelled job is freed at once; the resolver's memory lives until the last look-up
 * has returned. */
#ifndef TD_WIRE_RESOLVE_H
#define TD_WIRE_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"

enum { RESOLVE_ADDRESSES_MAX = 8 };

/* An address of either version, of IPv6 with its scope. */
typedef union wire_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} wire_address;

/* A look-up that takes longer is logged: glibc's default timeout for the first query of a name
 * server. */
#define RESOLVE_SLOW_NS (5 * TD_NS_PER_S)

/* Addresses of a name, in the order to try. */
typedef struct resolve_answer {
    size_t count;     /* 0: none */
    const char *text; /* why it failed; a constant */
    wire_address addresses[RESOLVE_ADDRESSES_MAX];
} resolve_answer;

typedef struct resolver resolver;
typedef struct resolve_job resolve_job;

/* notify is called on a look-up's thread when an answer waits, never after resolver_close has
 * returned; it must not call back into the resolver. log may be NULL; borrowed. */
TD_NEVER_NULL resolver *resolver_open(td_clock clock, const td_log *log, void (*notify)(void *user),
                                      void *user);
void resolver_close(resolver *resolver);

/* Start to look up a name (or a numeric address), or wait with others for its answer. done is
 * called by resolver_deliver, unless the job was cancelled. TD_E_LIMIT: LIMIT_RESOLVE_NAMES names
 * are being looked up; TD_E_LIMIT, TD_E_IO (no thread). Same thread as deliver. */
TD_MUST_USE td_result resolver_start(resolver *resolver, const char *name,
                                     void (*done)(void *user, const resolve_answer *answer),
                                     void *user, resolve_job **out, td_err *err);

/* Cancel and free a job: done will not be called; the look-up continues. NULL is fine. Same thread
 * as deliver; before close. */
void resolve_job_cancel(resolve_job *job);

/* Call done for every finished look-up; this frees the job. Also logs slow ones. */
void resolver_deliver(resolver *resolver);

#endif
