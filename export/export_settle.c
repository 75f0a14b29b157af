#include "export/export_settle.h"

#include <string.h>

#include "base/alloc.h"
#include "export/export_folder.h"
#include "export/export_manifest.h"

/* A manifest in the folder. */
typedef struct found_manifest {
    char name[EXPORT_MANIFEST_NAME_BYTES];
    const char *suffix; /* EXPORT_PARTIAL: the day is being exported, or its export was killed */
} found_manifest;

typedef struct settling {
    const export_dataset *dataset;
    export_precisions *table;
    found_manifest *found;
    size_t found_count;
    size_t mixed_count;    /* files with another precision than the instrument's other files */
    size_t replaced_count; /* days replaced in this pass */
} settling;

/* A day with files to be replaced. */
typedef struct settled_day {
    export_folder *folder;
    export_document published;
    export_document partial; /* the partial manifest of an interrupted replacement */
    export_files files;      /* the replacements */
} settled_day;

/* ---- all days ---- */

static td_result read_manifest(const export_dataset *dataset, const export_folder *folder,
                               const char *suffix, export_document *out, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = export_folder_join(folder, export_folder_manifest(folder), suffix, path, err);
    return rc == TD_OK ? export_document_open(dataset->io, path, out, err) : rc;
}

static td_result add_manifest(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    settling *self = user;
    (void)err;
    int is_partial = export_manifest_is_name(name, EXPORT_PARTIAL);
    if (kind != TD_ENTRY_FILE || (!is_partial && !export_manifest_is_name(name, "")))
        return TD_OK;
    self->found = td_array_grow(self->found, self->found_count, sizeof *self->found);
    found_manifest *found = &self->found[self->found_count++];
    *found = (found_manifest){.suffix = is_partial ? EXPORT_PARTIAL : ""};
    memcpy(found->name, name, strlen(name) - strlen(found->suffix));
    return TD_OK;
}

static void add_precisions(settling *self, const export_document *document)
{
    char name[LIMIT_PATH_BYTES];
    export_precision precision;
    json_value file;
    for (json_iter it = export_document_files(document); export_next_file(&it, name, &file);)
        if (export_file_precision(file, &precision) &&
            export_precisions_raise(self->table, &precision))
            self->mixed_count++;
}

/* Reads the precisions of all manifests. Includes partial manifests, because an interrupted
 * replacement has already raised some files to the precisions in its partial manifest. Skips a
 * malformed manifest; a run that needs the day reports it. */
static td_result read_precisions(settling *self, td_err *err)
{
    const export_dataset *dataset = self->dataset;
    self->found_count = self->mixed_count = self->replaced_count = 0;
    td_result rc = td_io_list(dataset->io, dataset->folder, add_manifest, self, err);
    for (size_t i = 0; rc == TD_OK && i < self->found_count; i++) {
        const found_manifest *found = &self->found[i];
        export_document document = {0};
        export_folder *folder = export_folder_open(dataset->io, dataset->folder, found->name);
        rc = read_manifest(dataset, folder, found->suffix, &document, err);
        add_precisions(self, &document);
        export_document_close(&document);
        export_folder_close(folder);
        if (rc == TD_E_INVALID || rc == TD_E_NOTFOUND || found->suffix[0] != '\0')
            rc = TD_OK;
    }
    if (rc == TD_OK || rc == TD_E_NOTFOUND)
        td_err_clear(err);
    return rc == TD_E_NOTFOUND ? TD_OK : rc;
}

/* ---- one day ---- */

static const export_format *format_of(json_value file)
{
    size_t count = 0;
    const export_format *const *all = export_format_table(&count);
    td_bytes name;
    for (size_t i = 0; json_find_text(file, "format", &name) && i < count; i++)
        if (all[i]->raise != NULL && td_bytes_is(name, all[i]->name))
            return all[i];
    return NULL;
}

/* 1 if a document lists the file `wanted` with this hash. */
static int lists(const export_document *document, const char *wanted, const char *hash)
{
    char name[LIMIT_PATH_BYTES];
    td_bytes listed;
    json_value file;
    for (json_iter it = export_document_files(document); export_next_file(&it, name, &file);)
        if (strcmp(name, wanted) == 0)
            return json_find_text(file, "xxh3_128", &listed) && td_bytes_is(listed, hash);
    return 0;
}

/* *out: 1 if the file has the hash in the manifest. A file with damaged bytes must not be copied,
 * because the copy would get a valid hash. */
static td_result check_hash(const settled_day *day, const char *name, int *out, td_err *err)
{
    char hash[TD_HASH128_HEX_BYTES];
    td_result rc = export_file_hash(day->folder, name, hash, err);
    *out = rc == TD_OK && (lists(&day->published, name, hash) || lists(&day->partial, name, hash));
    if (rc == TD_E_NOTFOUND)
        td_err_clear(err);
    return rc == TD_E_NOTFOUND ? TD_OK : rc;
}

/* Copies a file if its precision is lower than that of the instrument's other files. */
static td_result raise_file(const settling *self, settled_day *day, const char *name,
                            json_value file, td_err *err)
{
    export_precision precision;
    const export_format *format = format_of(file);
    int is_intact = 0;
    if (format == NULL || !export_file_precision(file, &precision) ||
        !export_precisions_exceed(self->table, &precision))
        return TD_OK;
    td_result rc = check_hash(day, name, &is_intact, err);
    if (rc == TD_OK && is_intact)
        return format->raise(&day->files, name,
                             export_precisions_find(self->table, precision.instrument), err);
    if (rc == TD_OK)
        td_log_emit(self->dataset->log, TD_LOG_WARNING,
                    "'%s/%s' is not what its manifest lists: it keeps a lower precision than "
                    "other files of %s; --force exports its day again",
                    self->dataset->folder, name, precision.instrument);
    return rc;
}

/* Publishes the copies, then the manifest. If the replacement is interrupted, the next run sees the
 * old manifest and replaces the rest. */
static td_result replace_files(settled_day *day, td_err *err)
{
    td_buf text;
    td_buf_init(&text, SIZE_MAX);
    export_document_replace(&day->published, &day->files, &text);
    td_result rc = export_folder_write(day->folder, td_buf_view(&text), err);
    td_buf_fini(&text);
    if (rc == TD_OK)
        rc = export_folder_sync(day->folder, export_folder_manifest(day->folder), err);
    for (size_t i = 0; rc == TD_OK && i < day->files.count; i++) {
        rc = export_folder_publish(day->folder, day->files.items[i].name, err);
        if (rc == TD_OK)
            rc = export_folder_sync(day->folder, day->files.items[i].name, err);
    }
    return rc == TD_OK ? export_folder_publish_manifest(day->folder, err) : rc;
}

/* *out: 1 if a file of the day has a lower precision than the instrument's other files. */
static td_result find_lower(const settling *self, const export_folder *folder, int *out,
                            td_err *err)
{
    char name[LIMIT_PATH_BYTES];
    export_precision precision;
    json_value file;
    export_document document = {0};
    td_result rc = read_manifest(self->dataset, folder, "", &document, err);
    *out = 0;
    for (json_iter it = export_document_files(&document); export_next_file(&it, name, &file);)
        *out |= export_file_precision(file, &precision) &&
                export_precisions_exceed(self->table, &precision);
    export_document_close(&document);
    return rc;
}

/* Replaces the day's files of lower precision. Locks the day first: otherwise two runs in one
 * folder could replace a file at the same time. */
static td_result replace_lower(settling *self, settled_day *day, td_err *err)
{
    char name[LIMIT_PATH_BYTES];
    json_value file;
    td_result rc = export_folder_lock(day->folder, err);
    if (rc == TD_E_BUSY) {
        td_err_clear(err);
        return TD_OK;
    }
    export_folder_allow_replacing(day->folder);
    if (rc != TD_OK ||
        (!export_folder_is_locked(day->folder) && self->dataset->spec->shard_count > 0))
        return rc;
    rc = read_manifest(self->dataset, day->folder, "", &day->published, err);
    if (read_manifest(self->dataset, day->folder, EXPORT_PARTIAL, &day->partial, NULL) != TD_OK)
        day->partial = (export_document){0};
    for (json_iter it = export_document_files(&day->published);
         rc == TD_OK && export_next_file(&it, name, &file);)
        rc = raise_file(self, day, name, file, err);
    if (rc == TD_OK && day->files.count > 0) {
        self->replaced_count++;
        return replace_files(day, err);
    }
    export_files_discard(&day->files);
    if (day->partial.text == NULL)
        export_folder_discard(day->folder, export_folder_manifest(day->folder), EXPORT_PARTIAL);
    return rc;
}

static td_result settle_day(settling *self, const char *manifest, td_err *err)
{
    const export_dataset *dataset = self->dataset;
    settled_day day = {.folder = export_folder_open(dataset->io, dataset->folder, manifest)};
    int is_wanted = 0;
    day.files = (export_files){.folder = day.folder, .prefix = ""};
    td_result rc = find_lower(self, day.folder, &is_wanted, err);
    if (rc == TD_E_INVALID || rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        rc = TD_OK;
    }
    if (rc == TD_OK && is_wanted)
        rc = replace_lower(self, &day, err);
    export_document_close(&day.published);
    export_document_close(&day.partial);
    export_files_fini(&day.files);
    export_folder_close(day.folder);
    return rc;
}

td_result export_settle(const export_dataset *dataset, export_precisions *table, td_err *err)
{
    settling self = {.dataset = dataset, .table = table};
    int has_precisions = 0;
    td_result rc = TD_OK;
    for (size_t i = 0; i < dataset->spec->format_count; i++)
        has_precisions |= dataset->spec->formats[i]->raise != NULL;
    do {
        rc = has_precisions ? read_precisions(&self, err) : TD_OK;
        for (size_t i = 0; rc == TD_OK && self.mixed_count > 0 && i < self.found_count; i++)
            if (self.found[i].suffix[0] == '\0')
                rc = settle_day(&self, self.found[i].name, err);
    } while (rc == TD_OK && self.replaced_count > 0);
    td_free(self.found);
    return rc == TD_OK ? rc
                       : td_err_add(err, rc, "cannot give the files in '%s' one precision",
                                    dataset->folder);
}
