/* tapedeck reindex: rebuilds the catalog. */
#include <stddef.h>

#include "verbs/verb_run.h"
#include "verbs/cmds.h"
#include "base/clock.h"
#include "base/cli/units.h"
#include "archive/reindex.h"
#include "archive/ledger.h"

static void show_progress(void *user, uint64_t done, uint64_t total)
{
    verb_run *verb = user;
    progress_show_part(&verb->progress, "reindex", done, total, format_count(done).text,
                       format_counted(total, "segment").text);
}

/* gap_count: the ledger's gaps as 'gaps' lists them, including gaps that the catalog lacks. */
static void describe(result_writer *r, const archive *of, const reindex_report *report,
                     size_t gap_count)
{
    result_object_begin(r, NULL);
    result_text(r, "archive", archive_path(of));
    result_count(r, "segments", report->segments_read);
    result_count(r, "segments_unreadable", report->segments_unreadable);
    result_count(r, "segments_missing", report->segments_missing);
    result_count(r, "segments_cut", report->segments_cut);
    result_count(r, "segments_gone", report->segments_gone);
    result_count(r, "unexpected", report->unexpected);
    result_count(r, "gaps", gap_count);
    result_object_end(r, "catalog rebuilt from {segments segment}, {gaps gap}"
                         "[; unreadable: {segments_unreadable}][; missing: {segments_missing}][; "
                         "cut: {segments_cut}]\n");
}

static td_result run_reindex(verb_run *verb)
{
    reindex_options options = {.scope = REINDEX_ALL, .progress = show_progress, .user = verb};
    reindex_report report = {0};
    gap_list gaps = {0};
    td_result rc = archive_reindex(verb->archive, &options, &report, &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_OK)
        rc = archive_gaps(verb->archive, &gaps, &verb->err);
    if (rc == TD_OK)
        describe(&verb->result, verb->archive, &report, gaps.count);
    gap_list_fini(&gaps);
    if (report.segments_unreadable + report.segments_missing + report.segments_cut > 0)
        verb->status = EXIT_CODE_DAMAGE;
    return rc;
}

exit_code cmd_reindex(const verb_context *context, int argc, char **argv)
{
    const verb_spec spec = {
        .name = "reindex",
        .summary = "Rebuild the catalog from the segments and the journal.",
        .statuses = {[EXIT_CODE_DAMAGE] =
                         "done, except for segments that cannot be read or are missing"},
        .examples = "tapedeck reindex archive\n"
                    "tapedeck reindex /mnt/archive --catalog archive.sqlite",
        .takes = VERB_TAKES_JSON | VERB_MAKES_CATALOG,
        .mode = ARCHIVE_MAINTAIN,
        .work = run_reindex};
    return verb_run_main(&spec, NULL, context, argc, argv);
}
