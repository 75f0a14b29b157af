#include "remote/move.h"

#include <string.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/log.h"
#include "archive/prune.h"
#include "remote/manifest.h"
#include "remote/part.h"

/* Bytes of an object's end that are compared: it is still there, and as long as its file. */
enum { END_BYTES = 16 << 10 };

typedef struct move {
    archive *from;
    s3_store *to;
    const char *url;
    move_report *report;
    remote_manifest manifest;
    uint8_t has_manifest; /* 1: it was read */
    uint8_t local[END_BYTES], stored[END_BYTES + 1];
} move;

/* *is_same: 1 if the object ends as its file. Asks for one byte more than the end has, so that a
 * longer object differs. */
static td_result compare_end(move *m, td_file *file, const manifest_part *part, int *is_same,
                             td_err *err)
{
    const uint64_t size = part->bytes;
    const size_t bytes = size < END_BYTES ? (size_t)size : END_BYTES;
    char key[REMOTE_OBJECT_KEY_BYTES];
    size_t got = 0;
    remote_object_key(part, key);
    td_result rc = td_io_read_exact(file, size - bytes, m->local, bytes, err);
    if (rc == TD_OK)
        rc = s3_store_read(m->to, key, size - bytes, m->stored, bytes + 1, &got, err);
    *is_same = rc == TD_OK && got == bytes && memcmp(m->local, m->stored, bytes) == 0;
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        rc = TD_OK;
    }
    return rc;
}

/* *is_same: 1 if the store has what the file has now. A file that was damaged when it was pushed,
 * and was repaired since, has the same size and chain: so all of it is hashed. */
static td_result compare(move *m, const segment_index *segment, const manifest_file *there,
                         int *is_same, td_err *err)
{
    char full[LIMIT_PATH_BYTES];
    td_file *file = NULL;
    td_result rc = archive_join(m->from, segment->path, full, err);
    if (rc == TD_OK)
        rc = td_io_open(archive_io(m->from), full, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = part_compare_file(file, segment->file_bytes, there, is_same, err);
    if (rc == TD_OK && *is_same)
        rc = compare_end(m, file, &there->parts[0], is_same, err);
    td_io_close(file);
    return rc;
}

static td_result confirm(void *user, const segment_index *segment, int *may_be_removed, td_err *err)
{
    move *m = user;
    *may_be_removed = 0;
    td_result rc = m->has_manifest ? TD_OK : remote_manifest_read(m->to, &m->manifest, err);
    m->has_manifest = 1;
    const manifest_file *there =
        rc == TD_OK ? remote_manifest_find(&m->manifest, segment->path) : NULL;
    if (there == NULL || there->part_count != 1 || there->bytes != segment->file_bytes ||
        strcmp(there->chain, segment->chain_hex) != 0)
        return rc;
    rc = compare(m, segment, there, may_be_removed, err);
    if (rc == TD_OK && !*may_be_removed)
        td_log_emit(archive_log(m->from), TD_LOG_WARNING,
                    "%s stays in %s: %s has another content of it, or lacks its object %s",
                    segment->path, archive_path(m->from), m->url, there->parts[0].sha256);
    return rc;
}

static void count(void *user, const segment_index *segment, prune_reason reason)
{
    move *m = user;
    if (reason == PRUNE_LEFTOVER) /* was removed by an earlier prune */
        return;
    m->report->segments++;
    m->report->bytes += segment->file_bytes;
}

td_result remote_move(archive *from, s3_store *to, const char *url, uint64_t older_than_ns,
                      move_report *report, td_err *err)
{
    *report = (move_report){0};
    move *m = td_alloc_zero(1, sizeof *m);
    *m = (move){.from = from, .to = to, .url = url, .report = report};
    const prune_options options = {.older_than_ns = older_than_ns,
                                   .keep_bytes = UINT64_MAX,
                                   .confirm = confirm,
                                   .removing = count,
                                   .moved_to = url,
                                   .user = m};
    prune_report pruned;
    td_result rc = archive_prune(from, &options, &pruned, err);
    report->segments_unproven = pruned.segments_refused;
    report->segments_noted = pruned.segments_noted;
    remote_manifest_fini(&m->manifest);
    td_free(m);
    return rc;
}
