#include "export/export_folder.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/journal.h"

struct export_folder {
    td_io io;
    char *path;
    char *manifest;
    td_file *lock; /* the manifest's partial file */
    codec_slot coders;
    uint8_t may_replace;
};

/* ---- life ---- */

export_folder *export_folder_open(td_io io, const char *path, const char *manifest)
{
    export_folder *made = td_alloc_zero(1, sizeof *made);
    made->io = io;
    made->path = td_strdup(path);
    made->manifest = td_strdup(manifest);
    return made;
}

void export_folder_close(export_folder *folder)
{
    if (folder == NULL)
        return;
    td_io_close(folder->lock);
    codec_slot_fini(&folder->coders);
    td_free(folder->path);
    td_free(folder->manifest);
    td_free(folder);
}

static td_result lock_day(export_folder *folder, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    uint64_t size;
    td_result rc = td_io_mkdir_all(folder->io, folder->path, err);
    if (rc == TD_OK && export_folder_size(folder, JOURNAL_FILE, "", &size, NULL) == TD_OK) {
        rc = td_err_set(err, TD_E_INVALID, "it is an archive");
        td_err_hint(err, "export into a folder of its own");
    }
    if (rc == TD_OK)
        rc = export_folder_join(folder, folder->manifest, EXPORT_PARTIAL, path, err);
    if (rc == TD_OK)
        rc = td_io_open(folder->io, path, TD_OPEN_LOCK, &folder->lock, err);
    if (rc != TD_OK)
        return rc;
    rc = td_io_lock_file(folder->lock, err);
    td_name_state name = TD_NAME_SAME;
    if (rc == TD_OK)
        rc = td_io_check_name(folder->io, path, folder->lock, &name, err);
    if (name != TD_NAME_SAME)
        rc = TD_E_BUSY; /* another export has just ended and renamed its manifest */
    if (rc == TD_E_BUSY) {
        td_err_set(err, rc, "'%s': another export is writing there", path);
        td_err_hint(err, "wait for it, or export into another folder");
    }
    return rc == TD_E_UNSUPPORTED ? TD_OK : rc; /* some file systems have no locks */
}

td_result export_folder_lock(export_folder *folder, td_err *err)
{
    td_result rc = lock_day(folder, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "cannot export to '%s'", folder->path);
}

void export_folder_allow_replacing(export_folder *folder)
{
    folder->may_replace = 1;
}

codec_slot *export_folder_coders(export_folder *folder)
{
    return &folder->coders;
}

td_io export_folder_io(const export_folder *folder)
{
    return folder->io;
}

const char *export_folder_manifest(const export_folder *folder)
{
    return folder->manifest;
}

/* ---- the manifest ---- */

td_result export_folder_write(export_folder *folder, td_bytes text, td_err *err)
{
    td_result rc = td_io_truncate(folder->lock, 0, err);
    if (rc == TD_OK)
        rc = td_io_append(folder->lock, text.data, text.size, err);
    if (rc == TD_OK)
        rc = td_io_sync(folder->lock, err);
    return rc == TD_OK
               ? rc
               : td_err_add(err, rc, "'%s/%s" EXPORT_PARTIAL "'", folder->path, folder->manifest);
}

/* Renames the manifest. If making the new name durable fails, the day is complete all the same:
 * after a power cut its manifest may have the partial name, and the next export publishes it. */
td_result export_folder_publish_manifest(export_folder *folder, td_err *err)
{
    td_result rc = export_folder_publish(folder, folder->manifest, err);
    return rc == TD_OK ? export_folder_sync(folder, folder->manifest, err) : rc;
}

/* ---- files by name ---- */

td_result export_folder_join(const export_folder *folder, const char *name, const char *suffix,
                             char out[LIMIT_PATH_BYTES], td_err *err)
{
    int size = snprintf(out, LIMIT_PATH_BYTES, "%s%s%s%s", folder->path, name[0] == '\0' ? "" : "/",
                        name, suffix);
    TD_ASSERT(size > 0);
    if (size >= (int)LIMIT_PATH_BYTES)
        return td_err_set(err, TD_E_LIMIT, "'%s/%s%s': the path is too long", folder->path, name,
                          suffix);
    return TD_OK;
}

td_result export_folder_size(const export_folder *folder, const char *name, const char *suffix,
                             uint64_t *size, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = export_folder_join(folder, name, suffix, path, err);
    return rc == TD_OK ? td_io_size_at(folder->io, path, size, err) : rc;
}

/* Checks that a name is free. A file of that name counts as existing unless it is proven absent. */
td_result export_folder_check(const export_folder *folder, const char *name, td_err *err)
{
    uint64_t size;
    if (folder->may_replace || export_folder_size(folder, name, "", &size, err) == TD_E_NOTFOUND) {
        td_err_clear(err);
        return TD_OK;
    }
    td_err_set(err, TD_E_INVALID, "'%s/%s' is there already", folder->path, name);
    td_err_hint(err, "export into another folder, or replace it with --force");
    return TD_E_INVALID;
}

td_result export_folder_prepare(const export_folder *folder, const char *name,
                                char path[LIMIT_PATH_BYTES], td_err *err)
{
    char root[LIMIT_PATH_BYTES];
    char *parent = td_strdup(name);
    char *end = strrchr(parent, '/');
    td_result rc = export_folder_check(folder, name, err);
    if (rc == TD_OK)
        rc = export_folder_join(folder, name, EXPORT_PARTIAL, path, err);
    if (rc == TD_OK && end != NULL) {
        *end = '\0';
        rc = export_folder_join(folder, "", "", root, err);
        if (rc == TD_OK)
            rc = td_io_mkdir_below(folder->io, root, parent, err);
    }
    td_free(parent);
    return rc;
}

td_result export_folder_take(const export_folder *folder, const export_folder *from,
                             const char *name, td_err *err)
{
    char old[LIMIT_PATH_BYTES];
    char path[LIMIT_PATH_BYTES];
    td_result rc = export_folder_join(from, name, "", old, err);
    if (rc == TD_OK)
        rc = export_folder_prepare(folder, name, path, err);
    return rc == TD_OK ? td_io_rename(folder->io, old, path, err) : rc;
}

td_result export_folder_remove(const export_folder *folder, const char *name, const char *suffix,
                               td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = export_folder_join(folder, name, suffix, path, err);
    if (rc == TD_OK)
        rc = td_io_unlink(folder->io, path, err);
    return rc == TD_E_NOTFOUND ? TD_OK : rc;
}

void export_folder_discard(const export_folder *folder, const char *name, const char *suffix)
{
    td_result ignored = export_folder_remove(folder, name, suffix, NULL);
    (void)ignored;
}

td_result export_folder_publish(const export_folder *folder, const char *name, td_err *err)
{
    char from[LIMIT_PATH_BYTES];
    char to[LIMIT_PATH_BYTES];
    uint64_t size;
    TD_ASSERT(name[0] != '\0');
    td_result rc = export_folder_join(folder, name, EXPORT_PARTIAL, from, err);
    if (rc == TD_OK)
        rc = export_folder_join(folder, name, "", to, err);
    if (rc != TD_OK)
        return rc;
    rc = td_io_rename(folder->io, from, to, err);
    if (rc == TD_E_NOTFOUND && td_io_size_at(folder->io, to, &size, NULL) == TD_OK) {
        td_err_clear(err);
        return TD_OK;
    }
    return rc;
}

typedef struct tidy_context {
    td_io io;
    const char *path;
} tidy_context;

static void remove_empty(td_io io, const char *path, int with_itself);

static td_result remove_one(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    const tidy_context *of = user;
    char path[LIMIT_PATH_BYTES];
    int size = snprintf(path, sizeof path, "%s/%s", of->path, name);
    if (size <= 0 || (size_t)size >= sizeof path)
        return TD_OK;
    if (kind == TD_ENTRY_DIR)
        export_folder_remove_tree(of->io, path);
    else if (td_io_unlink(of->io, path, err) != TD_OK)
        td_err_clear(err);
    return TD_OK;
}

void export_folder_remove_tree(td_io io, const char *path)
{
    tidy_context of = {io, path};
    td_err ignored;
    td_result rc = td_io_list(io, path, remove_one, &of, &ignored);
    if (rc == TD_OK)
        rc = td_io_unlink(io, path, &ignored);
    (void)rc;
}

static td_result tidy_one(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    const tidy_context *of = user;
    char path[LIMIT_PATH_BYTES];
    (void)err;
    int size = snprintf(path, sizeof path, "%s/%s", of->path, name);
    if (kind == TD_ENTRY_DIR && size > 0 && (size_t)size < sizeof path)
        remove_empty(of->io, path, 1);
    return TD_OK;
}

/* Removes empty folders below a path. */
static void remove_empty(td_io io, const char *path, int with_itself)
{
    tidy_context of = {io, path};
    td_err ignored;
    td_result rc = td_io_list(io, path, tidy_one, &of, &ignored);
    if (rc == TD_OK && with_itself)
        rc = td_io_unlink(io, path, &ignored);
    (void)rc;
}

static td_result ignore_entry(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    (void)user;
    (void)name;
    (void)kind;
    (void)err;
    return TD_OK;
}

int export_folder_exists(td_io io, const char *path)
{
    td_err ignored;
    return td_io_list(io, path, ignore_entry, NULL, &ignored) != TD_E_NOTFOUND;
}

void export_folder_tidy(td_io io, const char *path, int did_exist)
{
    export_folder *at = export_folder_open(io, path, "");
    uint64_t size;
    td_err ignored;
    if (export_folder_size(at, JOURNAL_FILE, "", &size, &ignored) != TD_OK)
        remove_empty(io, path, !did_exist);
    export_folder_close(at);
}

td_result export_folder_sync(const export_folder *folder, const char *name, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = export_folder_join(folder, name, "", path, err);
    return rc == TD_OK ? td_io_sync_folder_of(folder->io, path, err) : rc;
}
