#include "archive/archive_writer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/feed_segments.h"
#include "archive/catalog.h"
#include "archive/feed_history.h"
#include "archive/journal.h"
#include "archive/reindex.h"

struct archive_writer {
    archive *archive;
    archive_writer_options options;
    char *version;
    archive_history past; /* history of the archive before this session */
    catalog *catalog;     /* NULL: it cannot be written */
    feed_segments *feeds[LIMIT_FEEDS];
    size_t feed_count;
};

/* ---- the catalog ---- */

static void leave_behind(archive_writer *w, const char *why)
{
    td_log_emit(archive_log(w->archive), TD_LOG_WARNING,
                "the catalog cannot be written and is brought up to date at the end: %s", why);
    catalog_close(w->catalog);
    w->catalog = NULL;
}

/* Add the segment that the feed has finished, if any, to the catalog. */
static void enter(archive_writer *w, const feed_segments *feed)
{
    td_err cause;
    td_err_clear(&cause);
    const segment_rows *rows = feed_segments_rows(feed);
    if (rows->index.chunk_count == 0 || rows->index.is_open)
        return;
    if (w->options.finished != NULL)
        w->options.finished(w->options.user, rows->index.path);
    if (w->catalog != NULL && catalog_put(w->catalog, rows, &cause) != TD_OK)
        leave_behind(w, cause.text);
}

/* ---- the session ---- */

static td_result journal_start(archive_writer *w, td_err *err)
{
    session_row row = {.start_ns = w->options.continues ? clock_wall_ns(archive_clock(w->archive))
                                                        : w->options.start_ns,
                       .pid = (uint64_t)getpid()};
    (void)snprintf(row.session, sizeof row.session, "%s", archive_session(w->archive));
    (void)snprintf(row.verb, sizeof row.verb, "%s", archive_verb(w->archive));
    (void)snprintf(row.version, sizeof row.version, "%s", w->version);
    return journal_append_session(w->past.writer, &row, err);
}

static td_result journal_stop(archive_writer *w, uint64_t stop_ns, td_err *err)
{
    char number[24];
    const journal_field fields[] = {
        journal_text("session", archive_session(w->archive)),
        journal_u64("stop_ns", stop_ns, number),
    };
    return journal_append(w->past.writer, JOURNAL_SESSION_STOP, fields,
                          sizeof fields / sizeof fields[0], err);
}

/* Refuse to begin while another appender still writes a segment: the archive's lock file was
 * removed by hand, so the lock did not keep this appender out. */
static td_result check_alone(const archive_writer *w, const archive_listing *listing, td_err *err)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        if (!segment->is_locked)
            continue;
        const session_row *session = archive_history_session(&w->past, segment->name.session);
        if (session == NULL || session->pid == 0)
            td_err_set(err, TD_E_BUSY, "it is in use: %s is being written", segment->path);
        else
            td_err_set(
                err, TD_E_BUSY, "it is in use by pid %llu, %s, session %s: %s is being written",
                (unsigned long long)session->pid, session->verb, session->session, segment->path);
        td_err_hint(err, "its file 'lock' was removed; end that process, and never remove locks");
        return TD_E_BUSY;
    }
    return TD_OK;
}

/* Refuse to append to a cut: its gaps are known for its one selection only. */
static td_result check_not_cut(const archive_writer *w, const archive_listing *listing, td_err *err)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *name = &listing->segments[i].name;
        if (!name->is_parsed || name->number != SEGMENT_NUMBER_CUT)
            continue;
        td_err_set(err, TD_E_INVALID, "'tapedeck cut' wrote it: nothing can be added to it");
        td_err_hint(err, "give another folder than '%s'", archive_path(w->archive));
        return TD_E_INVALID;
    }
    return TD_OK;
}

static td_result begin_session(archive_writer *w, td_err *err)
{
    archive_listing listing = {0};
    td_result rc = archive_history_open(w->archive, &w->past, err);
    if (rc == TD_OK)
        rc = archive_list_names(w->archive, &listing, err);
    if (rc == TD_OK)
        rc = check_alone(w, &listing, err);
    if (rc == TD_OK)
        rc = check_not_cut(w, &listing, err);
    archive_listing_fini(&listing);
    if (rc == TD_OK && !w->options.continues &&
        archive_history_session(&w->past, archive_session(w->archive)) != NULL)
        rc = td_err_set(err, TD_E_BUSY, "session id %s was drawn a second time; start again",
                        archive_session(w->archive));
    if (rc != TD_OK)
        return rc;
    if (archive_history_is_damaged(&w->past))
        td_log_emit(archive_log(w->archive), TD_LOG_WARNING,
                    "the journal is damaged: 'tapedeck verify' shows where, 'tapedeck gaps' what "
                    "may be missing");
    /* Segments that the catalog lacks are added when the session ends: adding them now could delay
     * recording by minutes. */
    td_err cause;
    td_err_clear(&cause);
    if (catalog_open(archive_catalog_path(w->archive), CATALOG_APPEND, &w->catalog, &cause) !=
        TD_OK)
        leave_behind(w, cause.text);
    return journal_start(w, err);
}

td_result archive_writer_open(archive *a, const archive_writer_options *options,
                              archive_writer **out, td_err *err)
{
    TD_ASSERT(archive_get_mode(a) == ARCHIVE_APPEND);
    TD_ASSERT(options->version != NULL);
    TD_ASSERT(options->sync == SYNC_CHUNKS || options->durable == NULL);
    *out = NULL;
    archive_writer *made = td_alloc_zero(1, sizeof *made);
    made->archive = a;
    made->options = *options;
    made->version = td_strdup(options->version);
    td_result rc = begin_session(made, err);
    if (rc != TD_OK) {
        rc = td_err_add(err, rc, "beginning a session in archive '%s'", archive_path(a));
        /* Nothing is open yet, so closing cannot fail. */
        td_result ended = archive_writer_close(made, WRITER_ABANDON, 0, NULL);
        TD_ASSERT(ended == TD_OK);
        return rc;
    }
    *out = made;
    return TD_OK;
}

td_result archive_writer_add_feed(archive_writer *w, const char *feed, const char *family,
                                  const document_set *documents, size_t *index, td_err *err)
{
    feed_link link;
    if (!feed_name_is_valid(feed))
        return td_err_set(err, TD_E_INVALID,
                          "feed name '%.80s': letters, digits, '.', '_' and '-' are allowed, up to "
                          "%u of them",
                          feed, LIMIT_NAME_BYTES - 1);
    if (w->feed_count == LIMIT_FEEDS)
        return td_err_set(err, TD_E_LIMIT, "more than %u feeds", LIMIT_FEEDS);
    td_result rc = archive_history_link(w->archive, &w->past, feed, &link, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "feed '%s'", feed);
    const writer_origin origin = {
        .archive = w->archive,
        .journal = w->past.writer,
        .start_ns = w->options.start_ns,
        .version = w->version,
        .sync = w->options.sync,
    };
    w->feeds[w->feed_count] = feed_segments_open(&origin, feed, family, documents, &link);
    *index = w->feed_count++;
    return TD_OK;
}

uint32_t archive_writer_last_number(const archive_writer *w, const char *feed)
{
    uint32_t last = 0;
    segment_name name;
    for (size_t i = 0; i < w->past.segment_count; i++)
        if (strcmp(w->past.segments[i].session, archive_session(w->archive)) == 0 &&
            strcmp(w->past.segments[i].feed, feed) == 0 &&
            segment_name_parse(segment_file_name(w->past.segments[i].path), &name) &&
            name.number > last)
            last = name.number;
    return last;
}

td_result archive_writer_put_gaps(archive_writer *w, const gap_row *rows, size_t count, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < count && rc == TD_OK; i++)
        rc = journal_append_gap(w->past.writer, &rows[i], err);
    return rc;
}

td_result archive_writer_put_import(archive_writer *w, const char *feed,
                                    const capture_content *content, td_err *err)
{
    return imports_write(w->past.writer, archive_session(w->archive), feed, content, err);
}

void archive_writer_make_private(archive_writer *w, size_t feed_index)
{
    TD_ASSERT(feed_index < w->feed_count);
    feed_segments_make_private(w->feeds[feed_index]);
}

/* ---- chunks ---- */

td_result archive_writer_put(archive_writer *w, size_t feed_index, sealed_chunk *chunk, td_err *err)
{
    TD_ASSERT(feed_index < w->feed_count);
    feed_segments *feed = w->feeds[feed_index];
    td_result rc = TD_OK;
    if (feed_segments_ends_before(feed, chunk)) {
        rc = feed_segments_finish(feed, err);
        if (rc == TD_OK)
            enter(w, feed);
    }
    if (rc == TD_OK)
        rc = feed_segments_put(feed, chunk, err);
    if (rc != TD_OK)
        return rc;
    if (w->options.durable != NULL)
        w->options.durable(w->options.user, feed_index, chunk);
    feed_segments_add_rows(feed, chunk);
    return TD_OK;
}

td_result archive_writer_check_lock(const archive_writer *w, td_err *err)
{
    return archive_check_lock(w->archive, err);
}

/* ---- the end ---- */

static td_result finish_feeds(archive_writer *w, td_err *err)
{
    td_result first = TD_OK;
    for (size_t i = 0; i < w->feed_count; i++) {
        td_err cause;
        td_err_clear(&cause);
        td_result rc = feed_segments_finish(w->feeds[i], &cause);
        if (rc == TD_OK)
            enter(w, w->feeds[i]);
        else if (first == TD_OK)
            first = td_err_pass(err, rc, &cause);
    }
    return first;
}

td_result archive_writer_close(archive_writer *w, writer_end end, uint64_t stop_ns, td_err *err)
{
    if (w == NULL)
        return TD_OK;
    td_result rc = TD_OK;
    if (end == WRITER_STOP) {
        rc = finish_feeds(w, err);
        if (rc == TD_OK)
            rc = journal_stop(w, stop_ns, err);
    }
    uint64_t file_bytes = 0;
    for (size_t i = 0; i < w->feed_count; i++) {
        file_bytes += feed_segments_file_bytes(w->feeds[i]);
        feed_segments_close(w->feeds[i]);
    }
    if (w->options.file_bytes != NULL)
        *w->options.file_bytes = file_bytes;
    catalog_close(w->catalog);
    if (end == WRITER_STOP && rc == TD_OK)
        archive_update_catalog(w->archive, NULL);
    archive_history_fini(&w->past);
    td_free(w->version);
    td_free(w);
    return rc;
}
