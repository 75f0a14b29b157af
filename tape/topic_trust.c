#include "tape/topic_trust.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_span.h"

static const trust_break NO_BREAK = {.reason = TIME_IS_RIGHT};

/* The part of a gap that matters here. */
typedef struct loss {
    time_reason reason;
    time_span time;
    uint32_t line, conn; /* the connection that it ended; conn 0: unknown, or a gap of a topic */
} loss;

/* The stretch of one connection. */
typedef struct trust_conn {
    const char *feed; /* from the first channel, which lives as long as the tape */
    uint32_t line, shard, conn_index;
    size_t gap_next;      /* index of the next gap to read */
    uint64_t gap_next_ns; /* every gap that begins before this time was read */
    uint64_t passed_ns;   /* time up to which gaps were last read (pass_gaps) */
    loss ending;    /* a gap that ends the connection, which may still have frames; if has_ending */
    loss scattered; /* a gap before the next frame in which any frame may be missing; if
                       has_scattered */
    uint64_t saved_ns;        /* the state was loaded, and has what was removed before then */
    uint64_t lossy_until_ns;  /* end of overload or damage: no stretch begins before then */
    const channel_info *info; /* of the last frame */
    const frame_conn *own;    /* that brought the present frame; NULL before the first one */
    uint64_t trusted_ns;      /* recv_ns of the last frame that was trusted */
    trust_break lacks;        /* why the state is not right, unless is_alive */
    const topic_row *row;     /* of the last frame */
    uint8_t has_state;        /* topic_row_has_state of row */
    uint8_t is_alive, has_ending, has_scattered;
} trust_conn;

const char *trust_break_name(time_reason reason)
{
    return time_reason_is_gap(reason) ? "gap" : time_reason_name(reason);
}

void topic_trust_fini(topic_trust *trust)
{
    td_free(trust->conns);
    *trust = (topic_trust){0};
}

/* ---- the stretch of one connection ---- */

static __attribute__((noinline)) size_t add_conn(topic_trust *trust, const channel_info *info,
                                                 uint32_t conn_index)
{
    trust->conns = td_array_grow(trust->conns, trust->conn_count, sizeof *trust->conns);
    trust->conns[trust->conn_count] = (trust_conn){.feed = info->feed,
                                                   .line = info->line,
                                                   .shard = info->shard,
                                                   .conn_index = conn_index,
                                                   .info = info,
                                                   .lacks = {.reason = DOUBT_NO_SNAPSHOT}};
    return trust->conn_count++;
}

static inline size_t find_conn(topic_trust *trust, const channel_info *info, uint32_t conn_index)
{
    for (size_t i = 0; i < trust->conn_count; i++) {
        const trust_conn *conn = &trust->conns[i];
        if (conn->conn_index == conn_index && conn->line == info->line &&
            (conn->info == info || strcmp(conn->feed, info->feed) == 0))
            return i;
    }
    return add_conn(trust, info, conn_index);
}

/* End the stretch. Only the first cause at a frame counts: a stretch that has ended cannot end
 * again. */
static void break_off(trust_conn *conn, trust_answer *out, trust_break why)
{
    TD_ASSERT(why.reason != TIME_IS_RIGHT);
    why.from_ns = conn->trusted_ns;
    if (why.doubt_ns < why.from_ns)
        why.doubt_ns = why.from_ns;
    if (conn->is_alive) {
        conn->lacks = why;
        out->broke = &conn->lacks;
    }
    conn->is_alive = 0;
}

static int is_of_conn(const gap_row *gap, const trust_conn *conn)
{
    const channel_info of = {.feed = conn->feed,
                             .topic = conn->info->topic,
                             .symbol = conn->info->symbol,
                             .line = conn->line,
                             .shard = conn->shard};
    return gap_row_affects_channel(gap, &of);
}

static void note_gap(trust_conn *conn, const gap_row *gap)
{
    const loss of = {gap->reason, gap_row_span(gap), gap->line,
                     gap->topic[0] == '\0' ? gap->conn : 0};
    if (gap->reason == GAP_PRUNED && gap->from_ns < conn->saved_ns)
        return;
    if (gap_reason_ends_connection(gap->reason)) {
        conn->ending = of;
        conn->has_ending = 1;
    } else {
        conn->scattered = of;
        conn->has_scattered = 1;
    }
    if ((gap->reason == GAP_OVERLOAD || gap->reason == GAP_CORRUPT) &&
        gap->to_ns > conn->lossy_until_ns)
        conn->lossy_until_ns = gap->to_ns;
}

/* Read the gaps that began before recv_ns. Rows of a feed are contiguous, sorted by from_ns. */
static void pass_gaps(const gap_list *gaps, trust_conn *conn, uint64_t recv_ns)
{
    conn->passed_ns = recv_ns;
    if (TD_LIKELY(recv_ns <= conn->gap_next_ns))
        return;
    conn->gap_next_ns = UINT64_MAX;
    for (; conn->gap_next < gaps->count; conn->gap_next++) {
        const gap_row *gap = &gaps->rows[conn->gap_next];
        int order = strcmp(gap->feed, conn->feed);
        if (order == 0 && gap->from_ns >= recv_ns)
            conn->gap_next_ns = gap->from_ns;
        if (order > 0 || conn->gap_next_ns != UINT64_MAX)
            break;
        if (order == 0 && is_of_conn(gap, conn))
            note_gap(conn, gap);
    }
}

/* The gap between the previous frame and recv_ns, or NULL. step: the step of the frame that was
 * received at recv_ns. */
static const loss *find_gap(const gap_list *gaps, trust_conn *conn, uint64_t recv_ns,
                            symbol_step step)
{
    const loss *ending = &conn->ending;
    pass_gaps(gaps, conn, recv_ns);
    const loss *found = conn->has_scattered ? &conn->scattered : NULL;
    conn->has_scattered = 0;
    if (!conn->has_ending || (step == SYMBOL_CONTINUES && recv_ns < ending->time.to_ns))
        return found;
    conn->has_ending = 0;
    /* A line that has joined continues the stream, whatever another one lacks (tape/lines.h). */
    const int is_of_other = step == SYMBOL_CONTINUES && ending->conn != 0 &&
                            (conn->own->line != ending->line || conn->own->number != ending->conn);
    return is_of_other ? found : ending;
}

/* 1 if nothing is missing although another connection brings the frame. The ledger has the ends of
 * a recorder's connections: without a gap, another one had taken over when the last one ended. The
 * frame must replace all that this one brought. */
static int is_successor(const trust_conn *conn, symbol_step step, const symbol_verdict *found)
{
    return step == SYMBOL_RECONNECTS && found != NULL && found->rules.is_snapshot &&
           conn->own->is_recorded;
}

/* Break off the stretch if something ended it between the previous frame and recv_ns. found: the
 * verdict on the frame that was received then; NULL without one of this connection. */
static void break_if_interrupted(const gap_list *gaps, trust_conn *conn, uint64_t recv_ns,
                                 symbol_step step, uint64_t damaged_until_ns,
                                 const symbol_verdict *found, trust_answer *out)
{
    const loss *gap = find_gap(gaps, conn, recv_ns, step);
    const verdict_item *violation = found == NULL ? NULL : verdict_violation(&found->rules);
    trust_break why = {.reason = DOUBT_CONNECTION};
    if (gap != NULL && gap->reason == GAP_SEQUENCE && violation != NULL)
        why = (trust_break){gap->reason, violation->rule, .doubt_ns = gap->time.from_ns};
    else if (gap != NULL)
        why = (trust_break){.reason = gap->reason, .doubt_ns = gap->time.from_ns};
    else if (conn->trusted_ns < damaged_until_ns || recv_ns <= damaged_until_ns)
        why.reason = DOUBT_DAMAGE;
    else if ((step != SYMBOL_RECONNECTS && step != SYMBOL_NEW_TOPIC) ||
             is_successor(conn, step, found))
        return;
    break_off(conn, out, why);
}

/* 0 if nothing ended the stretch before this frame, as is usual: break_if_interrupted() would only
 * have noted the frame's time, as this does. */
static inline int may_be_interrupted(trust_conn *conn, const frame_ref *frame, symbol_step step)
{
    conn->passed_ns = frame->recv_ns;
    return step > SYMBOL_CONTINUES || frame->recv_ns > conn->gap_next_ns || conn->has_scattered ||
           conn->has_ending || frame->damaged_until_ns != 0;
}

/* 1 if a stretch can begin with the frame: it does not need earlier frames, and is not inside
 * damage or a lossy gap, nor is a frame that waited for it before that. */
static int can_begin(const trust_conn *conn, const frame_ref *frame, const symbol_verdict *found,
                     const trust_answer *out)
{
    if (!conn->has_state)
        return 1;
    return out->is_snapshot && found->since_ns > frame->damaged_until_ns &&
           found->since_ns >= conn->lossy_until_ns;
}

/* Apply the frame to its connection's stretch. */
static void apply_frame(trust_conn *conn, const frame_ref *frame, const symbol_verdict *found,
                        trust_answer *out)
{
    out->was_alive = conn->is_alive;
    if (frame->is_doubtful || frame->content.message == NULL) {
        const trust_break why = {.reason = frame->is_doubtful ? DOUBT_CONNECTION : DOUBT_UNDECODED};
        break_off(conn, out, why);
        if (conn->lacks.reason == DOUBT_NO_SNAPSHOT)
            conn->lacks = why;
        return;
    }
    out->is_snapshot = conn->has_state && found->rules.is_snapshot;
    out->is_in_book = found->rules.is_spliced;
    out->is_unused = found->rules.is_unused;
    const verdict_item *violation = verdict_violation(&found->rules);
    int is_broken = track_is_broken(found->track);
    if (violation != NULL || is_broken) {
        const trust_break why = {.reason = DOUBT_RULE,
                                 .rule = violation == NULL ? RULE_NONE : violation->rule};
        break_off(conn, out, why);
        if (conn->lacks.reason == DOUBT_NO_SNAPSHOT && violation != NULL &&
            violation->rule != RULE_ANCHORED)
            conn->lacks = why;
        out->was_alive = 0; /* a frame may reveal a loss before it and be right itself */
        if (is_broken)
            return;
    }
    out->is_trusted = (uint8_t)(conn->is_alive || can_begin(conn, frame, found, out));
    TD_ASSERT(frame->recv_ns >= conn->trusted_ns || conn->trusted_ns == 0);
    conn->is_alive = out->is_trusted;
    if (out->is_trusted && !out->is_unused) /* else it may yet show that the snapshot is wrong */
        conn->trusted_ns = frame->recv_ns;
}

/* ---- the connection whose frames are used for the topic ---- */

/* The state after a frame is another one than its reader has. */
static void take_over(trust_answer *own)
{
    own->was_alive = 0;
    own->is_taken_over = own->is_trusted && !own->is_snapshot;
    own->is_in_book |= own->is_taken_over;
}

/* Use the frames of connection `to` for the topic from now on. The connection's earlier frames were
 * copies, and made its present state. */
static void follow_other(topic_trust *trust, const gap_list *gaps, size_t to,
                         const frame_ref *frame, trust_answer *own)
{
    trust_conn *before = &trust->conns[trust->followed];
    trust_answer left = {.broke = &NO_BREAK};
    trust->followed = to;
    if (!trust->conns[to].has_state)
        return;
    break_if_interrupted(gaps, before, frame->recv_ns, SYMBOL_RECONNECTS, 0, NULL, &left);
    own->broke = left.broke;
    take_over(own);
}

/* The first frame after a saved state that replaced what the topic had. */
static void note_restored(topic_trust *trust, trust_answer *own)
{
    trust->is_restored = 0;
    if (!trust->conns[trust->followed].has_state)
        return;
    if (trust->removed.reason != TIME_IS_RIGHT)
        own->broke = &trust->removed;
    take_over(own);
    trust->needs_saved = own->is_taken_over;
}

void topic_trust_apply(topic_trust *trust, const gap_list *gaps, const frame_ref *frame,
                       const symbol_verdict *found, trust_answer *out)
{
    *out = (trust_answer){.broke = &NO_BREAK, .lacks = &NO_BREAK, .began_broken = &NO_BREAK};
    size_t at = find_conn(trust, &frame->channel->info, frame->conn_index);
    trust_conn *conn = &trust->conns[at];
    int is_other = !frame->is_copy && trust->has_followed && trust->followed != at;
    if (is_other && frame->is_interleaved)
        conn->is_alive =
            0; /* its frames, mixed with frames of the other connection, were not in order */
    out->exchange_ns = found->rules.exchange_ns;
    conn->info = &frame->channel->info;
    conn->own = frame_own_conn(frame);
    conn->shard = conn->info->shard;
    if (conn->row != frame->row)
        conn->has_state = topic_row_has_state(frame->row) != 0;
    conn->row = frame->row;
    const int began_right = topic_trust_is_right(trust);
    if (conn->has_state && TD_UNLIKELY(may_be_interrupted(conn, frame, found->step)))
        break_if_interrupted(gaps, conn, frame->recv_ns, found->step, frame->damaged_until_ns,
                             found, out);
    apply_frame(conn, frame, found, out);
    if (!out->is_trusted)
        out->lacks = &conn->lacks;
    if (frame->is_copy)
        return;
    if (TD_UNLIKELY(trust->is_earlier) && !frame->is_lead_in && conn->has_state && !began_right)
        out->began_broken = &trust->conns[trust->followed].lacks;
    trust->is_earlier = frame->is_lead_in;
    if (!trust->has_followed)
        trust->followed = at;
    trust->has_followed = 1;
    if (is_other)
        follow_other(trust, gaps, at, frame, out);
    if (TD_UNLIKELY(trust->is_restored))
        note_restored(trust, out);
    trust->needs_copies = (trust->needs_copies || out->is_taken_over) && !out->is_snapshot;
    out->needs_copies = trust->needs_copies;
    trust->needs_saved &= out->is_trusted && !out->is_snapshot;
    out->needs_saved = trust->needs_saved;
    TD_ASSERT(out->is_trusted || !out->is_taken_over);
}

/* ---- from a saved state ---- */

/* Continue with a saved state. It is right if it is complete since a snapshot, without a later gap.
 */
static void resume_conn(trust_conn *conn, const choice_conn *saved, uint64_t saved_ns,
                        const track *of, const gap_list *gaps)
{
    conn->shard = saved->shard;
    conn->trusted_ns = saved->last_ns;
    conn->saved_ns = saved_ns;
    pass_gaps(gaps, conn, saved->last_ns);
    int has_gap = conn->has_scattered;
    loss gap = conn->scattered;
    conn->has_scattered = 0;
    if (conn->has_ending && conn->ending.time.to_ns <= saved->last_ns) {
        gap = has_gap && gap.time.from_ns > conn->ending.time.from_ns ? gap : conn->ending;
        has_gap = 1;
        conn->has_ending = 0;
    }
    conn->is_alive = of != NULL && track_has_snapshot(of) && !track_is_broken(of) &&
                     saved->snapshot_ns >= conn->lossy_until_ns &&
                     (!has_gap || gap.time.from_ns < saved->snapshot_ns);
    if (has_gap && gap.time.from_ns >= saved->snapshot_ns)
        conn->lacks = (trust_break){.reason = gap.reason};
    else if (of != NULL && track_is_broken(of))
        conn->lacks = (trust_break){.reason = DOUBT_RULE};
}

void topic_trust_resume(topic_trust *trust, const gap_list *gaps, const channel_info *info,
                        const symbol_topic *topic)
{
    const conn_choice *choice = &topic->choice;
    for (uint32_t i = 0; i < choice->count; i++) {
        size_t at = find_conn(trust, info, i);
        resume_conn(&trust->conns[at], &choice->conns[i], topic->saved_ns,
                    symbol_topic_track_at(topic, i), gaps);
        trust->conns[at].has_state = topic->row != NULL && topic_row_has_state(topic->row);
        if (i != choice->followed)
            continue;
        trust->followed = at;
        trust->needs_copies = choice->conns[i].snapshot_ns < choice->since_ns;
    }
    trust->has_followed = choice->count > 0;
    trust->is_earlier = trust->has_followed;
}

void topic_trust_restore(topic_trust *trust, const gap_list *gaps, const channel_info *info,
                         const symbol_topic *topic)
{
    const uint8_t was_earlier = trust->is_earlier;
    trust->removed = NO_BREAK;
    if (topic_trust_is_right(trust)) {
        const uint64_t trusted_ns = trust->conns[trust->followed].trusted_ns;
        trust->removed =
            (trust_break){.reason = GAP_PRUNED, .from_ns = trusted_ns, .doubt_ns = trusted_ns};
    }
    topic_trust_resume(trust, gaps, info, topic);
    trust->is_earlier = was_earlier;
    trust->is_restored = 1;
}

/* ---- a growing ledger ---- */

/* Note the end of a gap that was open. */
static void close_gap(trust_conn *conn, const gap_row *gap)
{
    if (conn->has_ending && gap->reason == conn->ending.reason &&
        gap->from_ns == conn->ending.time.from_ns)
        conn->ending.time = gap_row_span(gap);
    if (gap->reason == GAP_OVERLOAD && gap->to_ns > conn->lossy_until_ns)
        conn->lossy_until_ns = gap->to_ns;
}

static void renew_conn(trust_conn *conn, const gap_list *before, const gap_list *now)
{
    size_t next = 0;
    for (; next < now->count; next++) {
        const gap_row *gap = &now->rows[next];
        int order = strcmp(gap->feed, conn->feed);
        if (order > 0 || (order == 0 && gap->from_ns >= conn->passed_ns))
            break;
        if (order < 0 || !is_of_conn(gap, conn))
            continue;
        if (gap_list_find(before, gap) == NULL)
            note_gap(conn, gap);
        else
            close_gap(conn, gap);
    }
    conn->gap_next = next;
    conn->gap_next_ns = 0;
}

void topic_trust_renew(topic_trust *trust, const gap_list *before, const gap_list *now)
{
    for (size_t i = 0; i < trust->conn_count; i++)
        renew_conn(&trust->conns[i], before, now);
}

/* ---- after the last frame ---- */

trust_break topic_trust_end(const topic_trust *trust, const gap_list *gaps,
                            uint64_t damaged_until_ns, uint64_t at_ns)
{
    trust_answer out = {.broke = &NO_BREAK};
    if (!trust->has_followed)
        return NO_BREAK;
    trust_conn conn = trust->conns[trust->followed];
    break_if_interrupted(gaps, &conn, at_ns, SYMBOL_BEGINS, damaged_until_ns, NULL, &out);
    return *out.broke;
}

const trust_break *topic_trust_lacks(const topic_trust *trust)
{
    const trust_conn *conn = trust->has_followed ? &trust->conns[trust->followed] : NULL;
    return conn == NULL || !conn->has_state || conn->is_alive ? &NO_BREAK : &conn->lacks;
}

int topic_trust_is_right(const topic_trust *trust)
{
    return trust->has_followed && trust->conns[trust->followed].is_alive;
}

int topic_trust_holds(const topic_trust *trust, const gap_list *gaps, uint64_t damaged_until_ns,
                      uint64_t at_ns)
{
    return topic_trust_is_right(trust) &&
           topic_trust_end(trust, gaps, damaged_until_ns, at_ns).reason == TIME_IS_RIGHT;
}
