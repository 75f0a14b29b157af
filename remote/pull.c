#include "remote/pull.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/journal.h"
#include "archive/reindex.h"
#include "format/segment_name.h"
#include "format/segment_verify.h"
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

/* ---- one file ---- */

typedef struct file_copy {
    pull *pull;
    const manifest_file *there;
    char path[LIMIT_PATH_BYTES];
    td_file *old; /* NULL: the folder lacks the file */
    uint64_t old_bytes;
    uint8_t is_same; /* 1: the folder's file is the store's */
    td_file *to;
    /* Of the journal: */
    uint64_t at;      /* offset of the next piece */
    uint8_t is_other; /* 1: the folder's is not its begin */
} file_copy;

/* Open the folder's file, and compare it with the store's. */
static td_result open_copy(file_copy *copy, td_err *err)
{
    int is_same = 0;
    td_err cause;
    td_err_clear(&cause);
    td_result rc = archive_join(copy->pull->into, copy->there->path, copy->path, err);
    if (rc != TD_OK)
        return rc;
    rc = td_io_open(archive_io(copy->pull->into), copy->path, TD_OPEN_READ, &copy->old, &cause);
    if (rc != TD_OK)
        return rc == TD_E_NOTFOUND ? TD_OK : td_err_pass(err, rc, &cause);
    rc = td_io_size(copy->old, &copy->old_bytes, err);
    if (rc == TD_OK && copy->old_bytes == copy->there->bytes)
        rc = part_compare_file(copy->old, copy->old_bytes, copy->there, &is_same, err);
    copy->is_same = (uint8_t)is_same;
    return rc;
}

/* Write the store's file, each piece by sink, with the access of the folder's. */
static td_result copy_parts(file_copy *copy, part_sink *sink, void *user, td_err *err)
{
    pull *p = copy->pull;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < copy->there->part_count; i++) {
        rc = part_fetch(p->from, &copy->there->parts[i], sink, user, err);
        p->report->bytes_received += rc == TD_OK ? copy->there->parts[i].bytes : 0;
        if (rc == TD_E_CORRUPT)
            td_err_hint(err, "push the archive to another prefix, and verify it there");
    }
    if (rc == TD_OK && copy->old != NULL)
        rc = td_io_copy_access(archive_io(p->into), copy->path, copy->to, err);
    return rc;
}

/* ---- the journal ---- */

static td_result refuse_other(const file_copy *copy, td_err *err)
{
    td_result rc = td_err_set(err, TD_E_INVALID,
                              "%s has another archive, or a later state of this one: its journal "
                              "is not the begin of the store's",
                              archive_path(copy->pull->into));
    td_err_hint(err, "pull to another folder");
    return rc;
}

/* Append a piece of the store's journal. The local one must be as it, as far as that reaches: is
 * decided after the piece was proved. */
static td_result add_piece(void *user, const uint8_t *bytes, size_t size, td_err *err)
{
    file_copy *copy = user;
    const uint64_t left = copy->at < copy->old_bytes ? copy->old_bytes - copy->at : 0;
    const size_t old_size = left < size ? (size_t)left : size;
    uint8_t *old = td_alloc(old_size);
    td_result rc = TD_OK;
    if (old_size > 0)
        rc = td_io_read_exact(copy->old, copy->at, old, old_size, err);
    copy->is_other |= rc == TD_OK && memcmp(old, bytes, old_size) != 0;
    td_free(old);
    copy->at += size;
    return rc == TD_OK ? td_io_append(copy->to, bytes, size, err) : rc;
}

static td_result copy_journal(void *user, td_file *to, td_err *err)
{
    file_copy *copy = user;
    copy->to = to;
    td_result rc = copy_parts(copy, add_piece, copy, err);
    return rc == TD_OK && copy->is_other ? refuse_other(copy, err) : rc;
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

/* Make the local journal the store's. A failure leaves the folder as it was. */
static td_result pull_journal(pull *p, td_err *err)
{
    const td_io io = archive_io(p->into);
    file_copy copy = {.pull = p, .there = remote_manifest_find(&p->manifest, JOURNAL_FILE)};
    char part[LIMIT_PATH_BYTES];
    if (copy.there == NULL)
        return td_err_set(err, TD_E_CORRUPT, "the store's manifest lists no journal");
    td_result rc = archive_join(p->into, JOURNAL_FILE ".part", part, err);
    if (rc == TD_OK)
        rc = open_copy(&copy, err);
    if (rc == TD_OK && copy.old == NULL)
        rc = check_empty(p, err);
    else if (rc == TD_OK && !copy.is_same && copy.old_bytes >= copy.there->bytes)
        rc = refuse_other(&copy, err);
    if (rc == TD_OK && !copy.is_same) {
        rc = td_io_write_file(io, copy.path, TD_OPEN_CREATE, copy_journal, &copy, err);
        if (rc != TD_OK && td_io_unlink(io, part, NULL) != TD_OK)
            td_log_emit(archive_log(p->into), TD_LOG_INFO, "'%s' is left", part);
    }
    td_io_close(copy.old);
    p->report->journal_bytes = copy.there->bytes;
    return rc;
}

/* ---- segments ---- */

static td_result append(void *user, const uint8_t *bytes, size_t size, td_err *err)
{
    return td_io_append(user, bytes, size, err);
}

static td_result copy_segment(void *user, td_file *to, td_err *err)
{
    file_copy *copy = user;
    copy->to = to;
    return copy_parts(copy, append, to, err);
}

/* 1 if the folder's file, which differs, is the better one: the store's could not be read when it
 * was pushed, or the folder's is sound and has the chain of the store's, of which there is only one
 * sound content. */
static int is_better_here(const file_copy *copy)
{
    segment_verify_result found;
    char chain[TD_HASH128_HEX_BYTES];
    if (copy->there->chain[0] == '\0')
        return 1;
    if (segment_verify(archive_io(copy->pull->into), copy->path, NULL, NULL, &found, NULL) !=
            TD_OK ||
        found.damage_count > 0)
        return 0;
    td_hash128_hex(found.totals.chain, chain);
    return strcmp(chain, copy->there->chain) == 0;
}

/* Write the store's file. The store does not keep modes, and a segment may have an account's
 * frames: a new file is its owner's only. */
static td_result write_segment(file_copy *copy, td_err *err)
{
    const td_io io = archive_io(copy->pull->into);
    const char *name = copy->there->path;
    char folder[LIMIT_PATH_BYTES];
    if (copy->old != NULL && is_better_here(copy)) {
        td_result rc = td_err_set(err, TD_E_CORRUPT,
                                  "%s was damaged when it was pushed, and the folder has another "
                                  "content",
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
    file_copy copy = {.pull = p, .there = there};
    td_result rc = open_copy(&copy, err);
    if (rc == TD_OK && !copy.is_same)
        rc = write_segment(&copy, err);
    td_io_close(copy.old);
    return rc;
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
    if (rc == TD_OK && p->manifest.number == 0)
        rc = remote_manifest_missing(err);
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
