#include "replay/export_gate.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

struct export_gate {
    const gap_list *gaps;
    size_t gap_next; /* the first that was not looked at */
    track *track;
    const topic_row *row;
    const tape_channel *channel; /* of the last frame */
    uint32_t session, conn;
    uint64_t trusted_ns; /* recv_ns of the last frame that was trusted */
    uint8_t is_alive;
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

td_result export_gate_open(const gap_list *gaps, export_gate **out, td_err *err)
{
    export_gate *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a book");
    made->gaps = gaps;
    *out = made;
    return TD_OK;
}

void export_gate_close(export_gate *gate)
{
    if (gate == NULL)
        return;
    track_close(gate->track);
    td_free(gate);
}

const book *export_gate_book(const export_gate *gate)
{
    return gate->track == NULL ? NULL : track_book(gate->track);
}

/* The first cause at a frame counts; a book that was not alive cannot break. */
static void break_off(export_gate *gate, gate_answer *out, export_break_cause cause)
{
    TD_ASSERT(cause != BREAK_NONE);
    if (gate->is_alive)
        out->broke = (export_break){.cause = cause, .from_ns = gate->trusted_ns};
    gate->is_alive = 0;
}

/* Another connection, slot or feed than the one before, or another row: everything begins anew. */
static td_result meet(export_gate *gate, const tape_frame *frame, const topic_row *row,
                      gate_answer *out, td_err *err)
{
    if (gate->track != NULL && strcmp(gate->row->name, row->name) == 0) {
        td_result rc = track_set_row(gate->track, row, err); /* the same one, most of the time */
        if (rc != TD_OK)
            return rc;
        gate->row = row;
    }
    if (gate->track == NULL || gate->row != row) {
        track *made = NULL;
        td_result rc = track_open(row, &made, err);
        if (rc != TD_OK)
            return rc;
        track_close(gate->track);
        gate->track = made;
        gate->row = row;
        break_off(gate, out, BREAK_CONNECTION);
    } else if (gate->channel != frame->channel || gate->session != frame->session ||
               gate->conn != frame->conn) {
        track_reset(gate->track);
        break_off(gate, out, BREAK_CONNECTION);
    }
    if (gate->channel == NULL || strcmp(gate->channel->info.feed, frame->channel->info.feed) != 0)
        gate->gap_next = 0;
    TD_ASSERT(gate->track != NULL);
    TD_ASSERT(gate->row == row);
    gate->channel = frame->channel;
    gate->session = frame->session;
    gate->conn = frame->conn;
    return TD_OK;
}

/* A gap of a whole connection, or topic, is one of each of its books. */
static int gap_is_about(const gap_row *gap, const channel_info *info)
{
    return gap->line == info->line && gap->shard == info->shard &&
           (gap->topic[0] == '\0' || strcmp(gap->topic, info->topic) == 0) &&
           (gap->symbol[0] == '\0' || strcmp(gap->symbol, info->symbol) == 0);
}

/* Has a gap begun before this frame that was not looked at? Rows of a feed stand together, by
 * from_ns. */
static const gap_row *gap_before(export_gate *gate, const tape_frame *frame)
{
    const channel_info *info = &frame->channel->info;
    const gap_row *found = NULL;
    for (; gate->gap_next < gate->gaps->count; gate->gap_next++) {
        const gap_row *gap = &gate->gaps->rows[gate->gap_next];
        int order = strcmp(gap->feed, info->feed);
        if (order > 0 || (order == 0 && gap->from_ns >= frame->recv_ns))
            break;
        if (order == 0 && gap_is_about(gap, info))
            found = gap;
    }
    return found;
}

/* What happened between the frame before and this one. */
static void look_back(export_gate *gate, const tape_frame *frame, uint64_t damaged_until_ns,
                      gate_answer *out)
{
    const gap_row *gap = gap_before(gate, frame);
    if (gap != NULL) {
        break_off(gate, out, BREAK_GAP);
        if (out->broke.cause != BREAK_NONE) {
            out->broke.cause = BREAK_GAP; /* says more than that another connection began */
            out->broke.reason = gap->reason;
        }
    }
    if (frame->recv_ns <= damaged_until_ns)
        break_off(gate, out, BREAK_DAMAGE);
}

td_result export_gate_take(export_gate *gate, const tape_frame *frame, const topic_row *row,
                           const message *m, uint64_t damaged_until_ns, gate_answer *out,
                           td_err *err)
{
    *out = (gate_answer){0};
    td_result rc = meet(gate, frame, row, out, err);
    if (rc != TD_OK)
        return rc;
    look_back(gate, frame, damaged_until_ns, out);
    out->was_alive = gate->is_alive;
    if (m == NULL) {
        track_skip(gate->track);
        break_off(gate, out, BREAK_UNDECODED);
        return TD_OK;
    }
    TD_ASSERT(m->head.type == MSG_BOOK_CHANGE);
    TD_ASSERT(gate->track != NULL);
    verdict v;
    track_apply(gate->track, m, &v);
    if (TD_UNLIKELY(v.no_memory))
        return td_err_set(err, TD_E_NOMEM, "no memory for a book's levels");
    out->is_snapshot = v.is_snapshot;
    if (track_is_broken(gate->track)) {
        const verdict_item *violation = verdict_violation(&v);
        break_off(gate, out, BREAK_RULE);
        if (out->broke.cause == BREAK_RULE && violation != NULL)
            out->broke.rule = violation->rule;
        return TD_OK;
    }
    /* Within what is damaged nobody knows what is missing behind a snapshot. */
    out->is_trusted = (gate->is_alive || out->is_snapshot) && frame->recv_ns > damaged_until_ns;
    TD_ASSERT(frame->recv_ns >= gate->trusted_ns || gate->trusted_ns == 0);
    gate->is_alive = out->is_trusted;
    if (out->is_trusted)
        gate->trusted_ns = frame->recv_ns;
    return TD_OK;
}
