/* tapedeck gaps: the ledger's gaps, and parts of the selection that cannot be read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verbs/verb_run.h"
#include "verbs/cmds.h"
#include "base/alloc.h"
#include "archive/ledger.h"
#include "archive/read_plan.h"
#include "replay/play/bands.h"
#include "replay/play/report.h"
#include "tape/empty_selection.h"
#include "tape/cursor.h"
#include "tape/gap_cover.h"

/* A row of the result: of the ledger, or a part of it. */
typedef struct listed_gap {
    gap_row row; /* a copy */
    const archive *of;
} listed_gap;

/* One archive's part of the result. */
typedef struct gaps_source {
    archive *archive;
    archive_view *view;
    gap_list ledger; /* with the damage that reading showed */
    selection_window window;
    uint64_t frames;
    uint64_t first_ns, last_ns; /* of the first and last frame */
    silent_list silent;
    cursor_stats stats;
} gaps_source;

/* Sums over rows. */
typedef struct gaps_sum {
    uint64_t gaps;
    uint64_t covered;        /* gaps that another line or archive covers */
    uint64_t disproved;      /* gaps that their connections' pongs disprove */
    uint64_t pruned;         /* stretches that were removed */
    uint64_t not_subscribed; /* times without the topic; the next two are without all four */
    uint64_t open;           /* gaps without an end */
    uint64_t lasts_ns;       /* time inside the gaps with an end */
} gaps_sum;

/* The selection's gaps, and counts from reading it. */
typedef struct gaps_result {
    listed_gap *rows;
    size_t count;
    gaps_sum sum;
    gaps_source sources[GAP_ACCOUNTS_MAX];
    size_t source_count;
    uint64_t frames;
    uint64_t first_ns, last_ns;
    uint64_t segments_live, topics_silent;
    int is_damaged;
} gaps_result;

/* ---- reading ---- */

static td_result read_frames(cursor *from, gaps_source *out, td_err *err)
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
static td_result read_selection(verb_run *verb, gaps_source *out)
{
    const cursor_options how = {.threads = threads_options_count(&verb->threads),
                                .log = &verb->log};
    cursor *from = NULL;
    td_result rc = cursor_open(out->archive, &verb->wanted, &how, &from, &verb->err);
    if (rc == TD_OK)
        rc = read_frames(from, out, &verb->err);
    if (rc == TD_OK) {
        out->window = cursor_get_window(from);
        cursor_get_stats(from, &out->stats);
        gap_list_join(&out->ledger, cursor_get_damage(from));
    }
    cursor_close(from);
    return rc;
}

static td_result read_source(verb_run *verb, gaps_source *out)
{
    td_result rc = archive_view_open(out->archive, VIEW_ALL, NULL, &out->view, &verb->err);
    if (rc == TD_OK) {
        archive_gaps_of(out->view, &out->ledger);
        rc = read_selection(verb, out);
    }
    return rc != TD_OK ? rc
                       : silent_topics_find(out->archive, NULL, NULL, &verb->wanted, out->window,
                                            &out->silent, &verb->err);
}

/* 1 if a feed was recorded in that time. */
static td_result find_recorded(verb_run *verb, gaps_source *source, int *is_recorded)
{
    selection feeds = {.feeds = verb->wanted.feeds};
    read_query query = selection_query(&feeds, source->window);
    read_plan *plan = NULL;
    query.wants_channel = NULL;
    query.is_quiet = 1;
    td_result rc = read_plan_open(source->archive, &query, &plan, &verb->err);
    *is_recorded |= rc == TD_OK && read_plan_count(plan) > 0;
    read_plan_close(plan);
    return rc;
}

/* There is no frame. Check that the names exist, and that the feeds were recorded in that time. */
static td_result check_empty(verb_run *verb, gaps_result *result, int names_have_gap)
{
    td_result rc = names_have_gap ? TD_OK : TD_E_NOTFOUND;
    int is_recorded = result->count > 0 || result->is_damaged;
    for (size_t i = 0; rc == TD_E_NOTFOUND && i < result->source_count; i++)
        rc = selection_check_names(result->sources[i].archive, &verb->wanted, &verb->err);
    for (size_t i = 0; rc == TD_OK && !is_recorded && i < result->source_count; i++)
        rc = find_recorded(verb, &result->sources[i], &is_recorded);
    return rc != TD_OK || is_recorded ? rc : verb_run_why_empty(verb);
}

/* ---- rows ---- */

static void add_row(gaps_result *result, const gap_row *row, const archive *of)
{
    result->rows = td_array_grow(result->rows, result->count, sizeof *result->rows);
    result->rows[result->count++] = (listed_gap){gap_row_copy(row), of};
}

/* The paths of the archives that have a part, with commas between them. */
static void format_names(const gaps_result *result, unsigned has, char out[GAP_LONG_TEXT_BYTES])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < result->source_count && used < GAP_LONG_TEXT_BYTES; i++)
        if ((has >> i & 1) != 0)
            used +=
                (size_t)snprintf(out + used, GAP_LONG_TEXT_BYTES - used, "%s%s",
                                 used == 0 ? "" : ", ", archive_path(result->sources[i].archive));
}

/* Add the parts of a row that different archives have. */
static void add_parts(gaps_result *result, const gap_account *accounts, size_t of,
                      const gap_row *row)
{
    const gaps_source *source = &result->sources[of];
    const gap_parts parts =
        gap_cover_divide(accounts, result->source_count, of, row, source->window);
    for (size_t i = 0; i < parts.count; i++) {
        const time_span time = parts.items[i].time;
        char names[GAP_LONG_TEXT_BYTES];
        gap_row part = *row;
        format_names(result, parts.items[i].has, names);
        part.from_ns = time.from_ns;
        part.to_ns = time.to_ns == UINT64_MAX     ? GAP_OPEN
                     : row->to_ns == row->from_ns ? row->to_ns
                                                  : time.to_ns;
        part.covered_by = names;
        /* What one archive lost is not what all of them lost. */
        part.frames_lost =
            parts.count == 1 && names[0] != '\0' ? row->frames_lost : GAP_FRAMES_UNKNOWN;
        add_row(result, &part, source->archive);
    }
    td_free(parts.items);
}

static int compare_listed(const void *a, const void *b)
{
    const listed_gap *left = a;
    const listed_gap *right = b;
    const int order = gap_row_compare(&left->row, &right->row);
    return order != 0 || left->of == NULL || right->of == NULL
               ? order
               : strcmp(archive_path(left->of), archive_path(right->of));
}

/* Add the selected rows of all ledgers. *names_have_gap: 1 if one is of the selected names. */
static void add_rows(verb_run *verb, gaps_result *result, int *names_have_gap)
{
    gap_account accounts[GAP_ACCOUNTS_MAX];
    gap_list between = {0};
    for (size_t i = 0; i < result->source_count; i++)
        accounts[i] = (gap_account){result->sources[i].view, &result->sources[i].ledger,
                                    &result->sources[i].silent};
    for (size_t i = 0; i < result->source_count; i++) {
        const gaps_source *source = &result->sources[i];
        for (size_t k = 0; k < source->ledger.count; k++) {
            const gap_row *row = &source->ledger.rows[k];
            *names_have_gap |= selection_has_gap(&verb->wanted, row);
            if (!selection_wants_gap(&verb->wanted, source->window, row))
                continue;
            if (result->source_count == 1 || row->covered_by[0] != '\0')
                add_row(result, row, source->archive);
            else
                add_parts(result, accounts, i, row);
        }
    }
    if (result->source_count > 1)
        gap_cover_between(accounts, result->source_count, &between);
    for (size_t i = 0; i < between.count; i++)
        if (selection_wants_gap(&verb->wanted, result->sources[0].window, &between.rows[i]))
            add_row(result, &between.rows[i], NULL);
    gap_list_fini(&between);
    if (result->source_count > 1 && result->count > 0)
        qsort(result->rows, result->count, sizeof *result->rows, compare_listed);
}

static int compare_from(const void *a, const void *b)
{
    const gap_row *left = *(const gap_row *const *)a;
    const gap_row *right = *(const gap_row *const *)b;
    return left->from_ns < right->from_ns ? -1 : left->from_ns > right->from_ns;
}

/* Sum up rows and free the array; overlapping times count once. */
static gaps_sum sum_up(const gap_row **rows, size_t count)
{
    gaps_sum sum = {.gaps = count};
    uint64_t reach_ns = 0;
    if (count > 0)
        qsort(rows, count, sizeof(const gap_row *), compare_from);
    for (size_t i = 0; i < count; i++) {
        const gap_row *row = rows[i];
        const int is_disproved = gap_row_is_disproved(row);
        sum.disproved += (uint64_t)is_disproved;
        sum.covered += !is_disproved && row->covered_by[0] != '\0';
        sum.pruned += row->reason == GAP_PRUNED && row->covered_by[0] == '\0';
        sum.not_subscribed += row->reason == GAP_NOT_SUBSCRIBED && row->covered_by[0] == '\0';
        if (!gap_row_is_loss(row))
            continue;
        const time_span lost = {row->from_ns, row->to_ns}; /* empty if open */
        sum.open += row->to_ns == GAP_OPEN;
        sum.lasts_ns += time_span_beyond_ns(lost, &reach_ns);
    }
    td_free(rows);
    return sum;
}

/* Sum up the listed rows of one archive; NULL: of all. */
static gaps_sum sum_of(const gaps_result *result, const archive *of)
{
    const gap_row **rows = td_alloc_zero(result->count + 1, sizeof(const gap_row *));
    size_t count = 0;
    for (size_t i = 0; i < result->count; i++)
        if (of == NULL || result->rows[i].of == of)
            rows[count++] = &result->rows[i].row;
    return sum_up(rows, count);
}

/* Sum up the losses of an archive's ledger in the selection, whatever the others have. */
static gaps_sum sum_alone(const verb_run *verb, const gaps_source *source)
{
    const gap_row **rows = td_alloc_zero(source->ledger.count + 1, sizeof(const gap_row *));
    size_t count = 0;
    for (size_t i = 0; i < source->ledger.count; i++) {
        const gap_row *row = &source->ledger.rows[i];
        if (gap_row_is_loss(row) && selection_wants_gap(&verb->wanted, source->window, row))
            rows[count++] = row;
    }
    return sum_up(rows, count);
}

static td_result find(verb_run *verb, gaps_result *result)
{
    int names_have_gap = 0;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < verb->archive_count; i++) {
        gaps_source *source = &result->sources[result->source_count++];
        source->archive = verb->archives[i];
        rc = read_source(verb, source);
        if (source->frames > 0 && (result->frames == 0 || source->first_ns < result->first_ns))
            result->first_ns = source->first_ns;
        result->last_ns = source->last_ns > result->last_ns ? source->last_ns : result->last_ns;
        result->frames += source->frames;
        result->segments_live += source->stats.segments_live;
        result->topics_silent += source->silent.count;
        result->is_damaged |= cursor_is_damaged(&source->stats);
    }
    if (rc != TD_OK)
        return rc;
    add_rows(verb, result, &names_have_gap);
    result->sum = sum_of(result, NULL);
    return result->frames > 0 ? TD_OK : check_empty(verb, result, names_have_gap);
}

static void free_result(gaps_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        gap_row_fini(&result->rows[i].row);
    td_free(result->rows);
    for (size_t i = 0; i < result->source_count; i++) {
        gap_list_fini(&result->sources[i].ledger);
        silent_list_fini(&result->sources[i].silent);
        archive_view_close(result->sources[i].view);
    }
}

/* ---- the result ---- */

#define GAPS_PATTERN                                                                               \
    "{together}[{gaps!}no gaps][{gaps?}{gaps gap}][, {covered} of them covered by another "        \
    "{another}]"                                                                                   \
    "[, {disproved} of them disproved by recorded pongs]"                                          \
    "[, {pruned} of them pruned, not lost]"                                                        \
    "[, {not_subscribed} of them without a subscription]"                                          \
    "[, {lasts_ns?}{lasts} in all]"                                                                \
    "[, {open} without an end]"                                                                    \
    "[{frames?} in {frames frame} from {first_ns} to {last_ns}]"                                   \
    "[{frames!}, and no frames][{segments_live?}; being recorded]\n"                               \
    "[{topics_silent?}{topics_silent topic} silent: see 'tapedeck "                                \
    "replay'\n]"

/* What each archive lacks alone, and in common with all others. */
static void describe_archives(verb_run *verb, const gaps_result *result)
{
    result_writer *r = &verb->result;
    result_list_begin(r, "archives");
    for (size_t i = 0; i < result->source_count; i++) {
        const gaps_source *source = &result->sources[i];
        const gaps_sum alone = sum_alone(verb, source);
        const gaps_sum left = sum_of(result, source->archive);
        result_object_begin(r, NULL);
        result_text(r, "archive", archive_path(source->archive));
        result_count(r, "gaps", alone.gaps);
        result_count(r, "open", alone.open);
        result_number(r, "lasts_ns", alone.lasts_ns);
        result_duration(r, "lasts", alone.lasts_ns);
        result_number(r, "missing_ns", left.lasts_ns);
        result_duration(r, "missing", left.lasts_ns);
        result_count(r, "frames", source->frames);
        result_time_or_null(r, "first_ns", source->first_ns);
        result_time_or_null(r, "last_ns", source->last_ns);
        result_count(r, "topics_silent", source->silent.count);
        result_object_end(r, "{archive}: [{gaps!}no gaps][{gaps?}{gaps gap}][, {lasts_ns?}{lasts} "
                             "in all][, {missing_ns?}{missing} of it in no other archive]"
                             "[, {open} without an end]"
                             "[{frames?} in {frames frame} from {first_ns} to {last_ns}]"
                             "[{frames!}, and no frames]"
                             "[; {topics_silent topic} silent]\n");
    }
    result_list_end(r);
}

static td_result describe(verb_run *verb, const gaps_result *result)
{
    result_writer *r = &verb->result;
    static const table_column COLUMNS[] = {
        {"archive", TABLE_LEFT, "{archive|-}"}, /* of several */
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
    const int are_many = result->source_count > 1;
    const gaps_sum *sum = &result->sum;
    const size_t skipped = are_many ? 0 : 1;
    td_result rc = TD_OK;
    result_object_begin(r, NULL);
    result_table_begin(r, "gaps", COLUMNS + skipped, sizeof COLUMNS / sizeof *COLUMNS - skipped);
    for (size_t i = 0; i < result->count; i++) {
        result_object_begin(r, NULL);
        report_describe_gap_members(r, &result->rows[i].row);
        if (are_many)
            result_name(r, "archive",
                        result->rows[i].of == NULL ? "" : archive_path(result->rows[i].of));
        result_object_end(r, NULL);
    }
    result_list_end(r);
    result_count(r, "covered", sum->covered);
    result_count(r, "disproved", sum->disproved);
    result_count(r, "pruned", sum->pruned);
    result_count(r, "not_subscribed", sum->not_subscribed);
    result_count(r, "open", sum->open);
    result_number(r, "lasts_ns", sum->lasts_ns);
    result_duration(r, "lasts", sum->lasts_ns);
    result_count(r, "frames", result->frames);
    result_time_or_null(r, "first_ns", result->first_ns);
    result_time_or_null(r, "last_ns", result->last_ns);
    result_count(r, "segments_live", result->segments_live);
    result_count(r, "topics_silent", result->topics_silent);
    result_note(r, "another", "%s", are_many ? "line or archive" : "line");
    result_note(r, "together", "%s", are_many ? "together: " : "");
    if (are_many)
        describe_archives(verb, result);
    else
        rc = bands_describe(r, verb->archive, &verb->wanted, &verb->err);
    result_object_end(r, are_many ? "{gaps}{archives}" GAPS_PATTERN
                                  : "{gaps}" GAPS_PATTERN BANDS_PATTERN);
    return rc;
}

static td_result run_gaps(verb_run *verb)
{
    gaps_result result = {0};
    td_result rc = find(verb, &result);
    const gaps_sum *sum = &result.sum;
    if (rc == TD_OK)
        rc = describe(verb, &result);
    verb->status = result.is_damaged ? EXIT_CODE_DAMAGE
                   : sum->gaps > sum->covered + sum->disproved + sum->pruned + sum->not_subscribed
                       ? EXIT_CODE_DIFFERS
                       : EXIT_CODE_DONE;
    free_result(&result);
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
        .examples = "tapedeck gaps archive --feed v5-linear --from now-7d --json\n"
                    "tapedeck gaps east s3://bucket/west",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON | VERB_TAKES_ARCHIVES,
        .mode = ARCHIVE_READ,
        .work = run_gaps};
    return verb_run_main(&spec, NULL, context, argc, argv);
}
