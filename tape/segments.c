#include "tape/segments.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "archive/archive.h"
#include "archive/read_plan.h"
#include "format/segment_name.h"
#include "tape/block.h"

/* Eight channels, a bit each. */
typedef struct channel_bits {
    uint8_t wanted; /* has wanted messages */
    uint8_t events; /* is an events channel */
} channel_bits;

/* A segment that the cursor reads. */
typedef struct segment {
    source_file file;   /* the first member: chunks point to it */
    char *path;         /* path to open */
    read_plan *planned; /* the read plan with the segment's chunks, until the segment is opened;
                           NULL: the chunks are read from the file */
    size_t planned_at;
    char *session;
    uint64_t session_start_ns;
    uint64_t last_ns;       /* of the segment, as planned */
    uint64_t next_ns;       /* of the next chunk; before opening, of the segment */
    segment_reader *reader; /* NULL before opening and at the end */
    block_pool *pool;       /* the pool that shares reader; NULL: it is not shared */
    uint32_t channel_count;
    channel_bits *bits; /* by channel id / 8 */
    size_t bits_capacity;
    uint32_t *order; /* chunks to read, by time */
    uint32_t order_count, order_next;
    uint32_t chunks_seen; /* number of the reader's chunks seen so far */
    uint64_t chosen_ns;   /* first_ns of the last chunk in order */
    uint32_t loads;       /* chunks that were handed out and are not done */
    uint8_t is_live;      /* 1: the segment is still being written */
} segment;

typedef struct segments {
    archive *archive;
    source_options options;
    read_plan *planned; /* plan with the chunks of the first segments until they are opened */
    segment **all;      /* all segments that were ever planned */
    size_t count;
    size_t capacity;
    segment **waiting; /* heap by next_ns: segments with chunks to come */
    size_t waiting_count;
    size_t waiting_capacity;
    uint64_t newest_ns; /* first_ns of the newest segment, for poll */
    uint64_t live_ns;   /* last message of the segments that are being written */
} segments;

/* ---- one segment ---- */

static segment *segment_make(connection_table *connections, const planned_segment *planned)
{
    segment *made = td_alloc_zero(1, sizeof *made);
    const segment_index *index = planned->index;
    const td_bytes name = segment_final_name(index->path);
    made->path = td_strdup(planned->path);
    made->file.name = td_strndup((const char *)name.data, name.size);
    /* A file without session metadata is a session of its own, distinguished by its name. */
    made->session = td_strdup(index->session[0] == '\0' ? index->path : index->session);
    made->session_start_ns = index->session_start_ns;
    made->file.feed =
        connection_table_get_feed(connections, made->session, made->session_start_ns, index->feed);
    made->last_ns = index->last_ns;
    made->file.number = index->number;
    made->next_ns = index->first_ns;
    return made;
}

static void segment_shut(segment *of)
{
    TD_ASSERT(of->loads == 0);
    if (of->pool != NULL)
        block_pool_drop_reader(of->pool, of->reader);
    else
        segment_reader_close(of->reader);
    of->reader = NULL;
    of->pool = NULL;
    td_free(of->file.channels);
    td_free(of->bits);
    td_free(of->order);
    of->file.channels = NULL;
    of->bits = NULL;
    of->bits_capacity = 0;
    of->order = NULL;
    of->channel_count = 0;
    of->file.channel_capacity = 0;
    of->order_count = 0;
    of->order_next = 0;
}

static void segment_free(segment *of)
{
    if (of == NULL)
        return;
    segment_shut(of);
    td_free(of->path);
    td_free(of->file.name);
    td_free(of->session);
    td_free(of);
}

/* ---- channels ---- */

static source_use use_of(const source_options *options, const channel_info *info)
{
    selection_answer answer = source_options_match(options, info);
    if (answer == SELECTION_EVENTS)
        return SOURCE_EVENT;
    if (answer == SELECTION_NO)
        return SOURCE_SKIP;
    return channel_role(info) == ROLE_UNKNOWN ? SOURCE_UNKNOWN : SOURCE_FRAME;
}

static uint8_t is_recording(const segment_reader *reader)
{
    const segment_info *info = segment_reader_info(reader);
    return strcmp(info->session.verb, "record") == 0 || strcmp(info->session.verb, "merge") == 0;
}

/* 1 if frames before the window tell what later ones mean: the state of a topic, or which trades a
 * list of the latest ones repeats. */
static int needs_lead_in(const topic_row *row)
{
    return topic_row_has_state(row) || (row != NULL && row->type == MSG_TRADE);
}

static td_result map_channel(segment *of, const source_options *options,
                             const segment_channel *from, source_channel *to, td_err *err)
{
    connection_table *connections = options->connections;
    *to = (source_channel){.use = (uint8_t)use_of(options, &from->info)};
    if (to->use == SOURCE_SKIP)
        return TD_OK;
    td_result rc = connection_table_channel(connections, &from->info, &to->channel, err);
    if (rc != TD_OK)
        return rc;
    to->feed =
        connection_table_get_feed(connections, of->session, of->session_start_ns, from->info.feed);
    to->feed->is_recording |= is_recording(of->reader);
    to->slot = connection_table_get_slot(to->feed, from->info.line, from->info.shard);
    to->has_lead_in = to->use == SOURCE_FRAME && from->info.dir == CHANNEL_IN &&
                      (to->feed->resumed_ns > 0 || needs_lead_in(to->channel->topic.row));
    uint8_t bit = (uint8_t)(1u << (from->id % 8));
    of->bits = td_array_reach(of->bits, &of->bits_capacity, from->id / 8U, sizeof *of->bits);
    of->bits[from->id / 8].wanted |= bit;
    if (to->use == SOURCE_EVENT)
        of->bits[from->id / 8].events |= bit;
    return TD_OK;
}

/* Map the channels that are new since the last call. */
static td_result map_channels(segment *of, const source_options *options, td_err *err)
{
    uint32_t count = segment_reader_channel_count(of->reader);
    TD_ASSERT(count >= of->channel_count);
    td_result rc = TD_OK;
    for (uint32_t i = of->channel_count; i < count && rc == TD_OK; i++) {
        const segment_channel *from = segment_reader_channel(of->reader, i);
        TD_ASSERT(from->index == i);
        of->file.channels = td_array_reach(of->file.channels, &of->file.channel_capacity, from->id,
                                           sizeof *of->file.channels);
        rc = map_channel(of, options, from, &of->file.channels[from->id], err);
    }
    if (rc == TD_OK)
        of->channel_count = count;
    return rc;
}

/* ---- chunks ---- */

/* 1 if the chunk may hold messages that the tape reads. */
static int wants_chunk(const segment *of, const source_options *options, uint32_t index)
{
    const segment_chunk *chunk = segment_reader_chunk(of->reader, index);
    if (chunk->first_ns >= options->window.to_ns)
        return 0;
    channel_bits found = {0, 0};
    const td_bytes bitmap = segment_reader_bitmap(of->reader, index);
    for (size_t i = 0; i < bitmap.size && i < of->bits_capacity; i++) {
        found.wanted |= bitmap.data[i] & of->bits[i].wanted;
        found.events |= bitmap.data[i] & of->bits[i].events;
    }
    /* Damage may hide a wanted channel: reading the chunk reports the loss. */
    if (chunk->last_ns >= options->lead_from_ns)
        return found.wanted != 0 || segment_reader_chunk_has_unknown(of->reader, index);
    return found.events != 0;
}

static uint64_t chunk_first_ns(const segment *of, uint32_t order_index)
{
    return segment_reader_chunk(of->reader, of->order[order_index])->first_ns;
}

/* Add to `order` the wanted chunks that are new since the last call. A chunk that is earlier than
 * the chunk before it is damaged. */
static void choose_chunks(segment *of, const source_options *options)
{
    uint32_t count = segment_reader_chunk_count(of->reader);
    for (uint32_t i = of->chunks_seen; i < count; i++) {
        const segment_chunk *chunk = segment_reader_chunk(of->reader, i);
        if (!wants_chunk(of, options, i))
            continue;
        if (chunk->first_ns < of->chosen_ns) {
            source_skip_chunk(options,
                              &(source_chunk){.file = &of->file,
                                              .first_ns = chunk->first_ns,
                                              .last_ns = chunk->last_ns,
                                              .offset = chunk->offset},
                              "", "it is earlier than the one before it");
            continue;
        }
        of->chosen_ns = chunk->first_ns;
        of->order = td_array_grow(of->order, of->order_count, sizeof of->order[0]);
        of->order[of->order_count++] = i;
    }
    of->chunks_seen = count;
    if (of->order_next < of->order_count)
        of->next_ns = chunk_first_ns(of, of->order_next);
}

/* Open the segment's file. If the recorder has finished it since it was planned, its name has lost
 * ".open". */
static td_result open_reader(segment *of, td_io io, td_err *err)
{
    td_result rc = segment_reader_open(io, of->path, &of->reader, err);
    if (rc != TD_E_NOTFOUND || !segment_has_open_name(of->path))
        return rc;
    of->path[segment_final_name(of->path).size] = '\0';
    return segment_reader_open(io, of->path, &of->reader, err);
}

/* 1 if a planned chunk is wanted; otherwise the segment need not be opened. */
static int has_wanted_chunk(const segment *of)
{
    const segment_index *index = read_plan_segment(of->planned, of->planned_at)->index;
    for (size_t i = 0; i < index->chunk_count; i++) {
        if (read_plan_wants_chunk(of->planned, of->planned_at, &index->chunks[i]))
            return 1;
    }
    return 0;
}

/* Open the segment with its index from the read plan, which then drops the segment. If the file
 * differs from the plan, or another program wrote it, the file is read without the plan. If no
 * chunk is wanted, the reader stays NULL. */
static td_result open_planned(segment *of, td_io io, const td_log *log, td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    const segment_index *index = read_plan_segment(of->planned, of->planned_at)->index;
    td_result rc = read_plan_load_chunks(of->planned, of->planned_at, &cause);
    int is_wanted = rc != TD_OK || index->is_open || has_wanted_chunk(of);
    if (rc == TD_OK && is_wanted && index->chain_hex[0] != '\0' && !index->is_open)
        rc = segment_reader_open_known(io, of->path, index, &of->reader, &cause);
    read_plan_drop(of->planned, of->planned_at);
    of->planned = NULL;
    if (!is_wanted || of->reader != NULL)
        return TD_OK;
    if (rc != TD_OK)
        td_log_emit(log, TD_LOG_INFO, "reading the segment itself: %s", cause.text);
    return open_reader(of, io, err);
}

/* Open the segment, or share the reader of another cursor, unless the segment is being written.
 * Without a wanted chunk the reader may stay NULL. */
static td_result open_shared(segment *of, td_io io, const source_options *options, td_err *err)
{
    block_pool *pool = options->is_following ? NULL : options->blocks;
    of->reader = pool == NULL ? NULL : block_pool_reader(pool, of->file.name);
    if (of->reader != NULL) {
        of->pool = pool;
        if (of->planned != NULL)
            read_plan_drop(of->planned, of->planned_at);
        of->planned = NULL;
        return TD_OK;
    }
    td_result rc =
        of->planned == NULL ? open_reader(of, io, err) : open_planned(of, io, options->log, err);
    if (rc != TD_OK || of->reader == NULL || pool == NULL ||
        segment_reader_info(of->reader)->state != SEGMENT_FINISHED)
        return rc;
    of->pool = pool;
    block_pool_add_reader(pool, of->file.name, of->reader);
    return TD_OK;
}

/* Open the segment if one of its chunks is wanted, map its channels, choose its chunks. Errors as
 * segment_reader_open. */
static td_result segment_open(segment *of, td_io io, const source_options *options, td_err *err)
{
    TD_ASSERT(of->reader == NULL);
    td_result rc = open_shared(of, io, options, err);
    if (rc == TD_OK && of->reader == NULL)
        return TD_OK;
    if (rc == TD_OK)
        rc = map_channels(of, options, err);
    if (rc != TD_OK) {
        segment_shut(of);
        return rc;
    }
    choose_chunks(of, options);
    options->stats->segments++;
    const segment_info *info = segment_reader_info(of->reader);
    of->is_live = options->is_following && info->state == SEGMENT_OPEN;
    return TD_OK;
}

/* Add chunks that were appended since the last call. No chunk is being read during this call, and
 * chunks whose frames wait for other feeds (tape/order_hold.h) are in memory already. */
static td_result segment_refresh(segment *of, const source_options *options, td_err *err)
{
    TD_ASSERT(of->reader != NULL);
    uint32_t added = 0;
    td_result rc = segment_reader_refresh(of->reader, &added, err);
    if (rc == TD_OK)
        rc = map_channels(of, options, err);
    if (rc == TD_OK)
        choose_chunks(of, options);
    if (rc == TD_OK && segment_reader_info(of->reader)->state == SEGMENT_FINISHED)
        of->is_live = 0;
    return rc;
}

/* ---- the heap of segments ---- */

/* The order of segments with equal times does not affect the result, but must be deterministic. */
static int segment_before(const segment *a, const segment *b)
{
    if (a->next_ns != b->next_ns)
        return a->next_ns < b->next_ns;
    return strcmp(a->file.name, b->file.name) < 0;
}

static void swap(segment **heap, size_t a, size_t b)
{
    segment *kept = heap[a];
    heap[a] = heap[b];
    heap[b] = kept;
}

static void push_waiting(segments *all, segment *of)
{
    TD_ASSERT(all->waiting_count < all->waiting_capacity);
    size_t at = all->waiting_count++;
    all->waiting[at] = of;
    while (at > 0 && segment_before(all->waiting[at], all->waiting[(at - 1) / 2])) {
        swap(all->waiting, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static segment *pop_waiting(segments *all)
{
    TD_ASSERT(all->waiting_count > 0);
    segment *first = all->waiting[0];
    all->waiting[0] = all->waiting[--all->waiting_count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < all->waiting_count;
             child++) {
            if (segment_before(all->waiting[child], all->waiting[least]))
                least = child;
        }
        if (least == at)
            break;
        swap(all->waiting, at, least);
        at = least;
    }
    return first;
}

/* ---- planning ---- */

static int wants_channel(void *user, const channel_info *info)
{
    const segments *all = user;
    const source_options *options = &all->options;
    selection_answer answer = source_options_match(options, info);
    /* Without with_events, a channel of events is not needed here: any other channel also shows
     * that the segment overlaps the window. */
    if (answer == SELECTION_EVENTS)
        return options->with_events;
    return answer != SELECTION_NO;
}

static int wants_feed(void *user, const char *feed)
{
    const segments *all = user;
    return selection_has_feed(all->options.wanted, feed);
}

/* 1 if the segment was not planned before. */
static int wants_segment(void *user, const segment_name *name)
{
    const segments *all = user;
    for (size_t i = all->count; i > 0; i--) { /* usually one of the latest */
        const segment *of = all->all[i - 1];
        if (of->file.number == name->number && strcmp(of->session, name->session) == 0 &&
            strcmp(of->file.feed->name, name->feed) == 0)
            return 0;
    }
    return 1;
}

static int is_known(const segments *all, const segment *of)
{
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->all[i]->file.name, of->file.name) == 0)
            return 1;
    }
    return 0;
}

static void note_live(segments *all, uint64_t last_ns)
{
    if (last_ns > all->live_ns)
        all->live_ns = last_ns;
}

/* Add the segments of a read plan that are new. */
static void add_segments(segments *all, read_plan *from)
{
    size_t count = read_plan_count(from);
    size_t needed = all->count + count;
    int is_first = all->count == 0;
    all->all = td_array_reach(all->all, &all->capacity, needed, sizeof(segment *));
    all->waiting = td_array_reach(all->waiting, &all->waiting_capacity, needed, sizeof(segment *));
    for (size_t i = 0; i < count; i++) {
        const planned_segment *planned = read_plan_segment(from, i);
        segment *of = segment_make(all->options.connections, planned);
        if (!is_first && is_known(all, of)) {
            segment_free(of);
            continue;
        }
        all->all[all->count++] = of;
        all->options.stats->segments_live += planned->life == SEGMENT_IS_RECORDED;
        if (planned->life == SEGMENT_IS_RECORDED)
            note_live(all, planned->index->last_ns);
        push_waiting(all, of);
        if (from == all->planned) {
            of->planned = from;
            of->planned_at = i;
        }
        const segment_index *index = planned->index;
        if (index->first_ns > all->newest_ns)
            all->newest_ns = index->first_ns;
        /* A feed's session ends with its last segment. */
        session_feed *feed = of->file.feed;
        uint64_t end_ns = index->is_open && all->options.is_following ? UINT64_MAX : index->last_ns;
        if (end_ns > feed->end_ns)
            feed->end_ns = end_ns;
    }
}

/* A segment that cannot be read, or that was cut, lacks what its session received until its next
 * segment begins. */
static void note_lost(segments *all, const read_plan *found)
{
    const gap_list *damage = read_plan_damage(found);
    for (size_t i = 0; i < damage->count; i++) {
        segment_name name;
        const segment_index *next = NULL;
        if (!segment_name_parse(segment_file_name(damage->rows[i].detail), &name))
            continue;
        for (size_t k = 0; k < read_plan_count(found); k++) {
            const segment_index *index = read_plan_segment(found, k)->index;
            if (index->number > name.number && (next == NULL || index->number < next->number) &&
                strcmp(index->session, name.session) == 0 && strcmp(index->feed, name.feed) == 0)
                next = index;
        }
        if (next != NULL)
            connection_table_add_lost(connection_table_get_feed(all->options.connections,
                                                                next->session,
                                                                next->session_start_ns, next->feed),
                                      next->first_ns - 1);
    }
}

static td_result queue_segments(segments *all, archive_view *view, uint64_t from_ns, td_err *err)
{
    read_query query = {.time = {from_ns, all->options.window.to_ns},
                        .wants_channel = wants_channel,
                        .wants_feed = wants_feed,
                        .wants_segment = wants_segment,
                        .user = all,
                        .is_lasting = 1,
                        .view = view};
    read_plan *found = NULL;
    td_result rc = read_plan_open(all->archive, &query, &found, err);
    if (rc != TD_OK)
        return rc;
    all->options.stats->segments_unreadable += read_plan_unreadable_count(found);
    if (all->planned == NULL)
        all->planned = found;
    gap_list_join(all->options.damage, read_plan_damage(found));
    add_segments(all, found);
    note_lost(all, found);
    if (all->planned != found)
        read_plan_close(found);
    return rc;
}

static void segments_close(void *self)
{
    segments *all = self;
    if (all == NULL)
        return;
    for (size_t i = 0; i < all->count; i++)
        segment_free(all->all[i]);
    read_plan_close(all->planned);
    td_free(all->all);
    td_free(all->waiting);
    td_free(all);
}

/* ---- chunks ---- */

static void note_chunks(segments *all, const segment *of)
{
    uint32_t count = of->is_live ? segment_reader_chunk_count(of->reader) : 0;
    if (count > 0)
        note_live(all, segment_reader_chunk(of->reader, count - 1)->last_ns);
}

/* Open a segment whose time was reached, and queue it again if it has wanted chunks. */
static td_result open_next(segments *all, segment *of, td_err *err)
{
    td_result rc = segment_open(of, archive_io(all->archive), &all->options, err);
    TD_ASSERT(of->planned == NULL);
    if (rc == TD_E_IO)
        return td_err_add(err, rc, "segment %s", of->file.name);
    if (rc != TD_OK) {
        all->options.stats->segments_unreadable++;
        td_log_emit(all->options.log, TD_LOG_WARNING, "segment %s is left out: %s", of->file.name,
                    err == NULL ? td_result_name(rc) : err->text);
        td_err_clear(err);
        source_add_damage(&all->options, &of->file, of->next_ns, of->last_ns);
        return TD_OK;
    }
    note_chunks(all, of);
    if (of->order_count > 0)
        push_waiting(all, of);
    else if (!of->is_live)
        segment_shut(of);
    return TD_OK;
}

static int is_held(const segments *all, uint64_t first_ns)
{
    const order_hold *hold = all->options.hold;
    return hold != NULL && first_ns >= hold->until_ns;
}

static td_result segments_next(void *self, source_chunk *out, td_err *err)
{
    segments *all = self;
    while (all->waiting_count > 0 && !is_held(all, all->waiting[0]->next_ns)) {
        segment *of = pop_waiting(all);
        if (of->reader == NULL) {
            td_result rc = open_next(all, of, err);
            if (rc != TD_OK)
                return rc;
            continue;
        }
        TD_ASSERT(of->order_next < of->order_count);
        uint32_t index = of->order[of->order_next++];
        const segment_chunk *chunk = segment_reader_chunk(of->reader, index);
        *out = (source_chunk){.file = &of->file,
                              .index = index,
                              .first_ns = chunk->first_ns,
                              .last_ns = chunk->last_ns,
                              .offset = chunk->offset,
                              .stored_bytes = chunk->chunk_bytes,
                              .bytes = chunk->uncompressed_bytes};
        of->loads++;
        if (of->order_next < of->order_count) {
            of->next_ns = chunk_first_ns(of, of->order_next);
            push_waiting(all, of);
        }
        return TD_OK;
    }
    return TD_EOF;
}

static void segments_done(void *self, const source_chunk *chunk)
{
    segment *of = (segment *)chunk->file; /* file is the first member of segment */
    (void)self;
    TD_ASSERT(of->loads > 0);
    of->loads--;
    if (of->loads == 0 && of->order_next == of->order_count && !of->is_live)
        segment_shut(of);
}

static td_result segments_read(const source_chunk *chunk, segment_scratch *scratch, td_buf *out,
                               td_err *err)
{
    const segment *of = (const segment *)chunk->file;
    return segment_reader_read(of->reader, chunk->index, scratch, out, err);
}

static td_result segments_message(const source_chunk *chunk, td_bytes bytes, size_t *at,
                                  segment_message *out, td_err *err)
{
    const segment *of = (const segment *)chunk->file;
    return segment_reader_message(of->reader, bytes, at, out, err);
}

/* Read a segment further. *is_new: set to 1 if it has a new wanted chunk. */
static td_result poll_segment(segments *all, segment *of, int *is_new, td_err *err)
{
    uint32_t before = of->order_count;
    int is_waiting = of->order_next < before;
    td_result rc = segment_refresh(of, &all->options, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "segment %s", of->file.name);
    note_chunks(all, of);
    *is_new |= of->order_count > before;
    if (of->order_next < of->order_count && !is_waiting)
        push_waiting(all, of);
    else if (of->order_next == of->order_count && !of->is_live && of->loads == 0)
        segment_shut(of);
    return TD_OK;
}

/* New segments are looked for in each call, because one may begin while another still grows; and
 * before the known ones are read further: if the next segment of one of them is there, that one is
 * complete then, and its last chunks are read before those of the next. */
static td_result segments_poll(void *self, td_err *err)
{
    segments *all = self;
    const size_t known = all->count;
    int is_new = 0;
    /* A running recorder writes at the present time, even if other segments are dated in the
     * future. */
    const uint64_t two_hours_ns = UINT64_C(2) * 3600 * TD_NS_PER_S;
    const uint64_t lead_ns = all->options.lead_from_ns;
    uint64_t now_ns = clock_wall_ns(archive_clock(all->archive));
    uint64_t lately_ns = now_ns > two_hours_ns ? now_ns - two_hours_ns : 0;
    uint64_t from_ns = all->newest_ns < lately_ns ? all->newest_ns : lately_ns;
    td_result rc = queue_segments(all, NULL, from_ns > lead_ns ? from_ns : lead_ns, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "following");
    for (size_t i = 0; i < known; i++) {
        segment *of = all->all[i];
        rc = of->is_live && of->reader != NULL ? poll_segment(all, of, &is_new, err) : TD_OK;
        if (rc != TD_OK)
            return rc;
    }
    return is_new || all->count > known ? TD_OK : TD_EOF;
}

static uint64_t segments_newest_ns(const void *self)
{
    const segments *all = self;
    return all->live_ns;
}

static const source_ops SEGMENTS = {.next = segments_next,
                                    .done = segments_done,
                                    .read = segments_read,
                                    .message = segments_message,
                                    .poll = segments_poll,
                                    .newest_ns = segments_newest_ns,
                                    .close = segments_close};

td_result segments_open(archive_view *view, const source_options *options, source *out, td_err *err)
{
    TD_ASSERT(options->lead_from_ns <= options->window.from_ns);
    segments *made = td_alloc_zero(1, sizeof *made);
    made->archive = view->archive;
    made->options = *options;
    td_result rc = queue_segments(made, view, options->lead_from_ns, err);
    if (rc != TD_OK) {
        segments_close(made);
        return td_err_add(err, rc, "queue");
    }
    *out = (source){&SEGMENTS, made};
    return TD_OK;
}
