#include "replay/play/report.h"

#include <string.h>

#include "base/assert.h"
#include "tape/cursor.h"

static void add_stream(replay_report *report, const stream *s)
{
    const stream *violated = report->violated;
    const stream *undecoded = report->undecoded;
    for (int strength = 0; strength <= STRENGTH_STATISTIC; strength++)
        for (int rule = 0; rule < RULE_COUNT; rule++)
            report->rules[strength][rule] += s->rules[strength][rule];
    if (s->violated.is_set &&
        (violated == NULL || s->violated.at.position < violated->violated.at.position))
        report->violated = s;
    if (s->undecoded.is_set &&
        (undecoded == NULL || s->undecoded.at.position < undecoded->undecoded.at.position))
        report->undecoded = s;
    report->began_broken += s->began_broken;
    gap_list_join(&report->gaps, &s->gaps);
}

/* 1 if no snapshot of a book was used in the selection, which begins at from_ns. The tape may begin
 * earlier, in a connection that a gap of before the selection has ended. */
static int is_lacking(const stream *s, uint64_t from_ns)
{
    const trust_break *lacks = topic_trust_lacks(&s->tape.trust);
    return !s->began_broken && (lacks->reason == DOUBT_NO_SNAPSHOT ||
                                (lacks->reason == DOUBT_RULE && lacks->rule == RULE_NONE) ||
                                (time_reason_is_gap(lacks->reason) && lacks->doubt_ns < from_ns));
}

static void count_lacking(replay_report *report, uint64_t from_ns)
{
    report->lacking = 0;
    for (size_t i = 0; i < report->streams->count; i++)
        report->lacking += (uint64_t)is_lacking(report->streams->items[i], from_ns);
}

/* Count the gaps that nothing covers, and the holes. Call when all gaps are joined, so
 * that a gap that is in the ledger and was also found by an audit is one row. */
static void count_uncovered(replay_report *report)
{
    report->uncovered_gaps = 0;
    report->pruned = 0;
    report->not_subscribed = 0;
    for (size_t i = 0; i < report->gaps.count; i++) {
        const gap_row *row = &report->gaps.rows[i];
        report->uncovered_gaps += gap_row_is_loss(row) != 0;
        report->pruned += row->reason == GAP_PRUNED && row->covered_by[0] == '\0';
        report->not_subscribed += row->reason == GAP_NOT_SUBSCRIBED && row->covered_by[0] == '\0';
    }
}

void report_init_replay(replay_report *report, const player *from, const pacer *paced)
{
    const stream_table *streams = player_streams(from);
    *report = (replay_report){.streams = streams,
                              .pace = paced,
                              .is_stopped = player_is_stopped(from) != 0,
                              .workers_busy_max = player_busy_max(from)};
    player_get_totals(from, &report->totals);
    player_get_audits(from, &report->audits);
    player_digests(from, report->digests);
    for (size_t i = 0; i < streams->count; i++)
        add_stream(report, streams->items[i]);
    count_lacking(report, 0);
    count_uncovered(report);
    TD_ASSERT((report->violated != NULL) == (report->totals.violations > 0));
    TD_ASSERT((report->undecoded != NULL) == (report->totals.undecoded > 0));
}

void report_fini_replay(replay_report *report)
{
    gap_list_fini(&report->gaps);
    absence_list_fini(&report->absences);
    silent_list_fini(&report->silent);
}

void report_add_gaps(replay_report *report, const gap_list *all, const selection *wanted,
                     selection_window window)
{
    for (size_t i = 0; i < all->count; i++)
        if (selection_wants_gap(wanted, window, &all->rows[i]))
            gap_list_add(&report->gaps, &all->rows[i]);
    count_lacking(report, window.from_ns);
    count_uncovered(report);
}

/* 1 if candles show that a topic of trades had nothing to send. */
static int has_no_trades(const stream_table *streams, const silent_topic *row)
{
    for (size_t i = 0; row->row->type == MSG_TRADE && i < streams->count; i++) {
        const stream *s = streams->items[i];
        if (quiet_time_has(&s->quiet, row->time.from_ns, row->time.to_ns) &&
            strcmp(s->feed, row->feed) == 0 && strcmp(s->symbol, row->symbol) == 0)
            return 1;
    }
    return 0;
}

void report_add_silent(replay_report *report, silent_list *from)
{
    report->silent = *from;
    *from = (silent_list){0};
    for (size_t i = 0; i < report->silent.count; i++) {
        silent_topic *row = &report->silent.rows[i];
        row->is_proven = (uint8_t)has_no_trades(report->streams, row);
        report->overdue += (size_t)silent_topic_is_overdue(row);
    }
}

int report_is_unanswered(const replay_report *report, const stream *of)
{
    for (size_t i = 0; i < report->silent.count; i++) {
        const silent_topic *row = &report->silent.rows[i];
        if (row->unanswered_ns != 0 && strcmp(row->feed, of->feed) == 0 &&
            strcmp(row->topic, of->topic) == 0 && strcmp(row->symbol, of->symbol) == 0)
            return 1;
    }
    return 0;
}

replay_verdict report_verdict(const replay_report *report)
{
    if (cursor_is_damaged(&report->tape))
        return REPLAY_DAMAGED;
    int is_complete =
        !report->is_stopped && report->totals.violations == 0 && report->totals.undecoded == 0 &&
        report->totals.possible_copies == 0 && report->uncovered_gaps == 0 && report->pruned == 0 &&
        report->not_subscribed == 0 && report->began_broken == 0 && report->lacking == 0 &&
        !absence_list_is_asked(&report->absences) && report->overdue == 0;
    return is_complete ? REPLAY_COMPLETE : REPLAY_INCOMPLETE;
}
