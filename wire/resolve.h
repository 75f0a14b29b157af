/* Looks names up without blocking the network thread: getaddrinfo runs on other threads (so
 * /etc/hosts and nsswitch apply), and the loop's thread gets the answers.
 *
 * A look-up cannot be cancelled, and without an answer it lasts until the system's timeout. Each
 * look-up has its own thread, up to LIMIT_RESOLVE_THREADS, so that a slow one delays no other
 * name. A name is looked up once at a time: further callers wait for the same answer.
 *
 * A cancelled job is freed at once; the resolver's memory is freed after the last look-up has
 * returned. */
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

/* An IPv4 address, or an IPv6 address with its scope. */
typedef union wire_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} wire_address;

/* A look-up that takes longer is logged. The value is glibc's default timeout of the first query to
 * a name server. */
#define RESOLVE_SLOW_NS (5 * TD_NS_PER_S)

/* Addresses of a name, in the order to try. */
typedef struct resolve_answer {
    size_t count;     /* 0: failed */
    const char *text; /* reason of a failure; a constant */
    wire_address addresses[RESOLVE_ADDRESSES_MAX];
} resolve_answer;

typedef struct resolver resolver;
typedef struct resolve_job resolve_job;

/* Open a resolver. notify is called on a look-up's thread when an answer is ready, but not after
 * resolver_close has returned; notify must not call the resolver. log may be NULL; borrowed. */
TD_NEVER_NULL resolver *resolver_open(td_clock clock, const td_log *log, void (*notify)(void *user),
                                      void *user);
void resolver_close(resolver *resolver);

/* Look up a name or a numeric address. If it is already being looked up, the job gets the same
 * answer. resolver_deliver calls done, unless the job was cancelled. TD_E_LIMIT:
 * LIMIT_RESOLVE_NAMES names are being looked up; TD_E_IO: cannot start a thread. Same thread as
 * deliver. */
TD_MUST_USE td_result resolver_start(resolver *resolver, const char *name,
                                     void (*done)(void *user, const resolve_answer *answer),
                                     void *user, resolve_job **out, td_err *err);

/* Cancel and free a job: done is not called; the look-up continues. NULL is fine. Same thread as
 * deliver; before close. */
void resolve_job_cancel(resolve_job *job);

/* Call done for every finished look-up and free its jobs. Also logs slow look-ups. */
void resolver_deliver(resolver *resolver);

#endif
