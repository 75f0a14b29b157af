#include "tape/timeline.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/row_table.h"
#include "base/time_span.h"
#include "archive/archive_view.h"
#include "archive/journal.h"
#include "archive/ledger.h"
#include "archive/read_plan.h"
#include "archive/topic_list.h"
#include "schema/family.h"
#include "schema/topic.h"
#include "tape/granted_topics.h"

/* Chunks are used only in grids that few segments overlap; so many are kept loaded. */
enum { CHUNKED_SEGMENTS_MAX = 48 };

/* When a row was received in a segment that has frames of it. */
typedef enum received {
    RECEIVED_IN_SPANS,  /* the segment's spans say when */
    RECEIVED_AT_FRAMES, /* no grant is known: from its first to its last frame */
    RECEIVED_ALWAYS,    /* in the whole segment */
} received;

/* A row's frames in one segment. A year of 100 symbols has millions of these. */
typedef struct piece {
    uint32_t row;
    uint16_t channel; /* id: the bit in chunk bitmaps */
    uint16_t received;
    uint64_t frames;
    uint64_t first_ns, last_ns;
} piece;

/* A time in which a row was received. */
typedef struct span {
    uint32_t row;
    time_span time;
} span;

typedef struct part {
    char *path; /* below the archive */
    segment_name name;
    uint64_t file_bytes;
    uint8_t is_finished;
    uint64_t since_ns; /* the segment's time begins: the last message of the session before it */
    uint64_t first_ns, last_ns;
    piece *pieces;
    size_t piece_count;
    span *spans;
    size_t span_count;
    segment_index chunks; /* only with has_chunks */
    uint8_t has_chunks;
} part;

struct timeline {
    archive *from;
    archive_view *view;
    part *parts; /* segments */
    size_t part_count;
    row_table by_segment; /* parts, by feed, session and number */
    timeline_row *rows;
    size_t row_count;
    topic_list topics; /* names of the rows, with the same numbers */
    gap_list gaps;
    uint64_t journal_bytes; /* at the last update; 0: there was no journal */
    uint8_t is_quiet;       /* 1: unreadable segments were logged */
};

/* ---- rows ---- */

/* The row of a channel's topic, made if it is new. */
static uint32_t get_row(timeline *self, const channel_info *info)
{
    const size_t number = topic_list_get(&self->topics, info, info->topic);
    if (number == self->row_count) {
        const topic_entry *made = &self->topics.rows[number];
        self->rows = td_array_grow(self->rows, self->row_count, sizeof *self->rows);
        self->rows[self->row_count++] = (timeline_row){.feed = made->feed,
                                                       .family = made->family,
                                                       .topic = made->topic,
                                                       .symbol = made->symbol,
                                                       .exchange_topic = made->exchange_topic};
    }
    return (uint32_t)number;
}

/* The row of a topic as it was at at_ns, a frame's time; TOPIC_NOW if there is no frame yet. */
static const topic_row *find_topic(const char *family_name, const char *exchange_topic,
                                   uint64_t at_ns, topic_match *match)
{
    const family *of = family_find(td_bytes_str(family_name));
    int is_known =
        of != NULL && topic_match_text(of->topics, of->topic_count, td_bytes_str(exchange_topic),
                                       TOPIC_ANY_TIME, match);
    return is_known ? topic_row_at(of->topics, of->topic_count, match->row, at_ns) : NULL;
}

static int is_shown(const channel_info *info)
{
    frame_role role = channel_role(info);
    return role == ROLE_HTTP || (frame_role_is_of_topic(role) && info->dir == CHANNEL_IN);
}

/* ---- one segment ---- */

static void part_fini(part *of)
{
    if (of->has_chunks)
        segment_index_fini(&of->chunks);
    td_free(of->path);
    td_free(of->pieces);
    td_free(of->spans);
    *of = (part){0};
}

/* What a part has of each row: the number + 1 of its piece, and of its last span, or 0. */
typedef struct row_parts {
    uint32_t piece, span;
} row_parts;

/* Add the time in which a row was received. Over several lines a row may be received twice at the
 * same time, which counts once. */
static void add_span(part *to, row_parts *parts_of, span added)
{
    row_parts *of = &parts_of[added.row];
    piece *own = of->piece == 0 ? NULL : &to->pieces[of->piece - 1];
    span *last = of->span == 0 ? NULL : &to->spans[of->span - 1];
    if (time_span_ns(added.time) == 0)
        return;
    if (own != NULL && added.time.from_ns <= to->since_ns && added.time.to_ns > to->last_ns)
        own->received = RECEIVED_ALWAYS;
    else if (own != NULL && own->received == RECEIVED_AT_FRAMES)
        own->received = RECEIVED_IN_SPANS;
    if (own != NULL && own->received == RECEIVED_ALWAYS)
        return;
    if (last != NULL && time_span_overlaps(added.time, last->time)) {
        last->time = time_span_join(added.time, last->time);
        return;
    }
    to->spans = td_array_grow(to->spans, to->span_count, sizeof *to->spans);
    to->spans[to->span_count++] = added;
    of->span = (uint32_t)to->span_count;
}

/* Add the time in which the segment's connections received a granted topic. Time before since_ns
 * belongs to the session's previous segment. */
static void add_grant(timeline *self, part *to, const segment_rows *rows, const grant_row *grant,
                      row_parts *parts_of)
{
    const segment_index *index = &rows->index;
    const conn_row *conn = &rows->conns[grant->conn];
    const uint64_t end_ns = index->last_ns + 1;
    const time_span of_conn = {conn->since_ns > to->since_ns ? conn->since_ns : to->since_ns,
                               conn->to_ns != 0 ? conn->to_ns : UINT64_MAX};
    const time_span granted = {grant->from_ns, grant->to_ns != 0 ? grant->to_ns : end_ns};
    const time_span common = time_span_clip(granted, of_conn);
    if (grant->source[0] == '\0') /* refused */
        return;
    size_t row = topic_list_find_exchange(&self->topics, index->feed, grant->topic);
    if (row != TOPIC_LIST_NONE) {
        for (; row != TOPIC_LIST_NONE; row = self->topics.rows[row].next_same)
            add_span(to, parts_of, (span){(uint32_t)row, common});
        return;
    }
    granted_topics named;
    granted_topics_begin(&named, rows, grant);
    for (const channel_info *info; (info = granted_topics_next(&named)) != NULL;)
        if (is_shown(info))
            add_span(to, parts_of, (span){get_row(self, info), common});
}

/* Join a row's pieces of two channels, of other lines or shards. */
static void join_piece(piece *to, const piece *other)
{
    to->frames = message_count_sum(to->frames, other->frames);
    to->first_ns = other->first_ns < to->first_ns ? other->first_ns : to->first_ns;
    to->last_ns = other->last_ns > to->last_ns ? other->last_ns : to->last_ns;
}

/* Take over a segment's rows. previous: the segment of the session before this one, or NULL. */
static void take_rows(timeline *self, part *to, const segment_rows *rows, const part *previous)
{
    const segment_index *index = &rows->index;
    /* a channel and a grant make at most one row each */
    row_parts *parts_of = td_alloc_zero(
        self->row_count + index->channel_count + rows->grant_count + 1, sizeof *parts_of);
    to->first_ns = index->first_ns;
    to->last_ns = index->last_ns;
    to->since_ns = previous != NULL ? previous->last_ns : index->first_ns;
    to->pieces = td_alloc_zero(index->channel_count + 1, sizeof *to->pieces);
    for (size_t i = 0; i < index->channel_count; i++) {
        const segment_channel *channel = &index->channels[i];
        if (!is_shown(&channel->info))
            continue;
        uint32_t row = get_row(self, &channel->info);
        const piece made = {row,
                            channel->id,
                            RECEIVED_AT_FRAMES,
                            channel->message_count,
                            segment_index_first_ns(index, channel),
                            segment_index_last_ns(index, channel)};
        if (parts_of[row].piece != 0) {
            join_piece(&to->pieces[parts_of[row].piece - 1], &made);
            continue;
        }
        to->pieces[to->piece_count++] = made;
        parts_of[row].piece = (uint32_t)to->piece_count;
    }
    for (size_t i = 0; i < rows->grant_count; i++)
        add_grant(self, to, rows, &rows->grants[i], parts_of);
    td_free(parts_of);
}

/* ---- all segments ---- */

static uint64_t hash_segment(const segment_name *name, uint32_t number)
{
    char text[LIMIT_NAME_BYTES + SESSION_ID_BYTES + 16];
    int size = snprintf(text, sizeof text, "%s/%s/%u", name->feed, name->session, number);
    return td_xxh64(text, (size_t)size);
}

/* The part of the segment with this number in the feed and session of a name, or NULL. */
static const part *find_part(const timeline *self, const segment_name *name, uint32_t number)
{
    row_probe at = row_probe_of(hash_segment(name, number));
    while (row_table_next(&self->by_segment, &at)) {
        const part *found = &self->parts[at.row];
        if (strcmp(found->name.feed, name->feed) == 0 &&
            strcmp(found->name.session, name->session) == 0 && found->name.number == number)
            return found;
    }
    return NULL;
}

/* Drop the segments that are no longer in the archive, and those that may have changed. */
static void drop_parts(timeline *self)
{
    size_t kept = 0;
    row_table_clear(&self->by_segment);
    for (size_t i = 0; i < self->part_count; i++) {
        part *at = &self->parts[i];
        if (!at->is_finished || archive_listing_find(&self->view->listing, at->path) == NULL) {
            part_fini(at);
            continue;
        }
        row_table_put(&self->by_segment, hash_segment(&at->name, at->name.number), kept);
        self->parts[kept++] = *at;
    }
    self->part_count = kept;
}

static int is_new(void *user, const segment_name *name)
{
    return find_part(user, name, name->number) == NULL;
}

static td_result add_part(timeline *self, const planned_segment *planned, td_err *err)
{
    segment_rows rows;
    part made = {.is_finished = planned->life == SEGMENT_IS_FINISHED};
    td_result rc = archive_view_read(self->view, planned->index->path, planned->index->file_bytes,
                                     CATALOG_ROWS, &rows, err);
    if (rc == TD_OK) {
        made.path = td_strdup(planned->index->path);
        made.file_bytes = planned->index->file_bytes;
        (void)segment_name_parse(segment_file_name(made.path), &made.name);
        take_rows(self, &made, &rows,
                  made.name.is_parsed ? find_part(self, &made.name, made.name.number - 1) : NULL);
        self->parts = td_array_grow(self->parts, self->part_count, sizeof *self->parts);
        if (made.name.is_parsed)
            row_table_put(&self->by_segment, hash_segment(&made.name, made.name.number),
                          self->part_count);
        self->parts[self->part_count++] = made;
    }
    segment_rows_fini(&rows);
    return rc;
}

/* Count the rows' frames, and find what their topics proved at their first frame. */
static void describe_rows(timeline *self)
{
    for (size_t i = 0; i < self->row_count; i++)
        self->rows[i].frames = self->rows[i].first_ns = self->rows[i].last_ns = 0;
    for (size_t i = 0; i < self->part_count; i++)
        for (size_t k = 0; k < self->parts[i].piece_count; k++) {
            const piece *of = &self->parts[i].pieces[k];
            timeline_row *row = &self->rows[of->row];
            row->frames = message_count_sum(row->frames, of->frames);
            if (row->first_ns == 0 || of->first_ns < row->first_ns)
                row->first_ns = of->first_ns;
            if (of->last_ns > row->last_ns)
                row->last_ns = of->last_ns;
        }
    for (size_t i = 0; i < self->row_count; i++) {
        timeline_row *row = &self->rows[i];
        topic_match match;
        const topic_row *of = find_topic(row->family, row->exchange_topic, row->first_ns, &match);
        row->proof = topic_proof_of(of);
        row->type = of == NULL ? MSG_RAW : of->type;
        row->is_grouped = of != NULL && of->is_grouped;
    }
}

/* Set what the candles of a symbol prove about its trades. */
static void describe_trades(timeline *self)
{
    for (size_t i = 0; i < self->row_count; i++) {
        timeline_row *trades = &self->rows[i];
        topic_match match;
        for (size_t k = 0; trades->type == MSG_TRADE && k < self->row_count; k++) {
            const timeline_row *other = &self->rows[k];
            if (strcmp(other->symbol, trades->symbol) != 0 ||
                strcmp(other->feed, trades->feed) != 0)
                continue;
            topic_proof proof = topic_proof_of_trades(
                find_topic(trades->family, other->exchange_topic, other->first_ns, &match));
            if (proof < trades->proof)
                trades->proof = proof;
        }
    }
}

/* 1 if nothing can have been added since the last update: no session was adding then or is now, and
 * the journal has no new entry. Sets journal_bytes. */
static int is_unchanged(timeline *self)
{
    char live[SESSION_ID_BYTES];
    uint64_t bytes = 0;
    if (archive_is_single_file(self->from))
        return self->view != NULL;
    int is_idle = archive_live_session(self->from, live, NULL) == TD_OK && live[0] == '\0';
    td_result rc = archive_file_size(self->from, JOURNAL_FILE, &bytes, NULL);
    int is_same = rc == TD_OK && bytes == self->journal_bytes;
    self->journal_bytes = bytes;
    return is_idle && is_same && self->view != NULL && self->view->live[0] == '\0';
}

td_result timeline_update(timeline *self, td_err *err)
{
    archive_view *view = NULL;
    read_plan *plan = NULL;
    if (is_unchanged(self))
        return TD_OK;
    td_result rc = archive_view_open(self->from, VIEW_ALL, archive_log(self->from), &view, err);
    if (rc != TD_OK)
        return rc;
    archive_view_close(self->view);
    self->view = view;
    drop_parts(self);
    const read_query query = {.time = TIME_SPAN_ALL,
                              .wants_segment = is_new,
                              .is_lasting = 1,
                              .is_quiet = self->is_quiet,
                              .user = self,
                              .view = view};
    rc = read_plan_open(self->from, &query, &plan, err);
    if (rc == TD_OK) {
        self->is_quiet = 1;
        gap_list_fini(&self->gaps);
        archive_gaps_of(view, &self->gaps);
        gap_list_join(&self->gaps, read_plan_damage(plan));
    }
    archive_view_begin_loads(view);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++)
        rc = add_part(self, read_plan_segment(plan, i), err);
    archive_view_end_loads(view);
    archive_view_close_catalog(view);
    read_plan_close(plan);
    describe_rows(self);
    describe_trades(self);
    return rc;
}

td_result timeline_open(archive *from, timeline **out, td_err *err)
{
    timeline *made = td_alloc_zero(1, sizeof *made);
    made->from = from;
    td_result rc = timeline_update(made, err);
    if (rc != TD_OK)
        timeline_close(made);
    *out = rc == TD_OK ? made : NULL;
    return rc;
}

void timeline_close(timeline *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->part_count; i++)
        part_fini(&self->parts[i]);
    td_free(self->parts);
    td_free(self->rows);
    row_table_fini(&self->by_segment);
    topic_list_fini(&self->topics);
    gap_list_fini(&self->gaps);
    archive_view_close(self->view);
    td_free(self);
}

const timeline_row *timeline_rows(const timeline *self, size_t *count)
{
    *count = self->row_count;
    return self->rows;
}

void timeline_range(const timeline *self, uint64_t *first_ns, uint64_t *last_ns)
{
    *first_ns = *last_ns = 0;
    for (size_t i = 0; i < self->row_count; i++) {
        const timeline_row *row = &self->rows[i];
        if (row->first_ns != 0 && (*first_ns == 0 || row->first_ns < *first_ns))
            *first_ns = row->first_ns;
        *last_ns = row->last_ns > *last_ns ? row->last_ns : *last_ns;
    }
}

const gap_list *timeline_gaps(const timeline *self)
{
    return &self->gaps;
}

int timeline_is_live(const timeline *self)
{
    return self->view->live[0] != '\0';
}

timeline_extent timeline_extent_of(const timeline *self, const char *feed, uint64_t from_ns,
                                   uint64_t to_ns)
{
    td_hasher *content = td_hasher_open();
    timeline_extent out = {0};
    for (size_t i = 0; i < self->row_count; i++)
        if (strcmp(self->rows[i].feed, feed) == 0 && self->rows[i].last_ns > out.last_ns)
            out.last_ns = self->rows[i].last_ns;
    for (size_t i = 0; i < self->part_count; i++) {
        const part *at = &self->parts[i];
        if (at->last_ns < from_ns || at->since_ns >= to_ns ||
            (at->name.is_parsed && strcmp(at->name.feed, feed) != 0))
            continue;
        td_hasher_update(content, at->path, strlen(at->path) + 1);
        td_hasher_update(content, &at->file_bytes, sizeof at->file_bytes);
        out.has_frames = 1;
        out.may_grow |= !at->is_finished;
    }
    for (size_t i = 0; i < self->gaps.count; i++) {
        const gap_row *gap = &self->gaps.rows[i];
        if (strcmp(gap->feed, feed) != 0 || gap->from_ns >= to_ns ||
            (gap->to_ns != GAP_OPEN && gap->to_ns < from_ns))
            continue;
        const uint64_t numbers[] = {gap->from_ns, gap->to_ns, gap->reason};
        td_hasher_update(content, numbers, sizeof numbers);
    }
    out.may_grow |= timeline_is_live(self) && to_ns > out.last_ns;
    out.content = td_hasher_digest(content);
    td_hasher_close(content);
    return out;
}

uint32_t timeline_find_row(const timeline *self, const channel_info *info)
{
    const size_t row = is_shown(info)
                           ? topic_list_find(&self->topics, info->feed, info->topic, info->symbol)
                           : TOPIC_LIST_NONE;
    return row == TOPIC_LIST_NONE ? TIMELINE_NO_ROW : (uint32_t)row;
}

uint64_t timeline_messages(const timeline *self, time_span time)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < self->part_count; i++) {
        const part *of = &self->parts[i];
        if (!time_span_overlaps(time, (time_span){of->first_ns, of->last_ns + 1}))
            continue;
        for (size_t k = 0; of->has_chunks && k < of->chunks.chunk_count; k++) {
            const segment_chunk *chunk = &of->chunks.chunks[k];
            if (time_span_overlaps(time, (time_span){chunk->first_ns, chunk->last_ns + 1}))
                sum += chunk->message_count;
        }
        for (size_t k = 0; !of->has_chunks && k < of->piece_count; k++) {
            if (of->pieces[k].frames == UINT64_MAX)
                return UINT64_MAX;
            sum += of->pieces[k].frames;
        }
    }
    return sum;
}

/* 1 if frames of the row may be missing because of the gap. */
static int affects(const timeline_row *row, const gap_row *gap)
{
    return gap->covered_by[0] == '\0' && strcmp(gap->feed, row->feed) == 0 &&
           gap_row_affects_topic(gap, row->topic, row->symbol);
}

/* ---- cells ---- */

static time_span grid_span(const timeline_grid *grid)
{
    return (time_span){grid->from_ns, grid->from_ns + grid->step_ns * grid->count};
}

/* The cells that a time overlaps: [*first, *end). 0: none. */
static int find_cells(const timeline_grid *grid, time_span time, size_t *first, size_t *end)
{
    const time_span common = time_span_clip(time, grid_span(grid));
    if (time_span_ns(common) == 0)
        return 0;
    *first = (size_t)((common.from_ns - grid->from_ns) / grid->step_ns);
    *end = (size_t)((common.to_ns - 1 - grid->from_ns) / grid->step_ns) + 1;
    return 1;
}

/* The part of a time that is in a cell. */
static uint64_t overlap_ns(const timeline_grid *grid, size_t cell, time_span time)
{
    const uint64_t begin_ns = grid->from_ns + cell * grid->step_ns;
    return time_span_ns(time_span_clip(time, (time_span){begin_ns, begin_ns + grid->step_ns}));
}

/* Spread frames evenly over a time. */
static void add_frames(const timeline_grid *grid, timeline_cell *cells, time_span time,
                       double frames)
{
    size_t first;
    size_t end;
    if (!find_cells(grid, time, &first, &end))
        return;
    for (size_t i = first; i < end; i++) {
        cells[i].frames +=
            frames * ((double)overlap_ns(grid, i, time) / (double)time_span_ns(time));
        cells[i].is_estimate |= time_span_ns(time) > grid->step_ns;
    }
}

static int has_channel(const segment_index *index, const segment_chunk *chunk, uint16_t channel)
{
    uint32_t byte = channel / 8U;
    return byte < chunk->bitmap_bytes &&
           (index->bitmaps[chunk->bitmap_offset + byte] & 1U << channel % 8U) != 0;
}

/* Spread a piece's frames over the chunks that have its channel, by their numbers of messages. */
static void add_piece(const timeline_grid *grid, timeline_cell *cells, const part *from,
                      const piece *of)
{
    const time_span own = {of->first_ns, of->last_ns + 1};
    double frames = of->frames == UINT64_MAX ? 0 : (double)of->frames;
    uint64_t messages = 0;
    for (size_t i = 0; from->has_chunks && i < from->chunks.chunk_count; i++)
        if (has_channel(&from->chunks, &from->chunks.chunks[i], of->channel))
            messages += from->chunks.chunks[i].message_count;
    if (messages == 0) {
        add_frames(grid, cells, own, frames);
        return;
    }
    for (size_t i = 0; i < from->chunks.chunk_count; i++) {
        const segment_chunk *chunk = &from->chunks.chunks[i];
        if (!has_channel(&from->chunks, chunk, of->channel))
            continue;
        add_frames(grid, cells,
                   time_span_clip(own, (time_span){chunk->first_ns, chunk->last_ns + 1}),
                   frames * (double)chunk->message_count / (double)messages);
    }
}

static void add_gap(const timeline *self, const gap_row *gap, const uint32_t *band_of,
                    timeline_grid grid, timeline_cell *cells)
{
    size_t first;
    size_t end;
    if (!find_cells(&grid, gap_row_span(gap), &first, &end))
        return;
    for (size_t row = 0; row < self->row_count; row++) {
        if (band_of[row] == TIMELINE_NO_BAND || !affects(&self->rows[row], gap))
            continue;
        timeline_cell *band = cells + band_of[row] * grid.count;
        for (size_t i = first; i < end; i++)
            band[i].gaps |= 1U << gap->reason;
    }
}

static int overlaps_grid(const part *of, const timeline_grid *grid)
{
    return of->last_ns >= grid->from_ns && of->first_ns < grid_span(grid).to_ns;
}

/* Load the chunks of the segments in the grid, if these are few and the steps are short. Chunks of
 * other segments are freed. A segment that can no longer be read has no chunks. */
static void load_chunks(timeline *self, const timeline_grid *grid)
{
    size_t count = 0;
    for (size_t i = 0; i < self->part_count; i++)
        count += (size_t)overlaps_grid(&self->parts[i], grid);
    int is_fine = count <= CHUNKED_SEGMENTS_MAX;
    for (size_t i = 0; i < self->part_count; i++) {
        part *of = &self->parts[i];
        segment_rows rows;
        int is_needed =
            is_fine && overlaps_grid(of, grid) && (of->last_ns - of->first_ns) / grid->step_ns >= 4;
        if (of->has_chunks && !is_needed && !is_fine) {
            segment_index_fini(&of->chunks);
            of->has_chunks = 0;
        }
        if (of->has_chunks || !is_needed)
            continue;
        if (archive_view_read(self->view, of->path, of->file_bytes, CATALOG_ROWS_AND_CHUNKS, &rows,
                              NULL) == TD_OK) {
            of->chunks = rows.index;
            rows.index = (segment_index){0};
            of->has_chunks = 1;
        }
        segment_rows_fini(&rows);
    }
}

static void add_received(const timeline_grid *grid, timeline_cell *cells, time_span time)
{
    size_t first;
    size_t end;
    if (find_cells(grid, time, &first, &end))
        for (size_t i = first; i < end; i++)
            cells[i].received_ns += overlap_ns(grid, i, time);
}

void timeline_fill(timeline *self, const uint32_t *band_of, size_t band_count, timeline_grid grid,
                   timeline_cell *cells)
{
    TD_ASSERT(grid.step_ns > 0);
    if (band_count == 0)
        return;
    memset(cells, 0, band_count * grid.count * sizeof *cells);
    load_chunks(self, &grid);
    for (size_t i = 0; i < self->part_count; i++) {
        const part *from = &self->parts[i];
        if (from->last_ns < grid.from_ns || from->since_ns >= grid_span(&grid).to_ns)
            continue;
        for (size_t k = 0; k < from->piece_count; k++) {
            const piece *of = &from->pieces[k];
            if (band_of[of->row] == TIMELINE_NO_BAND)
                continue;
            timeline_cell *band = cells + band_of[of->row] * grid.count;
            add_piece(&grid, band, from, of);
            if (of->received == RECEIVED_ALWAYS)
                add_received(&grid, band, (time_span){from->since_ns, from->last_ns + 1});
            else if (of->received == RECEIVED_AT_FRAMES)
                add_received(&grid, band, (time_span){of->first_ns, of->last_ns + 1});
        }
        for (size_t k = 0; k < from->span_count; k++) {
            const span *of = &from->spans[k];
            if (band_of[of->row] != TIMELINE_NO_BAND)
                add_received(&grid, cells + band_of[of->row] * grid.count, of->time);
        }
    }
    for (size_t i = 0; i < self->gaps.count; i++)
        add_gap(self, &self->gaps.rows[i], band_of, grid, cells);
}
