#include "remote/push.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/limits.h"
#include "archive/archive_segment.h"
#include "archive/catalog.h"
#include "archive/feed_history.h"
#include "archive/journal.h"
#include "remote/manifest.h"
#include "remote/part.h"

enum {
    JOURNAL_PART_BYTES = 1 << 20, /* a smaller last part is replaced by the next push */
    CATALOG_PART_BYTES = 128 << 10,
};

typedef struct push {
    archive *from;
    s3_store *to;
    const push_options *options;
    push_report *report;
    remote_manifest old, made;
    uint64_t all_bytes, done_bytes; /* of all finished segments */
} push;

/* ---- one object ---- */

static int is_stopped(const push *p)
{
    return p->options->is_stopped != NULL && p->options->is_stopped(p->options->user);
}

/* A part_sink that ends the reading once the push is stopped. */
static td_result check_stopped(void *user, const uint8_t *bytes, size_t size, td_err *err)
{
    (void)bytes, (void)size, (void)err;
    return is_stopped(user) ? TD_EOF : TD_OK;
}

/* Make the object of a part with this content, and read it back. */
static td_result send_object(push *p, const manifest_part *part, s3_content content, td_err *err)
{
    int was_there = 0;
    char key[REMOTE_OBJECT_KEY_BYTES];
    content.bytes = part->bytes;
    memcpy(content.sha256, part->sha256, sizeof content.sha256);
    remote_object_key(part, key);
    td_result rc = s3_store_make(p->to, key, &content, &was_there, err);
    if (rc == TD_OK)
        rc = part_fetch(p->to, part, check_stopped, p, err);
    if (rc == TD_E_CORRUPT)
        td_err_hint(err, "remove this object, and push again");
    p->report->bytes_sent += rc == TD_OK ? part->bytes : 0;
    return rc;
}

/* Make the object of a range of a file. */
static td_result send_range(push *p, td_file *file, uint64_t from, uint64_t bytes,
                            manifest_part *out, td_err *err)
{
    td_result rc = part_of_range(file, from, bytes, check_stopped, p, out, err);
    return rc == TD_OK ? send_object(p, out, (s3_content){.file = file, .from = from}, err) : rc;
}

/* ---- the journal ---- */

/* Open the journal, and check that the store's is the begin of its first bytes. */
static td_result open_journal(push *p, uint64_t bytes, td_file **out, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    const manifest_file *there = remote_manifest_find(&p->old, JOURNAL_FILE);
    int is_same = 1;
    td_result rc = archive_join(p->from, JOURNAL_FILE, path, err);
    if (rc == TD_OK)
        rc = td_io_open(archive_io(p->from), path, TD_OPEN_READ, out, err);
    if (rc == TD_OK && there != NULL)
        rc = part_compare_file(*out, bytes, there, &is_same, err);
    if (rc == TD_OK && !is_same) {
        rc = td_err_set(err, TD_E_INVALID,
                        "the store has another archive there, or a later state of this one: its "
                        "journal is not the begin of this one's");
        td_err_hint(err, "push to another prefix");
    }
    return rc;
}

/* List the journal's first bytes: parts that the store has, and one for the rest. */
static td_result push_journal(push *p, td_file *file, uint64_t bytes, td_err *err)
{
    const manifest_file *there = remote_manifest_find(&p->old, JOURNAL_FILE);
    manifest_file *made = remote_manifest_add_file(&p->made, JOURNAL_FILE, "");
    td_result rc = TD_OK;
    for (size_t i = 0; there != NULL && i < there->part_count; i++)
        if (there->parts[i].bytes >= JOURNAL_PART_BYTES || there->bytes == bytes)
            manifest_file_add_part(made, &there->parts[i]);
    manifest_part part;
    const int has_rest = bytes > made->bytes;
    if (has_rest)
        rc = send_range(p, file, made->bytes, bytes - made->bytes, &part, err);
    if (rc == TD_OK && has_rest)
        manifest_file_add_part(made, &part);
    p->report->journal_bytes = bytes;
    return rc;
}

/* ---- segments ---- */

static td_result open_segment(push *p, const archive_segment *segment, td_file **out, td_err *err)
{
    char full[LIMIT_PATH_BYTES];
    uint64_t found = 0;
    td_result rc = archive_join(p->from, segment->path, full, err);
    if (rc == TD_OK)
        rc = td_io_open(archive_io(p->from), full, TD_OPEN_READ, out, err);
    if (rc == TD_OK)
        rc = td_io_size(*out, &found, err);
    if (rc == TD_E_NOTFOUND || (rc == TD_OK && found != segment->size_bytes)) {
        rc = td_err_set(err, TD_E_BUSY, "%s was removed or packed meanwhile", segment->path);
        td_err_hint(err, "push again");
    }
    return rc;
}

static td_result push_segment(push *p, const archive_segment *segment, const char *chain,
                              td_err *err)
{
    td_file *file = NULL;
    manifest_part part;
    td_result rc = open_segment(p, segment, &file, err);
    if (rc == TD_OK)
        rc = send_range(p, file, 0, segment->size_bytes, &part, err);
    td_io_close(file);
    if (rc != TD_OK)
        return rc;
    manifest_file_add_part(remote_manifest_add_file(&p->made, segment->path, chain), &part);
    p->report->segments++;
    p->report->segments_sent++;
    return TD_OK;
}

/* List a segment as the store has it. 0: the store has no such segment, or another content. */
static int keep_segment(push *p, const char *path, uint64_t bytes, const char *chain)
{
    const manifest_file *there = remote_manifest_find(&p->old, path);
    if (there == NULL || there->bytes != bytes || chain[0] == '\0' ||
        strcmp(there->chain, chain) != 0)
        return 0;
    p->report->segments++;
    manifest_file *made = remote_manifest_add_file(&p->made, path, chain);
    for (size_t i = 0; i < there->part_count; i++)
        manifest_file_add_part(made, &there->parts[i]);
    return 1;
}

/* The last chain value of a segment, which its content determines; "" if it cannot be read: such a
 * file is sent as it is. */
static void read_chain(push *p, const char *path, char out[TD_HASH128_HEX_BYTES])
{
    segment_index index = {0};
    out[0] = '\0';
    if (archive_read_index(p->from, path, INDEX_SUMMARY, &index, NULL) == TD_OK)
        memcpy(out, index.chain_hex, TD_HASH128_HEX_BYTES);
    segment_index_fini(&index);
}

static td_result push_segments(push *p, const archive_listing *listing, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < listing->segment_count; i++)
        if (!listing->segments[i].name.is_open)
            p->all_bytes += listing->segments[i].size_bytes;
    for (size_t i = 0; rc == TD_OK && i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        char chain[TD_HASH128_HEX_BYTES];
        if (segment->name.is_open) {
            p->report->segments_open++;
            continue;
        }
        read_chain(p, segment->path, chain);
        if (is_stopped(p))
            rc = TD_EOF;
        else if (!keep_segment(p, segment->path, segment->size_bytes, chain))
            rc = push_segment(p, segment, chain, err);
        p->done_bytes += segment->size_bytes;
        if (rc == TD_OK && p->options->progress != NULL)
            p->options->progress(p->options->user, p->done_bytes, p->all_bytes);
    }
    return rc;
}

/* List the segments that the journal has and the folder lacks as the store has them. */
static td_result keep_absent(push *p, const archive_history *past, const archive_listing *listing,
                             td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < past->segment_count; i++) {
        const past_segment *segment = &past->segments[i];
        char chain[TD_HASH128_HEX_BYTES];
        td_hash128_hex(segment->file.chain, chain);
        if ((segment->stage != PAST_FINISHED && segment->store == NULL) ||
            archive_listing_find(listing, segment->path) != NULL ||
            keep_segment(p, segment->path, segment->file.bytes, chain) || segment->store == NULL)
            continue;
        rc = td_err_set(err, TD_E_NOTFOUND,
                        "the store lacks %s, which was moved to %s: nothing is pushed",
                        segment->path, segment->store);
        td_err_hint(err, "push to %s, or copy the segment back from there", segment->store);
    }
    return rc;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const manifest_file *)a)->path, ((const manifest_file *)b)->path);
}

/* ---- the catalog ---- */

/* List the copy, in parts of one size: those that the store has at the same place are not sent. */
static td_result push_parts(push *p, td_bytes copy, td_err *err)
{
    const manifest_file *there = remote_manifest_find(&p->old, CATALOG_FILE);
    manifest_file *made = remote_manifest_add_file(&p->made, CATALOG_FILE, "");
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && made->bytes < copy.size; i++) {
        const size_t left = copy.size - (size_t)made->bytes;
        td_bytes piece = td_bytes_of(copy.data + made->bytes,
                                     left < CATALOG_PART_BYTES ? left : CATALOG_PART_BYTES);
        manifest_part part = {.bytes = piece.size};
        td_sha256_hex(piece.data, piece.size, part.sha256);
        if (there == NULL || i >= there->part_count || there->parts[i].bytes != part.bytes ||
            strcmp(there->parts[i].sha256, part.sha256) != 0)
            rc = send_object(p, &part, (s3_content){.data = piece.data}, err);
        manifest_file_add_part(made, &part);
    }
    p->report->catalog_bytes = copy.size;
    return rc;
}

/* Count the segments of the new manifest, which has no other files yet, that the catalog lacks. */
static void count_not_cataloged(push *p, const catalog_entries *entries)
{
    for (size_t i = 0; i < p->made.file_count; i++) {
        const manifest_file *file = &p->made.files[i];
        const catalog_entry *entry = catalog_entries_find(entries, file->path);
        p->report->segments_not_cataloged += entry == NULL || entry->file_bytes != file->bytes ||
                                             strcmp(entry->chain_hex, file->chain) != 0;
    }
}

/* Called after the segments were pushed: a catalog that lists later ones is fine, because readers
 * compare its rows with the manifest and the journal. */
static td_result push_catalog(push *p, td_err *err)
{
    catalog *from = NULL;
    catalog_entries entries = {0};
    uint8_t *copy = NULL;
    size_t bytes = 0;
    td_err cause;
    td_err_clear(&cause);
    td_result rc = catalog_open_of(p->from, &from, &cause);
    if (rc == TD_OK)
        rc = catalog_list(from, &entries, &cause);
    if (rc == TD_OK)
        rc = catalog_copy(from, LIMIT_PUSHED_CATALOG_BYTES, &copy, &bytes, &cause);
    catalog_close(from);
    if (rc != TD_OK) {
        td_log_emit(archive_log(p->from), TD_LOG_INFO, "the store gets no catalog: %s", cause.text);
        catalog_entries_fini(&entries);
    }
    count_not_cataloged(p, &entries);
    rc = copy == NULL ? TD_OK : push_parts(p, td_bytes_of(copy, bytes), err);
    catalog_entries_fini(&entries);
    td_free(copy);
    return rc;
}

/* ---- a push ---- */

/* Read the newest manifest. A prune may be removing an object that no manifest lists, but that this
 * push would find and list. */
static td_result read_newest(push *p, td_err *err)
{
    td_result rc = remote_manifest_read(p->to, &p->old, err);
    if (rc == TD_OK && p->old.is_pruning) {
        rc = td_err_set(err, TD_E_BUSY, "a prune of the store is running, or was killed");
        td_err_hint(err, "push after it; if it was killed, run it again");
    }
    return rc;
}

static int is_unchanged(const remote_manifest *old, const remote_manifest *made)
{
    int is_same = old->number != 0 && old->file_count == made->file_count;
    for (size_t i = 0; is_same && i < old->file_count; i++) {
        const manifest_file *a = &old->files[i], *b = &made->files[i];
        is_same = strcmp(a->path, b->path) == 0 && a->part_count == b->part_count;
        for (size_t k = 0; is_same && k < a->part_count; k++)
            is_same = strcmp(a->parts[k].sha256, b->parts[k].sha256) == 0;
    }
    return is_same;
}

/* Publish what was sent, unless the store's newest manifest lists it already. */
static td_result publish(push *p, td_err *err)
{
    for (size_t i = 0; i < p->made.file_count; i++)
        p->report->bytes += p->made.files[i].bytes;
    p->report->manifest = p->old.number;
    if (is_unchanged(&p->old, &p->made))
        return TD_OK;
    p->report->is_new = 1;
    p->report->manifest = p->old.number + 1;
    return remote_manifest_make(p->to, &p->made, p->report->manifest, err);
}

static td_result run(push *p, td_err *err)
{
    archive_history past = {0};
    archive_listing listing = {0};
    td_file *file = NULL;
    td_result rc = archive_history_read(p->from, &past, err);
    const uint64_t journal_bytes = past.journal.valid_bytes;
    if (rc == TD_OK && !past.journal.is_present) {
        rc = td_err_set(err, TD_E_INVALID, "%s has no journal", archive_path(p->from));
        td_err_hint(err, "run 'tapedeck recover' first");
    }
    if (rc == TD_OK)
        rc = read_newest(p, err);
    if (rc == TD_OK)
        rc = open_journal(p, journal_bytes, &file, err);
    if (rc == TD_OK)
        rc = archive_list(p->from, &listing, err);
    if (rc == TD_OK)
        rc = keep_absent(p, &past, &listing, err);
    if (rc == TD_OK)
        rc = push_segments(p, &listing, err);
    if (p->made.file_count > 0)
        qsort(p->made.files, p->made.file_count, sizeof *p->made.files, compare_paths);
    if (rc == TD_OK)
        rc = push_catalog(p, err);
    if (rc == TD_OK)
        rc = push_journal(p, file, journal_bytes, err);
    if (rc == TD_OK)
        rc = publish(p, err);
    td_io_close(file);
    archive_listing_fini(&listing);
    archive_history_fini(&past);
    return rc;
}

td_result remote_push(archive *from, s3_store *to, const push_options *options, push_report *report,
                      td_err *err)
{
    *report = (push_report){0};
    if (archive_is_single_file(from))
        return td_err_set(err, TD_E_INVALID, "%s is a single file; push needs an archive folder",
                          archive_path(from));
    push *p = td_alloc_zero(1, sizeof *p);
    p->from = from;
    p->to = to;
    p->options = options;
    p->report = report;
    td_result rc = run(p, err);
    remote_manifest_fini(&p->old);
    remote_manifest_fini(&p->made);
    td_free(p);
    return rc;
}
