#include "export/export_days.h"

#include <string.h>

#include "base/assert.h"

void export_days_init(export_days *days, const export_job *job)
{
    *days = (export_days){.job = job, .day = EXPORT_DAY_NONE};
}

void export_days_fini(export_days *days)
{
    for (size_t i = 0; i < days->series.count; i++) {
        export_file_abandon(days->series.items[i]->file);
        days->series.items[i]->file = NULL;
    }
    export_series_fini(&days->series);
}

/* ---- days ---- */

static uint32_t first_day(const export_days *days)
{
    const export_job *job = days->job;
    TD_ASSERT(job->span->first_ns != 0);
    return export_day_of(job->wanted->has_from ? job->window.from_ns : job->span->first_ns);
}

static uint32_t last_day(const export_days *days)
{
    const export_job *job = days->job;
    return export_day_of(job->wanted->has_to ? job->window.to_ns - 1 : job->span->last_ns);
}

/* The day of a series is over: its file is complete. */
static td_result end_series_day(export_days *days, export_series *series, td_err *err)
{
    export_sums sums;
    export_file *file = series->file;
    if (!series->is_listed)
        return TD_OK;
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

static td_result turn_to(export_days *days, uint32_t day, td_err *err)
{
    if (days->day == EXPORT_DAY_NONE)
        days->day = first_day(days);
    td_result rc = TD_OK;
    for (; days->day < day && rc == TD_OK; days->day++)
        rc = end_day(days, err);
    return rc;
}

td_result export_days_turn(export_days *days, uint64_t recv_ns, td_err *err)
{
    uint32_t day = export_day_of(recv_ns);
    return days->day != EXPORT_DAY_NONE && day <= days->day ? TD_OK : turn_to(days, day, err);
}

td_result export_days_finish(export_days *days, td_err *err)
{
    if (days->job->span->first_ns == 0)
        return TD_OK;
    td_result rc = turn_to(days, last_day(days) + 1, err);
    for (size_t i = 0; i < days->series.count && rc == TD_OK; i++)
        rc = export_manifest_end_days(days->job->manifest, days->series.items[i], err);
    return rc;
}

/* ---- series ---- */

void export_days_list(export_days *days, export_series *series)
{
    TD_ASSERT(days->day != EXPORT_DAY_NONE);
    if (series->is_listed)
        return;
    series->is_listed = 1;
    uint32_t first = first_day(days);
    TD_ASSERT(first <= days->day);
    series->empty = (export_stretch){.first_day = first, .days = days->day - first};
}

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
    int is_new = 0;
    td_result rc = TD_OK;
    export_days_list(days, series);
    if (from != NULL)
        rc = export_series_note(&days->series, series, days->day,
                                series->exchange[0] == '\0' ? "" : from->feed, from->line,
                                series->symbol, &is_new, err);
    if (rc == TD_OK && series->file == NULL)
        rc = open_file(days, series, err);
    if (rc == TD_OK)
        *out = export_file_buf(series->file);
    return rc;
}
