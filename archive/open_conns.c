#include "archive/open_conns.h"

#include <string.h>

#include "base/alloc.h"
#include "archive/time_account.h"

void open_conns_fini(open_conns *self)
{
    for (size_t i = 0; i < self->count; i++)
        segment_rows_fini(&self->sessions[i]);
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

uint64_t open_conns_session_oldest_ns(const open_conns *self, const segment_rows *rows)
{
    uint64_t oldest_ns = self->at_ns;
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
        const segment_rows *rows = &self->sessions[i];
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

td_result open_conns_read_planned(archive_view *view, const read_plan *plan, open_conns *out,
                                  td_err *err)
{
    td_result rc = TD_OK;
    out->is_unknown = read_plan_unreadable_count(plan) > 0;
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        if (!is_written_at(plan, read_plan_segment(plan, i), out))
            continue;
        out->sessions = td_array_grow(out->sessions, out->count, sizeof *out->sessions);
        rc = archive_view_read(view, index->path, index->file_bytes, CATALOG_ROWS,
                               &out->sessions[out->count++], err);
        out->is_unknown |= rc != TD_OK;
        rc = rc == TD_E_IO ? rc : TD_OK;
    }
    return rc;
}

td_result open_conns_read(archive_view *view, int (*wants_feed)(void *, const char *), void *user,
                          uint64_t at_ns, open_conns *out, td_err *err)
{
    read_plan *plan = NULL;
    *out = (open_conns){.at_ns = at_ns};
    td_result rc = read_plan_open_at(view, wants_feed, user, at_ns, &plan, err);
    if (rc == TD_OK)
        rc = open_conns_read_planned(view, plan, out, err);
    read_plan_close(plan);
    return rc;
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
