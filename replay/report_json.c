#include "replay/report.h"

#include "base/assert.h"
#include "format/gap.h"

static void member_name(json_writer *w, const char *key, const char *name)
{
    json_write_member_text(w, key, name[0] == '\0' ? NULL : name);
}

/* Who: feed, topic, symbol. */
static void write_names(json_writer *w, const stream *s)
{
    json_write_member_text(w, "feed", s->feed);
    json_write_member_text(w, "topic", s->topic);
    member_name(w, "symbol", s->symbol);
}

static int is_topic(const stream *s)
{
    return s->dir == CHANNEL_IN && strcmp(s->topic, CHANNEL_TOPIC_CONTROL) != 0;
}

/* Why frames were not decoded: reasons that counted nothing are left out. */
static void write_reasons(json_writer *w, const player_totals *totals)
{
    json_write_key(w, "undecoded_by_reason");
    json_write_object_begin(w);
    for (int i = 0; i < DECODE_REASON_COUNT; i++)
        if (totals->undecoded_by[i] > 0)
            json_write_member_u64(w, decode_reason_name((decode_reason)i), totals->undecoded_by[i]);
    json_write_object_end(w);
}

/* Names of docs/design.md ("Report"): frames are inbound ones, events and HTTP replies not among
 * them. */
static void write_totals(json_writer *w, const player_totals *totals)
{
    /* Each frame is one of the three, whoever counted it. */
    TD_ASSERT(totals->frames == totals->decoded + totals->undecoded + totals->control);
    TD_ASSERT(totals->first_recv_ns <= totals->last_recv_ns);
    json_write_member_u64(w, "frames", totals->frames);
    json_write_member_u64(w, "bytes", totals->bytes);
    json_write_member_u64(w, "out", totals->out);
    json_write_member_u64(w, "decoded", totals->decoded);
    json_write_member_u64(w, "undecoded", totals->undecoded);
    write_reasons(w, totals);
    json_write_member_u64(w, "control", totals->control);
    json_write_member_u64(w, "copies", totals->copies);
    json_write_member_u64(w, "lead_in", totals->lead_in);
    json_write_member_u64(w, "unknown_fields", totals->unknown_fields);
    if (totals->first_recv_ns == 0) {
        json_write_member_null(w, "first_recv_ns");
        json_write_member_null(w, "last_recv_ns");
        return;
    }
    json_write_member_u64(w, "first_recv_ns", totals->first_recv_ns);
    json_write_member_u64(w, "last_recv_ns", totals->last_recv_ns);
}

static void write_topics(json_writer *w, const stream_table *streams)
{
    json_write_key(w, "topics");
    json_write_array_begin(w);
    for (size_t i = 0; i < streams->count; i++) {
        const stream *s = streams->items[i];
        if (!is_topic(s) || s->counts.frames == 0)
            continue;
        json_write_object_begin(w);
        write_names(w, s);
        json_write_member_u64(w, "frames", s->counts.frames);
        json_write_member_u64(w, "snapshots", s->counts.snapshots);
        json_write_member_u64(w, "deltas", s->counts.deltas);
        json_write_member_u64(w, "items", s->counts.items);
        json_write_member_u64(w, "undecoded", s->counts.undecoded);
        json_write_member_u64(w, "copies", s->counts.copies);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

/* Rules that nothing broke are left out: an empty object is good news. */
static void write_by_rule(json_writer *w, const char *key, const replay_report *report,
                          rule_strength strength)
{
    json_write_key(w, key);
    json_write_object_begin(w);
    for (size_t rule = 0; rule < RULE_COUNT; rule++) {
        uint64_t count = report_rule_count(report, strength, (rule_id)rule);
        if (count > 0)
            json_write_member_u64(w, rule_name((rule_id)rule), count);
    }
    json_write_object_end(w);
}

static void write_frame_place(json_writer *w, const stream_frame *frame)
{
    json_write_member_u64(w, "line", frame->line);
    json_write_member_u64(w, "shard", frame->shard);
    json_write_member_u64(w, "conn", frame->conn);
    json_write_member_u64(w, "ordinal", frame->ordinal);
    json_write_member_u64(w, "recv_ns", frame->recv_ns);
}

/* null says that no rule was broken, so that scripts need no second field. */
static void write_first_violation(json_writer *w, const stream *s)
{
    json_write_key(w, "first");
    if (s == NULL) {
        json_write_null(w);
        return;
    }
    const stream_violation *first = &s->verdicts.first;
    TD_ASSERT(first->is_set);
    json_write_object_begin(w);
    json_write_member_text(w, "rule", rule_name(first->rule));
    write_names(w, s);
    write_frame_place(w, &first->frame);
    if (first->has_seq)
        json_write_member_i64(w, "seq", first->seq);
    else
        json_write_member_null(w, "seq");
    json_write_member_i64(w, "expected", first->expected);
    json_write_member_i64(w, "found", first->found);
    json_write_object_end(w);
}

static void write_audit(json_writer *w, const char *key, const audit_count *count)
{
    TD_ASSERT(count->differed <= count->compared);
    json_write_key(w, key);
    json_write_object_begin(w);
    json_write_member_u64(w, "compared", count->compared);
    json_write_member_u64(w, "differed", count->differed);
    json_write_member_u64(w, "skipped", count->skipped);
    json_write_object_end(w);
}

/* How much topics of one symbol said about each other: all zero where there was one topic each. */
static void write_audits(json_writer *w, const player *from)
{
    audit_stats stats;
    player_get_audits(from, &stats);
    json_write_key(w, "audits");
    json_write_object_begin(w);
    write_audit(w, "books", &stats.books);
    write_audit(w, "best", &stats.best);
    write_audit(w, "trades", &stats.trades);
    json_write_object_end(w);
}

static void write_continuity(json_writer *w, const replay_report *report)
{
    json_write_key(w, "continuity");
    json_write_object_begin(w);
    json_write_member_bool(w, "ok", report->totals.violations == 0);
    json_write_member_u64(w, "violations", report->totals.violations);
    json_write_member_u64(w, "unchecked", report->totals.unchecked);
    write_by_rule(w, "by_rule", report, STRENGTH_ERROR);
    write_by_rule(w, "warnings", report, STRENGTH_WARNING);
    write_by_rule(w, "statistics", report, STRENGTH_STATISTIC);
    write_first_violation(w, report_first_violation(report));
    write_audits(w, report->player);
    json_write_object_end(w);
}

static void write_first_undecoded(json_writer *w, const stream *s)
{
    json_write_key(w, "first_undecoded");
    if (s == NULL) {
        json_write_null(w);
        return;
    }
    const stream_undecoded *first = &s->undecoded;
    TD_ASSERT(first->is_set);
    json_write_object_begin(w);
    json_write_member_text(w, "reason", decode_reason_name(first->reason));
    write_names(w, s);
    write_frame_place(w, &first->frame);
    json_write_member_u64(w, "offset", first->offset);
    json_write_member_text(w, "field", first->field);
    json_write_object_end(w);
}

static void write_gaps(json_writer *w, const gap_list *gaps)
{
    json_write_key(w, "gaps");
    json_write_array_begin(w);
    for (size_t i = 0; i < gaps->count; i++)
        gap_json_write(w, &gaps->rows[i]);
    json_write_array_end(w);
}

static void write_absences(json_writer *w, const absence_list *list)
{
    json_write_key(w, "absent");
    json_write_array_begin(w);
    for (size_t i = 0; i < list->count; i++) {
        const absence *row = &list->rows[i];
        json_write_object_begin(w);
        json_write_member_text(w, "why", absence_why_name(row->why));
        json_write_member_text(w, "feed", row->feed);
        member_name(w, "topic", row->topic);
        member_name(w, "symbol", row->symbol);
        json_write_member_u64(w, "from_ns", row->from_ns);
        json_write_member_u64(w, "to_ns", row->to_ns);
        json_write_object_end(w);
    }
    json_write_array_end(w);
}

static void write_best(json_writer *w, const char *price_key, const char *size_key, const book *b,
                       msg_side side)
{
    book_level best;
    if (!book_level_at(b, side, 0, &best)) {
        json_write_member_null(w, price_key);
        json_write_member_null(w, size_key);
        return;
    }
    json_write_member_decimal(w, price_key, best.price);
    json_write_member_decimal(w, size_key, best.size);
}

/* null where the stream has no such number. */
static void write_number(json_writer *w, const char *key, int has, int64_t value)
{
    if (has)
        json_write_member_i64(w, key, value);
    else
        json_write_member_null(w, key);
}

static td_result write_book(json_writer *w, const stream *s, const track *t, td_err *err)
{
    const book *b = track_book(t);
    TD_ASSERT(b != NULL);
    char sha1[TD_SHA1_HEX_BYTES];
    td_result rc = book_levels_sha1(b, sha1, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "book of %s/%s/%s", s->feed, s->topic, s->symbol);
    track_seqs last;
    track_last(t, &last);
    json_write_object_begin(w);
    write_names(w, s);
    json_write_member_u64(w, "bids", book_level_count(b, SIDE_BUY));
    json_write_member_u64(w, "asks", book_level_count(b, SIDE_SELL));
    write_best(w, "best_bid", "best_bid_size", b, SIDE_BUY);
    write_best(w, "best_ask", "best_ask_size", b, SIDE_SELL);
    write_number(w, "cross_seq", last.has_cross_seq, last.cross_seq);
    write_number(w, "u", last.has_u, last.u);
    write_number(w, "seq", last.has_seq, last.seq);
    json_write_member_bool(w, "broken", track_is_broken(t));
    json_write_member_text(w, "levels_sha1", sha1);
    json_write_object_end(w);
    return TD_OK;
}

static td_result write_books(json_writer *w, const stream_table *streams, td_err *err)
{
    td_result rc = TD_OK;
    json_write_key(w, "books");
    json_write_array_begin(w);
    for (size_t i = 0; i < streams->count && rc == TD_OK; i++) {
        const track *t = stream_last_track(streams->items[i]);
        if (t != NULL && track_book(t) != NULL)
            rc = write_book(w, streams->items[i], t, err);
    }
    json_write_array_end(w);
    return rc;
}

static void write_digests(json_writer *w, const replay_report *report)
{
    json_write_key(w, "digest");
    json_write_object_begin(w);
    for (size_t i = 0; i < DIGEST_PARTS; i++)
        json_write_member_text(w, digest_part_name((digest_part)i), report->digests[i]);
    json_write_object_end(w);
}

/* A duration in units of 10^-places of the key's unit. */
static void member_number(json_writer *w, const char *key, uint64_t mantissa, uint8_t places)
{
    json_write_key(w, key);
    int64_t whole = mantissa > INT64_MAX ? INT64_MAX : (int64_t)mantissa;
    json_write_number(w, (td_decimal){whole, places});
}

/* null at --speed max: nothing had a time to be late for. */
static void write_pace(json_writer *w, const pacer *p)
{
    char speed[TD_DECIMAL_TEXT_BYTES];
    pacer_speed_format(p->options.speed, speed);
    json_write_member_text(w, "speed", speed);
    json_write_key(w, "late_us");
    if (p->late.count == 0) {
        json_write_null(w);
        return;
    }
    json_write_object_begin(w);
    member_number(w, "p50", lateness_quantile_ns(&p->late, 500), 3);
    member_number(w, "p99", lateness_quantile_ns(&p->late, 990), 3);
    member_number(w, "max", p->late.ns_max, 3);
    json_write_object_end(w);
}

/* Never a division by zero: the shortest replay takes a microsecond. */
static void write_times(json_writer *w, const replay_report *report)
{
    member_number(w, "elapsed_s", report->elapsed_ns, 9);
    uint64_t us = report->elapsed_ns / 1000 == 0 ? 1 : report->elapsed_ns / 1000;
    TD_ASSERT(report->totals.frames < UINT64_MAX / 1000000);
    member_number(w, "frames_per_s", report->totals.frames * 1000000 / us, 0);
}

/* What frames tell of, by kind. */
static void write_truth_items(json_writer *w, const truth_result *truth)
{
    static const char *const KINDS[TRUTH_KINDS] = {[TRUTH_TRADE] = "trades",
                                                   [TRUTH_CANDLE] = "candles",
                                                   [TRUTH_ORDER] = "orders",
                                                   [TRUTH_ACCOUNT] = "accounts"};
    for (int i = 0; i < TRUTH_KINDS; i++) {
        json_write_key(w, KINDS[i]);
        json_write_object_begin(w);
        json_write_member_u64(w, "compared", truth->items[i]);
        json_write_member_u64(w, "equal", truth->items_equal[i]);
        json_write_member_u64(w, "not_recorded", truth->items_away[i]);
        json_write_object_end(w);
    }
}

static void write_truth(json_writer *w, const truth_result *truth)
{
    TD_ASSERT(truth->marks_equal <= truth->marks);
    json_write_key(w, "truth");
    json_write_object_begin(w);
    json_write_member_bool(w, "equal", truth_result_is_equal(truth));
    json_write_member_u64(w, "frames", truth->frames);
    json_write_member_u64(w, "matched", truth->matched);
    json_write_member_u64(w, "missing", truth->missing);
    json_write_member_u64(w, "unexpected", truth->unexpected);
    json_write_member_u64(w, "after_end", truth->after_end);
    json_write_member_u64(w, "marks", truth->marks);
    json_write_member_u64(w, "marks_equal", truth->marks_equal);
    write_truth_items(w, truth);
    json_write_member_text(w, "first", truth->first[0] == '\0' ? NULL : truth->first);
    json_write_object_end(w);
}

td_result report_write_json(const replay_report *report, json_writer *w, td_err *err)
{
    const stream_table *streams = player_streams(report->player);
    json_write_object_begin(w);
    write_totals(w, &report->totals);
    write_topics(w, streams);
    write_continuity(w, report);
    write_first_undecoded(w, report_first_undecoded(report));
    write_gaps(w, &report->gaps);
    write_absences(w, &report->absences);
    td_result rc = write_books(w, streams, err);
    write_digests(w, report);
    if (report->has_truth)
        write_truth(w, &report->truth);
    json_write_member_u64(w, "damaged_chunks", report->tape.damaged_chunks);
    json_write_member_bool(w, "stopped", report->is_stopped);
    write_pace(w, report->pacer);
    json_write_member_u64(w, "workers_busy_max", player_busy_max(report->player));
    write_times(w, report);
    json_write_object_end(w);
    return rc;
}
