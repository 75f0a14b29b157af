/* Subscription requests of one connection, and the state of each topic.
 *
 * Topics are requested in as few requests as the dialect allows, at most SUBSCRIBER_OPEN_MAX
 * unanswered at a time. An answer belongs to the request whose id or topics it names, else to the
 * oldest open one. The exchange may refuse a request because of one topic in it: then its topics
 * are requested again in halves until the bad topic is alone; that one is retried at growing
 * intervals. A refused topic keeps its waiting time over reconnects, so a new connection first
 * requests topics that were granted before.
 *
 * A request without an answer may have been granted or not. Its topics are reported, wait like
 * refused ones, and are then requested one by one, so that one ignored topic does not affect
 * others. A new connection requests them at once, after the good ones and one by one too: they may
 * exist, and waiting would lose their frames.
 *
 * The exchange may also withdraw topics that it has granted: by a refusal, or by the answer to an
 * unsubscription, that belongs to no open request. They then wait like refused ones. Where such an
 * answer names no topic, it is about all of them.
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

/* Time limit of an answer. */
#define SUBSCRIBER_ANSWER_NS (10 * TD_NS_PER_S)
/* A topic that was refused alone is requested again after the first time, which doubles up to the
 * second. */
#define SUBSCRIBER_RETRY_NS     (5 * TD_NS_PER_S)
#define SUBSCRIBER_RETRY_NS_MAX (600 * TD_NS_PER_S)

typedef struct subscriber subscriber;

typedef struct subscriber_options {
    const dialect *dialect;
    dialect_frames frames;
    const char *const *topics; /* canonical texts ("depth.BTCUSDT"), borrowed */
    size_t topic_count;        /* 0: no requests, authentication subscribes to everything */
    /* A topic (its place in topics) was granted. Called inside subscriber_answered. May be NULL. */
    void (*granted)(void *user, size_t topic);
    /* A granted topic was withdrawn. Likewise. */
    void (*withdrawn)(void *user, size_t topic);
    void *user;
} subscriber_options;

subscriber *subscriber_open(const subscriber_options *options);
void subscriber_close(subscriber *self);

/* A new connection: no request was sent, none is open. */
void subscriber_restart(subscriber *self);

/* Append the next request that may be sent to out; *topics gets its topics, joined by ",", valid
 * until the next call. TD_EOF: none now. TD_E_LIMIT. */
TD_MUST_USE td_result subscriber_next(subscriber *self, uint64_t mono_ns, td_buf *out,
                                      const char **topics, td_err *err);

/* Take an answer; 0 if it belongs to no open request, and withdraws nothing. *refused gets the
 * topics that it refuses alone or by name, or withdraws, joined by ","; "" if none. Valid until the
 * next call. */
int subscriber_answered(subscriber *self, const dialect_answer *answer, uint64_t mono_ns,
                        const char **refused);

/* The oldest request that was not answered in time: its topics, joined, valid until the next call;
 * they wait as refused ones do. NULL: none. */
const char *subscriber_expired(subscriber *self, uint64_t mono_ns);

/* Time of the next call of subscriber_next and subscriber_expired; UINT64_MAX: after the next
 * answer. */
uint64_t subscriber_due_ns(const subscriber *self);

/* 1 while every topic is granted on this connection, or waits for its retry after a refusal or no
 * answer; 0 while one is queued or its request is open. */
int subscriber_is_answered(const subscriber *self);

/* Topics that are granted on this connection. */
size_t subscriber_granted_count(const subscriber *self);

#endif
