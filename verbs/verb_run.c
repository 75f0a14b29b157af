#include "verbs/verb_run.h"

#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "play/source.h"
#include "tape/nothing.h"
#include "tape/cursor.h"

/* 1 the first time that this line is logged. Any thread. */
static int is_new_line(verb_run *verb, const char *line)
{
    uint64_t hash = td_xxh64(line, strlen(line));
    int is_new = 1;
    pthread_mutex_lock(&verb->logged_mutex);
    for (size_t i = 0; i < verb->logged_count && is_new; i++)
        is_new = verb->logged[i] != hash;
    if (is_new && verb->logged_count < VERB_LINES_LOGGED_MAX)
        verb->logged[verb->logged_count++] = hash;
    pthread_mutex_unlock(&verb->logged_mutex);
    return is_new;
}

static void log_once(void *ctx, td_log_level level, const char *line)
{
    verb_run *verb = ctx;
    if (is_new_line(verb, line))
        report_line(verb->report, level, "%s", line);
}

static td_result open_archive(verb_run *verb, const verb_spec *spec)
{
    const char *path = NULL;
    if ((spec->takes & VERB_HAS_NO_ARCHIVE) != 0)
        return TD_OK;
    td_result rc = archive_choice_require(&verb->choice, &path, &verb->err);
    if (rc != TD_OK)
        return rc;
    archive_options options = {
        .io = io_posix(), .clock = clock_real(), .log = &verb->log, .verb = spec->name};
    int only_looks = spec->only_looks != NULL && *spec->only_looks;
    return archive_open(&options, path, only_looks ? ARCHIVE_READ : spec->mode, &verb->archive,
                        &verb->err);
}

/* Parse the command line. 0: end with verb->status. */
static int parse(verb_run *verb, const verb_spec *spec, const verb_context *context, int argc,
                 char **argv)
{
    option_group groups[OPTIONS_GROUPS_MAX];
    size_t count = 0;
    int has_archive = (spec->takes & VERB_HAS_NO_ARCHIVE) == 0;
    if (has_archive)
        groups[count++] = option_group_archive(&verb->choice);
    if (spec->own.rows != NULL)
        groups[count++] = spec->own;
    if ((spec->takes & VERB_TAKES_SELECTION) != 0)
        groups[count++] = option_group_selection(&verb->selection);
    if ((spec->takes & VERB_TAKES_ENTRIES) != 0)
        groups[count++] = option_group_entries(&verb->entries);
    if ((spec->takes & VERB_TAKES_THREADS) != 0)
        groups[count++] = option_group_threads(&verb->threads);
    if ((spec->takes & VERB_TAKES_JSON) != 0)
        groups[count++] = option_group_json(&verb->json);
    TD_ASSERT(count < OPTIONS_GROUPS_MAX);
    groups[count++] =
        has_archive ? option_group_talk(&verb->talk) : option_group_quiet(&verb->talk);
    options_spec line = {.verb = spec->name,
                         .summary = spec->summary,
                         .operands = spec->operands,
                         .operand_max = spec->operands == NULL ? 0 : 1,
                         .groups = groups,
                         .group_count = count,
                         .examples = spec->examples,
                         .now_ns = clock_wall_ns(clock_real())};
    memcpy(line.statuses, spec->statuses, sizeof line.statuses);
    if (line.statuses[EXIT_CODE_DONE] == NULL)
        line.statuses[EXIT_CODE_DONE] = "done";
    if (line.statuses[EXIT_CODE_FAILED] == NULL && has_archive)
        line.statuses[EXIT_CODE_FAILED] =
            spec->mode == ARCHIVE_MAINTAIN ? "there is no such archive or feed, it cannot be "
                                             "written, or another verb maintains it"
            : (spec->takes & VERB_TAKES_SELECTION) != 0
                ? "there is no such archive, or nothing in it matches the selection"
                : "there is no such archive";
    return verb_begin(context, &line, argc, argv, &verb->operands, &verb->status);
}

exit_code verb_run_all(const verb_spec *spec, void *state, const verb_context *context, int argc,
                       char **argv)
{
    verb_run verb = {.state = state, .report = context->report};
    if (!parse(&verb, spec, context, argc, argv))
        return verb.status;
    report_apply(context->report, &verb.talk);
    pthread_mutex_init(&verb.logged_mutex, NULL);
    verb.log = (td_log){log_once, &verb, context->report->level_max};
    progress_init(&verb.progress, context->report);
    output_init(&verb.output, stdout);
    result_begin(&verb.result, &verb.output, &verb.json);
    td_err_clear(&verb.err);
    td_result rc = open_archive(&verb, spec);
    if (rc == TD_OK)
        rc = spec->work(&verb);
    progress_end(&verb.progress);
    result_end(&verb.result);
    archive_close(verb.archive);
    pthread_mutex_destroy(&verb.logged_mutex);
    return report_end(context->report, &verb.output, rc, &verb.err, verb.status);
}

selection verb_run_selection(const verb_run *verb)
{
    return source_selection(&verb->selection);
}

td_result verb_run_window(verb_run *verb, const selection *wanted, selection_window *out)
{
    td_result rc = selection_check(wanted, &verb->err);
    return rc == TD_OK ? cursor_find_window(verb->archive, wanted, &verb->log, out, &verb->err)
                       : rc;
}

td_result verb_run_nothing(verb_run *verb)
{
    selection wanted = verb_run_selection(verb);
    size_t globs = wanted.feeds.count + wanted.topics.count + wanted.symbols.count;
    return globs > 0 || wanted.has_from || wanted.has_to
               ? selection_nothing(verb->archive, &wanted, &verb->err)
               : TD_OK;
}

/* UINT64_MAX means unknown and stays so in a sum. */
uint64_t verb_run_add_count(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}
