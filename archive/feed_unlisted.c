#include "archive/feed_unlisted.h"

#include <string.h>

#include "base/alloc.h"
#include "archive/archive_segment.h"

/* ---- reading ---- */

static td_result read_all(archive *a, const archive_history *past, const archive_listing *listing,
                          unlisted_list *out, td_err *err)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        const char *path = listing->segments[i].path;
        unlisted_segment row = {0};
        td_err cause;
        td_err_clear(&cause);
        if (name_index_find(&past->by_path, segment_final_name(path)) != NAME_INDEX_NONE)
            continue;
        td_result rc = archive_read_index(a, path, INDEX_SUMMARY, &row.index, &cause);
        if (rc == TD_E_IO)
            return td_err_pass(err, rc, &cause);
        row.totals = archive_segment_totals(&row.index);
        if (rc != TD_OK || row.index.chunk_count == 0 ||
            td_hash128_equal(row.totals.chain, (td_hash128){0})) {
            segment_index_fini(&row.index);
            continue;
        }
        segment_index_drop_lists(&row.index);
        out->rows = td_array_grow(out->rows, out->count, sizeof out->rows[0]);
        out->rows[out->count++] = row;
    }
    return TD_OK;
}

/* ---- linking ---- */

static int knows_feed(const archive_history *past, const char *feed)
{
    for (size_t i = past->segment_count; i > 0; i--) {
        const past_segment *segment = &past->segments[i - 1];
        if (segment->stage != PAST_DISCARDED && strcmp(segment->feed, feed) == 0)
            return 1;
    }
    return 0;
}

/* Get the end of a feed's chain: the feed's last row among the first `linked` rows, or else its
 * last segment in the journal. */
static td_result find_end(archive *a, const archive_history *past, const unlisted_list *list,
                          size_t linked, const char *feed, feed_link *out, td_err *err)
{
    *out = (feed_link){0};
    for (size_t i = linked; i > 0; i--) {
        const unlisted_segment *row = &list->rows[i - 1];
        if (strcmp(row->index.feed, feed) != 0)
            continue;
        segment_final_path(segment_file_name(row->index.path), out->segment);
        out->chain = row->totals.chain;
        return TD_OK;
    }
    return knows_feed(past, feed) ? archive_history_link(a, past, feed, out, err) : TD_OK;
}

/* Move the segments that continue their feed's chain to the front, until no other segment does. */
static td_result link_all(archive *a, const archive_history *past, unlisted_list *list, td_err *err)
{
    size_t linked = 0;
    for (size_t i = 0; i < list->count; i++) {
        unlisted_segment row = list->rows[i];
        feed_link end;
        td_result rc = find_end(a, past, list, linked, row.index.feed, &end, err);
        if (rc != TD_OK)
            return rc;
        if (strcmp(row.index.previous_segment, end.segment) != 0 ||
            !td_hash128_equal(row.index.previous_chain, end.chain))
            continue;
        row.is_linked = 1;
        list->rows[i] = list->rows[linked];
        list->rows[linked++] = row;
        i = linked - 1; /* an earlier row may continue this one */
    }
    return TD_OK;
}

td_result unlisted_list_read(archive *a, const archive_history *past,
                             const archive_listing *listing, unlisted_list *out, td_err *err)
{
    *out = (unlisted_list){0};
    td_result rc = read_all(a, past, listing, out, err);
    if (rc == TD_OK)
        rc = link_all(a, past, out, err);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "segments that the journal does not know");
}

void unlisted_list_fini(unlisted_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        segment_index_fini(&list->rows[i].index);
    td_free(list->rows);
    *list = (unlisted_list){0};
}
