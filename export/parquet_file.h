/* Parquet files of an export. One thread at a time. */
#ifndef TD_EXPORT_PARQUET_FILE_H
#define TD_EXPORT_PARQUET_FILE_H

#include "export/export_file.h"
#include "export/parquet/parquet_writer.h"

typedef struct parquet_file {
    export_file *file;
    parquet_writer *writer; /* for the file's rows */
} parquet_file;

/* Opens a file as export_file_open does. The schema is borrowed until the file is freed. */
TD_MUST_USE td_result parquet_file_open(export_files *files, const char *name,
                                        const parquet_schema *schema, parquet_file **out,
                                        td_err *err);

/* Completes the file (export_file_finish). The file is freed, also after a failure. */
TD_MUST_USE td_result parquet_file_finish(parquet_file *file, const char *name, td_err *err);

/* Frees the file and removes its partial file. NULL is fine. */
void parquet_file_abandon(parquet_file *file);

#endif
