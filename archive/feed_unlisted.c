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
            td_hash128_equal(row.totals.link, (td_hash128){0})) {
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
        out->chain = row->totals.link;
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

/* ---- segments before them ---- */

/* From when on messages of a feed may be missing before its segment `name`: it is as if those
 * before it had been removed, too. From the last message of the session's segment that is there, or
 * else from the session's start. */
static uint64_t missing_since(archive *a, const archive_listing *listing, const segment_name *name,
                              uint64_t session_start_ns)
{
    const archive_segment *before = NULL;
    uint64_t since_ns = session_start_ns;
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *other = &listing->segments[i].name;
        if (other->number < name->number && strcmp(other->session, name->session) == 0 &&
            strcmp(other->feed, name->feed) == 0 &&
            (before == NULL || other->number > before->name.number))
            before = &listing->segments[i];
    }
    segment_index index;
    if (before == NULL || archive_read_index(a, before->path, INDEX_SUMMARY, &index, NULL) != TD_OK)
        return since_ns == 0 ? 1 : since_ns;
    since_ns = index.last_ns;
    segment_index_fini(&index);
    return since_ns;
}

/* The path of a finished segment: its folder is named by its first message's day. */
static void path_of(const segment_name *name, char out[LIMIT_PATH_BYTES])
{
    segment_name_format(name->feed, name->session, name->first_s * TD_NS_PER_S, name->number, out);
}

static int is_on_disk(const archive *a, const char *path)
{
    char open_path[LIMIT_PATH_BYTES];
    uint64_t size;
    segment_open_path(path, open_path);
    return archive_file_size(a, path, &size, NULL) == TD_OK ||
           archive_file_size(a, open_path, &size, NULL) == TD_OK;
}

/* 1 if an earlier segment of the feed is there. */
static int has_earlier(const archive_listing *listing, const segment_name *name)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *other = &listing->segments[i].name;
        if (strcmp(other->feed, name->feed) == 0 &&
            (other->first_s < name->first_s ||
             (other->number < name->number && strcmp(other->session, name->session) == 0)))
            return 1;
    }
    return 0;
}

/* Add the segment that the one at path, which past does not have, continues. */
static void add_previous(archive *a, archive_history *past, const archive_listing *listing,
                         const segment_index *index)
{
    const int is_whole = past->journal.is_present && past->damage_count == 0;
    segment_name name;
    char path[LIMIT_PATH_BYTES];
    if (!segment_name_parse(index->previous_segment, &name))
        return;
    path_of(&name, path);
    if (archive_history_segment(past, path) != NULL || is_on_disk(a, path) ||
        (!is_whole && !has_earlier(listing, &name)))
        return;
    past_segment *made = archive_history_add_segment(past, path, name.feed, name.session);
    made->stage = PAST_FINISHED;
    made->is_chained = 1;
    made->first_ns = missing_since(a, listing, &name, index->session_start_ns);
}

td_result unlisted_add_missing(archive *a, archive_history *past, const archive_listing *listing,
                               unlisted_read_fn *read, void *user, td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    for (size_t i = 0; !archive_is_single_file(a) && i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        segment_index index;
        if (name_index_find(&past->by_path, segment_final_name(segment->path)) != NAME_INDEX_NONE)
            continue;
        td_result rc = read(user, segment, &index, &cause);
        if (rc == TD_OK)
            add_previous(a, past, listing, &index);
        segment_index_fini(&index);
        if (rc == TD_E_IO)
            return td_err_pass(err, rc, &cause);
    }
    return TD_OK;
}
