#include "format/torn.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { PIECE_BYTES = 256 << 10, NAMES_MAX = 1000 };

/* Reads the bytes of a file from an offset on, piece by piece. */
typedef struct tail {
    td_file *file;
    uint64_t at, end;
    uint8_t *piece;
    size_t piece_bytes;
} tail;

static td_result tail_init(tail *t, td_file *file, uint64_t from, td_err *err)
{
    *t = (tail){.file = file, .at = from, .piece = td_alloc(PIECE_BYTES)};
    return td_io_size(file, &t->end, err);
}

static void tail_fini(tail *t)
{
    td_free(t->piece);
}

/* Read the next piece. TD_EOF at the end. */
static td_result tail_next(tail *t, td_err *err)
{
    if (t->at >= t->end)
        return TD_EOF;
    t->piece_bytes = t->end - t->at < PIECE_BYTES ? (size_t)(t->end - t->at) : PIECE_BYTES;
    td_result rc = td_io_read_exact(t->file, t->at, t->piece, t->piece_bytes, err);
    t->at += t->piece_bytes;
    return rc;
}

static td_result compare(tail *left, tail *right, int *is_same, td_err *err)
{
    *is_same = left->end - left->at == right->end - right->at;
    td_result rc = TD_OK;
    while (rc == TD_OK && *is_same) {
        rc = tail_next(left, err);
        if (rc == TD_OK)
            rc = tail_next(right, err);
        if (rc == TD_OK)
            *is_same = memcmp(left->piece, right->piece, left->piece_bytes) == 0;
    }
    return rc == TD_EOF ? TD_OK : rc;
}

/* Set *is_same to 1 if the file at path has exactly the bytes of `file` from offset `from` on. */
static td_result is_copy(td_io io, const char *path, td_file *file, uint64_t from, int *is_same,
                         td_err *err)
{
    tail there = {0};
    tail here = {0};
    td_file *copy = NULL;
    *is_same = 0;
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &copy, err);
    if (rc == TD_OK)
        rc = tail_init(&there, copy, 0, err);
    if (rc == TD_OK)
        rc = tail_init(&here, file, from, err);
    if (rc == TD_OK)
        rc = compare(&there, &here, is_same, err);
    tail_fini(&there);
    tail_fini(&here);
    td_io_close(copy);
    return rc;
}

td_result torn_find_path(td_io io, const char *folder, const char *name, td_file *file,
                         uint64_t from, char out[LIMIT_PATH_BYTES], int *is_kept, td_err *err)
{
    *is_kept = 0;
    for (unsigned n = 0; n < NAMES_MAX; n++) {
        char number[16] = "";
        uint64_t size;
        if (n > 0)
            (void)snprintf(number, sizeof number, ".%u", n); /* fits */
        int length = snprintf(out, LIMIT_PATH_BYTES, "%s/%s%s", folder, name, number);
        if (length < 0 || (size_t)length >= LIMIT_PATH_BYTES - sizeof ".part")
            return td_err_set(err, TD_E_LIMIT, "path of %d bytes in %s", length, folder);
        td_result rc = td_io_size_at(io, out, &size, err);
        if (rc == TD_OK)
            rc = is_copy(io, out, file, from, is_kept, err);
        if (rc == TD_E_NOTFOUND) {
            td_err_clear(err);
            return TD_OK;
        }
        if (rc != TD_OK || *is_kept)
            return rc;
    }
    return td_err_set(err, TD_E_LIMIT, "%s: %d files %s are there already", folder, NAMES_MAX,
                      name);
}

static td_result write_tail(void *user, td_file *out, td_err *err)
{
    tail *t = user;
    td_result rc;
    while ((rc = tail_next(t, err)) == TD_OK) {
        rc = td_io_append(out, t->piece, t->piece_bytes, err);
        if (rc != TD_OK)
            break;
    }
    return rc == TD_EOF ? TD_OK : rc;
}

td_result torn_keep(td_io io, const char *folder, const char *name, td_file *file, uint64_t from,
                    char path[LIMIT_PATH_BYTES], td_err *err)
{
    int is_kept;
    tail t = {0};
    td_result rc = torn_find_path(io, folder, name, file, from, path, &is_kept, err);
    if (rc == TD_OK && is_kept)
        return td_io_sync_dir(io, folder, err);
    if (rc == TD_OK)
        rc = tail_init(&t, file, from, err);
    if (rc == TD_OK)
        rc = td_io_write_file(io, path, TD_OPEN_CREATE_PRIVATE, write_tail, &t, err);
    tail_fini(&t);
    return rc;
}
