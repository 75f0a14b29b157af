#include "replay/report.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/time_text.h"
#include "cli/table.h"
#include "cli/units.h"

/* What a broken rule means, for somebody who has never heard of it. */
static const char *const RULE_WORDS[RULE_COUNT] = {
    [RULE_SEQ_STRICT] = "its sequence number did not rise: a frame came twice, or out of order",
    [RULE_SEQ_WEAK] = "its sequence number fell: frames came out of order",
    [RULE_SEQ_DENSE] = "its sequence number did not go up by one: a frame was lost, or came twice",
    [RULE_SEQ_FRAME_EQUAL] = "its entries have different sequence numbers, which never happens in "
                             "one frame",
    [RULE_TIME_STRICT] = "the exchange's time did not rise: a frame came twice, or out of order",
    [RULE_TIME_WEAK] = "the exchange's time fell: frames came out of order",
    [RULE_ANCHORED] = "it changes something of which no snapshot has come on this connection: the "
                      "snapshot is missing",
    [RULE_DELETE_EXISTS] = "it deletes a price that the book does not have: an earlier frame is "
                           "missing",
    [RULE_UPDATE_EXISTS] = "it changes a price that the book does not have: an earlier frame is "
                           "missing",
    [RULE_UPDATE_CHANGES] = "it sets a price to the size that it has already",
    [RULE_INSERT_NEW] = "it adds a price that the book has already: an earlier frame is missing",
    [RULE_NOT_CROSSED] = "afterwards the best bid is not below the best ask: an earlier frame is "
                         "missing",
    [RULE_DEPTH] = "the book has another number of levels than its topic shows",
    [RULE_SYMBOL_MATCHES] = "an entry names another symbol than the topic",
    [RULE_SIZE_POSITIVE] = "it sets a price to a size of zero or less",
    [RULE_BOOK_FITS] = "it has levels beyond what a book here can hold",
    [RULE_SNAPSHOT_RESET] = "a snapshot came on a topic that had one",
    [RULE_SEQ_STEP] = "its sequence number neither stayed nor went up by one: a frame was lost, or "
                      "came out of order",
    [RULE_VERSION_DIFFERS] = "it has the version of the frame before: a frame came twice",
    [RULE_VERSION_WEAK] = "its version is below that of the frame before",
    [RULE_ENTRY_SEQ_STRICT] = "a symbol's sequence number did not rise: a frame came twice, or out "
                              "of order",
    [RULE_ENTRY_SEQ_WEAK] = "a symbol's sequence number fell: frames came out of order",
    [RULE_ENTRY_TIME_WEAK] = "the exchange's time of a symbol fell: frames came out of order",
    [RULE_ID_UNIQUE] = "an entry has an id that came before: a frame came twice",
    [RULE_ID_ASCENDING] = "an entry's id is not above the one before it: a frame came twice, or "
                          "out of order",
    [RULE_DEPTH_MAX] = "the book has more levels than its topic shows: an earlier frame is missing",
    [RULE_SNAPSHOT_REPEAT] = "the exchange sent a snapshot again, because nothing had changed",
    [RULE_KLINE_START] = "its candle began before the one in the frame before",
    [RULE_KLINE_CONFIRM] = "it changes a candle that was closed",
    [RULE_BOOKS_AGREE] = "another book of the symbol had other levels at the same sequence number: "
                         "one of the two missed a frame",
    [RULE_LINES_AGREE] = "another line of the topic had other levels at the same sequence number: "
                         "one of the two missed a frame",
    [RULE_BEST_AGREES] = "its best prices are not those of the book at the same sequence number",
    [RULE_TRADES_COMPLETE] = "its candle holds more than the trades that came: a trade is missing",
};

enum { PLACE_BYTES = 96 };

static void slot_words(const stream_frame *frame, char out[PLACE_BYTES])
{
    if (frame->line == 0 && frame->shard == 0)
        (void)snprintf(out, PLACE_BYTES, "connection %u", frame->conn); /* fits */
    else
        (void)snprintf(out, PLACE_BYTES, "line %u, shard %u, connection %u", frame->line,
                       frame->shard, frame->conn);
}

static void print_place(output_stream *o, const stream *s, const stream_frame *frame)
{
    char when[TD_TIME_TEXT_BYTES];
    char where[PLACE_BYTES];
    td_time_format(frame->recv_ns, when);
    slot_words(frame, where);
    output_printf(o, "    frame    %" PRIu64 " of %s, received %s\n", frame->ordinal, where, when);
    output_printf(o, "    topic    %s %s%s%s\n", s->feed, s->topic, s->symbol[0] == '\0' ? "" : " ",
                  s->symbol);
}

/* ---- head ---- */

/* What was asked for may hold nothing at all; that is said before any verdict. */
static void print_head(const replay_report *report, output_stream *o)
{
    char took[TD_TIME_TEXT_BYTES];
    const player_totals *totals = &report->totals;
    td_duration_format(report->elapsed_ns, took);
    output_printf(o, "Replayed %s (%s) in %s%s.\n", format_counted(totals->frames, "frame").text,
                  format_size(totals->bytes).text, took,
                  report->is_stopped ? ", then stopped before the end of the tape" : "");
    if (totals->first_recv_ns == 0) {
        output_printf(o, "Nothing that was selected is in the archive: 'tapedeck ls' shows what "
                         "there is.\n");
        return;
    }
    char first[TD_TIME_TEXT_BYTES];
    char last[TD_TIME_TEXT_BYTES];
    char length[TD_TIME_TEXT_BYTES];
    td_time_format(totals->first_recv_ns, first);
    td_time_format(totals->last_recv_ns, last);
    TD_ASSERT(totals->first_recv_ns <= totals->last_recv_ns);
    td_duration_format(totals->last_recv_ns - totals->first_recv_ns, length);
    output_printf(o, "Recorded from %s to %s (%s).\n", first, last, length);
    output_printf(
        o, "%s decoded, %s not; %s; %s sent by the recording client.\n",
        format_counted(totals->decoded, "data frame").text, format_count(totals->undecoded).text,
        format_counted(totals->control, "control frame").text, format_count(totals->out).text);
    if (totals->copies > 0)
        output_printf(o,
                      "  %s of the decoded frames %s: their topic came over another "
                      "connection of the feed as well.\n",
                      format_count(totals->copies).text,
                      totals->copies == 1 ? "is a copy" : "are copies");
    if (totals->lead_in > 0)
        output_printf(
            o, "%s from before the selection %s used to build the books; %s not counted.\n",
            format_counted(totals->lead_in, "frame").text, totals->lead_in == 1 ? "was" : "were",
            totals->lead_in == 1 ? "it is" : "they are");
}

/* ---- is it complete ---- */

/* What rules of a strength counted, in one line; nothing if they counted nothing. */
static void print_counts(const replay_report *report, rule_strength strength, const char *label,
                         output_stream *o)
{
    const char *before = label;
    for (size_t rule = 0; rule < RULE_COUNT; rule++) {
        uint64_t count = report_rule_count(report, strength, (rule_id)rule);
        if (count == 0)
            continue;
        if (before == label && strength != STRENGTH_ERROR)
            output_printf(o, "\n"); /* a paragraph of its own; an argument's newline is escaped */
        output_printf(o, "%s%s %s", before, rule_name((rule_id)rule), format_count(count).text);
        before = ", ";
    }
    if (before != label)
        output_printf(o, "\n");
}

/* Words for somebody who has never heard of the rule, then the place, then the counts. */
static void print_violation(const replay_report *report, output_stream *o)
{
    const stream *s = report_first_violation(report);
    if (s == NULL)
        return;
    const stream_violation *first = &s->verdicts.first;
    TD_ASSERT(first->is_set);
    TD_ASSERT(first->rule < RULE_COUNT);
    TD_ASSERT(RULE_WORDS[first->rule] != NULL);
    output_printf(o, "\n  %s broke a rule. The first:\n",
                  format_counted(report->totals.violations, "frame").text);
    output_printf(o, "    rule     %s: %s\n", rule_name(first->rule), RULE_WORDS[first->rule]);
    print_place(o, s, &first->frame);
    if (first->has_seq)
        output_printf(o, "    number   %" PRId64, first->seq);
    if (first->has_seq && first->expected != 0)
        output_printf(o, " (found %" PRId64 ", after or expected %" PRId64 ")", first->found,
                      first->expected);
    output_printf(o, first->has_seq ? "\n" : "");
    print_counts(report, STRENGTH_ERROR, "    by rule  ", o);
    if (report->totals.unchecked > 0)
        output_printf(o,
                      "    After a break the book is not to be trusted until its next snapshot: "
                      "%s %s\n    applied to it, but their operations were not judged.\n",
                      format_counted(report->totals.unchecked, "frame").text,
                      report->totals.unchecked == 1 ? "was" : "were");
}

static void print_undecoded(const replay_report *report, output_stream *o)
{
    const stream *s = report_first_undecoded(report);
    if (s == NULL)
        return;
    const stream_undecoded *first = &s->undecoded;
    TD_ASSERT(first->is_set);
    TD_ASSERT(report->totals.undecoded > 0);
    output_printf(o, "\n  %s could not be decoded. The first:\n",
                  format_counted(report->totals.undecoded, "frame").text);
    output_printf(o, "    reason   %s at byte %zu%s%s\n", decode_reason_name(first->reason),
                  first->offset, first->field == NULL ? "" : ", field ",
                  first->field == NULL ? "" : first->field);
    print_place(o, s, &first->frame);
    output_printf(o, "    by reason");
    for (int i = 0; i < DECODE_REASON_COUNT; i++)
        if (report->totals.undecoded_by[i] > 0)
            output_printf(o, " %s %s", decode_reason_name((decode_reason)i),
                          format_count(report->totals.undecoded_by[i]).text);
    output_printf(o, "\n");
}

static void print_gap(const gap_row *gap, output_stream *o)
{
    char from[TD_TIME_TEXT_BYTES];
    char length[TD_TIME_TEXT_BYTES] = "still open";
    td_time_format(gap->from_ns, from);
    /* What stands in the ledger is input: it may end before it begins. */
    if (gap->to_ns != GAP_OPEN)
        td_duration_format(gap->to_ns > gap->from_ns ? gap->to_ns - gap->from_ns : 0, length);
    output_printf(o, "    %-10s  %s  %s%s%s%s%s, from %s, %s%s%s\n", gap_reason_name(gap->reason),
                  gap->feed, gap->topic[0] == '\0' ? "all topics" : gap->topic,
                  gap->symbol[0] == '\0' ? "" : " ", gap->symbol, gap->cause[0] == '\0' ? "" : ", ",
                  gap->cause, from, length, gap->covered_by[0] == '\0' ? "" : ", covered by ",
                  gap->covered_by);
}

enum { GAPS_SHOWN = 20 };

static void print_gaps(const replay_report *report, output_stream *o)
{
    TD_ASSERT(report->uncovered_gaps <= report->gaps.count);
    const gap_list *gaps = &report->gaps;
    if (gaps->count == 0)
        return;
    output_printf(o, "\n  %s in the recording, %s of them covered by nothing else:\n",
                  format_counted(gaps->count, "gap").text,
                  format_count(report->uncovered_gaps).text);
    for (size_t i = 0; i < gaps->count && i < GAPS_SHOWN; i++)
        print_gap(&gaps->rows[i], o);
    if (gaps->count > GAPS_SHOWN)
        output_printf(o, "    … and %s more: 'tapedeck gaps' lists them\n",
                      format_count(gaps->count - GAPS_SHOWN).text);
}

static void print_absence(const absence *row, output_stream *o)
{
    char when[TD_TIME_TEXT_BYTES];
    td_time_format(row->why == ABSENCE_BEFORE ? row->to_ns : row->from_ns, when);
    if (row->why == ABSENCE_TOPIC)
        output_printf(o, "    %s %s%s%s: no frame here, and nothing shows that it was subscribed\n",
                      row->feed, row->topic, row->symbol[0] == '\0' ? "" : " ", row->symbol);
    else
        output_printf(o, "    %s: nothing was recorded %s %s\n", row->feed,
                      row->why == ABSENCE_BEFORE ? "before" : "after", when);
}

enum { ABSENCES_SHOWN = 20 };

static void print_absences(const replay_report *report, output_stream *o)
{
    const absence_list *list = &report->absences;
    if (list->count == 0)
        return;
    output_printf(o, "\n  The selection asks for more than was recorded:\n");
    for (size_t i = 0; i < list->count && i < ABSENCES_SHOWN; i++)
        print_absence(&list->rows[i], o);
    if (list->count > ABSENCES_SHOWN)
        output_printf(o, "    … and %s more: --json lists them\n",
                      format_count(list->count - ABSENCES_SHOWN).text);
}

/* The first of each kind is enough to begin with: where one frame is lost, many rules break
 * behind it. */
static void print_verdict(const replay_report *report, output_stream *o)
{
    replay_verdict found = report_verdict(report);
    if (found == REPLAY_COMPLETE) {
        output_printf(o, "\n");
        output_styled(o, TERMINAL_GOOD, "Complete: yes.");
        output_printf(o, " No rule was broken, every data frame was decoded, and "
                         "the recording has no\nuncovered gap here.\n");
        return;
    }
    output_printf(o, "\n");
    output_styled(o, TERMINAL_BAD, "Complete: no.");
    output_printf(o, "\n");
    if (report->is_stopped)
        output_printf(o, "\n  It was stopped before the end of the tape: what is behind was not "
                         "looked at.\n");
    if (found == REPLAY_DAMAGED)
        output_printf(o, "\n  %s and %s could not be read: 'tapedeck verify' says more.\n",
                      format_counted(report->tape.damaged_chunks, "chunk").text,
                      format_counted(report->tape.segments_unreadable, "segment").text);
    print_violation(report, o);
    print_undecoded(report, o);
    if (report->has_truth && !truth_result_is_equal(&report->truth))
        output_printf(
            o, "\n  It is not what the exchange says that it sent: see its own account below.\n");
}

static void print_audit(const char *name, const char *what, const audit_count *count,
                        output_stream *o)
{
    TD_ASSERT(count->differed <= count->compared);
    if (count->compared + count->skipped == 0)
        return;
    output_printf(o, "  %-8s %s of %s %s", name,
                  format_count(count->compared - count->differed).text,
                  format_count(count->compared).text, what);
    if (count->skipped > 0)
        output_printf(o, "; %s could not be compared", format_count(count->skipped).text);
    output_printf(o, "\n");
}

/* What completeness rests on besides the rules of each topic, and what is counted and no fault by
 * itself: a place to look, so it is left out where there is nothing. */
static void print_evidence(const replay_report *report, output_stream *o)
{
    audit_stats stats;
    player_get_audits(report->player, &stats);
    if (stats.trades.compared + stats.trades.skipped + stats.best.compared + stats.best.skipped +
            stats.books.compared + stats.books.skipped >
        0)
        output_printf(o, "\nWhat topics of one symbol say of each other:\n");
    print_audit("trades", "candle readings hold just the trades that came", &stats.trades, o);
    print_audit("books", "states of two books at one number are the same", &stats.books, o);
    print_audit("best", "tickers have the best prices of the book", &stats.best, o);
    print_counts(report, STRENGTH_WARNING, "Warnings: ", o);
    print_counts(report, STRENGTH_STATISTIC, "Counted, and no fault: ", o);
}

/* ---- tables ---- */

static td_result print_topics(const replay_report *report, output_stream *o, td_err *err)
{
    static const table_column COLUMNS[] = {
        {"feed", TABLE_LEFT, NULL},       {"topic", TABLE_LEFT, NULL},
        {"symbol", TABLE_LEFT, NULL},     {"frames", TABLE_RIGHT, NULL},
        {"snapshots", TABLE_RIGHT, NULL}, {"deltas", TABLE_RIGHT, NULL},
        {"entries", TABLE_RIGHT, NULL}};
    const stream_table *streams = player_streams(report->player);
    text_table table;
    table_init(&table, COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (size_t i = 0; i < streams->count; i++) {
        const stream *s = streams->items[i];
        if (s->dir != CHANNEL_IN || s->counts.frames == 0)
            continue;
        table_cell(&table, "%s", s->feed);
        table_cell(&table, "%s", s->topic);
        table_cell(&table, "%s", s->symbol);
        table_cell(&table, "%s", format_count(s->counts.frames).text);
        table_cell(&table, "%s", format_count(s->counts.snapshots).text);
        table_cell(&table, "%s", format_count(s->counts.deltas).text);
        table_cell(&table, "%s", format_count(s->counts.items).text);
    }
    output_printf(o, "\n");
    td_result rc = table_print(&table, o, err);
    table_fini(&table);
    return rc;
}

/* A book without a side is no fault: before its first snapshot it has none. */
static void best_cell(text_table *table, const book *b, msg_side side)
{
    book_level best;
    if (!book_level_at(b, side, 0, &best)) {
        table_cell(table, "-");
        return;
    }
    char price[TD_DECIMAL_TEXT_BYTES];
    char size[TD_DECIMAL_TEXT_BYTES];
    (void)td_decimal_format(best.price, price); /* the length is not needed */
    (void)td_decimal_format(best.size, size);
    table_cell(table, "%s x %s", price, size);
}

static void book_cells(text_table *table, const stream *s, const track *t)
{
    TD_ASSERT(track_book(t) != NULL);
    const book *b = track_book(t);
    table_cell(table, "%s", s->feed);
    table_cell(table, "%s", s->topic);
    table_cell(table, "%s", s->symbol);
    best_cell(table, b, SIDE_BUY);
    best_cell(table, b, SIDE_SELL);
    table_cell(table, "%zu x %zu", book_level_count(b, SIDE_BUY), book_level_count(b, SIDE_SELL));
    table_cell(table, "%s", track_is_broken(t) ? "broken" : "sound");
}

static td_result print_books(const replay_report *report, output_stream *o, td_err *err)
{
    static const table_column COLUMNS[] = {
        {"feed", TABLE_LEFT, NULL},       {"book", TABLE_LEFT, NULL},
        {"symbol", TABLE_LEFT, NULL},     {"best bid", TABLE_RIGHT, NULL},
        {"best ask", TABLE_RIGHT, NULL},  {"levels", TABLE_RIGHT, NULL},
        {"at the end", TABLE_WHOLE, NULL}};
    const stream_table *streams = player_streams(report->player);
    text_table table;
    table_init(&table, COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (size_t i = 0; i < streams->count; i++) {
        const track *t = stream_last_track(streams->items[i]);
        if (t != NULL && track_book(t) != NULL)
            book_cells(&table, streams->items[i], t);
    }
    if (table_row_count(&table) > 0)
        output_printf(o, "\n");
    td_result rc = table_print(&table, o, err);
    table_fini(&table);
    return rc;
}

/* Microseconds with a tenth: "12.3". */
static const char *format_lateness(uint64_t ns, char out[UNIT_TEXT_BYTES])
{
    int length = snprintf(out, UNIT_TEXT_BYTES, "%.1f", (double)ns / 1e3);
    TD_ASSERT(length > 0);
    TD_ASSERT(length < UNIT_TEXT_BYTES);
    return out;
}

/* Nothing to say at --speed max: then no frame has a time to be late for. */
static void print_pace(const replay_report *report, output_stream *o)
{
    const pacer *p = report->pacer;
    if (p->late.count == 0)
        return;
    char speed[TD_DECIMAL_TEXT_BYTES];
    char half[UNIT_TEXT_BYTES];
    char most[UNIT_TEXT_BYTES];
    char latest[UNIT_TEXT_BYTES];
    pacer_speed_format(p->options.speed, speed);
    output_printf(o,
                  "\nPace: %s times as recorded; frames were late by %s us (half of them less), "
                  "%s us (99 of 100), %s us (the latest).\n",
                  speed, format_lateness(lateness_quantile_ns(&p->late, 500), half),
                  format_lateness(lateness_quantile_ns(&p->late, 990), most),
                  format_lateness(p->late.ns_max, latest));
}

static void print_truth(const truth_result *truth, output_stream *o)
{
    TD_ASSERT(truth->marks_equal <= truth->marks);
    int is_equal = truth_result_is_equal(truth);
    output_printf(o, "\nAgainst the exchange's own account: ");
    output_styled(o, is_equal ? TERMINAL_GOOD : TERMINAL_BAD, is_equal ? "equal" : "DIFFERENT");
    output_printf(o,
                  ".\n"
                  "  frames   %s sent, %s recorded as sent, %s missing, %s that were never sent,\n"
                  "           %s on their way when the recorder left\n"
                  "  books    %s of %s marks agree\n",
                  format_count(truth->frames).text, format_count(truth->matched).text,
                  format_count(truth->missing).text, format_count(truth->unexpected).text,
                  format_count(truth->after_end).text, format_count(truth->marks_equal).text,
                  format_count(truth->marks).text);
    static const char *const KINDS[TRUTH_KINDS] = {[TRUTH_TRADE] = "trades",
                                                   [TRUTH_CANDLE] = "candles",
                                                   [TRUTH_ORDER] = "orders",
                                                   [TRUTH_ACCOUNT] = "account"};
    for (int i = 0; i < TRUTH_KINDS; i++)
        if (truth->items[i] + truth->items_away[i] > 0)
            output_printf(o, "  %-8s %s of %s agree, %s in frames that are not here\n", KINDS[i],
                          format_count(truth->items_equal[i]).text,
                          format_count(truth->items[i]).text,
                          format_count(truth->items_away[i]).text);
    if (truth->first[0] != '\0')
        output_printf(o, "  first    %s\n", truth->first);
}

static void print_digests(const replay_report *report, output_stream *o)
{
    output_printf(o, "\nDigests (equal for equal selections, at any speed and with any number of "
                     "threads)\n");
    for (size_t i = 0; i < DIGEST_PARTS; i++)
        output_printf(o, "  %-9s %s\n", digest_part_name((digest_part)i), report->digests[i]);
}

td_result report_write_text(const replay_report *report, output_stream *o, td_err *err)
{
    print_head(report, o);
    if (report->totals.first_recv_ns != 0 || report_verdict(report) != REPLAY_COMPLETE)
        print_verdict(report, o);
    print_absences(report, o);
    print_gaps(report, o);
    print_evidence(report, o);
    td_result rc = print_topics(report, o, err);
    if (rc == TD_OK)
        rc = print_books(report, o, err);
    print_pace(report, o);
    if (report->has_truth)
        print_truth(&report->truth, o);
    print_digests(report, o);
    return rc;
}
