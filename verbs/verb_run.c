#include "verbs/verb_run.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/io_posix.h"
#include "base/time_text.h"
#include "base/cli/units.h"
#include "archive/archive_view.h"
#include "archive/read_plan.h"
#include "verbs/archive_names.h"
#include "verbs/fleet.h"
#include "tape/empty_selection.h"
#include "tape/kept_families.h"

/* ---- the command line ---- */

/* make a selection from the options; the selection borrows the options' texts */
static selection selection_of(const selection_options *options)
{
    return (selection){
        .feeds = {options->feeds.items, options->feeds.count},
        .topics = {options->topics.items, options->topics.count},
        .symbols = {options->symbols.items, options->symbols.count},
        .from = options->from.at,
        .to = options->to.at,
        .has_from = options->from.is_given,
        .has_to = options->to.is_given,
    };
}

static const option_row CATALOG_OPTION[] = {
    {.long_name = "catalog",
     OPTION_INTO(verb_run, catalog),
     .metavar = "FILE",
     .help = "the archive's catalog (default: catalog.sqlite in the archive)"},
};

/* List the verb's groups in the order of --help. */
static size_t list_groups(verb_run *verb, const verb_spec *spec,
                          option_group groups[OPTIONS_GROUPS_MAX])
{
    size_t count = 0;
    int has_archive = (spec->takes & VERB_HAS_NO_ARCHIVE) == 0;
    if (has_archive)
        groups[count++] = option_group_archive(&verb->choice);
    if (has_archive && (spec->mode == ARCHIVE_READ || (spec->takes & VERB_MAKES_CATALOG) != 0))
        groups[count++] = (option_group){"Catalog", CATALOG_OPTION, 1, verb};
    for (size_t i = 0; i < VERB_OWN_GROUPS && spec->own[i].rows != NULL; i++)
        groups[count++] = spec->own[i];
    if ((spec->takes & VERB_TAKES_SELECTION) != 0)
        groups[count++] = option_group_selection(&verb->given);
    if ((spec->takes & VERB_TAKES_ENTRIES) != 0)
        groups[count++] = option_group_entries(&verb->entries);
    if ((spec->takes & VERB_TAKES_THREADS) != 0)
        groups[count++] = option_group_threads(&verb->threads);
    if ((spec->takes & VERB_TAKES_FAMILIES) != 0)
        groups[count++] = family_files_options(&verb->families);
    if ((spec->takes & VERB_TAKES_JSON) != 0)
        groups[count++] = option_group_json(&verb->json);
    TD_ASSERT(count < OPTIONS_GROUPS_MAX);
    groups[count++] = has_archive ? option_group_verbosity(&verb->verbosity)
                                  : option_group_quiet(&verb->verbosity);
    return count;
}

/* Parse the command line. 0: exit with verb->status. */
static int parse(verb_run *verb, const verb_spec *spec, const verb_context *context, int argc,
                 char **argv)
{
    option_group groups[OPTIONS_GROUPS_MAX];
    options_spec line = {.verb = spec->name,
                         .summary = spec->summary,
                         .operands = spec->operands,
                         .operand_min = spec->operand_min,
                         .operand_max = spec->operand_max,
                         .groups = groups,
                         .group_count = list_groups(verb, spec, groups),
                         .examples = spec->examples,
                         .now_ns = clock_wall_ns(verb->clock),
                         .list_names = archive_names_list};
    if ((spec->takes & (VERB_TAKES_ARCHIVES | VERB_RUNS_EACH)) != 0) {
        line.operands = "[ARCHIVE]...";
        line.operand_max = GAP_ACCOUNTS_MAX - 1; /* the first one is the archive's option */
    }
    memcpy(line.statuses, spec->statuses, sizeof line.statuses);
    if (line.statuses[EXIT_CODE_DONE] == NULL)
        line.statuses[EXIT_CODE_DONE] = "done";
    if (line.statuses[EXIT_CODE_FAILED] == NULL && (spec->takes & VERB_HAS_NO_ARCHIVE) == 0)
        line.statuses[EXIT_CODE_FAILED] =
            spec->mode == ARCHIVE_MAINTAIN ? "there is no such archive or feed, it cannot be "
                                             "written, or another verb maintains it"
            : (spec->takes & VERB_TAKES_SELECTION) != 0
                ? "there is no such archive, or nothing in it matches the selection"
                : "there is no such archive";
    return verb_begin(context, &line, argc, argv, &verb->operands, &verb->status);
}

/* ---- the run ---- */

static td_result open_archive(verb_run *verb, const verb_spec *spec, const char *path)
{
    const archive_options options = {.io = io_posix(),
                                     .clock = verb->clock,
                                     .log = &verb->log,
                                     .verb = spec->name,
                                     .catalog_path = verb->catalog};
    const size_t at = verb->archive_count++;
    int opens_read_only =
        (spec->opens_read_only != NULL && *spec->opens_read_only) || verb->catalog != NULL;
    return opens_read_only || spec->mode == ARCHIVE_READ
               ? remote_open_archive(&options, path, &verb->remotes[at], &verb->archives[at],
                                     &verb->err)
               : archive_open(&options, path, spec->mode, &verb->archives[at], &verb->err);
}

static td_result open_archives(verb_run *verb, const verb_spec *spec)
{
    const int are_many = (spec->takes & (VERB_TAKES_ARCHIVES | VERB_RUNS_EACH)) != 0;
    const size_t more = are_many ? verb->operands.count : 0;
    const char *path = NULL;
    if ((spec->takes & VERB_HAS_NO_ARCHIVE) != 0)
        return TD_OK;
    td_result rc = archive_choice_require(&verb->choice, &path, &verb->err);
    if (rc == TD_OK && more > 0 && verb->catalog != NULL)
        rc = td_err_set(&verb->err, TD_E_INVALID, "--catalog is of one archive");
    if (rc == TD_OK && more > 0 && selection_is_relative(&verb->wanted))
        rc = td_err_set(&verb->err, TD_E_INVALID,
                        "a time after the first frame is of one archive: give a date");
    if (rc == TD_OK)
        rc = open_archive(verb, spec, path);
    for (size_t i = 0; rc == TD_OK && i < more; i++)
        rc = open_archive(verb, spec, verb->operands.items[i]);
    verb->archive = verb->archives[0];
    for (size_t i = 0;
         rc == TD_OK && (spec->takes & VERB_READS_ONCE) != 0 && i < verb->archive_count; i++)
        rc = archive_view_hold(verb->archives[i], &verb->err);
    if (rc == TD_OK && more > 0 && (spec->takes & VERB_TAKES_ARCHIVES) != 0)
        rc = fleet_check(verb->archives, verb->archive_count, &verb->err);
    return rc;
}

/* A selected name must be in one of the archives. */
static td_result check_names(verb_run *verb)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < verb->archive_count && (i == 0 || rc == TD_E_NOTFOUND); i++)
        rc = selection_check_each_name(verb->archives[i], &verb->wanted, &verb->err);
    return rc;
}

void verb_run_choose(verb_run *verb, size_t index)
{
    verb->archive = verb->archives[index];
    verb->segment_count = 0;
    verb->has_segments = 0;
}

/* Run the work for each archive, with a result of its own. */
static td_result run_each(verb_run *verb, const verb_spec *spec)
{
    exit_code worst = EXIT_CODE_DONE;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < verb->archive_count; i++) {
        verb_run_choose(verb, i);
        verb->status = EXIT_CODE_DONE;
        rc = spec->work(verb);
        worst = verb->status > worst ? verb->status : worst;
    }
    verb->status = worst;
    return rc;
}

static td_result open_signals(verb_run *verb, const verb_spec *spec)
{
    if ((spec->takes & VERB_STOPS) == 0)
        return TD_OK;
    stop_signal_block(spec->calls.release != NULL);
    return stop_signal_open(&spec->calls, &verb->signals, &verb->err);
}

exit_code verb_run_main(const verb_spec *spec, void *state, const verb_context *context, int argc,
                        char **argv)
{
    verb_run verb = {.state = state, .report = context->report, .clock = clock_real()};
    if (!parse(&verb, spec, context, argc, argv))
        return verb.status;
    report_apply(verb.report, &verb.verbosity);
    verb.log = report_log(verb.report);
    verb.wanted = selection_of(&verb.given);
    progress_init(&verb.progress, verb.report);
    output_init(&verb.output, stdout);
    result_begin(&verb.result, &verb.output, &verb.json);
    td_err_clear(&verb.err);
    td_result rc = open_signals(&verb, spec);
    if (rc == TD_OK)
        rc = family_files_add(&verb.families, &verb.err);
    if (rc == TD_OK && spec->check != NULL)
        rc = spec->check(&verb);
    if (rc == TD_OK)
        rc = open_archives(&verb, spec);
    if (rc == TD_OK && verb.archive != NULL && (spec->takes & VERB_TAKES_FAMILIES) != 0)
        kept_families_add(verb.archives, verb.archive_count, &verb.log);
    if (rc == TD_OK && (spec->takes & VERB_READS_ONCE) != 0)
        rc = check_names(&verb);
    if (rc == TD_OK)
        rc = (spec->takes & VERB_RUNS_EACH) != 0 ? run_each(&verb, spec) : spec->work(&verb);
    progress_end(&verb.progress);
    result_end(&verb.result);
    for (size_t i = 0; i < verb.archive_count; i++) {
        archive_view_let_go(verb.archives[i]);
        archive_close(verb.archives[i]);
        remote_io_close(verb.remotes[i]);
    }
    td_free(verb.segments);
    stop_signal_close(verb.signals);
    return report_end(verb.report, &verb.output, rc, &verb.err, verb.status);
}

/* Resolve the times without a log, because the same messages are logged when the frames are read
 * later. */
td_result verb_run_window(verb_run *verb, selection *wanted, selection_window *out)
{
    td_result rc = selection_check(wanted, &verb->err);
    if (rc == TD_OK)
        rc = cursor_find_window(verb->archive, wanted, NULL, out, &verb->err);
    if (rc == TD_OK)
        selection_set_window(wanted, *out);
    return rc;
}

td_result verb_run_why_empty(verb_run *verb)
{
    const selection *wanted = &verb->wanted;
    size_t globs = wanted->feeds.count + wanted->topics.count + wanted->symbols.count;
    return globs > 0 || wanted->has_from || wanted->has_to
               ? selection_why_empty(verb->archive, wanted, NULL, &verb->err)
               : TD_OK;
}

/* saturates at UINT64_MAX, which means unknown */
/* ---- playing ---- */

observe_options verb_run_observing(verb_run *verb)
{
    return (observe_options){.archive = verb->archive,
                             .threads = threads_options_count(&verb->threads),
                             .log = &verb->log,
                             .signals = verb->signals,
                             .progress = verb_run_progress,
                             .user = verb};
}

/* ---- the status line ---- */

/* Note the size and times of each segment of the selection, to compute progress. On failure no
 * progress is shown; the cursor reports files that cannot be read. */
static void find_segments(verb_run *verb)
{
    selection_window window;
    read_plan *plan = NULL;
    verb->has_segments = 1;
    if (cursor_find_window(verb->archive, &verb->wanted, NULL, &window, NULL) != TD_OK)
        return;
    read_query query = selection_query(&verb->wanted, window);
    query.is_quiet = 1;
    if (read_plan_open(verb->archive, &query, &plan, NULL) != TD_OK)
        return;
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        const time_span span = time_span_clip((time_span){index->first_ns, index->last_ns}, window);
        verb->segments = td_array_grow(verb->segments, verb->segment_count, sizeof *verb->segments);
        verb->segments[verb->segment_count++] =
            (verb_segment){time_span_of(span.from_ns, span.to_ns), index->file_bytes};
    }
    read_plan_close(plan);
}

unit_text verb_run_part(verb_run *verb, uint64_t now_ns, uint64_t recv_ns)
{
    uint64_t done = 0;
    uint64_t total = 0;
    if (!verb->has_segments)
        find_segments(verb);
    for (size_t i = 0; i < verb->segment_count; i++) {
        const verb_segment *at = &verb->segments[i];
        done += (uint64_t)(time_span_share(at->span, recv_ns) * (double)at->bytes);
        total += at->bytes;
    }
    return progress_part(&verb->progress, now_ns, done, total);
}

/* Show progress, the time of the last frame (0: unknown), the number of frames, and frames per
 * second. */
static void show_frames(verb_run *verb, uint64_t now_ns, unit_text part, uint64_t frames,
                        uint64_t recv_ns)
{
    char when[TD_TIME_TEXT_BYTES] = "";
    uint64_t now = rate_update(&verb->rate, now_ns, frames);
    if (recv_ns != 0)
        td_time_format_ms(recv_ns, when);
    progress_show(&verb->progress, now_ns, "%s%s%s%s%s%s%s  %s/s",
                  verb->phase == NULL ? "" : verb->phase, verb->phase == NULL ? "" : "  ",
                  part.text, part.text[0] == '\0' ? "" : "  ", when, when[0] == '\0' ? "" : "  ",
                  format_counted(frames, "frame").text, format_counted(now, "frame").text);
}

int verb_run_progress(void *user, uint64_t frames, uint64_t recv_ns)
{
    verb_run *verb = user;
    uint64_t now_ns = clock_mono_ns(verb->clock);
    if (progress_is_due(&verb->progress, now_ns))
        show_frames(verb, now_ns, verb_run_part(verb, now_ns, recv_ns), frames, recv_ns);
    return stop_signal_arrived(verb->signals);
}

int verb_run_progress_part(void *user, uint64_t frames, uint64_t done, uint64_t total)
{
    verb_run *verb = user;
    uint64_t now_ns = clock_mono_ns(verb->clock);
    if (progress_is_due(&verb->progress, now_ns))
        show_frames(verb, now_ns, progress_part(&verb->progress, now_ns, done, total), frames, 0);
    return stop_signal_arrived(verb->signals);
}
