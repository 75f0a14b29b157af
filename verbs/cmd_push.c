/* tapedeck push: copies an archive to an S3 store, and proves what is there. */
#include <stddef.h>

#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "base/cli/units.h"
#include "remote/push.h"
#include "remote/s3_store.h"

static void show_progress(void *user, uint64_t done_bytes, uint64_t all_bytes)
{
    verb_run *verb = user;
    progress_show_part(&verb->progress, "push", done_bytes, all_bytes, format_size(done_bytes).text,
                       format_size(all_bytes).text);
}

static void describe(verb_run *verb, const push_report *report, s3_traffic traffic)
{
    result_writer *r = &verb->result;
    result_object_begin(r, NULL);
    result_text(r, "archive", archive_path(verb->archive));
    result_text(r, "store", verb->operands.items[0]);
    result_count(r, "manifest", report->manifest);
    result_bool(r, "is_new", report->is_new);
    result_note(r, "done", "%s", report->is_new ? "pushed" : "nothing to push:");
    result_count(r, "segments_sent", report->segments_sent);
    result_size(r, "bytes_sent", report->bytes_sent);
    result_count(r, "segments", report->segments);
    result_size(r, "bytes", report->bytes);
    result_count(r, "segments_open", report->segments_open);
    result_size(r, "catalog_bytes", report->catalog_bytes);
    result_count(r, "segments_not_cataloged", report->segments_not_cataloged);
    result_count(r, "requests", traffic.requests);
    result_object_end(r, "{done}[ {segments_sent segment}, {bytes_sent};] "
                         "the store has {segments segment}, {bytes} (manifest {manifest})\n"
                         "[not finished, so not sent: {segments_open segment}\n]"
                         "[not in the store's catalog: {segments_not_cataloged segment}; run "
                         "'tapedeck reindex', and push again\n]");
}

static td_result run_push(verb_run *verb)
{
    const s3_options store = {.url = verb->operands.items[0], .log = &verb->log};
    const push_options options = {.progress = show_progress, .user = verb};
    s3_store *to = NULL;
    push_report report;
    td_result rc = s3_store_open(&store, &to, &verb->err);
    if (rc == TD_OK)
        rc = remote_push(verb->archive, to, &options, &report, &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_OK)
        describe(verb, &report, s3_store_traffic(to));
    s3_store_close(to);
    return rc;
}

exit_code cmd_push(const verb_context *context, int argc, char **argv)
{
    const verb_spec spec = {
        .name = "push",
        .summary = "Copy finished segments, the journal and the catalog to an S3 store.",
        .statuses = {[EXIT_CODE_FAILED] = "there is no such archive, or the store refuses"},
        .examples = "tapedeck push archive s3://bucket/archive",
        .operands = "[ARCHIVE] s3://BUCKET/PREFIX",
        .operand_min = 1,
        .operand_max = 1,
        .takes = VERB_TAKES_JSON,
        .mode = ARCHIVE_READ,
        .work = run_push};
    return verb_run_main(&spec, NULL, context, argc, argv);
}
