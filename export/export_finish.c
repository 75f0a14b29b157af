#include "export/export_finish.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* Opens the folder and the manifest of a unit. 0: the unit is missing, or it was made from other
 * data. */
static int open_unit(td_io io, const char *dataset, const export_unit *unit, td_bytes head,
                     export_folder **folder, export_document *manifest)
{
    char name[EXPORT_UNIT_NAME_BYTES];
    char file[EXPORT_MANIFEST_NAME_BYTES];
    char path[LIMIT_PATH_BYTES];
    td_err ignored;
    td_buf begin;
    export_unit_format(unit, name);
    export_manifest_name(unit->day, file);
    if (snprintf(path, sizeof path, "%s/" EXPORT_UNITS_FOLDER "/%s", dataset, name) >=
        (int)sizeof path)
        return 0;
    td_buf_init(&begin, SIZE_MAX);
    td_buf_add(&begin, head.data, head.size);
    export_manifest_add_unit(&begin, unit);
    *folder = export_folder_open(io, path, file);
    int is_made = export_folder_join(*folder, file, "", path, &ignored) == TD_OK &&
                  export_document_open(io, path, manifest, &ignored) == TD_OK &&
                  export_document_begins(manifest, td_buf_view(&begin)) &&
                  export_document_has_files(manifest, *folder);
    td_buf_fini(&begin);
    return is_made;
}

/* Opens all units of a day that is cut into this number. */
static void open_units(td_io io, const char *dataset, export_unit unit, td_bytes head,
                       finished_units *out, size_t *missing_count, char *missing, size_t size)
{
    size_t used = 0;
    *missing_count = 0;
    out->count = unit.count;
    out->folders = td_alloc_zero(unit.count, sizeof(export_folder *));
    out->manifests = td_alloc_zero(unit.count, sizeof *out->manifests);
    for (unit.number = 1; unit.number <= unit.count; unit.number++) {
        char name[EXPORT_UNIT_NAME_BYTES];
        if (open_unit(io, dataset, &unit, head, &out->folders[unit.number - 1],
                      &out->manifests[unit.number - 1]))
            continue;
        export_unit_format(&unit, name);
        if (used < size)
            used += (size_t)snprintf(missing + used, size - used, "%s%s",
                                     (*missing_count)++ == 0 ? "" : ", ", name);
        else
            (*missing_count)++;
    }
}

/* The numbers of units that a day was cut into. */
typedef struct unit_counts {
    uint32_t day;
    uint8_t has[EXPORT_UNITS_MAX + 1];
} unit_counts;

static td_result note_count(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    unit_counts *counts = user;
    export_unit unit;
    (void)err;
    if (kind == TD_ENTRY_DIR && export_unit_parse(name, &unit) && unit.day == counts->day)
        counts->has[unit.count] = 1;
    return TD_OK;
}

td_result finished_units_open(td_io io, const char *dataset, uint32_t day, td_bytes head,
                              finished_units *out, td_err *err)
{
    unit_counts counts = {.day = day};
    char path[LIMIT_PATH_BYTES];
    char fewest[TD_ERR_TEXT_BYTES / 2] = "no unit of the day was made";
    char missing[sizeof fewest] = "";
    size_t fewest_count = SIZE_MAX;
    export_folder *of = export_folder_open(io, dataset, "");
    td_result rc = export_folder_join(of, EXPORT_UNITS_FOLDER, "", path, err);
    export_folder_close(of);
    if (rc == TD_OK)
        rc = td_io_list(io, path, note_count, &counts, err);
    if (rc != TD_OK && rc != TD_E_NOTFOUND)
        return rc;
    for (uint32_t count = 1; count <= EXPORT_UNITS_MAX && fewest_count > 0; count++) {
        size_t missing_count = 0;
        if (!counts.has[count])
            continue;
        finished_units_close(out);
        open_units(io, dataset, (export_unit){.day = day, .count = count}, head, out,
                   &missing_count, missing, sizeof missing);
        if (missing_count >= fewest_count)
            continue;
        fewest_count = missing_count;
        memcpy(fewest, missing, sizeof fewest);
    }
    if (fewest_count == 0)
        return TD_OK;
    finished_units_close(out);
    td_err_set(err, TD_E_NOTFOUND, "%s%s",
               fewest_count == SIZE_MAX ? "" : "missing or out of date: ", fewest);
    return TD_E_NOTFOUND;
}

void finished_units_close(finished_units *units)
{
    for (size_t i = 0; i < units->count; i++) {
        export_document_close(&units->manifests[i]);
        export_folder_close(units->folders[i]);
    }
    td_free(units->manifests);
    td_free(units->folders);
    *units = (finished_units){0};
}

td_result finished_units_move(const finished_units *units, const export_folder *to, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < units->count; i++) {
        char name[LIMIT_PATH_BYTES];
        json_value file;
        json_iter it = export_document_files(&units->manifests[i]);
        while (rc == TD_OK && export_next_file(&it, name, &file))
            rc = export_folder_take(to, units->folders[i], name, err);
    }
    return rc;
}

/* ---- units of published days ---- */

typedef struct remove_context {
    td_io io;
    const char *path;
    int (*is_done)(const void *user, uint32_t day);
    const void *user;
} remove_context;

static td_result remove_unit(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    const remove_context *of = user;
    char path[LIMIT_PATH_BYTES];
    export_unit unit;
    (void)err;
    int size = snprintf(path, sizeof path, "%s/%s", of->path, name);
    if (kind == TD_ENTRY_DIR && export_unit_parse(name, &unit) && of->is_done(of->user, unit.day) &&
        size > 0 && (size_t)size < sizeof path)
        export_folder_remove_tree(of->io, path);
    return TD_OK;
}

void finished_units_remove(td_io io, const char *dataset,
                           int (*is_done)(const void *user, uint32_t day), const void *user)
{
    char path[LIMIT_PATH_BYTES];
    td_err ignored;
    int size = snprintf(path, sizeof path, "%s/" EXPORT_UNITS_FOLDER, dataset);
    remove_context of = {io, path, is_done, user};
    if (size > 0 && (size_t)size < sizeof path &&
        td_io_list(io, path, remove_unit, &of, &ignored) == TD_OK &&
        td_io_unlink(io, path, &ignored) != TD_OK)
        return; /* it has units of other days */
}
