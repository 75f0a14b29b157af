#include "export/export_writer.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "export/export_csv.h"
#include "export/export_jsonl.h"

struct export_writer {
    export_csv *csv; /* one of these is not NULL */
    export_jsonl *jsonl;
};

td_result export_writer_open(const export_job *job, export_writer **out, td_err *err)
{
    export_writer *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a writer");
    td_result rc = job->spec->format->is_by_symbol ? export_csv_open(job, &made->csv, err)
                                                   : export_jsonl_open(job, &made->jsonl, err);
    if (rc != TD_OK) {
        export_writer_close(made);
        return rc;
    }
    TD_ASSERT((made->csv == NULL) != (made->jsonl == NULL));
    *out = made;
    return TD_OK;
}

void export_writer_close(export_writer *writer)
{
    if (writer == NULL)
        return;
    export_csv_close(writer->csv);
    export_jsonl_close(writer->jsonl);
    td_free(writer);
}

sink export_writer_sink(export_writer *writer)
{
    TD_ASSERT(writer != NULL);
    return writer->csv != NULL ? export_csv_sink(writer->csv) : export_jsonl_sink(writer->jsonl);
}

int export_job_days(const export_job *job, uint32_t *first, uint32_t *last)
{
    const export_survey *survey = job->survey;
    int has_frames = survey->first_ns != 0;
    if (!has_frames && (!job->wanted->has_from || !job->wanted->has_to))
        return 0;
    TD_ASSERT(survey->first_ns <= survey->last_ns);
    *first = export_day_of(job->wanted->has_from ? job->window.from_ns : survey->first_ns);
    *last = export_day_of(job->wanted->has_to ? job->window.to_ns - 1 : survey->last_ns);
    return *first <= *last;
}
