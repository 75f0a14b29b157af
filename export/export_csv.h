/* The format tardis-csv. */
#ifndef TD_EXPORT_EXPORT_CSV_H
#define TD_EXPORT_EXPORT_CSV_H

#include "export/export_table.h"

extern const export_format EXPORT_TARDIS_CSV;

#endif
