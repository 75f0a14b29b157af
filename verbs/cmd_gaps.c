/* tapedeck gaps: the ledger, and what cannot be read of the selection. */
#include <stdlib.h>

#include "verbs/verb_run.h"
#include "verbs/cmds.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_text.h"
#include "cli/units.h"
#include "archive/ledger.h"
#include "archive/read_plan.h"
#include "tape/nothing.h"
#include "tape/tape.h"

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

/* ---- the selection, as far as it can be read ---- */

/* What reading the selection showed. */
typedef struct selected {
    selection_window window;
    uint64_t frames;
    uint64_t first_ns, last_ns;
    tape_stats stats;
} selected;

static td_result read_frames(tape *from, selected *out, td_err *err)
{
    td_result rc = TD_OK;
    while (rc == TD_OK) {
        const frame_ref *frame;
        rc = tape_next(from, &frame, err);
        if (rc != TD_OK)
            break;
        out->first_ns = out->frames == 0 ? frame->recv_ns : out->first_ns;
        out->last_ns = frame->recv_ns;
        out->frames++;
    }
    return rc == TD_EOF ? TD_OK : rc;
}

/* Read every chunk of the selection: a gap that no entry shows is one that cannot be read. */
static td_result read_selection(verb_run *verb, const selection *wanted, gap_list *list,
                                selected *out)
{
    const tape_options how = {.threads = threads_options_count(&verb->threads), .log = &verb->log};
    tape *from = NULL;
    td_result rc = tape_open(verb->archive, wanted, &how, &from, &verb->err);
    if (rc == TD_OK)
        rc = read_frames(from, out, &verb->err);
    if (rc == TD_OK) {
        out->window = tape_get_window(from);
        tape_get_stats(from, &out->stats);
        gap_list_join(list, tape_get_damage(from));
    }
    tape_close(from);
    return rc;
}

/* A selection without a frame and without a gap: were its feeds recorded at all in that time? */
static td_result check_recorded(verb_run *verb, const selection *wanted, selection_window window)
{
    selection feeds = {.feeds = wanted->feeds};
    read_query query = selection_query(&feeds, window);
    read_plan *plan = NULL;
    query.wants_channel = NULL;
    query.is_quiet = 1;
    td_result rc = read_plan_open(verb->archive, &query, &plan, &verb->err);
    int is_recorded = rc == TD_OK && read_plan_count(plan) > 0;
    read_plan_close(plan);
    return rc != TD_OK || is_recorded ? rc : verb_run_nothing(verb);
}

/* ---- the end of the list ---- */

typedef struct stretch {
    uint64_t from_ns, to_ns;
} stretch;

static int compare_stretches(const void *a, const void *b)
{
    const stretch *left = a;
    const stretch *right = b;
    return left->from_ns < right->from_ns ? -1 : left->from_ns > right->from_ns;
}

/* Time in any of the stretches, which are sorted. */
static uint64_t sum_up(const stretch *rows, size_t count)
{
    uint64_t total_ns = 0;
    uint64_t reach_ns = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t from_ns = rows[i].from_ns > reach_ns ? rows[i].from_ns : reach_ns;
        if (rows[i].to_ns <= from_ns)
            continue;
        total_ns += rows[i].to_ns - from_ns;
        reach_ns = rows[i].to_ns;
    }
    return total_ns;
}

/* The rows of the selection that are printed. */
typedef struct listed {
    size_t count;
    size_t open_count; /* of these: without an end */
    stretch *ended;    /* the others */
    size_t ended_count;
} listed;

static void report_none(verb_run *verb, const selected *seen, const char *live)
{
    char from[TD_TIME_TEXT_BYTES];
    char to[TD_TIME_TEXT_BYTES];
    td_time_format(seen->first_ns, from);
    td_time_format(seen->last_ns, to);
    if (seen->frames == 0)
        report_line(verb->context->report, TD_LOG_INFO, "no gaps, and no frames%s", live);
    else
        report_line(verb->context->report, TD_LOG_INFO, "no gaps in %s from %s to %s%s",
                    format_counted(seen->frames, "frame").text, from, to, live);
}

/* For people: the time that the gaps take, or why there is no such sum. */
static void report_total(verb_run *verb, const selected *seen, const listed *rows)
{
    reporter *out = verb->context->report;
    const char *live = seen->stats.segments_live > 0 ? "; being recorded" : "";
    char lasted[TD_TIME_TEXT_BYTES];
    if (rows->count == 0) {
        report_none(verb, seen, live);
        return;
    }
    if (rows->ended_count > 0)
        qsort(rows->ended, rows->ended_count, sizeof *rows->ended, compare_stretches);
    td_duration_format(sum_up(rows->ended, rows->ended_count), lasted);
    const unit_text gaps = format_counted(rows->count, "gap");
    if (rows->open_count == 0)
        report_line(out, TD_LOG_INFO, "%s, %s in all%s", gaps.text, lasted, live);
    else if (rows->ended_count == 0)
        report_line(out, TD_LOG_INFO, "%s without an end%s", gaps.text, live);
    else
        report_line(out, TD_LOG_INFO, "%s: %s in all, and %s without an end%s", gaps.text, lasted,
                    format_count(rows->open_count).text, live);
}

/* ---- the list ---- */

static void add_listed(listed *rows, const gap_row *row)
{
    rows->count++;
    if (row->to_ns == GAP_OPEN) {
        rows->open_count++;
        return;
    }
    rows->ended = td_array_grow(rows->ended, rows->ended_count, sizeof *rows->ended);
    rows->ended[rows->ended_count++] = (stretch){row->from_ns, row->to_ns};
}

static td_result print_gaps(verb_run *verb, const selection *wanted, const gap_list *list,
                            const selected *seen, listed *rows)
{
    int is_known = 0; /* of what the archive does not know there is no gap either */
    td_result rc = TD_OK;
    result_table_begin(&verb->result, NULL, COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < list->count; i++) {
        const gap_row *row = &list->rows[i];
        is_known |= selection_has_gap(wanted, row);
        if (!selection_wants_gap(wanted, seen->window, row))
            continue;
        add_listed(rows, row);
        describe(&verb->result, row);
    }
    if (rc == TD_OK && !is_known && seen->frames == 0)
        rc = selection_check_names(verb->archive, wanted, &verb->err);
    if (rc == TD_OK && rows->count == 0 && seen->frames == 0 && !tape_is_damaged(&seen->stats))
        rc = check_recorded(verb, wanted, seen->window);
    if (rc == TD_OK)
        result_list_end(&verb->result);
    if (rc == TD_OK && !verb->json.is_json)
        report_total(verb, seen, rows);
    return rc;
}

exit_code cmd_gaps(const verb_context *context, int argc, char **argv)
{
    verb_run verb = {0};
    const verb_run_spec spec = {
        .name = "gaps",
        .summary = "List the gaps in the selected part of a recording, with their reasons. Frames\n"
                   "that cannot be read are a gap, too.",
        .statuses =
            {[EXIT_CODE_DONE] = "no gap in the selection",
             [EXIT_CODE_DIFFERS] = "gaps are listed",
             [EXIT_CODE_DAMAGE] =
                 "a part of the selection cannot be read or is missing, or the journal is damaged",
             [EXIT_CODE_FAILED] =
                 "there is no such archive, or nothing in it matches the selection"},
        .examples = "tapedeck gaps archive --feed inverse --from now-7d --json",
        .takes = VERB_TAKES_SELECTION | VERB_TAKES_THREADS | VERB_TAKES_JSON,
        .mode = ARCHIVE_READ};
    exit_code status = EXIT_CODE_DONE;
    if (!verb_run_begin(&verb, context, &spec, argc, argv, &status))
        return status;
    selection wanted = verb_run_selection(&verb);
    gap_list list = {0};
    selected seen = {0};
    listed rows = {0};
    td_result rc = archive_gaps(verb.archive, &list, &verb.err);
    if (rc == TD_OK)
        rc = read_selection(&verb, &wanted, &list, &seen);
    if (rc == TD_OK)
        rc = print_gaps(&verb, &wanted, &list, &seen, &rows);
    status = rows.count > 0 ? EXIT_CODE_DIFFERS : EXIT_CODE_DONE;
    if (tape_is_damaged(&seen.stats))
        status = EXIT_CODE_DAMAGE;
    gap_list_fini(&list);
    td_free(rows.ended);
    return verb_run_end(&verb, rc, status);
}
