#include "remote/move.h"

#include <string.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/log.h"
#include "archive/prune.h"
#include "remote/manifest.h"

/* Bytes of a segment's end that are compared: its footer, and most of its index. */
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

/* Read the last bytes of a file of the archive. */
static td_result read_end(move *m, const char *path, uint64_t file_bytes, size_t bytes, td_err *err)
{
    char full[LIMIT_PATH_BYTES];
    td_file *file = NULL;
    td_result rc = archive_join(m->from, path, full, err);
    if (rc == TD_OK)
        rc = td_io_open(archive_io(m->from), full, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = td_io_read_exact(file, file_bytes - bytes, m->local, bytes, err);
    td_io_close(file);
    return rc;
}

/* 1 if the object of a segment ends as its file. Asks for one byte more than the end has, so that a
 * longer object differs. */
static td_result compare_end(move *m, const segment_index *segment, const manifest_part *part,
                             int *is_same, td_err *err)
{
    const uint64_t size = segment->file_bytes;
    const size_t bytes = size < END_BYTES ? (size_t)size : END_BYTES;
    char key[REMOTE_OBJECT_KEY_BYTES];
    size_t got = 0;
    remote_object_key(part, key);
    td_result rc = read_end(m, segment->path, size, bytes, err);
    if (rc == TD_OK)
        rc = s3_store_read(m->to, key, size - bytes, m->stored, bytes + 1, &got, err);
    *is_same = rc == TD_OK && got == bytes && memcmp(m->local, m->stored, bytes) == 0;
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        rc = TD_OK;
    }
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
    rc = compare_end(m, segment, &there->parts[0], may_be_removed, err);
    if (rc == TD_OK && !*may_be_removed)
        td_log_emit(archive_log(m->from), TD_LOG_WARNING,
                    "%s stays in %s: %s lacks its object %s, or has another one", segment->path,
                    archive_path(m->from), m->url, there->parts[0].sha256);
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
