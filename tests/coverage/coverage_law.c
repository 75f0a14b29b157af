#include "tests/coverage/coverage_law.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Ends of coverage without a gap. */
enum { REASON_PRUNED = GAP_REASON_COUNT, REASON_LIVE, REASON_UNASKED };

/* How long a stopping recorder waits for its connections to end. */
#define LAW_STOP_NS UINT64_C(3000000000)

typedef struct piece {
    uint64_t from_ns, to_ns;
    int reason;
    uint32_t line, shard;
} piece;

typedef struct piece_list {
    piece *rows;
    size_t count;
} piece_list;

static void add_piece(piece_list *list, piece made)
{
    if (made.to_ns < made.from_ns)
        made.to_ns = made.from_ns;
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    list->rows[list->count++] = made;
}

static int compare_pieces(const void *a, const void *b)
{
    const piece *left = a;
    const piece *right = b;
    if (left->from_ns != right->from_ns)
        return left->from_ns < right->from_ns ? -1 : 1;
    return left->to_ns < right->to_ns ? -1 : left->to_ns > right->to_ns;
}

/* ---- the end of a connection's coverage, and its reason ---- */

static uint64_t conn_end_ns(const law_facts *facts, const law_conn *conn)
{
    const law_session *session = &facts->sessions[conn->session];
    if (conn->down_ns == 0 && session->end == LAW_LIVE)
        return UINT64_MAX;
    if (session->is_import)
        return conn->last_ns;
    uint64_t end_ns = conn->last_data_ns != 0 ? conn->last_data_ns : conn->up_ns;
    return conn->proven_ns != 0 && conn->proven_ns < end_ns ? conn->proven_ns : end_ns;
}

static int has_later(const law_facts *facts, const law_conn *conn)
{
    for (size_t i = 0; i < facts->conn_count; i++)
        if (facts->conns[i].session == conn->session && facts->conns[i].line == conn->line &&
            facts->conns[i].shard == conn->shard && facts->conns[i].conn > conn->conn)
            return 1;
    return 0;
}

static int conn_reason(const law_facts *facts, const law_conn *conn)
{
    const law_session *session = &facts->sessions[conn->session];
    if (conn->down_ns == 0 && session->end == LAW_LIVE)
        return REASON_LIVE;
    if (conn->is_stale)
        return GAP_STALE;
    /* A peer may close before a stopping recorder does; no event distinguishes the two. */
    int is_stop = conn->is_by_us ||
                  (session->end == LAW_STOPPED && session->end_ns <= conn->down_ns + LAW_STOP_NS);
    if (has_later(facts, conn) || (conn->down_ns != 0 && !is_stop))
        return GAP_DISCONNECT;
    return session->end == LAW_CRASHED ? GAP_CRASH : GAP_RESTART;
}

/* After a silent connection, coverage starts with data. */
static uint64_t grant_from_ns(const law_facts *facts, const law_grant *grant)
{
    const law_conn *conn = &facts->conns[grant->conn];
    const law_conn *before = NULL;
    for (size_t i = 0; i < facts->conn_count; i++) {
        const law_conn *other = &facts->conns[i];
        if (other->session == conn->session && other->line == conn->line &&
            other->shard == conn->shard && other->conn < conn->conn &&
            (before == NULL || other->conn > before->conn))
            before = other;
    }
    if (before == NULL || !before->is_stale)
        return grant->from_ns;
    if (conn->first_data_ns == 0)
        return UINT64_MAX;
    return conn->first_data_ns > grant->from_ns ? conn->first_data_ns : grant->from_ns;
}

/* ---- one topic ---- */

static int is_feed(const law_facts *facts, size_t session, size_t topic)
{
    return strcmp(facts->sessions[session].feed, facts->topics[topic].feed) == 0;
}

/* 1 if an earlier grant of the topic on the same connection continues. */
static int is_repeated(const law_facts *facts, const law_grant *grant)
{
    for (size_t i = 0; i < facts->grant_count; i++) {
        const law_grant *other = &facts->grants[i];
        if (other->conn == grant->conn && other->topic == grant->topic && other->to_ns == 0 &&
            (other->from_ns < grant->from_ns ||
             (other->from_ns == grant->from_ns && other < grant)))
            return 1;
    }
    return 0;
}

static void add_grant(const law_facts *facts, const law_grant *grant, piece_list *list)
{
    const law_conn *conn = &facts->conns[grant->conn];
    piece made = {grant_from_ns(facts, grant), conn_end_ns(facts, conn), conn_reason(facts, conn),
                  conn->line, conn->shard};
    if (made.from_ns == UINT64_MAX || is_repeated(facts, grant))
        return;
    if (grant->to_ns != 0 && grant->to_ns < made.to_ns) {
        made.to_ns = grant->to_ns;
        made.reason = GAP_DISCONNECT;
    }
    if (grant->to_ns == grant->from_ns && grant->to_ns != 0)
        return; /* refused */
    add_piece(list, made);
}

/* An import covers its topics between the first and last frame of each of its connections. */
static void add_import(const law_facts *facts, size_t topic, size_t session, piece_list *list)
{
    for (size_t i = 0; i < facts->grant_count; i++) {
        const law_conn *granted = &facts->conns[facts->grants[i].conn];
        if (facts->grants[i].topic != topic || granted->session != session)
            continue;
        for (size_t k = 0; k < facts->conn_count; k++) {
            const law_conn *conn = &facts->conns[k];
            if (conn->session == session && conn->line == granted->line &&
                conn->shard == granted->shard && conn->first_ns != 0)
                add_piece(list, (piece){conn->first_ns, conn->last_ns, conn_reason(facts, conn),
                                        conn->line, conn->shard});
        }
        return;
    }
}

static int is_asked(const law_facts *facts, size_t topic, size_t session)
{
    for (size_t i = 0; i < facts->request_count; i++)
        if (facts->requests[i].topic == topic && facts->requests[i].session == session)
            return 1;
    return 0;
}

static int asks_anything(const law_facts *facts, size_t session)
{
    for (size_t i = 0; i < facts->request_count; i++)
        if (facts->requests[i].session == session)
            return 1;
    return 0;
}

/* The time of a recorder that did not request the topic is not a gap. */
static void add_unasked(const law_facts *facts, size_t session, piece_list *list)
{
    const law_session *of = &facts->sessions[session];
    piece made = {of->began_ns, of->end == LAW_LIVE ? UINT64_MAX : of->end_ns, REASON_UNASKED, 0,
                  0};
    add_piece(list, made);
}

static void find_pieces(const law_facts *facts, size_t topic, piece_list *list)
{
    for (size_t i = 0; i < facts->grant_count; i++)
        if (facts->grants[i].topic == topic &&
            !facts->sessions[facts->conns[facts->grants[i].conn].session].is_import)
            add_grant(facts, &facts->grants[i], list);
    for (size_t i = 0; i < facts->session_count; i++)
        if (is_feed(facts, i, topic) && facts->sessions[i].is_import)
            add_import(facts, topic, i, list);
    for (size_t i = 0; i < facts->session_count; i++)
        if (is_feed(facts, i, topic) && !facts->sessions[i].is_import && asks_anything(facts, i) &&
            !is_asked(facts, topic, i))
            add_unasked(facts, i, list);
    for (size_t i = 0; i < facts->pruned_count; i++)
        if (strcmp(facts->pruned[i].feed, facts->topics[topic].feed) == 0)
            add_piece(list, (piece){facts->pruned[i].from_ns, facts->pruned[i].to_ns, REASON_PRUNED,
                                    0, 0});
}

/* A silent hour cuts the pieces of its session in two. */
static void cut_silent(const law_facts *facts, size_t topic, piece_list *list)
{
    for (size_t i = 0; i < facts->silent_count; i++) {
        const law_span *silent = &facts->silent[i];
        if (strcmp(silent->feed, facts->topics[topic].feed) != 0)
            continue;
        for (size_t k = list->count; k > 0; k--) {
            piece *cut = &list->rows[k - 1];
            if (cut->from_ns >= silent->from_ns || cut->to_ns <= silent->from_ns ||
                cut->reason >= GAP_REASON_COUNT)
                continue;
            piece rest = *cut;
            cut->to_ns = silent->from_ns;
            cut->reason = GAP_RESTART;
            rest.from_ns = silent->to_ns;
            if (rest.to_ns > rest.from_ns)
                add_piece(list, rest);
        }
    }
}

/* 1 if a gap after the last piece counts: a later session could have had the topic. */
static int is_awaited(const law_facts *facts, size_t topic, const piece *last)
{
    if (last->reason == GAP_CRASH || last->reason == GAP_DISCONNECT || last->reason == GAP_STALE)
        return 1;
    for (size_t i = 0; i < facts->session_count && last->reason == GAP_RESTART; i++)
        if (is_feed(facts, i, topic) && !facts->sessions[i].is_import &&
            facts->sessions[i].began_ns > last->to_ns && is_asked(facts, topic, i))
            return 1;
    return 0;
}

static void add_gap(law_gaps *out, size_t topic, const piece *before, uint64_t to_ns)
{
    out->rows = td_array_grow(out->rows, out->count, sizeof *out->rows);
    out->rows[out->count++] = (law_gap){
        topic, (time_reason)before->reason, before->line, before->shard, before->to_ns, to_ns};
}

static int is_import_topic(const law_facts *facts, size_t topic)
{
    for (size_t i = 0; i < facts->grant_count; i++)
        if (facts->grants[i].topic == topic &&
            !facts->sessions[facts->conns[facts->grants[i].conn].session].is_import)
            return 0;
    return 1;
}

/* Until when the feed of a topic was asked for: its last session's end, if a recorder began later,
 * without the feed. */
static uint64_t asked_until_ns(const law_facts *facts, size_t topic)
{
    const law_session *last = NULL;
    uint64_t next_ns = UINT64_MAX; /* begin of the session after it */
    for (size_t i = 0; i < facts->session_count; i++) {
        const law_session *row = &facts->sessions[i];
        if (!row->is_import && is_feed(facts, i, topic) &&
            (last == NULL || row->began_ns > last->began_ns))
            last = row;
    }
    for (size_t i = 0; i < facts->session_count && last != NULL; i++) {
        const law_session *row = &facts->sessions[i];
        if (!row->is_import && row->began_ns > last->began_ns && row->began_ns < next_ns)
            next_ns = row->began_ns;
    }
    if (last == NULL || next_ns == UINT64_MAX)
        return GAP_OPEN;
    return last->stop_ns != 0 ? last->stop_ns : next_ns;
}

static void add_topic(const law_facts *facts, size_t topic, law_gaps *out)
{
    piece_list list = {0};
    find_pieces(facts, topic, &list);
    cut_silent(facts, topic, &list);
    if (list.count > 0)
        qsort(list.rows, list.count, sizeof list.rows[0], compare_pieces);
    size_t first = 0;
    while (first < list.count && list.rows[first].reason >= REASON_PRUNED &&
           list.rows[first].reason != REASON_LIVE)
        first++;
    if (first == list.count) {
        td_free(list.rows);
        return;
    }
    piece at = list.rows[first]; /* the piece that reaches furthest */
    for (size_t i = first + 1; i < list.count; i++) {
        const piece *next = &list.rows[i];
        if (next->from_ns > at.to_ns && at.reason < GAP_REASON_COUNT)
            add_gap(out, topic, &at, next->from_ns);
        if (next->to_ns >= at.to_ns)
            at = *next;
    }
    if (at.to_ns != UINT64_MAX && at.reason < GAP_REASON_COUNT && is_awaited(facts, topic, &at) &&
        !(is_import_topic(facts, topic) && at.reason == GAP_DISCONNECT))
        add_gap(out, topic, &at, asked_until_ns(facts, topic));
    td_free(list.rows);
}

void coverage_law(const law_facts *facts, law_gaps *out)
{
    *out = (law_gaps){0};
    for (size_t i = 0; i < facts->topic_count; i++)
        add_topic(facts, i, out);
}

uint64_t coverage_law_begin(const law_facts *facts, size_t topic)
{
    piece_list list = {0};
    uint64_t begin_ns = 0;
    find_pieces(facts, topic, &list);
    for (size_t i = 0; i < list.count; i++)
        if (list.rows[i].reason != REASON_UNASKED && list.rows[i].reason != REASON_PRUNED &&
            (begin_ns == 0 || list.rows[i].from_ns < begin_ns))
            begin_ns = list.rows[i].from_ns;
    td_free(list.rows);
    return begin_ns;
}

int coverage_law_slot(const law_facts *facts, size_t topic, uint64_t before_ns, uint32_t *line,
                      uint32_t *shard)
{
    piece_list list = {0};
    const piece *last = NULL;
    find_pieces(facts, topic, &list);
    if (list.count > 0)
        qsort(list.rows, list.count, sizeof list.rows[0], compare_pieces);
    for (size_t i = 0; i < list.count; i++)
        if (list.rows[i].reason != REASON_UNASKED && list.rows[i].reason != REASON_PRUNED &&
            (last == NULL || list.rows[i].from_ns <= before_ns))
            last = &list.rows[i];
    if (last != NULL) {
        *line = last->line;
        *shard = last->shard;
    }
    td_free(list.rows);
    return last != NULL;
}
