#include "replay/play/report.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/time_span.h"
#include "base/cli/units.h"
#include "archive/gap.h"
#include "book/proof.h"

/* What a broken rule means, in words. */
static const char *const RULE_WORDS[RULE_COUNT] = {
    [RULE_SEQ_STRICT] = "its sequence number did not rise: a frame was repeated or reordered",
    [RULE_SEQ_WEAK] = "its sequence number fell: frames were reordered",
    [RULE_SEQ_DENSE] = "its sequence number did not go up by one: a frame was lost or repeated",
    [RULE_SEQ_FRAME_EQUAL] = ("its entries have different sequence numbers, which never happens in "
                              "one frame"),
    [RULE_TIME_STRICT] = "the exchange's time did not rise: a frame was repeated or reordered",
    [RULE_TIME_WEAK] = "the exchange's time fell: frames were reordered",
    [RULE_ANCHORED] =
        "it is a delta without a snapshot on this connection: the snapshot is missing",
    [RULE_DELETE_EXISTS] = "it deletes a price that the book does not have",
    [RULE_UPDATE_EXISTS] = "it changes a price that the book does not have",
    [RULE_UPDATE_CHANGES] = "it sets a price to the size that it already has",
    [RULE_INSERT_NEW] = "it adds a price that the book already has",
    [RULE_NOT_CROSSED] = "afterwards the best bid is not below the best ask",
    [RULE_DEPTH] = "the book does not have the number of levels that its topic promises",
    [RULE_SYMBOL_MATCHES] = "an entry names another symbol than the topic",
    [RULE_SIZE_POSITIVE] = "it sets a price to a size of zero or less",
    [RULE_BOOK_FITS] = "it has more levels than tapedeck can keep",
    [RULE_SNAPSHOT_RESET] = "a snapshot followed a snapshot",
    [RULE_SEQ_STEP] = ("its sequence number neither stayed nor rose by one: a frame was lost or "
                       "reordered"),
    [RULE_VERSION_DIFFERS] = "it has the same version as the frame before: a frame was repeated",
    [RULE_VERSION_WEAK] = "its version is lower than in the frame before",
    [RULE_ENTRY_SEQ_STRICT] = ("a symbol's sequence number did not rise: a frame was repeated or "
                               "reordered"),
    [RULE_ENTRY_SEQ_WEAK] = "a symbol's sequence number fell: frames were reordered",
    [RULE_ENTRY_TIME_WEAK] = "the exchange's time of a symbol fell: frames were reordered",
    [RULE_ID_UNIQUE] = "an entry has an id that occurred before: a frame was repeated",
    [RULE_ID_ASCENDING] = ("an entry's id is not above the id before it: a frame was repeated or "
                           "reordered"),
    [RULE_ID_DENSE] = "an entry's id is not the next one: a frame was lost, repeated or reordered",
    [RULE_FRAME_UNIQUE] =
        "it equals an earlier frame, times and ids included: a frame was repeated",
    [RULE_DELTA_NOT_EMPTY] = "it is a delta without entries",
    [RULE_DEPTH_MAX] = "the book has more levels than its topic shows",
    [RULE_SNAPSHOT_REPEAT] = "the exchange sent a snapshot again, because nothing had changed",
    [RULE_KLINE_START] = "its candle is older than the candle in the frame before",
    [RULE_KLINE_CONFIRM] = "it changes a candle that was closed",
    [RULE_CHECKSUM] = ("the best levels of the book do not have its checksum: an earlier frame is "
                       "missing, or a level is wrong"),
    [RULE_PREV_LINKS] = ("it names another frame before it than the last one: a frame was lost, "
                         "repeated or reordered"),
    [RULE_BOOKS_AGREE] =
        ("another book of the symbol had other levels at the same sequence number: "
         "one of the two missed a frame"),
    [RULE_LINES_AGREE] = ("another line of the topic had other levels at the same sequence number: "
                          "one of the two missed a frame"),
    [RULE_BEST_AGREES] = "its best prices differ from the book's at the same sequence number",
    [RULE_TRADES_COMPLETE] = "its candle has more than the recorded trades: a trade is missing",
};

/* Rules about the book whose violation shows a lost frame, unless the topic's own numbers, which
 * show every lost frame, were right. */
static const uint8_t SHOWS_LOSS[RULE_COUNT] = {[RULE_DELETE_EXISTS] = 1,
                                               [RULE_UPDATE_EXISTS] = 1,
                                               [RULE_INSERT_NEW] = 1,
                                               [RULE_NOT_CROSSED] = 1,
                                               [RULE_DEPTH_MAX] = 1};

/* ---- streams and frames ---- */

static void describe_names(result_writer *r, const stream *of)
{
    result_text(r, "feed", of->feed);
    result_text(r, "topic", of->topic);
    result_name(r, "symbol", of->symbol);
}

static void describe_frame(result_writer *r, const stream *of, const frame_position *at)
{
    int is_first_slot = at->line == 0 && at->shard == 0;
    describe_names(r, of);
    result_number(r, "line", at->line);
    result_number(r, "shard", at->shard);
    result_number(r, "conn", at->conn);
    result_number(r, "ordinal", at->ordinal);
    result_instant(r, "recv_ns", at->recv_ns);
    result_filled(r, "slot",
                  is_first_slot ? "connection {conn}"
                                : "line {line}, shard {shard}, connection {conn}");
    result_filled(r, "place",
                  "    frame    {ordinal} of {slot}, received {recv_ns}\n"
                  "    topic    {feed} {topic}[ {symbol}]\n");
}

/* Describe a number of a stream or frame; null if there is no such number. */
static void describe_number(result_writer *r, const char *name, int has, int64_t value)
{
    if (has)
        result_signed(r, name, value);
    else
        result_null(r, name);
}

/* ---- what was played ---- */

/* Describe the counts, with names as in docs/replay.md. Reasons with a count of 0 are left out. */
static void describe_totals(result_writer *r, const player_totals *totals)
{
    /* each frame is in exactly one of the five counts */
    TD_ASSERT(totals->frames ==
              totals->decoded + totals->undecoded + totals->control + totals->out + totals->http);
    TD_ASSERT(totals->first_recv_ns <= totals->last_recv_ns);
    result_count(r, "frames", totals->frames);
    result_size(r, "bytes", totals->bytes);
    result_count(r, "out", totals->out);
    result_count(r, "http", totals->http);
    result_count(r, "decoded", totals->decoded);
    result_count(r, "undecoded", totals->undecoded);
    result_object_begin(r, "undecoded_by_reason");
    for (int i = 0; i < DECODE_REASON_COUNT; i++)
        if (totals->undecoded_by[i] > 0)
            result_count(r, decode_reason_name((decode_reason)i), totals->undecoded_by[i]);
    result_object_end(r, "{* }");
    result_count(r, "control", totals->control);
    result_count(r, "copies", totals->copies);
    result_count(r, "lead_in", totals->lead_in);
    result_count(r, "made", totals->made);
    result_count(r, "unknown_fields", totals->unknown_fields);
    if (totals->first_recv_ns == 0) {
        result_null(r, "first_recv_ns");
        result_null(r, "last_recv_ns");
    } else {
        result_instant(r, "first_recv_ns", totals->first_recv_ns);
        result_instant(r, "last_recv_ns", totals->last_recv_ns);
    }
    result_duration(r, "length", totals->last_recv_ns - totals->first_recv_ns);
}

/* Describe the selection. If it is empty, this is the whole text. */
static void describe_head(result_writer *r, const replay_report *report)
{
    result_duration(r, "took", report->elapsed_ns);
    result_filled(
        r, "head",
        report->totals.first_recv_ns == 0
            ? "The archive has no frame in this selection: 'tapedeck info' shows what it has.\n"
            : "Recorded from {first_recv_ns} to {last_recv_ns} ({length}).\n"
              "{decoded data frame} decoded, {undecoded} not; {control control frame}; "
              "{out} sent by the recording client[; {http HTTP answer}].\n"
              "[  {copies} of the decoded frames {copies is a copy/are copies}: their topic came "
              "over another connection of the feed as well.\n]"
              "[{lead_in frame} from before the selection {lead_in was/were} used to build the "
              "books; {lead_in it is/they are} not counted.\n]"
              "[{made snapshot} {made was/were} made by 'tapedeck cut': the exchange did not send "
              "{made it/them}.\n]");
}

/* Describe the counts by topic. Text includes frames without a topic; JSON does not. */
static void describe_topics(result_writer *r, const replay_report *report)
{
    static const table_column COLUMNS[] = {{"feed", TABLE_LEFT, "{feed}"},
                                           {"topic", TABLE_LEFT, "{topic}"},
                                           {"symbol", TABLE_LEFT, "{symbol}"},
                                           {"frames", TABLE_RIGHT, "{frames}"},
                                           {"entries", TABLE_SPARE_RIGHT, "{items}"},
                                           {"snapshots", TABLE_SPARE_RIGHT, "{snapshots}"},
                                           {"deltas", TABLE_SPARE_RIGHT, "{deltas}"}};
    result_table_begin(r, "topics", COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (size_t i = 0; i < report->streams->count; i++) {
        const stream *s = report->streams->items[i];
        const int is_hidden = s->role == ROLE_CONTROL && result_json(r) != NULL;
        if (s->dir != CHANNEL_IN || s->counts.frames == 0 || is_hidden)
            continue;
        result_object_begin(r, NULL);
        describe_names(r, s);
        result_count(r, "frames", s->counts.frames);
        result_count(r, "snapshots", s->counts.snapshots);
        result_count(r, "deltas", s->counts.deltas);
        result_count(r, "items", s->counts.items);
        result_count(r, "undecoded", s->counts.undecoded);
        result_count(r, "copies", s->counts.copies);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

/* ---- is it complete ---- */

/* List the broken rules of a strength: an empty object means that no rule was broken. */
static void describe_rules(result_writer *r, const char *name, const replay_report *report,
                           rule_strength strength)
{
    result_object_begin(r, name);
    for (size_t rule = 0; rule < RULE_COUNT; rule++) {
        uint64_t count = report->rules[strength][rule];
        if (count > 0)
            result_count(r, rule_name((rule_id)rule), count);
    }
    result_object_end(r, "{*, }");
}

/* Describe the first broken rule; null if no rule was broken, so that scripts need no second
 * member. Text explains the rule. */
static void describe_violation(result_writer *r, const replay_report *report)
{
    if (report->violated == NULL) {
        result_null(r, "first");
        return;
    }
    const stream_violation *first = &report->violated->violated;
    TD_ASSERT(first->rule < RULE_COUNT);
    TD_ASSERT(RULE_WORDS[first->rule] != NULL);
    result_object_begin(r, "first");
    result_text(r, "rule", rule_name(first->rule));
    const topic_row *row = report->violated->last == NULL ? NULL : report->violated->last->row;
    const int shows_loss = SHOWS_LOSS[first->rule] && topic_proof_of(row) != PROOF_PROVEN;
    result_note(r, "words", "%s%s", RULE_WORDS[first->rule],
                shows_loss ? ": an earlier frame is missing" : "");
    describe_frame(r, report->violated, &first->at);
    describe_number(r, "seq", first->has_seq, first->seq);
    result_signed(r, "expected", first->expected);
    result_signed(r, "found", first->found);
    char compared[VERDICT_TEXT_BYTES];
    verdict_item_text(
        &(verdict_item){.rule = first->rule, .expected = first->expected, .found = first->found},
        compared);
    result_note(r, "compared", "%s", compared);
    result_object_end(r, "    rule     {rule}: {words}\n"
                         "[    detail   {compared}\n]"
                         "{place}"
                         "[    number   {seq}\n]");
}

/* Describe an audit. In "Book depths agree at 6 of 6 sequence numbers" the parts are what, agreed,
 * compared and units. */
static void describe_audit(result_writer *r, const char *name, const char *what, const char *units,
                           const audit_count *count)
{
    TD_ASSERT(count->differed <= count->compared);
    result_object_begin(r, name);
    result_count(r, "compared", count->compared);
    result_count(r, "differed", count->differed);
    result_count(r, "skipped", count->skipped);
    result_note(r, "agreed", "%s", format_count(count->compared - count->differed).text);
    result_note(r, "what", "%s", what);
    result_note(r, "units", "%s", units);
    result_object_end(r, count->compared + count->skipped == 0
                             ? NULL
                             : "  {what} {agreed} of {compared} {units}"
                               "[; {skipped} could not be compared]\n");
}

/* Describe the comparisons between topics of one symbol. All are zero if each symbol has one topic.
 */
static void describe_audits(result_writer *r, const replay_report *report)
{
    const audit_stats *stats = &report->audits;
    result_object_begin(r, "audits");
    describe_audit(r, "books", "Book depths agree at", "sequence numbers", &stats->books);
    describe_audit(r, "best", "Tickers have the book's best prices in", "frames", &stats->best);
    describe_audit(r, "trades", "Candles equal the sum of their trades at", "readings",
                   &stats->trades);
    result_count(r, "left_out", report->totals.unaudited);
    result_object_end(r, "{trades}{books}{best}"
                         "[  {left_out frame} of further topics and lines of a symbol compared "
                         "with nothing\n]");
}

/* Describe continuity. Text leaves out comparisons, warnings and statistics whose count is 0. */
static void describe_continuity(result_writer *r, const replay_report *report)
{
    result_object_begin(r, "continuity");
    result_bool(r, "ok", report->totals.violations == 0);
    result_count(r, "violations", report->totals.violations);
    result_count(r, "unchecked", report->totals.unchecked);
    describe_rules(r, "by_rule", report, STRENGTH_ERROR);
    describe_rules(r, "warnings", report, STRENGTH_WARNING);
    describe_rules(r, "statistics", report, STRENGTH_STATISTIC);
    describe_violation(r, report);
    describe_audits(r, report);
    result_filled(r, "evidence",
                  "[\nCross-checks between topics:\n{audits}]"
                  "[\nWarnings: {warnings}\n]"
                  "[\nNotes (not errors): {statistics}\n]");
    result_object_end(r, report->violated == NULL
                             ? NULL
                             : "\n  {violations frame} broke a rule. The first:\n"
                               "{first}"
                               "[    by rule  {by_rule}\n]"
                               "[{unchecked?}    After a break the book cannot be trusted until "
                               "its next snapshot: {unchecked frame} {unchecked was/were}\n"
                               "    applied to it, but their operations were not checked.\n]");
}

static void describe_undecoded(result_writer *r, const replay_report *report)
{
    if (report->undecoded == NULL) {
        result_null(r, "first_undecoded");
        return;
    }
    const stream_undecoded *first = &report->undecoded->undecoded;
    result_object_begin(r, "first_undecoded");
    result_text(r, "reason", decode_reason_name(first->reason));
    describe_frame(r, report->undecoded, &first->at);
    result_number(r, "offset", first->offset);
    result_text(r, "field", first->field);
    result_object_end(r, "\n  {undecoded frame} could not be decoded. The first:\n"
                         "    reason   {reason} at byte {offset}[, field {field}]\n"
                         "{place}"
                         "    by reason {undecoded_by_reason}\n");
}

enum { ROWS_SHOWN = 20 }; /* gaps, or absences, that text lists */

/* Note how many rows the text leaves out. */
static void note_more(result_writer *r, const char *name, size_t count)
{
    result_note(r, name, "%s", count > ROWS_SHOWN ? format_count(count - ROWS_SHOWN).text : "");
}

void report_describe_gap_members(result_writer *r, const gap_row *row)
{
    if (result_json(r) != NULL) {
        gap_json_members(result_json(r), row);
    } else {
        result_text(r, "reason", time_reason_name(row->reason));
        result_text(r, "feed", row->feed);
        result_number(r, "line", row->line);
        result_number(r, "shard", row->shard);
        if (row->line + row->shard > 0)
            result_note(r, "slot", "%" PRIu32 "/%" PRIu32, row->line, row->shard);
        else
            result_null(r, "slot");
        result_number(r, "conn", row->conn);
        result_text(r, "topic", row->topic);
        result_text(r, "symbol", row->symbol);
        result_time(r, "from", row->from_ns);
        result_time_or_null(r, "to", row->to_ns); /* null for GAP_OPEN, which is 0 */
        /* A ledger may be wrong: a gap may end before it begins. */
        if (row->to_ns == GAP_OPEN)
            result_null(r, "lasted");
        else
            result_duration(r, "lasted", time_span_ns((time_span){row->from_ns, row->to_ns}));
        result_count(r, "lost", row->frames_lost);
        result_text(r, "covered_by", row->covered_by);
        result_text(r, "cause", row->cause);
        result_text(r, "origin", gap_row_origin(row));
        if (strcmp(row->cause, GAP_CAUSE_ANNOUNCED) == 0 && row->detail[0] != '\0')
            result_note(r, "detail", "%s, %s", row->cause, row->detail);
        else
            result_text(r, "detail", row->detail[0] != '\0' ? row->detail : row->cause);
    }
}

void report_describe_gap(result_writer *r, const char *name, const gap_row *row,
                         const char *pattern)
{
    result_object_begin(r, name);
    report_describe_gap_members(r, row);
    result_object_end(r, pattern);
}

static void describe_gaps(result_writer *r, const replay_report *report)
{
    static const char PATTERN[] =
        "    {reason}: {feed} {topic|all topics}[ {symbol}][, {cause}], from {from}, "
        "{lasted|still open}[, covered by {covered_by}]\n";
    const gap_list *gaps = &report->gaps;
    TD_ASSERT(report->uncovered_gaps <= gaps->count);
    result_list_begin(r, "gaps");
    for (size_t i = 0; i < gaps->count; i++)
        report_describe_gap(r, NULL, &gaps->rows[i], i < ROWS_SHOWN ? PATTERN : NULL);
    result_list_end(r);
    result_note(r, "uncovered", "%s not covered by another connection%s%s%s%s",
                format_count(report->uncovered_gaps).text, report->pruned == 0 ? "" : ", pruned: ",
                report->pruned == 0 ? "" : format_count(report->pruned).text,
                report->not_subscribed == 0 ? "" : ", not subscribed: ",
                report->not_subscribed == 0 ? "" : format_count(report->not_subscribed).text);
    note_more(r, "more_gaps", gaps->count);
}

static void describe_absences(result_writer *r, const absence_list *list)
{
    static const char *const PATTERNS[ABSENCE_REASON_COUNT] = {
        [ABSENCE_BEFORE] = "    {feed}: nothing was recorded before {to_ns}\n",
        [ABSENCE_AFTER] = "    {feed}: nothing was recorded after {from_ns}\n",
        [ABSENCE_TOPIC] = "    {feed} {topic}[ {symbol}]: no frame here, and nothing shows that it "
                          "was subscribed\n"};
    result_list_begin(r, "absent");
    for (size_t i = 0; i < list->count; i++) {
        const absence *row = &list->rows[i];
        result_object_begin(r, NULL);
        result_text(r, "why", absence_reason_name(row->reason));
        result_text(r, "feed", row->feed);
        result_name(r, "topic", row->topic);
        result_name(r, "symbol", row->symbol);
        result_instant(r, "from_ns", row->time.from_ns);
        result_instant(r, "to_ns", row->time.to_ns);
        result_object_end(r, i < ROWS_SHOWN ? PATTERNS[row->reason] : NULL);
    }
    result_list_end(r);
    note_more(r, "more_absent", list->count);
}

void report_describe_silent(result_writer *r, const silent_list *list)
{
    static const char GRANTED[] = "    {feed} {topic}[ {symbol}]: granted[ {again}], and silent"
                                  "[{overdue?}, although it should send frames {speaks}]\n";
    static const char REFUSED[] = "    {feed} {topic}[ {symbol}]: refused\n";
    size_t shown = 0;
    result_list_begin(r, "silent");
    for (size_t i = 0; i < list->count; i++) {
        const silent_topic *row = &list->rows[i];
        const int is_shown = !row->is_proven && shown++ < ROWS_SHOWN;
        result_object_begin(r, NULL);
        result_text(r, "feed", row->feed);
        result_text(r, "topic", row->topic);
        result_name(r, "symbol", row->symbol);
        result_text(r, "state", silent_topic_state(row));
        result_name(r, "speaks",
                    row->row->speaks == SPEAKS_UNSTATED ? "" : topic_speech_name(row->row->speaks));
        result_instant(r, "from_ns", row->time.from_ns);
        result_instant(r, "to_ns", row->time.to_ns);
        result_bool(r, "proven", row->is_proven);
        result_bool(r, "overdue", silent_topic_is_overdue(row));
        result_note(r, "again", "%s", row->last_ns != 0 ? "again" : "");
        result_object_end(r, !is_shown ? NULL : row->granted_ns != 0 ? GRANTED : REFUSED);
    }
    result_list_end(r);
    result_note(r, "unproven", "%s", shown > 0 ? format_count(shown).text : "");
    note_more(r, "more_silent", shown);
}

/* ---- books ---- */

void report_describe_best(result_writer *r, const char *price_name, const char *size_name,
                          const book *b, msg_side side)
{
    book_level best;
    if (!book_level_at(b, side, 0, &best)) {
        result_null(r, price_name);
        result_null(r, size_name);
        return;
    }
    result_decimal(r, price_name, best.price);
    result_decimal(r, size_name, best.size);
}

/* Describe a stream's book. The digest of the levels is in JSON only; text has the digests of the
 * whole replay. */
static void describe_book(result_writer *r, const replay_report *report, const stream *of,
                          const track *t)
{
    const book *b = track_book(t);
    char levels_sha1[TD_SHA1_HEX_BYTES];
    track_seqs last;
    track_last(t, &last);
    book_levels_sha1(b, levels_sha1);
    result_object_begin(r, NULL);
    describe_names(r, of);
    result_number(r, "bids", book_level_count(b, SIDE_BUY));
    result_number(r, "asks", book_level_count(b, SIDE_SELL));
    report_describe_best(r, "best_bid", "best_bid_size", b, SIDE_BUY);
    report_describe_best(r, "best_ask", "best_ask_size", b, SIDE_SELL);
    result_note(r, "no_bid", "%s", book_is_whole(b, SIDE_BUY) ? "-" : "unknown");
    result_note(r, "no_ask", "%s", book_is_whole(b, SIDE_SELL) ? "-" : "unknown");
    describe_number(r, "cross_seq", last.has_cross_seq, last.cross_seq);
    describe_number(r, "u", last.has_u, last.u);
    describe_number(r, "seq", last.has_seq, last.seq);
    result_bool(r, "broken",
                !topic_trust_is_right(&of->tape.trust) || report_is_unanswered(report, of));
    result_text(r, "levels_sha1", levels_sha1);
    result_object_end(r, NULL);
}

static void describe_books(result_writer *r, const replay_report *report)
{
    static const table_column COLUMNS[] = {
        {"feed", TABLE_LEFT, "{feed}"},
        {"book", TABLE_LEFT, "{topic}"},
        {"symbol", TABLE_LEFT, "{symbol}"},
        {"at the end", TABLE_LEFT, "[{broken?}broken][{broken!}sound]"},
        {"best bid", TABLE_SPARE_RIGHT, "[{best_bid} x {best_bid_size}][{best_bid!}{no_bid}]"},
        {"best ask", TABLE_SPARE_RIGHT, "[{best_ask} x {best_ask_size}][{best_ask!}{no_ask}]"},
        {"levels", TABLE_SPARE_RIGHT, "{bids} x {asks}"}};
    result_table_begin(r, "books", COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (size_t i = 0; i < report->streams->count; i++) {
        const stream *s = report->streams->items[i];
        const track *t = stream_last_track(s);
        if (s->counts.frames > 0 && t != NULL && track_book(t) != NULL)
            describe_book(r, report, s, t);
    }
    result_list_end(r);
}

/* ---- digests, times ---- */

static void describe_digests(result_writer *r, const replay_report *report, int is_verbose)
{
    result_object_begin(r, "digest");
    for (size_t i = 0; i < DIGEST_PARTS; i++)
        result_text(r, digest_part_name((digest_part)i), report->digests[i]);
    result_object_end(r, !is_verbose ? NULL
                                     : "\nDigests (equal for equal selections, at any speed and "
                                       "with any number of threads)\n"
                                       "  frames    {frames}\n"
                                       "  payload   {payload}\n"
                                       "  messages  {messages}\n"
                                       "  books     {books}\n");
}

/* Describe a lateness in microseconds; text has one decimal place: "12.3". */
static void describe_lateness(result_writer *r, const char *name, uint64_t ns)
{
    char text[UNIT_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%.1f", (double)ns / 1e3); /* fits */
    result_fraction(r, name, ns, 3);
    result_note(r, name, "%s", text);
}

/* Describe speed and lateness. Lateness is null if no frame had a deadline. */
static void describe_pace(result_writer *r, const pacer *paced)
{
    char speed[TD_DECIMAL_TEXT_BYTES];
    pacer_speed_format(paced->options.speed, speed);
    result_text(r, "speed", speed);
    if (paced->late.count == 0) {
        result_null(r, "late_us");
        return;
    }
    result_note(r, "pace", "%s%s", speed,
                paced->options.speed.is_max ? " at the end" : " times as recorded");
    result_object_begin(r, "late_us");
    describe_lateness(r, "p50", lateness_quantile_ns(&paced->late, 500));
    describe_lateness(r, "p99", lateness_quantile_ns(&paced->late, 990));
    describe_lateness(r, "max", paced->late.ns_max);
    result_object_end(r, "\nPace: {pace}; frames were late by {p50} us (half of "
                         "them less), {p99} us (99 of 100), {max} us (the latest).\n");
}

/* Describe how long the replay took: at least one microsecond, to avoid a division by zero. */
static void describe_times(result_writer *r, const replay_report *report)
{
    uint64_t us = report->elapsed_ns / 1000 == 0 ? 1 : report->elapsed_ns / 1000;
    TD_ASSERT(report->totals.frames < UINT64_MAX / 1000000);
    result_fraction(r, "elapsed_s", report->elapsed_ns, 9);
    result_fraction(r, "frames_per_s", report->totals.frames * 1000000 / us, 0);
}

/* ---- the whole ---- */

/* Describe the verdict; text only. The first fault of each kind is enough: where one frame is lost,
 * many rules break later. The last line repeats the verdict with its reasons. */
static void describe_verdict(result_writer *r, const replay_report *report)
{
    static const char COMPLETE[] =
        "\n{complete}. No rule was broken, every data frame was decoded, and the\n"
        "recording has no uncovered gap here.\n";
    static const char INCOMPLETE[] = "\n{complete}.\n"
                                     "[{stopped?}\n  It was stopped before the end of the tape: "
                                     "the rest was not read.\n]"
                                     "{damage}{continuity}{first_undecoded}";
    static const char END[] = "\n{complete}[, {damage?}stored frames are damaged]"
                              "[, {stopped?}stopped before the end][, {broke} broke a rule]"
                              "[, {undecoded frame} not decoded]"
                              "[, {line_possible_copies frame} possibly there twice]"
                              "[, {open_gaps} not covered]"
                              "[, {removed} removed by prune]"
                              "[, {unasked} not subscribed]"
                              "[, {began_broken topic} not trusted at the beginning]"
                              "[, {absent part} of the selection not recorded]"
                              "[, {books_without_snapshot book} without a usable snapshot]"
                              "[, {overdue} silent that should send frames]"
                              "[; {quiet} unproven: no frame came].\n";
    static const char *const NAMES[] = {[REPLAY_COMPLETE] = "complete",
                                        [REPLAY_INCOMPLETE] = "incomplete",
                                        [REPLAY_DAMAGED] = "damaged"};
    uint64_t broke = report->totals.violations;
    uint64_t gaps = report->uncovered_gaps;
    replay_verdict found = report_verdict(report);
    int is_complete = found == REPLAY_COMPLETE;
    int is_nothing = is_complete && report->totals.first_recv_ns == 0;
    result_text(r, "verdict", NAMES[found]);
    result_styled(r, "complete", is_complete ? TERMINAL_GOOD : TERMINAL_BAD,
                  is_complete ? "Complete: yes" : "Complete: no");
    result_note(r, "unreadable", "%s",
                format_counted(report->tape.segments_unreadable, "segment").text);
    result_filled(r, "damage",
                  found != REPLAY_DAMAGED ? ""
                                          : "\n  {damaged_chunks chunk} and {unreadable} could not "
                                            "be read: 'tapedeck verify' lists them.\n");
    result_note(r, "broke", "%s", broke == 0 ? "" : format_counted(broke, "frame").text);
    result_note(r, "open_gaps", "%s", gaps == 0 ? "" : format_counted(gaps, "gap").text);
    result_note(r, "removed", "%s",
                report->pruned == 0 ? "" : format_counted(report->pruned, "part").text);
    result_note(r, "unasked", "%s",
                report->not_subscribed == 0 ? ""
                                            : format_counted(report->not_subscribed, "part").text);
    result_filled(r, "first", is_complete ? (is_nothing ? "" : COMPLETE) : INCOMPLETE);
    result_filled(r, "last", is_nothing ? "" : END);
}

static unit_text lead_text(const line_stats *of, unsigned line)
{
    unit_text out;
    char text[TD_TIME_TEXT_BYTES];
    td_duration_format(of->lead_ns[line] / of->led[line], text);
    (void)snprintf(out.text, sizeof out.text, "%s", text); /* fits */
    return out;
}

void report_describe_lines(result_writer *r, const line_stats *of)
{
    result_count(r, "line_copies", of->copies);
    result_list_begin(r, "lines");
    for (unsigned line = 0; line < LIMIT_FEED_LINE_NUMBERS && of->copies > 0; line++) {
        if (of->first[line] == 0)
            continue;
        result_object_begin(r, NULL);
        result_number(r, "line", line);
        result_count(r, "first", of->first[line]);
        result_number(r, "lead_ns", of->led[line] == 0 ? 0 : of->lead_ns[line] / of->led[line]);
        result_note(r, "lead", "%s", of->led[line] == 0 ? "" : lead_text(of, line).text);
        result_object_end(r, "  line {line} brought {first frame} first[, {lead} before the "
                             "other one on average]\n");
    }
    result_list_end(r);
}

/* Note the numbers of topics without a frame for the verdict. */
static void describe_silence(result_writer *r, const replay_report *report)
{
    const size_t overdue = report->overdue;
    size_t quiet = 0;
    for (size_t i = 0; i < report->silent.count; i++)
        quiet +=
            !report->silent.rows[i].is_proven && !silent_topic_is_overdue(&report->silent.rows[i]);
    result_note(r, "overdue", "%s", overdue == 0 ? "" : format_counted(overdue, "topic").text);
    result_note(r, "quiet", "%s", quiet == 0 ? "" : format_counted(quiet, "topic").text);
}

void report_describe(const replay_report *report, int is_verbose, result_writer *r)
{
    result_object_begin(r, NULL);
    describe_totals(r, &report->totals);
    describe_topics(r, report);
    describe_continuity(r, report);
    describe_undecoded(r, report);
    describe_gaps(r, report);
    describe_absences(r, &report->absences);
    report_describe_silent(r, &report->silent);
    describe_silence(r, report);
    describe_books(r, report);
    describe_digests(r, report, is_verbose);
    result_count(r, "damaged_chunks", report->tape.damaged_chunks);
    result_count(r, "books_without_snapshot", report->lacking);
    result_count(r, "segments_live", report->tape.segments_live);
    result_count(r, "began_broken", report->began_broken);
    result_bool(r, "stopped", report->is_stopped);
    report_describe_lines(r, &report->tape.lines);
    result_count(r, "line_possible_copies", report->totals.possible_copies);
    describe_pace(r, report->pace);
    result_count(r, "contents_read", report->tape.contents_read);
    result_number(r, "workers_busy_max", report->workers_busy_max);
    describe_times(r, report);
    describe_head(r, report);
    describe_verdict(r, report);
    result_object_end(
        r, "Replayed {frames frame} ({bytes}) in {took}"
           "[{stopped?}, then stopped before the end of the tape].\n"
           "{head}"
           "[{segments_live?}Being recorded: the replay read what was durable by then.\n]"
           "[{line_copies?}{line_copies frame} came over another line, too, and are read once:\n"
           "{lines}]"
           "[{line_possible_copies?}{line_possible_copies frame} may be copies of others, and are "
           "read.\n]"
           "{first}"
           "[\n  {books_without_snapshot book} had no snapshot that fits "
           "{books_without_snapshot its/their} deltas: {books_without_snapshot its/their} levels "
           "are not known.\n]"
           "[{absent?}\n  The selection asks for more than was recorded:\n{absent}]"
           "[    … and {more_absent} more: --json lists them\n]" SILENT_PATTERN
           "[\n  {gaps gap} in the recording, {uncovered}:\n{gaps}]"
           "[    … and {more_gaps} more: 'tapedeck gaps' lists them\n]"
           "{continuity.evidence}"
           "\n{topics}[\n{books}]{late_us}{digest}{last}");
}
