#include "remote/part.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

enum { PIECE_BYTES = 8 << 20 }; /* read at a time, and by a request */

td_result part_read_range(void *user, uint64_t at, void *buf, size_t size, size_t *got, td_err *err)
{
    const part_range *range = user;
    const uint64_t left = at < range->bytes ? range->bytes - at : 0;
    *got = left < size ? (size_t)left : size;
    return *got == 0 ? TD_OK : td_io_read_exact(range->file, range->from + at, buf, *got, err);
}

/* Hash what a source gives, up to its end. */
static td_result hash_source(s3_source *read, void *source, part_sink *sink, void *user,
                             manifest_part *out, td_err *err)
{
    size_t got = 0;
    td_result rc = TD_OK;
    td_sha256 *hash = td_sha256_open();
    uint8_t *piece = td_alloc(PIECE_BYTES);
    out->bytes = 0;
    do {
        rc = read(source, out->bytes, piece, PIECE_BYTES, &got, err);
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

td_result part_of_range(const part_range *range, part_sink *sink, void *user, manifest_part *out,
                        td_err *err)
{
    part_range copy = *range;
    return hash_source(part_read_range, &copy, sink, user, out, err);
}

/* An object, for hash_source. */
typedef struct object {
    s3_store *store;
    char key[REMOTE_OBJECT_KEY_BYTES];
} object;

static td_result read_object(void *user, uint64_t at, void *buf, size_t size, size_t *got,
                             td_err *err)
{
    const object *from = user;
    return s3_store_read(from->store, from->key, at, buf, size, got, err);
}

td_result part_fetch(s3_store *store, const manifest_part *part, part_sink *sink, void *user,
                     td_err *err)
{
    object from = {.store = store};
    manifest_part found;
    remote_object_key(part, from.key);
    td_result rc = hash_source(read_object, &from, sink, user, &found, err);
    if (rc == TD_E_NOTFOUND)
        return td_err_set(err, TD_E_IO, "%s is missing in the store, but its manifest lists it",
                          from.key);
    if (rc == TD_OK && (found.bytes != part->bytes || strcmp(found.sha256, part->sha256) != 0))
        rc = td_err_set(err, TD_E_CORRUPT, "%s: the store gave back other bytes", from.key);
    return rc;
}
