#include "recorder/pipeline/live_findings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/ring.h"

/* A finding in the ring. */
typedef struct finding {
    uint16_t feed_index;
    gap_row gap; /* its texts are the topic's or constants, except the detail */
    char detail[];
} finding;

struct live_findings {
    const td_log *log;
    td_ring *ring;
    td_log_rate unrecorded_log; /* used by the live check's thread */
};

td_result live_findings_open(size_t ring_bytes, const td_log *log, live_findings **out, td_err *err)
{
    live_findings *self = td_alloc_zero(1, sizeof *self);
    self->log = log;
    *out = self;
    return td_ring_open(ring_bytes, &self->ring, err);
}

void live_findings_close(live_findings *self)
{
    if (self == NULL)
        return;
    td_ring_close(self->ring);
    td_free(self);
}

static int compares_books(rule_id rule)
{
    return rule == RULE_BOOKS_AGREE || rule == RULE_LINES_AGREE;
}

/* Write a gap's detail, such as "seq_dense: expected 64755, found 64756: 1 lost". For missing
 * trades the rule is left out. */
static void format_detail(const gap_row *gap, const verdict_item *why, char *out, size_t size)
{
    char compared[VERDICT_TEXT_BYTES];
    verdict_item_text(why, compared);
    if (gap->reason == GAP_AGGREGATE)
        (void)snprintf(out, size, "%s", compared);
    else if (gap->to_ns != GAP_OPEN && compares_books(why->rule))
        (void)snprintf(out, size, "%s: equal at %" PRId64 ", and again at %" PRId64,
                       rule_name(why->rule), why->expected, why->found);
    else
        (void)snprintf(out, size, "%s%s%s", rule_name(why->rule), compared[0] == '\0' ? "" : ": ",
                       compared);
}

/* Gaps of topics without state may begin and end with every frame, so their warnings are limited;
 * an end is logged if its begin was. */
static void log_gap(const live_findings *self, found_topic *topic, const gap_row *gap,
                    uint64_t now_ns)
{
    const int is_aggregate = gap->reason == GAP_AGGREGATE;
    const int is_end = !is_aggregate && gap->to_ns != GAP_OPEN;
    uint64_t count = 1;
    char since[64] = "";
    if (is_end && !topic_row_has_state(topic->match.row))
        count = topic->log.count == 0;
    else if (is_aggregate || !topic_row_has_state(topic->match.row))
        count = td_log_rate_count(&topic->log, now_ns);
    if (count == 0)
        return;
    if (count > 1)
        (void)snprintf(since, sizeof since, ", %" PRIu64 " gaps since the last warning", count);
    td_log_emit(self->log, is_end ? TD_LOG_INFO : TD_LOG_WARNING, "%s %s: %s (%s)%s",
                topic->info.feed, topic->info.exchange_topic,
                is_aggregate ? "trades are missing"
                : is_end     ? "whole again"
                             : "broken",
                gap->detail, since);
}

gap_row live_findings_gap(const found_topic *topic, time_reason reason, uint64_t from_ns,
                          uint64_t to_ns, const char *cause, uint32_t conn)
{
    gap_row gap = gap_row_of(reason, topic->info.feed, from_ns, to_ns, cause);
    gap.shard = topic->info.shard;
    gap.conn = conn;
    return gap;
}

void live_findings_report(live_findings *self, found_topic *topic, const gap_row *gap,
                          const verdict_item *why, uint64_t now_ns)
{
    TD_ASSERT(gap->from_ns != 0);
    TD_ASSERT(gap->to_ns == GAP_OPEN || gap->to_ns >= gap->from_ns);
    char detail[160];
    format_detail(gap, why, detail, sizeof detail);
    gap_row detailed = *gap;
    detailed.detail = detail;
    log_gap(self, topic, &detailed, now_ns);
    live_findings_pass(self, topic, &detailed, now_ns);
}

void live_findings_pass(live_findings *self, const found_topic *topic, const gap_row *gap,
                        uint64_t now_ns)
{
    const size_t detail_bytes = strlen(gap->detail) + 1;
    finding *to = td_ring_reserve(self->ring, sizeof *to + detail_bytes);
    if (to == NULL) {
        uint64_t count = td_log_rate_count(&self->unrecorded_log, now_ns);
        if (count > 0)
            td_log_emit(self->log, TD_LOG_WARNING,
                        "findings of the live check are not recorded (%" PRIu64
                        " since the last warning): the recorder is too slow; replay finds them "
                        "again",
                        count);
        return;
    }
    to->feed_index = topic->feed_index;
    to->gap = *gap;
    to->gap.line = topic->info.line;
    to->gap.topic = topic->info.topic;
    to->gap.symbol = topic->info.symbol;
    to->gap.detail = memcpy(to->detail, gap->detail, detail_bytes);
    td_ring_commit(self->ring, sizeof *to + detail_bytes);
}

int live_findings_next(live_findings *self, uint16_t *feed_index, gap_row *out)
{
    td_ring_release(self->ring);
    const finding *found = (const void *)td_ring_peek(self->ring).data;
    if (found == NULL)
        return 0;
    *feed_index = found->feed_index;
    *out = found->gap;
    return 1;
}
