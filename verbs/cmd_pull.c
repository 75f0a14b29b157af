/* tapedeck pull: copies an archive from an S3 store to a folder. */
#include <stddef.h>

#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "base/io_posix.h"
#include "base/cli/units.h"
#include "remote/pull.h"
#include "remote/s3_store.h"

static void show_progress(void *user, uint64_t done_bytes, uint64_t all_bytes)
{
    verb_run *verb = user;
    progress_show_part(&verb->progress, "pull", done_bytes, all_bytes, format_size(done_bytes).text,
                       format_size(all_bytes).text);
}

static void describe(verb_run *verb, const pull_report *report, s3_traffic traffic)
{
    result_writer *r = &verb->result;
    result_object_begin(r, NULL);
    result_text(r, "store", verb->operands.items[0]);
    result_text(r, "archive", verb->operands.items[1]);
    result_count(r, "manifest", report->manifest);
    result_note(r, "done", "%s", report->bytes_received > 0 ? "pulled" : "nothing to pull:");
    result_count(r, "segments_received", report->segments_received);
    result_size(r, "bytes_received", report->bytes_received);
    result_count(r, "segments", report->segments);
    result_size(r, "bytes", report->bytes);
    result_count(r, "segments_only_here", report->segments_only_here);
    result_count(r, "requests", traffic.requests);
    result_object_end(r, "{done}[ {segments_received segment}, {bytes_received};] "
                         "{archive} has {segments segment}, {bytes} (manifest {manifest})\n"
                         "[not in the store's newest manifest, and kept: {segments_only_here "
                         "segment}\n]");
}

static td_result run_pull(verb_run *verb)
{
    const s3_options store = {.url = verb->operands.items[0], .log = &verb->log};
    const archive_options into = {
        .io = io_posix(), .clock = verb->clock, .log = &verb->log, .verb = "pull"};
    const pull_options options = {.progress = show_progress, .user = verb};
    s3_store *from = NULL;
    pull_report report;
    td_result rc = s3_store_open(&store, &from, &verb->err);
    if (rc == TD_OK)
        rc = remote_pull(from, &into, verb->operands.items[1], &options, &report, &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_OK)
        describe(verb, &report, s3_store_traffic(from));
    s3_store_close(from);
    return rc;
}

exit_code cmd_pull(const verb_context *context, int argc, char **argv)
{
    const verb_spec spec = {
        .name = "pull",
        .summary = "Copy an archive from an S3 store to a folder, or bring such a copy up to date.",
        .statuses = {[EXIT_CODE_USAGE] = "the command line is wrong, or the folder has another "
                                         "archive",
                     [EXIT_CODE_DAMAGE] = "what the store gave back is not what was pushed",
                     [EXIT_CODE_FAILED] = "no archive was pushed there, the store refuses, or the "
                                          "folder is in use"},
        .examples = "tapedeck pull s3://bucket/archive archive",
        .operands = "s3://BUCKET/PREFIX ARCHIVE",
        .operand_min = 2,
        .operand_max = 2,
        .takes = VERB_HAS_NO_ARCHIVE | VERB_TAKES_JSON,
        .work = run_pull};
    return verb_run_main(&spec, NULL, context, argc, argv);
}
