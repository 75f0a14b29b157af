#include "play/report.h"

#include "base/alloc.h"
#include "base/assert.h"

/* Which of a stream's three tables of counts by rule. */
static const uint64_t *counts_of(const stream *s, rule_strength strength)
{
    if (strength == STRENGTH_ERROR)
        return s->verdicts.violations;
    return strength == STRENGTH_WARNING ? s->verdicts.warnings : s->verdicts.statistics;
}

/* What an audit found missing while this was played. */
static void add_found_gap(replay_report *report, const stream *s, const stream_gap *found)
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
    gap_list_add(&report->gaps, &row);
}

static void add_stream(replay_report *report, const stream *s)
{
    const report_names names = {s->feed, s->topic, s->symbol};
    const stream_violation *violation = &s->verdicts.first;
    for (int strength = 0; strength <= STRENGTH_STATISTIC; strength++)
        for (int rule = 0; rule < RULE_COUNT; rule++)
            report->rules[strength][rule] += counts_of(s, (rule_strength)strength)[rule];
    if (violation->is_set && (!report->first_violation.is_set ||
                              violation->at.position < report->first_violation.at.position)) {
        report->first_violation = *violation;
        report->violated_of = names;
    }
    if (s->undecoded.is_set && (!report->first_undecoded.is_set ||
                                s->undecoded.at.position < report->first_undecoded.at.position)) {
        report->first_undecoded = s->undecoded;
        report->undecoded_of = names;
    }
    for (size_t i = 0; i < s->gap_count; i++)
        add_found_gap(report, s, &s->gaps[i]);
    if (s->dir != CHANNEL_IN || s->counts.frames == 0)
        return;
    report->topics = td_array_grow(report->topics, report->topic_count, sizeof *report->topics);
    report->topics[report->topic_count++] =
        (report_topic){names, s->counts, s->role == ROLE_CONTROL};
}

/* The ledger may have a gap that was found, too: then it is the same row. */
static void count_uncovered(replay_report *report)
{
    report->uncovered_gaps = 0;
    for (size_t i = 0; i < report->gaps.count; i++)
        report->uncovered_gaps += report->gaps.rows[i].covered_by[0] == '\0';
}

void report_init_replay(replay_report *report, const player *from, const pacer *paced)
{
    const stream_table *streams = player_streams(from);
    *report = (replay_report){.is_stopped = player_is_stopped(from) != 0,
                              .workers_busy_max = player_busy_max(from)};
    player_get_totals(from, &report->totals);
    player_get_audits(from, &report->audits);
    if (player_has_digests(from))
        player_digests(from, report->digests);
    for (size_t i = 0; i < streams->count; i++)
        add_stream(report, streams->items[i]);
    count_uncovered(report);
    TD_ASSERT(report->first_violation.is_set == (report->totals.violations > 0));
    TD_ASSERT(report->first_undecoded.is_set == (report->totals.undecoded > 0));
    if (paced == NULL)
        return;
    pacer_speed_format(paced->options.speed, report->pace.speed);
    report->pace.count = paced->late.count;
    report->pace.max_ns = paced->late.ns_max;
    if (paced->late.count > 0) {
        report->pace.p50_ns = lateness_quantile_ns(&paced->late, 500);
        report->pace.p99_ns = lateness_quantile_ns(&paced->late, 990);
    }
}

void report_fini_replay(replay_report *report)
{
    td_free(report->topics);
    td_free(report->books);
    gap_list_fini(&report->gaps);
    absence_list_fini(&report->absences);
}

void report_add_books(replay_report *report, const player *from)
{
    const stream_table *streams = player_streams(from);
    for (size_t i = 0; i < streams->count; i++) {
        const stream *s = streams->items[i];
        const track *t = stream_last_track(s);
        const book *b = t == NULL ? NULL : track_book(t);
        if (b == NULL)
            continue;
        report->books = td_array_grow(report->books, report->book_count, sizeof *report->books);
        report_book *row = &report->books[report->book_count++];
        *row = (report_book){.of = {s->feed, s->topic, s->symbol},
                             .is_broken = track_is_broken(t) != 0};
        for (int side = SIDE_BUY; side <= SIDE_SELL; side++) {
            row->levels[side] = book_level_count(b, (msg_side)side);
            if (row->levels[side] > 0)
                (void)book_level_at(b, (msg_side)side, 0, &row->best[side]); /* there is one */
        }
        track_last(t, &row->last);
        book_levels_sha1(b, row->levels_sha1);
    }
}

void report_add_gaps(replay_report *report, const gap_list *all, const selection *wanted,
                     selection_window window)
{
    for (size_t i = 0; i < all->count; i++)
        if (selection_wants_gap(wanted, window, &all->rows[i]))
            gap_list_add(&report->gaps, &all->rows[i]);
    count_uncovered(report);
}

replay_verdict report_verdict(const replay_report *report)
{
    if (cursor_is_damaged(&report->tape))
        return REPLAY_DAMAGED;
    int is_complete = !report->is_stopped && report->totals.violations == 0 &&
                      report->totals.undecoded == 0 && report->uncovered_gaps == 0 &&
                      report->absences.count == 0;
    return is_complete ? REPLAY_COMPLETE : REPLAY_INCOMPLETE;
}
