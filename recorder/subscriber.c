#include "recorder/subscriber.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* One request: topics [first, first + count), and what they are called together. */
typedef struct request_row {
    size_t first;
    size_t count;
    char *topics; /* owned */
} request_row;

struct subscriber {
    const dialect *dialect;
    const char *const *topics;
    request_row *requests;
    size_t request_count;
    size_t sent;     /* requests sent on this connection */
    size_t answered; /* of these */
    size_t refused_topics;
};

static char *join_topics(const char *const *topics, size_t count)
{
    size_t bytes = 1;
    for (size_t i = 0; i < count; i++)
        bytes += strlen(topics[i]) + 1;
    char *text = td_alloc(bytes);
    if (text == NULL)
        return NULL;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        int length = snprintf(text + used, bytes - used, "%s%s", i == 0 ? "" : ",", topics[i]);
        TD_ASSERT(length > 0);
        TD_ASSERT((size_t)length < bytes - used);
        used += (size_t)length;
    }
    return text;
}

td_result subscriber_open(const dialect *spoken, const char *const *topics, size_t topic_count,
                          subscriber **out, td_err *err)
{
    TD_ASSERT(topic_count > 0);
    subscriber *self = td_alloc_zero(1, sizeof *self);
    if (self != NULL)
        self->requests = td_alloc_zero(topic_count, sizeof *self->requests);
    if (self == NULL || self->requests == NULL) {
        td_free(self);
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu topics", topic_count);
    }
    self->dialect = spoken;
    self->topics = topics;
    for (size_t at = 0; at < topic_count;) {
        request_row *row = &self->requests[self->request_count++];
        row->first = at;
        row->count = spoken->fit(topics + at, topic_count - at);
        TD_ASSERT(row->count > 0);
        TD_ASSERT(row->count <= topic_count - at);
        row->topics = join_topics(topics + at, row->count);
        if (row->topics == NULL) {
            subscriber_close(self);
            return td_err_set(err, TD_E_NOMEM, "no memory for %zu topics", topic_count);
        }
        at += row->count;
    }
    *out = self;
    return TD_OK;
}

void subscriber_close(subscriber *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->request_count; i++)
        td_free(self->requests[i].topics);
    td_free(self->requests);
    td_free(self);
}

void subscriber_restart(subscriber *self)
{
    self->sent = self->answered = self->refused_topics = 0;
}

td_result subscriber_build(subscriber *self, td_buf *out, const char **topics, int *more,
                           td_err *err)
{
    TD_ASSERT(self->sent < self->request_count);
    const request_row *row = &self->requests[self->sent++];
    *topics = row->topics;
    *more = self->sent < self->request_count;
    char id[32];
    snprintf(id, sizeof id, "sub-%zu", self->sent);
    const dialect_ask ask = {.kind = REQUEST_SUBSCRIBE,
                             .topics = self->topics + row->first,
                             .count = row->count,
                             .id = id};
    return self->dialect->build_topics(out, &ask, err);
}

/* Requests are answered in order: an answer is that of the oldest one still open. */
const char *subscriber_answered(subscriber *self, int is_success)
{
    TD_ASSERT(self->answered <= self->sent);
    if (self->answered == self->sent)
        return NULL;
    const request_row *row = &self->requests[self->answered++];
    if (!is_success)
        self->refused_topics += row->count;
    return row->topics;
}

int subscriber_is_done(const subscriber *self)
{
    return self->sent == self->request_count && self->answered == self->sent;
}

size_t subscriber_refused_count(const subscriber *self)
{
    return self->refused_topics;
}
