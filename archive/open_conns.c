#include "archive/open_conns.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "archive/read_plan.h"
#include "archive/time_account.h"

/* The search for segments extends this far from the queried time: a segment holds up to an hour,
 * and a quiet feed may write no segment for hours. */
#define SEGMENT_DISTANCE_NS_MAX (UINT64_C(26) * 3600 * TD_NS_PER_S)

void open_conns_session_fini(open_conns_session *self)
{
    segment_rows_fini(&self->rows);
    td_free(self->checkpoint_path);
    *self = (open_conns_session){0};
}

void open_conns_fini(open_conns *self)
{
    for (size_t i = 0; i < self->count; i++)
        open_conns_session_fini(&self->sessions[i]);
    td_free(self->sessions);
    *self = (open_conns){0};
}

/* ---- queries ---- */

static int is_open(const open_conns *self, uint64_t from_ns, uint64_t to_ns)
{
    return from_ns < self->at_ns && (to_ns == 0 || to_ns >= self->at_ns);
}

static int is_conn_open(const open_conns *self, const conn_row *conn)
{
    return conn->since_ns != 0 && is_open(self, conn->since_ns, conn->to_ns);
}

/* 1 if another connection of its slot began later, and before at_ns. */
static int has_next(const open_conns *self, const segment_rows *rows, size_t number)
{
    const conn_row *conn = &rows->conns[number];
    for (size_t i = number + 1; i < rows->conn_count; i++) {
        const conn_row *other = &rows->conns[i];
        if (other->line == conn->line && other->shard == conn->shard &&
            other->since_ns > conn->since_ns && other->since_ns < self->at_ns)
            return 1;
    }
    return 0;
}

uint64_t open_conns_session_oldest_ns(const open_conns *self, const open_conns_session *session)
{
    uint64_t oldest_ns = self->at_ns;
    const segment_rows *rows = &session->rows;
    for (size_t k = 0; k < rows->conn_count; k++) {
        const conn_row *conn = &rows->conns[k];
        if (conn->since_ns != 0 && conn->since_ns < oldest_ns &&
            (is_conn_open(self, conn) || !has_next(self, rows, k)))
            oldest_ns = conn->since_ns;
    }
    return oldest_ns;
}

uint64_t open_conns_oldest_ns(const open_conns *self)
{
    uint64_t oldest_ns = self->at_ns;
    for (size_t i = 0; i < self->count; i++) {
        uint64_t ns = open_conns_session_oldest_ns(self, &self->sessions[i]);
        oldest_ns = ns < oldest_ns ? ns : oldest_ns;
    }
    return oldest_ns;
}

int open_conns_has_topic(const open_conns *self, td_bytes topic, grant_covers_fn *covers)
{
    for (size_t i = 0; i < self->count; i++) {
        const segment_rows *rows = &self->sessions[i].rows;
        if (rows->unknown_ns != 0 && rows->unknown_ns < self->at_ns)
            return 1;
        for (size_t k = 0; k < rows->grant_count; k++) {
            const grant_row *row = &rows->grants[k];
            if (is_open(self, row->from_ns, row->to_ns) &&
                is_conn_open(self, &rows->conns[row->conn]) &&
                grant_covers(td_bytes_str(row->topic), topic, covers))
                return 1;
        }
    }
    return self->is_unknown;
}

/* ---- segments ---- */

/* 1 if the session was writing this segment at at_ns: no later segment of the session begins before
 * at_ns, and this one has frames after at_ns or ended just before it. */
static int is_written_at(const read_plan *plan, const planned_segment *planned,
                         const open_conns *at)
{
    const segment_index *index = planned->index;
    const uint64_t at_ns = at->at_ns;
    int continues =
        (at->with_live && planned->life == SEGMENT_IS_RECORDED) || index->last_ns + 2 >= at_ns;
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

static int is_of_feed(const segment_index *a, const segment_index *b)
{
    return strcmp(a->feed, b->feed) == 0;
}

static int is_of_session(const segment_index *a, const segment_index *b)
{
    return is_of_feed(a, b) && strcmp(a->session, b->session) == 0;
}

/* 1 if another session of the feed has frames between the start of the index's session and at_ns.
 */
static int is_overlapped(const read_plan *plan, const segment_index *index, uint64_t at_ns)
{
    uint64_t first_ns = index->first_ns;
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const segment_index *other = read_plan_segment(plan, i)->index;
        if (is_of_session(other, index) && other->first_ns < first_ns)
            first_ns = other->first_ns;
    }
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const segment_index *other = read_plan_segment(plan, i)->index;
        if (is_of_feed(other, index) && !is_of_session(other, index) &&
            other->last_ns >= first_ns && other->first_ns < at_ns)
            return 1;
    }
    return 0;
}

/* Find the session's last checkpoint before at_ns. A segment's first checkpoint may be earlier than
 * its first frame, so the checkpoints of all planned segments are compared. */
static void find_checkpoint(const read_plan *plan, const segment_index *index, uint64_t at_ns,
                            open_conns_session *out)
{
    const char *path = NULL;
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const planned_segment *planned = read_plan_segment(plan, i);
        for (size_t k = 0; k < planned->index->checkpoint_count; k++) {
            const segment_checkpoint *at = &planned->index->checkpoints[k];
            if (!is_of_session(planned->index, index) || at->at_ns >= at_ns ||
                at->at_ns < out->checkpoint.at_ns)
                continue;
            out->checkpoint = *at;
            path = planned->path;
        }
    }
    if (path != NULL && !is_overlapped(plan, index, at_ns))
        out->checkpoint_path = td_strdup(path);
}

/* ---- segments to read ---- */

/* Names of segments around at_ns. */
typedef struct near_segments {
    const segment_name **names;
    size_t count;
    uint64_t at_ns;
    int (*wants_feed)(void *user, const char *feed);
    void *user;
} near_segments;

static int wants_near_feed(void *user, const char *feed)
{
    const near_segments *near = user;
    return near->wants_feed == NULL || near->wants_feed(near->user, feed);
}

/* 0 if the segment is not needed, because of another segment of its session. Either a later segment
 * began before at_ns, even if it began at the end of the second in its name. Or an earlier segment
 * began at or after at_ns, and one such segment is enough to show that the session continued. */
static int wants_near_segment(void *user, const segment_name *name)
{
    const near_segments *near = user;
    for (size_t i = 0; i < near->count; i++) {
        const segment_name *other = near->names[i];
        if (other->number == name->number || strcmp(other->session, name->session) != 0 ||
            strcmp(other->feed, name->feed) != 0)
            continue;
        if (other->number > name->number ? (other->first_s + 1) * TD_NS_PER_S <= near->at_ns
                                         : other->first_s * TD_NS_PER_S >= near->at_ns)
            return 0;
    }
    return 1;
}

static void collect_near(near_segments *near, const archive_listing *listing)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *name = &listing->segments[i].name;
        uint64_t first_ns = name->first_s * TD_NS_PER_S;
        if (!name->is_parsed || first_ns + SEGMENT_DISTANCE_NS_MAX < near->at_ns ||
            (first_ns > near->at_ns && first_ns - near->at_ns > SEGMENT_DISTANCE_NS_MAX))
            continue;
        near->names = td_array_grow(near->names, near->count, sizeof(segment_name *));
        near->names[near->count++] = name;
    }
}

/* Read the sessions into *out, in which with_live and at_ns are set. */
static td_result read_sessions(archive_view *view, int (*wants_feed)(void *, const char *),
                               void *user, open_conns *out, td_err *err)
{
    const uint64_t at_ns = out->at_ns;
    near_segments near = {.at_ns = at_ns, .wants_feed = wants_feed, .user = user};
    collect_near(&near, &view->listing);
    const read_query query = {
        .from_ns = at_ns > SEGMENT_DISTANCE_NS_MAX ? at_ns - SEGMENT_DISTANCE_NS_MAX : 0,
        .to_ns = at_ns < UINT64_MAX - SEGMENT_DISTANCE_NS_MAX ? at_ns + SEGMENT_DISTANCE_NS_MAX
                                                              : UINT64_MAX,
        .wants_feed = wants_near_feed,
        .wants_segment = wants_near_segment,
        .user = &near,
        .is_quiet = 1,
        .view = view};
    read_plan *plan = NULL;
    td_result rc = read_plan_open(view->archive, &query, &plan, err);
    td_free(near.names);
    out->is_unknown = rc == TD_OK && read_plan_unreadable_count(plan) > 0;
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        if (!is_written_at(plan, read_plan_segment(plan, i), out))
            continue;
        out->sessions = td_array_grow(out->sessions, out->count, sizeof *out->sessions);
        open_conns_session *session = &out->sessions[out->count++];
        *session = (open_conns_session){0};
        rc = archive_view_read(view, index->path, index->file_bytes, CATALOG_ROWS, &session->rows,
                               err);
        find_checkpoint(plan, index, at_ns, session);
        out->is_unknown |= rc != TD_OK;
        rc = rc == TD_E_IO ? rc : TD_OK;
    }
    read_plan_close(plan);
    return rc;
}

td_result open_conns_read_start(archive_view *view, const archive_segment *segment,
                                open_conns_session *out, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    *out = (open_conns_session){0};
    td_result rc = archive_view_read(view, segment->path, archive_view_size(view, segment),
                                     CATALOG_ROWS, &out->rows, err);
    const segment_index *index = &out->rows.index;
    if (rc != TD_OK || index->checkpoint_count == 0 ||
        index->checkpoints[0].at_ns > index->first_ns)
        return rc;
    rc = archive_join(view->archive, segment->path, path, err);
    out->checkpoint = index->checkpoints[0];
    out->checkpoint_path = rc == TD_OK ? td_strdup(path) : NULL;
    return rc;
}

td_result open_conns_read(archive_view *view, int (*wants_feed)(void *, const char *), void *user,
                          uint64_t at_ns, open_conns *out, td_err *err)
{
    *out = (open_conns){.at_ns = at_ns};
    return read_sessions(view, wants_feed, user, out, err);
}

td_result open_conns_read_live(archive_view *view, int (*wants_feed)(void *, const char *),
                               void *user, uint64_t at_ns, open_conns *out, td_err *err)
{
    *out = (open_conns){.at_ns = at_ns, .with_live = 1};
    return read_sessions(view, wants_feed, user, out, err);
}

static int is_feed(void *user, const char *feed)
{
    return strcmp(*(const char *const *)user, feed) == 0;
}

td_result open_conns_read_feed(archive_view *view, const char *feed, uint64_t at_ns,
                               open_conns *out, td_err *err)
{
    return open_conns_read(view, is_feed, (void *)&feed, at_ns, out, err);
}

td_result open_conns_read_end(archive_view *view, const char *feed, uint64_t until_ns,
                              open_conns *out, uint64_t *first_ns, uint64_t *last_ns, td_err *err)
{
    archive_feed_range(view, feed, first_ns, last_ns);
    return open_conns_read_feed(view, feed, until_ns < *last_ns ? until_ns : *last_ns, out, err);
}
