#include "archive/feed_unlisted.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/archive_segment.h"

/* ---- reading ---- */

/* TD_EOF: the segment does not belong here, or its head cannot be read. */
static td_result read_unlisted(archive *a, const archive_segment *segment, unlisted_segment *out,
                               td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    *out = (unlisted_segment){0};
    td_result rc = archive_read_index(a, segment->path, INDEX_SUMMARY, &out->index, &cause);
    if (rc == TD_E_IO)
        return td_err_pass(err, rc, &cause);
    int is_ours = rc == TD_OK && out->index.chunk_count > 0 &&
                  chain_value_parse(td_bytes_str(out->index.chain_hex), &out->chain);
    if (!is_ours) {
        segment_index_fini(&out->index);
        return TD_EOF;
    }
    out->chunk_count = (uint32_t)out->index.chunk_count;
    segment_index_drop_lists(&out->index);
    return TD_OK;
}

static int is_known(const archive_past *past, const char *path)
{
    return name_index_find(&past->by_path, segment_final_name(path)) != NAME_INDEX_NONE;
}

static td_result read_all(archive *a, const archive_past *past, const archive_listing *listing,
                          unlisted_list *out, td_err *err)
{
    size_t unknown = 0;
    for (size_t i = 0; i < listing->segment_count; i++)
        unknown += !is_known(past, listing->segments[i].path);
    out->rows = td_alloc_zero(unknown + 1, sizeof out->rows[0]);
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        if (is_known(past, segment->path))
            continue;
        td_result rc = read_unlisted(a, segment, &out->rows[out->count], err);
        if (rc == TD_OK)
            out->count++;
        else if (rc != TD_EOF)
            return rc;
    }
    TD_ASSERT(out->count <= unknown);
    return TD_OK;
}

/* ---- linking ---- */

/* The end of a feed's chain: its last segment that is known or linked by now. */
typedef struct feed_end {
    char feed[LIMIT_NAME_BYTES];
    char segment[LIMIT_PATH_BYTES]; /* file name; "": the feed has none */
    td_hash128 chain;
} feed_end;

typedef struct feed_ends {
    feed_end *rows;
    size_t count;
} feed_ends;

static int knows_feed(const archive_past *past, const char *feed)
{
    for (size_t i = past->segment_count; i > 0; i--) {
        const past_segment *segment = &past->segments[i - 1];
        if (segment->stage != PAST_DISCARDED && strcmp(segment->feed, feed) == 0)
            return 1;
    }
    return 0;
}

static td_result find_end(archive *a, const archive_past *past, feed_ends *ends, const char *feed,
                          feed_end **out, td_err *err)
{
    for (size_t i = 0; i < ends->count; i++) {
        *out = &ends->rows[i];
        if (strcmp(ends->rows[i].feed, feed) == 0)
            return TD_OK;
    }
    feed_end made = {0};
    feed_link link = {0};
    (void)snprintf(made.feed, sizeof made.feed, "%s", feed);
    td_result rc = knows_feed(past, feed) ? archive_past_link(a, past, feed, &link, err) : TD_OK;
    if (rc != TD_OK)
        return rc;
    (void)snprintf(made.segment, sizeof made.segment, "%s", link.segment);
    made.chain = link.chain;
    ends->rows = td_array_grow(ends->rows, ends->count, sizeof ends->rows[0]);
    ends->rows[ends->count] = made;
    *out = &ends->rows[ends->count++];
    return TD_OK;
}

static void swap_rows(unlisted_segment *a, unlisted_segment *b)
{
    unlisted_segment kept = *a;
    *a = *b;
    *b = kept;
}

/* One pass over those that are not linked yet, from row *linked on. */
static td_result link_some(archive *a, const archive_past *past, unlisted_list *list,
                           feed_ends *ends, size_t *linked, td_err *err)
{
    for (size_t i = *linked; i < list->count; i++) {
        unlisted_segment *row = &list->rows[i];
        feed_end *end = NULL;
        td_result rc = find_end(a, past, ends, row->index.feed, &end, err);
        if (rc != TD_OK)
            return rc;
        if (strcmp(row->index.previous_segment, end->segment) != 0 ||
            !td_hash128_equal(row->index.previous_chain, end->chain))
            continue;
        segment_final_path(segment_file_name(row->index.path), end->segment);
        end->chain = row->chain;
        row->is_linked = 1;
        swap_rows(row, &list->rows[(*linked)++]);
    }
    return TD_OK;
}

static td_result link_all(archive *a, const archive_past *past, unlisted_list *list, td_err *err)
{
    feed_ends ends = {0};
    td_result rc = TD_OK;
    size_t linked = 0;
    size_t before;
    do {
        before = linked;
        rc = link_some(a, past, list, &ends, &linked, err);
    } while (rc == TD_OK && linked > before);
    td_free(ends.rows);
    return rc;
}

/* Mark the unlisted ones that a segment continues; 1 if that is any. */
static int mark_continued(unlisted_list *list, const segment_index *by)
{
    int is_any = 0;
    for (size_t i = 0; i < list->count; i++) {
        unlisted_segment *row = &list->rows[i];
        char name[LIMIT_PATH_BYTES];
        segment_final_path(segment_file_name(row->index.path), name);
        if (row->is_continued || strcmp(by->previous_segment, name) != 0 ||
            !td_hash128_equal(by->previous_chain, row->chain))
            continue;
        row->is_continued = 1;
        is_any = 1;
    }
    return is_any;
}

/* The journal has lost entries between others: the chain goes through those segments. */
static void find_continued(archive *a, const archive_past *past, const archive_listing *listing,
                           unlisted_list *list)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        segment_index index;
        if (!is_known(past, listing->segments[i].path))
            continue;
        td_result rc =
            archive_read_index(a, listing->segments[i].path, INDEX_SUMMARY, &index, NULL);
        if (rc == TD_OK)
            (void)mark_continued(list, &index); /* 0: it continues none of them */
        segment_index_fini(&index);
    }
    for (int is_more = 1; is_more;) {
        is_more = 0;
        for (size_t i = 0; i < list->count; i++)
            is_more |= list->rows[i].is_continued && mark_continued(list, &list->rows[i].index);
    }
}

td_result unlisted_list_read(archive *a, const archive_past *past, const archive_listing *listing,
                             unlisted_list *out, td_err *err)
{
    *out = (unlisted_list){0};
    td_result rc = read_all(a, past, listing, out, err);
    if (rc == TD_OK && out->count > 0)
        rc = link_all(a, past, out, err);
    if (rc == TD_OK && past->damage_count > 0 && out->count > 0)
        find_continued(a, past, listing, out);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "segments that the journal does not know");
}

void unlisted_list_fini(unlisted_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        segment_index_fini(&list->rows[i].index);
    td_free(list->rows);
    *list = (unlisted_list){0};
}

const unlisted_segment *unlisted_list_after(const unlisted_list *list, const char *file_name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->rows[i].index.previous_segment, file_name) == 0)
            return &list->rows[i];
    }
    return NULL;
}
