/* tapedeck gaps: the ledger. */
#include "verbs/verb_run.h"
#include "verbs/cmds.h"
#include "archive/archive_view.h"
#include "archive/ledger.h"
#include "archive/gap.h"
#include "tape/nothing.h"

static const table_column COLUMNS[] = {
    {"from", TABLE_WHOLE, "{from}"},        {"lasted", TABLE_RIGHT, "{lasted|open}"},
    {"reason", TABLE_WHOLE, "{reason}"},    {"feed", TABLE_LEFT, "{feed}"},
    {"slot", TABLE_LEFT, "{line}/{shard}"}, {"conn", TABLE_RIGHT, "{conn|-}"},
    {"topic", TABLE_LEFT, "{topic|-}"},     {"symbol", TABLE_LEFT, "{symbol|-}"},
    {"lost", TABLE_RIGHT, "{lost}"},        {"detail", TABLE_LEFT, "{detail|-}"},
};

/* JSON has every member of the row (archive/gap.h); people get the best words for the cause. */
static void describe(result_writer *r, const gap_row *row)
{
    result_object_begin(r, NULL);
    if (result_json(r) != NULL) {
        gap_json_members(result_json(r), row);
    } else {
        result_time(r, "from", row->from_ns);
        /* The ledger is input: a gap may end before it begins. */
        if (row->to_ns != GAP_OPEN)
            result_duration(r, "lasted", row->to_ns > row->from_ns ? row->to_ns - row->from_ns : 0);
        else
            result_null(r, "lasted");
        result_text(r, "reason", gap_reason_name(row->reason));
        result_text(r, "feed", row->feed);
        result_number(r, "line", row->line);
        result_number(r, "shard", row->shard);
        result_number(r, "conn", row->conn);
        result_text(r, "topic", row->topic);
        result_text(r, "symbol", row->symbol);
        result_count(r, "lost", row->frames_lost);
        result_text(r, "detail", row->detail[0] != '\0' ? row->detail : row->cause);
    }
    result_object_end(r, NULL);
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
    result_table_begin(&verb->result, NULL, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < list->count; i++) {
        const gap_row *row = &list->rows[i];
        is_known |= selection_has_gap(&wanted, row);
        if (!selection_wants_gap(&wanted, window, row))
            continue;
        ++*count;
        describe(&verb->result, row);
    }
    rc = is_known ? TD_OK : selection_check_names(verb->archive, &wanted, &verb->err);
    if (rc == TD_OK)
        result_list_end(&verb->result);
    if (rc == TD_OK && *count == 0 && !verb->json.is_json)
        report_line(verb->context->report, TD_LOG_INFO, "no gaps");
    return rc;
}

/* 1 in *is: entries of the journal are lost, so the ledger may lack gaps. */
static td_result look_at_journal(const verb_run *verb, int *is, td_err *err)
{
    archive_view *view = NULL;
    td_result rc = archive_view_open(verb->archive, VIEW_FILES, NULL, &view, err);
    *is = rc == TD_OK && archive_view_lacks_journal(view);
    archive_view_close(view);
    return rc;
}

exit_code cmd_gaps(const verb_context *context, int argc, char **argv)
{
    verb_run verb = {0};
    const verb_run_spec spec = {
        .name = "gaps",
        .summary = "List the gaps in the selected part of a recording, with their reasons.",
        .examples = "tapedeck gaps archive --feed inverse --from now-7d --json",
        .takes = VERB_TAKES_SELECTION | VERB_TAKES_JSON,
        .mode = ARCHIVE_READ};
    exit_code status = EXIT_CODE_DONE;
    if (!verb_run_begin(&verb, context, &spec, argc, argv, &status))
        return status;
    gap_list list = {0};
    size_t count = 0;
    int is_damaged = 0;
    td_result rc = archive_gaps(verb.archive, &list, &verb.err);
    if (rc == TD_OK)
        rc = print_gaps(&verb, &list, &count);
    if (rc == TD_OK)
        rc = look_at_journal(&verb, &is_damaged, &verb.err);
    gap_list_fini(&list);
    return verb_run_end(&verb, rc,
                        is_damaged  ? EXIT_CODE_DAMAGE
                        : count > 0 ? EXIT_CODE_DIFFERS
                                    : EXIT_CODE_DONE);
}
