#include "archive/reindex.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "archive/archive_segment.h"
#include "archive/catalog_known.h"
#include "archive/feed_past.h"
#include "format/segment_index.h"

/* ---- is the catalog current? ---- */

/* An open segment is in the catalog as it is if the catalog ends where its chain ends. One without
 * any durable chunk is in no catalog. */
static int open_segment_matches(archive *a, const known_segments *known,
                                const archive_segment *segment)
{
    segment_index index;
    if (archive_read_index(a, segment->path, INDEX_SUMMARY, &index, NULL) != TD_OK)
        return 0;
    const catalog_segment *row = known_segments_find(known, segment->path);
    int is_same =
        row == NULL ? index.chunk_count == 0 : row->is_open && row->file_bytes == index.file_bytes;
    segment_index_fini(&index);
    return is_same;
}

static int segment_matches(archive *a, const known_segments *known, const archive_segment *segment)
{
    return segment->name.is_open ? open_segment_matches(a, known, segment)
                                 : known_segments_match(known, segment);
}

static int is_same_path(const char *path, const char *without_open)
{
    size_t length = strlen(without_open);
    return strncmp(path, without_open, length) == 0 &&
           (path[length] == '\0' || strcmp(path + length, ".open") == 0);
}

/* Rows without a file. */
static const catalog_segment *find_gone(const known_segments *known, const archive_listing *listing,
                                        size_t *from)
{
    TD_ASSERT(*from <= known->count);
    size_t at = 0; /* both lists are in order of path, which ".open" does not change */
    for (; *from < known->count; (*from)++) {
        const catalog_segment *row = &known->rows[*from];
        while (at < listing->segment_count &&
               strncmp(listing->segments[at].path, row->path, strlen(row->path)) < 0)
            at++;
        if (at == listing->segment_count || !is_same_path(listing->segments[at].path, row->path))
            return row;
    }
    return NULL;
}

static td_result compare_segments(archive *a, catalog *c, char what[CATALOG_WHAT_BYTES],
                                  td_err *err)
{
    known_segments known;
    archive_listing listing = {0};
    size_t gone = 0;
    td_result rc = known_segments_load(c, &known, err);
    if (rc == TD_OK)
        rc = archive_list(a, &listing, err);
    if (rc == TD_OK) {
        const catalog_segment *row = find_gone(&known, &listing, &gone);
        if (row != NULL)
            (void)snprintf(what, CATALOG_WHAT_BYTES, "lists %.400s, which cannot be read",
                           row->path);
    }
    for (size_t i = 0; i < listing.segment_count && rc == TD_OK && what[0] == '\0'; i++) {
        if (!segment_matches(a, &known, &listing.segments[i]))
            (void)snprintf(what, CATALOG_WHAT_BYTES, "does not list %.400s as it is on disk",
                           listing.segments[i].path);
    }
    archive_listing_fini(&listing);
    known_segments_fini(&known);
    return rc;
}

static td_result compare_journal(archive *a, catalog *c, char what[CATALOG_WHAT_BYTES], td_err *err)
{
    chain_place read = {0};
    int is_behind = 0;
    journal_state state;
    td_result rc = catalog_get_state(c, &read, &is_behind, err);
    if (rc != TD_OK)
        return rc;
    rc = journal_read_from(a, read, NULL, NULL, &state, err);
    if (is_behind)
        (void)snprintf(what, CATALOG_WHAT_BYTES, "an appender could not update it");
    else if (rc == TD_E_NOTFOUND && state.file_bytes < read.bytes)
        (void)snprintf(what, CATALOG_WHAT_BYTES,
                       "has read %llu bytes of the journal, which has %llu: the journal was cut "
                       "short, or the catalog belongs to another one",
                       (unsigned long long)read.bytes, (unsigned long long)state.file_bytes);
    else if (rc == TD_E_NOTFOUND)
        (void)snprintf(what, CATALOG_WHAT_BYTES, "belongs to another journal");
    else if (rc == TD_OK && state.sound_bytes != read.bytes)
        (void)snprintf(what, CATALOG_WHAT_BYTES, "has not read the journal to its end");
    if (rc == TD_E_NOTFOUND)
        td_err_clear(err);
    return rc == TD_E_NOTFOUND ? TD_OK : rc;
}

static td_result compare_count(catalog *c, size_t listed, char what[CATALOG_WHAT_BYTES],
                               td_err *err)
{
    uint64_t known = 0;
    td_result rc = catalog_count_segments(c, &known, err);
    if (rc == TD_OK && known != listed)
        (void)snprintf(what, CATALOG_WHAT_BYTES, "lists %llu segments, %zu are there",
                       (unsigned long long)known, listed);
    return rc;
}

/* listing NULL: look at each segment. */
static td_result check_catalog(archive *a, const archive_listing *listing,
                               char what[CATALOG_WHAT_BYTES], td_err *err)
{
    what[0] = '\0';
    if (archive_is_single_file(a))
        return TD_OK;
    td_err cause;
    td_err_clear(&cause);
    catalog *c = NULL;
    td_result rc = catalog_open(archive_catalog_path(a), CATALOG_READ, &c, &cause);
    if (rc == TD_OK)
        rc = compare_journal(a, c, what, &cause);
    if (rc == TD_OK && what[0] == '\0')
        rc = listing == NULL ? compare_segments(a, c, what, &cause)
                             : compare_count(c, listing->segment_count, what, &cause);
    catalog_close(c);
    if (rc == TD_E_NOMEM)
        return td_err_pass(err, rc, &cause);
    if (rc == TD_E_NOTFOUND)
        (void)snprintf(what, CATALOG_WHAT_BYTES, "the file is missing");
    else if (rc != TD_OK)
        (void)snprintf(what, CATALOG_WHAT_BYTES, "%.500s", cause.text);
    return TD_OK;
}

td_result archive_check_catalog(archive *a, char what[CATALOG_WHAT_BYTES], td_err *err)
{
    return check_catalog(a, NULL, what, err);
}

td_result archive_check_catalog_place(archive *a, const archive_listing *listing,
                                      char what[CATALOG_WHAT_BYTES], td_err *err)
{
    TD_ASSERT(listing != NULL);
    return check_catalog(a, listing, what, err);
}

/* ---- rebuilding ---- */

typedef struct rebuild {
    archive *archive;
    catalog *catalog;
    const reindex_options *options;
    reindex_report *report;
    reindex_scope scope;
    char live[SESSION_ID_BYTES]; /* whose open segments its appender enters itself */
    known_segments known;
    archive_listing listing;
} rebuild;

static td_result end_transaction(catalog *c, td_result rc, td_err *err)
{
    if (rc == TD_OK)
        rc = catalog_commit(c, err);
    if (rc != TD_OK)
        catalog_abort(c);
    return rc;
}

/* A maintainer that has the archive for itself has time to check every row: the catalog may be a
 * copy of one that was in use, or another program's work. */
static int is_thorough(const rebuild *r)
{
    return archive_get_mode(r->archive) == ARCHIVE_MAINTAIN && r->live[0] == '\0';
}

/* 1 if all rows of a segment are those that were written. */
static int rows_hold(const rebuild *r, const archive_segment *segment)
{
    segment_index index;
    gap_list gaps;
    if (catalog_load_segment(r->catalog, segment->path, CATALOG_CHANNELS_AND_CHUNKS, &index,
                             NULL) != TD_OK)
        return 0;
    segment_index_fini(&index);
    if (catalog_load_gaps(r->catalog, segment->path, &gaps, NULL) != TD_OK)
        return 0;
    gap_list_fini(&gaps);
    return 1;
}

static int is_kept(const rebuild *r, const archive_segment *segment)
{
    /* The sums of an open one are not made yet. */
    int holds = !is_thorough(r) || (!segment->name.is_open && rows_hold(r, segment));
    return r->scope == REINDEX_CHANGED && holds && segment_matches(r->archive, &r->known, segment);
}

/* TD_E_CORRUPT: it has to be rebuilt. */
static td_result check_database(const rebuild *r, td_err *err)
{
    char what[CATALOG_FLAW_BYTES];
    if (!is_thorough(r))
        return TD_OK;
    td_result rc = catalog_find_flaw(r->catalog, what, err);
    if (rc == TD_OK && what[0] != '\0')
        rc = td_err_set(err, TD_E_CORRUPT, "%s", what);
    return rc;
}

/* Marked as out of date until the end, so that a rebuild that was killed is detected. */
static td_result begin_rebuild(rebuild *r, td_err *err)
{
    td_result rc = catalog_begin(r->catalog, err);
    if (rc != TD_OK)
        return rc;
    if (is_thorough(r))
        rc = catalog_forget_rows(r->catalog, FORGET_JOURNAL, err);
    if (rc == TD_OK && r->scope == REINDEX_ALL) {
        rc = catalog_forget_rows(r->catalog, FORGET_LEDGER, err);
        if (rc == TD_OK)
            rc = catalog_set_place(r->catalog, (chain_place){0}, err);
    }
    if (rc == TD_OK)
        rc = catalog_set_behind(r->catalog, 1, err);
    return end_transaction(r->catalog, rc, err);
}

static td_result end_rebuild(rebuild *r, td_err *err)
{
    td_result rc = catalog_begin(r->catalog, err);
    if (rc != TD_OK)
        return rc;
    rc = ledger_catch_up(r->archive, r->catalog, err);
    if (rc == TD_OK)
        rc = catalog_add_segment_sessions(r->catalog, err);
    if (rc == TD_OK && is_thorough(r))
        rc = catalog_forget_rows(r->catalog, FORGET_STRAYS, err);
    if (rc == TD_OK)
        rc = catalog_forget_rows(r->catalog, FORGET_ORPHANS, err);
    if (rc == TD_OK)
        rc = catalog_set_behind(r->catalog, 0, err);
    return end_transaction(r->catalog, rc, err);
}

/* Enter one segment and its gaps; index NULL: only forget it. */
static td_result enter_segment(rebuild *r, const char *path, const segment_index *index,
                               const gap_list *gaps, td_err *err)
{
    /* A summary has no counts per channel: the catalog needs them. */
    TD_ASSERT(index == NULL || index->depth == INDEX_FULL);
    td_result rc = catalog_begin(r->catalog, err);
    if (rc != TD_OK)
        return rc;
    rc = catalog_drop_segment(r->catalog, path, err);
    for (size_t i = 0; i < gaps->count && rc == TD_OK; i++)
        rc = catalog_put_gap(r->catalog, path, &gaps->rows[i], err);
    if (rc == TD_OK && index != NULL)
        rc = catalog_put_segment(r->catalog, index, err);
    if (rc == TD_OK && index != NULL && r->options->entered != NULL)
        rc = r->options->entered(r->options->user, r->catalog, index, err);
    return end_transaction(r->catalog, rc, err);
}

static td_result enter_gaps_only(rebuild *r, const char *path, const gap_list *gaps, td_err *err)
{
    td_result rc = catalog_begin(r->catalog, err);
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; i < gaps->count && rc == TD_OK; i++)
        rc = catalog_put_gap(r->catalog, path, &gaps->rows[i], err);
    return end_transaction(r->catalog, rc, err);
}

/* TD_E_NOMEM ends the work; a segment that cannot be read does not. */
static td_result read_segment(rebuild *r, const archive_segment *segment, td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    segment_index index = {0};
    gap_list gaps = {0};
    /* A reader compares with what the appender has entered. */
    int is_entered_by_appender =
        archive_get_mode(r->archive) != ARCHIVE_READ && archive_segment_is_live(segment, r->live);
    int has_index = !is_entered_by_appender;
    td_result rc = TD_OK;
    if (has_index)
        rc = archive_read_index(r->archive, segment->path, INDEX_FULL, &index, &cause);
    if (rc == TD_OK && (!has_index || index.chunk_count > 0))
        rc = segment_gaps(r->archive, segment->path, &gaps, &cause);
    if (rc == TD_E_NOMEM) {
        rc = td_err_pass(err, rc, &cause);
    } else if (rc != TD_OK) {
        td_log_emit(archive_log(r->archive), TD_LOG_WARNING, "passed over: %s", cause.text);
        r->report->segments_unreadable++;
        rc = enter_segment(r, segment->path, NULL, &(gap_list){0}, err);
    } else {
        r->report->segments_read++;
        if (has_index)
            rc =
                enter_segment(r, segment->path, index.chunk_count == 0 ? NULL : &index, &gaps, err);
        else
            rc = enter_gaps_only(r, segment->path, &gaps, err);
    }
    gap_list_fini(&gaps);
    segment_index_fini(&index);
    return rc;
}

static td_result forget_gone(rebuild *r, td_err *err)
{
    td_result rc = TD_OK;
    size_t at = 0;
    const catalog_segment *row;
    while (rc == TD_OK && (row = find_gone(&r->known, &r->listing, &at)) != NULL) {
        rc = enter_segment(r, row->path, NULL, &(gap_list){0}, err);
        r->report->segments_gone++;
        at++;
    }
    return rc;
}

/* If the journal is another one, everything must be read again. */
static td_result choose_scope(rebuild *r, td_err *err)
{
    chain_place read = {0};
    int is_behind = 0;
    journal_state state;
    if (r->scope == REINDEX_ALL)
        return TD_OK;
    td_result rc = catalog_get_state(r->catalog, &read, &is_behind, err);
    if (rc != TD_OK)
        return rc;
    rc = journal_read_from(r->archive, read, NULL, NULL, &state, err);
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        r->scope = REINDEX_ALL;
        return TD_OK;
    }
    return rc;
}

static td_result read_segments(rebuild *r, td_err *err)
{
    TD_ASSERT(r->listing.segment_count == 0 || r->listing.segments != NULL);
    td_result rc = TD_OK;
    for (size_t i = 0; i < r->listing.segment_count && rc == TD_OK; i++) {
        const archive_segment *segment = &r->listing.segments[i];
        if (r->options->should_stop != NULL && r->options->should_stop(r->options->user))
            return td_err_set(err, TD_E_BUSY, "stopped");
        if (is_kept(r, segment))
            r->report->segments_kept++;
        else
            rc = read_segment(r, segment, err);
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

static td_result log_all_missing(rebuild *r, td_err *err)
{
    archive_past past;
    td_result rc = archive_past_read(r->archive, &past, err);
    if (rc == TD_OK)
        archive_each_missing(r->archive, &past, &r->listing, log_missing, r);
    for (size_t i = 0; i < r->listing.segment_count && rc == TD_OK; i++) {
        const archive_segment *segment = &r->listing.segments[i];
        if (segment->name.is_open || !archive_past_is_cut(&past, segment, 0))
            continue;
        r->report->segments_cut++;
        td_log_emit(archive_log(r->archive), TD_LOG_WARNING, "%s: it is not what the journal lists",
                    segment->path);
    }
    archive_past_fini(&past);
    return rc;
}

td_result archive_reindex_into(archive *a, catalog *c, const reindex_options *options,
                               reindex_report *report, td_err *err)
{
    TD_ASSERT(c != NULL);
    TD_ASSERT(options->scope == REINDEX_ALL || options->scope == REINDEX_CHANGED);
    reindex_report own = {0};
    rebuild r = {.archive = a,
                 .catalog = c,
                 .options = options,
                 .report = report == NULL ? &own : report,
                 .scope = options->scope};
    *r.report = (reindex_report){0};
    td_result rc = TD_OK;
    if (archive_get_mode(a) != ARCHIVE_READ)
        rc = archive_live_session(a, r.live, err);
    if (rc == TD_OK)
        rc = archive_list(a, &r.listing, err);
    if (rc == TD_OK)
        rc = log_all_missing(&r, err);
    if (rc == TD_OK)
        rc = known_segments_load(c, &r.known, err);
    if (rc == TD_OK)
        rc = choose_scope(&r, err);
    if (rc == TD_OK)
        rc = check_database(&r, err);
    if (rc == TD_OK)
        rc = begin_rebuild(&r, err);
    if (rc == TD_OK)
        rc = forget_gone(&r, err);
    if (rc == TD_OK)
        rc = read_segments(&r, err);
    if (rc == TD_OK)
        rc = end_rebuild(&r, err);
    TD_ASSERT(rc != TD_OK ||
              r.report->segments_kept + r.report->segments_read + r.report->segments_unreadable ==
                  r.listing.segment_count);
    r.report->unexpected = r.listing.unexpected_count;
    archive_listing_fini(&r.listing);
    known_segments_fini(&r.known);
    return rc;
}

/* ---- the catalog on disk ---- */

static int is_unusable(td_result rc)
{
    return rc == TD_E_CORRUPT || rc == TD_E_UNSUPPORTED || rc == TD_E_INVALID;
}

static td_result reindex_once(archive *a, const reindex_options *options, reindex_report *report,
                              td_err *err)
{
    catalog *c = NULL;
    td_result rc = catalog_open(archive_catalog_path(a), CATALOG_WRITE, &c, err);
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
    /* A live appender would go on writing into the removed file: then it is rebuilt in place. */
    if (rc == TD_OK && options->scope == REINDEX_ALL && live[0] == '\0')
        rc = catalog_remove(path, err);
    if (rc != TD_OK)
        return rc;
    rc = reindex_once(a, options, report, &first);
    if (is_unusable(rc)) {
        td_log_emit(archive_log(a), TD_LOG_WARNING, "catalog rebuilt: %s", first.text);
        rc = catalog_remove(path, err);
        return rc == TD_OK ? reindex_once(a, options, report, err) : rc;
    }
    return rc == TD_OK ? TD_OK : td_err_pass(err, rc, &first);
}
