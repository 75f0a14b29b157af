#include "archive/catalog_known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static int compare(const void *path, const void *row)
{
    return strcmp(path, ((const catalog_segment *)row)->path);
}

const catalog_segment *known_segments_find(const known_segments *known, const char *path)
{
    char name[LIMIT_PATH_BYTES];
    if (known->count == 0)
        return NULL;
    segment_final_path(path, name);
    return bsearch(name, known->rows, known->count, sizeof known->rows[0], compare);
}

int known_segments_match(const known_segments *known, const archive_segment *segment)
{
    if (segment->name.is_open)
        return 0;
    const catalog_segment *row = known_segments_find(known, segment->path);
    return row != NULL && row->is_intact && row->file_bytes == segment->size_bytes;
}

/* ---- reading what matches ---- */

static void forget_catalog(known_catalog *known, const char *why)
{
    td_log_emit(known->log, known->level, "reading segments without the catalog: %s", why);
    catalog_close(known->catalog);
    known->catalog = NULL;
}

td_result known_catalog_open(archive *a, const td_log *log, td_log_level level, known_catalog *out,
                             td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    *out = (known_catalog){.log = log, .level = level};
    if (archive_is_single_file(a))
        return TD_OK;
    td_result rc = catalog_open(archive_catalog_path(a), CATALOG_READ, &out->catalog, &cause);
    if (rc == TD_OK)
        rc = known_segments_load(out->catalog, &out->segments, &cause);
    if (rc == TD_E_NOMEM) {
        known_catalog_close(out);
        return td_err_pass(err, rc, &cause);
    }
    if (rc != TD_OK)
        forget_catalog(out, cause.text);
    return TD_OK;
}

void known_catalog_close(known_catalog *known)
{
    known_segments_fini(&known->segments);
    catalog_close(known->catalog);
    known->catalog = NULL;
}

int known_catalog_has(const known_catalog *known, const archive_segment *segment)
{
    return known->catalog != NULL && known_segments_match(&known->segments, segment);
}

/* What a failure to read rows of one segment leaves: those of the other segments are still used if
 * only these do not match their checksums. */
static td_result note_unusable(known_catalog *known, td_result rc, const td_err *cause, td_err *err)
{
    if (rc == TD_E_NOMEM)
        return td_err_pass(err, rc, cause);
    if (rc == TD_E_CORRUPT)
        td_log_emit(known->log, known->level, "reading the segment itself: %s", cause->text);
    else
        forget_catalog(known, cause->text);
    return td_err_set(err, TD_E_NOTFOUND, "%s", cause->text);
}

td_result known_catalog_load(known_catalog *known, const char *path, catalog_part part,
                             segment_index *out, td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    if (known->catalog == NULL)
        return td_err_set(err, TD_E_NOTFOUND, "segment %s: no catalog", path);
    td_result rc = catalog_load_segment(known->catalog, path, part, out, &cause);
    return rc == TD_OK ? rc : note_unusable(known, rc, &cause, err);
}

td_result known_catalog_load_gaps(known_catalog *known, const char *path, gap_list *out,
                                  td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    if (known->catalog == NULL)
        return td_err_set(err, TD_E_NOTFOUND, "segment %s: no catalog", path);
    td_result rc = catalog_load_gaps(known->catalog, path, out, &cause);
    return rc == TD_OK ? rc : note_unusable(known, rc, &cause, err);
}
