#include "tape/lines.h"

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "tape/block.h"

/* A connection that has joined counts as silent after this time without a frame of the stream;
 * another connection's frames are then returned at once. */
#define SILENCE_NS (5 * TD_NS_PER_S)
#define SWEEP_NS   TD_NS_PER_S
/* Two connections bring a frame within this time. */
#define LAG_NS TD_NS_PER_S

/* A remembered frame of a stream. */
typedef struct line_item {
    td_hash128 content;
    uint64_t recv_ns;
    uint32_t by;     /* the line that brought it */
    frame_ref *kept; /* the frame, with a reference to its block; NULL unless it is kept */
} line_item;

/* The oldest item is at `first`. */
typedef struct item_queue {
    line_item *items;
    size_t first, end, capacity;
} item_queue;

/* A line of a stream. */
typedef struct stream_line {
    session_conn *conn; /* its present connection; NULL: none yet */
    uint64_t last_ns;   /* recv_ns of its last frame */
    uint8_t has_begun;  /* its connection began an epoch */
    uint8_t is_joined;
    uint64_t short_ns;  /* not joined: time of the latest frame that is no longer kept, or 0 */
    item_queue owed;    /* joined: returned frames that it has not brought yet */
    item_queue pending; /* not joined: its latest frames */
} stream_line;

typedef struct line_stream {
    const session_feed *feed; /* NULL before the first frame */
    frame_channel *channel;   /* of line 0 */
    stream_line lines[LINES_MAX];
    item_queue returned; /* the latest returned frames */
    uint64_t last_ns;    /* recv_ns of the last returned frame */
    uint64_t until_ns;   /* nothing of the stream is missing until then: a connection that had
                            joined, and has ended, was complete until then */
    session_slot *slot;  /* for connection_table_follow */
    session_conn *epoch; /* the connection of returned frames */
    uint64_t granted_ns; /* of the connection that began the epoch */
} line_stream;

/* The slot of a shard's returned frames. */
typedef struct line_slot {
    session_slot slot;
    uint32_t epoch_count; /* of epochs that began with a connection that had begun another one */
    struct line_slot *next;
} line_slot;

/* A frame that lines_next returns. */
typedef struct ready_frame {
    line_stream *of;
    frame_ref *kept; /* NULL: the given frame */
    session_conn *epoch;
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

static void leave(line_streams *self, line_stream *of, stream_line *line)
{
    if (line->is_joined) {
        uint64_t complete_ns = line->conn->complete_ns;
        complete_ns = line->last_ns > complete_ns ? line->last_ns : complete_ns;
        of->until_ns = complete_ns > of->until_ns ? complete_ns : of->until_ns;
    }
    line->is_joined = 0;
    line->short_ns = 0;
    queue_clear(self, &line->owed);
    queue_clear(self, &line->pending);
}

static void expire(line_streams *self, line_stream *of, uint64_t now_ns)
{
    const uint64_t before_ns = now_ns > LINES_WINDOW_NS ? now_ns - LINES_WINDOW_NS : 0;
    (void)queue_expire(self, &of->returned, before_ns);
    for (size_t i = 0; i < LINES_MAX; i++) {
        uint64_t lost_ns = queue_expire(self, &of->lines[i].pending, before_ns);
        if (lost_ns != 0)
            of->lines[i].short_ns = lost_ns;
    }
}

static void sweep(line_streams *self, uint64_t now_ns)
{
    if (now_ns < self->swept_ns + SWEEP_NS && now_ns >= self->swept_ns)
        return;
    self->swept_ns = now_ns;
    for (size_t i = 0; i < self->stream_capacity; i++)
        expire(self, &self->streams[i], now_ns);
}

static int is_live(const stream_line *line)
{
    return line->conn != NULL && line->conn->slot->now == line->conn && line->conn->slot->is_open;
}

/* 1 if another line delivers the stream, or has delivered it until after this frame: a tail reader
 * gets the first frames of a process that takes over when the other one has ended. */
static int is_delivered(const line_stream *of, const stream_line *by, uint64_t now_ns)
{
    if (now_ns < of->last_ns)
        return 1;
    if (now_ns > of->last_ns + SILENCE_NS)
        return 0;
    for (size_t i = 0; i < LINES_MAX; i++)
        if (&of->lines[i] != by && of->lines[i].is_joined && is_live(&of->lines[i]))
            return 1;
    return 0;
}

static int has_joined(const line_stream *of)
{
    for (size_t i = 0; i < LINES_MAX; i++)
        if (of->lines[i].is_joined && is_live(&of->lines[i]))
            return 1;
    return 0;
}

static void queue_ready(line_streams *self, line_stream *of, frame_ref *kept)
{
    self->ready =
        td_array_reach(self->ready, &self->ready_capacity, self->ready_count, sizeof *self->ready);
    self->ready[self->ready_count++] = (ready_frame){of, kept, of->epoch};
}

/* A frame of a line is the stream's next one: the other lines that have joined owe it. A line that
 * owes too many frames must join again. */
static void deliver(line_streams *self, line_stream *of, const stream_line *by, line_item item)
{
    frame_ref *kept = item.kept;
    item.kept = NULL;
    queue_ready(self, of, kept);
    self->stats.first[by - of->lines]++;
    (void)queue_push(self, &of->returned, item);
    of->last_ns = item.recv_ns;
    for (size_t i = 0; i < LINES_MAX; i++) {
        stream_line *line = &of->lines[i];
        if (line != by && line->is_joined &&
            (!is_live(line) || queue_push(self, &line->owed, item) != 0))
            leave(self, of, line);
    }
}

/* Deliver what is kept of a line from a place on. 0: some of it is not kept. */
static int deliver_pending(line_streams *self, line_stream *of, stream_line *line, size_t from)
{
    int is_whole = 1;
    for (size_t i = line->pending.first + from; i < line->pending.end; i++) {
        line_item item = line->pending.items[i];
        is_whole &= item.kept != NULL;
        line->pending.items[i].kept = NULL;
        self->stats.late++;
        if (item.kept != NULL)
            deliver(self, of, line, item);
    }
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
    of->granted_ns = conn->slot->granted_ns;
    self->stats.epochs++;
}

/* ---- one frame ---- */

/* The frame of a line that has joined. */
static void take_joined(line_streams *self, line_stream *of, stream_line *line, line_item item)
{
    size_t owed = queue_find(&line->owed, item.content);
    if (owed != SIZE_MAX) {
        const line_item *first = &line->owed.items[line->owed.first + owed];
        if (item.recv_ns > first->recv_ns) {
            self->stats.led[first->by]++;
            self->stats.lead_ns[first->by] += item.recv_ns - first->recv_ns;
        }
        (void)queue_pop(self, &line->owed, owed + 1);
        self->stats.copies++;
        return;
    }
    deliver(self, of, line, item);
    for (size_t i = 0; i < LINES_MAX; i++) {
        stream_line *other = &of->lines[i];
        size_t place = other->is_joined ? SIZE_MAX : queue_find(&other->pending, item.content);
        if (place == SIZE_MAX)
            continue;
        self->stats.copies += place + 1;
        other->is_joined = 1;
        if (!deliver_pending(self, of, other, place + 1))
            begin_epoch(self, of, other);
    }
}

/* The frame of a line that has not joined, while another one delivers. */
static void take_other(line_streams *self, line_stream *of, stream_line *line, line_item item,
                       frame_ref *frame)
{
    size_t place = queue_find(&of->returned, item.content);
    if (place == SIZE_MAX) {
        item.kept = keep(self, frame);
        uint64_t lost_ns = queue_push(self, &line->pending, item);
        if (lost_ns != 0)
            line->short_ns = lost_ns;
        return;
    }
    self->stats.copies += queue_count(&line->pending) + 1;
    queue_clear(self, &line->pending);
    line->is_joined = 1;
    for (size_t i = of->returned.first + place + 1; i < of->returned.end; i++)
        (void)queue_push(self, &line->owed, of->returned.items[i]);
}

/* 1 if a line continues the stream, although no other one is left: it was subscribed before the
 * last frame of one that had joined, so everything since then came over it, and is kept. Its frames
 * from LAG_NS before then are not needed: the other line would have brought them, too. Those that
 * it did not bring are the connection's own, such as the first snapshot of a book. */
static int continues(line_streams *self, line_stream *of, stream_line *line)
{
    const uint64_t granted_ns = line->conn->slot->granted_ns;
    for (size_t i = 0; i < LINES_MAX; i++)
        if (of->lines[i].is_joined && !is_live(&of->lines[i]))
            leave(self, of, &of->lines[i]);
    if (of->epoch == NULL || granted_ns == 0 || granted_ns > of->until_ns ||
        line->short_ns + LAG_NS > of->until_ns)
        return 0;
    (void)queue_expire(self, &line->pending, of->until_ns - LAG_NS);
    return 1;
}

/* The frame of a line that has not joined, and no other one delivers. */
static void take_first(line_streams *self, line_stream *of, stream_line *line, line_item item)
{
    if (!has_joined(of) && !continues(self, of, line))
        begin_epoch(self, of, line);
    if (!deliver_pending(self, of, line, 0))
        begin_epoch(self, of, line);
    line->is_joined = 1;
    take_joined(self, of, line, item);
}

static line_stream *get_stream(line_streams *self, const session_slot *slot, frame_channel *channel)
{
    td_array_ensure((void **)&self->streams, &self->stream_capacity, channel->stream,
                    sizeof *self->streams);
    line_stream *of = &self->streams[channel->stream];
    for (size_t i = 0; i < LINES_MAX && of->feed != slot->feed; i++) {
        leave(self, of, &of->lines[i]);
        of->lines[i].conn = NULL;
    }
    if (of->feed != slot->feed) {
        queue_clear(self, &of->returned);
        of->until_ns = of->last_ns = 0;
        of->epoch = NULL;
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
    line_stream *of = get_stream(self, slot, channel);
    stream_line *line = &of->lines[frame->channel->info.line];
    const line_item item = {.content = td_hash128_of(frame->bytes.data, frame->bytes.size),
                            .recv_ns = frame->recv_ns,
                            .by = frame->channel->info.line};
    self->given = frame;
    self->ready_at = self->ready_count = 0;
    sweep(self, frame->recv_ns);
    expire(self, of, frame->recv_ns);
    if (line->conn != slot->now) {
        leave(self, of, line);
        line->has_begun = 0;
    }
    line->conn = slot->now;
    line->last_ns = frame->recv_ns;
    if (line->is_joined)
        take_joined(self, of, line, item);
    else if (is_delivered(of, line, frame->recv_ns))
        take_other(self, of, line, item, frame);
    else
        take_first(self, of, line, item);
    return TD_OK;
}

frame_ref *lines_next(line_streams *self, const session_slot **as)
{
    drop(self, self->in_use);
    self->in_use = NULL;
    if (self->ready_at == self->ready_count)
        return NULL;
    ready_frame next = self->ready[self->ready_at++];
    frame_ref *frame = next.kept == NULL ? self->given : next.kept;
    self->in_use = next.kept;
    if (next.kept != NULL && frame->recv_ns < self->given->recv_ns) {
        frame->recv_ns = self->given->recv_ns;
        frame->is_late = 1;
    }
    frame->channel = next.of->channel;
    frame->conn = &next.epoch->conn;
    next.of->slot->granted_ns = next.of->granted_ns;
    *as = next.of->slot;
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
    return made;
}

void lines_rewind(line_streams *self)
{
    drop(self, self->in_use);
    self->in_use = NULL;
    for (; self->ready_at < self->ready_count; self->ready_at++)
        drop(self, self->ready[self->ready_at].kept);
    for (size_t i = 0; i < self->stream_capacity; i++) {
        line_stream *of = &self->streams[i];
        queue_fini(self, &of->returned);
        for (size_t k = 0; k < LINES_MAX; k++) {
            queue_fini(self, &of->lines[k].owed);
            queue_fini(self, &of->lines[k].pending);
        }
        *of = (line_stream){0};
    }
    for (line_slot *at = self->slots; at != NULL; at = at->next) {
        at->slot.now = &at->slot.none;
        at->epoch_count = 0;
    }
    self->swept_ns = 0;
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
