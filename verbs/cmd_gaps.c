/* tapedeck gaps: the ledger's gaps, and parts of the selection that cannot be read. */
#include <stdlib.h>

#include "verbs/verb_run.h"
#include "verbs/cmds.h"
#include "base/alloc.h"
#include "archive/ledger.h"
#include "archive/read_plan.h"
#include "replay/play/bands.h"
#include "replay/play/report.h"
#include "tape/empty_selection.h"
#include "tape/cursor.h"

/* The selection's gaps, and counts from reading it. */
typedef struct gaps_result {
    gap_list gaps;
    uint64_t covered;        /* gaps that another line covers */
    uint64_t disproved;      /* gaps that their connections' pongs disprove */
    uint64_t pruned;         /* stretches that were removed */
    uint64_t not_subscribed; /* times without the topic; the next two are without all four */
    uint64_t open;           /* gaps without an end */
    uint64_t lasts_ns;       /* time inside the gaps with an end */
    selection_window window;
    uint64_t frames;
    uint64_t first_ns, last_ns; /* of the first and last frame */
    silent_list silent;
    cursor_stats stats;
} gaps_result;

/* ---- reading ---- */

static td_result read_frames(cursor *from, gaps_result *out, td_err *err)
{
    const frame_ref *frame;
    td_result rc = cursor_next(from, &frame, err);
    for (; rc == TD_OK; rc = cursor_next(from, &frame, err)) {
        out->first_ns = out->frames == 0 ? frame->recv_ns : out->first_ns;
        out->last_ns = frame->recv_ns;
        out->frames++;
    }
    return rc == TD_EOF ? TD_OK : rc;
}

/* Read every chunk of the selection, because the ledger does not list chunks that cannot be read.
 */
static td_result read_selection(verb_run *verb, const selection *wanted, gap_list *ledger,
                                gaps_result *out)
{
    const cursor_options how = {.threads = threads_options_count(&verb->threads),
                                .log = &verb->log};
    cursor *from = NULL;
    td_result rc = cursor_open(verb->archive, wanted, &how, &from, &verb->err);
    if (rc == TD_OK)
        rc = read_frames(from, out, &verb->err);
    if (rc == TD_OK) {
        out->window = cursor_get_window(from);
        cursor_get_stats(from, &out->stats);
        gap_list_join(ledger, cursor_get_damage(from));
    }
    cursor_close(from);
    return rc;
}

/* Check whether the feeds were recorded in that time. Called if there is no frame and no gap. */
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
    return rc != TD_OK || is_recorded ? rc : verb_run_why_empty(verb);
}

static int compare_from(const void *a, const void *b)
{
    const gap_row *left = *(const gap_row *const *)a;
    const gap_row *right = *(const gap_row *const *)b;
    return left->from_ns < right->from_ns ? -1 : left->from_ns > right->from_ns;
}

/* Sum up the time of gaps; overlapping gaps count once. */
static void sum_up(gaps_result *result)
{
    const gap_row **by_time = td_alloc_zero(result->gaps.count + 1, sizeof(const gap_row *));
    uint64_t reach_ns = 0;
    for (size_t i = 0; i < result->gaps.count; i++)
        by_time[i] = &result->gaps.rows[i];
    qsort(by_time, result->gaps.count, sizeof(const gap_row *), compare_from);
    for (size_t i = 0; i < result->gaps.count; i++) {
        const int is_loss = gap_row_is_loss(by_time[i]);
        const int is_disproved = gap_row_is_disproved(by_time[i]);
        result->disproved += (uint64_t)is_disproved;
        result->covered += !is_disproved && by_time[i]->covered_by[0] != '\0';
        result->pruned += by_time[i]->reason == GAP_PRUNED && by_time[i]->covered_by[0] == '\0';
        result->not_subscribed +=
            by_time[i]->reason == GAP_NOT_SUBSCRIBED && by_time[i]->covered_by[0] == '\0';
        if (!is_loss)
            continue;
        const time_span lost = {by_time[i]->from_ns, by_time[i]->to_ns}; /* empty if open */
        result->open += by_time[i]->to_ns == GAP_OPEN;
        result->lasts_ns += time_span_beyond_ns(lost, &reach_ns);
    }
    td_free(by_time);
}

static td_result find(verb_run *verb, gaps_result *result)
{
    selection wanted = verb->wanted;
    gap_list ledger = {0};
    int names_have_gap = 0; /* the ledger has a gap of the selected names */
    td_result rc = archive_gaps(verb->archive, &ledger, &verb->err);
    if (rc == TD_OK)
        rc = read_selection(verb, &wanted, &ledger, result);
    for (size_t i = 0; i < ledger.count && rc == TD_OK; i++) {
        names_have_gap |= selection_has_gap(&wanted, &ledger.rows[i]);
        if (selection_wants_gap(&wanted, result->window, &ledger.rows[i]))
            gap_list_add(&result->gaps, &ledger.rows[i]);
    }
    gap_list_fini(&ledger);
    if (rc == TD_OK && !names_have_gap && result->frames == 0)
        rc = selection_check_names(verb->archive, &wanted, &verb->err);
    if (rc == TD_OK && result->gaps.count == 0 && result->frames == 0 &&
        !cursor_is_damaged(&result->stats))
        rc = check_recorded(verb, &wanted, result->window);
    sum_up(result);
    return rc != TD_OK ? rc
                       : silent_topics_find(verb->archive, NULL, NULL, &wanted, result->window,
                                            &result->silent, &verb->err);
}

/* ---- the result ---- */

static td_result describe(verb_run *verb, const gaps_result *result)
{
    result_writer *r = &verb->result;
    static const table_column COLUMNS[] = {
        {"from", TABLE_LEFT, "{from}"},
        {"lasted", TABLE_RIGHT, "{lasted|open}"},
        {"reason", TABLE_LEFT, "{reason}[, covered by {covered_by}]"},
        {"origin", TABLE_SPARE_LEFT, "{origin}"},
        {"of", TABLE_LEFT, "{feed}[ {topic}][ {symbol}]"},
        {"lost", TABLE_SPARE_RIGHT, "{lost}"},
        {"slot", TABLE_SPARE_LEFT, "{slot|-}"},
        {"conn", TABLE_SPARE_RIGHT, "{conn|-}"},
        {"detail", TABLE_SPARE_LEFT, "{detail|-}"},
    };
    result_object_begin(r, NULL);
    result_table_begin(r, "gaps", COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (size_t i = 0; i < result->gaps.count; i++)
        report_describe_gap(r, NULL, &result->gaps.rows[i], NULL);
    result_list_end(r);
    result_count(r, "covered", result->covered);
    result_count(r, "disproved", result->disproved);
    result_count(r, "pruned", result->pruned);
    result_count(r, "not_subscribed", result->not_subscribed);
    result_count(r, "open", result->open);
    result_number(r, "lasts_ns", result->lasts_ns);
    result_duration(r, "lasts", result->lasts_ns);
    result_count(r, "frames", result->frames);
    result_time_or_null(r, "first_ns", result->first_ns);
    result_time_or_null(r, "last_ns", result->last_ns);
    result_count(r, "segments_live", result->stats.segments_live);
    result_count(r, "topics_silent", result->silent.count);
    td_result rc = bands_describe(r, verb->archive, &verb->wanted, &verb->err);
    result_object_end(
        r, "{gaps}"
           "[{gaps!}no gaps][{gaps?}{gaps gap}][, {covered} of them covered by another line]"
           "[, {disproved} of them disproved by recorded pongs]"
           "[, {pruned} of them pruned, not lost]"
           "[, {not_subscribed} of them without a subscription]"
           "[, {lasts_ns?}{lasts} in all]"
           "[, {open} without an end]"
           "[{frames?} in {frames frame} from {first_ns} to {last_ns}]"
           "[{frames!}, and no frames][{segments_live?}; being recorded]\n"
           "[{topics_silent?}{topics_silent topic} silent: see 'tapedeck "
           "replay'\n]" BANDS_PATTERN);
    return rc;
}

static td_result run_gaps(verb_run *verb)
{
    gaps_result result = {0};
    td_result rc = find(verb, &result);
    if (rc == TD_OK)
        rc = describe(verb, &result);
    verb->status = cursor_is_damaged(&result.stats) ? EXIT_CODE_DAMAGE
                   : result.gaps.count >
                           result.covered + result.disproved + result.pruned + result.not_subscribed
                       ? EXIT_CODE_DIFFERS
                       : EXIT_CODE_DONE;
    gap_list_fini(&result.gaps);
    silent_list_fini(&result.silent);
    return rc;
}

exit_code cmd_gaps(const verb_context *context, int argc, char **argv)
{
    const verb_spec spec = {
        .name = "gaps",
        .summary = "List the gaps in the selected part of a recording, with their reasons. Frames "
                   "that cannot be read count as a gap.",
        .statuses =
            {[EXIT_CODE_DONE] =
                 "no gap in the selection, or only covered or disproved ones, or time that was "
                 "pruned or not subscribed",
             [EXIT_CODE_DIFFERS] = "gaps are listed",
             [EXIT_CODE_DAMAGE] = ("a part of the selection cannot be read or is missing, "
                                   "or the journal is damaged")},
        .examples = "tapedeck gaps archive --feed v5-linear --from now-7d --json",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON,
        .mode = ARCHIVE_READ,
        .work = run_gaps};
    return verb_run_main(&spec, NULL, context, argc, argv);
}
