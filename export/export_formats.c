/* The formats there are. */
#include "export/export_table.h"

const export_format *const *export_format_table(size_t *count)
{
    static const export_format *const FORMATS[] = {&EXPORT_TARDIS_CSV, &EXPORT_JSONL};
    *count = sizeof FORMATS / sizeof FORMATS[0];
    return FORMATS;
}
