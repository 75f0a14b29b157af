#include "remote/part.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

enum { PIECE_BYTES = 8 << 20 }; /* read at a time, and by a request */

/* A range of a file, or, if file is NULL, the object of a part. */
typedef struct source {
    td_file *file;
    uint64_t from, bytes;
    s3_store *store;
    const manifest_part *part;
} source;

static td_result read_piece(const source *of, uint64_t at, uint8_t *buf, size_t *got, td_err *err)
{
    if (of->file == NULL)
        return part_read(of->store, of->part, at, buf, PIECE_BYTES, got, err);
    *got = of->bytes - at < PIECE_BYTES ? (size_t)(of->bytes - at) : PIECE_BYTES;
    return td_io_read_exact(of->file, of->from + at, buf, *got, err);
}

static td_result hash_source(const source *of, part_sink *sink, void *user, manifest_part *out,
                             td_err *err)
{
    size_t got = 0;
    td_result rc = TD_OK;
    td_sha256 *hash = td_sha256_open();
    uint8_t *piece = td_alloc(PIECE_BYTES);
    out->bytes = 0;
    do {
        rc = read_piece(of, out->bytes, piece, &got, err);
        if (rc == TD_OK && sink != NULL)
            rc = sink(user, piece, got, err);
        if (rc != TD_OK)
            break;
        td_sha256_update(hash, piece, got);
        out->bytes += got;
    } while (got == PIECE_BYTES); /* fewer bytes: the end */
    td_sha256_digest(hash, out->sha256);
    td_sha256_close(hash);
    td_free(piece);
    return rc;
}

td_result part_of_range(td_file *file, uint64_t from, uint64_t bytes, part_sink *sink, void *user,
                        manifest_part *out, td_err *err)
{
    const source range = {.file = file, .from = from, .bytes = bytes};
    return hash_source(&range, sink, user, out, err);
}

td_result part_compare_file(td_file *file, uint64_t bytes, const manifest_file *there, int *is_same,
                            td_err *err)
{
    uint64_t from = 0;
    td_result rc = TD_OK;
    *is_same = there->bytes <= bytes;
    for (size_t i = 0; rc == TD_OK && *is_same && i < there->part_count; i++) {
        const manifest_part *part = &there->parts[i];
        manifest_part local;
        rc = part_of_range(file, from, part->bytes, NULL, NULL, &local, err);
        *is_same = rc == TD_OK && strcmp(local.sha256, part->sha256) == 0;
        from += part->bytes;
    }
    return rc;
}

td_result part_read(s3_store *store, const manifest_part *part, uint64_t at, void *buf, size_t size,
                    size_t *got, td_err *err)
{
    char key[REMOTE_OBJECT_KEY_BYTES];
    remote_object_key(part, key);
    td_result rc = s3_store_read(store, key, at, buf, size, got, err);
    if (rc != TD_E_NOTFOUND)
        return rc;
    rc = td_err_set(err, TD_E_IO, "%s is missing in the store, but its manifest lists it", key);
    td_err_hint(err, "push the archive to another prefix, and verify it there");
    return rc;
}

td_result part_fetch(s3_store *store, const manifest_part *part, part_sink *sink, void *user,
                     td_err *err)
{
    const source object = {.store = store, .part = part};
    manifest_part found;
    td_result rc = hash_source(&object, sink, user, &found, err);
    if (rc == TD_OK && (found.bytes != part->bytes || strcmp(found.sha256, part->sha256) != 0))
        rc = td_err_set(err, TD_E_CORRUPT, "objects/%s: the store gave back other bytes",
                        part->sha256);
    return rc;
}
