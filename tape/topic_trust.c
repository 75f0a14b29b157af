#include "tape/topic_trust.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static const trust_break NO_BREAK = {.cause = BREAK_NONE};

/* The part of a gap that matters here. */
typedef struct loss {
    gap_reason reason;
    uint64_t from_ns, to_ns;
} loss;

/* The stretch of one connection. */
typedef struct trust_slot {
    const char *feed; /* from the first channel, which lives as long as the tape */
    uint32_t line, shard, conn_index;
    size_t gap_next;      /* index of the next gap to read */
    uint64_t gap_next_ns; /* no unread gap begins before then */
    uint64_t passed_ns;   /* gaps that began before then were read */
    loss ending;          /* gap that ends the connection, which still has frames; if has_ending */
    loss scattered;       /* gap before the next frame, with losses anywhere; if has_scattered */
    uint64_t lossy_until_ns;  /* end of overload or damage: no stretch begins before */
    const channel_info *info; /* of the last frame */
    uint64_t trusted_ns;      /* recv_ns of the last frame that was trusted */
    trust_break lacks;        /* unless is_alive */
    const topic_row *row;     /* of the last frame */
    uint8_t has_state;        /* topic_row_has_state of row */
    uint8_t is_alive, has_ending, has_scattered;
} trust_slot;

const char *trust_break_cause_name(trust_break_cause cause)
{
    static const char *const NAMES[BREAK_CAUSE_COUNT] = {
        [BREAK_NONE] = "none",
        [BREAK_CONNECTION] = "connection",
        [BREAK_GAP] = "gap",
        [BREAK_DAMAGE] = "damage",
        [BREAK_UNDECODED] = "undecoded",
        [BREAK_RULE] = "rule",
        [BREAK_NO_SNAPSHOT] = "no_snapshot",
    };
    TD_ASSERT(cause < BREAK_CAUSE_COUNT);
    return NAMES[cause];
}

void topic_trust_fini(topic_trust *trust)
{
    td_free(trust->slots);
    *trust = (topic_trust){0};
}

/* ---- the stretch of one connection ---- */

static size_t slot_of(topic_trust *trust, const channel_info *info, uint32_t conn_index)
{
    for (size_t i = 0; i < trust->slot_count; i++) {
        const trust_slot *slot = &trust->slots[i];
        if (slot->conn_index == conn_index && slot->line == info->line &&
            (slot->info == info || strcmp(slot->feed, info->feed) == 0))
            return i;
    }
    trust->slots = td_array_grow(trust->slots, trust->slot_count, sizeof *trust->slots);
    trust->slots[trust->slot_count] = (trust_slot){.feed = info->feed,
                                                   .line = info->line,
                                                   .shard = info->shard,
                                                   .conn_index = conn_index,
                                                   .info = info,
                                                   .lacks = {.cause = BREAK_NO_SNAPSHOT}};
    return trust->slot_count++;
}

/* The first cause at a frame counts. A stretch that has ended cannot end again. */
static void break_off(trust_slot *slot, trust_answer *out, trust_break why)
{
    TD_ASSERT(why.cause != BREAK_NONE);
    why.from_ns = slot->trusted_ns;
    if (why.doubt_ns < why.from_ns)
        why.doubt_ns = why.from_ns;
    if (slot->is_alive) {
        slot->lacks = why;
        out->broke = &slot->lacks;
    }
    slot->is_alive = 0;
}

static int is_of_slot(const gap_row *gap, const trust_slot *slot)
{
    const channel_info of = {.feed = slot->feed,
                             .topic = slot->info->topic,
                             .symbol = slot->info->symbol,
                             .line = slot->line,
                             .shard = slot->shard};
    return gap_row_affects_channel(gap, &of);
}

static void note_gap(trust_slot *slot, const gap_row *gap)
{
    const loss of = {gap->reason, gap->from_ns, gap->to_ns};
    if (gap_reason_ends_connection(gap->reason)) {
        slot->ending = of;
        slot->has_ending = 1;
    } else {
        slot->scattered = of;
        slot->has_scattered = 1;
    }
    if ((gap->reason == GAP_OVERLOAD || gap->reason == GAP_CORRUPT) &&
        gap->to_ns > slot->lossy_until_ns)
        slot->lossy_until_ns = gap->to_ns;
}

/* Read the gaps that began before recv_ns. Rows of a feed are contiguous, sorted by from_ns. */
static void pass_gaps(const gap_list *gaps, trust_slot *slot, uint64_t recv_ns)
{
    slot->passed_ns = recv_ns;
    if (TD_LIKELY(recv_ns <= slot->gap_next_ns))
        return;
    slot->gap_next_ns = UINT64_MAX;
    for (; slot->gap_next < gaps->count; slot->gap_next++) {
        const gap_row *gap = &gaps->rows[slot->gap_next];
        int order = strcmp(gap->feed, slot->feed);
        if (order == 0 && gap->from_ns >= recv_ns)
            slot->gap_next_ns = gap->from_ns;
        if (order > 0 || slot->gap_next_ns != UINT64_MAX)
            break;
        if (order == 0 && is_of_slot(gap, slot))
            note_gap(slot, gap);
    }
}

/* The gap between the previous frame and recv_ns, or NULL. step: of the frame that is received
 * then. */
static const loss *find_gap(const gap_list *gaps, trust_slot *slot, uint64_t recv_ns,
                            symbol_step step)
{
    const loss *ending = &slot->ending;
    pass_gaps(gaps, slot, recv_ns);
    const loss *found = slot->has_scattered ? &slot->scattered : NULL;
    slot->has_scattered = 0;
    if (!slot->has_ending ||
        (step == SYMBOL_CONTINUES && (ending->to_ns == GAP_OPEN || recv_ns < ending->to_ns)))
        return found;
    slot->has_ending = 0;
    return ending;
}

/* Break off the stretch if something ended it between the previous frame and recv_ns. */
static void look_back(const gap_list *gaps, trust_slot *slot, uint64_t recv_ns, symbol_step step,
                      uint64_t damaged_until_ns, trust_answer *out)
{
    const loss *gap = find_gap(gaps, slot, recv_ns, step);
    trust_break why = {.cause = BREAK_CONNECTION};
    if (gap != NULL)
        why = (trust_break){.cause = BREAK_GAP, .reason = gap->reason, .doubt_ns = gap->from_ns};
    else if (slot->trusted_ns < damaged_until_ns || recv_ns <= damaged_until_ns)
        why.cause = BREAK_DAMAGE;
    else if (step != SYMBOL_RECONNECTS && step != SYMBOL_NEW_TOPIC)
        return;
    break_off(slot, out, why);
}

/* 1 if a stretch can begin with the frame: it does not need earlier frames, and is not inside
 * damage or a lossy gap. */
static int begins(const trust_slot *slot, const frame_ref *frame, const trust_answer *out)
{
    if (!slot->has_state)
        return 1;
    return out->is_snapshot && frame->recv_ns > frame->damaged_until_ns &&
           frame->recv_ns >= slot->lossy_until_ns;
}

/* Apply the frame to its connection's stretch. */
static void judge(trust_slot *slot, const frame_ref *frame, const symbol_verdict *found,
                  trust_answer *out)
{
    out->was_alive = slot->is_alive;
    if (frame->content.message == NULL) {
        const trust_break why = {.cause = BREAK_UNDECODED};
        break_off(slot, out, why);
        if (slot->lacks.cause == BREAK_NO_SNAPSHOT)
            slot->lacks = why;
        return;
    }
    out->is_snapshot = slot->has_state && found->rules.is_snapshot;
    const verdict_item *violation = verdict_violation(&found->rules);
    int is_broken = track_is_broken(found->track);
    if (violation != NULL || is_broken) {
        const trust_break why = {.cause = BREAK_RULE,
                                 .rule = violation == NULL ? RULE_NONE : violation->rule};
        break_off(slot, out, why);
        if (slot->lacks.cause == BREAK_NO_SNAPSHOT && violation != NULL &&
            violation->rule != RULE_ANCHORED)
            slot->lacks = why;
        out->was_alive = 0; /* a frame may reveal a loss before it and be right itself */
        if (is_broken)
            return;
    }
    out->is_trusted = (uint8_t)(slot->is_alive || begins(slot, frame, out));
    TD_ASSERT(frame->recv_ns >= slot->trusted_ns || slot->trusted_ns == 0);
    slot->is_alive = out->is_trusted;
    if (out->is_trusted)
        slot->trusted_ns = frame->recv_ns;
}

/* ---- the followed connection ---- */

/* The stream now follows another connection, whose state comes from its copies. */
static void change_over(topic_trust *trust, const gap_list *gaps, size_t to, const frame_ref *frame,
                        trust_answer *own)
{
    trust_slot *before = &trust->slots[trust->followed];
    trust_answer left = {.broke = &NO_BREAK};
    trust->followed = to;
    if (!trust->slots[to].has_state)
        return;
    look_back(gaps, before, frame->recv_ns, SYMBOL_RECONNECTS, 0, &left);
    own->broke = left.broke;
    own->was_alive = 0;
    own->is_taken_over = own->is_trusted && !own->is_snapshot;
}

trust_answer topic_trust_apply(topic_trust *trust, const gap_list *gaps, const frame_ref *frame,
                               const symbol_verdict *found)
{
    trust_answer out = {.broke = &NO_BREAK, .lacks = &NO_BREAK};
    size_t at = slot_of(trust, &frame->channel->info, frame->conn_index);
    trust_slot *slot = &trust->slots[at];
    int is_other = !frame->is_copy && trust->has_followed && trust->followed != at;
    if (is_other && frame->is_interleaved)
        slot->is_alive = 0; /* its frames in between were not in order */
    slot->info = &frame->channel->info;
    slot->shard = slot->info->shard;
    if (slot->row != frame->row)
        slot->has_state = topic_row_has_state(frame->row) != 0;
    slot->row = frame->row;
    if (slot->has_state)
        look_back(gaps, slot, frame->recv_ns, found->step, frame->damaged_until_ns, &out);
    judge(slot, frame, found, &out);
    if (!out.is_trusted)
        out.lacks = &slot->lacks;
    if (frame->is_copy)
        return out;
    if (!trust->has_followed)
        trust->followed = at;
    trust->has_followed = 1;
    if (is_other)
        change_over(trust, gaps, at, frame, &out);
    trust->needs_copies = (trust->needs_copies || out.is_taken_over) && !out.is_snapshot;
    out.needs_copies = trust->needs_copies;
    TD_ASSERT(out.is_trusted || !out.is_taken_over);
    return out;
}

/* ---- from a saved state ---- */

/* The state is right if it is complete since a snapshot, without a later gap. */
static void resume_slot(trust_slot *slot, const choice_conn *conn, const track *of,
                        const gap_list *gaps)
{
    slot->shard = conn->shard;
    slot->trusted_ns = conn->last_ns;
    pass_gaps(gaps, slot, conn->last_ns);
    int has_gap = slot->has_scattered;
    loss gap = slot->scattered;
    slot->has_scattered = 0;
    if (slot->has_ending && slot->ending.to_ns != GAP_OPEN && slot->ending.to_ns <= conn->last_ns) {
        gap = has_gap && gap.from_ns > slot->ending.from_ns ? gap : slot->ending;
        has_gap = 1;
        slot->has_ending = 0;
    }
    slot->is_alive = of != NULL && track_has_snapshot(of) && !track_is_broken(of) &&
                     conn->snapshot_ns >= slot->lossy_until_ns &&
                     (!has_gap || gap.from_ns < conn->snapshot_ns);
}

void topic_trust_resume(topic_trust *trust, const gap_list *gaps, const channel_info *info,
                        const symbol_topic *topic)
{
    const conn_choice *choice = &topic->choice;
    for (uint32_t i = 0; i < choice->count; i++) {
        size_t at = slot_of(trust, info, i);
        resume_slot(&trust->slots[at], &choice->conns[i], symbol_topic_track_at(topic, i), gaps);
        if (i != choice->followed)
            continue;
        trust->followed = at;
        trust->needs_copies = choice->conns[i].snapshot_ns < choice->since_ns;
    }
    trust->has_followed = choice->count > 0;
}

/* ---- a growing ledger ---- */

/* An open gap may have an end now. */
static void close_gap(trust_slot *slot, const gap_row *gap)
{
    if (slot->has_ending && gap->reason == slot->ending.reason &&
        gap->from_ns == slot->ending.from_ns)
        slot->ending.to_ns = gap->to_ns;
    if (gap->reason == GAP_OVERLOAD && gap->to_ns > slot->lossy_until_ns)
        slot->lossy_until_ns = gap->to_ns;
}

static void renew_slot(trust_slot *slot, const gap_list *before, const gap_list *now)
{
    size_t next = 0;
    for (; next < now->count; next++) {
        const gap_row *gap = &now->rows[next];
        int order = strcmp(gap->feed, slot->feed);
        if (order > 0 || (order == 0 && gap->from_ns >= slot->passed_ns))
            break;
        if (order < 0 || !is_of_slot(gap, slot))
            continue;
        if (gap_list_find(before, gap) == NULL)
            note_gap(slot, gap);
        else
            close_gap(slot, gap);
    }
    slot->gap_next = next;
    slot->gap_next_ns = 0;
}

void topic_trust_renew(topic_trust *trust, const gap_list *before, const gap_list *now)
{
    for (size_t i = 0; i < trust->slot_count; i++)
        renew_slot(&trust->slots[i], before, now);
}

/* ---- after the last frame ---- */

trust_break topic_trust_end(const topic_trust *trust, const gap_list *gaps,
                            uint64_t damaged_until_ns, uint64_t at_ns)
{
    trust_answer out = {.broke = &NO_BREAK};
    if (!trust->has_followed)
        return NO_BREAK;
    trust_slot slot = trust->slots[trust->followed];
    look_back(gaps, &slot, at_ns, SYMBOL_BEGINS, damaged_until_ns, &out);
    return *out.broke;
}

int topic_trust_is_right(const topic_trust *trust)
{
    return trust->has_followed && trust->slots[trust->followed].is_alive;
}

int topic_trust_holds(const topic_trust *trust, const gap_list *gaps, uint64_t damaged_until_ns,
                      uint64_t at_ns)
{
    return topic_trust_is_right(trust) &&
           topic_trust_end(trust, gaps, damaged_until_ns, at_ns).cause == BREAK_NONE;
}
