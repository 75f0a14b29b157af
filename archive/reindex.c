#include "archive/reindex.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "archive/archive_segment.h"
#include "archive/feed_history.h"
#include "archive/feed_unlisted.h"
#include "archive/name_index.h"
#include "archive/segment_rows.h"

/* ---- is the catalog current? ---- */

static int is_listed(const archive_listing *listing, const char *path)
{
    const archive_segment *segment = archive_listing_find(listing, path);
    return segment != NULL && !segment->name.is_open;
}

/* 1 if the entry describes the segment, whose file has file_bytes bytes. */
static int is_same(const archive_history *past, uint64_t file_bytes, const catalog_entry *entry)
{
    return archive_history_is_same(archive_history_segment(past, entry->path), file_bytes,
                                   entry->file_bytes, entry->chain_hex);
}

/* 1 if the segment's rows stay in the catalog without its file: a store has it, and the next push
 * copies the catalog there. */
static int is_moved(const archive_history *past, const char *path)
{
    const past_segment *segment = archive_history_segment(past, path);
    return segment != NULL && segment->stage == PAST_PRUNED && segment->store != NULL;
}

/* In a store nothing is out of date: it has the catalog as the push found it, and its readers read
 * segments that it lacks. */
static void compare(archive_view *view, const catalog_entries *entries,
                    char what[CATALOG_WHAT_BYTES])
{
    if (archive_is_url(archive_path(view->archive)))
        return;
    for (size_t i = 0; i < entries->count && what[0] == '\0'; i++)
        if (!is_listed(&view->listing, entries->rows[i].path) &&
            !is_moved(&view->past, entries->rows[i].path))
            (void)snprintf(what, CATALOG_WHAT_BYTES,
                           "lists %.400s, which is not a readable segment", entries->rows[i].path);
    for (size_t i = 0; i < view->listing.segment_count && what[0] == '\0'; i++) {
        const archive_segment *segment = &view->listing.segments[i];
        const catalog_entry *entry = catalog_entries_find(entries, segment->path);
        if (!segment->name.is_open &&
            (entry == NULL || !is_same(&view->past, archive_view_size(view, segment), entry)))
            (void)snprintf(what, CATALOG_WHAT_BYTES, "does not list %.400s as it is on disk",
                           segment->path);
    }
}

void archive_check_catalog(archive_view *view, catalog_flaw_fn *fn, void *user,
                           char what[CATALOG_WHAT_BYTES])
{
    catalog *c = NULL;
    catalog_entries entries = {0};
    td_err cause;
    td_err_clear(&cause);
    what[0] = '\0';
    if (archive_catalog_path(view->archive) == NULL)
        return;
    td_result rc = catalog_open_of(view->archive, &c, &cause);
    if (rc == TD_OK)
        rc = catalog_list(c, &entries, &cause);
    if (rc == TD_OK)
        compare(view, &entries, what);
    else
        (void)snprintf(what, CATALOG_WHAT_BYTES, "%.500s",
                       rc == TD_E_NOTFOUND ? "the file is missing" : cause.text);
    for (size_t i = 0; i < entries.count && what[0] == '\0' && fn != NULL; i++) {
        if (catalog_check(c, entries.rows[i].path, &cause) != TD_OK)
            fn(user, cause.text);
    }
    catalog_entries_fini(&entries);
    catalog_close(c);
}

/* ---- rebuilding ---- */

typedef struct rebuild {
    archive *archive;
    catalog *catalog;
    int is_appender; /* 1: do not access files of segments that the catalog has as the journal lists
                        them, so that the time does not grow with the archive */
    const reindex_options *options;
    reindex_report *report;
    catalog_entries entries;
    name_index briefs; /* of an appender: paths of entries that have a brief */
    archive_history past;
    archive_listing listing;
} rebuild;

static int is_kept(const rebuild *r, const archive_segment *segment)
{
    const catalog_entry *entry = catalog_entries_find(&r->entries, segment->path);
    if (r->options->scope == REINDEX_ALL || entry == NULL ||
        !is_same(&r->past, r->is_appender ? entry->file_bytes : segment->size_bytes, entry))
        return 0;
    if (r->is_appender)
        return name_index_find(&r->briefs, td_bytes_str(segment->path)) != NAME_INDEX_NONE;
    return catalog_check(r->catalog, segment->path, NULL) == TD_OK;
}

/* Note that the catalog has a brief that matches the segment's entry. */
static void note_brief(void *user, const segment_brief *brief)
{
    rebuild *r = user;
    const catalog_entry *entry = catalog_entries_find(&r->entries, brief->path);
    if (entry != NULL && entry->file_bytes == brief->file_bytes &&
        strcmp(entry->chain_hex, brief->chain_hex) == 0)
        name_index_put(&r->briefs, td_bytes_str(entry->path), 0);
}

/* Add a segment to the catalog, or drop its rows if it is unreadable: that does not end the
 * rebuild. */
static td_result enter_segment(rebuild *r, const archive_segment *segment, td_err *err)
{
    segment_rows rows;
    td_err cause;
    td_err_clear(&cause);
    if (segment_rows_read(r->archive, segment->path, &rows, &cause) != TD_OK) {
        td_log_emit(archive_log(r->archive), TD_LOG_WARNING, "skipped: %s", cause.text);
        r->report->segments_unreadable++;
        segment_rows_fini(&rows);
        return catalog_drop(r->catalog, segment->path, err);
    }
    r->report->segments_read++;
    /* A segment whose end was cut off stays out of the catalog: readers read the file. */
    td_result rc = rows.index.is_open ? catalog_drop(r->catalog, segment->path, err)
                                      : catalog_put(r->catalog, &rows, err);
    segment_rows_fini(&rows);
    return rc;
}

static td_result forget_gone(rebuild *r, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < r->entries.count && rc == TD_OK; i++) {
        if (is_listed(&r->listing, r->entries.rows[i].path) ||
            is_moved(&r->past, r->entries.rows[i].path))
            continue;
        rc = catalog_drop(r->catalog, r->entries.rows[i].path, err);
        r->report->segments_gone++;
    }
    return rc;
}

static td_result enter_segments(rebuild *r, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < r->listing.segment_count && rc == TD_OK; i++) {
        const archive_segment *segment = &r->listing.segments[i];
        if (segment->name.is_open)
            continue;
        if (is_kept(r, segment))
            r->report->segments_kept++;
        else
            rc = enter_segment(r, segment, err);
        if (r->options->progress != NULL)
            r->options->progress(r->options->user, i + 1, r->listing.segment_count);
    }
    return rc;
}

static void log_missing(void *user, past_segment *segment)
{
    rebuild *r = user;
    r->report->segments_missing++;
    td_log_emit(archive_log(r->archive), TD_LOG_WARNING, "missing: %s: %s", segment->path,
                past_segment_missing_text(segment));
}

/* 1 if a finished segment is not as the journal lists it. */
static int is_cut(const rebuild *r, const archive_segment *segment)
{
    segment_index index;
    if (!archive_history_is_cut(&r->past, segment, NULL))
        return 0;
    if (archive_read_index(r->archive, segment->path, INDEX_SUMMARY, &index, NULL) != TD_OK)
        return 1;
    int is_so = archive_history_is_cut(&r->past, segment, &index);
    segment_index_fini(&index);
    return is_so;
}

static void log_all_missing(rebuild *r)
{
    archive_each_missing(r->archive, &r->past, &r->listing, log_missing, r);
    for (size_t i = 0; i < r->listing.segment_count && !r->is_appender; i++) {
        const archive_segment *segment = &r->listing.segments[i];
        if (segment->name.is_open || !is_cut(r, segment))
            continue;
        r->report->segments_cut++;
        td_log_emit(archive_log(r->archive), TD_LOG_WARNING, "%s: it is not what the journal lists",
                    segment->path);
    }
}

static td_result read_index(void *user, const archive_segment *segment, segment_index *out,
                            td_err *err)
{
    const rebuild *r = user;
    *out = (segment_index){0};
    return archive_read_index(r->archive, segment->path, INDEX_SUMMARY, out, err);
}

td_result archive_reindex_into(archive *a, catalog *c, const reindex_options *options,
                               reindex_report *report, td_err *err)
{
    TD_ASSERT(c != NULL);
    rebuild r = {.archive = a,
                 .catalog = c,
                 .is_appender = archive_get_mode(a) == ARCHIVE_APPEND,
                 .options = options,
                 .report = report};
    *report = (reindex_report){0};
    td_result rc = (r.is_appender ? archive_list_names : archive_list)(a, &r.listing, err);
    if (rc == TD_OK)
        rc = archive_history_read(a, &r.past, err);
    if (rc == TD_OK) {
        archive_history_find_moved(&r.past, a, &r.listing);
        rc = unlisted_add_missing(a, &r.past, &r.listing, read_index, &r, err);
    }
    if (rc == TD_OK) {
        log_all_missing(&r);
        rc = catalog_list(c, &r.entries, err);
    }
    if (rc == TD_OK && r.is_appender)
        rc = catalog_each_brief(c, note_brief, &r, err);
    if (rc == TD_OK)
        rc = forget_gone(&r, err);
    if (rc == TD_OK)
        rc = enter_segments(&r, err);
    if (rc == TD_OK)
        rc = catalog_drop_stray(c, err);
    r.report->unexpected = r.listing.unexpected_count;
    archive_listing_fini(&r.listing);
    archive_history_fini(&r.past);
    name_index_fini(&r.briefs);
    catalog_entries_fini(&r.entries);
    return rc;
}

/* ---- the catalog on disk ---- */

/* Check that the written rows can be read: a damaged page may accept rows and appear malformed only
 * when it is read. Rows that were kept were read before; an appender reads no rows. */
static td_result check_written(archive *a, catalog *c, const reindex_report *report, td_err *err)
{
    catalog_entries written;
    const int is_read =
        archive_get_mode(a) != ARCHIVE_APPEND && report->segments_read + report->segments_gone > 0;
    td_result rc = catalog_list(c, &written, err);
    for (size_t i = 0; i < written.count && rc == TD_OK && is_read; i++)
        rc = catalog_check(c, written.rows[i].path, err);
    catalog_entries_fini(&written);
    return rc;
}

static td_result reindex_once(archive *a, const reindex_options *options, reindex_report *report,
                              td_err *err)
{
    catalog *c = NULL;
    td_result rc = catalog_open(archive_catalog_path(a), CATALOG_WRITE, &c, err);
    /* Also removes rows that belong to no segment. */
    if (rc == TD_OK && options->scope == REINDEX_ALL)
        rc = catalog_clear(c, err);
    if (rc == TD_OK)
        rc = archive_reindex_into(a, c, options, report, err);
    if (rc == TD_OK)
        rc = check_written(a, c, report, err);
    catalog_close(c);
    return rc;
}

td_result archive_reindex(archive *a, const reindex_options *options, reindex_report *report,
                          td_err *err)
{
    const char *path = archive_catalog_path(a);
    char live[SESSION_ID_BYTES];
    td_err first;
    td_err_clear(&first);
    td_result rc = archive_live_session(a, live, err);
    /* A live appender would continue to write into the removed file. */
    if (rc == TD_OK && options->scope == REINDEX_ALL && live[0] == '\0')
        rc = catalog_remove(path, err);
    if (rc != TD_OK)
        return rc;
    rc = reindex_once(a, options, report, &first);
    if (rc == TD_E_CORRUPT || rc == TD_E_UNSUPPORTED) {
        td_log_emit(archive_log(a), TD_LOG_WARNING, "catalog rebuilt: %s", first.text);
        rc = catalog_remove(path, err);
        return rc == TD_OK ? reindex_once(a, options, report, err) : rc;
    }
    return rc == TD_OK ? TD_OK : td_err_pass(err, rc, &first);
}

/* Logs the progress of archive_update_catalog. */
#define UPDATE_LOG_NS (UINT64_C(2) * TD_NS_PER_S)
typedef struct update_log {
    archive *archive;
    uint64_t due_ns; /* by the monotonic clock */
} update_log;

static void log_update(void *user, uint64_t done, uint64_t total)
{
    update_log *log = user;
    const uint64_t now_ns = clock_mono_ns(archive_clock(log->archive));
    if (now_ns < log->due_ns)
        return;
    log->due_ns = now_ns + UPDATE_LOG_NS;
    td_log_emit(archive_log(log->archive), TD_LOG_INFO,
                "bringing the catalog up to date: %llu of %llu segments", (unsigned long long)done,
                (unsigned long long)total);
}

void archive_update_catalog(archive *a, reindex_report *report)
{
    td_err cause;
    reindex_report own;
    update_log log = {.archive = a, .due_ns = clock_mono_ns(archive_clock(a)) + UPDATE_LOG_NS};
    const reindex_options options = {
        .scope = REINDEX_CHANGED, .progress = log_update, .user = &log};
    td_err_clear(&cause);
    if (archive_reindex(a, &options, report == NULL ? &own : report, &cause) != TD_OK)
        td_log_emit(archive_log(a), TD_LOG_WARNING,
                    "the catalog cannot be updated, run 'tapedeck reindex' later: %s", cause.text);
}
