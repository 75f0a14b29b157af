#include "regress/check_result.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/limits.h"

/* ---- decodes ---- */

static int compare_places(const explained_frame *frame, uint32_t stream, uint64_t index)
{
    if (frame->stream != stream)
        return frame->stream < stream ? -1 : 1;
    return frame->index < index ? -1 : frame->index > index;
}

static const explained_frame *find_frame(const explained *frames, uint32_t stream, uint64_t index)
{
    size_t low = 0;
    size_t high = frames == NULL ? 0 : frames->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_places(&frames->frames[middle], stream, index);
        if (order == 0)
            return &frames->frames[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* What a side decoded a frame as, valid until the next call for this side; empty: unknown. */
static td_result find_decode(const check_side *side, const baseline_stream *stream,
                             const explained_frame *frame, uint64_t index, td_bytes *out,
                             td_err *err)
{
    *out = td_bytes_of(NULL, 0);
    if (side->frames != NULL) {
        if (frame != NULL)
            *out = frame->decode;
        return TD_OK;
    }
    td_result rc = baseline_get_decode(side->of, stream->id, index, out, err);
    if (rc == TD_EOF)
        *out = td_bytes_of(NULL, 0);
    return rc == TD_EOF ? TD_OK : rc;
}

/* A copy in the arena; empty if it does not fit: the reports do without. */
static td_bytes keep(td_arena *arena, td_bytes text)
{
    const uint8_t *copy = td_arena_copy(arena, text.data, text.size);
    return td_bytes_of(copy, copy == NULL ? 0 : text.size);
}

/* ---- gathering ---- */

/* Everything of one gathering. */
typedef struct gathering {
    check_result *result;
    const check_side *was, *is;
    td_arena *scratch; /* of one frame */
} gathering;

/* Rows for what differs between the decodes of a frame that is shown. */
static td_result find_rows(gathering *g, shown_difference *shown, td_err *err)
{
    const field_difference *differences;
    size_t count;
    if (shown->was.size == 0 || shown->is.size == 0)
        return TD_OK;
    td_arena *arena = g->result->arena;
    td_result rc = field_diff(shown->was, shown->is, arena, &differences, &count, err);
    if (rc == TD_OK)
        rc = side_by_side(shown->was, differences, count, LIMIT_CHECK_ROWS, arena, &shown->rows,
                          &shown->row_count, &shown->rows_left_out, err);
    if (rc != TD_OK)
        shown->row_count = 0;
    /* One that is too large to be shown is shown without its fields; the counts are complete. */
    return rc == TD_E_NOMEM || rc == TD_E_LIMIT ? TD_OK : rc;
}

/* Find the decodes of one that is shown. */
static td_result show(gathering *g, shown_difference *shown, td_err *err)
{
    const difference *what = shown->what;
    const explained_frame *was = find_frame(g->was->frames, what->stream, what->was_index);
    td_bytes decode;
    td_result rc = find_decode(g->was, shown->stream->was, was, what->was_index, &decode, err);
    if (rc != TD_OK)
        return rc;
    shown->was = keep(g->result->arena, decode);
    rc = find_decode(g->is, shown->stream->is, shown->frame, what->is_index, &decode, err);
    if (rc != TD_OK)
        return rc;
    shown->is = keep(g->result->arena, decode);
    if (was != NULL)
        shown->was_book = was->book;
    if (shown->frame != NULL)
        shown->is_book = shown->frame->book;
    return find_rows(g, shown, err);
}

static int compare_shown(const void *a, const void *b)
{
    const shown_difference *left = a;
    const shown_difference *right = b;
    uint64_t left_at = left->frame == NULL ? UINT64_MAX : left->frame->position;
    uint64_t right_at = right->frame == NULL ? UINT64_MAX : right->frame->position;
    if (left_at != right_at)
        return left_at < right_at ? -1 : 1;
    return left->what->stream < right->what->stream ? -1 : 1;
}

/* The first difference of each stream, in the order of the archive. */
static td_result list_shown(gathering *g, td_err *err)
{
    check_result *result = g->result;
    const comparison *c = result->compared;
    result->shown = td_alloc_zero(c->stream_count + 1, sizeof *result->shown);
    if (result->shown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for the report");
    for (size_t i = 0; i < c->stream_count; i++) {
        const comparison_stream *stream = &c->streams[i];
        if (comparison_differing(stream) == 0)
            continue;
        result->shown[result->shown_count++] = (shown_difference){
            .stream = stream,
            .what = &stream->first,
            .frame = find_frame(g->is->frames, stream->first.stream, stream->first.is_index)};
    }
    qsort(result->shown, result->shown_count, sizeof *result->shown, compare_shown);
    if (result->shown_count > LIMIT_CHECK_SHOWN) {
        result->shown_left_out = result->shown_count - LIMIT_CHECK_SHOWN;
        result->shown_count = LIMIT_CHECK_SHOWN;
    }
    return TD_OK;
}

/* One frame's part of the counts by field. A frame that is decoded by one side alone differs in all
 * of them, which tells nothing. */
static td_result count_fields(gathering *g, const difference *what, td_err *err)
{
    const comparison_stream *stream = &g->result->compared->streams[what->stream];
    const field_difference *differences;
    size_t count;
    td_bytes was = {0};
    td_bytes is = {0};
    if (what->kind != DIFFERENCE_DECODE && what->kind != DIFFERENCE_REASON)
        return TD_OK;
    td_result rc =
        find_decode(g->was, stream->was, find_frame(g->was->frames, what->stream, what->was_index),
                    what->was_index, &was, err);
    if (rc == TD_OK)
        rc = find_decode(g->is, stream->is, find_frame(g->is->frames, what->stream, what->is_index),
                         what->is_index, &is, err);
    if (rc != TD_OK || was.size == 0 || is.size == 0)
        return rc;
    td_arena_reset(g->scratch);
    rc = field_diff(was, is, g->scratch, &differences, &count, err);
    /* One that is too large for the scratch is not counted, as fields_frames shows. */
    if (rc == TD_E_LIMIT || rc == TD_E_NOMEM)
        return TD_OK;
    if (rc == TD_OK)
        rc = field_counts_add(g->result->fields, check_topic_name(stream), differences, count, err);
    g->result->fields_frames += rc == TD_OK;
    return rc;
}

static td_result gather(gathering *g, td_err *err)
{
    check_result *result = g->result;
    td_result rc = list_shown(g, err);
    for (size_t i = 0; rc == TD_OK && i < result->shown_count; i++)
        rc = show(g, &result->shown[i], err);
    for (size_t i = 0; rc == TD_OK && i < result->compared->difference_count; i++)
        rc = count_fields(g, &result->compared->differences[i], err);
    return rc;
}

td_result check_result_init(check_result *out, const comparison *compared, const check_side *was,
                            const check_side *is, td_err *err)
{
    *out = (check_result){
        .compared = compared, .was = baseline_get_meta(was->of), .is = baseline_get_meta(is->of)};
    gathering g = {.result = out, .was = was, .is = is};
    g.scratch = td_arena_open(LIMIT_CHECK_BYTES);
    out->arena = td_arena_open(LIMIT_CHECK_BYTES);
    td_result rc = TD_OK;
    if (g.scratch == NULL || out->arena == NULL)
        rc = td_err_set(err, TD_E_NOMEM, "no memory for the report");
    if (rc == TD_OK)
        rc = field_counts_open(&out->fields, err);
    if (rc == TD_OK)
        rc = gather(&g, err);
    td_arena_close(g.scratch);
    if (rc != TD_OK)
        check_result_fini(out);
    return rc;
}

void check_result_fini(check_result *result)
{
    field_counts_close(result->fields);
    td_free(result->shown);
    td_arena_close(result->arena);
    *result = (check_result){.compared = NULL};
}

/* ---- names ---- */

const baseline_stream *check_stream_names(const comparison_stream *stream)
{
    if (stream->was == NULL || (stream->was->topic[0] == '\0' && stream->is != NULL))
        return stream->is;
    return stream->was;
}

const char *check_topic_name(const comparison_stream *stream)
{
    const baseline_stream *names = check_stream_names(stream);
    if (names->topic[0] != '\0')
        return names->topic;
    return names->exchange_topic[0] != '\0' ? names->exchange_topic : "(no topic)";
}
