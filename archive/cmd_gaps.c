/* tapedeck gaps: the ledger. */
#include <inttypes.h>

#include "archive/verb_run.h"
#include "archive/cmds.h"
#include "base/time_text.h"
#include "cli/table.h"
#include "cli/units.h"
#include "format/reindex.h"
#include "tape/gap_json.h"
#include "tape/nothing.h"

static const table_column GAP_COLUMNS[] = {
    {"from", TABLE_WHOLE}, {"lasted", TABLE_RIGHT}, {"reason", TABLE_WHOLE}, {"feed", TABLE_LEFT},
    {"slot", TABLE_LEFT},  {"conn", TABLE_RIGHT},   {"topic", TABLE_LEFT},   {"symbol", TABLE_LEFT},
    {"lost", TABLE_RIGHT}, {"detail", TABLE_LEFT},
};

/* What the ledger says is input: a gap may end before it begins. */
static void add_row(text_table *table, const gap_row *row)
{
    char from[SHORT_TIME_BYTES];
    char lasted[TD_TIME_TEXT_BYTES] = "open";
    verb_run_format_time(row->from_ns, from);
    if (row->to_ns != GAP_OPEN)
        td_duration_format(row->to_ns > row->from_ns ? row->to_ns - row->from_ns : 0, lasted);
    table_cell(table, "%s", from);
    table_cell(table, "%s", lasted);
    table_cell(table, "%s", gap_reason_name(row->reason));
    table_cell(table, "%s", row->feed);
    table_cell(table, "%" PRIu32 "/%" PRIu32, row->line, row->shard);
    if (row->conn == 0)
        table_cell(table, "-");
    else
        table_cell(table, "%" PRIu32, row->conn);
    table_cell(table, "%s", verb_run_or_dash(row->topic));
    table_cell(table, "%s", verb_run_or_dash(row->symbol));
    table_cell(table, "%s",
               row->frames_lost == GAP_FRAMES_UNKNOWN ? "?" : format_count(row->frames_lost).text);
    table_cell(table, "%s", verb_run_or_dash(row->detail[0] != '\0' ? row->detail : row->cause));
}

/* Print the gaps of the selection; *count gets how many. */
static td_result print_gaps(verb_run *verb, const gap_list *list, size_t *count)
{
    selection wanted = verb_run_selection(verb);
    selection_window window;
    td_result rc = verb_run_window(verb, &wanted, &window);
    if (rc != TD_OK)
        return rc;
    int is_known = 0; /* of what the archive does not know there is no gap either */
    text_table table;
    table_init(&table, GAP_COLUMNS, sizeof GAP_COLUMNS / sizeof GAP_COLUMNS[0]);
    for (size_t i = 0; i < list->count; i++) {
        const gap_row *row = &list->rows[i];
        is_known |= selection_has_gap(&wanted, row);
        if (!selection_wants_gap(&wanted, window, row))
            continue;
        ++*count;
        if (verb->json.is_json) {
            gap_json_write(output_json_begin(&verb->output), row);
            output_json_end(&verb->output);
        } else {
            add_row(&table, row);
        }
    }
    rc = is_known ? TD_OK : selection_check_names(verb->archive, &wanted, &verb->err);
    if (rc == TD_OK)
        rc = table_print(&table, &verb->output, &verb->err);
    table_fini(&table);
    if (rc == TD_OK && *count == 0 && !verb->json.is_json)
        report_say(verb->context->report, TD_LOG_INFO, "no gaps");
    return rc;
}

exit_code cmd_gaps(const verb_context *context, int argc, char **argv)
{
    verb_run verb = {0};
    const verb_run_spec spec = {
        .name = "gaps",
        .summary = "List every discontinuity of the selection, with its reason.",
        .examples = "tapedeck gaps archive --feed inverse --from now-7d --json",
        .takes = VERB_TAKES_SELECTION | VERB_TAKES_JSON,
        .mode = ARCHIVE_READ};
    exit_code status = EXIT_CODE_DONE;
    if (!verb_run_begin(&verb, context, &spec, argc, argv, &status))
        return status;
    gap_list list = {0};
    size_t count = 0;
    td_result rc = archive_gaps(verb.archive, &verb.gaps, &list, &verb.err);
    if (rc == TD_OK)
        rc = print_gaps(&verb, &list, &count);
    gap_list_fini(&list);
    return verb_run_end(&verb, rc, count > 0 ? EXIT_CODE_DIFFERS : EXIT_CODE_DONE);
}
