#include "remote/store_prune.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "remote/manifest.h"

/* Each takes 96 bytes of memory. A push every five minutes makes some hundred thousand a year. */
enum { OBJECTS_MAX = 4 << 20 };

typedef struct stored_object {
    manifest_part part;
    uint64_t modified_ns;
    uint8_t is_listed; /* by a manifest that stays */
} stored_object;

typedef struct stored_manifest {
    uint64_t number, bytes, modified_ns;
    uint8_t is_unneeded;
} stored_manifest;

typedef struct prune {
    s3_store *store;
    const store_prune_options *options;
    store_prune_report *report;
    uint64_t before_ns;         /* what was made before this is old */
    stored_manifest *manifests; /* by number */
    size_t manifest_count;
    stored_object *objects; /* by hash */
    size_t object_count;
    remote_manifest newest;
} prune;

/* ---- what the store has ---- */

static td_result count_time(prune *p, uint64_t modified_ns, td_err *err)
{
    if (modified_ns > p->report->counted_from_ns)
        p->report->counted_from_ns = modified_ns;
    return modified_ns != 0
               ? TD_OK
               : td_err_set(err, TD_E_UNSUPPORTED, "the store's list has no LastModified");
}

static td_result add_manifest(void *user, const s3_object *object, td_err *err)
{
    prune *p = user;
    const uint64_t number = remote_manifest_number(object->key);
    if (number == 0)
        return TD_OK;
    p->manifests = td_array_grow(p->manifests, p->manifest_count, sizeof *p->manifests);
    p->manifests[p->manifest_count++] =
        (stored_manifest){number, object->bytes, object->modified_ns, 0};
    return count_time(p, object->modified_ns, err);
}

static td_result add_object(void *user, const s3_object *object, td_err *err)
{
    prune *p = user;
    stored_object made = {.modified_ns = object->modified_ns};
    if (!remote_object_part(object, &made.part))
        return TD_OK;
    if (p->object_count == OBJECTS_MAX)
        return td_err_set(err, TD_E_LIMIT, "the store has more than %d objects", OBJECTS_MAX);
    p->objects = td_array_grow(p->objects, p->object_count, sizeof *p->objects);
    p->objects[p->object_count++] = made;
    return count_time(p, object->modified_ns, err);
}

static td_result list_all(prune *p, td_err *err)
{
    td_result rc = s3_store_list(p->store, REMOTE_MANIFESTS, "", add_manifest, p, err);
    if (rc == TD_OK && p->manifest_count == 0)
        rc = remote_manifest_missing(err);
    if (rc == TD_OK)
        rc = s3_store_list(p->store, REMOTE_OBJECTS, "", add_object, p, err);
    const uint64_t now_ns = p->report->counted_from_ns;
    const uint64_t age_ns = p->options->older_than_ns;
    p->before_ns = now_ns > age_ns ? now_ns - age_ns : 0;
    return rc;
}

/* ---- what stays ---- */

static int compare_hash(const void *hash, const void *object)
{
    return strcmp(hash, ((const stored_object *)object)->part.sha256);
}

static stored_object *find_object(const prune *p, const manifest_part *part)
{
    return p->object_count == 0 ? NULL
                                : bsearch(part->sha256, p->objects, p->object_count,
                                          sizeof *p->objects, compare_hash);
}

static td_result mark_listed(prune *p, const remote_manifest *manifest, td_err *err)
{
    const int is_newest = manifest->number == p->manifests[p->manifest_count - 1].number;
    for (size_t i = 0; i < manifest->file_count; i++)
        for (size_t k = 0; k < manifest->files[i].part_count; k++) {
            const manifest_part *part = &manifest->files[i].parts[k];
            stored_object *object = find_object(p, part);
            if (object != NULL) {
                object->is_listed = 1;
            } else if (is_newest) {
                td_result rc = td_err_set(err, TD_E_CORRUPT,
                                          "the store lacks objects/%s of %s: nothing was removed",
                                          part->sha256, manifest->files[i].path);
                td_err_hint(err, "push the archive to another prefix, and verify it there");
                return rc;
            }
        }
    return TD_OK;
}

/* A manifest was the archive until the next one was made: it is needed as long as that is not old.
 * One at a time is in memory, and the newest. */
static td_result read_manifests(prune *p, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < p->manifest_count; i++) {
        stored_manifest *at = &p->manifests[i];
        const int is_newest = i + 1 == p->manifest_count;
        at->is_unneeded = !is_newest && p->manifests[i + 1].modified_ns < p->before_ns;
        if (at->is_unneeded)
            continue;
        remote_manifest manifest;
        rc = remote_manifest_read_one(p->store, at->number, at->bytes, &manifest, err);
        if (rc == TD_OK)
            rc = mark_listed(p, &manifest, err);
        if (is_newest)
            p->newest = manifest;
        else
            remote_manifest_fini(&manifest);
    }
    return rc;
}

static int is_unneeded(const prune *p, const stored_object *object)
{
    return !object->is_listed && object->modified_ns < p->before_ns;
}

static void count_all(prune *p)
{
    store_prune_report *report = p->report;
    for (size_t i = 0; i < p->manifest_count; i++)
        report->manifests_removed += p->manifests[i].is_unneeded;
    report->manifests_kept = p->manifest_count - report->manifests_removed;
    for (size_t i = 0; i < p->object_count; i++) {
        const stored_object *object = &p->objects[i];
        const int is_kept = !is_unneeded(p, object);
        *(is_kept ? &report->objects_kept : &report->objects_removed) += 1;
        *(is_kept ? &report->bytes_kept : &report->bytes_removed) += object->part.bytes;
    }
    report->manifest = p->newest.number;
}

/* ---- removing ---- */

/* Make the next manifest, of the same files. */
static td_result make_next(prune *p, uint8_t is_pruning, td_err *err)
{
    p->newest.is_pruning = is_pruning;
    td_result rc = remote_manifest_make(p->store, &p->newest, p->newest.number + 1, err);
    if (rc == TD_OK)
        p->report->manifest = ++p->newest.number;
    return rc;
}

/* A killed prune may be running after all: the later flag counts, because a push may follow the
 * prune that made it. */
static td_result remove_object(prune *p, const stored_object *object, td_err *err)
{
    char key[REMOTE_OBJECT_KEY_BYTES];
    TD_ASSERT(!object->is_listed);
    TD_ASSERT(p->newest.is_pruning);
    remote_object_key(&object->part, key);
    td_result rc = remote_manifest_check_newest(p->store, p->newest.number, err);
    return rc == TD_OK ? s3_store_remove(p->store, key, err) : rc;
}

/* Manifests are first, so that each one in the store has its objects. */
static td_result remove_unneeded(prune *p, td_err *err)
{
    uint64_t done = 0;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < p->manifest_count; i++)
        if (p->manifests[i].is_unneeded)
            rc = remote_manifest_remove(p->store, p->manifests[i].number, err);
    for (size_t i = 0; rc == TD_OK && i < p->object_count; i++) {
        if (!is_unneeded(p, &p->objects[i]))
            continue;
        rc = remove_object(p, &p->objects[i], err);
        if (p->options->progress != NULL)
            p->options->progress(p->options->user, ++done, p->report->objects_removed);
    }
    return rc;
}

static td_result run(prune *p, td_err *err)
{
    td_result rc = list_all(p, err);
    if (rc == TD_OK)
        rc = read_manifests(p, err);
    if (rc != TD_OK)
        return rc;
    count_all(p);
    const int has_work = p->report->objects_removed + p->report->manifests_removed > 0;
    if (p->options->is_dry_run || (!has_work && !p->newest.is_pruning))
        return TD_OK;
    rc = make_next(p, 1, err);
    if (rc != TD_OK)
        return rc;
    rc = remove_unneeded(p, err);
    if (rc == TD_E_BUSY)
        return rc;
    /* Also after a failure, so that pushes can follow; the first error counts. */
    td_result end = make_next(p, 0, rc == TD_OK ? err : NULL);
    return rc == TD_OK ? end : rc;
}

td_result remote_prune(s3_store *store, const store_prune_options *options,
                       store_prune_report *report, td_err *err)
{
    prune p = {.store = store, .options = options, .report = report};
    *report = (store_prune_report){0};
    td_result rc = run(&p, err);
    remote_manifest_fini(&p.newest);
    td_free(p.manifests);
    td_free(p.objects);
    return rc;
}
