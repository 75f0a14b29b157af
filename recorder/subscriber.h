/* Subscribe requests of one connection: how they are cut, and which are still unanswered. The
 * exchange answers a connection's requests in their order, so an answer belongs to the oldest open
 * one. Network thread only. */
#ifndef TD_RECORDER_SUBSCRIBER_H
#define TD_RECORDER_SUBSCRIBER_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/dialect.h"

typedef struct subscriber subscriber;

/* Requests for these topics (borrowed) take as many of them as fit one (dialect.fit). TD_E_NOMEM.
 */
TD_MUST_USE td_result subscriber_open(const dialect *spoken, const char *const *topics,
                                      size_t topic_count, subscriber **out, td_err *err);
void subscriber_close(subscriber *self);

/* A new connection: no request is sent, none is open. */
void subscriber_restart(subscriber *self);

/* Append the next request to out. *topics gets what it asks for, joined by ",", valid until the
 * subscriber closes; *more is 1 if another request follows. */
TD_MUST_USE td_result subscriber_build(subscriber *self, td_buf *out, const char **topics,
                                       int *more, td_err *err);

/* An answer came. Returns the topics of the request that it answers, or NULL if none is open. */
const char *subscriber_answered(subscriber *self, int is_success);

/* 1 once every request was sent and answered. */
int subscriber_is_done(const subscriber *self);

/* Topics whose request was refused on this connection. */
size_t subscriber_refused_count(const subscriber *self);

#endif
