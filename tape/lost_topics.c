#include "tape/lost_topics.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/open_conns.h"
#include "tape/granted_topics.h"

uint64_t feed_asked_until_ns(archive_view *view, const char *feed)
{
    const archive_listing *listing = &view->listing;
    const segment_name *latest = NULL;
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *name = &listing->segments[i].name;
        if (name->is_parsed && strcmp(name->feed, feed) == 0 &&
            (latest == NULL || name->first_s > latest->first_s))
            latest = name;
    }
    const session_row *ran =
        latest == NULL ? NULL : archive_history_session(&view->past, latest->session);
    if (ran == NULL || archive_history_is_import(&view->past, ran->session))
        return 0;
    uint64_t until_ns = ran->stop_ns != 0 ? ran->stop_ns : UINT64_MAX;
    for (size_t i = 0; i < view->past.session_count; i++) { /* a crashed session has no stop */
        const uint64_t start_ns = view->past.sessions[i].start_ns;
        if (start_ns > ran->start_ns && start_ns < until_ns)
            until_ns = start_ns;
    }
    return archive_view_newest_ns(view, until_ns);
}

const lost_topic *lost_topic_list_find(const lost_topic_list *list, const char *feed,
                                       const char *topic, const char *symbol)
{
    for (size_t i = 0; i < list->count; i++) {
        const lost_topic *row = &list->rows[i];
        if (strcmp(row->feed, feed) == 0 && strcmp(row->topic, topic) == 0 &&
            strcmp(row->symbol, symbol) == 0)
            return row;
    }
    return NULL;
}

/* ---- topics of a lost connection ---- */

typedef struct search {
    const selection *wanted;
    const gap_row *gap;
    uint64_t until_ns;
    lost_topic_list *out;
} search;

static void copy_text(char *out, size_t size, td_bytes text)
{
    (void)snprintf(out, size, "%.*s", (int)text.size, (const char *)text.data);
}

static void add_topic(const search *s, const channel_info *info, const topic_row *row)
{
    lost_topic_list *list = s->out;
    if (!gap_row_affects_channel(s->gap, info) ||
        !selection_has_topic(s->wanted, td_bytes_str(info->topic),
                             td_bytes_str(info->exchange_topic), td_bytes_str(info->symbol)))
        return;
    const lost_topic *known = lost_topic_list_find(list, info->feed, info->topic, info->symbol);
    if (known != NULL) {
        uint64_t *until_ns = &list->rows[known - list->rows].until_ns;
        *until_ns = s->until_ns > *until_ns ? s->until_ns : *until_ns;
        return;
    }
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    lost_topic *made = &list->rows[list->count++];
    *made =
        (lost_topic){.row = row, .line = info->line, .shard = info->shard, .until_ns = s->until_ns};
    copy_text(made->feed, sizeof made->feed, td_bytes_str(info->feed));
    copy_text(made->family, sizeof made->family, td_bytes_str(info->family));
    copy_text(made->topic, sizeof made->topic, td_bytes_str(info->topic));
    copy_text(made->symbol, sizeof made->symbol, td_bytes_str(info->symbol));
    copy_text(made->exchange_topic, sizeof made->exchange_topic,
              td_bytes_str(info->exchange_topic));
}

/* Add the topics of data that a grant names. */
static void add_grant(const search *s, const segment_rows *rows, const grant_row *grant)
{
    granted_topics named;
    granted_topics_begin(&named, rows, grant);
    for (const channel_info *info; (info = granted_topics_next(&named)) != NULL;)
        if (channel_role(info) == ROLE_DATA)
            add_topic(s, info, named.row);
}

/* 1 if the grant lasted until its connection was lost, and the gap is of that connection. */
static int is_lost(const gap_row *gap, const segment_rows *rows, const grant_row *grant)
{
    const conn_row *conn = &rows->conns[grant->conn];
    const int is_of_conn = gap->conn == 0 || (gap->shard == conn->shard &&
                                              gap->line == conn->line && gap->conn == conn->conn);
    const int is_held = grant->to_ns == 0 || (conn->to_ns != 0 && grant->to_ns >= conn->to_ns);
    return grant->source[0] != '\0' && is_of_conn && is_held;
}

/* 1 if time is missing because a connection was lost. If a gap between two recordings has an end,
 * the second one need not have the topics of the first. */
static int is_of_lost_conn(const gap_row *gap)
{
    return gap_row_is_loss(gap) && gap->topic[0] == '\0' && !gap_reason_is_doubt(gap->reason) &&
           (gap->to_ns == GAP_OPEN || gap->reason != GAP_RESTART);
}

uint64_t lost_topics_next_ns(const gap_index *ledger, const channel_info *topic, uint64_t last_ns,
                             uint64_t after_ns)
{
    gap_probe at = gap_index_find(ledger, topic->feed, topic->topic, topic->symbol);
    for (const gap_row *gap; (gap = gap_index_next(&at)) != NULL;)
        if (is_of_lost_conn(gap) && gap_row_affects_channel(gap, topic) &&
            (gap->to_ns == GAP_OPEN || gap->to_ns > after_ns))
            return gap->from_ns > last_ns ? gap->from_ns : last_ns + 1;
    return 0;
}

td_result lost_topics_find(archive_view *view, const gap_list *ledger, const selection *wanted,
                           uint64_t at_ns, lost_topic_list *out, td_err *err)
{
    td_result rc = TD_OK;
    *out = (lost_topic_list){0};
    for (size_t i = 0; i < ledger->count && rc == TD_OK; i++) {
        const gap_row *gap = &ledger->rows[i];
        open_conns open;
        uint64_t first_ns;
        uint64_t last_ns;
        const int lasts = gap->from_ns <= at_ns && (gap->to_ns == GAP_OPEN || gap->to_ns > at_ns);
        if (!lasts || !is_of_lost_conn(gap) || !selection_has_feed(wanted, gap->feed))
            continue;
        const search s = {
            wanted, gap, gap->to_ns != GAP_OPEN ? gap->to_ns : feed_asked_until_ns(view, gap->feed),
            out};
        /* The gap begins at the connection's last frame, which may be older than its grants; or
         * later, if it is of stored frames: the feed's last ones may be lost. */
        rc =
            open_conns_read_end(view, gap->feed, gap->from_ns + 1, &open, &first_ns, &last_ns, err);
        for (size_t k = 0; k < open.count; k++) {
            const segment_rows *rows = &open.sessions[k];
            for (size_t g = 0; g < rows->grant_count; g++)
                if (is_lost(gap, rows, &rows->grants[g]))
                    add_grant(&s, rows, &rows->grants[g]);
        }
        open_conns_fini(&open);
    }
    return rc;
}
