/* Parquet files of an export. One thread at a time. */
#ifndef TD_EXPORT_PARQUET_FILE_H
#define TD_EXPORT_PARQUET_FILE_H

#include "export/export_file.h"
#include "export/parquet/parquet_writer.h"

typedef struct parquet_file parquet_file;

/* A new file, as export_file_open makes it. The schema is borrowed until the file is freed. */
TD_MUST_USE td_result parquet_file_open(export_files *files, const char *name,
                                        const parquet_schema *schema, parquet_file **out,
                                        td_err *err);

/* Where rows are put. */
parquet_writer *parquet_file_writer(parquet_file *file);

/* The file is complete (export_file_finish). Freed, also after a failure. */
TD_MUST_USE td_result parquet_file_finish(parquet_file *file, const char *name, td_err *err);

/* Free; the partial file is removed. NULL is fine. */
void parquet_file_abandon(parquet_file *file);

#endif
