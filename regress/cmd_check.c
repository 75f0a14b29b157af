#include "regress/cmd_check.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "cli/option_groups.h"
#include "cli/result.h"
#include "cli/units.h"
#include "cli/version.h"
#include "play/play_verb.h"
#include "regress/check_describe.h"
#include "regress/check_result.h"
#include "regress/baseline_selection.h"
#include "regress/cut.h"
#include "regress/decoder_choice.h"
#include "regress/explain.h"
#include "regress/junit.h"
#include "regress/run.h"

typedef struct check_flags {
    const char *cut_file;
    const char *junit_file;
    const char *state_file;
    uint8_t is_part;
    uint8_t is_forced;
} check_flags;

static const option_row REPORT_ROWS[] = {
    {.long_name = "cut",
     .type = OPTION_TEXT,
     .offset = offsetof(check_flags, cut_file),
     .metavar = "FILE",
     .help = "write the shortest tape that shows the first difference (.mcap)"},
    {.long_name = "junit",
     .type = OPTION_TEXT,
     .offset = offsetof(check_flags, junit_file),
     .metavar = "FILE",
     .help = "write the result as JUnit XML, too"},
    {.long_name = "force",
     .type = OPTION_FLAG,
     .offset = offsetof(check_flags, is_forced),
     .help = "replace the file of --cut, and complete ones of --state"},
};

static const option_row CHECK_ROWS[] = {
    {.long_name = "part",
     .type = OPTION_FLAG,
     .offset = offsetof(check_flags, is_part),
     .help = "the archive has a part of the baseline's time only: what is before and after\n"
             "its frames is not missing (implied by --from and --to)"},
    {.long_name = "state",
     .type = OPTION_TEXT,
     .offset = offsetof(check_flags, state_file),
     .metavar = "FILE",
     .help = "keep what is done in this file, so that the same command continues after an\n"
             "interruption (default: the baseline's name with .check); removed at the end"},
};

static const option_row DIFF_ROWS[] = {
    {.long_name = "state",
     .type = OPTION_TEXT,
     .offset = offsetof(check_flags, state_file),
     .metavar = "NAME",
     .help = "keep what is done in NAME.a and NAME.b, so that the same command continues\n"
             "after an interruption (default: tapedeck-diff); removed at the end"},
};

static option_group report_group(check_flags *target)
{
    return (option_group){"Report", REPORT_ROWS, sizeof REPORT_ROWS / sizeof *REPORT_ROWS, target};
}

/* What is compared: the baseline, or the first decoder; and what is looked at now. */
enum { WAS, IS, SIDES };

typedef struct check_run {
    const char *phase;                 /* for the status line */
    char state_path[LIMIT_PATH_BYTES]; /* of a run; empty: the baseline was there before */
    decoder_choice decoder;
    baseline *baseline;
    regress_run_result done;
    explained frames;
    uint8_t has_frames;
} check_run;

/* After the name of the first file that is kept. */
#define LOCK_SUFFIX ".lock"

/* Everything of one run of either verb. */
typedef struct check_command {
    play_verb verb;
    const char *baseline_path; /* NULL: diff */
    check_flags flags;
    decoding_options decoding;
    decoder_options decoders;
    rate_window rate;
    decoder_map *map; /* NULL: none */
    baseline_selection selecting;
    check_run sides[SIDES];
    comparison compared;
    td_lock *lock; /* of the files that are kept while it runs */
    char lock_path[LIMIT_PATH_BYTES + sizeof LOCK_SUFFIX];
} check_command;

static int is_diff(const check_command *command)
{
    return command->baseline_path == NULL;
}

static void begin_phase(check_command *command, const char *phase)
{
    command->verb.phase = phase;
    command->rate = (rate_window){.sample_count = 0};
    command->verb.rate = &command->rate;
}

static td_result stopped(td_err *err)
{
    td_err_set(err, TD_E_IO, "stopped before the end");
    td_err_hint(err, "the same command continues where it was");
    return TD_E_IO;
}

/* ---- before ---- */

/* What is kept may have no place where it is kept by default. */
static td_result hint_at_state(const check_command *command, td_result rc, td_err *err)
{
    if ((rc == TD_E_IO || rc == TD_E_UNSUPPORTED) && command->flags.state_file == NULL)
        td_err_hint(err, "give --state to keep intermediate results elsewhere");
    return rc;
}

/* The side whose file is the first that is made. */
static const check_run *first_state(const check_command *command)
{
    return &command->sides[is_diff(command) ? WAS : IS];
}

static td_result name_state(const char *name, const char *suffix, check_run *side, td_err *err)
{
    int size = snprintf(side->state_path, sizeof side->state_path, "%s%s", name, suffix);
    if (size < 0 || (size_t)size >= sizeof side->state_path)
        return td_err_set(err, TD_E_INVALID, "the name '%s' is too long", name);
    return TD_OK;
}

/* What a run keeps is removed at its end: it must not be in the baseline. */
static td_result check_state(const check_command *command, td_err *err)
{
    const char *state = command->sides[IS].state_path;
    td_file *file = NULL;
    td_err none; /* opening the baseline says what is wrong with it */
    if (td_io_open(io_posix(), command->baseline_path, TD_OPEN_READ, &file, &none) != TD_OK)
        return TD_OK;
    td_name_state found;
    td_result rc = td_io_look_at_name(io_posix(), state, file, &found, err);
    td_io_close(file);
    if (rc != TD_OK || found != TD_NAME_SAME)
        return rc;
    td_err_set(err, TD_E_INVALID, "--state: '%s' is the baseline", state);
    td_err_hint(err, "give the name of a file that is not there yet");
    return TD_E_INVALID;
}

/* What can be refused before an archive is opened is refused here. */
static td_result check_names(check_command *command, td_err *err)
{
    const char *state = command->flags.state_file;
    td_result rc;
    if (is_diff(command)) {
        rc = name_state(state == NULL ? "tapedeck-diff" : state, ".a", &command->sides[WAS], err);
        if (rc == TD_OK)
            rc =
                name_state(state == NULL ? "tapedeck-diff" : state, ".b", &command->sides[IS], err);
    } else {
        rc = name_state(state == NULL ? command->baseline_path : state,
                        state == NULL ? ".check" : "", &command->sides[IS], err);
        if (rc == TD_OK)
            rc = check_state(command, err);
    }
    if (rc != TD_OK || command->flags.cut_file == NULL)
        return rc;
    rc = cut_check_path(io_posix(), command->flags.cut_file,
                        command->flags.is_forced ? CUT_REPLACE : CUT_KEEP, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "--cut");
}

static td_result check_decoders(const check_command *command, td_err *err)
{
    td_result rc = decoder_options_check(&command->decoders, is_diff(command) ? SIDES : 1, err);
    if (rc != TD_OK || !is_diff(command) || decoder_options_count(&command->decoders) > 0)
        return rc;
    td_err_set(err, TD_E_INVALID, "no decoder is given");
    td_err_hint(err, "give --decoder or --decoder-cmd, once or twice; one is compared with the "
                     "built-in decoder");
    return TD_E_INVALID;
}

static td_result open_baseline(check_command *command, td_err *err)
{
    check_run *was = &command->sides[WAS];
    td_result rc = baseline_open(command->baseline_path, BASELINE_READ, &was->baseline, err);
    if (rc == TD_E_NOTFOUND)
        td_err_hint(err, "'tapedeck regress save DIR -o %s' makes one", command->baseline_path);
    if (rc == TD_OK && baseline_get_meta(was->baseline)->reference[0] != '\0')
        return td_err_set(err, TD_E_UNSUPPORTED,
                          "'%s' is what a check keeps until it ends, not a baseline",
                          command->baseline_path);
    if (rc != TD_OK || baseline_get_meta(was->baseline)->is_complete)
        return rc;
    td_err_set(err, TD_E_INVALID, "'%s' is not complete: its run was interrupted",
               command->baseline_path);
    td_err_hint(err, "give the command that made it again: it continues");
    return TD_E_INVALID;
}

/* The mapping file of the command line, else the baseline's: what a baseline leaves out, a check
 * must leave out, too. */
static td_result open_map(check_command *command, td_err *err)
{
    decoder_map *saved = NULL;
    td_result rc = decoder_options_map(&command->decoders, &command->map, err);
    const char *text = is_diff(command) ? "" : baseline_get_meta(command->sides[WAS].baseline)->map;
    if (rc == TD_OK && text[0] != '\0')
        rc = decoder_map_open(td_bytes_str(text), command->baseline_path, &saved, err);
    if (rc != TD_OK || is_diff(command))
        return rc;
    if (command->map == NULL) {
        command->map = saved;
        return TD_OK;
    }
    int leaves_out =
        decoder_map_leaves_out(command->map) || (saved != NULL && decoder_map_leaves_out(saved));
    decoder_map_close(saved);
    if (!leaves_out || strcmp(decoder_map_text(command->map), text) == 0)
        return TD_OK;
    td_err_set(err, TD_E_INVALID,
               "the baseline was saved with another mapping file, and one of "
               "the two leaves members out");
    td_err_hint(err, "without --map the baseline's own is used");
    return TD_E_INVALID;
}

/* Of diff the decoders in the order of the command line; one alone is compared with the built-in
 * decoder. */
static td_result open_decoders(check_command *command, td_err *err)
{
    const decoder_setting setting = {command->map, &command->verb.log, command->verb.signals};
    size_t count = decoder_options_count(&command->decoders);
    td_result rc = TD_OK;
    if (is_diff(command))
        rc = decoder_choice_open(&command->decoders, count == SIDES ? 0 : count, &setting,
                                 &command->sides[WAS].decoder, err);
    if (rc != TD_OK)
        return rc;
    return decoder_choice_open(&command->decoders, count == SIDES ? 1 : 0, &setting,
                               &command->sides[IS].decoder, err);
}

static td_result open_all(check_command *command, td_err *err)
{
    td_result rc = check_names(command, err);
    if (rc == TD_OK)
        rc = check_decoders(command, err);
    if (rc == TD_OK && !is_diff(command))
        rc = open_baseline(command, err);
    if (rc == TD_OK)
        rc = play_source_open(&command->verb.source, &command->verb.log, err);
    if (rc == TD_OK)
        rc = baseline_selection_init(
            &command->selecting,
            is_diff(command) ? "" : baseline_get_meta(command->sides[WAS].baseline)->selection,
            &command->verb.source.wanted, command->verb.source.archive, err);
    if (rc == TD_OK)
        rc = open_map(command, err);
    return rc == TD_OK ? open_decoders(command, err) : rc;
}

/* ---- one run at a time ---- */

static td_result refuse_second(const check_command *command, td_err *err)
{
    td_err_set(err, TD_E_BUSY, "another '%s' keeps its results in '%s'", command->verb.report->name,
               first_state(command)->state_path);
    td_err_hint(err, "wait until it ends, or give --state with another name");
    return TD_E_BUSY;
}

/* Two runs must not keep their results in one file. A lock file that lost its name while this one
 * waited for it was that of a run that has ended. */
static td_result lock_state(check_command *command, td_err *err)
{
    enum { ATTEMPTS = 16 };
    char holder[TD_HOLDER_BYTES];
    (void)snprintf(command->lock_path, sizeof command->lock_path, "%s" LOCK_SUFFIX,
                   first_state(command)->state_path);
    (void)snprintf(holder, sizeof holder, "pid %ld, %s", (long)getpid(),
                   command->verb.report->name);
    for (int i = 0; i < ATTEMPTS; i++) {
        td_name_state name;
        td_result rc = td_io_lock(io_posix(), command->lock_path, holder, &command->lock, err);
        if (rc == TD_E_BUSY)
            return refuse_second(command, err);
        if (rc != TD_OK)
            return hint_at_state(command, rc, err);
        rc = td_io_lock_name(command->lock, &name, err);
        if (rc != TD_OK || name == TD_NAME_SAME)
            return rc;
        td_io_unlock(command->lock);
        command->lock = NULL;
    }
    return refuse_second(command, err);
}

static void unlock_state(check_command *command)
{
    if (command->lock == NULL)
        return;
    td_err err;
    if (td_io_unlink(io_posix(), command->lock_path, &err) != TD_OK)
        td_log_emit(&command->verb.log, TD_LOG_WARNING, "'%s' stays: %s", command->lock_path,
                    err.text);
    td_io_unlock(command->lock);
    command->lock = NULL;
}

/* ---- the runs ---- */

static canonical_members members_of(const check_command *command)
{
    if (!is_diff(command))
        return baseline_get_meta(command->sides[WAS].baseline)->members;
    return command->decoding.is_whole ? CANONICAL_WHOLE : CANONICAL_PLAIN;
}

/* What to do with a complete file of the state. Under a default name one is left from a run that
 * was stopped later: of diff it is the first decoder's result if the second one's is unfinished,
 * else it may be older than the archive. */
static regress_existing existing_of(const check_command *command, const check_run *side)
{
    const check_run *last = &command->sides[IS];
    uint64_t size;
    if (side != last && td_io_size_at(io_posix(), last->state_path, &size, NULL) == TD_OK)
        return REGRESS_REUSE;
    return command->flags.state_file == NULL || command->flags.is_forced ? REGRESS_REPLACE
                                                                         : REGRESS_KEEP;
}

/* Decode the archive into a baseline of the side's own. */
static td_result play(check_command *command, check_run *side, td_err *err)
{
    const regress_run_options options = {
        .archive = command->verb.source.archive,
        .wanted = &command->selecting.wanted,
        .decoding = decoder_choice_decoding(&side->decoder),
        .map = command->map,
        .threads = threads_options_count(&command->verb.threads),
        .clock = command->verb.clock,
        .log = &command->verb.log,
        .path = side->state_path,
        .reference = side == &command->sides[IS] ? command->sides[WAS].baseline : NULL,
        .meta = {.members = members_of(command),
                 .decoder = decoder_choice_label(&side->decoder),
                 .decoder_id = side->decoder.id,
                 .archive = archive_path(command->verb.source.archive)},
        .existing = existing_of(command, side),
        .progress = play_verb_progress,
        .user = &command->verb,
    };
    begin_phase(command, side->phase);
    td_result rc = regress_run(&options, &side->done, &side->baseline, err);
    /* The second look at differences finds the same again. */
    if (side->decoder.pool != NULL)
        decoder_findings_end(decoder_pool_findings(side->decoder.pool));
    progress_end(&command->verb.progress);
    if (rc == TD_EOF || (rc != TD_OK && decoder_choice_was_stopped(&side->decoder)))
        return stopped(err);
    return hint_at_state(command, rc, err);
}

static td_result play_all(check_command *command, td_err *err)
{
    for (int i = 0; i < SIDES; i++) {
        td_result rc = command->sides[i].state_path[0] == '\0'
                           ? TD_OK
                           : play(command, &command->sides[i], err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

/* What the decoders did in earlier parts of the runs counts, too. */
static td_result count_earlier(check_command *command, td_err *err)
{
    td_result rc = TD_OK;
    for (int i = 0; i < SIDES && rc == TD_OK; i++) {
        check_run *side = &command->sides[i];
        rc = decoder_choice_count_earlier(&side->decoder, &side->done, side->baseline, err);
    }
    return rc;
}

static const char *describe_selection(const check_command *command)
{
    const char *text = baseline_get_meta(command->sides[WAS].baseline)->selection;
    return text[0] == '\0' ? "all of its archive" : text;
}

static td_result compare(check_command *command, td_err *err)
{
    const compare_options options = {.was = command->sides[WAS].baseline,
                                     .is = command->sides[IS].baseline,
                                     .wanted = &command->selecting.wanted,
                                     .covered = &command->selecting.covered,
                                     .is_part =
                                         command->selecting.is_part || command->flags.is_part};
    td_result rc = compare_baselines(&options, &command->compared, err);
    if (rc != TD_OK)
        return rc;
    const comparison_stream *totals = &command->compared.totals;
    if (totals->compared + totals->missing + totals->added > 0)
        return TD_OK;
    td_err_set(err, TD_E_NOTFOUND, "no frame is compared: the selection has none of the baseline");
    td_err_hint(err, "the baseline covers: %s", describe_selection(command));
    return TD_E_NOTFOUND;
}

/* Look at the side's frames again. */
static td_result explain(check_command *command, int number, const difference *wanted, size_t count,
                         td_err *err)
{
    check_run *side = &command->sides[number];
    const explain_options options = {.archive = command->verb.source.archive,
                                     .wanted = &command->selecting.wanted,
                                     .decoding = decoder_choice_decoding(&side->decoder),
                                     .map = command->map,
                                     .threads = threads_options_count(&command->verb.threads),
                                     .log = &command->verb.log,
                                     .of = side->baseline,
                                     .compared = &command->compared,
                                     .side = number == WAS ? EXPLAIN_WAS : EXPLAIN_IS,
                                     .progress = play_verb_progress,
                                     .user = &command->verb};
    begin_phase(command, "differences");
    td_result rc = explain_frames(&options, wanted, count, &side->frames, err);
    progress_end(&command->verb.progress);
    side->has_frames = rc == TD_OK;
    if (rc == TD_EOF || (rc != TD_OK && decoder_choice_was_stopped(&side->decoder)))
        return stopped(err);
    return rc;
}

/* The first difference of each stream. */
static td_result list_firsts(const comparison *c, difference **out, size_t *count, td_err *err)
{
    *count = 0;
    *out = td_alloc_zero(c->stream_count + 1, sizeof **out);
    if (*out == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for frames that differ");
    for (size_t i = 0; i < c->stream_count; i++)
        if (comparison_differing(&c->streams[i]) > 0)
            (*out)[(*count)++] = c->streams[i].first;
    return TD_OK;
}

/* Where it is not known what was decoded before, only the first difference of each stream is worth
 * a second look. */
static td_result explain_all(check_command *command, td_err *err)
{
    const comparison *c = &command->compared;
    difference *firsts;
    size_t count;
    if (c->difference_count == 0)
        return TD_OK;
    if (is_diff(command)) {
        td_result rc = explain(command, WAS, c->differences, c->difference_count, err);
        return rc == TD_OK ? explain(command, IS, c->differences, c->difference_count, err) : rc;
    }
    if (baseline_get_meta(command->sides[WAS].baseline)->is_full)
        return explain(command, IS, c->differences, c->difference_count, err);
    td_result rc = list_firsts(c, &firsts, &count, err);
    if (rc == TD_OK)
        rc = explain(command, IS, firsts, count, err);
    td_free(firsts);
    return rc;
}

/* ---- the report ---- */

static void describe_side(result_writer *r, const char *name, const baseline_meta *meta)
{
    result_object_begin(r, name);
    result_text(r, "decoder", meta->decoder);
    result_text(r, "version", meta->version);
    result_text(r, "archive", meta->archive);
    result_name(r, "selection", meta->selection);
    result_bool(r, "whole", meta->members == CANONICAL_WHOLE);
    result_bool(r, "full", meta->is_full);
    result_bool(r, "damaged", meta->is_damaged);
    result_object_end(r, "{decoder} (tapedeck {version})[; {damaged?}parts of the archive could "
                         "not be read]");
}

static td_result describe(check_command *command, const check_result *result, td_err *err)
{
    int is_same = comparison_is_same(&command->compared);
    result_writer r;
    result_begin(&r, &command->verb.output, &command->verb.json);
    result_object_begin(&r, NULL);
    result_text(&r, "verdict", is_same ? "same" : "different");
    result_text(&r, "baseline", command->baseline_path);
    result_text(&r, "archive", archive_path(command->verb.source.archive));
    describe_side(&r, "was", result->was);
    describe_side(&r, "is", result->is);
    result_time_or_null(&r, "resumed_from_ns", command->sides[IS].done.resumed_from_ns);
    td_result rc = check_describe(result, command->verb.output.columns, &r, err);
    decoder_choice_describe(&command->sides[WAS].decoder, "decoder_was", &r);
    decoder_choice_describe(&command->sides[IS].decoder, "decoder_is", &r);
    result_styled(&r, "styled", is_same ? TERMINAL_GOOD : TERMINAL_BAD,
                  is_same ? "the same" : "DIFFERENT");
    if (rc == TD_OK)
        result_object_end(
            &r,
            "before: {was}[, {baseline}]\nnow: {is}\narchive: {archive}\n\n" CHECK_DESCRIBE_PATTERN
            "[\n{decoder_was}][\n{decoder_is}]"
            "\n{styled}: {totals}\n");
    td_result late = result_end(&r, rc == TD_OK ? err : NULL);
    return rc == TD_OK ? late : rc;
}

/* The tape of the first difference whose frame was found. */
static td_result cut(check_command *command, const check_result *result, td_err *err)
{
    const shown_difference *shown = result->shown_count == 0 ? NULL : &result->shown[0];
    if (command->flags.cut_file == NULL)
        return TD_OK;
    if (shown == NULL || shown->frame == NULL) {
        report_line(command->verb.report, TD_LOG_INFO, "no frame differs: '%s' is not written",
                    command->flags.cut_file);
        return TD_OK;
    }
    const explained_frame *from = shown->frame;
    const cut_frame frame = {.feed = check_stream_names(shown->stream)->feed,
                             .session_id = from->session_id,
                             .line = from->line,
                             .shard = from->shard,
                             .conn = from->conn,
                             .ordinal = from->ordinal,
                             .recv_ns = from->recv_ns};
    const cut_options options = {.archive = command->verb.source.archive,
                                 .decoding = decoder_choice_decoding(&command->sides[IS].decoder),
                                 .threads = threads_options_count(&command->verb.threads),
                                 .path = command->flags.cut_file,
                                 .existing = command->flags.is_forced ? CUT_REPLACE : CUT_KEEP,
                                 .version = TAPEDECK_VERSION};
    cut_result done;
    td_result rc = cut_write(&options, &frame, &done, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "--cut");
    report_line(command->verb.report, TD_LOG_INFO, "%s in '%s'%s",
                format_counted(done.frames, "frame").text, command->flags.cut_file,
                done.has_book && !done.has_snapshot ? "; the archive has no snapshot before them"
                                                    : "");
    return TD_OK;
}

/* result or error is NULL. */
static td_result write_junit(check_command *command, const check_result *result,
                             const td_err *error, td_err *err)
{
    const decoder_choice *const decoders[] = {&command->sides[WAS].decoder,
                                              &command->sides[IS].decoder};
    const junit_report report = {.name = command->verb.report->name,
                                 .result = result,
                                 .error = error,
                                 .decoders = decoders,
                                 .decoder_count = SIDES};
    if (command->flags.junit_file == NULL)
        return TD_OK;
    return junit_write(io_posix(), command->flags.junit_file, &report, err);
}

/* The run ends early, because of an error: what its decoders failed at until then would be lost. */
static void conclude_early(check_command *command, const td_err *error)
{
    result_writer r;
    td_err late;
    if (decoder_choice_failures(&command->sides[WAS].decoder) +
            decoder_choice_failures(&command->sides[IS].decoder) ==
        0)
        return;
    for (int i = 0; i < SIDES; i++)
        decoder_choice_log(&command->sides[i].decoder, &command->verb.log);
    result_begin(&r, &command->verb.output, &command->verb.json);
    result_object_begin(&r, NULL);
    result_text(&r, "error", error->text);
    result_name(&r, "hint", error->hint);
    decoder_choice_describe(&command->sides[WAS].decoder, "decoder_was", &r);
    decoder_choice_describe(&command->sides[IS].decoder, "decoder_is", &r);
    result_object_end(&r, NULL);
    td_result rc = result_end(&r, &late);
    if (rc == TD_OK)
        rc = write_junit(command, NULL, error, &late);
    if (rc != TD_OK)
        td_log_emit(&command->verb.log, TD_LOG_WARNING, "%s", late.text);
}

/* What was found, in all its forms. The report is printed first: a file that cannot be written does
 * not cost it. */
static td_result conclude(check_command *command, td_err *err)
{
    check_side sides[SIDES];
    check_result result;
    for (int i = 0; i < SIDES; i++) {
        check_run *side = &command->sides[i];
        sides[i] =
            (check_side){.of = side->baseline, .frames = side->has_frames ? &side->frames : NULL};
    }
    td_result rc = check_result_init(&result, &command->compared, &sides[WAS], &sides[IS], err);
    if (rc != TD_OK)
        return rc;
    rc = describe(command, &result, err);
    if (rc == TD_OK)
        rc = write_junit(command, &result, NULL, err);
    if (rc == TD_OK)
        rc = cut(command, &result, err);
    check_result_fini(&result);
    return rc;
}

static exit_code status_of(const check_command *command)
{
    for (int i = 0; i < SIDES; i++)
        if (command->sides[i].state_path[0] != '\0' &&
            baseline_get_meta(command->sides[i].baseline)->is_damaged)
            return EXIT_CODE_DAMAGE;
    for (int i = 0; i < SIDES; i++)
        if (decoder_choice_failures(&command->sides[i].decoder) > 0)
            return EXIT_CODE_DIFFERS;
    return comparison_is_same(&command->compared) ? EXIT_CODE_DONE : EXIT_CODE_DIFFERS;
}

/* Once all is compared, what is kept of the runs is of no use to another one. */
static td_result remove_state(check_command *command, td_err *err)
{
    for (int i = 0; i < SIDES; i++) {
        check_run *side = &command->sides[i];
        if (side->state_path[0] == '\0')
            continue;
        baseline_close(side->baseline);
        side->baseline = NULL;
        td_result rc = baseline_remove(side->state_path, err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

static td_result run(check_command *command, exit_code *status, td_err *err)
{
    td_result rc = open_all(command, err);
    if (rc == TD_OK)
        rc = lock_state(command, err);
    if (rc == TD_OK)
        rc = play_all(command, err);
    if (rc == TD_OK)
        rc = count_earlier(command, err);
    if (rc == TD_OK)
        rc = compare(command, err);
    if (rc == TD_E_NOTFOUND && remove_state(command, NULL) != TD_OK)
        td_log_emit(&command->verb.log, TD_LOG_WARNING, "a file of '%s' stays",
                    command->verb.report->name);
    if (rc == TD_OK)
        rc = explain_all(command, err);
    if (rc != TD_OK)
        conclude_early(command, err);
    if (rc == TD_OK)
        rc = conclude(command, err);
    if (rc != TD_OK)
        return rc;
    *status = status_of(command);
    return remove_state(command, err);
}

static void close_all(check_command *command)
{
    comparison_fini(&command->compared);
    for (int i = 0; i < SIDES; i++) {
        check_run *side = &command->sides[i];
        if (side->has_frames)
            explained_fini(&side->frames);
        baseline_close(side->baseline);
        decoder_choice_close(&side->decoder);
    }
    unlock_state(command);
    decoder_map_close(command->map);
    baseline_selection_fini(&command->selecting);
}

/* What both verbs do once their command line is read. */
static exit_code run_and_end(check_command *command)
{
    exit_code status = EXIT_CODE_DONE;
    td_result rc = run(command, &status, &command->verb.err);
    close_all(command);
    return play_verb_end(&command->verb, rc, status);
}

/* ---- the verbs ---- */

exit_code cmd_regress_check(const verb_context *context, int argc, char **argv)
{
    check_command command = {.sides[IS].phase = "check"};
    const option_group groups[] = {
        option_group_archive(&command.verb.source.choice),
        {"Check", CHECK_ROWS, sizeof CHECK_ROWS / sizeof *CHECK_ROWS, &command.flags},
        report_group(&command.flags),
        option_group_decoder(&command.decoders),
        option_group_selection(&command.verb.source.selecting),
        option_group_threads(&command.verb.threads),
        option_group_json(&command.verb.json),
        option_group_talk(&command.verb.talk),
    };
    const options_spec spec = {
        .program = context->program,
        .verb = "regress check",
        .summary =
            "Decode an archive and compare the result with a baseline, frame by frame. Exit\n"
            "status: 0 the same; 1 frames differ, are missing or are new; 3 stored frames or the\n"
            "baseline are damaged; 4 stopped, or nothing matches the selection.",
        .operands = "FILE [DIR]",
        .operand_min = 1,
        .operand_max = 2,
        .groups = groups,
        .group_count = sizeof groups / sizeof *groups,
        .examples = "tapedeck regress check before.tdb DIR\n"
                    "tapedeck regress check before.tdb DIR --topic trade --junit report.xml\n"
                    "tapedeck regress check before.tdb DIR --cut bug.mcap --json",
        .now_ns = clock_wall_ns(clock_real()),
    };
    options_operands operands;
    exit_code status;
    if (!play_verb_begin(&command.verb, context, &spec, argc, argv, &operands, &status))
        return status;
    command.baseline_path = operands.items[0];
    if (operands.count > 1)
        command.verb.source.choice.path = operands.items[1];
    return run_and_end(&command);
}

exit_code cmd_regress_diff(const verb_context *context, int argc, char **argv)
{
    check_command command = {.sides[WAS].phase = "first decoder",
                             .sides[IS].phase = "second decoder"};
    const option_group groups[] = {
        option_group_archive(&command.verb.source.choice),
        {"Difference", DIFF_ROWS, sizeof DIFF_ROWS / sizeof *DIFF_ROWS, &command.flags},
        report_group(&command.flags),
        option_group_decoder(&command.decoders),
        option_group_decoding(&command.decoding),
        option_group_selection(&command.verb.source.selecting),
        option_group_threads(&command.verb.threads),
        option_group_json(&command.verb.json),
        option_group_talk(&command.verb.talk),
    };
    const options_spec spec = {
        .program = context->program,
        .verb = "regress diff",
        .summary =
            "Decode an archive with two decoders and compare the results, frame by frame. One\n"
            "alone is compared with the built-in decoder. Exit status: 0 the same; 1 frames\n"
            "differ; 3 stored frames are damaged; 4 stopped, or nothing matches the selection.",
        .groups = groups,
        .group_count = sizeof groups / sizeof *groups,
        .examples = "tapedeck regress diff DIR --decoder ./mine.so\n"
                    "tapedeck regress diff DIR --decoder old.so --decoder new.so\n"
                    "tapedeck regress diff DIR --decoder-cmd 'python3 mine.py' --map names.map",
        .now_ns = clock_wall_ns(clock_real()),
    };
    options_operands operands;
    exit_code status;
    if (!play_verb_begin(&command.verb, context, &spec, argc, argv, &operands, &status))
        return status;
    return run_and_end(&command);
}
