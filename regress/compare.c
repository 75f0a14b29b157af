#include "regress/compare.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/slot_table.h"
#include "regress/align.h"
#include "regress/align_part.h"

#define DECODE_BITS UINT64_C(0xffffffff) /* of a hash that has a book in its other half */

/* The block of a baseline's stream that was read last: its ids are aligned, then its hashes
 * compared. */
typedef struct block_reader {
    baseline *from;
    const baseline_stream *stream;
    uint64_t first, count; /* frames that are aligned; first begins a block, or none is */
    baseline_block block;
    uint8_t has_block;
} block_reader;

/* Everything of one comparison. */
typedef struct compare_state {
    const compare_options *options;
    comparison *result;
    aligner *aligner;
    block_reader was, is;
    size_t difference_capacity;

    /* Of the stream at hand: */
    comparison_stream *stream;
    uint32_t stream_index;
    uint64_t kept[DIFFERENCE_KINDS];
    uint64_t hash_mask;      /* the bits that both hashes have */
    uint64_t missing_at_end; /* since the last pair, if the comparison is one of a part */
    unpaired_frame first_at_end;
    uint8_t has_book;      /* both hashes have one */
    uint8_t has_pair;      /* a frame was compared */
    uint8_t is_book_other; /* the book after the last pair differs */
    uint8_t has_difference;
} compare_state;

/* ---- blocks ---- */

static td_result seek_block(block_reader *reader, uint64_t index, td_err *err)
{
    uint32_t number = (uint32_t)(index / BASELINE_BLOCK_FRAMES);
    if (reader->has_block && reader->block.number == number)
        return TD_OK;
    reader->has_block = 0;
    td_result rc =
        baseline_get_block(reader->from, reader->stream->id, number, &reader->block, err);
    if (rc == TD_EOF || (rc == TD_OK && reader->block.frames <= index % BASELINE_BLOCK_FRAMES))
        rc = td_err_set(err, TD_E_CORRUPT,
                        "stream %s %s %s has %" PRIu64 " frames, but not frame %" PRIu64,
                        reader->stream->feed, reader->stream->topic, reader->stream->symbol,
                        reader->stream->frames, index);
    reader->has_block = rc == TD_OK;
    return rc;
}

static td_result read_ids(void *ctx, uint64_t first, size_t count, uint16_t *ids, td_err *err)
{
    block_reader *reader = ctx;
    first += reader->first;
    while (count > 0) {
        td_result rc = seek_block(reader, first, err);
        if (rc != TD_OK)
            return rc;
        size_t at = first % BASELINE_BLOCK_FRAMES;
        size_t part = reader->block.frames - at < count ? reader->block.frames - at : count;
        memcpy(ids, reader->block.ids + at, part * sizeof *ids);
        ids += part;
        first += part;
        count -= part;
    }
    return TD_OK;
}

static void begin_reader(block_reader *reader, baseline *from, const baseline_stream *stream)
{
    *reader = (block_reader){.from = from, .stream = stream, .count = stream->frames};
}

/* ---- differences ---- */

static td_result keep(compare_state *state, const difference *found, td_err *err)
{
    comparison *result = state->result;
    int is_first = !state->has_difference;
    if (is_first)
        state->stream->first = *found;
    state->has_difference = 1;
    if (!is_first && (state->kept[found->kind] >= LIMIT_DIFFERENCES_OF_KIND ||
                      result->difference_count >= LIMIT_DIFFERENCES)) {
        result->differences_left_out++;
        return TD_OK;
    }
    if (result->difference_count == state->difference_capacity) {
        difference *grown = td_array_reach(result->differences, &state->difference_capacity,
                                           result->difference_count, sizeof *grown);
        if (grown == NULL)
            return td_err_set(err, TD_E_NOMEM, "no memory for frames that differ");
        result->differences = grown;
    }
    state->kept[found->kind]++;
    result->differences[result->difference_count++] = *found;
    return TD_OK;
}

static difference_kind kind_of(uint64_t was, uint64_t is)
{
    int has_failed = (was & CANONICAL_FAILED) != 0;
    int is_failing = (is & CANONICAL_FAILED) != 0;
    if (has_failed && is_failing)
        return DIFFERENCE_REASON;
    if (has_failed || is_failing)
        return is_failing ? DIFFERENCE_NEWLY_FAILING : DIFFERENCE_NEWLY_DECODING;
    return DIFFERENCE_DECODE;
}

/* Compare what decoding one frame gave. */
static td_result compare_frame(compare_state *state, uint64_t was_index, uint64_t was,
                               uint64_t is_index, uint64_t is, td_err *err)
{
    comparison_stream *stream = state->stream;
    uint64_t changed = (was ^ is) & state->hash_mask;
    uint8_t was_book_other = state->is_book_other;
    state->is_book_other = state->has_book && (changed & ~DECODE_BITS) != 0;
    if (changed == 0) {
        stream->same++;
        return TD_OK;
    }
    difference found = {state->stream_index, DIFFERENCE_BOOK, was_index, is_index};
    if (!state->has_book || (changed & DECODE_BITS) != 0) {
        found.kind = kind_of(was, is);
    } else if (was_book_other) {
        stream->consequences++;
        return TD_OK;
    }
    stream->by_kind[found.kind]++;
    return keep(state, &found, err);
}

/* Compare hashes of frames that are within one block each. */
static td_result compare_hashes(compare_state *state, const align_run *run, uint64_t first,
                                size_t count, td_err *err)
{
    uint64_t was_index = run->was_index + first;
    uint64_t is_index = run->is_index + first;
    const uint64_t *was = state->was.block.hashes + was_index % BASELINE_BLOCK_FRAMES;
    const uint64_t *is = state->is.block.hashes + is_index % BASELINE_BLOCK_FRAMES;
    state->stream->compared += count;
    if (memcmp(was, is, count * sizeof *was) == 0) {
        state->stream->same += count;
        state->is_book_other = 0;
        return TD_OK;
    }
    for (size_t i = 0; i < count; i++) {
        td_result rc = compare_frame(state, was_index + i, was[i], is_index + i, is[i], err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

static td_result compare_pairs(compare_state *state, const align_run *run, td_err *err)
{
    for (uint64_t done = 0; done < run->count;) {
        td_result rc = seek_block(&state->was, run->was_index + done, err);
        if (rc == TD_OK)
            rc = seek_block(&state->is, run->is_index + done, err);
        if (rc != TD_OK)
            return rc;
        size_t was_left = state->was.block.frames - (run->was_index + done) % BASELINE_BLOCK_FRAMES;
        size_t is_left = state->is.block.frames - (run->is_index + done) % BASELINE_BLOCK_FRAMES;
        size_t count = was_left < is_left ? was_left : is_left;
        if (count > run->count - done)
            count = (size_t)(run->count - done);
        rc = compare_hashes(state, run, done, count, err);
        if (rc != TD_OK)
            return rc;
        done += count;
    }
    return TD_OK;
}

/* ---- missing and new frames ---- */

static td_result place_of(block_reader *reader, uint64_t index, unpaired_frame *out, td_err *err)
{
    td_result rc = seek_block(reader, index, err);
    if (rc == TD_OK)
        *out = (unpaired_frame){index, reader->block.first_ns, reader->block.last_ns};
    return rc;
}

/* Frames that only the second baseline has. */
static td_result count_added(compare_state *state, uint64_t index, uint64_t count, td_err *err)
{
    td_result rc = TD_OK;
    if (state->stream->added == 0)
        rc = place_of(&state->is, index, &state->stream->first_added, err);
    state->stream->added += count;
    return rc;
}

/* Frames that only the first baseline has. Of a part they are missing once a pair comes after them,
 * and if one came before. */
static td_result count_missing(compare_state *state, uint64_t index, uint64_t count, td_err *err)
{
    if (state->options->is_part && !state->has_pair) {
        state->stream->outside += count;
        return TD_OK;
    }
    td_result rc = TD_OK;
    if (state->stream->missing == 0 && state->missing_at_end == 0)
        rc = place_of(&state->was, index, &state->first_at_end, err);
    state->missing_at_end += count;
    return rc;
}

/* What was missing since the last pair is missing: it lies between pairs, or all is compared. */
static void settle_missing(compare_state *state)
{
    comparison_stream *stream = state->stream;
    if (state->missing_at_end > 0 && stream->missing == 0)
        stream->first_missing = state->first_at_end;
    stream->missing += state->missing_at_end;
    state->missing_at_end = 0;
}

/* ---- runs ---- */

static td_result compare_run(compare_state *state, const align_run *run, td_err *err)
{
    switch (run->kind) {
    case ALIGN_PAIRED:
        settle_missing(state);
        state->has_pair = 1;
        return compare_pairs(state, run, err);
    case ALIGN_MISSING:
        return count_missing(state, run->was_index, run->count, err);
    case ALIGN_ADDED:
        return count_added(state, run->is_index, run->count, err);
    }
    return TD_OK;
}

/* Both streams begin with the same blocks, which are the same frames: they need not be read. */
static td_result skip_shared(compare_state *state, td_err *err)
{
    uint64_t count;
    td_result rc = baseline_count_shared(state->is.from, state->is.stream->id, state->was.from,
                                         state->was.stream->id, &count, err);
    if (rc != TD_OK || count == 0)
        return rc;
    state->stream->compared += count;
    state->stream->same += count;
    state->has_pair = 1;
    state->was.first = state->is.first = count;
    state->was.count -= count;
    state->is.count -= count;
    return TD_OK;
}

static td_result compare_runs(compare_state *state, td_err *err)
{
    aligner_begin(state->aligner, &(align_sequence){state->was.count, read_ids, &state->was},
                  &(align_sequence){state->is.count, read_ids, &state->is});
    for (;;) {
        align_run run;
        td_result rc = aligner_next(state->aligner, &run, err);
        if (rc != TD_OK)
            return rc == TD_EOF ? TD_OK : rc;
        run.was_index += state->was.first;
        run.is_index += state->is.first;
        rc = compare_run(state, &run, err);
        if (rc != TD_OK)
            return rc;
    }
}

static td_result compare_all(compare_state *state, td_err *err)
{
    td_result rc = skip_shared(state, err);
    return rc == TD_OK ? compare_runs(state, err) : rc;
}

/* ---- streams of a part ---- */

/* An archive that was imported again may have receive times that differ a little. */
#define PART_MARGIN_NS (UINT64_C(1000) * 1000 * 1000)

/* The first block from number low on that ends at ns or later, or else the number high. */
static td_result find_block(block_reader *reader, uint32_t low, uint32_t high, uint64_t ns,
                            uint32_t *out, td_err *err)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        td_result rc = seek_block(reader, (uint64_t)middle * BASELINE_BLOCK_FRAMES, err);
        if (rc != TD_OK)
            return rc;
        if (reader->block.last_ns < ns)
            low = middle + 1;
        else
            high = middle;
    }
    *out = low;
    return TD_OK;
}

/* Align the blocks of the first baseline that have frames of the part's time; the others are
 * outside. */
static td_result narrow(compare_state *state, td_err *err)
{
    block_reader *was = &state->was;
    const baseline_stream *part = state->is.stream;
    uint32_t blocks = (uint32_t)((was->count + BASELINE_BLOCK_FRAMES - 1) / BASELINE_BLOCK_FRAMES);
    uint64_t from_ns = part->first_ns - (part->first_ns < PART_MARGIN_NS ? 0 : PART_MARGIN_NS);
    uint32_t first = 0;
    uint32_t last = 0;
    td_result rc = find_block(was, 0, blocks, from_ns, &first, err);
    if (rc == TD_OK)
        rc = find_block(was, first, blocks, part->last_ns + PART_MARGIN_NS, &last, err);
    if (rc != TD_OK)
        return rc;
    if (first == blocks || was->stream->first_ns > part->last_ns + PART_MARGIN_NS)
        return TD_OK; /* its times are others: it may be anywhere */
    uint64_t end = ((uint64_t)last + 1) * BASELINE_BLOCK_FRAMES;
    if (end > was->count)
        end = was->count;
    was->first = (uint64_t)first * BASELINE_BLOCK_FRAMES;
    state->stream->outside += was->count - (end - was->first);
    was->count = end - was->first;
    return TD_OK;
}

/* Frames in memory, to be paired one by one. */
typedef struct loaded_frames {
    uint16_t *ids;
    uint64_t *hashes;
    uint64_t *about_ns;
} loaded_frames;

static void loaded_fini(loaded_frames *loaded)
{
    td_free(loaded->ids);
    td_free(loaded->hashes);
    td_free(loaded->about_ns);
}

/* Baselines have the times of a block's first and last frame. */
static void load_block(const baseline_block *block, size_t at, loaded_frames *out)
{
    uint64_t step_ns =
        block->frames > 1 ? (block->last_ns - block->first_ns) / (block->frames - 1) : 0;
    memcpy(out->ids + at, block->ids, block->frames * sizeof *block->ids);
    memcpy(out->hashes + at, block->hashes, block->frames * sizeof *block->hashes);
    for (uint32_t i = 0; i < block->frames; i++)
        out->about_ns[at + i] = block->first_ns + i * step_ns;
}

static td_result load(block_reader *reader, loaded_frames *out, part_frames *view, td_err *err)
{
    size_t count = (size_t)reader->count;
    out->ids = td_alloc_zero(count + 1, sizeof *out->ids);
    out->hashes = td_alloc_zero(count + 1, sizeof *out->hashes);
    out->about_ns = td_alloc_zero(count + 1, sizeof *out->about_ns);
    if (out->ids == NULL || out->hashes == NULL || out->about_ns == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu frames", count);
    for (size_t at = 0; at < count; at += BASELINE_BLOCK_FRAMES) {
        td_result rc = seek_block(reader, reader->first + at, err);
        if (rc != TD_OK)
            return rc;
        TD_ASSERT(reader->block.frames <= count - at);
        load_block(&reader->block, at, out);
    }
    *view = (part_frames){out->ids, out->hashes, out->about_ns, count};
    return TD_OK;
}

/* The part's frames [*at, to) are pairs of successive frames, or have none; then *at is to. */
static td_result compare_next(compare_state *state, const uint32_t *of, size_t count, size_t *at,
                              uint64_t *was_next, td_err *err)
{
    size_t from = *at;
    align_run run = {.kind = of[from] == ALIGN_PART_NONE ? ALIGN_ADDED : ALIGN_PAIRED,
                     .is_index = from};
    td_result rc = TD_OK;
    while (++*at < count &&
           (run.kind == ALIGN_ADDED ? of[*at] == ALIGN_PART_NONE : of[*at] == of[*at - 1] + 1))
        continue;
    run.count = *at - from;
    run.was_index = *was_next;
    if (run.kind == ALIGN_PAIRED) {
        run.was_index = state->was.first + of[from];
        const align_run missing = {ALIGN_MISSING, *was_next, from, run.was_index - *was_next};
        if (missing.count > 0)
            rc = compare_run(state, &missing, err);
        *was_next = run.was_index + run.count;
    }
    return rc == TD_OK ? compare_run(state, &run, err) : rc;
}

/* Compare what align_part paired. */
static td_result compare_paired(compare_state *state, const uint32_t *of, td_err *err)
{
    uint64_t was_next = state->was.first;
    uint64_t was_end = state->was.first + state->was.count;
    td_result rc = TD_OK;
    for (size_t at = 0; at < state->is.count && rc == TD_OK;)
        rc = compare_next(state, of, (size_t)state->is.count, &at, &was_next, err);
    const align_run rest = {ALIGN_MISSING, was_next, state->is.count, was_end - was_next};
    return rc == TD_OK && rest.count > 0 ? compare_run(state, &rest, err) : rc;
}

/* TD_E_LIMIT: the part is not short. */
static td_result compare_short_part(compare_state *state, td_err *err)
{
    loaded_frames was = {0};
    loaded_frames is = {0};
    part_frames whole, part;
    if (state->is.count > ALIGN_PART_FRAMES_MAX || state->was.count > ALIGN_WHOLE_FRAMES_MAX)
        return TD_E_LIMIT;
    uint32_t *of = td_alloc_zero((size_t)state->is.count + 1, sizeof *of);
    td_result rc = of == NULL ? td_err_set(err, TD_E_NOMEM, "no memory to pair frames") : TD_OK;
    if (rc == TD_OK)
        rc = load(&state->was, &was, &whole, err);
    if (rc == TD_OK)
        rc = load(&state->is, &is, &part, err);
    if (rc == TD_OK)
        rc = align_part(&whole, &part, state->hash_mask, of, err);
    if (rc == TD_OK)
        rc = compare_paired(state, of, err);
    td_free(of);
    loaded_fini(&was);
    loaded_fini(&is);
    return rc;
}

static td_result compare_part(compare_state *state, td_err *err)
{
    td_result rc = narrow(state, err);
    if (rc == TD_OK)
        rc = compare_short_part(state, err);
    return rc == TD_E_LIMIT ? compare_runs(state, err) : rc;
}

/* ---- streams ---- */

static const baseline_stream NO_STREAM = {.frames = 0};

static td_result compare_stream(compare_state *state, size_t index, td_err *err)
{
    comparison_stream *stream = &state->result->streams[index];
    const baseline_stream *was = stream->was == NULL ? &NO_STREAM : stream->was;
    const baseline_stream *is = stream->is == NULL ? &NO_STREAM : stream->is;
    state->stream = stream;
    state->stream_index = (uint32_t)index;
    memset(state->kept, 0, sizeof state->kept);
    state->has_book = was->has_book && is->has_book;
    state->hash_mask = was->has_book || is->has_book ? DECODE_BITS : UINT64_MAX;
    if (state->has_book)
        state->hash_mask = UINT64_MAX;
    state->missing_at_end = 0;
    state->has_pair = state->is_book_other = state->has_difference = 0;
    begin_reader(&state->was, state->options->was, was);
    begin_reader(&state->is, state->options->is, is);
    int is_part = state->options->is_part && was->frames > 0 && is->frames > 0;
    td_result rc = is_part ? compare_part(state, err) : compare_all(state, err);
    if (rc != TD_OK)
        return rc;
    if (state->options->is_part)
        stream->outside += state->missing_at_end;
    else
        settle_missing(state);
    return TD_OK;
}

void comparison_add(comparison_stream *totals, const comparison_stream *of)
{
    totals->compared += of->compared;
    totals->same += of->same;
    totals->consequences += of->consequences;
    totals->missing += of->missing;
    totals->added += of->added;
    totals->outside += of->outside;
    for (int kind = 0; kind < DIFFERENCE_KINDS; kind++)
        totals->by_kind[kind] += of->by_kind[kind];
}

/* ---- which streams are pairs ---- */

static int order_of(const baseline_stream *a, const baseline_stream *b)
{
    return baseline_compare_names(a->feed, a->topic, a->symbol, td_bytes_str(a->exchange_topic), b);
}

static int is_in(const selection *wanted, const baseline_stream *stream)
{
    return wanted == NULL || (selection_has_feed(wanted, stream->feed) &&
                              selection_has_topic(wanted, td_bytes_str(stream->topic),
                                                  td_bytes_str(stream->exchange_topic),
                                                  td_bytes_str(stream->symbol)));
}

/* The next wanted stream from *at on, or NULL. */
static const baseline_stream *next_stream(const compare_options *options, const baseline *from,
                                          size_t *at)
{
    for (; *at < baseline_stream_count(from); ++*at) {
        const baseline_stream *stream = baseline_stream_at(from, *at);
        if (is_in(options->wanted, stream) && is_in(options->covered, stream))
            return stream;
    }
    return NULL;
}

/* Streams of both baselines in one order; those with the same name are pairs. */
static td_result list_streams(const compare_options *options, comparison *out, td_err *err)
{
    size_t capacity = baseline_stream_count(options->was) + baseline_stream_count(options->is);
    out->streams = td_alloc_zero(capacity + 1, sizeof *out->streams);
    if (out->streams == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu streams", capacity);
    size_t was_at = 0;
    size_t is_at = 0;
    for (;;) {
        const baseline_stream *was = next_stream(options, options->was, &was_at);
        const baseline_stream *is = next_stream(options, options->is, &is_at);
        if (was == NULL && is == NULL)
            return TD_OK;
        int order = was == NULL ? 1 : is == NULL ? -1 : order_of(was, is);
        comparison_stream *stream = &out->streams[out->stream_count++];
        if (order <= 0) {
            stream->was = was;
            was_at++;
        }
        if (order >= 0) {
            stream->is = is;
            is_at++;
        }
    }
}

static uint64_t exchange_name_hash(const baseline_stream *stream)
{
    return td_xxh64(stream->feed, strlen(stream->feed)) * 31 +
           td_xxh64(stream->exchange_topic, strlen(stream->exchange_topic));
}

/* 1 if one of them is unknown, and both have the same name at the exchange. */
static int is_renamed(const baseline_stream *a, const baseline_stream *b)
{
    return (a->topic[0] == '\0') != (b->topic[0] == '\0') && a->exchange_topic[0] != '\0' &&
           strcmp(a->feed, b->feed) == 0 && strcmp(a->exchange_topic, b->exchange_topic) == 0;
}

/* Give a stream without partner the one of the other baseline that has its name at the exchange;
 * rows are those of the second baseline that have none. */
static void find_renamed(comparison *c, comparison_stream *stream, const slot_table *rows)
{
    slot_probe at = slot_probe_of(exchange_name_hash(stream->was));
    while (slot_table_next(rows, &at)) {
        comparison_stream *other = &c->streams[at.row];
        if (other->was == NULL && other->is != NULL && is_renamed(stream->was, other->is)) {
            stream->is = other->is;
            other->is = NULL; /* the row is removed */
            return;
        }
    }
}

static td_result pair_renamed(comparison *c, td_err *err)
{
    slot_table rows = {0};
    td_result rc = slot_table_reserve(&rows, c->stream_count, "streams", err);
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; i < c->stream_count; i++)
        if (c->streams[i].was == NULL)
            slot_table_put(&rows, exchange_name_hash(c->streams[i].is), i);
    for (size_t i = 0; i < c->stream_count; i++)
        if (c->streams[i].was != NULL && c->streams[i].is == NULL)
            find_renamed(c, &c->streams[i], &rows);
    slot_table_fini(&rows);
    size_t kept = 0;
    for (size_t i = 0; i < c->stream_count; i++)
        if (c->streams[i].was != NULL || c->streams[i].is != NULL)
            c->streams[kept++] = c->streams[i];
    c->stream_count = kept;
    return TD_OK;
}

/* ---- the whole ---- */

static td_result check_members(const compare_options *options, td_err *err)
{
    if (baseline_get_meta(options->was)->members == baseline_get_meta(options->is)->members)
        return TD_OK;
    return td_err_set(err, TD_E_UNSUPPORTED,
                      "one baseline covers all members of books and trades (--whole), the other "
                      "one only those that books need");
}

td_result compare_baselines(const compare_options *options, comparison *out, td_err *err)
{
    compare_state state = {.options = options, .result = out};
    *out = (comparison){.streams = NULL};
    td_result rc = check_members(options, err);
    if (rc == TD_OK)
        rc = list_streams(options, out, err);
    if (rc == TD_OK)
        rc = pair_renamed(out, err);
    if (rc == TD_OK)
        rc = aligner_open(&state.aligner, err);
    for (size_t i = 0; rc == TD_OK && i < out->stream_count; i++) {
        rc = compare_stream(&state, i, err);
        comparison_add(&out->totals, &out->streams[i]);
    }
    aligner_close(state.aligner);
    if (rc != TD_OK)
        comparison_fini(out);
    return rc;
}

void comparison_fini(comparison *c)
{
    td_free(c->streams);
    td_free(c->differences);
    *c = (comparison){.streams = NULL};
}

uint64_t comparison_differing(const comparison_stream *of)
{
    return of->compared - of->same;
}

int comparison_is_same(const comparison *c)
{
    return comparison_differing(&c->totals) == 0 && c->totals.missing == 0 && c->totals.added == 0;
}

const char *difference_kind_name(difference_kind kind)
{
    static const char *const NAMES[DIFFERENCE_KINDS] = {
        [DIFFERENCE_DECODE] = "decode",
        [DIFFERENCE_BOOK] = "book",
        [DIFFERENCE_NEWLY_FAILING] = "newly_failing",
        [DIFFERENCE_NEWLY_DECODING] = "newly_decoding",
        [DIFFERENCE_REASON] = "reason",
    };
    TD_ASSERT(kind < DIFFERENCE_KINDS);
    return NAMES[kind];
}
