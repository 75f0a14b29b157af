/* The format jsonl. */
#ifndef TD_EXPORT_EXPORT_JSONL_H
#define TD_EXPORT_EXPORT_JSONL_H

#include "export/export_table.h"

extern const export_format EXPORT_JSONL;

#endif
