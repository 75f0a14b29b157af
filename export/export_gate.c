#include "export/export_gate.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* The book of one connection at a time. */
typedef struct gate_slot {
    const char *feed; /* the first channel's, which lives as long as the tape */
    uint32_t line, place;
    size_t gap_next; /* the first that was not looked at */
    follower follower;
    const channel_info *info; /* of the last frame */
    uint64_t trusted_ns;      /* recv_ns of the last frame that was trusted */
    uint8_t is_alive;
} gate_slot;

struct export_gate {
    const gap_list *gaps;
    gate_slot *slots;
    size_t slot_count;
    size_t followed; /* slot of the last frame that was no copy; only if has_followed */
    uint8_t has_followed;
    gate_copies copies;
};

const char *export_break_cause_name(export_break_cause cause)
{
    static const char *const NAMES[BREAK_CAUSE_COUNT] = {
        [BREAK_NONE] = "none",     [BREAK_CONNECTION] = "connection", [BREAK_GAP] = "gap",
        [BREAK_DAMAGE] = "damage", [BREAK_UNDECODED] = "undecoded",   [BREAK_RULE] = "rule",
    };
    TD_ASSERT(cause < BREAK_CAUSE_COUNT);
    return NAMES[cause];
}

export_gate *export_gate_open(const gap_list *gaps, gate_copies copies)
{
    export_gate *made = td_alloc_zero(1, sizeof *made);
    made->gaps = gaps;
    made->copies = copies;
    return made;
}

void export_gate_close(export_gate *gate)
{
    if (gate == NULL)
        return;
    for (size_t i = 0; i < gate->slot_count; i++)
        follower_close(&gate->slots[i].follower);
    td_free(gate->slots);
    td_free(gate);
}

const book *export_gate_book(const export_gate *gate)
{
    return gate->has_followed ? track_book(gate->slots[gate->followed].follower.track) : NULL;
}

/* ---- the book of one connection ---- */

static size_t slot_of(export_gate *gate, const frame_ref *frame)
{
    const channel_info *info = &frame->channel->info;
    for (size_t i = 0; i < gate->slot_count; i++) {
        const gate_slot *slot = &gate->slots[i];
        if (slot->place == frame->place && slot->line == info->line &&
            strcmp(slot->feed, info->feed) == 0)
            return i;
    }
    gate->slots = td_array_grow(gate->slots, gate->slot_count, sizeof *gate->slots);
    gate->slots[gate->slot_count] =
        (gate_slot){.feed = info->feed, .line = info->line, .place = frame->place, .info = info};
    return gate->slot_count++;
}

/* The first cause at a frame counts; a book that was not alive cannot break. */
static void break_off(gate_slot *slot, gate_answer *out, export_break_cause cause)
{
    TD_ASSERT(cause != BREAK_NONE);
    if (slot->is_alive)
        out->broke = (export_break){.cause = cause, .from_ns = slot->trusted_ns};
    slot->is_alive = 0;
}

/* Another connection than the one before, or another row: everything starts over. */
static void meet(gate_slot *slot, const frame_ref *frame, gate_answer *out)
{
    const channel_info *info = &frame->channel->info;
    const follower_conn from = {frame->conn->session, info->shard, frame->conn->number};
    follower_step step = follower_meet(&slot->follower, &from, frame->row);
    if (step == FOLLOWER_RECONNECTS || step == FOLLOWER_TURNS)
        break_off(slot, out, BREAK_CONNECTION);
    slot->info = info;
}

static int is_of_slot(const gap_row *gap, const channel_info *info)
{
    return gap->line == info->line && gap->shard == info->shard &&
           gap_row_is_about(gap, info->topic, info->symbol);
}

/* The last gap that was not applied yet and began before this moment, or NULL. Rows of a feed stand
 * together, by from_ns. */
static const gap_row *gap_before(const gap_list *gaps, gate_slot *slot, uint64_t recv_ns)
{
    const gap_row *found = NULL;
    for (; slot->gap_next < gaps->count; slot->gap_next++) {
        const gap_row *gap = &gaps->rows[slot->gap_next];
        int order = strcmp(gap->feed, slot->info->feed);
        if (order > 0 || (order == 0 && gap->from_ns >= recv_ns))
            break;
        if (order == 0 && is_of_slot(gap, slot->info))
            found = gap;
    }
    return found;
}

/* What happened between the frame before and this moment. */
static void look_back(const gap_list *gaps, gate_slot *slot, uint64_t recv_ns, gate_answer *out)
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

/* Apply the frame to its connection's book, and judge it. */
static void take_own(gate_slot *slot, uint64_t recv_ns, const message *m, uint64_t damaged_until_ns,
                     gate_answer *out)
{
    if (recv_ns <= damaged_until_ns)
        break_off(slot, out, BREAK_DAMAGE);
    out->was_alive = slot->is_alive;
    verdict v;
    follower_take(&slot->follower, m, &v);
    if (m == NULL) {
        break_off(slot, out, BREAK_UNDECODED);
        return;
    }
    TD_ASSERT(m->head.type == MSG_BOOK_CHANGE);
    out->is_snapshot = v.is_snapshot;
    const verdict_item *violation = verdict_violation(&v);
    int is_broken = track_is_broken(slot->follower.track);
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
static void change_over(export_gate *gate, size_t to, uint64_t recv_ns, gate_answer *own)
{
    gate_slot *before = &gate->slots[gate->followed];
    gate_answer left = {0};
    look_back(gate->gaps, before, recv_ns, &left);
    break_off(before, &left, BREAK_CONNECTION);
    own->broke = left.broke;
    own->was_alive = 0;
    own->is_taken_over = own->is_trusted && !own->is_snapshot;
    gate->followed = to;
}

gate_answer export_gate_take(export_gate *gate, const frame_ref *frame, const message *m,
                             uint64_t damaged_until_ns)
{
    gate_answer out = {0};
    size_t at = slot_of(gate, frame);
    gate_slot *slot = &gate->slots[at];
    int is_other = !frame->is_copy && gate->has_followed && gate->followed != at;
    if (is_other && (gate->copies == GATE_WITHOUT_COPIES || frame->is_interleaved)) {
        if (slot->follower.track !=
            NULL) /* what came over it meanwhile is not here, or not in order */
            track_reset(slot->follower.track);
        slot->is_alive = 0;
    }
    meet(slot, frame, &out);
    look_back(gate->gaps, slot, frame->recv_ns, &out);
    take_own(slot, frame->recv_ns, m, damaged_until_ns, &out);
    if (frame->is_copy)
        return out;
    if (!gate->has_followed)
        gate->followed = at;
    gate->has_followed = 1;
    if (is_other)
        change_over(gate, at, frame->recv_ns, &out);
    TD_ASSERT(out.is_trusted || !out.is_taken_over);
    return out;
}
