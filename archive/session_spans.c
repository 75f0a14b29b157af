#include "archive/session_spans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "archive/archive_segment.h"
#include "archive/feed_past.h"
#include "archive/name_index.h"
#include "format/segment_reader.h"

/* Twice what the channels of one segment can hold: further topics of a session are left out, with
 * a warning. */
#define SPAN_TOPIC_BYTES_MAX                                                                       \
    ((size_t)2 * LIMIT_SEGMENT_CHANNELS * (LIMIT_NAME_BYTES + LIMIT_SYMBOL_BYTES))

/* ---- one segment ---- */

/* A segment's rows in the catalog, if they describe the file. */
static int load_known(archive_view *view, const archive_segment *segment, segment_rows *out)
{
    return archive_view_load(view, segment->path, segment->size_bytes, CATALOG_ROWS, out);
}

/* Receive times in a segment; first_ns 0: it has no received frame. */
typedef struct segment_times {
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t end_ns; /* 0: no message at all */
    uint8_t is_capture;
} segment_times;

/* A segment that is being read. */
typedef struct times_reader {
    segment_reader *reader;
    segment_scratch *scratch;
    td_buf channels;
} times_reader;

static int has_received(const segment_reader *reader, uint32_t chunk)
{
    for (uint32_t i = 0; i < segment_reader_channel_count(reader); i++) {
        const segment_channel *channel = segment_reader_channel(reader, i);
        if (channel->info.dir == CHANNEL_IN && segment_reader_chunk_has(reader, chunk, channel))
            return 1;
    }
    return 0;
}

/* First and last received frame of a chunk; first_ns stays 0 if it has none, or cannot be read: a
 * chunk too few makes a row longer, one too many would hide something. */
static void chunk_times(times_reader *r, uint32_t chunk, segment_times *out)
{
    *out = (segment_times){0};
    if (!has_received(r->reader, chunk) ||
        segment_reader_chunk_channels(r->reader, chunk, r->scratch, &r->channels, NULL) != TD_OK)
        return;
    const sealed_channel *rows = (const sealed_channel *)(const void *)r->channels.data;
    for (size_t i = 0; i < r->channels.size / sizeof *rows; i++) {
        const segment_channel *channel = segment_reader_channel_by_id(r->reader, rows[i].id);
        if (channel == NULL || channel->info.dir != CHANNEL_IN)
            continue;
        if (out->first_ns == 0 || rows[i].first_ns < out->first_ns)
            out->first_ns = rows[i].first_ns;
        if (rows[i].last_ns > out->last_ns)
            out->last_ns = rows[i].last_ns;
    }
}

/* Read only the chunks at its two ends: times rise within a session. */
static void reader_times(times_reader *r, segment_times *out)
{
    uint32_t count = segment_reader_chunk_count(r->reader);
    segment_times chunk;
    for (uint32_t i = 0; i < count && out->first_ns == 0; i++) {
        chunk_times(r, i, &chunk);
        out->first_ns = chunk.first_ns;
    }
    for (uint32_t i = count; i > 0 && out->last_ns == 0; i--) {
        chunk_times(r, i - 1, &chunk);
        out->last_ns = chunk.last_ns;
    }
    out->end_ns = count == 0 ? 0 : segment_reader_info(r->reader)->last_ns;
    const segment_info *info = segment_reader_info(r->reader);
    out->is_capture = !info->is_ours || strcmp(info->session.verb, "record") != 0;
}

/* Nothing in *out for a segment that cannot be read. */
static void read_file_times(archive *a, const archive_segment *segment, segment_times *out)
{
    *out = (segment_times){0};
    times_reader r = {.scratch = segment_scratch_open()};
    td_buf_init(&r.channels, LIMIT_CHUNK_BYTES);
    if (archive_open_segment(a, segment->path, &r.reader, NULL) == TD_OK)
        reader_times(&r, out);
    segment_reader_close(r.reader);
    segment_scratch_close(r.scratch);
    td_buf_fini(&r.channels);
}

static segment_times index_times(const segment_index *index)
{
    segment_times times = {.end_ns = index->last_ns};
    times.is_capture = strcmp(index->verb, "record") != 0;
    for (size_t i = 0; i < index->channel_count; i++) {
        const segment_channel *channel = &index->channels[i];
        if (channel->info.dir != CHANNEL_IN || channel->message_count == 0)
            continue;
        if (times.first_ns == 0 || channel->first_ns < times.first_ns)
            times.first_ns = channel->first_ns;
        if (channel->last_ns > times.last_ns)
            times.last_ns = channel->last_ns;
    }
    return times;
}

static segment_times read_times(archive_view *view, const archive_segment *segment)
{
    segment_times times;
    segment_rows rows;
    if (!load_known(view, segment, &rows)) {
        read_file_times(view->archive, segment, &times);
        return times;
    }
    times = index_times(&rows.index);
    segment_rows_fini(&rows);
    return times;
}

/* ---- sessions ---- */

static int compare_segments(const void *a, const void *b)
{
    const segment_name *left = &(*(const archive_segment *const *)a)->name;
    const segment_name *right = &(*(const archive_segment *const *)b)->name;
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = strcmp(left->session, right->session);
    if (order == 0 && left->number != right->number)
        order = left->number < right->number ? -1 : 1;
    return order;
}

static int is_same_session(const segment_name *a, const segment_name *b)
{
    return strcmp(a->feed, b->feed) == 0 && strcmp(a->session, b->session) == 0;
}

/* 1 if the session continues in the next segment without a whole hour between. Their names show it,
 * because no segment has messages of two hours. */
static int goes_on(const segment_name *a, const segment_name *b)
{
    return is_same_session(a, b) && b->first_s / 3600 <= a->first_s / 3600 + 1;
}

/* The part of a session that these segments are: its first and last ones with received frames. */
static void read_session(archive_view *view, const archive_segment *const *segments, size_t count,
                         session_span *out)
{
    segment_times times;
    size_t first = 0;
    *out = (session_span){0};
    memcpy(out->feed, segments[0]->name.feed, sizeof out->feed);
    memcpy(out->session, segments[0]->name.session, sizeof out->session);
    td_buf_init(&out->topics, SPAN_TOPIC_BYTES_MAX);
    for (; first < count && out->first_ns == 0; first++) {
        times = read_times(view, segments[first]);
        out->first_ns = times.first_ns;
        out->last_ns = times.last_ns;
        out->end_ns = times.end_ns;
        out->is_capture = times.is_capture;
    }
    for (size_t i = count; i > first; i--) {
        times = read_times(view, segments[i - 1]);
        if (times.end_ns > out->end_ns)
            out->end_ns = times.end_ns;
        if (times.last_ns > out->last_ns)
            out->last_ns = times.last_ns;
        if (times.last_ns != 0)
            break;
    }
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

/* ---- topics of a session ---- */

/* What one span received, each topic once. */
typedef struct topic_set {
    td_buf *topics;     /* the span's */
    name_index by_name; /* in the bytes of *topics */
    uint8_t is_full;
} topic_set;

/* The next entry of a span's topics: TOPIC, NUL and SYMBOL; size 0: there is none. */
static td_bytes next_topic(const td_buf *topics, size_t *at)
{
    if (*at >= topics->size)
        return td_bytes_of(NULL, 0);
    const char *topic = (const char *)topics->data + *at;
    size_t size = strlen(topic) + 1;
    size += strlen(topic + size);
    *at += size + 1;
    return td_bytes_of(topic, size);
}

/* The names have moved. */
static void index_again(topic_set *set)
{
    size_t at = 0;
    name_index_fini(&set->by_name);
    set->by_name = (name_index){0};
    for (td_bytes name = next_topic(set->topics, &at); name.size > 0;
         name = next_topic(set->topics, &at))
        name_index_put(&set->by_name, name, 0);
}

/* Grow first, so that found entries do not move later. */
static void put_topic(topic_set *set, const channel_info *info)
{
    td_buf *topics = set->topics;
    const char *symbol = strcmp(info->symbol, "*") == 0 ? "" : info->symbol;
    const uint8_t *before = topics->data;
    size_t at = topics->size;
    size_t size = strlen(info->topic) + 1 + strlen(symbol);
    if (channel_role(info) != ROLE_DATA)
        return;
    if (at + size + 1 > SPAN_TOPIC_BYTES_MAX) {
        set->is_full = 1;
        return;
    }
    td_buf_grow(topics, size + 1);
    if (topics->data != before)
        index_again(set);
    td_buf_add(topics, info->topic, strlen(info->topic) + 1);
    td_buf_add(topics, symbol, strlen(symbol) + 1);
    const td_bytes name = td_bytes_of(topics->data + at, size);
    if (name_index_find(&set->by_name, name) == NAME_INDEX_NONE)
        name_index_put(&set->by_name, name, 0);
    else
        topics->size = at;
}

/* Nothing is added for a segment that cannot be read. */
static void read_file_topics(archive *a, const archive_segment *segment, topic_set *set)
{
    segment_reader *reader = NULL;
    td_result rc = archive_open_segment(a, segment->path, &reader, NULL);
    for (uint32_t i = 0; rc == TD_OK && i < segment_reader_channel_count(reader); i++)
        put_topic(set, &segment_reader_channel(reader, i)->info);
    segment_reader_close(reader);
}

static void read_topics(archive_view *view, const archive_segment *segment, topic_set *set)
{
    segment_rows rows;
    if (!load_known(view, segment, &rows)) {
        read_file_topics(view->archive, segment, set);
        return;
    }
    for (size_t i = 0; i < rows.index.channel_count; i++)
        put_topic(set, &rows.index.channels[i].info);
    segment_rows_fini(&rows);
}

/* Which segments a span comes from. */
typedef struct span_source {
    const archive_segment *const *segments;
    size_t count;
} span_source;

/* A capture's topics are looked for in all of its segments; of a recorded session, which answers
 * for its configuration, those at its two ends do. */
static void read_span_topics(archive_view *view, const span_source *source, session_span *span)
{
    topic_set set = {.topics = &span->topics};
    for (size_t i = 0; i < source->count; i++)
        if (span->is_capture || i == 0 || i + 1 == source->count)
            read_topics(view, source->segments[i], &set);
    if (set.is_full)
        td_log_emit(archive_log(view->archive), TD_LOG_WARNING,
                    "feed '%s', session %s: more topics than gaps are looked for in: some of these "
                    "have no rows of their own",
                    span->feed, span->session);
    name_index_fini(&set.by_name);
}

/* Where all sessions of a feed are recorded, their topics are not needed. */
static void read_feed_topics(archive_view *view, const span_source *sources, session_span *spans,
                             size_t count)
{
    size_t captures = 0;
    for (size_t i = 0; i < count; i++)
        captures += spans[i].is_capture;
    for (size_t i = 0; i < count && count > 1 && captures > 0; i++)
        read_span_topics(view, &sources[i], &spans[i]);
}

static size_t feed_end(const session_spans *spans, size_t from)
{
    size_t end = from + 1;
    while (end < spans->count && strcmp(spans->rows[end].feed, spans->rows[from].feed) == 0)
        end++;
    return end;
}

static void read_sessions(archive_view *view, const archive_segment **segments, size_t count,
                          session_spans *out)
{
    size_t end = 0;
    span_source *sources = td_alloc_zero(count + 1, sizeof *sources);
    for (size_t at = 0; at < count; at = end) {
        session_span span;
        for (end = at + 1; end < count && goes_on(&segments[end - 1]->name, &segments[end]->name);)
            end++;
        read_session(view, &segments[at], end - at, &span);
        if (span.first_ns == 0)
            continue;
        sources[out->count] = (span_source){&segments[at], end - at};
        out->rows[out->count++] = span;
    }
    for (size_t at = 0; at < out->count; at = end) {
        end = feed_end(out, at);
        read_feed_topics(view, &sources[at], &out->rows[at], end - at);
    }
    td_free(sources);
    if (out->count > 0)
        qsort(out->rows, out->count, sizeof out->rows[0], compare_spans);
}

void session_spans_read(archive_view *view, session_spans *out)
{
    const archive_listing *listing = &view->listing;
    size_t count = listing->segment_count;
    *out = (session_spans){0};
    if (archive_is_single_file(view->archive))
        return;
    const archive_segment **segments = td_alloc_zero(count + 1, sizeof(archive_segment *));
    out->rows = td_alloc_zero(count + 1, sizeof out->rows[0]);
    for (size_t i = 0; i < count; i++)
        segments[i] = &listing->segments[i];
    if (count > 0)
        qsort(segments, count, sizeof(void *), compare_segments);
    read_sessions(view, segments, count, out);
    td_free(segments);
}

void session_spans_fini(session_spans *spans)
{
    for (size_t i = 0; i < spans->count; i++)
        td_buf_fini(&spans->rows[i].topics);
    td_free(spans->rows);
    *spans = (session_spans){0};
}

/* ---- stretches between sessions ---- */

typedef enum stretch_kind {
    STRETCH_GAP,      /* a row of the ledger */
    STRETCH_PRUNED,   /* removed by prune */
    STRETCH_RECORDED, /* a session */
} stretch_kind;

typedef struct stretch {
    stretch_kind kind;
    uint64_t from_ns;
    uint64_t to_ns;
    uint64_t end_ns;     /* a row that begins no later is about this stretch's own end */
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

/* Sessions, gaps and pruned segments of a feed, ordered by their beginning. */
typedef struct stretch_list {
    stretch *rows;
    size_t count;
} stretch_list;

/* What is looked for: a feed, or one topic and symbol of it ("" and "": all of them). */
typedef struct sought {
    const char *feed;
    const char *topic;
    const char *symbol;
} sought;

static void add_rows(stretch_list *list, const gap_list *rows, const sought *what)
{
    for (size_t i = 0; i < rows->count; i++) {
        const gap_row *row = &rows->rows[i];
        uint64_t to_ns = row->to_ns == GAP_OPEN ? UINT64_MAX : row->to_ns;
        if (strcmp(row->feed, what->feed) == 0 && to_ns > row->from_ns &&
            gap_row_is_about(row, what->topic, what->symbol))
            list->rows[list->count++] = (stretch){STRETCH_GAP, row->from_ns, to_ns, to_ns, ""};
    }
}

static void add_span(stretch_list *list, const session_span *span)
{
    list->rows[list->count++] =
        (stretch){STRETCH_RECORDED, span->first_ns, span->last_ns, span->end_ns, span->session};
}

/* Add pruned segments and gaps, and sort. */
static void add_others(stretch_list *out, const archive_past *past, const gap_list *ledger,
                       const sought *what)
{
    for (size_t i = 0; i < past->segment_count; i++) {
        const past_segment *segment = &past->segments[i];
        if (segment->stage == PAST_PRUNED && strcmp(segment->feed, what->feed) == 0)
            out->rows[out->count++] = (stretch){STRETCH_PRUNED, segment->first_ns, segment->last_ns,
                                                segment->last_ns, ""};
    }
    add_rows(out, ledger, what);
    qsort(out->rows, out->count, sizeof out->rows[0], compare_stretches);
}

static void add_gap(const sought *what, const stretch *before, const stretch *next, gap_list *found)
{
    int is_one = before->kind == STRETCH_RECORDED && next->kind == STRETCH_RECORDED &&
                 strcmp(before->session, next->session) == 0;
    gap_row row = gap_row_of(GAP_RESTART, what->feed, before->to_ns, next->from_ns,
                             is_one ? "nothing for an hour" : "between two sessions");
    row.topic = what->topic;
    row.symbol = what->symbol;
    TD_ASSERT(row.from_ns < row.to_ns);
    gap_list_add(found, &row);
}

/* Sweep over one feed, or a topic of it; first_ns and last_ns: where its first and its last session
 * begin. */
static void add_between(const sought *what, const stretch_list *list, uint64_t first_ns,
                        uint64_t last_ns, gap_list *found)
{
    stretch at = {STRETCH_RECORDED, first_ns, first_ns, first_ns, ""}; /* reaches furthest */
    for (size_t i = 0; i < list->count; i++) {
        const stretch *next = &list->rows[i];
        int is_own_end = next->kind == STRETCH_GAP && next->from_ns <= at.end_ns;
        if (next->from_ns > at.to_ns && next->from_ns <= last_ns && at.kind != STRETCH_PRUNED &&
            !is_own_end)
            add_gap(what, &at, next, found);
        if (next->to_ns > at.to_ns || (next->to_ns == at.to_ns && next->kind > at.kind))
            at = *next;
    }
}

/* State of the computation. */
typedef struct between {
    const session_spans *spans;
    const archive_past *past;
    const gap_list *ledger;
    stretch_list list; /* scratch, large enough for any feed or topic */
    gap_list *found;
} between;

static void add_of_feed(between *b, size_t from, size_t to)
{
    const session_span *spans = b->spans->rows;
    const sought what = {spans[from].feed, "", ""};
    b->list.count = 0;
    for (size_t i = from; i < to; i++)
        add_span(&b->list, &spans[i]);
    add_others(&b->list, b->past, b->ledger, &what);
    add_between(&what, &b->list, spans[from].first_ns, spans[to - 1].first_ns, b->found);
}

/* ---- topics that a capture lacks ---- */

/* The topics of a feed, and which of its spans have them. */
typedef struct topic_table {
    name_index by_name;  /* "TOPIC" NUL "SYMBOL", in the spans' own bytes */
    const char **topics; /* by number */
    uint8_t *has;        /* a bit for each topic, span by span */
    size_t span_count;
} topic_table;

static size_t row_bytes(const topic_table *table)
{
    return (table->by_name.count + 7) / 8;
}

static int has_topic(const topic_table *table, size_t span, size_t topic)
{
    return (table->has[span * row_bytes(table) + topic / 8] >> (topic % 8) & 1) != 0;
}

static void number_topics(topic_table *table, const session_span *spans)
{
    for (size_t i = 0; i < table->span_count; i++) {
        size_t at = 0;
        for (td_bytes name = next_topic(&spans[i].topics, &at); name.size > 0;
             name = next_topic(&spans[i].topics, &at))
            if (name_index_find(&table->by_name, name) == NAME_INDEX_NONE)
                name_index_put(&table->by_name, name, table->by_name.count);
    }
}

static void fill_table(topic_table *table, const session_span *spans)
{
    number_topics(table, spans);
    table->topics = td_alloc_zero(table->by_name.count + 1, sizeof(const char *));
    table->has = td_alloc_zero(table->span_count * row_bytes(table) + 1, 1);
    for (size_t i = 0; i < table->span_count; i++) {
        size_t at = 0;
        for (td_bytes name = next_topic(&spans[i].topics, &at); name.size > 0;
             name = next_topic(&spans[i].topics, &at)) {
            size_t topic = name_index_find(&table->by_name, name);
            TD_ASSERT(topic < table->by_name.count);
            table->topics[topic] = (const char *)name.data;
            table->has[i * row_bytes(table) + topic / 8] |= (uint8_t)(1U << (topic % 8));
        }
    }
}

static int is_lacked(const topic_table *table, const session_span *spans, size_t topic)
{
    for (size_t i = 0; i < table->span_count; i++)
        if (spans[i].is_capture && !has_topic(table, i, topic))
            return 1;
    return 0;
}

/* The spans that answer for a topic: those that have it, and recorded ones that began after all of
 * these before them had ended. */
static void add_of_topic(between *b, const topic_table *table, const session_span *spans,
                         size_t topic)
{
    const char *name = table->topics[topic];
    const sought what = {spans[0].feed, name, name + strlen(name) + 1};
    const session_span *first = NULL;
    const session_span *last = NULL;
    uint64_t reach_ns = 0;
    b->list.count = 0;
    for (size_t i = 0; i < table->span_count; i++) {
        int has = has_topic(table, i, topic);
        int answers =
            has || (first != NULL && !spans[i].is_capture && spans[i].first_ns > reach_ns);
        if (!answers)
            continue;
        first = first == NULL ? &spans[i] : first;
        last = &spans[i];
        if (has && spans[i].last_ns > reach_ns)
            reach_ns = spans[i].last_ns;
        add_span(&b->list, &spans[i]);
    }
    if (first == NULL || first == last)
        return;
    add_others(&b->list, b->past, b->ledger, &what);
    add_between(&what, &b->list, first->first_ns, last->first_ns, b->found);
}

static void add_of_topics(between *b, size_t from, size_t to)
{
    const session_span *spans = &b->spans->rows[from];
    topic_table table = {.span_count = to - from};
    fill_table(&table, spans);
    for (size_t topic = 0; topic < table.by_name.count; topic++)
        if (is_lacked(&table, spans, topic))
            add_of_topic(b, &table, spans, topic);
    name_index_fini(&table.by_name);
    td_free((void *)table.topics);
    td_free(table.has);
}

/* ---- all of it ---- */

typedef void add_fn(between *b, size_t from, size_t to);

/* Call it for each feed that has more than one session. */
static void each_feed(between *b, add_fn *add)
{
    size_t end = 0;
    for (size_t at = 0; at < b->spans->count; at = end) {
        end = feed_end(b->spans, at);
        if (end > at + 1)
            add(b, at, end);
    }
}

/* Rows of whole feeds go into the ledger first: what they cover is not looked for in topics. */
static void add_all(const session_spans *spans, const archive_past *past, add_fn *add,
                    gap_list *ledger)
{
    gap_list found = {0};
    between b = {.spans = spans, .past = past, .ledger = ledger, .found = &found};
    b.list.rows =
        td_alloc_zero(spans->count + past->segment_count + ledger->count, sizeof(stretch));
    each_feed(&b, add);
    for (size_t i = 0; i < found.count; i++)
        gap_list_add(ledger, &found.rows[i]);
    gap_list_fini(&found);
    td_free(b.list.rows);
}

void session_spans_add_gaps(const session_spans *spans, const archive_past *past, gap_list *ledger)
{
    if (spans->count < 2)
        return;
    add_all(spans, past, add_of_feed, ledger);
    add_all(spans, past, add_of_topics, ledger);
}
