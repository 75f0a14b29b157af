#include "archive/feed_strays.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "format/segment_reader.h"
#include "archive/archive_segment.h"

/* ---- reading ---- */

static void copy_text(char *out, size_t out_bytes, const char *text)
{
    (void)snprintf(out, out_bytes, "%s", text == NULL ? "" : text);
}

static td_result fill(segment_reader *reader, const archive_segment *segment, stray_segment *out,
                      td_err *err)
{
    const segment_info *info = segment_reader_info(reader);
    const segment_session *session = &info->session;
    chain_record chain;
    td_result rc = segment_reader_last_chain(reader, NULL, &chain, err);
    if (rc != TD_OK)
        return rc;
    *out = (stray_segment){
        .path = segment->path,
        .is_open = segment->name.is_open,
        .session_start_ns = session->start_ns,
        .previous_segment =
            td_strdup(session->previous_segment == NULL ? "" : session->previous_segment),
        .previous_chain = session->previous_chain,
        .chain = chain.value,
        .message_count = info->message_count,
        .file_bytes = info->file_bytes,
        .chunk_count = segment_reader_chunk_count(reader),
    };
    copy_text(out->feed, sizeof out->feed, session->feed);
    copy_text(out->session, sizeof out->session, session->session);
    copy_text(out->verb, sizeof out->verb, session->verb);
    copy_text(out->version, sizeof out->version, session->version);
    return out->previous_segment == NULL ? td_err_set(err, TD_E_NOMEM, "no memory for a segment")
                                         : TD_OK;
}

/* TD_EOF: the segment does not belong here, or its head cannot be read. */
static td_result read_stray(archive *a, const archive_segment *segment, stray_segment *out,
                            td_err *err)
{
    segment_reader *reader = NULL;
    td_err cause;
    td_err_clear(&cause);
    td_result rc = archive_open_segment(a, segment->path, &reader, &cause);
    if (rc == TD_OK &&
        (!segment_reader_info(reader)->is_ours || segment_reader_chunk_count(reader) == 0))
        rc = TD_EOF;
    if (rc == TD_OK)
        rc = fill(reader, segment, out, &cause);
    segment_reader_close(reader);
    if (rc == TD_E_NOMEM || rc == TD_E_IO)
        return td_err_set(err, rc, "%s", cause.text);
    return rc == TD_OK ? TD_OK : TD_EOF;
}

static int is_known(const archive_past *past, const char *path)
{
    return name_index_find(&past->by_path, segment_final_name(path)) != NAME_INDEX_NONE;
}

static td_result read_all(archive *a, const archive_past *past, const archive_listing *listing,
                          stray_list *out, td_err *err)
{
    size_t unknown = 0;
    for (size_t i = 0; i < listing->segment_count; i++)
        unknown += !is_known(past, listing->segments[i].path);
    out->rows = td_alloc_zero(unknown + 1, sizeof out->rows[0]);
    if (out->rows == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu segments", unknown);
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        if (is_known(past, segment->path))
            continue;
        td_result rc = read_stray(a, segment, &out->rows[out->count], err);
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
    feed_end *grown = td_array_grow(ends->rows, ends->count, sizeof ends->rows[0]);
    if (grown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a feed");
    ends->rows = grown;
    feed_end made = {0};
    feed_link link = {0};
    copy_text(made.feed, sizeof made.feed, feed);
    td_result rc = knows_feed(past, feed) ? archive_past_link(a, past, feed, &link, err) : TD_OK;
    if (rc != TD_OK)
        return rc;
    copy_text(made.segment, sizeof made.segment, link.segment);
    made.chain = link.chain;
    grown[ends->count] = made;
    *out = &grown[ends->count++];
    return TD_OK;
}

static void swap_rows(stray_segment *a, stray_segment *b)
{
    stray_segment kept = *a;
    *a = *b;
    *b = kept;
}

/* One pass over those that are not linked yet, from row *linked on. */
static td_result link_some(archive *a, const archive_past *past, stray_list *list, feed_ends *ends,
                           size_t *linked, td_err *err)
{
    for (size_t i = *linked; i < list->count; i++) {
        stray_segment *row = &list->rows[i];
        feed_end *end = NULL;
        td_result rc = find_end(a, past, ends, row->feed, &end, err);
        if (rc != TD_OK)
            return rc;
        if (strcmp(row->previous_segment, end->segment) != 0 ||
            !td_hash128_equal(row->previous_chain, end->chain))
            continue;
        segment_final_path(segment_file_name(row->path), end->segment);
        end->chain = row->chain;
        row->is_linked = 1;
        swap_rows(row, &list->rows[(*linked)++]);
    }
    return TD_OK;
}

static td_result link_all(archive *a, const archive_past *past, stray_list *list, td_err *err)
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

td_result stray_list_read(archive *a, const archive_past *past, const archive_listing *listing,
                          stray_list *out, td_err *err)
{
    *out = (stray_list){0};
    td_result rc = read_all(a, past, listing, out, err);
    if (rc == TD_OK && out->count > 0)
        rc = link_all(a, past, out, err);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "segments that the journal does not know");
}

void stray_list_fini(stray_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        td_free(list->rows[i].previous_segment);
    td_free(list->rows);
    *list = (stray_list){0};
}

const stray_segment *stray_list_after(const stray_list *list, const char *file_name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->rows[i].previous_segment, file_name) == 0)
            return &list->rows[i];
    }
    return NULL;
}
