#include "replay/play/joined_days.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

/* A topic's part of a day: in an archive, or between archives. */
typedef struct day_piece {
    const day_topic *row; /* NULL: no archive recorded it */
    uint64_t day_ns;
    time_span time;
    size_t next; /* the first bad time of the row that may not have ended */
} day_piece;

typedef struct day_pieces {
    day_piece *items;
    size_t count;
} day_pieces;

/* What a piece has at a moment, best first: STATE_BAD + bad_time_kind if it is not clean. */
enum { STATE_CLEAN, STATE_BAD, STATE_ABSENT = STATE_BAD + BAD_NOT_SUBSCRIBED + 1 };

/* ---- one day of a topic ---- */

/* The state of a piece at a moment. *next_ns: until when it has it, if that is earlier. */
static int state_at(day_piece *piece, uint64_t at_ns, int is_known, unsigned *reasons,
                    uint64_t *next_ns)
{
    const time_span time = piece->time;
    const uint64_t bound_ns = at_ns < time.from_ns ? time.from_ns : time.to_ns;
    *next_ns = bound_ns > at_ns && bound_ns < *next_ns ? bound_ns : *next_ns;
    if (!time_span_has(time, at_ns))
        return STATE_ABSENT;
    if (piece->row == NULL) {
        *reasons |= 1U << GAP_RESTART;
        return STATE_BAD + BAD_MISSING;
    }
    const bad_time_list *bad = &piece->row->bad;
    int state = STATE_CLEAN;
    for (size_t i = piece->next; i < bad->count; i++) {
        const time_span span = time_span_of(bad->rows[i].time.from_ns, bad->rows[i].time.to_ns);
        if (span.from_ns > at_ns) {
            *next_ns = span.from_ns < *next_ns ? span.from_ns : *next_ns;
            break;
        }
        piece->next += i == piece->next && span.to_ns <= at_ns;
        if (span.to_ns <= at_ns)
            continue;
        *next_ns = span.to_ns < *next_ns ? span.to_ns : *next_ns;
        *reasons |= bad->rows[i].reasons;
        state =
            STATE_BAD + (int)bad->rows[i].kind > state ? STATE_BAD + (int)bad->rows[i].kind : state;
    }
    if (state == STATE_CLEAN && is_known && piece->row->unproven_ns > 0) {
        *reasons |= 1U << DOUBT_SILENT;
        state = STATE_BAD + BAD_DEGRADED;
    }
    return state;
}

/* Set the bad times of a day from its pieces. */
static void add_bad_times(day_topic *out, day_piece *pieces, size_t count, int is_known)
{
    uint64_t next_ns = 0;
    for (uint64_t at_ns = out->time.from_ns; at_ns < out->time.to_ns; at_ns = next_ns) {
        int best = STATE_ABSENT;
        unsigned reasons = 0;
        next_ns = out->time.to_ns;
        for (size_t i = 0; i < count; i++) {
            const int state = state_at(&pieces[i], at_ns, is_known, &reasons, &next_ns);
            best = state < best ? state : best;
        }
        if (best == STATE_ABSENT) {
            best = STATE_BAD + BAD_NOT_SUBSCRIBED;
            reasons = 1U << GAP_NOT_SUBSCRIBED;
        }
        if (best != STATE_CLEAN)
            bad_time_list_add(
                &out->bad,
                (bad_time){{at_ns, next_ns}, reasons, (bad_time_kind)(best - STATE_BAD)});
    }
}

static day_topic join_pieces(day_piece *pieces, size_t count, const day_topic *named)
{
    day_topic out = {.feed = td_strdup(named->feed),
                     .topic = td_strdup(named->topic),
                     .symbol = td_strdup(named->symbol),
                     .day_ns = pieces[0].day_ns,
                     .time = TIME_SPAN_NONE};
    int is_known = 0; /* 1: some archive shows whether the topic had something to send */
    for (size_t i = 0; i < count; i++) {
        const day_topic *row = pieces[i].row;
        out.time = time_span_join(out.time, pieces[i].time);
        if (row == NULL)
            continue;
        is_known |= row->clean_ns > 0 || row->has_sent;
        out.proof = row->proof > out.proof ? row->proof : out.proof;
        out.has_sent |= row->has_sent;
        out.is_overdue |= row->is_overdue;
        out.is_recording |= row->is_recording;
        if (row->counts.frames >= out.counts.frames)
            out.counts = row->counts;
    }
    add_bad_times(&out, pieces, count, is_known);
    day_topic_set_times(&out);
    out.is_overdue &= !is_known;
    if (!is_known && out.clean_ns > 0) {
        out.unproven_ns = out.clean_ns;
        out.clean_ns = 0;
        out.reasons |= 1U << DOUBT_SILENT;
    }
    return out;
}

/* ---- all days of a topic ---- */

static int compare_days(const void *a, const void *b)
{
    const day_piece *left = a;
    const day_piece *right = b;
    return (left->day_ns > right->day_ns) - (left->day_ns < right->day_ns);
}

static void add_piece(day_pieces *to, day_piece piece)
{
    to->items = td_array_grow(to->items, to->count, sizeof *to->items);
    to->items[to->count++] = piece;
}

/* Add the days of a time between archives, if the topic was asked for before and after. */
static void add_between(day_pieces *to, size_t row_count, const gap_row *between)
{
    const time_span time = {between->from_ns, between->to_ns};
    int is_before = 0;
    int is_after = 0;
    for (size_t i = 0; i < row_count; i++) {
        is_before |= to->items[i].time.from_ns <= time.from_ns;
        is_after |= to->items[i].time.to_ns > time.to_ns;
    }
    for (uint64_t from_ns = time.from_ns; is_before && is_after && from_ns < time.to_ns;) {
        const uint64_t day_ns = from_ns - from_ns % TD_NS_PER_DAY;
        const time_span day = {day_ns, day_ns + TD_NS_PER_DAY};
        add_piece(to, (day_piece){NULL, day_ns, time_span_clip(time, day), 0});
        from_ns = day.to_ns;
    }
}

static void join_topic(const day_topic *const *rows, size_t count, const gap_list *between,
                       day_list *out)
{
    day_pieces pieces = {0};
    for (size_t i = 0; i < count; i++)
        add_piece(&pieces, (day_piece){rows[i], rows[i]->day_ns, rows[i]->time, 0});
    for (size_t i = 0; i < between->count; i++)
        if (strcmp(between->rows[i].feed, rows[0]->feed) == 0)
            add_between(&pieces, count, &between->rows[i]);
    qsort(pieces.items, pieces.count, sizeof *pieces.items, compare_days);
    size_t next = 0;
    for (size_t i = 0; i < pieces.count; i = next) {
        while (next < pieces.count && pieces.items[next].day_ns == pieces.items[i].day_ns)
            next++;
        out->rows = td_array_grow(out->rows, out->count, sizeof *out->rows);
        out->rows[out->count++] = join_pieces(&pieces.items[i], next - i, rows[0]);
    }
    td_free(pieces.items);
}

static int compare_topics(const void *a, const void *b)
{
    const day_topic *left = *(const day_topic *const *)a;
    const day_topic *right = *(const day_topic *const *)b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = strcmp(left->topic, right->topic);
    return order != 0 ? order : strcmp(left->symbol, right->symbol);
}

/* ---- topics without a frame ---- */

/* 1 if some archive has frames of the topic, or it is listed already. */
static int is_listed(const day_list *out, const silent_topic *topic)
{
    for (size_t i = 0; i < out->count; i++) {
        const day_topic *row = &out->rows[i];
        if (row->has_sent && strcmp(row->topic, topic->topic) == 0 &&
            strcmp(row->symbol, topic->symbol) == 0 && strcmp(row->feed, topic->feed) == 0)
            return 1;
    }
    for (size_t i = 0; i < out->silent.count; i++)
        if (strcmp(out->silent.rows[i].exchange_topic, topic->exchange_topic) == 0 &&
            strcmp(out->silent.rows[i].feed, topic->feed) == 0)
            return 1;
    return 0;
}

static void join_silent(const day_list *from, day_list *out)
{
    silent_list *to = &out->silent;
    for (size_t i = 0; i < from->silent.count; i++) {
        silent_topic copy = from->silent.rows[i];
        if (is_listed(out, &copy))
            continue;
        copy.exchange_topic = td_strdup(copy.exchange_topic);
        to->rows = td_array_grow(to->rows, to->count, sizeof *to->rows);
        to->rows[to->count++] = copy;
    }
}

/* ---- all ---- */

/* Without a bound of the selection, or without a frame in it, the days of an archive are all 0. */
static void join_absent(absent_days *to, const absent_days *from)
{
    if (from->first == 0 && from->to == 0)
        return;
    if (to->first == 0 && to->to == 0)
        *to = *from;
    to->first = from->first < to->first ? from->first : to->first;
    to->after = from->after > to->after ? from->after : to->after;
}

void joined_days_make(const day_list *lists, size_t count, const gap_list *between, day_list *out)
{
    const day_topic **rows = NULL;
    size_t row_count = 0;
    size_t next = 0;
    *out = (day_list){0};
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < lists[i].count; k++) {
            rows = td_array_grow(rows, row_count, sizeof(const day_topic *));
            rows[row_count++] = &lists[i].rows[k];
        }
        join_absent(&out->absent, &lists[i].absent);
    }
    if (row_count > 0)
        qsort(rows, row_count, sizeof(const day_topic *), compare_topics);
    for (size_t i = 0; i < row_count; i = next) {
        while (next < row_count && compare_topics(&rows[i], &rows[next]) == 0)
            next++;
        join_topic(&rows[i], next - i, between, out);
    }
    td_free(rows);
    day_list_sort(out);
    for (size_t i = 0; i < count; i++)
        join_silent(&lists[i], out);
}
