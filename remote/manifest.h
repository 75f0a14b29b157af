/* The manifest of an archive in a store: which objects make which file of the archive. Each push
 * makes the next one, numbered; the newest is the archive. Objects are named by their content, so a
 * manifest never changes what another one lists.
 *
 *   PREFIX/objects/SHA256                 content of a segment, or of a part of the journal or the
 *                                         catalog
 *   PREFIX/manifests/0000000001.json      {"version":1,"files":[{"path":"capture/…/….mcap",
 *                                         "chain":"…","parts":[{"sha256":"…","bytes":N}]},…]}
 *
 * A file is its parts, one after the other: a segment has one part; each push adds a part with the
 * journal's new entries. The catalog has parts of a fixed size, so that the ones that did not
 * change are not sent again. Files are in byte order of path. A manifest with "pruning":true is
 * made before objects are removed (remote/store_prune.h): no push may follow it. */
#ifndef TD_REMOTE_MANIFEST_H
#define TD_REMOTE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "remote/s3_store.h"

typedef struct manifest_part {
    uint64_t bytes;
    char sha256[TD_SHA256_HEX_BYTES];
} manifest_part;

typedef struct manifest_file {
    char *path;                       /* below the archive */
    char chain[TD_HASH128_HEX_BYTES]; /* of a segment: its last chain value; else "" */
    manifest_part *parts;
    size_t part_count;
    uint64_t bytes; /* of all parts */
} manifest_file;

typedef struct remote_manifest {
    uint64_t number; /* 0: the store has no manifest */
    manifest_file *files;
    size_t file_count;
    uint8_t is_pruning; /* 1: a prune of the store is running, or was killed */
} remote_manifest;

/* Read the newest manifest below the store's prefix; number is 0 if there is none. TD_E_CORRUPT: it
 * is damaged, with its name; TD_E_UNSUPPORTED: a later version wrote it; errors of s3_store_list.
 * The caller releases *out with remote_manifest_fini, also after a failure. */
TD_MUST_USE td_result remote_manifest_read(s3_store *store, remote_manifest *out, td_err *err);
void remote_manifest_fini(remote_manifest *manifest);

/* Set the error of a store without a manifest. Returns TD_E_NOTFOUND. */
td_result remote_manifest_missing(td_err *err);

/* As remote_manifest_read, of one that s3_store_list found below REMOTE_MANIFESTS.
 * remote_manifest_number: its number, by its key; 0: another program's object. */
#define REMOTE_MANIFESTS "manifests/"
uint64_t remote_manifest_number(const char *key);
TD_MUST_USE td_result remote_manifest_read_one(s3_store *store, uint64_t number, uint64_t bytes,
                                               remote_manifest *out, td_err *err);

/* Check that the store has no manifest with a larger number. TD_E_BUSY; errors of s3_store_list. */
TD_MUST_USE td_result remote_manifest_check_newest(s3_store *store, uint64_t number, td_err *err);

/* Remove a manifest; as s3_store_remove. */
TD_MUST_USE td_result remote_manifest_remove(s3_store *store, uint64_t number, td_err *err);

/* The file with this path, or NULL. */
const manifest_file *remote_manifest_find(const remote_manifest *manifest, const char *path);

/* Add a file without parts; path and chain are copied. */
TD_NEVER_NULL manifest_file *remote_manifest_add_file(remote_manifest *manifest, const char *path,
                                                      const char *chain);
/* Add a part at the end of a file. */
void manifest_file_add_part(manifest_file *file, const manifest_part *part);

/* Make the manifest of these files with this number, as the newest. TD_E_BUSY: another push or a
 * prune made it, or a later one, meanwhile. TD_E_UNSUPPORTED: the store has no conditional writes.
 */
TD_MUST_USE td_result remote_manifest_make(s3_store *store, const remote_manifest *manifest,
                                           uint64_t number, td_err *err);

/* The key of a part's object, below the prefix. remote_object_part: the part, by its object, that
 * s3_store_list found below REMOTE_OBJECTS; 0: another program's object. */
#define REMOTE_OBJECTS "objects/"
enum { REMOTE_OBJECT_KEY_BYTES = sizeof REMOTE_OBJECTS - 1 + TD_SHA256_HEX_BYTES };
void remote_object_key(const manifest_part *part, char out[REMOTE_OBJECT_KEY_BYTES]);
int remote_object_part(const s3_object *object, manifest_part *out);

#endif
