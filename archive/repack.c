#include "archive/repack.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/archive_segment.h"
#include "archive/archive_view.h"
#include "archive/feed_history.h"
#include "archive/journal.h"
#include "archive/read_plan.h"
#include "format/segment_repack.h"

#define FOLDER "packing" /* below the archive */

/* 1 if a segment of the form `now` must be rewritten to get the form `wanted`. */
static int is_other_form(chunk_form now, chunk_form wanted)
{
    return wanted == CHUNKS_PACKED_FAST ? now == CHUNKS_RECORDED : now != wanted;
}

/* ---- which segments ---- */

static void add_candidate(repack_list *list, const segment_index *index)
{
    list->rows = td_array_grow(list->rows, list->count, sizeof list->rows[0]);
    repack_candidate *row = &list->rows[list->count++];
    *row = (repack_candidate){.path = td_strdup(index->path),
                              .bytes = index->file_bytes,
                              .message_count = index->message_count,
                              .first_ns = index->first_ns,
                              .last_ns = index->last_ns};
    memcpy(row->feed, index->feed, sizeof row->feed);
}

static void find_in_plan(const archive_view *view, const read_plan *plan, const repack_query *query,
                         repack_list *out)
{
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const planned_segment *planned = read_plan_segment(plan, i);
        const past_segment *past = archive_history_segment(&view->past, planned->index->path);
        /* One that the journal does not know as finished: its writer, or a recovery, may be about
         * to write the entry. */
        if (planned->life != SEGMENT_IS_FINISHED || past == NULL || past->stage != PAST_FINISHED ||
            past->announced_chunks > 0 || planned->index->last_ns >= query->before_ns)
            continue;
        /* The journal has the form of its file. A file of another size is opened: a rewriting of it
         * ended before the rename, or its entry is lost. */
        if (planned->index->file_bytes != past->file.bytes ||
            is_other_form(past->form, query->form))
            add_candidate(out, planned->index);
    }
    out->unreadable = read_plan_unreadable_count(plan);
}

td_result archive_repack_find(archive *a, const repack_query *query, repack_list *out, td_err *err)
{
    archive_view *view = NULL;
    read_plan *plan = NULL;
    *out = (repack_list){0};
    td_result rc = archive_view_open(a, VIEW_ALL, archive_log(a), &view, err);
    const read_query wanted = {
        .time = query->time, .wants_feed = query->wants_feed, .user = query->user, .view = view};
    if (rc == TD_OK)
        rc = read_plan_open(a, &wanted, &plan, err);
    if (rc == TD_OK)
        find_in_plan(view, plan, query, out);
    read_plan_close(plan);
    archive_view_close(view);
    return rc;
}

uint64_t archive_repack_estimate(archive *a, const repack_list *list, chunk_form form)
{
    enum { TRIED_MAX = 16 };
    const size_t tried = list->count < TRIED_MAX ? list->count : TRIED_MAX;
    repack_trial sum = {0};
    uint64_t bytes = 0;
    for (size_t i = 0; i < tried; i++) {
        char full[LIMIT_PATH_BYTES];
        if (archive_join(a, list->rows[i * list->count / tried].path, full, NULL) != TD_OK ||
            segment_repack_try(archive_io(a), full, form, &sum, NULL) != TD_OK)
            continue; /* packing reports it */
    }
    for (size_t i = 0; i < list->count; i++)
        bytes += list->rows[i].bytes;
    return sum.old_bytes == 0
               ? 0
               : (uint64_t)((double)bytes * (double)sum.new_bytes / (double)sum.old_bytes);
}

void repack_list_fini(repack_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        td_free(list->rows[i].path);
    td_free(list->rows);
    *list = (repack_list){0};
}

/* ---- the folder of unfinished work ---- */

static td_result remove_leftover(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    archive *a = user;
    char relative[LIMIT_PATH_BYTES], full[LIMIT_PATH_BYTES];
    if (kind != TD_ENTRY_FILE)
        return TD_OK;
    (void)snprintf(relative, sizeof relative, FOLDER "/%.1000s", name);
    td_result rc = archive_join(a, relative, full, err);
    return rc == TD_OK ? td_io_unlink(archive_io(a), full, err) : rc;
}

td_result archive_repack_clear(archive *a, td_err *err)
{
    char folder[LIMIT_PATH_BYTES];
    td_err cause;
    td_err_clear(&cause);
    td_result rc = archive_join(a, FOLDER, folder, &cause);
    if (rc == TD_OK)
        rc = td_io_list(archive_io(a), folder, remove_leftover, a, &cause);
    if (rc == TD_E_NOTFOUND)
        return TD_OK;
    return rc == TD_OK ? TD_OK : td_err_pass(err, rc, &cause);
}

/* ---- one segment ---- */

/* Paths of one rewriting. */
typedef struct repack_paths {
    const char *segment;         /* below the archive */
    char full[LIMIT_PATH_BYTES]; /* of the segment */
    char made[LIMIT_PATH_BYTES]; /* of the new file */
} repack_paths;

static td_result begin(archive *a, repack_paths *paths, td_err *err)
{
    char relative[LIMIT_PATH_BYTES];
    (void)snprintf(relative, sizeof relative, FOLDER "/%.1000s", segment_file_name(paths->segment));
    td_result rc = archive_repack_clear(a, err);
    if (rc == TD_OK)
        rc = td_io_mkdir_below(archive_io(a), archive_path(a), FOLDER, err);
    if (rc == TD_OK)
        rc = archive_join(a, paths->segment, paths->full, err);
    return rc == TD_OK ? archive_join(a, relative, paths->made, err) : rc;
}

/* Remove the folder, with what a failure left in it. The next run does what this cannot. */
static void end(archive *a)
{
    char folder[LIMIT_PATH_BYTES];
    td_result rc = archive_repack_clear(a, NULL);
    if (rc == TD_OK)
        rc = archive_join(a, FOLDER, folder, NULL);
    if (rc == TD_OK)
        rc = td_io_unlink(archive_io(a), folder, NULL);
    (void)rc;
}

/* Read what the segment is now. TD_EOF: it has the form, or is gone. */
static td_result read_old(archive *a, const repack_paths *paths, chunk_form form,
                          segment_index *index, td_err *err)
{
    td_result rc = archive_read_index(a, paths->segment, INDEX_SUMMARY, index, err);
    if (rc == TD_OK && (index->is_open || !is_other_form(index->form, form))) {
        segment_index_fini(index);
        return TD_EOF;
    }
    return rc == TD_E_NOTFOUND ? TD_EOF : rc;
}

/* Journal the new file, which is durable, then let it replace the segment. */
static td_result replace(archive *a, const repack_paths *paths, const segment_index *index,
                         const segment_totals *totals, chunk_form form, td_err *err)
{
    char number[24];
    journal *j = NULL;
    const journal_segment segment = {paths->segment, index->feed, index->session, totals};
    const journal_field more[] = {
        journal_text("old_chain", index->chain_hex),
        journal_u64("old_bytes", index->file_bytes, number),
        journal_text("packed", chunk_form_name(form)),
    };
    td_result rc = journal_open(a, NULL, NULL, NULL, &j, err);
    if (rc == TD_OK)
        rc = journal_append_segment(j, JOURNAL_REPACKED, &segment, more,
                                    sizeof more / sizeof more[0], err);
    if (rc == TD_OK)
        rc = td_io_publish(archive_io(a), paths->made, paths->full, err);
    journal_close(j);
    return rc;
}

static td_result rewrite(archive *a, const repack_paths *paths, const segment_index *index,
                         chunk_form form, segment_totals *totals, td_err *err)
{
    td_result rc = segment_repack(archive_io(a), paths->full, paths->made, form, totals, err);
    if (rc == TD_OK)
        rc = segment_compare(archive_io(a), paths->full, paths->made, err);
    return rc == TD_OK ? replace(a, paths, index, totals, form, err) : rc;
}

td_result archive_repack(archive *a, const char *path, chunk_form form, repack_report *report,
                         td_err *err)
{
    TD_ASSERT(archive_get_mode(a) == ARCHIVE_MAINTAIN);
    repack_paths paths = {.segment = path};
    segment_index index;
    *report = (repack_report){0};
    td_result rc = begin(a, &paths, err);
    if (rc == TD_OK)
        rc = read_old(a, &paths, form, &index, err);
    if (rc == TD_OK) {
        rc = rewrite(a, &paths, &index, form, &report->totals, err);
        report->old_bytes = index.file_bytes;
        report->is_done = rc == TD_OK;
        segment_index_fini(&index);
    }
    end(a);
    if (rc == TD_EOF) {
        td_err_clear(err);
        return TD_OK;
    }
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "rewriting %s", path);
}
