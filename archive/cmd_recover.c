/* tapedeck recover: close what a crash left open. */
#include <inttypes.h>
#include <string.h>

#include "archive/verb_run.h"
#include "archive/cmds.h"
#include "base/buf.h"
#include "cli/units.h"
#include "format/archive_recover.h"
#include "tape/nothing.h"

typedef struct recover_options {
    const char *feed;
} recover_options;

static const option_row RECOVER_ROWS[] = {
    {.long_name = "feed",
     .type = OPTION_TEXT,
     .offset = offsetof(recover_options, feed),
     .metavar = "NAME",
     .help = "only this feed's segments"},
};

/* Segments as they are recovered: JSON objects, kept until the document is written. */
typedef struct recovered {
    verb_run *verb;
    td_buf segments; /* joined by "," */
} recovered;

enum { SEGMENTS_BYTES_MAX = 64 << 20 };

static void take_event(void *user, const recover_event *done)
{
    recovered *list = user;
    report_say(list->verb->context->report, TD_LOG_INFO, "%s: %s", done->path, done->what);
    json_writer json;
    /* A segment that does not fit is left out of the list; the totals have it. */
    if (list->segments.size > 0 && td_buf_append(&list->segments, ",", 1, NULL) != TD_OK)
        return;
    json_write_begin(&json, &list->segments);
    json_write_object_begin(&json);
    json_write_member_text(&json, "segment", done->path);
    json_write_member_u64(&json, "frames_kept", done->frames_kept);
    json_write_member_u64(&json, "torn_bytes", done->torn_bytes);
    json_write_member_bool(&json, "lossy", done->is_lossy);
    json_write_member_text(&json, "what", done->what);
    json_write_object_end(&json);
    if (json_write_end(&json, NULL) != TD_OK)
        report_say(list->verb->context->report, TD_LOG_WARNING, "too many segments to list");
}

static void print_json(verb_run *verb, const recover_report *report, const recovered *list)
{
    json_writer *json = output_json_begin(&verb->output);
    json_write_object_begin(json);
    json_write_member_text(json, "archive", archive_path(verb->archive));
    json_write_member_u64(json, "segments_recovered", report->segments_recovered);
    json_write_member_u64(json, "segments_live", report->segments_live);
    json_write_member_u64(json, "segments_failed", report->segments_failed);
    json_write_member_u64(json, "copies_put_away", report->copies_put_away);
    json_write_member_u64(json, "segments_entered", report->segments_entered);
    json_write_member_u64(json, "segments_missing", report->segments_missing);
    json_write_member_u64(json, "frames_kept", report->frames_kept);
    json_write_member_u64(json, "torn_bytes", report->torn_bytes);
    json_write_member_u64(json, "sessions_crashed", report->sessions_crashed);
    json_write_member_u64(json, "gaps_opened", report->gaps_opened);
    json_write_member_bool(json, "lossy", report->is_lossy);
    json_write_key(json, "segments");
    json_write_array_begin(json);
    if (list->segments.size > 0)
        json_write_raw(json, td_buf_view(&list->segments));
    json_write_array_end(json);
    json_write_object_end(json);
    output_json_end(&verb->output);
}

static int is_empty(const recover_report *report)
{
    return report->segments_recovered + report->segments_failed + report->segments_live +
               report->copies_put_away + report->segments_entered + report->segments_missing ==
           0;
}

/* There was nothing to do for the feed: is there such a feed at all? Its name is no glob. */
static td_result check_feed(verb_run *verb, const char *feed)
{
    td_buf glob;
    td_buf_init(&glob, 2 * LIMIT_NAME_BYTES + 1);
    td_result rc = TD_OK;
    for (const char *at = feed; rc == TD_OK && *at != '\0'; at++)
        rc = td_buf_printf(&glob, &verb->err, strchr("*?[]\\", *at) != NULL ? "\\%c" : "%c", *at);
    if (rc == TD_OK)
        rc = td_buf_append(&glob, "", 1, &verb->err);
    if (rc == TD_OK) {
        const char *const globs[] = {(const char *)glob.data};
        const selection wanted = {.feeds = {globs, 1}};
        rc = selection_check_feeds(verb->archive, &wanted, &verb->err);
    }
    td_buf_fini(&glob);
    return rc;
}

static void print_people(verb_run *verb, const recover_report *report)
{
    output_stream *output = &verb->output;
    if (is_empty(report)) {
        output_printf(output, "nothing to recover\n");
        return;
    }
    if (report->segments_recovered > 0)
        output_printf(output, "segments recovered: %s, with %s; torn off: %s\n",
                      format_count(report->segments_recovered).text,
                      format_counted(report->frames_kept, "frame").text,
                      format_size(report->torn_bytes).text);
    if (report->copies_put_away > 0)
        output_printf(output, "older copies of finished segments, put away in torn/: %s\n",
                      format_count(report->copies_put_away).text);
    if (report->segments_entered > 0)
        output_printf(output, "segments newer than the journal, entered there: %s\n",
                      format_count(report->segments_entered).text);
    if (report->segments_missing > 0)
        output_printf(output, "segments that the journal knows and the disk lacks: %s\n",
                      format_count(report->segments_missing).text);
    if (report->sessions_crashed > 0)
        output_printf(output, "sessions that crashed: %s; gaps opened: %s\n",
                      format_count(report->sessions_crashed).text,
                      format_count(report->gaps_opened).text);
    if (report->segments_live > 0)
        output_printf(output, "segments that are being written, left alone: %s\n",
                      format_count(report->segments_live).text);
    if (report->segments_failed > 0)
        output_printf(output, "segments that could not be recovered: %s\n",
                      format_count(report->segments_failed).text);
    output_styled(output, report->is_lossy ? TERMINAL_BAD : TERMINAL_GOOD,
                  report->is_lossy ? "durable data is LOST" : "nothing durable is lost");
    output_printf(output, "\n");
}

exit_code cmd_recover(const verb_context *context, int argc, char **argv)
{
    verb_run verb = {0};
    recover_options options = {0};
    const verb_run_spec spec = {
        .name = "recover",
        .summary = "Finish the segments that a crash left open; cut-off tails are kept in torn/.",
        .examples = "tapedeck recover archive",
        .takes = VERB_TAKES_JSON,
        .own = {"Recovery", RECOVER_ROWS, 1, &options},
        .mode = ARCHIVE_MAINTAIN};
    exit_code status = EXIT_CODE_DONE;
    if (!verb_run_begin(&verb, context, &spec, argc, argv, &status))
        return status;
    recovered list = {.verb = &verb};
    td_buf_init(&list.segments, SEGMENTS_BYTES_MAX);
    recover_report report = {0};
    td_result rc = archive_recover(verb.archive, options.feed, &verb.gaps, take_event, &list,
                                   &report, &verb.err);
    if (rc == TD_OK && options.feed != NULL && is_empty(&report))
        rc = check_feed(&verb, options.feed);
    if (rc == TD_OK && verb.json.is_json)
        print_json(&verb, &report, &list);
    else if (rc == TD_OK)
        print_people(&verb, &report);
    td_buf_fini(&list.segments);
    int is_lost = report.is_lossy || report.segments_failed > 0;
    return verb_run_end(&verb, rc, is_lost ? EXIT_CODE_DAMAGE : EXIT_CODE_DONE);
}
