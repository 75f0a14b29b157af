#include "archive/archive_view.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "archive/archive_segment.h"
#include "archive/feed_unlisted.h"
#include "archive/journal.h"

enum { BUSY_COUNT = 4, BUSY_NS = 100000000 };

static void close_catalog(archive_view *view, const char *why)
{
    td_log_emit(view->log, TD_LOG_INFO, "reading segments without the catalog: %s", why);
    catalog_close(view->catalog);
    view->catalog = NULL;
}

static void open_catalog(archive_view *view)
{
    td_err cause;
    td_err_clear(&cause);
    if (catalog_open_of(view->archive, &view->catalog, &cause) != TD_OK)
        close_catalog(view, cause.text);
    view->is_catalog_closed = 0;
}

static td_result add_entry(void *user, const journal_entry *entry, td_err *err)
{
    archive_view *view = user;
    char texts[GAP_TEXTS_BYTES];
    gap_row row;
    (void)err;
    if (!td_bytes_is(entry->act, JOURNAL_GAP))
        archive_history_apply(&view->past, entry);
    else if (journal_get_gap(entry, texts, &row))
        gap_list_append(&view->journal_gaps, &row);
    return TD_OK;
}

static td_result read_index(void *user, const archive_segment *segment, segment_index *out,
                            td_err *err)
{
    archive_view *view = user;
    segment_rows rows;
    *out = (segment_index){0};
    if (!archive_view_load(view, segment->path, archive_view_size(view, segment), CATALOG_INDEX,
                           &rows))
        return archive_read_index(view->archive, segment->path, INDEX_SUMMARY, out, err);
    *out = rows.index;
    rows.index = (segment_index){0};
    segment_rows_fini(&rows);
    return TD_OK;
}

td_result archive_view_open(archive *a, view_parts parts, const td_log *log, archive_view **out,
                            td_err *err)
{
    *out = NULL;
    if (parts == VIEW_ALL && archive_held_view(a) != NULL) {
        *out = archive_view_share(archive_held_view(a));
        return TD_OK;
    }
    archive_view *view = td_alloc_zero(1, sizeof *view);
    view->archive = a;
    view->log = log;
    view->user_count = 1;
    if (parts == VIEW_ALL && archive_catalog_path(a) != NULL)
        open_catalog(view);
    /* Segments are listed before the journal is read. If a segment is finished in between, it is
     * listed as open, but its file has the final name (archive_each_missing). If a session begins
     * in between, it is in the journal with an open gap, but has no listed segment. The live
     * session is determined after listing and before reading the journal: if the session ends
     * afterwards, its end is in the journal. */
    td_result rc = parts == VIEW_ALL ? archive_list_names(a, &view->listing, err)
                                     : archive_list(a, &view->listing, err);
    if (rc == TD_OK)
        rc = archive_live_session(a, view->live, err);
    if (rc == TD_OK)
        rc = journal_read(a, add_entry, view, &view->past.journal, err);
    gap_list_merge(&view->journal_gaps);
    if (rc == TD_OK) {
        archive_history_check(&view->past, a, &view->listing);
        rc = unlisted_add_missing(a, &view->past, &view->listing, read_index, view, err);
    }
    if (rc != TD_OK) {
        archive_view_close(view);
        return rc;
    }
    *out = view;
    return TD_OK;
}

td_result archive_view_hold(archive *a, td_err *err)
{
    archive_view *view = NULL;
    TD_ASSERT(archive_get_mode(a) == ARCHIVE_READ);
    td_result rc = archive_view_open(a, VIEW_ALL, archive_log(a), &view, err);
    archive_set_held_view(a, view);
    return rc;
}

void archive_view_let_go(archive *a)
{
    archive_view *view = a == NULL ? NULL : archive_held_view(a);
    if (view == NULL)
        return;
    archive_set_held_view(a, NULL);
    archive_view_close(view);
}

archive_view *archive_view_share(archive_view *view)
{
    TD_ASSERT(view->user_count > 0);
    view->user_count++;
    return view;
}

void archive_view_close(archive_view *view)
{
    if (view == NULL)
        return;
    TD_ASSERT(view->user_count > 0);
    if (--view->user_count > 0)
        return;
    archive_listing_fini(&view->listing);
    archive_history_fini(&view->past);
    gap_list_fini(&view->journal_gaps);
    catalog_close(view->catalog);
    td_free(view);
}

void archive_view_close_catalog(archive_view *view)
{
    const uint64_t now_ns = clock_mono_ns(clock_real());
    int is_busy = now_ns - view->closed_ns < BUSY_NS;
    view->closed_ns = now_ns;
    view->busy_count = is_busy ? view->busy_count + 1 : 0;
    if (view->busy_count > BUSY_COUNT)
        return;
    view->is_catalog_closed |= view->catalog != NULL;
    catalog_close(view->catalog);
    view->catalog = NULL;
}

void archive_view_begin_loads(archive_view *view)
{
    view->loader_count++;
}

void archive_view_end_loads(archive_view *view)
{
    TD_ASSERT(view->loader_count > 0);
    if (--view->loader_count == 0 && view->catalog != NULL)
        catalog_release(view->catalog);
}

uint64_t archive_view_size(archive_view *view, const archive_segment *segment)
{
    const size_t at = (size_t)(segment - view->listing.segments);
    TD_ASSERT(at < view->listing.segment_count);
    archive_segment *listed = &view->listing.segments[at];
    if (listed->size_bytes == 0 &&
        archive_file_size(view->archive, listed->path, &listed->size_bytes, NULL) != TD_OK)
        listed->size_bytes = 0; /* reading the segment reports why */
    return listed->size_bytes;
}

int archive_view_load(archive_view *view, const char *path, uint64_t file_bytes, catalog_part part,
                      segment_rows *out)
{
    td_err cause;
    td_err_clear(&cause);
    if (segment_has_open_name(path))
        return 0;
    if (view->is_catalog_closed)
        open_catalog(view);
    if (view->catalog == NULL)
        return 0;
    if (view->loader_count > 0)
        catalog_hold(view->catalog);
    td_result rc = catalog_load(view->catalog, path, part, out, &cause);
    if (rc == TD_OK &&
        archive_history_is_same(archive_history_segment(&view->past, path), file_bytes,
                                out->index.file_bytes, out->index.chain_hex))
        return 1;
    if (rc == TD_OK)
        segment_rows_fini(out);
    else if (rc == TD_E_CORRUPT)
        td_log_emit(view->log, TD_LOG_INFO, "reading the segment itself: %s", cause.text);
    else if (rc != TD_E_NOTFOUND)
        close_catalog(view, cause.text);
    return 0;
}

/* Walks the briefs and the listing together: both are sorted by path. */
typedef struct brief_walk {
    archive_view *view;
    archive_brief_fn *fn;
    void *user;
    uint8_t *has_brief;
    size_t at; /* index in the listing */
} brief_walk;

static void on_brief(void *user, const segment_brief *brief)
{
    brief_walk *walk = user;
    const archive_listing *listing = &walk->view->listing;
    int order = 1;
    while (walk->at < listing->segment_count &&
           (order = strcmp(listing->segments[walk->at].path, brief->path)) < 0)
        walk->at++;
    if (order != 0)
        return;
    const archive_segment *segment = &listing->segments[walk->at];
    if (walk->has_brief[walk->at] ||
        !archive_history_is_same(archive_history_segment(&walk->view->past, segment->path),
                                 archive_view_size(walk->view, segment), brief->file_bytes,
                                 brief->chain_hex))
        return;
    walk->has_brief[walk->at] = 1;
    walk->fn(walk->user, segment, brief);
}

void archive_view_each_brief(archive_view *view, archive_brief_fn *fn, void *user,
                             uint8_t *has_brief) // NOLINT(readability-non-const-parameter)
{
    brief_walk walk = {.view = view, .fn = fn, .user = user, .has_brief = has_brief};
    td_err cause;
    td_err_clear(&cause);
    if (view->is_catalog_closed)
        open_catalog(view);
    if (view->catalog != NULL &&
        catalog_each_brief(view->catalog, on_brief, &walk, &cause) != TD_OK)
        close_catalog(view, cause.text);
}

td_result archive_view_read(archive_view *view, const char *path, uint64_t file_bytes,
                            catalog_part part, segment_rows *out, td_err *err)
{
    if (archive_view_load(view, path, file_bytes, part, out))
        return TD_OK;
    return segment_rows_read(view->archive, path, out, err);
}

/* The newest message time in the segment that is not later than until_ns, or 0. */
static uint64_t newest_of(const segment_index *index, uint64_t until_ns)
{
    uint64_t newest_ns = 0;
    for (size_t i = 0; i < index->chunk_count; i++) {
        const segment_chunk *chunk = &index->chunks[i];
        uint64_t ns = chunk->last_ns <= until_ns ? chunk->last_ns : chunk->first_ns;
        if (ns <= until_ns && ns > newest_ns)
            newest_ns = ns;
    }
    return newest_ns;
}

/* Read the latest segments first; skip segments whose hour ends before the newest time found. */
uint64_t archive_view_newest_ns(archive_view *view, uint64_t until_ns)
{
    uint64_t newest_ns = 0;
    archive_view_begin_loads(view);
    for (size_t i = view->listing.segment_count; i > 0; i--) {
        const archive_segment *segment = &view->listing.segments[i - 1];
        segment_rows rows;
        if (!segment->name.is_parsed || segment_name_span(&segment->name).to_ns <= newest_ns ||
            segment->name.first_s > until_ns / TD_NS_PER_S)
            continue;
        td_result rc = archive_view_read(view, segment->path, archive_view_size(view, segment),
                                         CATALOG_ROWS_AND_CHUNKS, &rows, NULL);
        uint64_t ns = rc == TD_OK ? newest_of(&rows.index, until_ns) : 0;
        newest_ns = ns > newest_ns ? ns : newest_ns;
        segment_rows_fini(&rows);
    }
    archive_view_end_loads(view);
    return newest_ns;
}
