#include "archive/session_spans.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

enum { HOUR_S = 3600 };

/* ---- received ranges of segments ---- */

/* Get the number of a name that consists of three texts; a new name is copied. */
static size_t number_of(span_names *names, const char *a, const char *b, const char *c)
{
    char text[LIMIT_NAME_BYTES + LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    size_t size = 0;
    const char *const parts[] = {a, b, c};
    for (size_t i = 0; i < 3; i++) {
        size_t part_bytes = strlen(parts[i]) + 1;
        TD_ASSERT(part_bytes <= sizeof text - size);
        memcpy(text + size, parts[i], part_bytes);
        size += part_bytes;
    }
    size_t number = name_index_find(&names->by_name, td_bytes_of(text, size));
    if (number != NAME_INDEX_NONE)
        return number;
    names->texts = td_array_grow(names->texts, names->count, sizeof(char *));
    names->texts[names->count] = td_alloc(size);
    memcpy(names->texts[names->count], text, size);
    name_index_put(&names->by_name, td_bytes_of(names->texts[names->count], size), names->count);
    return names->count++;
}

static void names_fini(span_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        td_free(names->texts[i]);
    td_free(names->texts);
    name_index_fini(&names->by_name);
}

static void add_topic(session_spans *spans, const char *feed, size_t session,
                      const channel_info *info)
{
    const char *symbol = strcmp(info->symbol, "*") == 0 ? "" : info->symbol;
    if (channel_role(info) != ROLE_DATA || strlen(info->topic) >= LIMIT_TOPIC_BYTES ||
        strlen(symbol) >= LIMIT_SYMBOL_BYTES)
        return;
    if (spans->topics.count == SPAN_TOPICS_MAX) {
        spans->is_full = 1;
        return;
    }
    size_t topic = number_of(&spans->topics, feed, info->topic, symbol);
    spans->had = td_array_reach(spans->had, &spans->had_capacity, topic, sizeof spans->had[0]);
    topic_sessions *had = &spans->had[topic];
    had->bits = td_array_reach(had->bits, &had->bytes, session / 8, 1);
    had->bits[session / 8] |= (uint8_t)(1U << (session % 8));
}

void session_spans_add_topics(session_spans *spans, const segment_name *name,
                              const segment_index *index)
{
    const size_t session = number_of(&spans->sessions, name->feed, name->session, "");
    for (size_t i = 0; i < index->channel_count; i++)
        add_topic(spans, name->feed, session, &index->channels[i].info);
}

void session_spans_add(session_spans *spans, const segment_name *name, const segment_brief *brief)
{
    session_span span = {.number = name->number,
                         .first_s = name->first_s,
                         .last_s = name->first_s,
                         .first_ns = brief->first_in_ns,
                         .last_ns = brief->last_in_ns,
                         .end_ns = brief->last_ns,
                         .is_capture = brief->is_capture != 0};
    memcpy(span.feed, name->feed, sizeof span.feed);
    memcpy(span.session, name->session, sizeof span.session);
    span.session_number = number_of(&spans->sessions, span.feed, span.session, "");
    if (span.is_capture)
        (void)number_of(&spans->captures, span.feed, "", "");
    spans->rows = td_array_grow(spans->rows, spans->count, sizeof spans->rows[0]);
    spans->rows[spans->count++] = span;
}

int session_spans_has_captures(const session_spans *spans, const char *feed)
{
    for (size_t i = 0; i < spans->captures.count; i++)
        if (strcmp(spans->captures.texts[i], feed) == 0)
            return 1;
    return 0;
}

void session_spans_fini(session_spans *spans)
{
    for (size_t i = 0; i < spans->had_capacity; i++)
        td_free(spans->had[i].bits);
    td_free(spans->had);
    td_free(spans->rows);
    names_fini(&spans->topics);
    names_fini(&spans->sessions);
    names_fini(&spans->captures);
    *spans = (session_spans){0};
}

/* 1 if a segment may have frames outside the range found so far. Its frames are between the second
 * in its name and the end of that UTC hour. */
static int may_extend(const segment_name *name, uint64_t first_ns, uint64_t last_ns)
{
    const uint64_t end_s = (name->first_s / HOUR_S + 1) * HOUR_S;
    return !name->is_parsed || first_ns == 0 || name->first_s * TD_NS_PER_S < first_ns ||
           end_s * TD_NS_PER_S > last_ns;
}

/* Widen a range by a segment's received frames. */
static void add_times(segment_brief brief, uint64_t *first_ns, uint64_t *last_ns)
{
    if (brief.first_in_ns != 0 && (*first_ns == 0 || brief.first_in_ns < *first_ns))
        *first_ns = brief.first_in_ns;
    if (brief.last_in_ns > *last_ns)
        *last_ns = brief.last_in_ns;
}

/* Read the last segment, the first, the last but one, and so on, until both times are known: most
 * segments in between are not read. */
void archive_feed_range(archive_view *view, const char *feed, uint64_t *first_ns, uint64_t *last_ns)
{
    const size_t count = view->listing.segment_count;
    *first_ns = 0;
    *last_ns = 0;
    archive_view_begin_loads(view);
    for (size_t k = 0; k < count; k++) {
        const size_t i = k % 2 == 0 ? count - 1 - k / 2 : k / 2;
        const archive_segment *segment = &view->listing.segments[i];
        segment_rows rows;
        if ((segment->name.is_parsed && strcmp(segment->name.feed, feed) != 0) ||
            !may_extend(&segment->name, *first_ns, *last_ns))
            continue;
        if (archive_view_read(view, segment->path, archive_view_size(view, segment), CATALOG_ROWS,
                              &rows, NULL) == TD_OK)
            add_times(segment_rows_brief(&rows), first_ns, last_ns);
        segment_rows_fini(&rows);
    }
    archive_view_end_loads(view);
}

/* ---- from segments to spans ---- */

static int compare_numbers(const void *a, const void *b)
{
    const session_span *left = a;
    const session_span *right = b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = strcmp(left->session, right->session);
    if (order == 0 && left->number != right->number)
        order = left->number < right->number ? -1 : 1;
    return order != 0 ? order : left->is_pruned - right->is_pruned;
}

static int compare_spans(const void *a, const void *b)
{
    const session_span *left = a;
    const session_span *right = b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0 && left->first_ns != right->first_ns)
        order = left->first_ns < right->first_ns ? -1 : 1;
    return order != 0 ? order : strcmp(left->session, right->session);
}

/* Add the segments of the history that were pruned and are not listed. */
static void add_pruned(session_spans *spans, const archive_history *past)
{
    for (size_t i = 0; i < past->segment_count; i++) {
        const past_segment *segment = &past->segments[i];
        segment_name name;
        if (segment->stage != PAST_PRUNED || segment->first_ns == 0 ||
            !segment_name_parse(segment_file_name(segment->path), &name))
            continue;
        session_spans_add(spans, &name,
                          &(segment_brief){.first_in_ns = segment->first_ns,
                                           .last_in_ns = segment->last_ns,
                                           .last_ns = segment->last_ns});
        spans->rows[spans->count - 1].is_pruned = 1;
    }
}

/* 1 if the session continues in the next segment without a whole hour between. Names show this,
 * because no segment has messages of two hours. */
static int is_continuation(const session_span *a, const session_span *b)
{
    return a->session_number == b->session_number && b->first_s / HOUR_S <= a->last_s / HOUR_S + 1;
}

static void join(session_span *span, const session_span *next)
{
    span->last_s = next->first_s;
    if (span->first_ns == 0)
        span->first_ns = next->first_ns;
    if (next->last_ns > span->last_ns)
        span->last_ns = next->last_ns;
    if (next->end_ns > span->end_ns)
        span->end_ns = next->end_ns;
}

/* Drop the pruned segments whose files still exist. Sorts the segments of each session by number.
 */
static void drop_leftovers(session_spans *spans)
{
    size_t count = 0;
    if (spans->count > 0)
        qsort(spans->rows, spans->count, sizeof spans->rows[0], compare_numbers);
    for (size_t i = 0; i < spans->count; i++) {
        const session_span *kept = count == 0 ? NULL : &spans->rows[count - 1];
        if (kept == NULL || kept->session_number != spans->rows[i].session_number ||
            kept->number != spans->rows[i].number || !spans->rows[i].is_pruned)
            spans->rows[count++] = spans->rows[i];
    }
    spans->count = count;
}

/* A session that was open from one span to the next received nothing in between: a pruned span
 * begins at the last frame that was kept, and ends at the next one. */
static void meet(session_span *before, session_span *next)
{
    if (next->is_pruned)
        next->first_ns = before->last_ns;
    else
        before->last_ns = before->end_ns = next->first_ns;
}

/* Join the segments of each session into spans. A session that received nothing has no span. */
static void join_segments(session_spans *spans)
{
    size_t count = 0;
    size_t next = 0;
    drop_leftovers(spans);
    for (size_t at = 0; at < spans->count; at = next) {
        session_span span = spans->rows[at];
        for (next = at + 1; next < spans->count && is_continuation(&span, &spans->rows[next]) &&
                            spans->rows[next].is_pruned == span.is_pruned;
             next++)
            join(&span, &spans->rows[next]);
        if (span.first_ns == 0)
            continue;
        if (count > 0 && spans->rows[count - 1].is_pruned != span.is_pruned &&
            is_continuation(&spans->rows[count - 1], &span) &&
            spans->rows[count - 1].last_ns < span.first_ns)
            meet(&spans->rows[count - 1], &span);
        spans->rows[count++] = span;
    }
    spans->count = count;
    if (count > 0)
        qsort(spans->rows, count, sizeof spans->rows[0], compare_spans);
}

/* ---- time between sessions ---- */

typedef enum stretch_kind {
    STRETCH_GAP,      /* a gap of the ledger */
    STRETCH_PRUNED,   /* removed by prune */
    STRETCH_RECORDED, /* a session */
} stretch_kind;

typedef struct stretch {
    stretch_kind kind;
    uint64_t from_ns;
    uint64_t to_ns;
    uint64_t end_ns; /* STRETCH_RECORDED: time of the session's last message. A gap that begins at
                        this time or before describes the session's end */
    const char *session; /* STRETCH_RECORDED */
} stretch;

static int compare_stretches(const void *a, const void *b)
{
    const stretch *left = a;
    const stretch *right = b;
    if (left->from_ns != right->from_ns)
        return left->from_ns < right->from_ns ? -1 : 1;
    return left->to_ns < right->to_ns ? -1 : left->to_ns > right->to_ns;
}

/* Sessions, pruned stretches and gaps of a feed, sorted by start. */
typedef struct stretch_list {
    stretch *rows;
    size_t count;
} stretch_list;

/* The search: a feed, or one topic and symbol of it ("" and "": all topics). */
typedef struct gap_query {
    const char *feed;
    const char *topic;
    const char *symbol;
} gap_query;

static void add_span(stretch_list *list, const session_span *span)
{
    list->rows[list->count++] =
        (stretch){span->is_pruned ? STRETCH_PRUNED : STRETCH_RECORDED, span->first_ns,
                  span->last_ns, span->end_ns, span->session};
}

/* Add gaps, and sort. */
static void add_others(stretch_list *out, const gap_list *ledger, const gap_query *what)
{
    for (size_t i = 0; i < ledger->count; i++) {
        const gap_row *row = &ledger->rows[i];
        uint64_t to_ns = row->to_ns == GAP_OPEN ? UINT64_MAX : row->to_ns;
        if (strcmp(row->feed, what->feed) == 0 && to_ns > row->from_ns &&
            gap_row_affects_topic(row, what->topic, what->symbol))
            out->rows[out->count++] = (stretch){STRETCH_GAP, row->from_ns, to_ns, to_ns, ""};
    }
    qsort(out->rows, out->count, sizeof out->rows[0], compare_stretches);
}

static void add_gap(const gap_query *what, const stretch *before, const stretch *next,
                    gap_list *found)
{
    int is_same_session = before->kind == STRETCH_RECORDED && next->kind == STRETCH_RECORDED &&
                          strcmp(before->session, next->session) == 0;
    gap_row row = gap_row_of(GAP_RESTART, what->feed, before->to_ns, next->from_ns,
                             is_same_session ? "nothing for an hour" : "between two sessions");
    row.topic = what->topic;
    row.symbol = what->symbol;
    TD_ASSERT(row.from_ns < row.to_ns);
    gap_list_add(found, &row);
}

/* Add a row for the time from a pruned stretch on until the next stretch of another kind. */
static void add_pruned_row(const gap_query *what, uint64_t from_ns, uint64_t to_ns, gap_list *found)
{
    gap_row row = gap_row_of(GAP_PRUNED, what->feed, from_ns, to_ns, "removed, not lost");
    row.topic = what->topic;
    row.symbol = what->symbol;
    gap_list_add(found, &row);
}

/* Add the gaps between the stretches of one feed, or of a topic of a feed, and the pruned time
 * between them. first_ns and last_ns are the starts of the first and the last session. */
static void add_between(const gap_query *what, const stretch_list *list, uint64_t first_ns,
                        uint64_t last_ns, gap_list *found)
{
    stretch at = {STRETCH_RECORDED, first_ns, first_ns, first_ns, ""}; /* furthest one so far */
    stretch pruned = {.kind = STRETCH_PRUNED}; /* furthest one, from where such stretches begin */
    for (size_t i = 0; i < list->count; i++) {
        const stretch *next = &list->rows[i];
        const int is_pruned = pruned.to_ns > at.to_ns;
        int is_own_end = next->kind == STRETCH_GAP && next->from_ns <= at.end_ns;
        if (next->from_ns > at.to_ns && next->from_ns <= last_ns && !is_pruned && !is_own_end)
            add_gap(what, &at, next, found);
        if (next->kind == STRETCH_PRUNED) {
            pruned.from_ns = is_pruned ? pruned.from_ns : next->from_ns;
            pruned.to_ns = next->to_ns > pruned.to_ns ? next->to_ns : pruned.to_ns;
            continue;
        }
        const uint64_t from_ns = pruned.from_ns > at.to_ns ? pruned.from_ns : at.to_ns;
        if (is_pruned && next->from_ns > from_ns && next->from_ns <= last_ns)
            add_pruned_row(what, from_ns, next->from_ns, found);
        if (next->to_ns > at.to_ns || (next->to_ns == at.to_ns && next->kind > at.kind))
            at = *next;
    }
}

/* State of the computation. */
typedef struct between {
    const session_spans *spans;
    const gap_list *ledger;
    stretch_list list; /* scratch, large enough for any feed or topic */
    gap_list *found;
} between;

static void add_of_feed(between *b, size_t from, size_t to)
{
    const session_span *spans = b->spans->rows;
    const gap_query what = {spans[from].feed, "", ""};
    const session_span *first = NULL;
    const session_span *last = NULL;
    b->list.count = 0;
    for (size_t i = from; i < to; i++) {
        add_span(&b->list, &spans[i]);
        if (spans[i].is_pruned)
            continue;
        first = first == NULL ? &spans[i] : first;
        last = &spans[i];
    }
    if (first == last)
        return;
    add_others(&b->list, b->ledger, &what);
    add_between(&what, &b->list, first->first_ns, last->first_ns, b->found);
}

/* ---- topics that a capture lacks ---- */

static int has_topic(const session_spans *spans, size_t topic, const session_span *span)
{
    const topic_sessions *had = &spans->had[topic];
    size_t byte = span->session_number / 8;
    return byte < had->bytes && (had->bits[byte] >> (span->session_number % 8) & 1) != 0;
}

static int is_missing_in_capture(const between *b, size_t from, size_t to, size_t topic)
{
    for (size_t i = from; i < to; i++)
        if (b->spans->rows[i].is_capture && !has_topic(b->spans, topic, &b->spans->rows[i]))
            return 1;
    return 0;
}

/* Add the gaps of a topic between the spans that prove something about the topic: spans that have
 * it, and recorded spans that began after the end of all earlier spans that have it. */
static void add_of_topic(between *b, size_t from, size_t to, size_t topic)
{
    const char *feed = b->spans->topics.texts[topic];
    const char *name = feed + strlen(feed) + 1;
    const gap_query what = {feed, name, name + strlen(name) + 1};
    const session_span *first = NULL;
    const session_span *last = NULL;
    uint64_t reach_ns = 0;
    b->list.count = 0;
    for (size_t i = from; i < to; i++) {
        const session_span *span = &b->spans->rows[i];
        int has = has_topic(b->spans, topic, span);
        if (span->is_pruned) {
            add_span(&b->list, span);
            continue;
        }
        if (!has && (first == NULL || span->is_capture || span->first_ns <= reach_ns))
            continue;
        first = first == NULL ? span : first;
        last = span;
        if (has && span->last_ns > reach_ns)
            reach_ns = span->last_ns;
        add_span(&b->list, span);
    }
    if (first == NULL || first == last)
        return;
    add_others(&b->list, b->ledger, &what);
    add_between(&what, &b->list, first->first_ns, last->first_ns, b->found);
}

static void add_of_topics(between *b, size_t from, size_t to)
{
    for (size_t topic = 0; topic < b->spans->topics.count; topic++)
        if (strcmp(b->spans->topics.texts[topic], b->spans->rows[from].feed) == 0 &&
            is_missing_in_capture(b, from, to, topic))
            add_of_topic(b, from, to, topic);
}

/* ---- all feeds ---- */

typedef void add_fn(between *b, size_t from, size_t to);

/* Call `add` for each feed with more than one span. Gaps of whole feeds are added to the ledger
 * first, so that topics get no gaps for the same time. */
static void add_all(const session_spans *spans, add_fn *add, gap_list *ledger)
{
    gap_list found = {0};
    size_t end = 0;
    between b = {.spans = spans, .ledger = ledger, .found = &found};
    b.list.rows = td_alloc_zero(spans->count + ledger->count, sizeof(stretch));
    for (size_t at = 0; at < spans->count; at = end) {
        for (end = at + 1;
             end < spans->count && strcmp(spans->rows[end].feed, spans->rows[at].feed) == 0;)
            end++;
        if (end > at + 1)
            add(&b, at, end);
    }
    gap_list_join(ledger, &found);
    gap_list_fini(&found);
    td_free(b.list.rows);
}

void session_spans_add_gaps(session_spans *spans, const archive_history *past, gap_list *ledger)
{
    add_pruned(spans, past);
    join_segments(spans);
    if (spans->count < 2)
        return;
    add_all(spans, add_of_feed, ledger);
    add_all(spans, add_of_topics, ledger);
}
