/* Writer of jsonl. For export_writer.c alone. */
#ifndef TD_EXPORT_EXPORT_JSONL_H
#define TD_EXPORT_EXPORT_JSONL_H

#include "export/export_writer.h"

typedef struct export_jsonl export_jsonl;

/* As export_writer_open, _close and _sink. */
TD_MUST_USE td_result export_jsonl_open(const export_job *job, export_jsonl **out, td_err *err);
void export_jsonl_close(export_jsonl *jsonl);
sink export_jsonl_sink(export_jsonl *jsonl);

#endif
