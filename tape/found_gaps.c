#include "tape/found_gaps.h"

#include "base/assert.h"

static gap_row row_of(time_reason reason, const channel_info *topic, uint64_t from_ns,
                      uint64_t to_ns, const char *cause)
{
    gap_row row = gap_row_of(reason, topic->feed, from_ns, to_ns, cause);
    row.line = topic->line;
    row.shard = topic->shard;
    row.topic = topic->topic;
    row.symbol = topic->symbol;
    return row;
}

gap_row found_gap_of_break(const channel_info *topic, const trust_break *broke)
{
    return row_of(GAP_SEQUENCE, topic, broke->from_ns, broke->to_ns,
                  trust_break_name(broke->reason));
}

gap_row found_gap_of_trades(const channel_info *topic, const audit_item *item, const char *detail)
{
    TD_ASSERT(item->verdict.rule == RULE_TRADES_COMPLETE);
    gap_row row = row_of(GAP_AGGREGATE, topic, item->time.from_ns, item->time.to_ns,
                         rule_name(item->verdict.rule));
    row.line = item->about.line;
    row.shard = item->about.shard;
    row.conn = item->about.conn;
    row.detail = detail;
    return row;
}

gap_row found_gap_of_copies(const channel_info *topic, uint64_t from_ns, uint64_t to_ns)
{
    return row_of(GAP_SEQUENCE, topic, from_ns, to_ns, "only another connection had frames");
}

int found_gap_of_unanchored(const frame_ref *frame, uint64_t lacking_ns, gap_row *out)
{
    if (frame->row->snapshot_request == NULL || frame->is_lead_in ||
        frame->recv_ns - lacking_ns <= TOPIC_UNANCHORED_NS)
        return 0;
    *out = row_of(GAP_SEQUENCE, &frame->channel->info, lacking_ns, frame->recv_ns,
                  rule_name(RULE_ANCHORED));
    out->conn = frame->conn->number;
    return 1;
}

int found_gap_of_silence(const frame_ref *frame, gap_row *out)
{
    if (frame->row->speaks != SPEAKS_AT_ONCE || frame->is_copy || frame->is_lead_in ||
        frame->granted_ns == 0 || frame->recv_ns < frame->granted_ns + TOPIC_SILENCE_NS)
        return 0;
    *out = row_of(GAP_STALE, &frame->channel->info, frame->granted_ns, frame->recv_ns,
                  "granted, and silent");
    out->conn = frame->conn->number;
    return 1;
}

gap_row found_gap_between(const char *feed, time_span time)
{
    return row_of(GAP_RESTART, &(channel_info){.feed = feed, .topic = "", .symbol = ""},
                  time.from_ns, time.to_ns, "between two archives");
}
