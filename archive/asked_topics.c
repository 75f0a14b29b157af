#include "archive/asked_topics.h"

#include <string.h>

#include "base/alloc.h"
#include "archive/event.h"

void asked_topics_fini(asked_topics *self)
{
    for (size_t i = 0; i < self->count; i++) {
        td_free(self->rows[i].name);
        td_free(self->rows[i].spans);
    }
    td_free(self->rows);
    name_index_fini(&self->by_name);
    *self = (asked_topics){0};
}

static asked_topic *get_topic(asked_topics *self, const char *name)
{
    const size_t known = name_index_find(&self->by_name, td_bytes_str(name));
    if (known != NAME_INDEX_NONE)
        return &self->rows[known];
    self->rows = td_array_grow(self->rows, self->count, sizeof *self->rows);
    asked_topic *made = &self->rows[self->count];
    *made = (asked_topic){.name = td_strdup(name)};
    name_index_put(&self->by_name, td_bytes_str(made->name), self->count++);
    return made;
}

/* The slot's span of this session that has not ended, or NULL. */
static asked_span *find_open(asked_topic *topic, size_t session, const conn_row *slot)
{
    for (size_t i = topic->span_count; i > 0 && topic->spans[i - 1].session == session; i--) {
        asked_span *span = &topic->spans[i - 1];
        if (span->time.to_ns == UINT64_MAX && span->line == slot->line &&
            span->shard == slot->shard)
            return span;
    }
    return NULL;
}

/* End a span, if a later connection than its own was granted topics, up to `until`, but not its
 * topic. It was asked for until then: connections in between may be in segments that were not
 * added. */
static void end_left_out(asked_span *span, const answered_conns *answered, uint32_t until)
{
    const conn_row of = {.line = span->line, .shard = span->shard, .conn = span->conn};
    const conn_row *next = answered_conns_after(answered, &of);
    if (span->time.to_ns == UINT64_MAX && next != NULL && next->conn < until)
        span->time.to_ns = span->conn_end_ns > next->since_ns ? span->conn_end_ns : next->since_ns;
}

/* Where the exchange answers nothing, a topic's first frame shows its grant, and it was asked for
 * since its connection began. So was one that is granted by the connection's first answers. */
static uint64_t asked_since_ns(const conn_row *conn, const grant_row *grant,
                               const answered_conns *answered)
{
    const conn_row before = {.line = conn->line, .shard = conn->shard, .conn = conn->conn - 1};
    const int is_unanswered = strcmp(grant->source, EVENT_GRANT_SEEN) == 0 &&
                              answered_conns_after(answered, &before) != conn;
    const uint64_t first_ns = answered->first_ns[grant->conn];
    const int is_first = first_ns != 0 && grant->from_ns < first_ns + CONN_ANSWERS_NS;
    const int is_known = conn->since_ns > 1 && conn->since_ns < grant->from_ns;
    return is_known && (is_unanswered || is_first) ? conn->since_ns : grant->from_ns;
}

static void add_grant(asked_topics *self, size_t session, const conn_row *conn,
                      const grant_row *grant, const answered_conns *answered)
{
    asked_topic *topic = get_topic(self, grant->topic);
    asked_span *span = find_open(topic, session, conn);
    if (span != NULL)
        end_left_out(span, answered, conn->conn);
    if (span == NULL || span->time.to_ns != UINT64_MAX) {
        topic->spans = td_array_grow(topic->spans, topic->span_count, sizeof *topic->spans);
        span = &topic->spans[topic->span_count++];
        *span = (asked_span){.session = session,
                             .time = {asked_since_ns(conn, grant, answered), UINT64_MAX},
                             .line = conn->line,
                             .shard = conn->shard};
    }
    span->conn = conn->conn;
    span->conn_end_ns = conn->to_ns;
    if (grant_row_is_ended(grant, conn))
        span->time.to_ns = grant->to_ns;
}

/* 1 if a grant of several topics may be of this one, too: it begins as they do, up to the part that
 * differs, which is behind a dot ("trade.*", "trade.BTCUSD|XRPUSD"). */
static int may_name(const grant_row *several, const char *topic)
{
    size_t same = strcspn(several->topic, "*|,");
    while (same > 0 && several->topic[same - 1] != '.')
        same--;
    return strncmp(several->topic, topic, same) == 0;
}

/* A frame may come before the answer to the request for several topics that it belongs to. */
static int is_of_several(const grant_row *grant, const grant_row *const *several, size_t count)
{
    size_t i = 0;
    while (i < count && (several[i]->conn != grant->conn || !may_name(several[i], grant->topic)))
        i++;
    return i < count && strcmp(grant->source, EVENT_GRANT_SEEN) == 0;
}

void asked_topics_add(asked_topics *self, size_t session, const segment_rows *rows)
{
    answered_conns answered = answered_conns_find(rows);
    const grant_row **several = td_alloc_zero(rows->grant_count + 1, sizeof(grant_row *));
    size_t several_count = 0;
    for (size_t i = 0; i < rows->grant_count; i++)
        if (rows->grants[i].source[0] != '\0' && !grant_row_names_one(&rows->grants[i]))
            several[several_count++] = &rows->grants[i];
    for (size_t i = 0; i < rows->grant_count; i++) {
        const grant_row *grant = &rows->grants[i];
        if (grant->source[0] != '\0' && grant_row_names_one(grant) &&
            !is_of_several(grant, several, several_count))
            add_grant(self, session, &rows->conns[grant->conn], grant, &answered);
    }
    td_free(several);
    for (size_t i = 0; i < self->count; i++) {
        asked_topic *topic = &self->rows[i];
        for (size_t k = topic->span_count; k > 0 && topic->spans[k - 1].session == session; k--)
            end_left_out(&topic->spans[k - 1], &answered, UINT32_MAX);
    }
    answered_conns_fini(&answered);
}

void asked_topics_end_session(asked_topics *self, size_t session, uint64_t end_ns)
{
    for (size_t i = 0; i < self->count; i++) {
        asked_topic *topic = &self->rows[i];
        for (size_t k = topic->span_count; k > 0 && topic->spans[k - 1].session == session; k--) {
            time_span *time = &topic->spans[k - 1].time;
            time->to_ns = time->to_ns < end_ns ? time->to_ns : end_ns;
            time->to_ns = time->to_ns > time->from_ns ? time->to_ns : time->from_ns;
        }
    }
}
