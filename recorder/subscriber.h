/* Subscription requests of one connection, and the state of each topic.
 *
 * Topics are requested in as few requests as the dialect allows, at most SUBSCRIBER_OPEN_MAX
 * unanswered at a time. An answer belongs to the request whose id or topics it names, else to the
 * oldest open one. The exchange may refuse a request because of one topic in it. Then the request's
 * topics are requested again in halves until the bad topic is alone; that topic is retried at
 * growing intervals. Its waiting time continues over reconnects, so a new connection first requests
 * topics that were granted before.
 *
 * An unanswered request may have been granted or not. Its topics are reported, wait like refused
 * topics, and are then requested one by one, so that one ignored topic does not affect others. A
 * new connection requests them at once, one by one, after the good topics: they may exist, and
 * waiting would lose their frames.
 *
 * Topics may be added, ended and added again while the connection is open. An ended topic is
 * unsubscribed, and not requested on later connections.
 *
 * The exchange may also withdraw granted topics: it sends a refusal, or the answer to an
 * unsubscription, for no open request. The topics then wait like refused topics. If such an answer
 * names no topic, it withdraws all.
 *
 * Pure state: callers pass monotonic time, and send the requests. Network thread only. */
#ifndef TD_RECORDER_SUBSCRIBER_H
#define TD_RECORDER_SUBSCRIBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "schema/dialect.h"

enum { SUBSCRIBER_OPEN_MAX = 64 };

/* Time limit of an answer. */
#define SUBSCRIBER_ANSWER_NS (10 * TD_NS_PER_S)
/* How long a topic waits after a request for this topic alone was refused: the first time, and at
 * most. The wait doubles each time. */
#define SUBSCRIBER_RETRY_NS     (5 * TD_NS_PER_S)
#define SUBSCRIBER_RETRY_NS_MAX (600 * TD_NS_PER_S)

typedef struct subscriber subscriber;

typedef struct subscriber_options {
    const dialect *dialect;
    dialect_frames frames;
    const char *const *topics; /* canonical texts ("depth.BTCUSDT"), borrowed. More may follow after
                                  topic_count (subscriber_add) */
    size_t topic_count;        /* 0: no requests, authentication subscribes to everything */
    /* A topic (index in topics) was granted. Called by subscriber_answered. May be NULL. */
    void (*granted)(void *user, size_t topic);
    /* A granted topic was withdrawn. Called by subscriber_answered. May be NULL. */
    void (*withdrawn)(void *user, size_t topic);
    void *user;
} subscriber_options;

/* Open, with all topics queued. subscriber_close: NULL is fine. */
subscriber *subscriber_open(const subscriber_options *options);
void subscriber_close(subscriber *self);

/* A new connection has opened: forget open requests, and queue the topics. */
void subscriber_restart(subscriber *self);

/* Subscribe to topic number `topic`, which has ended, or is the one after the last: then there is
 * one more. Does nothing if it is subscribed. */
void subscriber_add(subscriber *self, size_t topic);

/* Unsubscribe a topic. */
void subscriber_end(subscriber *self, size_t topic);

/* Unsubscribe a granted topic and subscribe to it again, so that its snapshot is sent once more. 0:
 * it is not granted now. */
int subscriber_renew(subscriber *self, size_t topic);

/* A request that subscriber_next appended. */
typedef struct subscriber_request {
    request_kind kind;  /* REQUEST_SUBSCRIBE or REQUEST_UNSUBSCRIBE */
    const char *topics; /* joined by ",", valid until the next call */
} subscriber_request;

/* Append the next request to out. TD_EOF: no request may be sent now. TD_E_LIMIT: the request does
 * not fit in out. */
TD_MUST_USE td_result subscriber_next(subscriber *self, uint64_t mono_ns, td_buf *out,
                                      subscriber_request *request, td_err *err);

/* Apply an answer. Returns 0 if it belongs to no open request and withdraws nothing. *refused gets
 * the topics that the answer withdraws or refuses, joined by ","; may be "". Refused topics that
 * are requested again in halves are not in it. Valid until the next call. */
int subscriber_answered(subscriber *self, const dialect_answer *answer, uint64_t mono_ns,
                        const char **refused);

/* Close the oldest request that was not answered in time. Returns its topics, joined by ",", valid
 * until the next call; they wait like refused topics. NULL: no such request. */
const char *subscriber_expired(subscriber *self, uint64_t mono_ns);

/* When to call subscriber_next and subscriber_expired next; UINT64_MAX: not before the next answer.
 */
uint64_t subscriber_due_ns(const subscriber *self);

/* 1 if no topic is queued or in an open request: each is granted on this connection, or waits for
 * its retry. */
int subscriber_is_answered(const subscriber *self);

/* 1 if every topic that is granted on the other one's connection is granted on this one's. Both
 * have the same topics. */
int subscriber_covers(const subscriber *self, const subscriber *other);

/* Number of topics granted on this connection, of those that were refused or not answered, also on
 * an earlier connection, and not granted since, and of those that have not ended. */
size_t subscriber_granted_count(const subscriber *self);
size_t subscriber_refused_count(const subscriber *self);
size_t subscriber_wanted_count(const subscriber *self);

#endif
