#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "archive/catalog.h"
#include "archive/reindex.h"
#include "format/segment_index.h"
#include "archive/verify_impl.h"

/* The catalog is derived, so nothing in it is ever damage: reindex makes it anew. It is made anew
 * here too, in memory, and compared row by row; all but the chunks, of which an archive of years
 * has millions: those of each segment are compared when they are read, and not kept. */

/* Rows that differ and are named; more are only counted. */
enum { ROWS_NAMED_MAX = 1000, ROW_TEXT_BYTES = 800 };

typedef struct comparison {
    verification *v;
    catalog *on_disk;
    uint64_t differing;
} comparison;

/* ---- chunks ---- */

/* A time as the catalog keeps it: its numbers have a sign. */
static uint64_t kept_ns(uint64_t ns)
{
    return ns > INT64_MAX ? INT64_MAX : ns;
}

static int same_chunk(const segment_index *a, const segment_index *b, size_t i)
{
    const segment_chunk *left = &a->chunks[i];
    const segment_chunk *right = &b->chunks[i];
    return left->offset == right->offset && left->chunk_bytes == right->chunk_bytes &&
           left->index_bytes == right->index_bytes &&
           left->uncompressed_bytes == right->uncompressed_bytes &&
           kept_ns(left->first_ns) == kept_ns(right->first_ns) &&
           kept_ns(left->last_ns) == kept_ns(right->last_ns) &&
           left->message_count == right->message_count &&
           left->bitmap_bytes == right->bitmap_bytes &&
           (left->bitmap_bytes == 0 ||
            memcmp(a->bitmaps + left->bitmap_offset, b->bitmaps + right->bitmap_offset,
                   left->bitmap_bytes) == 0);
}

/* TD_OK whatever was found: what differs, or cannot be read, is a finding. */
static void compare_chunks(comparison *c, const segment_index *disk, const segment_index *row)
{
    size_t common = disk->chunk_count < row->chunk_count ? disk->chunk_count : row->chunk_count;
    size_t at = 0;
    while (at < common && same_chunk(disk, row, at))
        at++;
    if (at < common)
        findings_add(&c->v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0,
                     "chunk %zu of %s differs", at, disk->path);
    else if (disk->chunk_count != row->chunk_count)
        findings_add(&c->v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0,
                     "%zu chunks of %s, it has %zu", row->chunk_count, disk->path,
                     disk->chunk_count);
}

/* A segment has been entered into the catalog in memory. */
static td_result take_segment(void *user, catalog *made, const segment_index *index, td_err *err)
{
    comparison *c = user;
    char path[LIMIT_PATH_BYTES];
    segment_index row = {0};
    td_err cause;
    td_err_clear(&cause);
    size_t suffix = index->is_open ? strlen(".open") : 0;
    (void)snprintf(path, sizeof path, "%.*s", (int)(strlen(index->path) - suffix), index->path);
    td_result rc =
        catalog_load_segment(c->on_disk, path, CATALOG_CHANNELS_AND_CHUNKS, &row, &cause);
    if (rc == TD_OK)
        compare_chunks(c, index, &row);
    segment_index_fini(&row);
    if (rc == TD_E_NOMEM)
        return td_err_set(err, rc, "%s", cause.text);
    if (rc != TD_OK)
        findings_add(&c->v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0, "%s", cause.text);
    return catalog_drop_chunks(made, path, err);
}

/* ---- all other rows ---- */

/* Tabs separate columns in a line; a finding is for people. */
static void copy_row(td_bytes line, char out[ROW_TEXT_BYTES])
{
    size_t size = line.size < ROW_TEXT_BYTES - 1 ? line.size : ROW_TEXT_BYTES - 1;
    if (size > 0)
        memcpy(out, line.data, size);
    out[size] = '\0';
    for (char *tab = strchr(out, '\t'); tab != NULL; tab = strchr(tab, '\t'))
        *tab = ' ';
}

static td_result take_difference(void *user, td_bytes on_disk, td_bytes made, td_err *err)
{
    (void)err;
    comparison *c = user;
    char has[ROW_TEXT_BYTES];
    char wants[ROW_TEXT_BYTES];
    TD_ASSERT(on_disk.size > 0 || made.size > 0);
    if (c->differing++ >= ROWS_NAMED_MAX)
        return TD_OK;
    copy_row(on_disk, has);
    copy_row(made, wants);
    if (made.size == 0)
        findings_add(&c->v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0,
                     "has a row too many: %s", has);
    else if (on_disk.size == 0)
        findings_add(&c->v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0, "lacks a row: %s",
                     wants);
    else
        findings_add(&c->v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0,
                     "has another row: %s; it should be: %s", has, wants);
    return TD_OK;
}

static td_result check_database(verification *v, catalog *c, td_err *err)
{
    char what[CATALOG_FLAW_BYTES];
    td_result rc = catalog_find_flaw(c, what, err);
    if (rc == TD_OK && what[0] != '\0')
        findings_add(&v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0, "%s", what);
    return rc;
}

/* Gaps are compared only by who can read the events that tell them. */
static td_result compare_all(verification *v, td_err *err)
{
    comparison c = {.v = v};
    catalog *made = NULL;
    const reindex_options options = {.scope = REINDEX_ALL, .entered = take_segment, .user = &c};
    td_result rc = catalog_open(archive_catalog_path(v->archive), CATALOG_READ, &c.on_disk, err);
    if (rc == TD_OK)
        rc = check_database(v, c.on_disk, err);
    if (rc == TD_OK)
        rc = catalog_open(NULL, CATALOG_MEMORY, &made, err);
    if (rc == TD_OK)
        rc = archive_reindex_into(v->archive, made, &options, NULL, err);
    if (rc == TD_OK)
        rc = catalog_compare(c.on_disk, made, take_difference, &c, err);
    if (c.differing > ROWS_NAMED_MAX)
        findings_add(&v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", UINT64_MAX,
                     "%" PRIu64 " more rows differ", c.differing - ROWS_NAMED_MAX);
    catalog_close(made);
    catalog_close(c.on_disk);
    return rc;
}

td_result verify_catalog(verification *v, td_err *err)
{
    char what[CATALOG_WHAT_BYTES];
    if (archive_is_single_file(v->archive))
        return TD_OK;
    td_result rc = archive_check_catalog(v->archive, what, err);
    if (rc != TD_OK)
        return rc;
    /* While somebody appends, the disk is ahead of the catalog at any moment. */
    if (what[0] != '\0') {
        findings_add(&v->findings, v->live[0] == '\0' ? VERIFY_RECOVERABLE : VERIFY_SOUND,
                     "catalog.sqlite", 0, "is not as the archive is: %s", what);
        return TD_OK;
    }
    if (v->live[0] != '\0')
        return TD_OK;
    td_err cause;
    td_err_clear(&cause);
    rc = compare_all(v, &cause);
    if (rc == TD_E_NOMEM)
        return td_err_set(err, rc, "%s", cause.text);
    if (rc != TD_OK)
        findings_add(&v->findings, VERIFY_RECOVERABLE, "catalog.sqlite", 0, "%s", cause.text);
    return TD_OK;
}
