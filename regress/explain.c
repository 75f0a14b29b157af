#include "regress/explain.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "book/continuity.h"
#include "play/player.h"
#include "regress/covered.h"
#include "regress/compared_frame.h"
#include "regress/decode_line.h"
#include "tape/tape.h"

/* Best levels of each side of a book that differs. */
enum { EXPLAIN_BOOK_LEVELS = 10 };

/* A frame to look for, and what was found. */
typedef struct wanted_frame {
    const difference *what;
    uint64_t index;
    uint8_t is_first; /* of its stream's differences */
    uint8_t is_found;
    explained_frame found;
} wanted_frame;

/* A stream with such frames. */
typedef struct wanted_stream {
    const baseline_stream *names;
    size_t next, end;  /* its frames, from the next to be found on */
    uint64_t start_ns; /* frames received from here on are counted */
    uint64_t end_ns;   /* the last wanted one was received by then */
    uint64_t count;    /* index of the next frame */
} wanted_stream;

typedef struct explanation {
    const explain_options *options;
    wanted_frame *frames; /* by stream and index */
    size_t frame_count;
    wanted_stream *streams; /* by name */
    size_t stream_count;
    wanted_stream other; /* stands for all streams without wanted frames: it has none */
    size_t found_count;
    tape_frame now; /* that the player takes */
    td_arena *arena;
    td_buf json;
    compared_scratch scratch;
} explanation;

/* ---- what is wanted ---- */

static uint64_t index_of(const explanation *e, const difference *what)
{
    return e->options->side == EXPLAIN_WAS ? what->was_index : what->is_index;
}

static int is_first(const explanation *e, const difference *what)
{
    const difference *first = &e->options->compared->streams[what->stream].first;
    return index_of(e, first) == index_of(e, what);
}

/* Of more frames than can be kept, the first of each stream, and then the others in order. */
static td_result choose_frames(explanation *e, const difference *wanted, size_t count, td_err *err)
{
    size_t space = count < LIMIT_EXPLAIN_FRAMES ? count : LIMIT_EXPLAIN_FRAMES;
    size_t first_count = 0;
    for (size_t i = 0; i < count; i++)
        first_count += is_first(e, &wanted[i]) != 0;
    size_t firsts = first_count < space ? first_count : space;
    size_t others = space - firsts;
    e->frames = td_alloc_zero(space + 1, sizeof *e->frames);
    if (e->frames == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu frames", space);
    for (size_t i = 0; i < count; i++) {
        int first = is_first(e, &wanted[i]);
        size_t *left = first ? &firsts : &others;
        if (*left == 0)
            continue;
        --*left;
        e->frames[e->frame_count++] = (wanted_frame){
            .what = &wanted[i], .index = index_of(e, &wanted[i]), .is_first = (uint8_t)first};
    }
    return TD_OK;
}

static const baseline_stream *names_of(const explanation *e, const difference *what)
{
    const comparison_stream *pair = &e->options->compared->streams[what->stream];
    return e->options->side == EXPLAIN_WAS ? pair->was : pair->is;
}

static int compare_streams(const void *a, const void *b)
{
    const baseline_stream *left = ((const wanted_stream *)a)->names;
    return baseline_compare_names(left->feed, left->topic, left->symbol,
                                  td_bytes_str(left->exchange_topic),
                                  ((const wanted_stream *)b)->names);
}

static wanted_stream *find_stream(const explanation *e, const char *feed, const char *topic,
                                  const char *symbol, td_bytes exchange_topic)
{
    size_t low = 0;
    size_t high = e->stream_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        wanted_stream *at = &e->streams[middle];
        int order = baseline_compare_names(feed, topic, symbol, exchange_topic, at->names);
        if (order == 0)
            return at;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Counting begins with a block, whose first frame must not be of the same time as the one before.
 */
static td_result place_stream(explanation *e, wanted_stream *at, td_err *err)
{
    uint32_t id = at->names->id;
    baseline *of = e->options->of;
    baseline_block block;
    uint32_t number = (uint32_t)(e->frames[at->end - 1].index / BASELINE_BLOCK_FRAMES);
    td_result rc = baseline_get_block(of, id, number, &block, err);
    if (rc != TD_OK)
        return rc;
    at->end_ns = block.last_ns;
    number = (uint32_t)(e->frames[at->next].index / BASELINE_BLOCK_FRAMES);
    rc = baseline_get_block(of, id, number, &block, err);
    while (rc == TD_OK && number > 0) {
        uint64_t first_ns = block.first_ns;
        rc = baseline_get_block(of, id, number - 1, &block, err);
        if (rc == TD_OK && block.last_ns < first_ns) {
            block.first_ns = first_ns;
            break;
        }
        number--;
    }
    at->start_ns = block.first_ns;
    at->count = (uint64_t)number * BASELINE_BLOCK_FRAMES;
    return rc;
}

static td_result place_streams(explanation *e, td_err *err)
{
    e->streams = td_alloc_zero(e->frame_count + 1, sizeof *e->streams);
    if (e->streams == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu streams", e->frame_count);
    td_result rc = TD_OK;
    for (size_t i = 0; i < e->frame_count && rc == TD_OK;) {
        wanted_stream *made = &e->streams[e->stream_count++];
        uint32_t own = e->frames[i].what->stream;
        made->names = names_of(e, e->frames[i].what);
        TD_ASSERT(made->names != NULL);
        made->next = i;
        while (i < e->frame_count && e->frames[i].what->stream == own)
            i++;
        made->end = i;
        rc = place_stream(e, made, err);
        if (rc == TD_EOF)
            rc = td_err_set(err, TD_E_CORRUPT, "the baseline lacks a block of %s/%s/%s",
                            made->names->feed, made->names->topic, made->names->symbol);
    }
    qsort(e->streams, e->stream_count, sizeof *e->streams, compare_streams);
    return rc;
}

/* ---- keeping ---- */

static int keep(explanation *e, td_bytes from, td_bytes *out)
{
    const uint8_t *copy = td_arena_copy(e->arena, from.data, from.size);
    if (copy != NULL)
        *out = td_bytes_of(copy, from.size);
    return copy != NULL;
}

/* The line without its LF. */
static td_result write_decode(explanation *e, const stream *of, const stream_frame *frame,
                              td_err *err)
{
    stream_frame compared;
    td_buf_clear(&e->json);
    td_result rc = compared_frame_of(e->options->map, baseline_get_meta(e->options->of)->members,
                                     &e->scratch, frame, &compared, err);
    if (rc == TD_OK)
        rc = decode_line_write(&e->json, of, &compared, err);
    if (rc == TD_OK)
        e->json.size--;
    return rc;
}

static td_result write_level(td_buf *out, msg_side side, const book_level *level, td_err *err)
{
    char price[TD_DECIMAL_TEXT_BYTES];
    char size[TD_DECIMAL_TEXT_BYTES];
    td_decimal_format(level->price, price);
    td_decimal_format(level->size, size);
    return td_buf_printf(out, err, "%s %s %s\n", msg_side_name(side), price, size);
}

/* Asks above bids, as they stand on a screen. */
static td_result write_book(explanation *e, const book *of, td_err *err)
{
    book_level level;
    td_result rc = TD_OK;
    td_buf_clear(&e->json);
    for (size_t i = EXPLAIN_BOOK_LEVELS; i-- > 0 && rc == TD_OK;)
        if (book_level_at(of, SIDE_SELL, i, &level))
            rc = write_level(&e->json, SIDE_SELL, &level, err);
    for (size_t i = 0; i < EXPLAIN_BOOK_LEVELS && rc == TD_OK; i++)
        if (book_level_at(of, SIDE_BUY, i, &level))
            rc = write_level(&e->json, SIDE_BUY, &level, err);
    return rc;
}

static void fill_place(explanation *e, const wanted_frame *wanted, const stream_frame *frame,
                       explained_frame *out)
{
    *out = (explained_frame){.stream = wanted->what->stream,
                             .index = wanted->index,
                             .position = frame->position,
                             .recv_ns = frame->recv_ns,
                             .ordinal = frame->ordinal,
                             .session = frame->session,
                             .conn = frame->conn,
                             .shard = frame->shard,
                             .line = frame->line};
    size_t length = strlen(e->now.session_id);
    if (length < sizeof out->session_id)
        memcpy(out->session_id, e->now.session_id, length + 1);
    const message *m = frame->content->message;
    if (m == NULL)
        return;
    out->has_seq = (uint8_t)msg_head_number(&m->head, &out->seq);
}

/* Half of the memory is kept for the first differences, which are what people read. */
static int has_space(const explanation *e, const wanted_frame *wanted)
{
    size_t bytes = td_arena_used_bytes(e->arena) + e->json.size;
    return bytes <= (wanted->is_first ? LIMIT_EXPLAIN_BYTES : LIMIT_EXPLAIN_BYTES / 2);
}

static td_result keep_frame(explanation *e, wanted_frame *wanted, const stream *of,
                            const observed_frame *seen, td_err *err)
{
    explained_frame *out = &wanted->found;
    fill_place(e, wanted, seen->frame, out);
    td_result rc = write_decode(e, of, seen->frame, err);
    if (rc != TD_OK || !has_space(e, wanted) || !keep(e, td_buf_view(&e->json), &out->decode))
        return rc == TD_E_LIMIT ? TD_OK : rc;
    wanted->is_found = 1;
    e->found_count++;
    if (!wanted->is_first)
        return TD_OK;
    /* What does not fit is left out: the report does without. */
    if (!keep(e, seen->frame->bytes, &out->bytes))
        return TD_OK;
    if (wanted->what->kind != DIFFERENCE_BOOK || seen->track == NULL ||
        track_book(seen->track) == NULL)
        return TD_OK;
    rc = write_book(e, track_book(seen->track), err);
    if (rc == TD_OK && !keep(e, td_buf_view(&e->json), &out->book))
        out->book = td_bytes_of(NULL, 0);
    return rc;
}

/* ---- playing ---- */

/* The wanted stream of a frame; what has a row is looked up once for all of its stream. */
static wanted_stream *stream_of(explanation *e, const covered_stream *names,
                                const stream_frame *frame, void **state)
{
    if (frame->row != NULL && *state != NULL)
        return *state;
    wanted_stream *found =
        find_stream(e, names->feed, names->topic, names->symbol, names->exchange_topic);
    if (found == NULL)
        found = &e->other;
    if (frame->row != NULL)
        *state = found;
    return found;
}

static td_result observe(void *ctx, const stream *of, void **state, const observed_frame *seen,
                         td_err *err)
{
    explanation *e = ctx;
    covered_stream names;
    if (!covered_find(of, seen->frame, &names))
        return TD_OK;
    wanted_stream *at = stream_of(e, &names, seen->frame, state);
    if (at->next == at->end || seen->frame->recv_ns < at->start_ns)
        return TD_OK;
    uint64_t index = at->count++;
    if (index != e->frames[at->next].index)
        return TD_OK;
    return keep_frame(e, &e->frames[at->next++], of, seen, err);
}

/* What streams keep is ours. */
static void forget(void *ctx, void *state)
{
    (void)ctx;
    (void)state;
}

static const observer_ops OBSERVE = {.name = "explain", .frame = observe, .close = forget};

/* A frame of an unknown channel may be of any topic today. */
static int wants_channel(void *user, const channel_info *info)
{
    const explanation *e = user;
    if (info->dir != CHANNEL_IN)
        return 0;
    td_bytes exchange_topic = td_bytes_str(info->exchange_topic);
    switch (channel_role(info)) {
    case ROLE_DATA:
        return find_stream(e, info->feed, info->topic, info->symbol, exchange_topic) != NULL ||
               find_stream(e, info->feed, "", "", exchange_topic) != NULL;
    case ROLE_CONTROL:
        return find_stream(e, info->feed, COVERED_CONTROL, "", exchange_topic) != NULL;
    case ROLE_UNKNOWN:
        return 1;
    case ROLE_OUT:
    case ROLE_HTTP:
    case ROLE_EVENT:
        break;
    }
    return 0;
}

static td_result open_tape(explanation *e, tape **out, td_err *err)
{
    const explain_options *o = e->options;
    const baseline_meta *meta = baseline_get_meta(o->of);
    selection wanted = *o->wanted;
    selection_window window = {UINT64_MAX, 0};
    for (size_t i = 0; i < e->stream_count; i++) {
        if (e->streams[i].start_ns < window.from_ns)
            window.from_ns = e->streams[i].start_ns;
        if (e->streams[i].end_ns >= window.to_ns)
            window.to_ns = e->streams[i].end_ns + 1;
    }
    selection_set_window(&wanted, window);
    const tape_options options = {.threads = o->threads,
                                  .log = o->log,
                                  .reads = meta->members == CANONICAL_WHOLE ? TAPE_READS_ALL
                                                                            : TAPE_READS_MESSAGES,
                                  .decoding = o->decoding,
                                  .with_lead_in = 1,
                                  .wants_channel = wants_channel,
                                  .user = e};
    return tape_open(o->archive, &wanted, &options, out, err);
}

/* One player thread: frames are observed in total order, while the tape's frame is at hand. */
static td_result play(explanation *e, td_err *err)
{
    tape *from = NULL;
    player *p = NULL;
    const player_options playing = {.threads = 1,
                                    .observer = {&OBSERVE, e},
                                    .without_digests = 1,
                                    .progress = e->options->progress,
                                    .user = e->options->user};
    td_result rc = open_tape(e, &from, err);
    if (rc == TD_OK)
        rc = player_open(&playing, &p, err);
    while (rc == TD_OK && e->found_count < e->frame_count) {
        rc = tape_next(from, &e->now, err);
        if (rc == TD_EOF) { /* frames that the archive does not have any more */
            rc = TD_OK;
            break;
        }
        if (rc == TD_OK)
            rc = player_take(p, &e->now, err);
    }
    player_close(p);
    tape_close(from);
    return rc;
}

/* ---- the result ---- */

static td_result publish(explanation *e, size_t wanted_count, explained *out, td_err *err)
{
    explained made = {.frames = td_alloc_zero(e->found_count + 1, sizeof *made.frames)};
    if (made.frames == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu frames", e->found_count);
    for (size_t i = 0; i < e->frame_count; i++) {
        if (e->frames[i].is_found)
            made.frames[made.count++] = e->frames[i].found;
    }
    TD_ASSERT(made.count == e->found_count);
    made.left_out = wanted_count - made.count;
    made.arena = e->arena;
    e->arena = NULL;
    *out = made;
    return TD_OK;
}

td_result explain_frames(const explain_options *options, const difference *wanted, size_t count,
                         explained *out, td_err *err)
{
    explanation e = {.options = options, .arena = td_arena_open(LIMIT_EXPLAIN_BYTES)};
    *out = (explained){0};
    td_buf_init(&e.json, LIMIT_EXPLAIN_BYTES);
    td_result rc = e.arena == NULL ? td_err_set(err, TD_E_NOMEM, "no memory for frames") : TD_OK;
    if (rc == TD_OK)
        rc = choose_frames(&e, wanted, count, err);
    if (rc == TD_OK)
        rc = place_streams(&e, err);
    if (rc == TD_OK && e.frame_count > 0)
        rc = play(&e, err);
    if (rc == TD_OK)
        rc = publish(&e, count, out, err);
    td_free(e.frames);
    td_free(e.streams);
    td_buf_fini(&e.json);
    compared_scratch_fini(&e.scratch);
    td_arena_close(e.arena);
    return rc;
}

void explained_fini(explained *e)
{
    td_free(e->frames);
    td_arena_close(e->arena);
    *e = (explained){0};
}
