#include "tape/book_trust.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* The book of one connection at a time. */
typedef struct trust_slot {
    const char *feed; /* the first channel's, which lives as long as the tape */
    uint32_t line, shard, conn_index;
    size_t gap_next;          /* the first that was not looked at */
    const channel_info *info; /* of the last frame */
    uint64_t trusted_ns;      /* recv_ns of the last frame that was trusted */
    uint8_t is_alive;
} trust_slot;

const char *trust_break_cause_name(trust_break_cause cause)
{
    static const char *const NAMES[BREAK_CAUSE_COUNT] = {
        [BREAK_NONE] = "none",     [BREAK_CONNECTION] = "connection", [BREAK_GAP] = "gap",
        [BREAK_DAMAGE] = "damage", [BREAK_UNDECODED] = "undecoded",   [BREAK_RULE] = "rule",
    };
    TD_ASSERT(cause < BREAK_CAUSE_COUNT);
    return NAMES[cause];
}

void book_trust_fini(book_trust *trust)
{
    td_free(trust->slots);
    *trust = (book_trust){0};
}

/* ---- the book of one connection ---- */

static size_t slot_of(book_trust *trust, const channel_info *info, uint32_t conn_index)
{
    for (size_t i = 0; i < trust->slot_count; i++) {
        const trust_slot *slot = &trust->slots[i];
        if (slot->conn_index == conn_index && slot->line == info->line &&
            strcmp(slot->feed, info->feed) == 0)
            return i;
    }
    trust->slots = td_array_grow(trust->slots, trust->slot_count, sizeof *trust->slots);
    trust->slots[trust->slot_count] = (trust_slot){
        .feed = info->feed, .line = info->line, .conn_index = conn_index, .info = info};
    return trust->slot_count++;
}

/* The first cause at a frame counts; a book that was not alive cannot break. */
static void break_off(trust_slot *slot, trust_answer *out, trust_break_cause cause)
{
    TD_ASSERT(cause != BREAK_NONE);
    if (slot->is_alive)
        out->broke = (trust_break){.cause = cause, .from_ns = slot->trusted_ns};
    slot->is_alive = 0;
}

static int is_of_slot(const gap_row *gap, const trust_slot *slot)
{
    return gap->line == slot->line && gap->shard == slot->shard &&
           gap_row_is_about(gap, slot->info->topic, slot->info->symbol);
}

/* The last gap that was not applied yet and began before this moment, or NULL. Rows of a feed stand
 * together, by from_ns. */
static const gap_row *gap_before(const gap_list *gaps, trust_slot *slot, uint64_t recv_ns)
{
    const gap_row *found = NULL;
    for (; slot->gap_next < gaps->count; slot->gap_next++) {
        const gap_row *gap = &gaps->rows[slot->gap_next];
        int order = strcmp(gap->feed, slot->info->feed);
        if (order > 0 || (order == 0 && gap->from_ns >= recv_ns))
            break;
        if (order == 0 && is_of_slot(gap, slot))
            found = gap;
    }
    return found;
}

/* What happened between the frame before and this moment. */
static void look_back(const gap_list *gaps, trust_slot *slot, uint64_t recv_ns, trust_answer *out)
{
    const gap_row *gap = gap_before(gaps, slot, recv_ns);
    if (gap == NULL)
        return;
    break_off(slot, out, BREAK_GAP);
    if (out->broke.cause != BREAK_NONE) {
        out->broke.cause = BREAK_GAP; /* says more than that another connection began */
        out->broke.reason = gap->reason;
    }
}

/* What the frame, applied to its connection's book, says of it. */
static void judge(trust_slot *slot, const frame_ref *frame, const symbol_verdict *found,
                  uint64_t damaged_until_ns, trust_answer *out)
{
    uint64_t recv_ns = frame->recv_ns;
    if (recv_ns <= damaged_until_ns)
        break_off(slot, out, BREAK_DAMAGE);
    out->was_alive = slot->is_alive;
    if (frame->content.message == NULL) {
        break_off(slot, out, BREAK_UNDECODED);
        return;
    }
    out->is_snapshot = found->rules.is_snapshot;
    const verdict_item *violation = verdict_violation(&found->rules);
    int is_broken = track_is_broken(found->track);
    if (violation != NULL || is_broken) {
        break_off(slot, out, BREAK_RULE);
        if (out->broke.cause == BREAK_RULE && violation != NULL)
            out->broke.rule = violation->rule;
        out->was_alive = 0; /* a frame may show a loss and be right itself */
        if (is_broken)
            return;
    }
    /* Inside damage it is unknown what is missing after a snapshot. */
    out->is_trusted = (slot->is_alive || out->is_snapshot) && recv_ns > damaged_until_ns;
    TD_ASSERT(recv_ns >= slot->trusted_ns || slot->trusted_ns == 0);
    slot->is_alive = out->is_trusted;
    if (out->is_trusted)
        slot->trusted_ns = recv_ns;
}

/* ---- the book that is followed ---- */

/* The stream follows another connection than it did, whose book is as far as its copies brought it.
 */
static void change_over(book_trust *trust, const gap_list *gaps, size_t to, uint64_t recv_ns,
                        trust_answer *own)
{
    trust_slot *before = &trust->slots[trust->followed];
    trust_answer left = {0};
    look_back(gaps, before, recv_ns, &left);
    break_off(before, &left, BREAK_CONNECTION);
    own->broke = left.broke;
    own->was_alive = 0;
    own->is_taken_over = own->is_trusted && !own->is_snapshot;
    trust->followed = to;
}

trust_answer book_trust_apply(book_trust *trust, const gap_list *gaps, const frame_ref *frame,
                              const symbol_verdict *found, uint64_t damaged_until_ns)
{
    trust_answer out = {0};
    size_t at = slot_of(trust, &frame->channel->info, frame->conn_index);
    trust_slot *slot = &trust->slots[at];
    int is_other = !frame->is_copy && trust->has_followed && trust->followed != at;
    if (is_other && frame->is_interleaved)
        slot->is_alive = 0; /* what came over it meanwhile is not in order */
    if (found->step == SYMBOL_RECONNECTS || found->step == SYMBOL_NEW_TOPIC)
        break_off(slot, &out, BREAK_CONNECTION);
    slot->info = &frame->channel->info;
    slot->shard = slot->info->shard;
    look_back(gaps, slot, frame->recv_ns, &out);
    judge(slot, frame, found, damaged_until_ns, &out);
    if (frame->is_copy)
        return out;
    if (!trust->has_followed)
        trust->followed = at;
    trust->has_followed = 1;
    if (is_other)
        change_over(trust, gaps, at, frame->recv_ns, &out);
    trust->needs_copies = (trust->needs_copies || out.is_taken_over) && !out.is_snapshot;
    out.needs_copies = trust->needs_copies;
    TD_ASSERT(out.is_trusted || !out.is_taken_over);
    return out;
}

/* ---- from a state ---- */

/* The book is trusted if it is whole since a snapshot that no gap followed. */
static void resume_slot(trust_slot *slot, const choice_conn *conn, const track *of,
                        const gap_list *gaps)
{
    slot->shard = conn->shard;
    slot->trusted_ns = conn->last_ns;
    const gap_row *gap = gap_before(gaps, slot, conn->last_ns);
    slot->is_alive = of != NULL && track_has_snapshot(of) && !track_is_broken(of) &&
                     (gap == NULL || gap->from_ns < conn->snapshot_ns);
}

void book_trust_resume(book_trust *trust, const gap_list *gaps, const channel_info *info,
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

trust_break book_trust_end(const book_trust *trust, const gap_list *gaps, uint64_t damaged_until_ns,
                           uint64_t at_ns)
{
    trust_answer out = {0};
    if (!trust->has_followed)
        return out.broke;
    trust_slot slot = trust->slots[trust->followed];
    look_back(gaps, &slot, at_ns, &out);
    if (slot.trusted_ns < damaged_until_ns)
        break_off(&slot, &out, BREAK_DAMAGE);
    return out.broke;
}

int book_trust_holds(const book_trust *trust, const gap_list *gaps, uint64_t at_ns)
{
    if (!trust->has_followed)
        return 0;
    trust_slot slot = trust->slots[trust->followed];
    return slot.is_alive && gap_before(gaps, &slot, at_ns) == NULL;
}
