#include "recorder/findings.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "book/continuity.h"

/* A finding, and the names in its channel. */
typedef struct kept_finding {
    live_check_finding finding;
    channel_info channel;
    char feed[LIMIT_NAME_BYTES];
    char topic[LIMIT_TOPIC_BYTES];
    char exchange_topic[LIMIT_TOPIC_BYTES];
    char symbol[LIMIT_SYMBOL_BYTES];
} kept_finding;

struct findings {
    pthread_mutex_t mutex;
    kept_finding items[FINDINGS_MAX];
    kept_finding taken; /* network thread's */
    size_t first;
    size_t count;
    uint64_t lost; /* pushed out, not reported yet */
};

findings *findings_open(void)
{
    findings *self = td_alloc_zero(1, sizeof *self);
    pthread_mutex_init(&self->mutex, NULL);
    return self;
}

void findings_close(findings *self)
{
    if (self == NULL)
        return;
    pthread_mutex_destroy(&self->mutex);
    td_free(self);
}

static void copy_name(char *to, size_t space, const char *name)
{
    size_t size = name == NULL ? 0 : strlen(name);
    TD_ASSERT(size < space);
    if (size > 0)
        memcpy(to, name, size);
    to[size] = '\0';
}

static void keep(kept_finding *to, const live_check_finding *finding)
{
    to->finding = *finding;
    to->channel = *finding->channel;
    copy_name(to->feed, sizeof to->feed, finding->channel->feed);
    copy_name(to->topic, sizeof to->topic, finding->channel->topic);
    copy_name(to->exchange_topic, sizeof to->exchange_topic, finding->channel->exchange_topic);
    copy_name(to->symbol, sizeof to->symbol, finding->channel->symbol);
}

/* Pointers to the copy's own names. */
static void point(kept_finding *at)
{
    at->channel.feed = at->feed;
    at->channel.topic = at->topic;
    at->channel.exchange_topic = at->exchange_topic;
    at->channel.symbol = at->symbol;
    at->finding.channel = &at->channel;
}

void findings_put(findings *self, const live_check_finding *finding)
{
    TD_ASSERT(finding->channel != NULL);
    pthread_mutex_lock(&self->mutex);
    /* Full: the newest replaces the last, so that the most recent state is always reported. Every
     * finding counts in the live check's statistics all the same, and replay finds it again. */
    if (self->count == FINDINGS_MAX) {
        self->count--;
        self->lost++;
    }
    TD_ASSERT(self->count < FINDINGS_MAX);
    keep(&self->items[(self->first + self->count) % FINDINGS_MAX], finding);
    self->count++;
    pthread_mutex_unlock(&self->mutex);
}

int findings_take(findings *self, live_check_finding *out)
{
    pthread_mutex_lock(&self->mutex);
    int has_one = self->count > 0;
    if (has_one) {
        self->taken = self->items[self->first];
        self->first = (self->first + 1) % FINDINGS_MAX;
        self->count--;
    }
    pthread_mutex_unlock(&self->mutex);
    if (has_one) {
        point(&self->taken);
        *out = self->taken.finding;
    }
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
static void log_finding(const live_check_finding *finding, const char *detail, const td_log *log)
{
    const channel_info *channel = finding->channel;
    if (finding->reason == GAP_AGGREGATE)
        td_log_emit(log, TD_LOG_WARNING, "%s %s: trades are missing (%s)", channel->feed,
                    channel->exchange_topic, detail);
    else if (finding->to_ns == GAP_OPEN && compares_books(finding->rule))
        td_log_emit(log, TD_LOG_WARNING,
                    "%s %s: the books of the symbol contradict each other (%s)", channel->feed,
                    channel->exchange_topic, detail);
    else if (finding->to_ns == GAP_OPEN)
        td_log_emit(log, TD_LOG_WARNING, "%s %s: broken (%s)", channel->feed,
                    channel->exchange_topic, detail);
    else if (compares_books(finding->rule))
        td_log_emit(log, TD_LOG_INFO, "%s %s: the books of the symbol agree again", channel->feed,
                    channel->exchange_topic);
    else
        td_log_emit(log, TD_LOG_INFO, "%s %s: whole again", channel->feed, channel->exchange_topic);
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

void findings_report(const live_check_finding *finding, intake *into, const td_log *log)
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
    intake_event(into, finding->feed_index, &gap);
    log_finding(finding, detail, log);
}
