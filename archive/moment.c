#include "archive/moment.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/read_plan.h"
#include "archive/segment_rows.h"
#include "format/segment_reader.h"

/* Segments turn with the hour, and a quiet feed may leave one out. */
#define TURN_NS_MAX (UINT64_C(26) * 3600 * UINT64_C(1000000000))

/* ---- events ---- */

static void close_conn(moment *self, size_t at)
{
    moment_conn *conn = &self->conns[at];
    for (size_t i = 0; i < conn->topic_count; i++)
        td_free(conn->topics[i]);
    td_free(conn->topics);
    self->conns[at] = self->conns[--self->count];
}

void moment_fini(moment *self)
{
    while (self->count > 0)
        close_conn(self, self->count - 1);
    td_free(self->conns);
    *self = (moment){0};
}

static void close_session(moment *self, uint32_t session)
{
    for (size_t i = self->count; i > 0; i--)
        if (self->conns[i - 1].session == session)
            close_conn(self, i - 1);
}

/* The slot's connection, or count. */
static size_t find_conn(const moment *self, uint32_t session, uint32_t line, uint32_t shard)
{
    size_t at = 0;
    while (at < self->count && (self->conns[at].session != session ||
                                self->conns[at].line != line || self->conns[at].shard != shard))
        at++;
    return at;
}

static void open_conn(moment *self, const moment_conn *conn)
{
    size_t at = find_conn(self, conn->session, conn->line, conn->shard);
    if (at < self->count)
        close_conn(self, at);
    self->conns = td_array_grow(self->conns, self->count, sizeof *self->conns);
    self->conns[self->count++] = *conn;
}

static void drop_topic(moment_conn *conn, const char *topic)
{
    for (size_t i = conn->topic_count; i > 0; i--) {
        if (strcmp(conn->topics[i - 1], topic) != 0)
            continue;
        td_free(conn->topics[i - 1]);
        conn->topics[i - 1] = conn->topics[--conn->topic_count];
    }
}

void moment_add(moment *self, uint32_t session, const event *found, uint64_t recv_ns)
{
    const moment_conn opened = {
        .session = session, .line = found->line, .shard = found->shard, .since_ns = recv_ns};
    size_t at = find_conn(self, session, found->line, found->shard);
    TD_ASSERT(found->kind < EVENT_KIND_COUNT);
    if (found->kind == EVENT_SESSION || found->kind == EVENT_SEGMENT)
        close_session(self, session);
    if (found->kind == EVENT_SEGMENT) /* what is granted, and that there is more, follows */
        self->has_more = 0;
    for (size_t i = 0; i < found->slot_count; i++) {
        const event_slot *slot = &found->slots[i];
        open_conn(self, &(moment_conn){session, slot->line, slot->shard, slot->since_ns, NULL, 0});
    }
    if (found->kind == EVENT_LIMIT && found->what != NULL &&
        strcmp(found->what, EVENT_LIMIT_GRANTS) == 0)
        self->has_more = 1;
    if (found->kind == EVENT_CONNECT || (found->kind == EVENT_GRANT && at == self->count))
        open_conn(self, &opened);
    else if (found->kind == EVENT_DISCONNECT && at < self->count)
        close_conn(self, at);
    if (found->topic == NULL)
        return;
    if (found->kind == EVENT_GRANT_END && at < self->count)
        drop_topic(&self->conns[at], found->topic);
    if (found->kind != EVENT_GRANT)
        return;
    moment_conn *conn = &self->conns[at];
    conn->topics = td_array_grow(conn->topics, conn->topic_count, sizeof(char *));
    conn->topics[conn->topic_count++] = td_strdup(found->topic);
}

int moment_has_topic(const moment *self, td_bytes topic, int (*covers)(td_bytes, td_bytes))
{
    for (size_t i = 0; i < self->count; i++) {
        const moment_conn *conn = &self->conns[i];
        for (size_t k = 0; k < conn->topic_count; k++)
            if (td_bytes_is(topic, conn->topics[k]) ||
                (covers != NULL && covers(td_bytes_str(conn->topics[k]), topic)))
                return 1;
    }
    return self->has_more || self->is_unknown;
}

/* ---- segments ---- */

typedef struct reading {
    moment *to;
    uint32_t session;
    uint64_t at_ns;
} reading;

static void take_event(void *user, const event *found, const segment_message *of)
{
    const reading *r = user;
    if (of->log_ns < r->at_ns)
        moment_add(r->to, r->session, found, of->log_ns);
}

/* 1 if this is the segment that its session was writing: none of it begins later and before at_ns,
 * and the session had not come to its end. */
static int is_written_at(const read_plan *plan, const segment_index *index, uint64_t at_ns)
{
    int continues = index->last_ns + 1 >= at_ns;
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const segment_index *other = read_plan_segment(plan, i)->index;
        if (other->number <= index->number || strcmp(other->session, index->session) != 0 ||
            strcmp(other->feed, index->feed) != 0)
            continue;
        if (other->first_ns < at_ns)
            return 0;
        continues = 1;
    }
    return continues && index->first_ns < at_ns;
}

td_result moment_read(archive_view *view, int (*wants_feed)(void *, const char *), void *user,
                      uint64_t at_ns, moment *out, td_err *err)
{
    const read_query query = {.from_ns = at_ns > TURN_NS_MAX ? at_ns - TURN_NS_MAX : 0,
                              .to_ns = at_ns < UINT64_MAX - TURN_NS_MAX ? at_ns + TURN_NS_MAX
                                                                        : UINT64_MAX,
                              .wants_feed = wants_feed,
                              .user = user,
                              .is_quiet = 1,
                              .view = view};
    read_plan *plan = NULL;
    *out = (moment){0};
    td_result rc = read_plan_open(view->archive, &query, &plan, err);
    out->is_unknown = rc == TD_OK && read_plan_unreadable_count(plan) > 0;
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        reading r = {.to = out, .session = (uint32_t)i, .at_ns = at_ns};
        int is_damaged = 0;
        td_err cause;
        td_err_clear(&cause);
        if (!is_written_at(plan, index, at_ns))
            continue;
        rc = segment_events(view->archive, index->path, take_event, &r, &is_damaged, &cause);
        out->is_unknown |= rc != TD_OK || is_damaged;
        rc = rc == TD_E_IO ? td_err_pass(err, rc, &cause) : TD_OK;
    }
    read_plan_close(plan);
    return rc;
}
