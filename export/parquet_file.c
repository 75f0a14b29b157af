#include "export/parquet_file.h"

#include "base/alloc.h"

static td_result write_bytes(void *ctx, td_bytes bytes, td_err *err)
{
    return export_file_write(ctx, bytes, err);
}

td_result parquet_file_open(export_files *files, const char *name, const parquet_schema *schema,
                            parquet_file **out, td_err *err)
{
    export_file *file = NULL;
    td_result rc = export_file_open(files, name, EXPORT_PLAIN, &file, err);
    if (rc != TD_OK)
        return rc;
    *out = td_alloc_zero(1, sizeof **out);
    (*out)->file = file;
    (*out)->writer =
        parquet_open(schema, (parquet_out){write_bytes, file, export_folder_coders(files->folder)});
    return TD_OK;
}

td_result parquet_file_finish(parquet_file *file, const char *name, td_err *err)
{
    td_result rc = parquet_finish(file->writer, err);
    if (rc == TD_OK) {
        rc = export_file_finish(file->file, name, err);
        file->file = NULL;
    }
    parquet_file_abandon(file);
    return rc;
}

void parquet_file_abandon(parquet_file *file)
{
    if (file == NULL)
        return;
    parquet_close(file->writer);
    export_file_abandon(file->file);
    td_free(file);
}
