#include "archive/granted.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/read_plan.h"
#include "archive/segment_rows.h"
#include "format/segment_reader.h"

/* A topic of a slot's connection. */
typedef struct granted_row {
    uint32_t session, line, shard;
    char *topic;
} granted_row;

struct granted {
    granted_row *rows;
    size_t count;
    uint8_t has_more;   /* grants without an event */
    uint8_t is_unknown; /* events that cannot be read */
};

granted *granted_open(void)
{
    return td_alloc_zero(1, sizeof(granted));
}

void granted_close(granted *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++)
        td_free(self->rows[i].topic);
    td_free(self->rows);
    td_free(self);
}

/* 1 if the event ends this grant: of all slots of its session, of a slot, or of one topic. */
static int is_ended(const granted_row *row, uint32_t session, const event *by)
{
    if (row->session != session)
        return 0;
    if (by->kind == EVENT_SEGMENT || by->kind == EVENT_SESSION)
        return 1;
    if (row->line != by->line || row->shard != by->shard)
        return 0;
    return by->kind != EVENT_GRANT_END || strcmp(row->topic, by->topic) == 0;
}

static void end_grants(granted *self, uint32_t session, const event *by)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (is_ended(&self->rows[i], session, by))
            td_free(self->rows[i].topic);
        else
            self->rows[kept++] = self->rows[i];
    }
    self->count = kept;
}

static void add_grant(granted *self, uint32_t session, const event *said)
{
    self->rows = td_array_grow(self->rows, self->count, sizeof *self->rows);
    self->rows[self->count++] =
        (granted_row){session, said->line, said->shard, td_strdup(said->topic)};
}

void granted_add(granted *self, uint32_t session, const event *said)
{
    TD_ASSERT(said->kind < EVENT_KIND_COUNT);
    if (said->kind == EVENT_GRANT && said->topic != NULL)
        add_grant(self, session, said);
    if (said->kind == EVENT_SEGMENT) /* what is granted, and that there is more, follows */
        self->has_more = 0;
    if (said->kind == EVENT_LIMIT && said->what != NULL &&
        strcmp(said->what, EVENT_LIMIT_GRANTS) == 0)
        self->has_more = 1;
    if (said->kind == EVENT_SEGMENT || said->kind == EVENT_SESSION || said->kind == EVENT_CONNECT ||
        said->kind == EVENT_DISCONNECT || (said->kind == EVENT_GRANT_END && said->topic != NULL))
        end_grants(self, session, said);
}

int granted_has(const granted *self, td_bytes topic, int (*covers)(td_bytes, td_bytes))
{
    for (size_t i = 0; i < self->count; i++) {
        const char *name = self->rows[i].topic;
        if (td_bytes_is(topic, name) || (covers != NULL && covers(td_bytes_str(name), topic)))
            return 1;
    }
    return self->has_more || self->is_unknown;
}

/* ---- from segments ---- */

static int is_feed(void *user, const char *feed)
{
    return strcmp(user, feed) == 0;
}

/* Of one segment. */
typedef struct segment_grants {
    granted *to;
    uint32_t session;
    uint64_t to_ns;
} segment_grants;

static void add_event(void *user, const event *found, const segment_message *of)
{
    const segment_grants *reading = user;
    if (of->log_ns < reading->to_ns)
        granted_add(reading->to, reading->session, found);
}

/* 1 if the plan has a later segment of the session. */
static int is_continued(const read_plan *plan, const segment_index *index)
{
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const segment_index *other = read_plan_segment(plan, i)->index;
        if (other->number > index->number && strcmp(other->session, index->session) == 0)
            return 1;
    }
    return 0;
}

td_result granted_read(archive_view *view, const char *feed, uint64_t from_ns, uint64_t to_ns,
                       granted **out, td_err *err)
{
    char name[LIMIT_NAME_BYTES];
    (void)snprintf(name, sizeof name, "%s", feed);
    const read_query query = {.from_ns = from_ns,
                              .to_ns = to_ns,
                              .wants_feed = is_feed,
                              .user = name,
                              .is_quiet = 1,
                              .view = view};
    read_plan *plan = NULL;
    td_result rc = read_plan_open(view->archive, &query, &plan, err);
    granted *made = granted_open();
    made->is_unknown = rc == TD_OK && read_plan_unreadable_count(plan) > 0;
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        segment_grants reading = {.to = made, .session = (uint32_t)i, .to_ns = to_ns};
        int is_damaged = 0;
        td_err cause;
        td_err_clear(&cause);
        if (is_continued(plan, index))
            continue;
        rc = segment_events(view->archive, index->path, add_event, &reading, &is_damaged, &cause);
        made->is_unknown |= rc != TD_OK || is_damaged;
        rc = rc == TD_E_IO ? td_err_pass(err, rc, &cause) : TD_OK;
    }
    read_plan_close(plan);
    *out = rc == TD_OK ? made : NULL;
    if (rc != TD_OK)
        granted_close(made);
    return rc;
}
