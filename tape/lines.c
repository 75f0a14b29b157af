#include "tape/lines.h"

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "schema/conn_counter.h"
#include "tape/block.h"

/* A connection that has joined counts as silent after this time without a frame of the stream;
 * another connection's frames are then returned at once. */
#define SILENCE_NS (5 * TD_NS_PER_S)
#define SWEEP_NS   TD_NS_PER_S
/* How far the clocks of two machines differ, whose archives were merged. */
#define CLOCKS_NS TD_NS_PER_S
/* The time at the end of the tape, or of a session. */
#define AT_END UINT64_MAX
/* Without a time or number of their own, frames count as distinct if so many in a row differ. */
enum { DISTINCT_COUNT = 32 };

/* A remembered frame of a stream. */
typedef struct line_item {
    td_hash128 content;
    uint64_t recv_ns;
    uint64_t publish_ns; /* its own time, or 0 */
    uint32_t line;       /* the line that brought it */
    frame_ref *kept;     /* the frame, with a reference to its block; NULL unless it is kept */
} line_item;

/* The oldest item is at `first`. */
typedef struct item_queue {
    line_item *items;
    size_t first, end, capacity;
    uint64_t number; /* of the item at `first`: how many items were removed before it */
} item_queue;

/* A line of a stream: one connection of it. */
typedef struct stream_line {
    session_conn *conn;  /* its present connection; NULL: none yet */
    uint64_t first_ns;   /* recv_ns of its first frame of the stream */
    uint64_t granted_ns; /* of its connection */
    uint8_t has_begun;   /* its connection began an epoch */
    uint8_t is_joined;
    uint64_t short_ns;  /* not joined: time of the latest frame that is no longer kept, or 0 */
    item_queue owed;    /* joined: returned frames that it has not brought yet */
    item_queue pending; /* not joined: its latest frames */
    /* Not joined: each place that its frames may have in the stream, as the number that its frame 0
     * would have among the returned ones. All of its frames since `start` agree with each place.
     * Without a place, none was returned yet. */
    int64_t *places;
    size_t place_count, place_capacity;
    uint64_t start, start_ns; /* the frame, or the one after it, is the first that may have been
                                 returned; the time of the latter */
} stream_line;

typedef struct line_stream {
    const session_feed *feed; /* NULL before the first frame */
    frame_channel *channel;   /* of line 0 */
    stream_line lines[LINES_MAX];
    stream_line *ended; /* connections that ended before they joined, with their last frames */
    size_t ended_count;
    item_queue returned; /* the latest returned frames that are no copies */
    item_queue doubted;  /* the latest returned frames that may be copies */
    uint64_t sure_ns;    /* recv_ns of the first of `returned` after the last of `doubted` */
    uint64_t last_ns;    /* recv_ns of the last returned frame */
    uint64_t publish_ns; /* its own time, or 0 */
    uint64_t until_ns;   /* nothing of the stream is missing that was sent until then: a connection
                            that had joined, and has ended, is proven to be complete until then */
    session_slot *slot;  /* for connection_table_follow */
    session_conn *epoch; /* the connection of returned frames */
    uint64_t began_ns;   /* when the epoch began */
    uint64_t first;      /* number of the returned frame since which all are in step */
    uint64_t granted_ns; /* of the connection that began the epoch */
    uint8_t is_distinct; /* its frames have a time or number of their own */
    uint8_t has_state;   /* a connection begins with a snapshot, which is no copy of any frame */
} line_stream;

/* The slot of a shard's returned frames. */
typedef struct line_slot {
    session_slot slot;
    uint32_t epoch_count; /* of epochs that began with a connection that had begun another one */
    struct line_slot *next;
} line_slot;

/* A frame that lines_next returns. */
typedef struct ready_frame {
    frame_channel *channel;
    frame_ref *kept; /* NULL: the given frame */
    session_conn *epoch;
    session_slot *slot;
    uint64_t granted_ns;
    uint8_t is_doubtful;
} ready_frame;

struct line_streams {
    connection_table *connections;
    frame_channel **channels; /* of line 0, by the index of a line's channel */
    size_t channel_capacity;
    line_stream *streams; /* by number */
    size_t stream_capacity;
    line_slot *slots;
    td_arena *memory; /* of slots and connections */
    size_t kept_count;
    uint64_t swept_ns;
    frame_ref *given;
    stream_line *giver; /* its line, while the given frame may be the last pending one */
    uint64_t now_ns;    /* time of the last given frame */
    lines_window window;
    uint64_t until_ns; /* at the end that of the window, before it UINT64_MAX */
    ready_frame *ready;
    size_t ready_at, ready_count, ready_capacity;
    frame_ref *in_use; /* the frame that lines_next returned last */
    line_stats stats;
};

/* ---- kept frames ---- */

/* 1 if the frame lives as long as its block, so that other threads may use it; else it is the
 * loader's present frame. */
static int is_of_block(const frame_ref *frame)
{
    const tape_block *block = frame->block;
    return frame >= block->frames && frame < block->frames + block->frame_capacity;
}

static frame_ref *keep(line_streams *self, frame_ref *frame)
{
    if (self->kept_count == LINES_KEPT_MAX || frame->block == NULL)
        return NULL;
    frame_ref *kept = frame;
    if (!is_of_block(frame)) {
        kept = td_alloc(sizeof *kept);
        *kept = *frame;
    }
    tape_block_acquire(frame->block);
    self->kept_count++;
    return kept;
}

static void drop(line_streams *self, frame_ref *kept)
{
    if (kept == NULL)
        return;
    tape_block *block = kept->block;
    self->kept_count--;
    if (!is_of_block(kept))
        td_free(kept);
    tape_block_release(block);
}

/* ---- queues ---- */

static size_t queue_count(const item_queue *queue)
{
    return queue->end - queue->first;
}

/* Forget the oldest items. Returns the time of the last one that is forgotten, or 0. */
static uint64_t queue_pop(line_streams *self, item_queue *queue, size_t count)
{
    uint64_t last_ns = 0;
    for (; count > 0; count--) {
        line_item *item = &queue->items[queue->first++];
        queue->number++;
        last_ns = item->recv_ns;
        if (item->kept != NULL)
            drop(self, item->kept);
    }
    if (queue->first == queue->end)
        queue->first = queue->end = 0;
    return last_ns;
}

static void queue_clear(line_streams *self, item_queue *queue)
{
    (void)queue_pop(self, queue, queue_count(queue));
}

static void queue_fini(line_streams *self, item_queue *queue)
{
    queue_clear(self, queue);
    td_free(queue->items);
    *queue = (item_queue){0};
}

/* The number after that of the last item. */
static uint64_t queue_end(const item_queue *queue)
{
    return queue->number + queue_count(queue);
}

/* Append an item. Without space the oldest one goes, and its time is returned; else 0. */
static uint64_t queue_push(line_streams *self, item_queue *queue, line_item item)
{
    uint64_t lost_ns = 0;
    if (queue_count(queue) == LINES_STREAM_MAX)
        lost_ns = queue_pop(self, queue, 1);
    /* Move items to the front only if that makes space for as many again; else the array grows. */
    if (queue->end == queue->capacity && queue->first > queue->capacity / 2) {
        memmove(queue->items, queue->items + queue->first, queue_count(queue) * sizeof item);
        queue->end -= queue->first;
        queue->first = 0;
    }
    queue->items = td_array_reach(queue->items, &queue->capacity, queue->end, sizeof item);
    queue->items[queue->end++] = item;
    return lost_ns;
}

/* The place of the oldest item with this content after the first one; SIZE_MAX if absent. */
static size_t queue_find(const item_queue *queue, td_hash128 content)
{
    for (size_t i = queue->first; i < queue->end; i++)
        if (td_hash128_equal(queue->items[i].content, content))
            return i - queue->first;
    return SIZE_MAX;
}

/* Forget items that were received before a time. Returns the time of the last one, or 0. */
static uint64_t queue_expire(line_streams *self, item_queue *queue, uint64_t before_ns)
{
    size_t count = 0;
    while (count < queue_count(queue) && queue->items[queue->first + count].recv_ns < before_ns)
        count++;
    return queue_pop(self, queue, count);
}

/* ---- streams ---- */

/* The lines of a stream, then its ended connections; NULL after the last one. */
static stream_line *line_at(line_stream *of, size_t index)
{
    TD_ASSERT(of != NULL);
    if (index < LINES_MAX)
        return &of->lines[index];
    return index - LINES_MAX < of->ended_count ? &of->ended[index - LINES_MAX] : NULL;
}

static void line_fini(line_streams *self, stream_line *line)
{
    queue_fini(self, &line->owed);
    queue_fini(self, &line->pending);
    td_free(line->places);
    *line = (stream_line){0};
}

static void leave(line_streams *self, line_stream *of, stream_line *line)
{
    /* A row that begins with the grant proves nothing. */
    if (line->is_joined && line->conn->complete_ns > line->granted_ns &&
        line->conn->complete_ns > of->until_ns)
        of->until_ns = line->conn->complete_ns;
    line->is_joined = 0;
    line->short_ns = 0;
    line->place_count = 0;
    queue_clear(self, &line->owed);
    queue_clear(self, &line->pending);
}

static void expire(line_streams *self, line_stream *of, uint64_t now_ns)
{
    const uint64_t before_ns = now_ns > LINES_WINDOW_NS ? now_ns - LINES_WINDOW_NS : 0;
    stream_line *line;
    (void)queue_expire(self, &of->returned, before_ns);
    (void)queue_expire(self, &of->doubted, before_ns);
    for (size_t i = 0; (line = line_at(of, i)) != NULL; i++) {
        uint64_t lost_ns = queue_expire(self, &line->pending, before_ns);
        if (lost_ns != 0)
            line->short_ns = lost_ns;
    }
    for (size_t i = of->ended_count; i > 0; i--)
        if (queue_count(&of->ended[i - 1].pending) == 0) {
            line_fini(self, &of->ended[i - 1]);
            of->ended[i - 1] = of->ended[--of->ended_count];
        }
}

static int is_live(const stream_line *line)
{
    return line->conn != NULL && line->conn->slot->now == line->conn && line->conn->slot->is_open;
}

static int has_joined(const line_stream *of)
{
    for (size_t i = 0; i < LINES_MAX; i++)
        if (of->lines[i].is_joined && is_live(&of->lines[i]))
            return 1;
    return 0;
}

/* 1 if a line delivers the stream, or has delivered it until after this time: a tail reader gets
 * the first frames of a process that takes over when the other one has ended. */
static int is_delivered(const line_stream *of, uint64_t now_ns)
{
    return now_ns < of->last_ns || (now_ns <= of->last_ns + SILENCE_NS && has_joined(of));
}

/* ---- places ---- */

static int is_common(const line_item *a, const line_item *b)
{
    const uint64_t apart_ns =
        a->recv_ns > b->recv_ns ? a->recv_ns - b->recv_ns : b->recv_ns - a->recv_ns;
    return td_hash128_equal(a->content, b->content) && apart_ns <= LINES_LAG_NS;
}

static const line_item *item_at(const item_queue *queue, uint64_t number)
{
    return &queue->items[queue->first + (number - queue->number)];
}

static int has_item(const item_queue *queue, int64_t number)
{
    return number >= (int64_t)queue->number && number < (int64_t)queue_end(queue);
}

/* 1 if equal frames of two connections are one frame. */
static int is_distinct(const line_stream *of)
{
    const item_queue *returned = &of->returned;
    if (of->is_distinct || queue_count(returned) < DISTINCT_COUNT)
        return of->is_distinct;
    for (size_t i = returned->end - DISTINCT_COUNT; i < returned->end; i++)
        for (size_t k = i + 1; k < returned->end; k++)
            if (td_hash128_equal(returned->items[i].content, returned->items[k].content))
                return 0;
    return 1;
}

/* Add the place at which a pending frame is a returned one, if they are equal. */
static void add_place(const line_stream *of, stream_line *line, uint64_t number, uint64_t at)
{
    const int64_t place = (int64_t)at - (int64_t)number;
    if (!is_common(item_at(&of->returned, at), item_at(&line->pending, number)) ||
        item_at(&of->returned, at)->recv_ns + CLOCKS_NS < line->conn->conn.since_ns)
        return;
    for (size_t i = 0; i < line->place_count; i++)
        if (line->places[i] == place)
            return;
    line->places =
        td_array_reach(line->places, &line->place_capacity, line->place_count, sizeof(int64_t));
    line->places[line->place_count++] = place;
}

/* Keep the places with which a pending frame agrees. */
static void keep_places(const line_stream *of, stream_line *line, uint64_t number)
{
    size_t count = 0;
    for (size_t i = 0; i < line->place_count; i++) {
        const int64_t at = line->places[i] + (int64_t)number;
        if (!has_item(&of->returned, at) ||
            is_common(item_at(&of->returned, (uint64_t)at), item_at(&line->pending, number)))
            line->places[count++] = line->places[i];
    }
    line->place_count = count;
}

/* 1 if a returned frame is the first one of the stream; before it may be the connection's own. */
static int is_first(const line_stream *of, uint64_t number)
{
    return number == of->first || number == of->first + 1;
}

/* A frame is the last pending one of a line. It or the one before it is the first one that may have
 * been returned, or it is equal to the first one of the stream, which began later than the line.
 * Without any place, frames of the line differ from those of the others: begin with this one. */
static void place_pending(const line_stream *of, stream_line *line)
{
    const item_queue *returned = &of->returned;
    const uint64_t number = queue_end(&line->pending) - 1;
    const uint64_t recv_ns = item_at(&line->pending, number)->recv_ns;
    keep_places(of, line, number);
    int is_start = number <= line->start + 1;
    if (!is_start && line->place_count == 0 &&
        (is_distinct(of) || recv_ns > line->start_ns + LINES_LAG_NS)) {
        line->start = number;
        is_start = 1;
    }
    if (is_start)
        line->start_ns = recv_ns;
    for (uint64_t at = returned->number; at < queue_end(returned); at++)
        if (is_start || is_first(of, at))
            add_place(of, line, number, at);
}

/* A frame is the last returned one. If the line was ahead, it may be one of those with which the
 * line began. */
static void place_returned(const line_stream *of, stream_line *line)
{
    const uint64_t number = queue_end(&of->returned) - 1;
    const item_queue *pending = &line->pending;
    size_t count = 0;
    for (size_t i = 0; i < line->place_count; i++) {
        const int64_t at = (int64_t)number - line->places[i];
        if (!has_item(pending, at) ||
            is_common(item_at(&of->returned, number), item_at(pending, (uint64_t)at)))
            line->places[count++] = line->places[i];
    }
    line->place_count = count;
    const int is_any = is_first(of, number) || (count == 0 && is_distinct(of));
    for (uint64_t at = pending->number; at < queue_end(pending); at++)
        if (is_any || at == line->start || at == line->start + 1)
            add_place(of, line, at, number);
}

/* 1 if all frames of an ended connection may be older than the stream: it was opened before that
 * began, and was perhaps too slow. No place in the stream shows this. */
static int may_be_early(const line_stream *of, const stream_line *line)
{
    return !is_live(line) && !is_distinct(of) && line->conn->conn.since_ns < of->began_ns;
}

/* 1 if it is certain which of the line's frames were returned. Frames that repeat may be later ones
 * that are still to come over the line that delivers. How many frames of the stream the doubtful
 * ones are is unknown, so a place that fits before them may be wrong after them: another one is
 * found when the line brings the first frame after them. */
static int is_placed(const line_stream *of, const stream_line *line, uint64_t now_ns)
{
    const uint64_t from_ns = line->start_ns > of->sure_ns ? line->start_ns : of->sure_ns;
    return line->place_count == 1 && !may_be_early(of, line) &&
           (is_distinct(of) ||
            (is_delivered(of, now_ns) && from_ns != AT_END && now_ns > from_ns + LINES_LAG_NS));
}

/* ---- delivery ---- */

static void queue_ready(line_streams *self, line_stream *of, frame_ref *kept, uint8_t is_doubtful)
{
    self->ready =
        td_array_reach(self->ready, &self->ready_capacity, self->ready_count, sizeof *self->ready);
    self->ready[self->ready_count++] =
        (ready_frame){of->channel, kept, of->epoch, of->slot, of->granted_ns, is_doubtful};
    self->stats.doubtful += is_doubtful;
}

/* A frame of a line is the stream's next one: the other lines that have joined owe it. A line that
 * owes too many frames must join again. What may be a copy is no frame that another line can owe:
 * it would put a copy into the order of the others. */
static void deliver(line_streams *self, line_stream *of, const stream_line *by, line_item item,
                    uint8_t is_doubtful)
{
    frame_ref *kept = item.kept;
    stream_line *line;
    item.kept = NULL;
    queue_ready(self, of, kept, is_doubtful);
    self->stats.first[item.line]++;
    of->last_ns = item.recv_ns;
    (void)queue_push(self, is_doubtful ? &of->doubted : &of->returned, item);
    if (is_doubtful || of->sure_ns == AT_END)
        of->sure_ns = is_doubtful ? AT_END : item.recv_ns;
    if (is_doubtful)
        return;
    of->publish_ns = item.publish_ns;
    for (size_t i = 0; (line = line_at(of, i)) != NULL; i++) {
        if (line == by)
            continue;
        if (line->is_joined && (!is_live(line) || queue_push(self, &line->owed, item) != 0))
            leave(self, of, line);
        else if (!line->is_joined && queue_count(&line->pending) > 0)
            place_returned(of, line);
    }
}

/* Deliver all that is kept of a line; those with a number below doubtful_end may be copies. 0: some
 * of it is not kept. */
static int deliver_pending(line_streams *self, line_stream *of, stream_line *line,
                           uint64_t doubtful_end)
{
    int is_whole = 1;
    for (size_t i = line->pending.first; i < line->pending.end; i++) {
        line_item item = line->pending.items[i];
        const int is_given = line == self->giver && i + 1 == line->pending.end;
        const uint64_t number = line->pending.number + (i - line->pending.first);
        is_whole &= item.kept != NULL || is_given;
        line->pending.items[i].kept = NULL;
        self->stats.late += !is_given;
        if (item.kept != NULL || is_given)
            deliver(self, of, line, item, number < doubtful_end);
    }
    line->place_count = 0;
    queue_clear(self, &line->pending);
    return is_whole;
}

/* ---- epochs ---- */

static line_slot *get_slot(line_streams *self, const session_feed *feed, uint32_t shard)
{
    for (line_slot *at = self->slots; at != NULL; at = at->next)
        if (at->slot.feed == feed && at->slot.none.conn.shard == shard)
            return at;
    line_slot *made = td_arena_alloc(self->memory, sizeof *made);
    *made = (line_slot){.next = self->slots};
    made->slot = (session_slot){.none = {.slot = &made->slot,
                                         .conn = {.session = feed->session->number,
                                                  .session_id = feed->session->id,
                                                  .shard = shard,
                                                  .is_recorded = feed->is_recording}},
                                .is_open = 1,
                                .feed = feed};
    made->slot.now = &made->slot.none;
    self->slots = made;
    return made;
}

static session_conn *make_epoch(line_streams *self, line_slot *slot, const frame_conn *as)
{
    session_conn *made = td_arena_copy(self->memory, &slot->slot.none, sizeof *made);
    made->conn = *as;
    return made;
}

/* The stream continues as another connection: as that of the line that brings its next frame. If it
 * began an epoch of the stream before, the new one is of a line that does not exist. */
static void begin_epoch(line_streams *self, line_stream *of, stream_line *line)
{
    session_conn *conn = line->conn;
    line_slot *slot = get_slot(self, of->feed, conn->conn.shard);
    frame_conn as = conn->conn;
    if (conn->epoch == NULL)
        conn->epoch = make_epoch(self, slot, &as);
    if (line->has_begun) {
        as.line = LINES_MAX;
        as.number = ++slot->epoch_count;
    }
    of->epoch = line->has_begun ? make_epoch(self, slot, &as) : conn->epoch;
    line->has_begun = 1;
    slot->slot.now = of->epoch;
    of->slot = &slot->slot;
    of->granted_ns = line->granted_ns;
    of->began_ns = self->now_ns;
    self->stats.epochs++;
}

/* ---- joining ---- */

static void join_stream(line_streams *self, line_stream *of, stream_line *line)
{
    const item_queue *returned = &of->returned;
    const uint64_t end = queue_end(&line->pending);
    const int64_t place = line->places[0];
    const int64_t copies = (int64_t)queue_end(returned) - place - (int64_t)line->pending.number;
    const size_t count = queue_count(&line->pending);
    const size_t popped = copies < 0 ? 0 : (size_t)copies < count ? (size_t)copies : count;
    self->stats.copies += popped;
    (void)queue_pop(self, &line->pending, popped);
    line->is_joined = 1;
    for (int64_t at = place + (int64_t)end; at < (int64_t)queue_end(returned); at++)
        if (has_item(returned, at))
            (void)queue_push(self, &line->owed, *item_at(returned, (uint64_t)at));
    if (!deliver_pending(self, of, line, 0))
        begin_epoch(self, of, line);
}

/* 1 if copies of returned frames may still come over a line, when no other one delivers. It was
 * opened before the last returned frame, and it may be slower than the line that brought that. The
 * first frame of a book or ticker is the connection's own, so it shows nothing. Any other distinct
 * frame that was not returned is later than all that were, or earlier than the stream. */
static int may_bring_copies(const line_stream *of, const stream_line *line, uint64_t now_ns)
{
    if (of->epoch == NULL || now_ns > of->last_ns + LINES_LAG_NS ||
        line->conn->conn.since_ns >= of->last_ns)
        return 0;
    return line->place_count > 0 || !is_distinct(of) || line->conn->conn.since_ns < of->began_ns ||
           (of->has_state && queue_end(&line->pending) == 1);
}

/* 1 if another line may still bring copies, and then the frames that follow them: it is slower than
 * this one, which begins later. */
static int may_be_filled(const line_stream *of, const stream_line *line, uint64_t now_ns)
{
    const session_slot *own = line->conn->slot;
    if (of->epoch == NULL || now_ns > of->last_ns + LINES_LAG_NS)
        return 0;
    for (const session_slot *at = of->feed->slots; at != NULL; at = at->next) {
        if (at == own || !at->is_open || at->none.conn.shard != own->none.conn.shard ||
            at->none.conn.line >= LINES_MAX || at->now->conn.since_ns >= of->last_ns)
            continue;
        const stream_line *other = &of->lines[at->none.conn.line];
        if (other->conn != at->now || queue_end(&other->pending) == 0 ||
            may_bring_copies(of, other, now_ns))
            return 1;
    }
    return 0;
}

/* The frames of a line that are no copies of returned ones, if its place is not certain. */
typedef struct remainder {
    uint64_t from, doubtful_end; /* numbers of pending frames */
    uint8_t overlaps; /* 1: the line has a frame that was returned, or was sent before one */
} remainder;

/* The number after that of the last pending frame, since `from`, that is equal to one of which it
 * is unknown whether it was new: so this one may be its copy, whatever place fits. */
static uint64_t find_doubted_end(const line_stream *of, const stream_line *line, uint64_t from)
{
    const item_queue *doubted = &of->doubted;
    uint64_t end = line->pending.number;
    for (uint64_t at = from; at < queue_end(&line->pending); at++)
        for (uint64_t k = doubted->number; k < queue_end(doubted); k++)
            if (item_at(doubted, k)->recv_ns + CLOCKS_NS >= line->conn->conn.since_ns &&
                is_common(item_at(doubted, k), item_at(&line->pending, at)))
                end = at + 1;
    return end;
}

/* The least number that each place, or that it has none, leaves. What the line received so long
 * before the other one's end, that one had brought, too; those that it did not bring are the
 * connection's own, such as the first snapshot of a book. */
static remainder find_remainder(const line_stream *of, const stream_line *line)
{
    const item_queue *pending = &line->pending;
    const int64_t returned_end = (int64_t)queue_end(&of->returned);
    const int64_t end = (int64_t)queue_end(pending);
    int64_t least = end;
    int64_t most = (int64_t)pending->number;
    for (size_t i = 0; i < line->place_count; i++) {
        int64_t copies = returned_end - line->places[i];
        copies = copies > end ? end : copies;
        least = copies < least ? copies : least;
        most = copies > most ? copies : most;
    }
    const uint64_t until_ns = of->until_ns > of->last_ns ? of->until_ns : of->last_ns;
    remainder out = {.from = pending->number, .doubtful_end = (uint64_t)most};
    while (has_item(pending, (int64_t)out.from) &&
           item_at(pending, out.from)->recv_ns + LINES_LAG_NS < until_ns)
        out.from++;
    out.overlaps =
        line->place_count > 0 && (is_distinct(of) || line->first_ns + LINES_LAG_NS < until_ns);
    if (out.overlaps && least > (int64_t)out.from)
        out.from = (uint64_t)least;
    const uint64_t doubted_end = find_doubted_end(of, line, out.from);
    if (doubted_end > out.doubtful_end)
        out.doubtful_end = doubted_end;
    return out;
}

/* 1 if a line was granted before everything that was sent until then had come over one that had
 * joined: so nothing is missing between them. */
static int is_granted(const line_stream *of, const stream_line *line)
{
    return line->granted_ns != 0 && line->granted_ns <= of->until_ns &&
           line->short_ns + LINES_LAG_NS <= of->until_ns;
}

/* The number after that of the last pending frame that is older than the stream by its own time:
 * the line was opened before the stream began, and is slower than the one with which it began. */
static uint64_t find_early_end(const line_stream *of, const stream_line *line)
{
    const item_queue *pending = &line->pending;
    uint64_t end = pending->number;
    for (uint64_t at = end; line->conn->conn.since_ns < of->began_ns && at < queue_end(pending);
         at++)
        if (item_at(pending, at)->publish_ns != 0 &&
            item_at(pending, at)->publish_ns < of->publish_ns)
            end = at + 1;
    return end;
}

/* Use the frames of a line that has not joined, when no other one delivers. 0: they have to wait.
 */
static int use_pending(line_streams *self, line_stream *of, stream_line *line, uint64_t now_ns)
{
    const int has_given = line == self->giver;
    if (is_placed(of, line, now_ns)) {
        join_stream(self, of, line);
        return 1;
    }
    const int is_kept = line->pending.items[line->pending.end - 1].kept != NULL;
    if ((is_kept || !has_given) &&
        (may_bring_copies(of, line, now_ns) || may_be_filled(of, line, now_ns)))
        return 0;
    const remainder rest = find_remainder(of, line);
    const uint64_t end = queue_end(&line->pending);
    const uint64_t early_end = find_early_end(of, line);
    const int continues =
        of->epoch != NULL && (has_joined(of) || rest.overlaps || is_granted(of, line));
    const int is_only_own = (now_ns == AT_END || !is_live(line)) && of->has_state && end == 1;
    uint64_t from = rest.from;
    if (!continues && of->has_state)
        from = line->pending.number; /* the snapshot is needed */
    if (early_end == end || (!of->has_state && early_end > from))
        from = early_end;
    (void)queue_pop(self, &line->pending, is_only_own ? 1 : (size_t)(from - line->pending.number));
    line->is_joined = rest.overlaps || queue_count(&line->pending) > 0;
    if (queue_count(&line->pending) == 0)
        return 1;
    if (!continues)
        begin_epoch(self, of, line);
    of->first = queue_end(&of->returned);
    if (!deliver_pending(self, of, line, may_be_early(of, line) ? end : rest.doubtful_end))
        begin_epoch(self, of, line);
    return 1;
}

/* The line with the oldest pending frame, or NULL. */
static stream_line *find_waiting(line_stream *of)
{
    stream_line *found = NULL;
    stream_line *line;
    uint64_t least_ns = UINT64_MAX;
    for (size_t i = 0; (line = line_at(of, i)) != NULL; i++)
        if (!line->is_joined && queue_count(&line->pending) > 0 &&
            line->pending.items[line->pending.first].recv_ns < least_ns) {
            found = line;
            least_ns = line->pending.items[line->pending.first].recv_ns;
        }
    return found;
}

/* 1 if a frame waits that came later than all that was returned, and long enough ago that another
 * line would have brought it. */
static int has_later(line_stream *of, uint64_t now_ns)
{
    const uint64_t until_ns = of->until_ns > of->last_ns ? of->until_ns : of->last_ns;
    stream_line *line;
    for (size_t i = 0; (line = line_at(of, i)) != NULL; i++) {
        const item_queue *pending = &line->pending;
        size_t at = pending->end;
        while (!line->is_joined && at > pending->first && pending->items[at - 1].recv_ns > until_ns)
            at--;
        if (at < pending->end && !line->is_joined &&
            pending->items[at].recv_ns < now_ns - LINES_LAG_NS)
            return 1;
    }
    return 0;
}

/* 1 if what waits is not needed now: a line delivers. At the end, a slower one has not brought all
 * yet. A line that is silent may have nothing to deliver, so only a frame of another one shows that
 * it lacks something. */
static int may_wait(const line_streams *self, line_stream *of, uint64_t now_ns)
{
    if (now_ns == AT_END)
        return has_joined(of) && !is_distinct(of) && !has_later(of, now_ns);
    return is_delivered(of, now_ns) ||
           (self->giver == NULL && has_joined(of) && !has_later(of, now_ns));
}

/* Use what waits. */
static void settle(line_streams *self, line_stream *of, uint64_t now_ns)
{
    stream_line *line;
    for (;;) {
        for (size_t i = 0; (line = line_at(of, i)) != NULL; i++)
            if (line->is_joined && !is_live(line))
                leave(self, of, line);
        line = may_wait(self, of, now_ns) ? NULL : find_waiting(of);
        if (line == NULL || !use_pending(self, of, line, now_ns))
            return;
    }
}

static void sweep(line_streams *self, uint64_t now_ns)
{
    if (now_ns < self->swept_ns + SWEEP_NS && now_ns >= self->swept_ns)
        return;
    self->swept_ns = now_ns;
    for (size_t i = 0; i < self->stream_capacity; i++) {
        settle(self, &self->streams[i], now_ns);
        expire(self, &self->streams[i], now_ns);
    }
}

/* ---- one frame ---- */

/* The frame of a line that has joined. */
static void take_joined(line_streams *self, line_stream *of, stream_line *line, line_item item)
{
    size_t owed = queue_find(&line->owed, item.content);
    stream_line *other;
    if (owed != SIZE_MAX) {
        const line_item *first = &line->owed.items[line->owed.first + owed];
        if (item.recv_ns > first->recv_ns) {
            self->stats.led[first->line]++;
            self->stats.lead_ns[first->line] += item.recv_ns - first->recv_ns;
        }
        (void)queue_pop(self, &line->owed, owed + 1);
        self->stats.copies++;
        return;
    }
    deliver(self, of, line, item, 0);
    for (size_t i = 0; (other = line_at(of, i)) != NULL; i++)
        if (!other->is_joined && is_placed(of, other, item.recv_ns))
            join_stream(self, of, other);
}

/* The frame of a line that has not joined. */
static void take_other(line_streams *self, line_stream *of, stream_line *line, line_item item,
                       frame_ref *frame)
{
    item.kept = keep(self, frame);
    uint64_t lost_ns = queue_push(self, &line->pending, item);
    if (lost_ns != 0)
        line->short_ns = lost_ns;
    place_pending(of, line);
    self->giver = line;
    if (is_placed(of, line, item.recv_ns))
        join_stream(self, of, line);
    else
        settle(self, of, item.recv_ns);
    self->giver = NULL;
}

static void forget(line_streams *self, line_stream *of)
{
    for (size_t i = 0; line_at(of, i) != NULL; i++)
        line_fini(self, line_at(of, i));
    td_free(of->ended);
    queue_fini(self, &of->returned);
    queue_fini(self, &of->doubted);
    *of = (line_stream){0};
}

/* The hash by which a frame is compared with those of other connections. */
static td_hash128 hash_content(const frame_ref *frame)
{
    enum { OWN = 2 };
    const td_bytes bytes = frame->bytes;
    const td_bytes digits = conn_counter_digits(exchange_of(frame->channel->family), bytes);
    const td_bytes time = conn_time_text(frame->row, bytes);
    const td_bytes own[OWN] = {digits.data < time.data ? digits : time,
                               digits.data < time.data ? time : digits};
    td_hash128 parts[OWN + 1];
    size_t count = 0;
    size_t at = 0;
    for (size_t i = 0; i < OWN; i++)
        if (own[i].size > 0) {
            const size_t end = (size_t)(own[i].data - bytes.data);
            parts[count++] = td_hash128_of(bytes.data + at, end - at);
            at = end + own[i].size;
        }
    parts[count++] = td_hash128_of(bytes.data + at, bytes.size - at);
    return count == 1 ? parts[0] : td_hash128_of(parts, count * sizeof *parts);
}

/* The time that a frame has on all connections; 0: absent. */
static uint64_t find_publish_ns(const frame_ref *frame)
{
    const field_row *of_conn = conn_time_field(frame->row);
    const int is_own = of_conn != NULL && of_conn->member == frame->row->time_member;
    return is_own || frame->publish_ns == frame->recv_ns ? 0 : frame->publish_ns;
}

/* 1 if the frames of a topic bear something that rises or differs from frame to frame. */
static int is_numbered(const topic_row *row)
{
    static const uint64_t RULES = UINT64_C(1) << RULE_SEQ_STRICT | UINT64_C(1) << RULE_SEQ_DENSE |
                                  UINT64_C(1) << RULE_TIME_STRICT | UINT64_C(1) << RULE_ID_UNIQUE |
                                  UINT64_C(1) << RULE_ID_ASCENDING | UINT64_C(1) << RULE_ID_DENSE |
                                  UINT64_C(1) << RULE_PREV_LINKS;
    for (size_t i = 0; row != NULL && i < TOPIC_RULES_MAX && row->rules[i].rule != RULE_NONE; i++)
        if (row->rules[i].strength == STRENGTH_ERROR && (RULES >> row->rules[i].rule & 1) != 0)
            return 1;
    return row != NULL && msg_type_has_book(row->type) &&
           topic_field(row->fields, row->field_count, MEMBER_UPDATED_AT) != NULL;
}

/* A line has another connection. What the last one has not brought in step may still be needed. */
static void change_conn(line_streams *self, line_stream *of, stream_line *line, session_conn *conn)
{
    if (!line->is_joined && queue_count(&line->pending) > 0) {
        of->ended = td_array_grow(of->ended, of->ended_count, sizeof *of->ended);
        of->ended[of->ended_count++] = *line;
        *line = (stream_line){0};
    } else {
        leave(self, of, line);
        line_fini(self, line);
    }
    line->conn = conn;
}

static line_stream *get_stream(line_streams *self, const session_slot *slot, frame_channel *channel)
{
    td_array_ensure((void **)&self->streams, &self->stream_capacity, channel->stream,
                    sizeof *self->streams);
    line_stream *of = &self->streams[channel->stream];
    if (of->feed != slot->feed && of->feed != NULL) {
        settle(self, of, AT_END);
        forget(self, of);
    }
    of->feed = slot->feed;
    of->channel = channel;
    return of;
}

static td_result get_channel(line_streams *self, const frame_channel *from, frame_channel **out,
                             td_err *err)
{
    td_array_ensure((void **)&self->channels, &self->channel_capacity, from->index,
                    sizeof(frame_channel *));
    *out = self->channels[from->index];
    if (*out != NULL)
        return TD_OK;
    channel_info info = from->info;
    info.line = 0;
    td_result rc = connection_table_channel(self->connections, &info, out, err);
    self->channels[from->index] = *out;
    return rc;
}

int lines_has_stream(const session_slot *slot, const frame_ref *frame)
{
    return frame->channel->stream != FRAME_NO_STREAM && frame->channel->info.line < LINES_MAX &&
           slot->now != &slot->none && (frame->row == NULL || frame->row->type != MSG_ORDER_ENTRY);
}

td_result lines_give(line_streams *self, const session_slot *slot, frame_ref *frame, td_err *err)
{
    frame_channel *channel = NULL;
    TD_ASSERT(self->ready_at == self->ready_count);
    td_result rc = get_channel(self, frame->channel, &channel, err);
    if (rc != TD_OK)
        return rc;
    self->given = frame;
    self->now_ns = frame->recv_ns;
    self->ready_at = self->ready_count = 0;
    line_stream *of = get_stream(self, slot, channel);
    stream_line *line = &of->lines[frame->channel->info.line];
    const line_item item = {.content = hash_content(frame),
                            .recv_ns = frame->recv_ns,
                            .publish_ns = find_publish_ns(frame),
                            .line = frame->channel->info.line};
    of->is_distinct |= item.publish_ns != 0 || is_numbered(frame->row);
    of->has_state = topic_row_has_state(frame->row) != 0;
    sweep(self, frame->recv_ns);
    /* What has waited is used before it is too old: perhaps no frame came for long. */
    if (self->kept_count > 0)
        settle(self, of, frame->recv_ns);
    expire(self, of, frame->recv_ns);
    if (line->conn != slot->now)
        change_conn(self, of, line, slot->now);
    if (self->kept_count > 0)
        settle(self, of, frame->recv_ns);
    line->first_ns = line->first_ns == 0 ? frame->recv_ns : line->first_ns;
    line->granted_ns = slot->granted_ns;
    if (line->is_joined)
        take_joined(self, of, line, item);
    else
        take_other(self, of, line, item, frame);
    return TD_OK;
}

int lines_pass(line_streams *self, uint64_t recv_ns, uint64_t returned_ns)
{
    TD_ASSERT(self->ready_at == self->ready_count);
    if (TD_LIKELY(self->kept_count == 0 || recv_ns < self->now_ns + LINES_WINDOW_NS))
        return 0;
    self->ready_at = self->ready_count = 0;
    if (self->now_ns < returned_ns)
        self->now_ns = returned_ns;
    sweep(self, recv_ns);
    return self->ready_count > 0;
}

void lines_end(line_streams *self)
{
    self->ready_at = self->ready_count = 0;
    self->until_ns = self->window.until_ns;
    if (self->now_ns < self->window.from_ns)
        self->now_ns = self->window.from_ns;
    for (size_t i = 0; i < self->stream_capacity; i++)
        settle(self, &self->streams[i], AT_END);
}

/* Drop the ready frames of the next window. Returns the next one of this window, or NULL. */
static const ready_frame *next_ready(line_streams *self)
{
    for (; self->ready_at < self->ready_count; self->ready_at++) {
        const ready_frame *next = &self->ready[self->ready_at];
        if (next->kept == NULL || next->kept->recv_ns < self->until_ns)
            return next;
        drop(self, next->kept);
    }
    return NULL;
}

frame_ref *lines_next(line_streams *self, const session_slot **as)
{
    drop(self, self->in_use);
    self->in_use = NULL;
    const ready_frame *found = next_ready(self);
    if (found == NULL)
        return NULL;
    const ready_frame next = *found;
    self->ready_at++;
    frame_ref *frame = next.kept == NULL ? self->given : next.kept;
    const int is_own = frame->recv_ns >= self->window.since_ns;
    self->in_use = next.kept;
    if (next.kept != NULL && frame->recv_ns < self->now_ns) {
        frame->recv_ns = self->now_ns;
        frame->is_late = 1;
    }
    if (is_own && frame->recv_ns >= self->window.from_ns)
        frame->is_lead_in = 0; /* it was kept, and its time is later */
    frame->channel = next.channel;
    frame->own_conn = frame->conn;
    frame->conn = &next.epoch->conn;
    frame->is_doubtful = next.is_doubtful;
    next.slot->granted_ns = next.granted_ns;
    *as = next.slot;
    return frame;
}

/* ---- life ---- */

const line_stats *lines_get_stats(const line_streams *self)
{
    return &self->stats;
}

line_streams *lines_open(connection_table *connections)
{
    line_streams *made = td_alloc_zero(1, sizeof *made);
    made->connections = connections;
    made->memory = td_arena_open();
    made->window.until_ns = made->until_ns = UINT64_MAX;
    return made;
}

void lines_set_window(line_streams *self, const lines_window *window)
{
    self->window = *window;
    self->until_ns = UINT64_MAX;
}

void lines_rewind(line_streams *self)
{
    drop(self, self->in_use);
    self->in_use = NULL;
    for (; self->ready_at < self->ready_count; self->ready_at++)
        drop(self, self->ready[self->ready_at].kept);
    for (size_t i = 0; i < self->stream_capacity; i++)
        forget(self, &self->streams[i]);
    for (line_slot *at = self->slots; at != NULL; at = at->next) {
        at->slot.now = &at->slot.none;
        at->epoch_count = 0;
    }
    self->swept_ns = 0;
    self->now_ns = 0;
}

void lines_close(line_streams *self)
{
    if (self == NULL)
        return;
    lines_rewind(self);
    td_arena_close(self->memory);
    td_free(self->channels);
    td_free(self->streams);
    td_free(self->ready);
    td_free(self);
}
