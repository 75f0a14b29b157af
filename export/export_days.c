#include "export/export_days.h"

#include <string.h>

#include "base/assert.h"

void export_days_fini(export_days *days)
{
    for (size_t i = 0; i < days->series.count; i++) {
        export_file_abandon(days->series.items[i]->file);
        days->series.items[i]->file = NULL;
    }
    export_series_fini(&days->series);
}

/* ---- days ---- */

/* The day of a series is over: its file is complete. */
static td_result end_series_day(export_days *days, export_series *series, td_err *err)
{
    export_sums sums;
    export_file *file = series->file;
    TD_ASSERT((file != NULL) == (series->counts.rows > 0));
    series->file = NULL;
    td_result rc = file == NULL ? TD_OK : export_file_finish(file, &sums, err);
    if (rc == TD_OK)
        rc = export_manifest_add(days->job->manifest, series, days->day,
                                 file == NULL ? NULL : &sums, err);
    export_counts_clear(&series->counts);
    return rc;
}

/* Sorted, so that manifests can be compared. */
static td_result end_day(export_days *days, td_err *err)
{
    export_series_sort(&days->series);
    td_result rc = TD_OK;
    for (size_t i = 0; i < days->series.count && rc == TD_OK; i++)
        rc = end_series_day(days, days->series.items[i], err);
    return rc;
}

td_result export_days_turn(export_days *days, uint64_t recv_ns, td_err *err)
{
    uint32_t day = export_day_of(recv_ns);
    if (days->day == day || (days->day != EXPORT_DAY_NONE && day < days->day))
        return TD_OK;
    td_result rc = days->day == EXPORT_DAY_NONE ? TD_OK : end_day(days, err);
    days->day = day;
    return rc;
}

td_result export_days_finish(export_days *days, td_err *err)
{
    return days->day == EXPORT_DAY_NONE ? TD_OK : end_day(days, err);
}

/* ---- series ---- */

static td_result open_file(export_days *days, export_series *series, td_err *err)
{
    export_folder *folder = days->job->folder;
    const export_format *format = days->job->spec->format;
    const char *header = series->type->header;
    td_result rc = export_name_format(format, series->type, series->exchange, series->file_symbol,
                                      days->day, series->name, err);
    if (rc == TD_OK)
        rc = export_folder_check(folder, series->name, err);
    if (rc == TD_OK)
        rc = export_file_open(folder, series->name, format->packing, &series->file, err);
    return rc == TD_OK ? td_buf_append(export_file_buf(series->file), header, strlen(header), err)
                       : rc;
}

td_result export_days_rows(export_days *days, export_series *series, const channel_info *from,
                           td_buf **out, td_err *err)
{
    td_result rc = TD_OK;
    if (from != NULL)
        rc = export_series_note(&days->series, series, days->day,
                                series->exchange[0] == '\0' ? "" : from->feed, from->line,
                                series->symbol, err);
    if (rc == TD_OK && series->file == NULL)
        rc = open_file(days, series, err);
    if (rc == TD_OK)
        *out = export_file_buf(series->file);
    return rc;
}
