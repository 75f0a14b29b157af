#include "recorder/findings.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "book/audit.h"

struct findings {
    pthread_mutex_t mutex;
    watch_finding items[FINDINGS_MAX];
    size_t first;
    size_t count;
    uint64_t lost; /* pushed out, not said yet */
};

td_result findings_open(findings **out, td_err *err)
{
    findings *self = td_alloc_zero(1, sizeof *self);
    if (self == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for findings");
    pthread_mutex_init(&self->mutex, NULL);
    *out = self;
    return TD_OK;
}

void findings_close(findings *self)
{
    if (self == NULL)
        return;
    pthread_mutex_destroy(&self->mutex);
    td_free(self);
}

void findings_put(findings *self, const watch_finding *finding)
{
    TD_ASSERT(finding->channel != NULL);
    pthread_mutex_lock(&self->mutex);
    /* Full: the newest replaces the last, so that the most recent state is always told. Every
     * finding counts in the watch's statistics all the same, and replay finds it again. */
    if (self->count == FINDINGS_MAX) {
        self->count--;
        self->lost++;
    }
    TD_ASSERT(self->count < FINDINGS_MAX);
    self->items[(self->first + self->count) % FINDINGS_MAX] = *finding;
    self->count++;
    pthread_mutex_unlock(&self->mutex);
}

int findings_take(findings *self, watch_finding *out)
{
    pthread_mutex_lock(&self->mutex);
    int has_one = self->count > 0;
    if (has_one) {
        *out = self->items[self->first];
        self->first = (self->first + 1) % FINDINGS_MAX;
        self->count--;
    }
    pthread_mutex_unlock(&self->mutex);
    return has_one;
}

uint64_t findings_take_lost(findings *self)
{
    pthread_mutex_lock(&self->mutex);
    uint64_t lost = self->lost;
    self->lost = 0;
    pthread_mutex_unlock(&self->mutex);
    return lost;
}

static int compares_books(rule_id rule)
{
    return rule == RULE_BOOKS_AGREE || rule == RULE_LINES_AGREE;
}

/* What a finding is called in the log. */
static void log_finding(const watch_finding *finding, const char *detail, const td_log *log)
{
    const channel_info *channel = finding->channel;
    if (finding->reason == GAP_AGGREGATE)
        td_log_say(log, TD_LOG_WARNING, "%s %s: trades are missing (%s)", channel->feed,
                   channel->exchange_topic, detail);
    else if (finding->to_ns == GAP_OPEN && compares_books(finding->rule))
        td_log_say(log, TD_LOG_WARNING, "%s %s: the books of the symbol contradict each other (%s)",
                   channel->feed, channel->exchange_topic, detail);
    else if (finding->to_ns == GAP_OPEN)
        td_log_say(log, TD_LOG_WARNING, "%s %s: broken (%s)", channel->feed,
                   channel->exchange_topic, detail);
    else if (compares_books(finding->rule))
        td_log_say(log, TD_LOG_INFO, "%s %s: the books of the symbol agree again", channel->feed,
                   channel->exchange_topic);
    else
        td_log_say(log, TD_LOG_INFO, "%s %s: whole again", channel->feed, channel->exchange_topic);
}

static void format_detail(const watch_finding *finding, char *out, size_t size)
{
    TD_ASSERT(size >= AUDIT_GAP_TEXT_BYTES);
    if (finding->reason == GAP_AGGREGATE)
        audit_gap_text(finding->expected, finding->found, out);
    else if (compares_books(finding->rule))
        snprintf(out, size, "%s: equal at %" PRId64 ", %s at %" PRId64, rule_name(finding->rule),
                 finding->expected, finding->to_ns == GAP_OPEN ? "not" : "and again",
                 finding->found);
    else
        snprintf(out, size, "%s: %" PRId64 " after %" PRId64, rule_name(finding->rule),
                 finding->found, finding->expected);
}

void findings_say(const watch_finding *finding, intake *into, const td_log *log)
{
    TD_ASSERT(finding->from_ns != 0);
    TD_ASSERT(finding->reason != GAP_AGGREGATE || finding->to_ns != GAP_OPEN);
    const channel_info *channel = finding->channel;
    char detail[160];
    format_detail(finding, detail, sizeof detail);
    event gap = {.kind = EVENT_GAP,
                 .line = channel->line,
                 .shard = channel->shard,
                 .conn = finding->conn,
                 .gap = {.reason = finding->reason,
                         .feed = channel->feed,
                         .line = channel->line,
                         .shard = channel->shard,
                         .conn = finding->conn,
                         .topic = channel->topic,
                         .symbol = channel->symbol,
                         .from_ns = finding->from_ns,
                         .to_ns = finding->to_ns,
                         .frames_lost = GAP_FRAMES_UNKNOWN,
                         .covered_by = "",
                         .cause = rule_name(finding->rule),
                         .detail = detail}};
    intake_event(into, finding->feed_index, &gap);
    log_finding(finding, detail, log);
}
