/* tapedeck recover: finishes segments that a crash left open. */
#include "replay/play/report.h"
#include "verbs/verb_run.h"
#include "verbs/cmds.h"
#include "base/alloc.h"
#include "archive/archive_recover.h"

typedef struct recover_options {
    uint8_t accepts_loss;
} recover_options;

static const option_row RECOVER_ROWS[] = {
    {.long_name = "accept-loss",
     OPTION_INTO(recover_options, accepts_loss),
     .help = "accept that entries of a damaged journal are lost: the ledger keeps the gaps "
             "that they may hide, and verbs no longer report damage"},
};

/* The outcome for a segment; owns its texts. */
typedef struct recovered_segment {
    recover_event event;
    char *path, *what;
} recovered_segment;

typedef struct recover_answer {
    verb_run *verb;
    recover_report report;
    recovered_segment *segments;
    size_t count;
    gap_list gaps; /* gaps that were written */
} recover_answer;

static void on_event(void *user, const recover_event *done)
{
    recover_answer *result = user;
    if (done->gap != NULL) {
        gap_list_add(&result->gaps, done->gap);
        return;
    }
    report_line(result->verb->report, TD_LOG_INFO, "%s: %s", done->path, done->what);
    result->segments = td_array_grow(result->segments, result->count, sizeof *result->segments);
    result->segments[result->count++] =
        (recovered_segment){*done, td_strdup(done->path), td_strdup(done->what)};
}

static int is_empty(const recover_report *report)
{
    return report->segments_recovered + report->segments_failed + report->segments_live +
               report->copies_quarantined + report->segments_entered + report->segments_missing +
               report->segments_cut + report->lacks_journal + report->gaps_opened +
               report->sessions_crashed ==
           0;
}

/* 1 if durable data is lost, or may be. */
static int is_lossy(const recover_report *report)
{
    return report->is_lossy || report->lacks_journal || report->segments_failed > 0;
}

static void describe(result_writer *r, const archive *of, const recover_answer *result)
{
    const recover_report *report = &result->report;
    result_object_begin(r, NULL);
    result_text(r, "archive", archive_path(of));
    result_count(r, "segments_recovered", report->segments_recovered);
    result_count(r, "segments_live", report->segments_live);
    result_count(r, "segments_failed", report->segments_failed);
    result_count(r, "copies_put_away", report->copies_quarantined);
    result_count(r, "segments_entered", report->segments_entered);
    result_count(r, "segments_missing", report->segments_missing);
    result_count(r, "segments_cut", report->segments_cut);
    result_count(r, "frames_kept", report->frames_kept);
    result_size(r, "torn_bytes", report->torn_bytes);
    result_count(r, "sessions_crashed", report->sessions_crashed);
    result_count(r, "gaps_opened", report->gaps_opened);
    result_bool(r, "lossy", report->is_lossy);
    result_bool(r, "journal_damaged", report->lacks_journal);
    result_list_begin(r, "segments");
    for (size_t i = 0; i < result->count; i++) {
        const recovered_segment *segment = &result->segments[i];
        result_object_begin(r, NULL);
        result_text(r, "segment", segment->path);
        result_count(r, "frames_kept", segment->event.frames_kept);
        result_size(r, "torn_bytes", segment->event.torn_bytes);
        result_bool(r, "lossy", segment->event.is_lossy);
        result_text(r, "what", segment->what);
        result_object_end(r, NULL);
    }
    result_list_end(r);
    result_list_begin(r, "gaps");
    for (size_t i = 0; i < result->gaps.count; i++)
        report_describe_gap(r, NULL, &result->gaps.rows[i],
                            "wrote a gap: {feed}[ {topic}][ {symbol}], from {from}[, {lasted}], "
                            "{reason}: {cause}\n");
    result_list_end(r);
    result_styled(r, "verdict", is_lossy(report) ? TERMINAL_BAD : TERMINAL_GOOD,
                  report->is_lossy ? "durable data is LOST"
                  : report->lacks_journal
                      ? "the journal is DAMAGED: 'tapedeck gaps' lists the time that lost entries "
                        "may cover; 'tapedeck recover --accept-loss' accepts it"
                  : report->segments_failed > 0 ? "NOT all could be recovered"
                                                : "every complete chunk was kept");
    result_object_end(
        r, is_empty(report)
               ? "nothing to recover\n"
               : "[segments recovered: {segments_recovered}, with {frames_kept frame};"
                 " torn off: {torn_bytes}\n]"
                 "[copies of finished segments, moved to torn/: {copies_put_away}\n]"
                 "[segments newer than the journal, entered there: {segments_entered}\n]"
                 "[segments that the journal lists and the disk lacks: {segments_missing}\n]"
                 "[segments that differ from the journal:  {segments_cut}\n]"
                 "[sessions that crashed: {sessions_crashed}; gaps opened: {gaps_opened}\n]"
                 "{gaps}"
                 "[segments that are being written, left alone: {segments_live}\n]"
                 "[segments that could not be recovered: {segments_failed}\n]"
                 "{verdict}\n");
}

static td_result run_recover(verb_run *verb)
{
    const recover_options *options = verb->state;
    recover_answer result = {.verb = verb};
    recover_report *report = &result.report;
    td_result rc = archive_recover(verb->archive, on_event, &result, report, &verb->err);
    if (rc == TD_OK && options->accepts_loss && report->lacks_journal) {
        rc = archive_accept_loss(verb->archive, &verb->err);
        report->lacks_journal = rc != TD_OK;
    }
    if (rc == TD_OK)
        describe(&verb->result, verb->archive, &result);
    if (is_lossy(report))
        verb->status = EXIT_CODE_DAMAGE;
    for (size_t i = 0; i < result.count; i++) {
        td_free(result.segments[i].path);
        td_free(result.segments[i].what);
    }
    td_free(result.segments);
    gap_list_fini(&result.gaps);
    return rc;
}

exit_code cmd_recover(const verb_context *context, int argc, char **argv)
{
    recover_options options = {0};
    const verb_spec spec = {
        .name = "recover",
        .summary =
            "Finish the segments that a crash left open. Tails that are cut off move to torn/.",
        .statuses = {[EXIT_CODE_DONE] = "every complete chunk was kept",
                     [EXIT_CODE_DAMAGE] =
                         "durable data is lost, or a segment could not be recovered"},
        .examples = "tapedeck recover archive",
        .takes = VERB_TAKES_JSON,
        .own = {{"Recovery", RECOVER_ROWS, sizeof RECOVER_ROWS / sizeof RECOVER_ROWS[0], &options}},
        .mode = ARCHIVE_MAINTAIN,
        .work = run_recover};
    return verb_run_main(&spec, &options, context, argc, argv);
}
