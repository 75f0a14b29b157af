#include "replay/play/days.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/gap.h"
#include "archive/ledger.h"
#include "archive/open_conns.h"
#include "replay/play/absence.h"
#include "replay/play/lateness.h"
#include "replay/play/stream.h"
#include "schema/family.h"
#include "tape/empty_selection.h"
#include "tape/lost_topics.h"

/* Maximum number of spans of a stream; further faults extend its last span. */
enum { SPANS_MAX = 65536 };

/* Counts of the frames of one day. */
typedef struct stream_day {
    uint64_t day_ns;
    day_counts counts;
    uint64_t sent;    /* frames that the exchange sent on its own, not replies over HTTP */
    quiet_time quiet; /* of candles */
} stream_day;

/* The days of a stream: the observer's state of the stream; after the stream closed, kept in
 * days_run. */
typedef struct stream_days {
    const stream *of; /* NULL once it has closed */
    char *feed, *topic, *symbol, *exchange_topic, *family;
    uint32_t line, shard;       /* line and shard of the last frame */
    uint64_t first_ns, last_ns; /* begin of the expected time; time of the last frame */
    uint64_t end_ns;            /* end of the expected time; set before its days are made */
    uint64_t last_trusted_ns;   /* time of the last frame that was trusted and not late */
    bad_time_list bad;
    uint8_t is_bad;       /* 1: the last span of `bad` has not ended */
    const topic_row *row; /* of the last frame; NULL: unknown */
    topic_proof proof;
    stream_day *days;
    size_t day_count;
    uint64_t second, in_second; /* second of the last frame; number of frames so far in it */
    lateness late;              /* lateness of the frames of the last day */
} stream_days;

typedef struct days_run {
    archive *archive;
    selection_window window;
    gap_list ledger;
    gap_index gaps; /* of the ledger */
    stream_days **streams;
    size_t stream_count;
    const selection *wanted;
    lost_topic_list lost; /* at lost_ns */
    uint64_t lost_ns;
    archive_view *view;
    day_list *out;
} days_run;

void day_reasons_text(unsigned reasons, char out[DAY_REASONS_BYTES])
{
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < TIME_REASON_COUNT; i++) {
        if ((reasons & 1U << i) != 0)
            (void)snprintf(out + used, DAY_REASONS_BYTES - used, "%s%s", used == 0 ? "" : ", ",
                           time_reason_name((time_reason)i)); /* all of them fit */
        used = strlen(out);
    }
}

void day_list_fini(day_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        td_free(list->rows[i].feed);
        td_free(list->rows[i].topic);
        td_free(list->rows[i].symbol);
        td_free(list->rows[i].bad.rows);
    }
    td_free(list->rows);
    silent_list_fini(&list->silent);
    *list = (day_list){0};
}

/* ---- one stream ---- */

static topic_proof proof_of(const topic_row *row, const symbol_state *symbol)
{
    topic_proof best = topic_proof_of(row);
    const int are_trades = row != NULL && row->type == MSG_TRADE;
    for (size_t i = 0; are_trades && symbol_state_topic_at(symbol, i) != NULL; i++) {
        topic_proof proof = topic_proof_of_trades(symbol_state_topic_at(symbol, i)->row);
        best = proof < best ? proof : best;
    }
    return best;
}

static stream_days *open_stream(const channel_info *of, uint64_t first_ns)
{
    stream_days *made = td_alloc_zero(1, sizeof *made);
    made->feed = td_strdup(of->feed);
    made->topic = td_strdup(of->topic);
    made->symbol = td_strdup(of->symbol);
    made->exchange_topic = td_strdup(channel_exchange_topic(of));
    made->family = td_strdup(of->family);
    made->proof = PROOF_UNVERIFIABLE;
    made->first_ns = first_ns;
    return made;
}

static void close_stream(stream_days *s)
{
    td_free(s->feed);
    td_free(s->topic);
    td_free(s->symbol);
    td_free(s->exchange_topic);
    td_free(s->family);
    td_free(s->bad.rows);
    td_free(s->days);
    td_free(s);
}

static void end_day(stream_days *s)
{
    if (s->day_count == 0)
        return;
    day_counts *counts = &s->days[s->day_count - 1].counts;
    counts->timed = s->late.count;
    counts->p50_ns = lateness_quantile_ns(&s->late, 500);
    counts->p90_ns = lateness_quantile_ns(&s->late, 900);
    counts->p99_ns = lateness_quantile_ns(&s->late, 990);
    counts->max_ns = s->late.ns_max;
}

static stream_day *day_of(stream_days *s, uint64_t recv_ns)
{
    uint64_t day_ns = recv_ns - recv_ns % TD_NS_PER_DAY;
    if (s->day_count > 0 && s->days[s->day_count - 1].day_ns >= day_ns) /* the clock went back */
        return &s->days[s->day_count - 1];
    end_day(s);
    s->late = (lateness){0};
    s->days = td_array_grow(s->days, s->day_count, sizeof *s->days);
    s->days[s->day_count] = (stream_day){.day_ns = day_ns};
    return &s->days[s->day_count++];
}

static void count_frame(stream_days *s, const applied_frame *seen)
{
    const frame_ref *frame = seen->frame;
    stream_day *day = day_of(s, frame->recv_ns);
    day_counts *counts = &day->counts;
    day->sent += (frame->channel->info.form & FORM_FETCHED) == 0;
    if (frame->row != NULL && frame->row->type == MSG_KLINE)
        quiet_time_add(&day->quiet, frame->recv_ns, frame->content.message);
    counts->frames++;
    counts->bytes += frame->bytes.size;
    counts->undecoded += frame->content.message == NULL;
    counts->broken += seen->found != NULL && verdict_violation(&seen->found->rules) != NULL;
    for (uint32_t i = 0; seen->found != NULL && i < seen->found->rules.count; i++)
        counts->crossed += seen->found->rules.items[i].rule == RULE_NOT_CROSSED;
    if (frame->publish_ns < frame->recv_ns)
        lateness_add(&s->late, frame->recv_ns - frame->publish_ns);
    counts->ahead += frame->publish_ns > frame->recv_ns;
    s->in_second = frame->recv_ns / TD_NS_PER_S == s->second ? s->in_second + 1 : 1;
    s->second = frame->recv_ns / TD_NS_PER_S;
    if (s->in_second > counts->frames_per_s_max)
        counts->frames_per_s_max = s->in_second;
}

void bad_time_list_add(bad_time_list *list, bad_time span)
{
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    list->rows[list->count++] = span;
}

/* Update the bad time at a frame. At a frame that is not trusted, bad time begins at the doubt_ns
 * of the break, but not before the last trusted frame; at a late frame, it begins at the last
 * trusted frame. It ends at the next trusted frame that is not late. */
static void update_bad_time(stream_days *s, const applied_frame *seen)
{
    static const trust_break UNDECODED = {.reason = DOUBT_UNDECODED};
    static const trust_answer UNKNOWN = {.broke = &UNDECODED, .lacks = &UNDECODED};
    const frame_ref *frame = seen->frame;
    const trust_answer *trust = seen->trust == NULL ? &UNKNOWN : seen->trust;
    const trust_break *why = trust->is_trusted ? trust->broke : trust->lacks;
    unsigned reasons = trust->is_taken_over ? 0 : time_reason_bit(why->reason);
    uint64_t from_ns = why->doubt_ns > s->last_trusted_ns ? why->doubt_ns : s->last_trusted_ns;
    reasons |= frame->is_late ? 1U << DOUBT_LATE : 0;
    if (reasons != 0) {
        if (!s->is_bad && s->bad.count < SPANS_MAX)
            bad_time_list_add(
                &s->bad, (bad_time){.time.from_ns = frame->is_late ? s->last_trusted_ns : from_ns});
        s->is_bad = 1;
        s->bad.rows[s->bad.count - 1].time.to_ns = UINT64_MAX;
        s->bad.rows[s->bad.count - 1].reasons |= reasons;
    }
    if (!trust->is_trusted || frame->is_late)
        return;
    if (s->is_bad)
        s->bad.rows[s->bad.count - 1].time.to_ns = frame->recv_ns;
    s->is_bad = 0;
    if (!trust->is_unused)
        s->last_trusted_ns = frame->recv_ns;
}

static td_result on_frame(void *ctx, const stream *of, void **state, const applied_frame *seen,
                          td_err *err)
{
    const frame_ref *frame = seen->frame;
    stream_days *s = *state;
    (void)ctx;
    (void)err; /* it cannot fail */
    if (!frame_role_is_of_topic(of->role) || of->dir != CHANNEL_IN || frame->is_copy)
        return TD_OK;
    if (s == NULL) {
        s = open_stream(&frame->channel->info,
                        frame->granted_ns != 0 ? frame->granted_ns : frame->recv_ns);
        s->of = of;
        *state = s;
    }
    update_bad_time(s, seen);
    s->line = frame->conn->line;
    s->shard = frame->conn->shard;
    if (frame->is_lead_in)
        return TD_OK;
    s->last_ns = frame->recv_ns;
    s->row = frame->row;
    count_frame(s, seen);
    if (s->proof != PROOF_PROVEN)
        s->proof = proof_of(frame->row, of->tape.symbol);
    return TD_OK;
}

/* ---- days of a stream ---- */

static channel_info channel_of(const stream_days *s)
{
    return (channel_info){.feed = s->feed,
                          .topic = s->topic,
                          .symbol = s->symbol,
                          .line = s->line,
                          .shard = s->shard};
}

/* Add a gap of a stream's topic to its bad time. end_ns: end of the expected time; 0: unknown. */
static void add_gap(stream_days *s, const gap_row *gap, uint64_t end_ns)
{
    const channel_info of = channel_of(s);
    if (!gap_row_affects_channel(gap, &of))
        return;
    const bad_time_kind kind = gap->reason == GAP_NOT_SUBSCRIBED  ? BAD_NOT_SUBSCRIBED
                               : gap->reason == GAP_PRUNED        ? BAD_PRUNED
                               : gap_reason_is_doubt(gap->reason) ? BAD_DEGRADED
                                                                  : BAD_MISSING;
    /* A gap begins at the last recorded frame. If that is the topic's last frame, and recording
     * continued without the topic, then the topic lacks nothing; but stored frames that cannot be
     * read may be its last ones. */
    if (kind != BAD_DEGRADED && gap->reason != GAP_CORRUPT && gap->to_ns != GAP_OPEN &&
        gap->from_ns + 1 == end_ns)
        return;
    const uint64_t to_ns = gap->to_ns == GAP_OPEN ? UINT64_MAX : gap->to_ns;
    bad_time_list_add(&s->bad, (bad_time){{gap->from_ns, to_ns}, 1U << gap->reason, kind});
}

static int compare_spans(const void *a, const void *b)
{
    const bad_time *left = a;
    const bad_time *right = b;
    return (left->time.from_ns > right->time.from_ns) - (left->time.from_ns < right->time.from_ns);
}

static int is_before(const bad_time *span, uint64_t from_ns)
{
    return span->kind == BAD_DEGRADED ? span->time.to_ns < from_ns : span->time.to_ns <= from_ns;
}

/* Return how much of a time range the spans of this kind and worse kinds cover, counting overlaps
 * once. Adds the reasons of the counted spans to *reasons. */
static uint64_t covered_ns(const bad_time_list *list, uint64_t from_ns, uint64_t to_ns,
                           bad_time_kind least, unsigned *reasons)
{
    uint64_t sum_ns = 0;
    uint64_t reach_ns = from_ns;
    for (size_t i = 0; i < list->count && list->rows[i].time.from_ns < to_ns; i++) {
        const bad_time *span = &list->rows[i];
        if (is_before(span, from_ns) || span->kind < least)
            continue;
        *reasons |= span->reasons;
        sum_ns += time_span_beyond_ns(time_span_clip(span->time, (time_span){0, to_ns}), &reach_ns);
    }
    return sum_ns;
}

/* 1 if candles prove that a topic of trades had nothing to send in a part of a day: they were
 * received all the time, and none has a volume. Sets what they prove. */
static int has_candles_without_volume(const days_run *run, const stream_days *s, uint64_t from_ns,
                                      uint64_t to_ns, topic_proof *proof)
{
    unsigned reasons = 0;
    for (size_t i = 0; s->row != NULL && s->row->type == MSG_TRADE && i < run->stream_count; i++) {
        const stream_days *other = run->streams[i];
        const stream_day *day = other->days;
        if (other->row == NULL || other->row->type != MSG_KLINE ||
            strcmp(other->feed, s->feed) != 0 || strcmp(other->symbol, s->symbol) != 0)
            continue;
        while (day < other->days + other->day_count && day->day_ns + TD_NS_PER_DAY <= from_ns)
            day++;
        if (day == other->days + other->day_count || !quiet_time_has(&day->quiet, from_ns, to_ns) ||
            covered_ns(&other->bad, from_ns, to_ns, BAD_DEGRADED, &reasons) > 0)
            continue;
        *proof = topic_proof_of_trades(other->row);
        return 1;
    }
    return 0;
}

void day_topic_set_times(day_topic *row)
{
    const uint64_t from_ns = row->time.from_ns;
    const uint64_t to_ns = row->time.to_ns;
    row->not_subscribed_ns =
        covered_ns(&row->bad, from_ns, to_ns, BAD_NOT_SUBSCRIBED, &row->reasons);
    uint64_t unexpected_ns = covered_ns(&row->bad, from_ns, to_ns, BAD_PRUNED, &row->reasons);
    uint64_t lacking_ns = covered_ns(&row->bad, from_ns, to_ns, BAD_MISSING, &row->reasons);
    uint64_t bad_ns = covered_ns(&row->bad, from_ns, to_ns, BAD_DEGRADED, &row->reasons);
    row->pruned_ns = unexpected_ns - row->not_subscribed_ns;
    row->expected_ns = to_ns - from_ns - unexpected_ns;
    row->missing_ns = lacking_ns - unexpected_ns;
    row->degraded_ns = bad_ns - lacking_ns;
    row->clean_ns = to_ns - from_ns - bad_ns;
}

/* A day on which the topic was not asked for gets no row. */
static void add_day(days_run *run, const stream_days *s, uint64_t from_ns, uint64_t to_ns)
{
    unsigned reasons = 0;
    if (covered_ns(&s->bad, from_ns, to_ns, BAD_NOT_SUBSCRIBED, &reasons) == to_ns - from_ns)
        return;
    day_topic row = {.feed = td_strdup(s->feed),
                     .topic = td_strdup(s->topic),
                     .symbol = td_strdup(s->symbol),
                     .day_ns = from_ns - from_ns % TD_NS_PER_DAY,
                     .time = {from_ns, to_ns},
                     .proof = s->proof};
    for (size_t i = 0; i < s->bad.count && s->bad.rows[i].time.from_ns < to_ns; i++)
        if (!is_before(&s->bad.rows[i], from_ns))
            bad_time_list_add(&row.bad, s->bad.rows[i]);
    day_topic_set_times(&row);
    uint64_t sent = 0;
    for (size_t i = 0; i < s->day_count; i++) {
        if (s->days[i].day_ns != row.day_ns)
            continue;
        row.counts = s->days[i].counts;
        sent = s->days[i].sent;
    }
    row.has_sent = sent > 0;
    if (sent == 0 && row.clean_ns > 0 &&
        !has_candles_without_volume(run, s, from_ns, to_ns, &row.proof)) {
        row.unproven_ns = row.clean_ns;
        row.clean_ns = 0;
        row.proof = PROOF_UNVERIFIABLE;
        row.reasons |= 1U << DOUBT_SILENT;
        row.is_overdue = s->row != NULL && s->row->speaks == SPEAKS_STEADILY &&
                         row.unproven_ns >= TOPIC_SILENCE_NS;
    }
    run->out->rows = td_array_grow(run->out->rows, run->out->count, sizeof *run->out->rows);
    run->out->rows[run->out->count++] = row;
}

static void add_days(days_run *run, const stream_days *s)
{
    uint64_t from_ns = s->first_ns;
    /* if a missing span of the selection ends at the first frame, expected time begins with the
     * span */
    for (size_t i = 0; run->window.from_ns > 0 && i < s->bad.count; i++) {
        const bad_time *span = &s->bad.rows[i];
        if (span->kind != BAD_DEGRADED && span->time.from_ns < from_ns &&
            span->time.to_ns >= from_ns && span->time.to_ns != UINT64_MAX)
            from_ns = span->time.from_ns;
    }
    if (from_ns < run->window.from_ns)
        from_ns = run->window.from_ns;
    uint64_t to_ns = s->end_ns < run->window.to_ns ? s->end_ns : run->window.to_ns;
    while (from_ns < to_ns) {
        uint64_t next_ns = from_ns - from_ns % TD_NS_PER_DAY + TD_NS_PER_DAY;
        add_day(run, s, from_ns, next_ns < to_ns ? next_ns : to_ns);
        from_ns = next_ns;
    }
}

/* ---- a feed ---- */

/* 1 if the topic was granted at the end of the window, or later: a window may end in a gap. */
static int is_asked(const stream_days *s, const open_conns *at_end, const open_conns *at_last)
{
    const td_bytes topic = td_bytes_str(s->exchange_topic);
    grant_covers_fn *covers = family_covers(s->family);
    return open_conns_has_topic(at_end, topic, covers) ||
           open_conns_has_topic(at_last, topic, covers);
}

/* If a topic's connection was lost after its last frame, the topic is asked for until the gap ends.
 */
static td_result extend_by_loss(days_run *run, stream_days *s, td_err *err)
{
    const channel_info of = channel_of(s);
    const uint64_t at_ns = lost_topics_next_ns(&run->gaps, &of, s->last_ns, s->end_ns);
    td_result rc = TD_OK;
    if (at_ns == 0)
        return TD_OK;
    if (at_ns != run->lost_ns) {
        td_free(run->lost.rows);
        rc = lost_topics_find(run->view, &run->ledger, run->wanted, at_ns, &run->lost, err);
        run->lost_ns = at_ns;
    }
    const lost_topic *lost = lost_topic_list_find(&run->lost, s->feed, s->topic, s->symbol);
    if (lost != NULL && lost->until_ns > s->end_ns)
        s->end_ns = lost->until_ns;
    return rc;
}

/* Add the streams of one feed, which are contiguous. */
static td_result add_feed(days_run *run, size_t from, size_t to, td_err *err)
{
    open_conns at_end;
    open_conns at_last = {0};
    uint64_t first_ns = 0;
    uint64_t last_ns = 0;
    const char *feed = run->streams[from]->feed;
    td_result rc =
        open_conns_read_end(run->view, feed, run->window.to_ns, &at_end, &first_ns, &last_ns, err);
    if (rc == TD_OK && run->window.to_ns < last_ns)
        rc = open_conns_read_feed(run->view, feed, last_ns, &at_last, err);
    size_t begin = run->out->count;
    for (size_t i = from; i < to && rc == TD_OK; i++) {
        stream_days *s = run->streams[i];
        s->end_ns = (is_asked(s, &at_end, &at_last) ? last_ns : s->last_ns) + 1;
        rc = extend_by_loss(run, s, err);
        gap_probe at = gap_index_find(&run->gaps, s->feed, s->topic, s->symbol);
        for (const gap_row *gap; (gap = gap_index_next(&at)) != NULL;)
            add_gap(s, gap, s->end_ns);
        if (s->bad.count > 0)
            qsort(s->bad.rows, s->bad.count, sizeof *s->bad.rows, compare_spans);
    }
    for (size_t i = from; i < to && rc == TD_OK; i++)
        add_days(run, run->streams[i]);
    open_conns_fini(&at_end);
    open_conns_fini(&at_last);
    const archive_view *view = run->view;
    int is_live = 0; /* 1: a recorder is adding to the feed */
    for (size_t i = 0; view->live[0] != '\0' && i < view->listing.segment_count; i++) {
        const segment_name *name = &view->listing.segments[i].name;
        is_live |= strcmp(name->session, view->live) == 0 && strcmp(name->feed, feed) == 0;
    }
    for (size_t i = begin; i < run->out->count; i++) {
        day_topic *row = &run->out->rows[i];
        row->is_recording = (uint8_t)(is_live && row->day_ns == last_ns - last_ns % TD_NS_PER_DAY);
    }
    return rc;
}

static int compare_streams(const void *a, const void *b)
{
    return strcmp((*(stream_days *const *)a)->feed, (*(stream_days *const *)b)->feed);
}

static int compare_rows(const void *a, const void *b)
{
    const day_topic *left = a;
    const day_topic *right = b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = (left->day_ns > right->day_ns) - (left->day_ns < right->day_ns);
    if (order == 0)
        order = strcmp(left->symbol, right->symbol);
    return order != 0 ? order : strcmp(left->topic, right->topic);
}

void day_list_sort(day_list *list)
{
    if (list->count > 0)
        qsort(list->rows, list->count, sizeof *list->rows, compare_rows);
}

/* ---- topics that sent no frame ---- */

/* A topic that speaks at once sends a snapshot immediately, so what follows a grant without an
 * answer is missing. */
static void add_unanswered(stream_days *s, const silent_topic *row)
{
    if (row->unanswered_ns == 0)
        return;
    bad_time_list_add(&s->bad, (bad_time){.time = {row->unanswered_ns, UINT64_MAX},
                                          .reasons = 1U << DOUBT_SILENT,
                                          .kind = BAD_MISSING});
    if (row->time.to_ns > s->last_ns)
        s->last_ns = row->time.to_ns;
}

/* Add a granted topic without a frame. It may have had nothing to send. */
static void add_silent(days_run *run, const silent_topic *row)
{
    const channel_info info = {.feed = row->feed,
                               .family = row->family,
                               .topic = row->topic,
                               .exchange_topic = row->exchange_topic,
                               .symbol = row->symbol};
    for (size_t i = 0; i < run->stream_count; i++) /* a wildcard may have frames of other names */
        if (strcmp(run->streams[i]->exchange_topic, row->exchange_topic) == 0 &&
            strcmp(run->streams[i]->feed, row->feed) == 0) {
            add_unanswered(run->streams[i], row);
            return;
        }
    stream_days *made = open_stream(&info, row->granted_ns);
    made->row = row->row;
    made->last_ns = row->time.to_ns;
    made->line = row->line;
    made->shard = row->shard;
    add_unanswered(made, row);
    run->streams = td_array_grow(run->streams, run->stream_count, sizeof(stream_days *));
    run->streams[run->stream_count++] = made;
}

/* An earlier connection than that of the first frame may have been granted the topic, and have sent
 * nothing. */
static void begin_at_first_grants(days_run *run)
{
    for (size_t i = 0; i < run->stream_count; i++) {
        stream_days *s = run->streams[i];
        const uint64_t first_ns =
            silent_list_first_ns(&run->out->silent, s->feed, s->exchange_topic);
        s->first_ns = first_ns != 0 && first_ns < s->first_ns ? first_ns : s->first_ns;
    }
}

static td_result find_all_silent(days_run *run, const selection *wanted, td_err *err)
{
    silent_list *list = &run->out->silent;
    td_result rc =
        silent_topics_find(run->archive, run->view, NULL, wanted, run->window, list, err);
    for (size_t i = 0; i < list->count; i++)
        if (list->rows[i].granted_ns != 0)
            add_silent(run, &list->rows[i]);
    return rc;
}

/* ---- topics that were lost before ---- */

/* A topic whose connection is lost at the window's begin is asked for from there on. */
static void add_lost(days_run *run, const lost_topic *row)
{
    const channel_info info = {.feed = row->feed,
                               .family = row->family,
                               .topic = row->topic,
                               .exchange_topic = row->exchange_topic,
                               .symbol = row->symbol};
    for (size_t i = 0; i < run->stream_count; i++) {
        stream_days *s = run->streams[i];
        if (strcmp(s->topic, row->topic) != 0 || strcmp(s->symbol, row->symbol) != 0 ||
            strcmp(s->feed, row->feed) != 0)
            continue;
        s->first_ns = s->first_ns < run->window.from_ns ? s->first_ns : run->window.from_ns;
        return;
    }
    stream_days *made = open_stream(&info, run->window.from_ns);
    made->row = row->row;
    made->last_ns = run->window.from_ns - 1; /* a gap began before the window */
    made->line = row->line;
    made->shard = row->shard;
    run->streams = td_array_grow(run->streams, run->stream_count, sizeof(stream_days *));
    run->streams[run->stream_count++] = made;
}

static td_result find_all_lost(days_run *run, td_err *err)
{
    run->lost_ns = run->window.from_ns;
    td_result rc =
        lost_topics_find(run->view, &run->ledger, run->wanted, run->lost_ns, &run->lost, err);
    for (size_t i = 0; i < run->lost.count; i++)
        add_lost(run, &run->lost.rows[i]);
    return rc;
}

/* ---- all feeds ---- */

/* Called when the stream closes: keep its days. */
static void on_close(void *ctx, void *state)
{
    days_run *run = ctx;
    stream_days *s = state;
    end_day(s);
    for (size_t i = 0; i < s->of->gaps.count; i++)
        add_gap(s, &s->of->gaps.rows[i], 0); /* that audits found */
    s->of = NULL;
    if (s->day_count == 0) {
        close_stream(s); /* it had only lead-in frames */
        return;
    }
    run->streams = td_array_grow(run->streams, run->stream_count, sizeof(stream_days *));
    run->streams[run->stream_count++] = s;
}

/* 1 if candles prove the silence of a topic of trades on all of its days. */
static int is_proven(const day_list *list, const silent_topic *topic)
{
    int have_any = 0;
    for (size_t i = 0; topic->row->type == MSG_TRADE && i < list->count; i++) {
        const day_topic *row = &list->rows[i];
        if (strcmp(row->feed, topic->feed) != 0 || strcmp(row->topic, topic->topic) != 0 ||
            strcmp(row->symbol, topic->symbol) != 0)
            continue;
        if (day_topic_is_silent(row))
            return 0;
        have_any = 1;
    }
    return have_any;
}

static td_result add_feeds(days_run *run, td_err *err)
{
    td_result rc = TD_OK;
    if (run->stream_count > 0)
        qsort(run->streams, run->stream_count, sizeof(stream_days *), compare_streams);
    size_t next = 0;
    for (size_t i = 0; i < run->stream_count && rc == TD_OK; i = next) {
        while (next < run->stream_count &&
               compare_streams(&run->streams[i], &run->streams[next]) == 0)
            next++;
        rc = add_feed(run, i, next, err);
    }
    for (size_t i = 0; i < run->out->silent.count; i++)
        run->out->silent.rows[i].is_proven =
            (uint8_t)is_proven(run->out, &run->out->silent.rows[i]);
    day_list_sort(run->out);
    return rc;
}

td_result days_find(const observe_options *how, const selection *wanted, day_list *out,
                    cursor_stats *stats, td_err *err)
{
    static const observer_ops OPS = {.name = "days", .frame = on_frame, .close = on_close};
    days_run run = {.archive = how->archive, .wanted = wanted, .out = out};
    gap_list damage = {0};
    *out = (day_list){0};
    td_result rc = cursor_find_window(how->archive, wanted, NULL, &run.window, err);
    if (rc == TD_OK)
        rc = archive_gaps(how->archive, &run.ledger, err);
    if (rc == TD_OK)
        rc = observe_tape(how, wanted, (cursor_options){.states = TAPE_STATES_AUDITED},
                          (observer){&OPS, &run, &run.ledger}, stats, &damage, err);
    gap_list_join(&run.ledger, &damage);
    gap_index_build(&run.gaps, &run.ledger);
    if (rc == TD_OK)
        rc = archive_view_open(how->archive, VIEW_ALL, NULL, &run.view, err);
    if (rc == TD_OK)
        rc = find_all_silent(&run, wanted, err);
    if (rc == TD_OK)
        rc = absence_find_days(how->archive, wanted, run.window, &out->absent, err);
    /* Of chunks that cannot be read only the catalog has the grants: the answer would depend on it.
     */
    if (rc == TD_OK && damage.count == 0)
        begin_at_first_grants(&run);
    if (rc == TD_OK)
        rc = find_all_lost(&run, err);
    if (rc == TD_OK)
        rc = add_feeds(&run, err);
    if (rc == TD_OK && out->count == 0)
        rc = selection_why_empty(how->archive, wanted, stats, err);
    for (size_t i = 0; i < run.stream_count; i++)
        close_stream(run.streams[i]);
    td_free(run.streams);
    td_free(run.lost.rows);
    archive_view_close(run.view);
    gap_index_fini(&run.gaps);
    gap_list_fini(&run.ledger);
    gap_list_fini(&damage);
    return rc;
}

size_t day_list_sum(const day_list *list, size_t from, day_topic *sum,
                    uint64_t proof_ns[TOPIC_PROOFS])
{
    size_t i = from;
    const day_topic *first = &list->rows[from];
    *sum = (day_topic){.feed = first->feed, .symbol = first->symbol, .day_ns = first->day_ns};
    memset(proof_ns, 0, TOPIC_PROOFS * sizeof *proof_ns);
    for (; i < list->count; i++) {
        const day_topic *row = &list->rows[i];
        if (strcmp(row->feed, first->feed) != 0 || row->day_ns != first->day_ns ||
            strcmp(row->symbol, first->symbol) != 0)
            break;
        const uint64_t expected_ns = row->expected_ns - (row->is_overdue ? 0 : row->unproven_ns);
        sum->expected_ns += expected_ns;
        sum->clean_ns += row->clean_ns;
        if (row->degraded_ns > sum->degraded_ns)
            sum->degraded_ns = row->degraded_ns;
        if (row->missing_ns > sum->missing_ns)
            sum->missing_ns = row->missing_ns;
        if (row->pruned_ns > sum->pruned_ns)
            sum->pruned_ns = row->pruned_ns;
        if (row->not_subscribed_ns > sum->not_subscribed_ns)
            sum->not_subscribed_ns = row->not_subscribed_ns;
        if (row->unproven_ns > sum->unproven_ns)
            sum->unproven_ns = row->unproven_ns;
        sum->is_overdue |= row->is_overdue;
        sum->reasons |= row->unproven_ns == 0 || row->is_overdue
                            ? row->reasons
                            : row->reasons & ~(1U << DOUBT_SILENT);
        sum->is_recording |= row->is_recording;
        proof_ns[row->proof] += expected_ns;
    }
    return i;
}

uint64_t day_share(uint64_t part_ns, uint64_t all_ns)
{
    if (all_ns == 0)
        return 0;
    if (part_ns == all_ns)
        return DAY_SHARE_ALL;
    /* from microseconds, so that no product overflows */
    uint64_t share = part_ns / 1000 * DAY_SHARE_ALL / (all_ns / 1000 + (all_ns < 1000));
    return share < DAY_SHARE_ALL ? share : DAY_SHARE_ALL - 1;
}
