/* Writer of tardis-csv. For export_writer.c alone. */
#ifndef TD_EXPORT_EXPORT_CSV_H
#define TD_EXPORT_EXPORT_CSV_H

#include "export/export_writer.h"

typedef struct export_csv export_csv;

/* As export_writer_open, _close and _sink. */
TD_MUST_USE td_result export_csv_open(const export_job *job, export_csv **out, td_err *err);
void export_csv_close(export_csv *csv);
sink export_csv_sink(export_csv *csv);

#endif
