/* The formats there are. */
#include "export/export_csv.h"
#include "export/export_jsonl.h"
#include "export/export_table.h"

const char *const EXPORT_FORMAT_NAMES[] = {"tardis-csv", "jsonl", NULL};
const char *const EXPORT_TYPE_NAMES[] = {"trades", "incremental_book_L2", "messages", NULL};

const export_format *const *export_format_table(size_t *count)
{
    static const export_format *const FORMATS[] = {&EXPORT_TARDIS_CSV, &EXPORT_JSONL};
    *count = sizeof FORMATS / sizeof FORMATS[0];
    return FORMATS;
}
