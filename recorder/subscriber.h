/* What one connection asks for, and what became of it, topic by topic.
 *
 * Topics go out in as few requests as the dialect allows, at most SUBSCRIBER_OPEN_MAX unanswered at
 * a time. An answer belongs to the request whose id or topics it names, else to the oldest open
 * one. The exchange may refuse a request because of one topic in it: then it is requested again in
 * halves, until the bad topic stands alone; that one is tried again slowly, and the others have
 * long gone on. What was refused keeps its waiting time over reconnects, so a new connection begins
 * with what is known to be good.
 *
 * A request that is never answered may have been granted or not. Its topics are reported, wait
 * as refused ones do, and are then asked for one by one, so that one which the exchange ignores
 * takes no others along. A new connection requests them at once, after the good ones and one by
 * one, too: they may be there, and waiting would lose their frames.
 *
 * Pure state: callers pass monotonic time and send what is built. Network thread only. */
#ifndef TD_RECORDER_SUBSCRIBER_H
#define TD_RECORDER_SUBSCRIBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "schema/dialect.h"

enum { SUBSCRIBER_OPEN_MAX = 64 };

/* A request that is not answered for so long is given up. */
#define SUBSCRIBER_ANSWER_NS (10 * TD_NS_PER_S)
/* A topic that was refused alone is requested again after this, then after twice as long each time,
 * up to the second. */
#define SUBSCRIBER_RETRY_NS     (5 * TD_NS_PER_S)
#define SUBSCRIBER_RETRY_NS_MAX (600 * TD_NS_PER_S)

typedef struct subscriber subscriber;

typedef struct subscriber_options {
    const dialect *dialect;
    dialect_frames frames;
    const char *const *topics; /* as written everywhere ("depth.BTCUSDT"), borrowed */
    size_t topic_count;        /* 0: no requests, authenticating brings everything */
    /* A topic (its place in topics) was granted. Called inside subscriber_answered. May be NULL. */
    void (*granted)(void *user, size_t topic);
    void *user;
} subscriber_options;

/* What an answer changed. Topics joined by ",", "" if none; valid until the next call. */
typedef struct subscriber_outcome {
    const char *granted;
    const char *split;   /* refused with others: they are requested again, in halves */
    const char *refused; /* refused alone, or by name: asked for again after a while */
    size_t refused_count;
} subscriber_outcome;

/* TD_E_NOMEM. */
TD_MUST_USE td_result subscriber_open(const subscriber_options *options, subscriber **out,
                                      td_err *err);
void subscriber_close(subscriber *self);

/* A new connection: no request was sent, none is open. */
void subscriber_restart(subscriber *self);

/* Append the next request that may go out to out; *topics gets what it asks for, joined by ",",
 * valid until the next call. TD_EOF: none at this time. TD_E_NOMEM, TD_E_LIMIT. */
TD_MUST_USE td_result subscriber_next(subscriber *self, uint64_t mono_ns, td_buf *out,
                                      const char **topics, td_err *err);

/* An answer came. 1 and *out, or 0 if it answers nothing that is open. */
int subscriber_answered(subscriber *self, const dialect_answer *answer, uint64_t mono_ns,
                        subscriber_outcome *out);

/* The oldest request that was not answered in time: its topics, joined, valid until the next call;
 * they wait as refused ones do. NULL: none. */
const char *subscriber_expired(subscriber *self, uint64_t mono_ns);

/* When to look again (subscriber_next, subscriber_expired); UINT64_MAX: only an answer can change
 * anything. */
uint64_t subscriber_due_ns(const subscriber *self);

/* 1 while every topic is granted on this connection, or waits for its next try because it was
 * refused or not answered; 0 while there is one that is asked for or still to be asked for. */
int subscriber_is_settled(const subscriber *self);

/* Topics that are granted on this connection. */
size_t subscriber_granted_count(const subscriber *self);

#endif
