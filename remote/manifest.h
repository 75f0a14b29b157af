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
#include "base/bytes.h"
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

/* A manifest in the store's list. */
typedef struct manifest_entry {
    uint64_t number;
    uint64_t bytes;
    uint64_t modified_ns; /* as s3_object */
} manifest_entry;

/* Call fn with the manifests whose number is larger than `after`, in order of number. A result of
 * fn other than TD_OK ends the list and is its result. Errors of s3_store_list. */
typedef td_result manifest_entry_fn(void *user, const manifest_entry *entry, td_err *err);
TD_MUST_USE td_result remote_manifest_list(s3_store *store, uint64_t after, manifest_entry_fn *fn,
                                           void *user, td_err *err);

/* As remote_manifest_read, of a listed one. */
TD_MUST_USE td_result remote_manifest_read_entry(s3_store *store, const manifest_entry *entry,
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

/* The s3_source of a td_bytes. */
td_result remote_source_of_bytes(void *user, uint64_t at, void *buf, size_t size, size_t *got,
                                 td_err *err);

/* Key of an object, below the prefix. */
enum { REMOTE_OBJECT_KEY_BYTES = 8 + TD_SHA256_HEX_BYTES };
void remote_object_key(const manifest_part *part, char out[REMOTE_OBJECT_KEY_BYTES]);

/* Call fn with the store's objects, in order of their hashes, and the time when each was made (as
 * s3_object). Other files below objects/ are left out. Errors of s3_store_list. */
typedef td_result remote_object_fn(void *user, const manifest_part *part, uint64_t modified_ns,
                                   td_err *err);
TD_MUST_USE td_result remote_object_list(s3_store *store, remote_object_fn *fn, void *user,
                                         td_err *err);

#endif
