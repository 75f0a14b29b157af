#include "format/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "format/archive.h"
#include "format/mcap_decode.h"
#include "format/recover_impl.h"

enum { COPY_BYTES = 256 << 10, TORN_NAMES_MAX = 1000 };

/* 1 for what may work when tried again, as opposed to damage in the file. */
static int is_fatal(td_result rc)
{
    return rc == TD_E_IO || rc == TD_E_NOMEM || rc == TD_E_NOSPACE;
}

/* 1 if the tail is the beginning of the end that we are going to write (or all of it). */
static td_result compare_tail(recovery *v, int *is_ours, td_err *err)
{
    TD_ASSERT(v->source.size >= v->sound_bytes);
    TD_ASSERT(v->end.size > MCAP_FOOTER_BYTES);
    uint64_t tail = v->source.size - v->sound_bytes;
    *is_ours = 0;
    if (tail > v->end.size)
        return TD_OK;
    uint64_t at = 0;
    while (at < tail) {
        uint64_t size = tail - at < COPY_BYTES ? tail - at : COPY_BYTES;
        td_bytes piece;
        td_result rc = mcap_source_view(&v->source, v->sound_bytes + at, size, &piece, err);
        if (rc != TD_OK)
            return rc;
        if (memcmp(piece.data, v->end.data + at, piece.size) != 0)
            return TD_OK;
        at += size;
    }
    *is_ours = 1;
    return TD_OK;
}

/* Copy [from, to) of the segment behind what out has. */
static td_result copy_bytes(recovery *v, uint64_t from, uint64_t to, td_file *out, td_err *err)
{
    TD_ASSERT(from <= to);
    TD_ASSERT(to <= v->source.size);
    td_result rc = TD_OK;
    while (from < to && rc == TD_OK) {
        uint64_t size = to - from < COPY_BYTES ? to - from : COPY_BYTES;
        td_bytes piece;
        rc = mcap_source_view(&v->source, from, size, &piece, err);
        if (rc == TD_OK)
            rc = td_io_append(out, piece.data, piece.size, err);
        from += size;
    }
    return rc;
}

/* 1 in *is_free if no file has that name. */
static td_result find_free(td_io io, const char *path, int *is_free, td_err *err)
{
    TD_ASSERT(path[0] != '\0');
    td_file *file;
    td_err why;
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &file, &why);
    *is_free = rc == TD_E_NOTFOUND;
    if (rc == TD_OK)
        td_io_close(file);
    else if (rc != TD_E_NOTFOUND && err != NULL)
        *err = why;
    return rc == TD_E_NOTFOUND ? TD_OK : rc;
}

/* 1 in *is_same if the file at path holds just the bytes [from, end) of the segment. */
static td_result is_copy(recovery *v, const char *path, uint64_t from, int *is_same, td_err *err)
{
    TD_ASSERT(v->source.size >= from);
    TD_ASSERT(path != NULL);
    uint64_t size;
    td_file *file;
    uint8_t *bytes = NULL;
    *is_same = 0;
    td_result rc = td_io_open(v->io, path, TD_OPEN_READ, &file, err);
    if (rc != TD_OK)
        return rc;
    rc = td_io_size(file, &size, err);
    if (rc != TD_OK || size != v->source.size - from)
        goto done;
    bytes = td_alloc(COPY_BYTES);
    if (bytes == NULL) {
        rc = td_err_set(err, TD_E_NOMEM, "no memory to compare %s", path);
        goto done;
    }
    *is_same = 1;
    for (uint64_t at = 0; at < size && rc == TD_OK && *is_same; at += COPY_BYTES) {
        size_t piece_bytes = size - at < COPY_BYTES ? (size_t)(size - at) : COPY_BYTES;
        td_bytes piece = {0};
        rc = td_io_read_exact(file, at, bytes, piece_bytes, err);
        if (rc == TD_OK)
            rc = mcap_source_view(&v->source, from + at, piece_bytes, &piece, err);
        *is_same = rc == TD_OK && memcmp(piece.data, bytes, piece_bytes) == 0;
    }
done:
    td_free(bytes);
    td_io_close(file);
    return rc;
}

/* Set result->torn_path to a name in torn/ for the bytes from from on. What is there is never
 * overwritten; *is_kept is 1 if it is that very tail, kept by a run before a crash. */
static td_result choose_torn_name(recovery *v, const char *kind, uint64_t from, int *is_kept,
                                  td_err *err)
{
    TD_ASSERT(v->result->path[0] != '\0');
    TD_ASSERT(from <= v->source.size);
    char *out = v->result->torn_path;
    *is_kept = 0;
    for (unsigned n = 0; n < TORN_NAMES_MAX; n++) {
        char number[16] = "";
        if (n > 0)
            (void)snprintf(number, sizeof number, ".%u", n); /* fits */
        int length = snprintf(out, LIMIT_PATH_BYTES, "%s/%s.%" PRIu64 ".%s%s", v->torn_dir,
                              segment_file_name(v->result->path), from, kind, number);
        if (length < 0 || (size_t)length >= LIMIT_PATH_BYTES - sizeof ".part")
            return td_err_set(err, TD_E_INVALID, "path of %d bytes in %s", length, v->torn_dir);
        int is_free;
        td_result rc = find_free(v->io, out, &is_free, err);
        if (rc != TD_OK || is_free)
            return rc;
        rc = is_copy(v, out, from, is_kept, err);
        if (rc != TD_OK || *is_kept)
            return rc;
    }
    return td_err_set(err, TD_E_IO, "%s: %d copies of this tail are there already", v->torn_dir,
                      TORN_NAMES_MAX);
}

/* Step 2: keep the tail. It has its final name only once it is whole and durable. */
static td_result save_tail(recovery *v, td_err *err)
{
    TD_ASSERT(v->source.size > v->sound_bytes);
    TD_ASSERT(v->sound_bytes > 0);
    char part[LIMIT_PATH_BYTES + 8];
    int is_kept;
    td_result rc = choose_torn_name(v, "tail", v->sound_bytes, &is_kept, err);
    if (rc == TD_OK && is_kept)
        return td_io_sync_dir(v->io, v->torn_dir, err);
    if (rc != TD_OK)
        return rc;
    (void)snprintf(part, sizeof part, "%s.part", v->result->torn_path); /* fits */
    rc = td_io_unlink(v->io, part, err);
    if (rc != TD_OK && rc != TD_E_NOTFOUND)
        return rc;
    td_file *out;
    rc = td_io_open(v->io, part, TD_OPEN_CREATE_PRIVATE, &out, err);
    if (rc != TD_OK)
        return rc;
    rc = copy_bytes(v, v->sound_bytes, v->source.size, out, err);
    if (rc == TD_OK)
        rc = td_io_sync(out, err);
    td_io_close(out);
    if (rc == TD_OK)
        rc = td_io_rename(v->io, part, v->result->torn_path, err);
    if (rc == TD_OK)
        rc = td_io_sync_dir(v->io, v->torn_dir, err);
    return rc;
}

/* Steps 2 to 4: afterwards the file is complete and durable under its open name. What is read here
 * need not be on the disk: after a sync that failed it may stand in the cache alone. A block is
 * written when the one before it was synced, so that can be so of the last one and of the end:
 * these are written again. */
static td_result write_end(recovery *v, td_err *err)
{
    TD_ASSERT(v->sound_bytes > 0);
    TD_ASSERT(v->end.size > 0);
    int is_ours;
    td_result rc = compare_tail(v, &is_ours, err);
    if (rc != TD_OK)
        return rc;
    v->result->torn_bytes = is_ours ? 0 : v->source.size - v->sound_bytes;
    if (v->result->torn_bytes > 0)
        rc = save_tail(v, err);
    if (rc == TD_OK)
        rc = td_io_truncate(v->file, v->sound_bytes, err);
    if (rc == TD_OK)
        rc = td_io_renew(v->file, v->last_start, v->sound_bytes - v->last_start, err);
    if (rc == TD_OK)
        rc = td_io_sync(v->file, err);
    if (rc == TD_OK)
        rc = td_io_append(v->file, v->end.data, v->end.size, err);
    if (rc == TD_OK)
        rc = td_io_sync(v->file, err);
    return rc;
}

/* The file goes to torn/ as it is. */
static td_result put_away(recovery *v, const char *kind, td_err *err)
{
    TD_ASSERT(v->sound_bytes == 0);
    v->result->has_segment = 0;
    v->result->torn_bytes = v->source.size;
    int is_kept;
    td_result rc = choose_torn_name(v, kind, 0, &is_kept, err);
    /* What is kept there must not be lost to a power cut later. */
    if (rc == TD_OK)
        rc = td_io_sync(v->file, err);
    if (rc == TD_OK && !is_kept)
        rc = td_io_rename(v->io, v->open_path, v->result->torn_path, err);
    if (rc == TD_OK)
        rc = td_io_sync_dir(v->io, v->torn_dir, err);
    /* A power cut between the two folders may have left both names of the one file, and a rename
     * between those does nothing. */
    if (rc == TD_OK && is_kept)
        rc = td_io_unlink(v->io, v->open_path, err);
    if (rc == TD_OK)
        rc = td_io_sync_dir(v->io, v->folder, err);
    return rc;
}

/* As segment_verify counts: events are the recorder's own, and no frames. */
static uint64_t count_frames(const mcap_summary *summary)
{
    uint64_t frames = summary->message_count;
    size_t at = 0;
    mcap_record record;
    while (mcap_next_record(td_buf_view(&summary->channels), &at, &record, NULL) == TD_OK) {
        mcap_channel channel;
        if (mcap_decode_channel(record.content, &channel, NULL) == TD_OK &&
            td_bytes_is(mcap_find_pair(channel.metadata, "dir"), channel_dir_name(CHANNEL_EVENT)))
            frames -= mcap_summary_count(summary, channel.id);
    }
    return frames;
}

/* Steps 1 to 5, once there is something to finish. */
static td_result finish_segment(recovery *v, td_err *err)
{
    TD_ASSERT(v->sound_bytes > v->data_start);
    TD_ASSERT(v->sound_bytes <= v->source.size);
    TD_ASSERT(v->end.size == 0);
    uint32_t crc = 0;
    td_result rc = recover_collect(v, err);
    if (rc == TD_OK)
        rc = mcap_source_crc(&v->source, 0, v->sound_bytes, &crc, err);
    if (rc == TD_OK)
        rc = mcap_summary_append_end(&v->summary, &v->end, v->sound_bytes, crc, err);
    if (rc == TD_OK)
        rc = write_end(v, err);
    if (rc == TD_OK)
        rc = td_io_rename(v->io, v->open_path, v->result->path, err);
    if (rc == TD_OK)
        rc = td_io_sync_dir(v->io, v->folder, err);
    if (rc != TD_OK)
        return rc;
    segment_totals *totals = &v->result->totals;
    totals->file_bytes = v->sound_bytes + v->end.size;
    totals->first_ns = v->summary.start_ns;
    totals->last_ns = v->summary.end_ns;
    totals->message_count = v->summary.message_count;
    totals->chunk_count = v->summary.chunk_count;
    totals->channel_count = v->summary.channel_count;
    v->result->frame_count = count_frames(&v->summary);
    v->result->has_segment = 1;
    return TD_OK;
}

/* A writer keeps its file locked, and finishes it under that lock: then it has another name. */
static td_result take_file(recovery *v, td_err *err)
{
    td_name_state state = TD_NAME_GONE;
    td_result rc = td_io_open(v->io, v->open_path, TD_OPEN_APPEND, &v->file, err);
    if (rc == TD_OK)
        rc = td_io_lock_file(v->file, err);
    if (rc == TD_OK)
        rc = td_io_look_at_name(v->io, v->open_path, v->file, &state, err);
    if (rc == TD_OK && state != TD_NAME_SAME)
        rc = td_err_set(err, TD_E_BUSY, "it was renamed or replaced a moment ago");
    return rc;
}

/* Which of the two it is: a segment to finish, or a file to put away. */
static td_result run(recovery *v, td_err *err)
{
    TD_ASSERT(v->file == NULL);
    int is_free;
    td_result rc = find_free(v->io, v->result->path, &is_free, err);
    if (rc == TD_OK && !is_free)
        rc = td_err_set(err, TD_E_INVALID, "%s is there already", v->result->path);
    if (rc == TD_OK)
        rc = take_file(v, err);
    if (rc == TD_OK)
        rc = mcap_source_init(&v->source, v->file, err);
    if (rc != TD_OK)
        return rc;
    rc = recover_read_head(v, err);
    if (rc == TD_OK)
        rc = recover_find_end(v, err);
    if (is_fatal(rc))
        return rc;
    if (rc == TD_OK && v->sound_bytes > 0)
        return finish_segment(v, err);
    rc = recover_look_for_blocks(v, err);
    v->sound_bytes = 0;
    return rc == TD_OK ? put_away(v, "open", err) : rc;
}

/* All that is in it is in the finished segment. */
static td_result run_copy(recovery *v, td_err *err)
{
    td_result rc = take_file(v, err);
    if (rc == TD_OK)
        rc = mcap_source_init(&v->source, v->file, err);
    return rc == TD_OK ? put_away(v, "copy", err) : rc;
}

/* The final name and the folder, from the name of the open file. */
static td_result set_paths(recovery *v, const char *open_path, td_err *err)
{
    TD_ASSERT(open_path != NULL);
    size_t length = strlen(open_path), suffix = strlen(SEGMENT_OPEN_SUFFIX);
    if (length <= suffix || length >= LIMIT_PATH_BYTES ||
        strcmp(open_path + length - suffix, SEGMENT_OPEN_SUFFIX) != 0)
        return td_err_set(err, TD_E_INVALID, "not the name of an unfinished segment");
    memcpy(v->result->path, open_path, length - suffix);
    v->result->path[length - suffix] = '\0';
    const char *slash = strrchr(open_path, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - open_path);
    if (slash == open_path)
        folder = 1;
    memcpy(v->folder, slash == NULL ? "." : open_path, slash == NULL ? 1 : folder);
    v->folder[slash == NULL ? 1 : folder] = '\0';
    return TD_OK;
}

static td_result init(recovery *v, td_err *err)
{
    td_buf_init(&v->offsets, LIMIT_RECORD_BYTES);
    td_buf_init(&v->records, LIMIT_CHUNK_BYTES);
    td_buf_init(&v->end, 2 * SUMMARY_BYTES_MAX);
    mcap_summary_init(&v->summary);
    v->coder = codec_open();
    return v->coder == NULL ? td_err_set(err, TD_E_NOMEM, "no memory to recover") : TD_OK;
}

static void fini(recovery *v)
{
    mcap_source_fini(&v->source);
    td_io_close(v->file);
    codec_close(v->coder);
    mcap_summary_fini(&v->summary);
    td_buf_fini(&v->offsets);
    td_buf_fini(&v->records);
    td_buf_fini(&v->end);
}

td_result recover_has_durable(td_io io, const char *open_path, int *has_durable, td_err *err)
{
    recovery *v = td_alloc_zero(1, sizeof *v);
    recover_result *result = td_alloc_zero(1, sizeof *result);
    td_result rc = v == NULL || result == NULL ? td_err_set(err, TD_E_NOMEM, "no memory") : TD_OK;
    *has_durable = 0;
    if (rc == TD_OK) {
        v->result = result;
        rc = init(v, err);
        if (rc == TD_OK)
            rc = td_io_open(io, open_path, TD_OPEN_READ, &v->file, err);
        if (rc == TD_OK)
            rc = mcap_source_init(&v->source, v->file, err);
        if (rc == TD_OK)
            rc = recover_look_for_blocks(v, err);
        *has_durable = result->damaged_blocks > 0;
        fini(v);
    }
    td_free(result);
    td_free(v);
    return rc;
}

typedef td_result recover_run(recovery *v, td_err *err);

static td_result recover_file(td_io io, const char *open_path, const char *torn_dir,
                              recover_run *run_it, recover_result *out, td_err *err)
{
    memset(out, 0, sizeof *out);
    recovery *v = td_alloc_zero(1, sizeof *v);
    if (v == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to recover %s", open_path);
    v->io = io;
    v->open_path = open_path;
    v->torn_dir = torn_dir;
    v->result = out;
    td_result rc = init(v, err);
    if (rc == TD_OK)
        rc = set_paths(v, open_path, err);
    if (rc == TD_OK)
        rc = run_it(v, err);
    fini(v);
    td_free(v);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "recovering %s", open_path);
}

td_result recover_segment(td_io io, const char *open_path, const char *torn_dir,
                          recover_result *out, td_err *err)
{
    return recover_file(io, open_path, torn_dir, run, out, err);
}

td_result recover_put_copy_away(td_io io, const char *open_path, const char *torn_dir,
                                recover_result *out, td_err *err)
{
    return recover_file(io, open_path, torn_dir, run_copy, out, err);
}
