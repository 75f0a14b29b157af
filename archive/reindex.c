#include "archive/reindex.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "archive/feed_past.h"
#include "archive/segment_rows.h"

/* ---- is the catalog current? ---- */

static int is_listed(const archive_listing *listing, const char *path)
{
    const archive_segment *segment = archive_listing_find(listing, path);
    return segment != NULL && !segment->name.is_open;
}

/* 1 if the entry describes the listed segment. */
static int is_same(const archive_past *past, const archive_segment *segment,
                   const catalog_entry *entry)
{
    segment_index index = {.file_bytes = entry == NULL ? 0 : entry->file_bytes};
    if (entry == NULL)
        return 0;
    memcpy(index.chain_hex, entry->chain_hex, sizeof index.chain_hex);
    return archive_past_is_same(past, segment->path, segment->size_bytes, &index);
}

int catalog_is_complete(catalog *c, const archive_listing *listing)
{
    catalog_entries entries;
    size_t found = 0;
    int is_complete = catalog_list(c, &entries, NULL) == TD_OK;
    for (size_t i = 0; i < listing->segment_count && is_complete; i++) {
        const archive_segment *segment = &listing->segments[i];
        if (segment->name.is_open)
            continue;
        is_complete = catalog_entries_find(&entries, segment->path) != NULL;
        found++;
    }
    is_complete = is_complete && found == entries.count;
    catalog_entries_fini(&entries);
    return is_complete;
}

/* What is compared. */
typedef struct sides {
    archive_listing listing;
    archive_past past;
    catalog *catalog;
    catalog_entries entries;
} sides;

static void sides_close(sides *s)
{
    archive_listing_fini(&s->listing);
    archive_past_fini(&s->past);
    catalog_entries_fini(&s->entries);
    catalog_close(s->catalog);
}

static void compare(const sides *s, char what[CATALOG_WHAT_BYTES])
{
    for (size_t i = 0; i < s->entries.count && what[0] == '\0'; i++) {
        if (!is_listed(&s->listing, s->entries.rows[i].path))
            (void)snprintf(what, CATALOG_WHAT_BYTES,
                           "lists %.400s, which is not a readable segment",
                           s->entries.rows[i].path);
    }
    for (size_t i = 0; i < s->listing.segment_count && what[0] == '\0'; i++) {
        const archive_segment *segment = &s->listing.segments[i];
        if (!segment->name.is_open &&
            !is_same(&s->past, segment, catalog_entries_find(&s->entries, segment->path)))
            (void)snprintf(what, CATALOG_WHAT_BYTES, "does not list %.400s as it is on disk",
                           segment->path);
    }
}

/* Open and compare; what gets the reason why it cannot be used, too. */
static td_result sides_open(archive *a, sides *s, char what[CATALOG_WHAT_BYTES], td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    *s = (sides){0};
    what[0] = '\0';
    td_result rc = archive_list(a, &s->listing, err);
    if (rc == TD_OK)
        rc = archive_past_read(a, &s->past, err);
    if (rc != TD_OK)
        return rc;
    rc = catalog_open(archive_catalog_path(a), CATALOG_READ, &s->catalog, &cause);
    if (rc == TD_OK)
        rc = catalog_list(s->catalog, &s->entries, &cause);
    if (rc == TD_OK)
        compare(s, what);
    else if (rc == TD_E_NOTFOUND)
        (void)snprintf(what, CATALOG_WHAT_BYTES, "the file is missing");
    else
        (void)snprintf(what, CATALOG_WHAT_BYTES, "%.500s", cause.text);
    return TD_OK;
}

static void check_rows(const sides *s, catalog_flaw_fn *fn, void *user)
{
    for (size_t i = 0; i < s->entries.count; i++) {
        segment_rows rows;
        td_err cause;
        if (catalog_load(s->catalog, s->entries.rows[i].path, CATALOG_ROWS_AND_CHUNKS, &rows,
                         &cause) == TD_OK)
            segment_rows_fini(&rows);
        else
            fn(user, cause.text);
    }
}

td_result archive_check_catalog(archive *a, catalog_flaw_fn *fn, void *user,
                                char what[CATALOG_WHAT_BYTES], td_err *err)
{
    sides s;
    what[0] = '\0';
    if (archive_is_single_file(a))
        return TD_OK;
    td_result rc = sides_open(a, &s, what, err);
    if (rc == TD_OK && fn != NULL && what[0] == '\0')
        check_rows(&s, fn, user);
    sides_close(&s);
    return rc;
}

/* ---- rebuilding ---- */

typedef struct rebuild {
    archive *archive;
    catalog *catalog;
    const reindex_options *options;
    reindex_report *report;
    catalog_entries entries;
    archive_past past;
    archive_listing listing;
} rebuild;

static int is_kept(const rebuild *r, const archive_segment *segment)
{
    segment_rows rows;
    if (r->options->scope == REINDEX_ALL ||
        !is_same(&r->past, segment, catalog_entries_find(&r->entries, segment->path)))
        return 0;
    if (archive_get_mode(r->archive) != ARCHIVE_MAINTAIN)
        return 1;
    if (catalog_load(r->catalog, segment->path, CATALOG_ROWS_AND_CHUNKS, &rows, NULL) != TD_OK)
        return 0;
    segment_rows_fini(&rows);
    return 1;
}

/* A segment that cannot be read does not end the work. */
static td_result enter_segment(rebuild *r, const archive_segment *segment, td_err *err)
{
    segment_rows rows;
    td_err cause;
    td_err_clear(&cause);
    if (segment_rows_read(r->archive, segment->path, &rows, &cause) != TD_OK) {
        td_log_emit(archive_log(r->archive), TD_LOG_WARNING, "skipped: %s", cause.text);
        r->report->segments_unreadable++;
        return catalog_drop(r->catalog, segment->path, err);
    }
    r->report->segments_read++;
    /* One whose end was cut off is read itself. */
    td_result rc = rows.index.is_open ? catalog_drop(r->catalog, segment->path, err)
                                      : catalog_put(r->catalog, &rows, err);
    segment_rows_fini(&rows);
    return rc;
}

static td_result forget_gone(rebuild *r, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < r->entries.count && rc == TD_OK; i++) {
        if (is_listed(&r->listing, r->entries.rows[i].path))
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
    td_log_emit(archive_log(r->archive), TD_LOG_WARNING,
                "missing: %s: the journal lists it, but it is not on disk", segment->path);
}

static void log_all_missing(rebuild *r)
{
    archive_each_missing(r->archive, &r->past, &r->listing, log_missing, r);
    for (size_t i = 0; i < r->listing.segment_count; i++) {
        const archive_segment *segment = &r->listing.segments[i];
        if (segment->name.is_open || !archive_past_is_cut(&r->past, segment, 0))
            continue;
        r->report->segments_cut++;
        td_log_emit(archive_log(r->archive), TD_LOG_WARNING, "%s: it is not what the journal lists",
                    segment->path);
    }
}

td_result archive_reindex_into(archive *a, catalog *c, const reindex_options *options,
                               reindex_report *report, td_err *err)
{
    TD_ASSERT(c != NULL);
    reindex_report own = {0};
    rebuild r = {
        .archive = a, .catalog = c, .options = options, .report = report == NULL ? &own : report};
    *r.report = (reindex_report){0};
    td_result rc = archive_list(a, &r.listing, err);
    if (rc == TD_OK)
        rc = archive_past_read(a, &r.past, err);
    if (rc == TD_OK) {
        log_all_missing(&r);
        rc = catalog_list(c, &r.entries, err);
    }
    if (rc == TD_OK)
        rc = forget_gone(&r, err);
    if (rc == TD_OK)
        rc = enter_segments(&r, err);
    r.report->unexpected = r.listing.unexpected_count;
    archive_listing_fini(&r.listing);
    archive_past_fini(&r.past);
    catalog_entries_fini(&r.entries);
    return rc;
}

/* ---- the catalog on disk ---- */

static td_result reindex_once(archive *a, const reindex_options *options, reindex_report *report,
                              td_err *err)
{
    catalog *c = NULL;
    td_result rc = catalog_open(archive_catalog_path(a), CATALOG_WRITE, &c, err);
    /* Also the rows that belong to no segment. */
    if (rc == TD_OK && options->scope == REINDEX_ALL)
        rc = catalog_clear(c, err);
    if (rc == TD_OK)
        rc = archive_reindex_into(a, c, options, report, err);
    catalog_close(c);
    return rc;
}

td_result archive_reindex(archive *a, const reindex_options *options, reindex_report *report,
                          td_err *err)
{
    TD_ASSERT(archive_get_mode(a) != ARCHIVE_READ);
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
