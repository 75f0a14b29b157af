#include "play/report.h"

#include "base/assert.h"

void report_init_replay(replay_report *report, const player *player_done, const pacer *paced)
{
    *report = (replay_report){.player = player_done, .pacer = paced};
    report->is_stopped = player_is_stopped(player_done) != 0;
    player_get_totals(player_done, &report->totals);
    player_digests(player_done, report->digests);
}

void report_fini_replay(replay_report *report)
{
    gap_list_fini(&report->gaps);
    absence_list_fini(&report->absences);
}

/* One gap of the ledger is perhaps found again: then it is the same row. */
static void add_found(replay_report *report, const stream *s, const stream_gap *found)
{
    char detail[VERDICT_TEXT_BYTES];
    verdict_item_text(
        &(verdict_item){.rule = found->rule, .expected = found->expected, .found = found->found},
        detail);
    gap_row row =
        gap_row_of(GAP_AGGREGATE, s->feed, found->from_ns, found->to_ns, rule_name(found->rule));
    row.line = found->line;
    row.shard = found->shard;
    row.conn = found->conn;
    row.topic = s->topic;
    row.symbol = s->symbol;
    row.detail = detail;
    size_t known = report->gaps.count;
    gap_list_add(&report->gaps, &row);
    report->uncovered_gaps += report->gaps.count > known;
}

/* What audits found missing while this was played. */
static void add_found_gaps(replay_report *report)
{
    if (report->player == NULL) /* a report of the ledger alone */
        return;
    const stream_table *streams = player_streams(report->player);
    for (size_t i = 0; i < streams->count; i++) {
        const stream *s = streams->items[i];
        for (size_t k = 0; k < s->gap_count; k++)
            add_found(report, s, &s->gaps[k]);
    }
}

void report_add_gaps(replay_report *report, const gap_list *all, const selection *wanted,
                     selection_window window)
{
    for (size_t i = 0; i < all->count; i++) {
        const gap_row *gap = &all->rows[i];
        if (!selection_wants_gap(wanted, window, gap))
            continue;
        gap_list_add(&report->gaps, gap);
        report->uncovered_gaps += gap->covered_by[0] == '\0';
    }
    add_found_gaps(report);
}

replay_verdict report_verdict(const replay_report *report)
{
    if (tape_is_damaged(&report->tape))
        return REPLAY_DAMAGED;
    int is_complete = !report->is_stopped && report->totals.violations == 0 &&
                      report->totals.undecoded == 0 && report->uncovered_gaps == 0 &&
                      report->absences.count == 0;
    return is_complete ? REPLAY_COMPLETE : REPLAY_INCOMPLETE;
}

/* Which of a stream's three tables of counts by rule. */
static const uint64_t *counts_of(const stream *s, rule_strength strength)
{
    if (strength == STRENGTH_ERROR)
        return s->verdicts.violations;
    return strength == STRENGTH_WARNING ? s->verdicts.warnings : s->verdicts.statistics;
}

uint64_t report_rule_count(const replay_report *report, rule_strength strength, rule_id rule)
{
    const stream_table *streams = player_streams(report->player);
    uint64_t count = 0;
    TD_ASSERT(rule < RULE_COUNT);
    for (size_t i = 0; i < streams->count; i++)
        count += counts_of(streams->items[i], strength)[rule];
    return count;
}

const stream *report_first_violation(const replay_report *report)
{
    const stream_table *streams = player_streams(report->player);
    const stream *first = NULL;
    for (size_t i = 0; i < streams->count; i++) {
        const stream *s = streams->items[i];
        if (!s->verdicts.first.is_set)
            continue;
        if (first == NULL || s->verdicts.first.at.position < first->verdicts.first.at.position)
            first = s;
    }
    TD_ASSERT((first != NULL) == (report->totals.violations > 0));
    return first;
}

const stream *report_first_undecoded(const replay_report *report)
{
    const stream_table *streams = player_streams(report->player);
    const stream *first = NULL;
    for (size_t i = 0; i < streams->count; i++) {
        const stream *s = streams->items[i];
        if (!s->undecoded.is_set)
            continue;
        if (first == NULL || s->undecoded.at.position < first->undecoded.at.position)
            first = s;
    }
    TD_ASSERT((first != NULL) == (report->totals.undecoded > 0));
    return first;
}
