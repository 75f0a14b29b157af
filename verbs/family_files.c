#include "verbs/family_files.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "schema/family.h"

enum { DOCUMENTS_MAX = 2 * FAMILIES_ADDED_MAX };

static const option_row ROWS[] = {
    {.long_name = "families",
     OPTION_INTO(family_files, paths),
     .metavar = "FILE|DIR",
     .help = "document of a family, or a folder of them (docs/families.md)"},
};

option_group family_files_options(family_files *target)
{
    return (option_group){"Families", ROWS, 1, target};
}

/* The documents that were read. */
typedef struct documents {
    family_text at[DOCUMENTS_MAX];
    size_t count;
    const char *folder; /* that is being listed */
} documents;

/* The base of a document's name; size 0 if it has not the form NAME.yaml. */
static td_bytes base_of(const char *path)
{
    static const char END[] = ".yaml";
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const size_t size = strlen(name), end = sizeof END - 1;
    return td_bytes_of(name, size > end && strcmp(name + size - end, END) == 0 ? size - end : 0);
}

static td_result add_document(documents *all, const char *path, td_err *err)
{
    const td_bytes base = base_of(path);
    uint8_t *text = NULL;
    size_t size = 0;
    if (all->count == DOCUMENTS_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d documents of families", DOCUMENTS_MAX);
    td_result rc = td_io_read_file(io_posix(), path, FAMILY_TEXT_BYTES_MAX, &text, &size, err);
    if (rc == TD_E_LIMIT)
        return td_err_add(err, rc, "%s", path);
    if (rc != TD_OK)
        return rc;
    char *name = td_alloc_zero(1, base.size + 1);
    memcpy(name, base.data, base.size);
    all->at[all->count++] = (family_text){name, text, size};
    return TD_OK;
}

static td_result on_entry(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    documents *all = user;
    char path[LIMIT_PATH_BYTES];
    if (kind != TD_ENTRY_FILE || name[0] == '.' || base_of(name).size == 0)
        return TD_OK;
    const int size = snprintf(path, sizeof path, "%s/%s", all->folder, name);
    if (size < 0 || (size_t)size >= sizeof path)
        return td_err_set(err, TD_E_LIMIT, "%s: the path is too long", all->folder);
    return add_document(all, path, err);
}

/* Read a document, or all of a folder. */
static td_result read_path(documents *all, const char *path, td_err *err)
{
    const size_t before = all->count;
    if (base_of(path).size > 0)
        return add_document(all, path, err);
    all->folder = path;
    td_result rc = td_io_list(io_posix(), path, on_entry, all, err);
    if (rc == TD_OK && all->count == before)
        rc = td_err_set(err, TD_E_NOTFOUND, "no document of a family is in %s", path);
    if (rc != TD_OK)
        td_err_hint(err, "a document of a family has a name like made-up.yaml");
    return rc;
}

/* Read all paths. The caller frees the documents, also after a failure. */
static td_result read_paths(const family_files *options, documents *all, td_err *err)
{
    td_result rc = TD_OK;
    *all = (documents){.count = 0};
    for (size_t i = 0; rc == TD_OK && i < options->paths.count; i++)
        rc = read_path(all, options->paths.items[i], err);
    return rc;
}

static void free_documents(documents *all)
{
    for (size_t i = 0; i < all->count; i++) {
        td_free((void *)all->at[i].name);
        td_free((void *)all->at[i].data);
    }
}

td_result family_files_add(const family_files *options, td_err *err)
{
    documents all;
    td_result rc = read_paths(options, &all, err);
    if (rc == TD_OK)
        rc = family_add(all.at, all.count, err);
    free_documents(&all);
    return rc;
}

td_result family_files_hash(const family_files *options, uint64_t *out, td_err *err)
{
    documents all;
    td_result rc = read_paths(options, &all, err);
    *out = 0;
    for (size_t i = 0; i < all.count; i++) {
        td_xxh64_state state;
        td_xxh64_begin(&state);
        td_xxh64_update(&state, all.at[i].name, strlen(all.at[i].name) + 1);
        td_xxh64_update(&state, all.at[i].data, all.at[i].size);
        *out += td_xxh64_end(&state); /* a folder's order may change */
    }
    free_documents(&all);
    return rc;
}
