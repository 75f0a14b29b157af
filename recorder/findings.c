#include "recorder/findings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/ring.h"
#include "book/continuity.h"

struct findings {
    td_ring *ring; /* of events as JSON, each after its feed's index */
    td_log log;
    td_buf text;          /* the live check's thread's */
    event_reader *events; /* of who takes them */
};

enum { EVENT_BYTES_MAX = 64 << 10 };

td_result findings_open(const td_log *log, findings **out, td_err *err)
{
    findings *self = td_alloc_zero(1, sizeof *self);
    if (log != NULL)
        self->log = *log;
    td_buf_init(&self->text, EVENT_BYTES_MAX);
    self->events = event_reader_open();
    td_result rc = td_ring_open(FINDINGS_RING_BYTES, &self->ring, err);
    if (rc != TD_OK) {
        findings_close(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

void findings_close(findings *self)
{
    if (self == NULL)
        return;
    td_ring_close(self->ring);
    td_buf_fini(&self->text);
    event_reader_close(self->events);
    td_free(self);
}

static int compares_books(rule_id rule)
{
    return rule == RULE_BOOKS_AGREE || rule == RULE_LINES_AGREE;
}

static void log_finding(const live_check_finding *finding, const char *detail, const td_log *log)
{
    const channel_info *channel = finding->channel;
    int is_end = finding->reason != GAP_AGGREGATE && finding->to_ns != GAP_OPEN;
    td_log_emit(log, is_end ? TD_LOG_INFO : TD_LOG_WARNING, "%s %s: %s (%s)", channel->feed,
                channel->exchange_topic,
                finding->reason == GAP_AGGREGATE ? "trades are missing"
                : is_end                         ? "whole again"
                                                 : "broken",
                detail);
}

/* "seq_dense: expected 64755, found 64756: 1 lost"; trades that are missing have no rule of their
 * topic. */
static void format_detail(const live_check_finding *finding, char *out, size_t size)
{
    char compared[VERDICT_TEXT_BYTES];
    verdict_item_text(&(verdict_item){.rule = finding->rule,
                                      .expected = finding->expected,
                                      .found = finding->found},
                      compared);
    if (finding->reason == GAP_AGGREGATE)
        (void)snprintf(out, size, "%s", compared);
    else if (finding->to_ns != GAP_OPEN && compares_books(finding->rule))
        (void)snprintf(out, size, "%s: equal at %" PRId64 ", and again at %" PRId64,
                       rule_name(finding->rule), finding->expected, finding->found);
    else
        (void)snprintf(out, size, "%s%s%s", rule_name(finding->rule),
                       compared[0] == '\0' ? "" : ": ", compared);
}

/* It counts in the live check's statistics, too. */
static void put_event(findings *self, uint16_t feed_index, const event *gap)
{
    td_err err;
    td_buf_clear(&self->text);
    uint8_t *to = event_encode(gap, &self->text, &err) == TD_OK
                      ? td_ring_reserve(self->ring, sizeof feed_index + self->text.size)
                      : NULL;
    if (to == NULL) {
        td_log_emit(&self->log, TD_LOG_WARNING,
                    "this finding of the live check is not recorded: the recorder is late; replay "
                    "finds it again");
        return;
    }
    memcpy(to, &feed_index, sizeof feed_index);
    memcpy(to + sizeof feed_index, self->text.data, self->text.size);
    td_ring_commit(self->ring, sizeof feed_index + self->text.size);
}

void findings_put(findings *self, const live_check_finding *finding)
{
    TD_ASSERT(finding->from_ns != 0);
    TD_ASSERT(finding->reason != GAP_AGGREGATE || finding->to_ns != GAP_OPEN);
    const channel_info *channel = finding->channel;
    char detail[160];
    format_detail(finding, detail, sizeof detail);
    event gap = {.kind = EVENT_GAP,
                 .gap = gap_row_of(finding->reason, channel->feed, finding->from_ns, finding->to_ns,
                                   rule_name(finding->rule))};
    gap.gap.line = channel->line;
    gap.gap.shard = channel->shard;
    gap.gap.conn = finding->conn;
    gap.gap.topic = channel->topic;
    gap.gap.symbol = channel->symbol;
    gap.gap.detail = detail;
    if (finding->frames_lost > 0)
        gap.gap.frames_lost = (uint64_t)finding->frames_lost;
    log_finding(finding, detail, &self->log);
    put_event(self, finding->feed_index, &gap);
}

int findings_take(findings *self, uint16_t *feed_index, event *out)
{
    td_ring_release(self->ring);
    td_bytes record = td_ring_peek(self->ring);
    if (record.data == NULL)
        return 0;
    memcpy(feed_index, record.data, sizeof *feed_index);
    const td_bytes text =
        td_bytes_of(record.data + sizeof *feed_index, record.size - sizeof *feed_index);
    td_result rc = event_decode(self->events, text, out, NULL);
    TD_ASSERT(rc == TD_OK); /* by event_encode */
    return 1;
}
