#include "remote/pull.h"

#include <stdio.h>
#include <string.h>

#include "archive/journal.h"
#include "archive/reindex.h"
#include "format/segment_name.h"
#include "remote/manifest.h"
#include "remote/part.h"

typedef struct pull {
    s3_store *from;
    archive *into;
    const pull_options *options;
    pull_report *report;
    remote_manifest manifest;
    uint64_t done_bytes, all_bytes; /* of its segments */
} pull;

static td_result append(void *user, const uint8_t *bytes, size_t size, td_err *err)
{
    return td_io_append(user, bytes, size, err);
}

static td_result fetch(pull *p, const manifest_part *part, part_sink *sink, void *user, td_err *err)
{
    td_result rc = part_fetch(p->from, part, sink, user, err);
    p->report->bytes_received += rc == TD_OK ? part->bytes : 0;
    if (rc == TD_E_CORRUPT)
        td_err_hint(err, "push the archive to another prefix, and verify it there");
    return rc;
}

/* ---- the journal ---- */

typedef struct journal_copy {
    pull *pull;
    const manifest_file *there;
    char path[LIMIT_PATH_BYTES];
    td_file *old;       /* NULL: the folder has no journal */
    uint64_t old_bytes; /* of it */
    uint64_t at;        /* where the present part begins, or the next piece of it */
    td_file *to;        /* NULL: is only compared */
} journal_copy;

static td_result refuse_other(const journal_copy *copy, td_err *err)
{
    td_result rc = td_err_set(err, TD_E_INVALID,
                              "%s has another archive, or a later state of this one: its journal "
                              "is not the begin of the store's",
                              archive_path(copy->pull->into));
    td_err_hint(err, "pull to another folder");
    return rc;
}

/* Append a piece of the store's journal, which must be as the local one, as far as that reaches. */
static td_result add_piece(void *user, const uint8_t *bytes, size_t size, td_err *err)
{
    journal_copy *copy = user;
    size_t done = 0;
    td_result rc = TD_OK;
    while (rc == TD_OK && done < size && copy->at + done < copy->old_bytes) {
        uint8_t old[4096];
        const uint64_t left = copy->old_bytes - copy->at - done;
        size_t next = size - done < sizeof old ? size - done : sizeof old;
        next = left < next ? (size_t)left : next;
        rc = td_io_read_exact(copy->old, copy->at + done, old, next, err);
        if (rc == TD_OK && memcmp(old, bytes + done, next) != 0)
            rc = refuse_other(copy, err);
        done += next;
    }
    copy->at += size;
    return rc == TD_OK ? td_io_append(copy->to, bytes, size, err) : rc;
}

/* Copy a part that the folder has from there. */
static td_result keep_part(journal_copy *copy, const manifest_part *part, td_err *err)
{
    const part_range mine = {copy->old, copy->at, part->bytes};
    manifest_part found;
    td_result rc = part_of_range(&mine, copy->to == NULL ? NULL : append, copy->to, &found, err);
    copy->at += part->bytes;
    return rc == TD_OK && strcmp(found.sha256, part->sha256) != 0 ? refuse_other(copy, err) : rc;
}

static td_result copy_journal(void *user, td_file *to, td_err *err)
{
    journal_copy *copy = user;
    td_result rc = TD_OK;
    copy->to = to;
    for (size_t i = 0; rc == TD_OK && i < copy->there->part_count; i++) {
        const manifest_part *part = &copy->there->parts[i];
        rc = copy->at + part->bytes <= copy->old_bytes
                 ? keep_part(copy, part, err)
                 : fetch(copy->pull, part, add_piece, copy, err);
    }
    if (rc == TD_OK && to != NULL && copy->old != NULL)
        rc = td_io_copy_access(archive_io(copy->pull->into), copy->path, to, err);
    return rc;
}

/* Segments without a journal could be any archive's. */
static td_result check_empty(pull *p, td_err *err)
{
    archive_listing listing = {0};
    td_result rc = archive_list_names(p->into, &listing, err);
    if (rc == TD_OK && listing.segment_count > 0) {
        rc =
            td_err_set(err, TD_E_INVALID, "%s has segments, but no journal", archive_path(p->into));
        td_err_hint(err, "pull to another folder");
    }
    archive_listing_fini(&listing);
    return rc;
}

static td_result open_old(journal_copy *copy, td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    td_result rc =
        td_io_open(archive_io(copy->pull->into), copy->path, TD_OPEN_READ, &copy->old, &cause);
    if (rc == TD_E_NOTFOUND)
        return check_empty(copy->pull, err);
    if (rc != TD_OK)
        return td_err_pass(err, rc, &cause);
    rc = td_io_size(copy->old, &copy->old_bytes, err);
    return rc == TD_OK && copy->old_bytes > copy->there->bytes ? refuse_other(copy, err) : rc;
}

/* Make the local journal the store's. A failure leaves the folder as it was. */
static td_result pull_journal(pull *p, td_err *err)
{
    journal_copy copy = {.pull = p, .there = remote_manifest_find(&p->manifest, JOURNAL_FILE)};
    char part[LIMIT_PATH_BYTES];
    if (copy.there == NULL)
        return td_err_set(err, TD_E_CORRUPT, "the store's manifest lists no journal");
    td_result rc = archive_join(p->into, JOURNAL_FILE, copy.path, err);
    if (rc == TD_OK)
        rc = archive_join(p->into, JOURNAL_FILE ".part", part, err);
    if (rc == TD_OK)
        rc = open_old(&copy, err);
    if (rc == TD_OK && copy.old_bytes == copy.there->bytes) {
        rc = copy_journal(&copy, NULL, err);
    } else if (rc == TD_OK) {
        const td_io io = archive_io(p->into);
        rc = td_io_write_file(io, copy.path, TD_OPEN_CREATE, copy_journal, &copy, err);
        if (rc != TD_OK && td_io_unlink(io, part, NULL) != TD_OK)
            td_log_emit(archive_log(p->into), TD_LOG_INFO, "'%s' is left", part);
    }
    td_io_close(copy.old);
    p->report->journal_bytes = copy.there->bytes;
    return rc;
}

/* ---- segments ---- */

typedef struct segment_copy {
    pull *pull;
    const manifest_file *there;
    char path[LIMIT_PATH_BYTES];
    uint8_t has_other; /* 1: the folder has the file, with another content */
} segment_copy;

/* Compare the folder's file with the store's; *is_same is 0, too, if it is missing. */
static td_result compare_local(segment_copy *copy, int *is_same, td_err *err)
{
    part_range range = {.file = NULL};
    uint64_t bytes = 0;
    td_err cause;
    td_err_clear(&cause);
    *is_same = 0;
    td_result rc =
        td_io_open(archive_io(copy->pull->into), copy->path, TD_OPEN_READ, &range.file, &cause);
    if (rc != TD_OK)
        return rc == TD_E_NOTFOUND ? TD_OK : td_err_pass(err, rc, &cause);
    rc = td_io_size(range.file, &bytes, err);
    *is_same = rc == TD_OK && bytes == copy->there->bytes;
    for (size_t i = 0; *is_same && rc == TD_OK && i < copy->there->part_count; i++) {
        manifest_part found;
        range.bytes = copy->there->parts[i].bytes;
        rc = part_of_range(&range, NULL, NULL, &found, err);
        *is_same = rc == TD_OK && strcmp(found.sha256, copy->there->parts[i].sha256) == 0;
        range.from += range.bytes;
    }
    copy->has_other = !*is_same;
    td_io_close(range.file);
    return rc;
}

static td_result copy_segment(void *user, td_file *to, td_err *err)
{
    const segment_copy *copy = user;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < copy->there->part_count; i++)
        rc = fetch(copy->pull, &copy->there->parts[i], append, to, err);
    if (rc == TD_OK && copy->has_other)
        rc = td_io_copy_access(archive_io(copy->pull->into), copy->path, to, err);
    return rc;
}

/* Write the store's file. The store does not keep modes, and a segment may have an account's
 * frames: a new file is its owner's only. */
static td_result write_segment(segment_copy *copy, td_err *err)
{
    const td_io io = archive_io(copy->pull->into);
    const char *name = copy->there->path;
    char folder[LIMIT_PATH_BYTES];
    /* The store's would be the worse one. */
    if (copy->has_other && copy->there->chain[0] == '\0') {
        td_result rc = td_err_set(err, TD_E_CORRUPT,
                                  "%s could not be read when it was pushed, and the folder has "
                                  "another content",
                                  name);
        td_err_hint(err, "verify both; to get the store's, remove the folder's");
        return rc;
    }
    const int folder_bytes = (int)(segment_file_name(name) - name) - 1;
    (void)snprintf(folder, sizeof folder, "%.*s", folder_bytes, name);
    td_result rc = td_io_mkdir_below(io, archive_path(copy->pull->into), folder, err);
    if (rc == TD_OK)
        rc = td_io_write_file(io, copy->path, TD_OPEN_CREATE_PRIVATE, copy_segment, copy, err);
    copy->pull->report->segments_received += rc == TD_OK;
    return rc;
}

static td_result pull_segment(pull *p, const manifest_file *there, td_err *err)
{
    segment_copy copy = {.pull = p, .there = there};
    int is_same = 0;
    td_result rc = archive_join(p->into, there->path, copy.path, err);
    if (rc == TD_OK)
        rc = compare_local(&copy, &is_same, err);
    return rc == TD_OK && !is_same ? write_segment(&copy, err) : rc;
}

/* 1 for a finished segment. Of other files of the manifest the journal is pulled. */
static int is_segment(const manifest_file *file)
{
    segment_name name;
    return segment_name_parse(segment_file_name(file->path), &name) && !name.is_open &&
           strncmp(file->path, "capture/", strlen("capture/")) == 0;
}

static td_result pull_segments(pull *p, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < p->manifest.file_count; i++) {
        const manifest_file *file = &p->manifest.files[i];
        if (!is_segment(file))
            continue;
        rc = pull_segment(p, file, err);
        p->done_bytes += file->bytes;
        if (rc == TD_OK && p->options->progress != NULL)
            p->options->progress(p->options->user, p->done_bytes, p->all_bytes);
    }
    return rc;
}

static td_result count_others(pull *p, td_err *err)
{
    archive_listing listing = {0};
    td_result rc = archive_list_names(p->into, &listing, err);
    for (size_t i = 0; rc == TD_OK && i < listing.segment_count; i++)
        p->report->segments_only_here +=
            remote_manifest_find(&p->manifest, listing.segments[i].path) == NULL;
    archive_listing_fini(&listing);
    return rc;
}

/* ---- a pull ---- */

static td_result read_manifest(pull *p, td_err *err)
{
    td_result rc = remote_manifest_read(p->from, &p->manifest, err);
    if (rc == TD_OK && p->manifest.number == 0) {
        rc = td_err_set(err, TD_E_NOTFOUND, "no archive was pushed to it: no manifest is there");
        td_err_hint(err, "give the s3://BUCKET/PREFIX that 'tapedeck push' was given");
    }
    p->report->manifest = p->manifest.number;
    for (size_t i = 0; i < p->manifest.file_count; i++) {
        const manifest_file *file = &p->manifest.files[i];
        p->report->segments += (uint64_t)is_segment(file);
        p->all_bytes += is_segment(file) ? file->bytes : 0;
    }
    return rc;
}

/* As a maintainer, which compares the catalog with all files: some were replaced. */
static td_result update_catalog(const archive_options *into, const char *path, td_err *err)
{
    archive *a = NULL;
    td_result rc = archive_open(into, path, ARCHIVE_MAINTAIN, &a, err);
    if (rc == TD_OK)
        archive_update_catalog(a, NULL);
    archive_close(a);
    return rc;
}

static td_result run(pull *p, const archive_options *into, const char *path, td_err *err)
{
    td_lock *maintain = NULL;
    td_result rc = read_manifest(p, err);
    if (rc == TD_OK)
        rc = archive_open(into, path, ARCHIVE_APPEND, &p->into, err);
    if (rc == TD_OK)
        rc = archive_lock_maintain(p->into, &maintain, err);
    if (rc == TD_OK)
        rc = pull_journal(p, err);
    if (rc == TD_OK)
        rc = pull_segments(p, err);
    p->report->bytes = p->all_bytes + p->report->journal_bytes;
    if (rc == TD_OK)
        rc = count_others(p, err);
    td_io_unlock(maintain);
    archive_close(p->into);
    return rc == TD_OK ? update_catalog(into, path, err) : rc;
}

td_result remote_pull(s3_store *from, const archive_options *into, const char *path,
                      const pull_options *options, pull_report *report, td_err *err)
{
    pull p = {.from = from, .options = options, .report = report};
    *report = (pull_report){0};
    td_result rc = run(&p, into, path, err);
    remote_manifest_fini(&p.manifest);
    return rc;
}
