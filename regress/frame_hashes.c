#include "regress/frame_hashes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/slot_table.h"
#include "book/continuity.h"
#include "play/stream.h"
#include "regress/compared_frame.h"
#include "regress/covered.h"
#include "regress/decode_line.h"

enum {
    FRAMES_FIRST = 64,
    FRAME_BYTES = 2 + 8 + 8,
    PUT_BLOCKS = 32, /* fewer are not put before a checkpoint: the workers wait meanwhile */
};

/* Frames of one stream of the baseline that are not in it yet. */
typedef struct pending {
    baseline_stream *names; /* the stream, without frames; owns the texts of counts and whole */
    baseline_stream counts; /* of these frames */
    baseline_stream whole;  /* of those of them that fill blocks */
    uint64_t had;           /* frames of the stream that the baseline has; known once it has any */
    uint64_t position;      /* of the first frame that was ever seen */
    size_t capacity;
    uint16_t *ids;
    uint64_t *hashes;
    uint64_t *recv_ns;
    td_buf lines; /* decodes that are in no piece yet */
    uint64_t lines_first;
    baseline_piece *pieces; /* packed is owned */
    size_t piece_count;
} pending;

/* What a stream of the play has: one stream of the baseline, or those of its unknown topics. */
typedef struct observed_stream {
    pending *known; /* frames of its topic; NULL: none came */
    slot_table by_exchange_topic;
    pending **unknown;
    size_t unknown_count;
    compared_scratch scratch;
} observed_stream;

struct frame_hashes {
    frame_hashes_options options;
    pthread_mutex_t mutex; /* of pendings and their count */
    pending **pendings;    /* those that the baseline has come first */
    size_t pending_count;
    size_t known_count; /* that the baseline has */
    atomic_size_t bytes;
    atomic_size_t whole_blocks;
};

/* ---- life ---- */

td_result frame_hashes_open(const frame_hashes_options *options, frame_hashes **out, td_err *err)
{
    frame_hashes *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to hash frames");
    made->options = *options;
    (void)pthread_mutex_init(&made->mutex, NULL); /* cannot fail with default attributes */
    *out = made;
    return TD_OK;
}

static void count_bytes(frame_hashes *h, size_t bytes)
{
    atomic_fetch_add_explicit(&h->bytes, bytes, memory_order_relaxed);
}

static void drop_pieces(frame_hashes *h, pending *p)
{
    for (size_t i = 0; i < p->piece_count; i++) {
        count_bytes(h, 0 - p->pieces[i].packed.size);
        td_free((void *)p->pieces[i].packed.data);
    }
    td_free(p->pieces);
    p->pieces = NULL;
    p->piece_count = 0;
    p->lines_first = 0;
}

/* Give the memory of frames back. */
static void drop_frames(frame_hashes *h, pending *p)
{
    count_bytes(h, 0 - p->capacity * FRAME_BYTES);
    td_free(p->ids);
    td_free(p->hashes);
    td_free(p->recv_ns);
    p->ids = NULL;
    p->hashes = p->recv_ns = NULL;
    p->capacity = 0;
}

static void pending_close(frame_hashes *h, pending *p)
{
    drop_pieces(h, p);
    drop_frames(h, p);
    td_buf_fini(&p->lines);
    td_free(p->names);
    td_free(p);
}

void frame_hashes_close(frame_hashes *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->pending_count; i++)
        pending_close(h, h->pendings[i]);
    td_free(h->pendings);
    (void)pthread_mutex_destroy(&h->mutex); /* it is not held */
    td_free(h);
}

static void close_stream(void *ctx, void *state)
{
    (void)ctx; /* the frames stay until they are put */
    observed_stream *own = state;
    slot_table_fini(&own->by_exchange_topic);
    compared_scratch_fini(&own->scratch);
    td_free(own->unknown);
    td_free(own);
}

int frame_hashes_are_enough(frame_hashes *h)
{
    return atomic_load_explicit(&h->whole_blocks, memory_order_relaxed) >= PUT_BLOCKS ||
           atomic_load_explicit(&h->bytes, memory_order_relaxed) > h->options.bytes_max;
}

/* ---- streams ---- */

static td_result pending_open(const covered_stream *of, uint64_t position, pending **out,
                              td_err *err)
{
    const baseline_stream like = {.feed = of->feed,
                                  .topic = of->topic,
                                  .symbol = of->symbol,
                                  .family = of->family,
                                  .has_book = of->has_book};
    pending *made = td_alloc_zero(1, sizeof *made);
    if (made != NULL)
        made->names = baseline_stream_copy(&like, of->exchange_topic);
    if (made == NULL || made->names == NULL) {
        td_free(made);
        return td_err_set(err, TD_E_NOMEM, "no memory for a stream's frames");
    }
    made->counts = made->whole = *made->names;
    made->position = position;
    td_buf_init(&made->lines, LIMIT_REGRESS_DECODE_BYTES);
    *out = made;
    return TD_OK;
}

/* A stream that is new to the run; kept by h. */
static td_result keep_pending(frame_hashes *h, pending *p, td_err *err)
{
    td_result rc = TD_E_NOMEM;
    pthread_mutex_lock(&h->mutex);
    pending **grown = td_array_grow(h->pendings, h->pending_count, sizeof(pending *));
    if (grown != NULL) {
        h->pendings = grown;
        h->pendings[h->pending_count++] = p;
        rc = h->pending_count > LIMIT_REGRESS_STREAMS ? TD_E_LIMIT : TD_OK;
    }
    pthread_mutex_unlock(&h->mutex);
    if (rc == TD_E_NOMEM) {
        pending_close(h, p);
        return td_err_set(err, rc, "no memory for a stream's frames");
    }
    if (rc == TD_E_LIMIT) {
        td_err_set(err, rc, "more than %u streams", LIMIT_REGRESS_STREAMS);
        td_err_hint(err, "select fewer feeds, topics or symbols");
    }
    return rc;
}

static td_result add_pending(frame_hashes *h, const covered_stream *of, uint64_t position,
                             pending **out, td_err *err)
{
    td_result rc = pending_open(of, position, out, err);
    return rc == TD_OK ? keep_pending(h, *out, err) : rc;
}

static td_result find_unknown(frame_hashes *h, observed_stream *own, const covered_stream *of,
                              uint64_t position, pending **out, td_err *err)
{
    uint64_t hash = td_xxh64(of->exchange_topic.data, of->exchange_topic.size);
    slot_probe at = slot_probe_of(hash);
    while (slot_table_next(&own->by_exchange_topic, &at)) {
        *out = own->unknown[at.row];
        if (td_bytes_is(of->exchange_topic, (*out)->counts.exchange_topic))
            return TD_OK;
    }
    size_t count = own->unknown_count;
    td_result rc = slot_table_reserve(&own->by_exchange_topic, count + 1, "unknown topics", err);
    if (rc != TD_OK)
        return rc;
    pending **unknown = td_array_grow(own->unknown, count, sizeof(pending *));
    if (unknown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu unknown topics", count + 1);
    own->unknown = unknown;
    rc = add_pending(h, of, position, out, err);
    if (rc != TD_OK)
        return rc;
    slot_table_put(&own->by_exchange_topic, hash, count);
    own->unknown[own->unknown_count++] = *out;
    return TD_OK;
}

static td_result find_pending(frame_hashes *h, void **state, const covered_stream *of,
                              uint64_t position, pending **out, td_err *err)
{
    if (*state == NULL)
        *state = td_alloc_zero(1, sizeof(observed_stream));
    observed_stream *own = *state;
    if (own == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a stream's frames");
    if (of->topic[0] == '\0')
        return find_unknown(h, own, of, position, out, err);
    td_result rc = TD_OK;
    if (own->known == NULL)
        rc = add_pending(h, of, position, &own->known, err);
    *out = own->known;
    return rc;
}

/* ---- one frame ---- */

/* The book counts where the frame changed it, and what came before the connection does not show in
 * it: then the hash is the same wherever a run begins. */
static uint64_t book_part(const observed_frame *seen)
{
    const frame_content *content = seen->frame->content;
    if (content->message == NULL || seen->track == NULL || track_book(seen->track) == NULL ||
        !track_has_snapshot(seen->track))
        return 0;
    return track_hash_best(seen->track, 0) << 32;
}

static uint64_t hash_frame(const frame_hashes *h, const pending *p, const observed_frame *seen)
{
    const frame_content *content = seen->frame->content;
    uint64_t hash;
    if (seen->frame->role == ROLE_CONTROL)
        hash = canonical_control(content->what);
    else if (content->message != NULL)
        hash = canonical_hash(content->message, h->options.members);
    else
        hash = canonical_failure(content->why.reason);
    return p->counts.has_book ? (hash & UINT32_MAX) | book_part(seen) : hash;
}

static void count_frame(baseline_stream *counts, const stream_frame *frame)
{
    const message *m = frame->content->message;
    if (counts->frames++ == 0)
        counts->first_ns = frame->recv_ns;
    counts->last_ns = frame->recv_ns;
    if (m == NULL) {
        counts->undecoded += frame->role != ROLE_CONTROL;
        return;
    }
    counts->decoded++;
    counts->items += message_item_count(m);
    counts->snapshots += m->head.kind == FRAME_SNAPSHOT;
    counts->deltas += m->head.kind == FRAME_DELTA;
}

/* The frames so far fill blocks, if the baseline has p->had. */
static void note_whole(frame_hashes *h, pending *p)
{
    p->whole = p->counts;
    atomic_fetch_add_explicit(&h->whole_blocks, 1, memory_order_relaxed);
}

static td_result grow(frame_hashes *h, pending *p, td_err *err)
{
    if (p->counts.frames < p->capacity)
        return TD_OK;
    size_t capacity = p->capacity == 0 ? FRAMES_FIRST : 2 * p->capacity;
    uint16_t *ids = td_realloc(p->ids, capacity, sizeof *ids);
    if (ids != NULL)
        p->ids = ids;
    uint64_t *hashes = td_realloc(p->hashes, capacity, sizeof *hashes);
    if (hashes != NULL)
        p->hashes = hashes;
    uint64_t *recv_ns = td_realloc(p->recv_ns, capacity, sizeof *recv_ns);
    if (recv_ns != NULL)
        p->recv_ns = recv_ns;
    if (ids == NULL || hashes == NULL || recv_ns == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for the hashes of %zu frames", capacity);
    count_bytes(h, (capacity - p->capacity) * FRAME_BYTES);
    p->capacity = capacity;
    return TD_OK;
}

/* Compress the lines so far; the buffer is as after init. */
static td_result pack(frame_hashes *h, pending *p, td_err *err)
{
    td_buf packed;
    td_buf_init(&packed, LIMIT_REGRESS_DECODE_BYTES + LIMIT_REGRESS_DECODE_BYTES / 128);
    td_result rc = baseline_pack(td_buf_view(&p->lines), &packed, err);
    baseline_piece *pieces = NULL;
    uint8_t *kept = NULL;
    if (rc == TD_OK) {
        pieces = td_array_grow(p->pieces, p->piece_count, sizeof *pieces);
        if (pieces != NULL)
            p->pieces = pieces;
        kept = td_alloc(packed.size);
        if (pieces == NULL || kept == NULL)
            rc = td_err_set(err, TD_E_NOMEM, "no memory for decodes");
    }
    if (rc == TD_OK) {
        memcpy(kept, packed.data, packed.size);
        p->pieces[p->piece_count++] =
            (baseline_piece){.first = p->lines_first,
                             .frames = (uint32_t)(p->counts.frames - p->lines_first),
                             .bytes = (uint32_t)p->lines.size,
                             .packed = td_bytes_of(kept, packed.size)};
        count_bytes(h, packed.size);
        count_bytes(h, 0 - p->lines.size);
        p->lines_first = p->counts.frames;
        td_buf_fini(&p->lines);
    } else {
        td_free(kept);
    }
    td_buf_fini(&packed);
    return rc;
}

static td_result keep_decode(frame_hashes *h, pending *p, const stream *of,
                             const observed_frame *seen, td_err *err)
{
    size_t before = p->lines.size;
    td_result rc = decode_line_write(&p->lines, of, seen->frame, err);
    if (rc != TD_OK)
        return rc;
    count_bytes(h, p->lines.size - before);
    return p->lines.size < LIMIT_REGRESS_PIECE_BYTES ? TD_OK : pack(h, p, err);
}

static td_result take_frame(void *ctx, const stream *of, void **state, const observed_frame *seen,
                            td_err *err)
{
    frame_hashes *h = ctx;
    covered_stream covered;
    pending *p;
    stream_frame frame;
    if (!covered_find(of, seen->frame, &covered))
        return TD_OK;
    td_result rc = find_pending(h, state, &covered, seen->frame->position, &p, err);
    if (rc == TD_OK)
        rc = grow(h, p, err);
    if (rc == TD_OK)
        rc = compared_frame_of(h->options.map, h->options.members,
                               &((observed_stream *)*state)->scratch, seen->frame, &frame, err);
    if (rc != TD_OK)
        return rc;
    observed_frame compared = *seen;
    compared.frame = &frame;
    uint64_t at = p->counts.frames;
    p->ids[at] = (uint16_t)td_xxh64(frame.bytes.data, frame.bytes.size);
    p->hashes[at] = hash_frame(h, p, &compared);
    p->recv_ns[at] = frame.recv_ns;
    count_frame(&p->counts, &frame);
    if ((p->had + p->counts.frames) % BASELINE_BLOCK_FRAMES == 0)
        note_whole(h, p);
    return h->options.is_full ? keep_decode(h, p, of, &compared, err) : TD_OK;
}

observer frame_hashes_observer(frame_hashes *h)
{
    static const observer_ops OPS = {.name = "hashes", .frame = take_frame, .close = close_stream};
    return (observer){&OPS, h};
}

/* ---- putting ---- */

static int compare_positions(const void *a, const void *b)
{
    const pending *left = *(pending *const *)a;
    const pending *right = *(pending *const *)b;
    return left->position < right->position ? -1 : left->position > right->position;
}

/* Counts without those of the first frames of them; the times are those of what is left. */
static void take_off(pending *p, const baseline_stream *first)
{
    baseline_stream *counts = &p->counts;
    counts->frames -= first->frames;
    counts->decoded -= first->decoded;
    counts->undecoded -= first->undecoded;
    counts->items -= first->items;
    counts->snapshots -= first->snapshots;
    counts->deltas -= first->deltas;
    counts->first_ns = counts->frames == 0 ? 0 : p->recv_ns[0];
}

/* Put the first of the frames that are kept, so many as of counts; none: the stream alone. */
static td_result put_first(frame_hashes *h, pending *p, const baseline_stream *of, baseline *into,
                           td_err *err)
{
    const baseline_stream first = *of;
    td_result rc = p->lines.size > 0 ? pack(h, p, err) : TD_OK;
    const baseline_part part = {.of = first,
                                .ids = p->ids,
                                .hashes = p->hashes,
                                .recv_ns = p->recv_ns,
                                .pieces = p->pieces,
                                .piece_count = p->piece_count};
    if (rc == TD_OK)
        rc = baseline_add(into, &part, err);
    if (rc != TD_OK)
        return rc;
    drop_pieces(h, p);
    size_t rest = (size_t)(p->counts.frames - first.frames);
    if (first.frames > 0 && rest > 0) {
        memmove(p->ids, p->ids + first.frames, rest * sizeof *p->ids);
        memmove(p->hashes, p->hashes + first.frames, rest * sizeof *p->hashes);
        memmove(p->recv_ns, p->recv_ns + first.frames, rest * sizeof *p->recv_ns);
    }
    take_off(p, &first);
    p->whole = *p->names;
    p->had = baseline_find_stream(into, p->names->feed, p->names->topic, p->names->symbol,
                                  p->names->exchange_topic)
                 ->frames;
    return TD_OK;
}

typedef enum put_extent {
    PUT_WHOLE_BLOCKS,
    PUT_ALL,
} put_extent;

/* Streams that are new come in the order of their first frames, with frames to put or without. */
static td_result put_pendings(frame_hashes *h, baseline *into, put_extent extent, td_err *err)
{
    int is_too_much = atomic_load(&h->bytes) > h->options.bytes_max;
    td_result rc = TD_OK;
    if (h->known_count < h->pending_count)
        qsort(h->pendings + h->known_count, h->pending_count - h->known_count, sizeof(pending *),
              compare_positions);
    for (size_t i = 0; i < h->pending_count && rc == TD_OK; i++) {
        pending *p = h->pendings[i];
        const baseline_stream *of = extent == PUT_ALL || is_too_much ? &p->counts : &p->whole;
        if (of->frames > 0 || i >= h->known_count)
            rc = put_first(h, p, of, into, err);
        if (is_too_much)
            drop_frames(h, p);
    }
    h->known_count = h->pending_count;
    atomic_store(&h->whole_blocks, 0);
    return rc;
}

td_result frame_hashes_put_some(frame_hashes *h, baseline *into, td_err *err)
{
    /* Decodes are compressed up to the last frame, and not to be taken apart. */
    return put_pendings(h, into, h->options.is_full ? PUT_ALL : PUT_WHOLE_BLOCKS, err);
}

td_result frame_hashes_put(frame_hashes *h, baseline *into, td_err *err)
{
    return put_pendings(h, into, PUT_ALL, err);
}
