#include "replay/cut/diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/limits.h"
#include "archive/name_index.h"
#include "tape/cursor.h"

typedef struct diff_frame {
    uint64_t hash;
    uint64_t recv_ns;
    uint32_t index;   /* index of the frame in its stream */
    uint32_t partner; /* 1 + index of the equal frame on the other side; 0: no partner */
} diff_frame;

/* ---- reading ---- */

static diff_stream *stream_of(diff_result *d, name_index *names, const channel_info *info)
{
    diff_stream *made = td_alloc_zero(1, sizeof *made);
    int size = snprintf(made->name, sizeof made->name, "%s%c%s%c%s", info->feed, 0, info->topic, 0,
                        info->symbol); /* fits */
    const td_bytes name = td_bytes_of((const uint8_t *)made->name, (size_t)size);
    size_t row = name_index_find(names, name);
    if (row != NAME_INDEX_NONE) {
        td_free(made);
        return d->streams[row];
    }
    made->tape.user = made;
    made->feed = made->name;
    made->topic = made->feed + strlen(made->feed) + 1;
    made->symbol = made->topic + strlen(made->topic) + 1;
    name_index_put(names, name, d->stream_count);
    d->streams = td_array_grow(d->streams, d->stream_count, sizeof(diff_stream *));
    d->streams[d->stream_count++] = made;
    return made;
}

static void add_frame(diff_result *d, name_index *names, int side, const frame_ref *frame)
{
    frame_channel *channel = frame->channel;
    if (channel->tape == NULL) /* not looked up yet for this channel */
        channel->tape = &stream_of(d, names, &channel->info)->tape;
    diff_stream *to = channel->tape->user;
    size_t at = to->frame_count[side]++;
    to->frames[side] = td_array_grow(to->frames[side], at, sizeof *to->frames[side]);
    to->frames[side][at] = (diff_frame){.hash = td_xxh64(frame->bytes.data, frame->bytes.size),
                                        .recv_ns = frame->recv_ns,
                                        .index = (uint32_t)at};
}

static td_result read_side(diff_result *d, name_index *names, archive *of, int side,
                           const selection *wanted, td_err *err)
{
    const cursor_options options = {.log = archive_log(of), .reads = TAPE_READS_FRAMES};
    const frame_ref *frame;
    cursor_stats stats;
    cursor *t = NULL;
    td_result rc = cursor_open(of, wanted, &options, &t, err);
    while (rc == TD_OK) {
        rc = cursor_next(t, &frame, err);
        if (rc != TD_OK || !frame_role_is_of_topic(frame->channel->role) ||
            (frame->channel->info.form & FORM_MADE) != 0)
            continue;
        if (++d->frames > LIMIT_DIFF_FRAMES) {
            td_err_set(err, TD_E_LIMIT, "more than %u frames", LIMIT_DIFF_FRAMES);
            td_err_hint(err, "select less time, or fewer topics or symbols");
            rc = TD_E_LIMIT;
        } else {
            add_frame(d, names, side, frame);
        }
    }
    if (t != NULL) {
        cursor_get_stats(t, &stats);
        d->is_damaged |= (uint8_t)cursor_is_damaged(&stats);
    }
    cursor_close(t);
    return rc == TD_EOF ? TD_OK : rc;
}

/* ---- comparing ---- */

static int compare_hashes(const void *a, const void *b)
{
    const diff_frame *left = a;
    const diff_frame *right = b;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
}

static int compare_indexes(const void *a, const void *b)
{
    uint32_t left = ((const diff_frame *)a)->index;
    uint32_t right = ((const diff_frame *)b)->index;
    return (left > right) - (left < right);
}

static void sort_frames(diff_stream *s, int (*compare)(const void *, const void *))
{
    for (int side = 0; side < DIFF_SIDES; side++)
        if (s->frame_count[side] > 1)
            qsort(s->frames[side], s->frame_count[side], sizeof *s->frames[side], compare);
}

/* Set the partner of each frame. */
static void find_partners(diff_stream *s)
{
    size_t at[DIFF_SIDES] = {0, 0};
    sort_frames(s, compare_hashes);
    while (at[0] < s->frame_count[0] && at[1] < s->frame_count[1]) {
        diff_frame *first = &s->frames[0][at[0]];
        diff_frame *second = &s->frames[1][at[1]];
        if (first->hash == second->hash) {
            first->partner = second->index + 1;
            second->partner = first->index + 1;
        }
        at[0] += first->hash <= second->hash;
        at[1] += second->hash <= first->hash;
    }
    sort_frames(s, compare_indexes);
}

/* Count a stream's frames. The frames outside a longest sequence with rising partners have moved.
 */
static void count_stream(diff_stream *s)
{
    /* Indexed by length: the least partner with which a rising sequence of this length can end. */
    uint32_t *ends = td_alloc_zero(s->frame_count[0] + 1, sizeof *ends);
    size_t longest = 0;
    for (size_t i = 0; i < s->frame_count[0]; i++) {
        uint32_t partner = s->frames[0][i].partner;
        size_t low = 0;
        if (partner == 0)
            continue;
        for (size_t high = longest; low < high;) {
            size_t middle = low + (high - low) / 2;
            if (ends[middle] < partner)
                low = middle + 1;
            else
                high = middle;
        }
        ends[low] = partner;
        longest += low == longest;
        s->counts.same++;
    }
    td_free(ends);
    s->counts.moved = s->counts.same - longest;
    for (int side = 0; side < DIFF_SIDES; side++)
        s->counts.only[side] = s->frame_count[side] - s->counts.same;
}

static void add_stretches(diff_result *d, const diff_stream *s, int side)
{
    diff_stretch *open = NULL;
    for (size_t i = 0; i < s->frame_count[side]; i++) {
        const diff_frame *frame = &s->frames[side][i];
        if (frame->partner != 0) {
            open = NULL;
            continue;
        }
        if (open == NULL) {
            d->stretches = td_array_grow(d->stretches, d->stretch_count, sizeof *d->stretches);
            open = &d->stretches[d->stretch_count++];
            *open = (diff_stretch){.stream = s, .side = side, .first_ns = frame->recv_ns};
        }
        open->frames++;
        open->last_ns = frame->recv_ns;
    }
}

static int compare_streams(const void *a, const void *b)
{
    const diff_stream *left = *(diff_stream *const *)a;
    const diff_stream *right = *(diff_stream *const *)b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = strcmp(left->topic, right->topic);
    return order != 0 ? order : strcmp(left->symbol, right->symbol);
}

static int compare_stretches(const void *a, const void *b)
{
    const diff_stretch *left = a;
    const diff_stretch *right = b;
    if (left->first_ns != right->first_ns)
        return left->first_ns < right->first_ns ? -1 : 1;
    if (left->side != right->side)
        return left->side - right->side;
    return compare_streams(&left->stream, &right->stream);
}

static void compare_all(diff_result *d)
{
    if (d->stream_count > 0)
        qsort(d->streams, d->stream_count, sizeof(diff_stream *), compare_streams);
    for (size_t i = 0; i < d->stream_count; i++) {
        diff_stream *s = d->streams[i];
        find_partners(s);
        count_stream(s);
        d->totals.same += s->counts.same;
        d->totals.moved += s->counts.moved;
        for (int side = 0; side < DIFF_SIDES; side++) {
            d->totals.only[side] += s->counts.only[side];
            add_stretches(d, s, side);
        }
    }
    if (d->stretch_count > 0)
        qsort(d->stretches, d->stretch_count, sizeof *d->stretches, compare_stretches);
    if (d->stretch_count > DIFF_STRETCHES_MAX) {
        d->stretches_left_out = d->stretch_count - DIFF_STRETCHES_MAX;
        d->stretch_count = DIFF_STRETCHES_MAX;
    }
}

td_result diff_archives(archive *const sides[DIFF_SIDES], const selection *wanted, diff_result *out,
                        td_err *err)
{
    name_index names = {0};
    td_result rc = TD_OK;
    *out = (diff_result){0};
    for (int side = 0; rc == TD_OK && side < DIFF_SIDES; side++)
        rc = read_side(out, &names, sides[side], side, wanted, err);
    if (rc == TD_OK)
        compare_all(out);
    name_index_fini(&names);
    return rc;
}

void diff_result_fini(diff_result *result)
{
    for (size_t i = 0; i < result->stream_count; i++) {
        diff_stream *s = result->streams[i];
        td_free(s->frames[0]);
        td_free(s->frames[1]);
        td_free(s);
    }
    td_free(result->streams);
    td_free(result->stretches);
    *result = (diff_result){0};
}
