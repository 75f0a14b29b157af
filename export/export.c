#include "export/export.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "cli/units.h"
#include "export/export_manifest.h"
#include "export/export_scan.h"
#include "export/export_writer.h"
#include "play/player.h"
#include "tape/empty_selection.h"
#include "tape/cursor.h"

typedef struct export_run_state {
    const export_options *options;
    export_folder *folder;
    export_choices choices;
    export_manifest manifest;
    uint64_t frames;        /* played: of topics, no copies */
    uint64_t useful_frames; /* of these, such as files are made of */
    cursor *tape;
    void *writer; /* NULL: not open */
    observer_ops ops;
    player *player;
} export_run_state;

/* ---- before the first row ---- */

/* The error of a selection that no file can be made of. */
static td_result refuse_empty(const export_run_state *run, td_err *err)
{
    const export_options *options = run->options;
    if (run->frames == 0)
        return selection_why_empty(options->archive, options->wanted, err);
    td_err_set(err, TD_E_NOTFOUND, "the selection has nothing to export as %s",
               options->spec->format->name);
    td_err_hint(err, "`tapedeck info` lists what was recorded");
    return TD_E_NOTFOUND;
}

/* The error of a depth that no book was recorded with: trades alone would be less than requested.
 */
static td_result no_depth(const export_run_state *run, td_err *err)
{
    td_err_set(err, TD_E_NOTFOUND, "no book with %u levels per side was recorded in the selection",
               run->options->spec->depth);
    td_err_hint(err, "leave out --depth; `tapedeck info` lists the recorded topics");
    return TD_E_NOTFOUND;
}

/* The tape is opened first: it resolves the selection's times. */
static td_result scan(export_run_state *run, td_err *err)
{
    const export_options *options = run->options;
    const cursor_options reading = {.threads = options->threads,
                                    .log = options->log,
                                    .reads = options->spec->format->reads,
                                    .with_lead_in = 1,
                                    .with_states = 1};
    td_result rc = cursor_open(options->archive, options->wanted, &reading, &run->tape, err);
    return rc != TD_OK ? rc
                       : export_scan_run(options->spec, options->archive, options->wanted,
                                         cursor_get_window(run->tape), &run->choices, err);
}

/* ---- playing ---- */

static td_result on_frame(void *ctx, const struct stream *of, void **state,
                          const observed_frame *seen, td_err *err)
{
    const export_run_state *run = ctx;
    (void)of;
    (void)state;
    return run->options->spec->format->frame(run->writer, seen, err);
}

/* A book may be older than its first frame. */
static td_result on_begin(void *ctx, const struct stream *of, const frame_ref *first, td_err *err)
{
    const export_run_state *run = ctx;
    const symbol_topic *topic;
    for (size_t i = 0; (topic = symbol_state_topic_at(of->of_symbol, i)) != NULL; i++)
        if (topic->line == first->channel->info.line && strcmp(topic->name, of->topic) == 0 &&
            topic->row != NULL && topic->row->type == MSG_BOOK_CHANGE)
            return run->options->spec->format->resume(run->writer, first, topic, err);
    return TD_OK;
}

/* The player calls this every few thousand frames. */
static int on_progress(void *user, uint64_t frames, uint64_t recv_ns)
{
    const export_options *options = ((const export_run_state *)user)->options;
    return options->progress != NULL && options->progress(options->user, frames, recv_ns);
}

static void open_player(export_run_state *run)
{
    const export_options *options = run->options;
    const export_job job = {.spec = options->spec,
                            .folder = run->folder,
                            .manifest = &run->manifest,
                            .choices = &run->choices,
                            .gaps = options->gaps,
                            .wanted = options->wanted,
                            .window = cursor_get_window(run->tape),
                            .tape = run->tape};
    run->writer = options->spec->format->open(&job);
    run->ops =
        (observer_ops){.name = options->spec->format->name, .begin = on_begin, .frame = on_frame};
    /* Without workers: rows are in the order of the tape. */
    const player_options playing = {
        .observer = {&run->ops, run}, .progress = on_progress, .user = run};
    run->player = player_open(&playing);
    player_take_states(run->player, run->tape);
}

static void count_frame(export_run_state *run, const frame_ref *frame)
{
    if (frame->is_lead_in || !frame_role_is_of_topic(frame->channel->role) || frame->is_copy)
        return;
    const export_spec *spec = run->options->spec;
    const export_place place = spec->format->place(spec, frame->channel);
    run->frames++;
    run->useful_frames += place.type != NULL;
    run->manifest.foreign_frames += place.use == EXPORT_USE_FOREIGN;
}

/* As player_play, but a stop is an error. */
static td_result play(export_run_state *run, td_err *err)
{
    for (;;) {
        const frame_ref *frame;
        td_result rc = cursor_next(run->tape, &frame, err);
        if (rc == TD_EOF)
            break;
        if (rc == TD_OK) {
            count_frame(run, frame);
            rc = player_on_frame(run->player, frame, err);
        }
        if (rc != TD_OK)
            return rc;
    }
    td_result rc = player_finish(run->player, err);
    return rc == TD_OK ? run->options->spec->format->finish(run->writer, err) : rc;
}

/* ---- the end ---- */

static td_result conclude(export_run_state *run, export_result *out, td_err *err)
{
    const export_options *options = run->options;
    replay_report report;
    gap_list gaps = {0};
    TD_ASSERT(run->writer != NULL);
    report_init_replay(&report, run->player, NULL);
    cursor_get_stats(run->tape, &report.tape);
    gap_list_join(&gaps, options->gaps);
    gap_list_join(&gaps, cursor_get_damage(run->tape));
    report_add_gaps(&report, &gaps, options->wanted, cursor_get_window(run->tape));
    gap_list_fini(&gaps);
    td_result rc = export_manifest_end(&run->manifest, &report, err);
    if (rc == TD_OK)
        rc = export_folder_publish(run->folder, err);
    *out = (export_result){.files = export_folder_file_count(run->folder),
                           .rows = run->manifest.rows,
                           .verdict = report_verdict(&report)};
    if (out->verdict == REPLAY_COMPLETE && run->manifest.left_out_count > 0)
        out->verdict = REPLAY_INCOMPLETE;
    report_fini_replay(&report);
    return rc;
}

/* One line each, and the rest in the manifest. */
static void log_left_out(const export_run_state *run)
{
    enum { LINES_MAX = 16 };
    const export_manifest *manifest = &run->manifest;
    for (size_t i = 0; i < manifest->left_out_count && i < LINES_MAX; i++) {
        const export_left_out *row = &manifest->left_out[i];
        td_log_emit(run->options->log, TD_LOG_WARNING,
                    "feed %s, symbol '%s' is left out, with %s: %s", row->feed, row->symbol,
                    format_counted(row->frames, "frame").text, row->reason);
    }
    if (manifest->left_out_count > LINES_MAX)
        td_log_emit(run->options->log, TD_LOG_WARNING, "%s left out; the manifest lists them",
                    format_counted(manifest->left_out_count - LINES_MAX, "more symbol").text);
}

/* Books that could not be taken from the topic that the market's users know; the manifest has each.
 */
static void log_choices(const export_run_state *run)
{
    const export_choice *first = NULL;
    size_t count = 0;
    for (size_t i = 0; run->options->spec->depth == 0 && i < run->choices.count; i++) {
        const export_choice *choice = &run->choices.items[i];
        if (strcmp(choice->row->name, choice->market->book_topic) == 0)
            continue;
        first = first == NULL ? choice : first;
        count++;
    }
    if (count > 0)
        td_log_emit(run->options->log, TD_LOG_WARNING,
                    "books of %s are from other topics than usual: of feed %s, %s, %s was not "
                    "recorded, %s is the deepest that was",
                    format_counted(count, "symbol").text, first->feed, first->symbol,
                    first->market->book_topic, first->row->name);
}

/* What has no place in the files. */
static void log_rest(const export_run_state *run)
{
    const export_options *options = run->options;
    log_left_out(run);
    if (run->manifest.foreign_frames > 0)
        td_log_emit(options->log, TD_LOG_WARNING,
                    "%llu frames are of families that %s does not have: left out",
                    (unsigned long long)run->manifest.foreign_frames, options->spec->format->name);
}

/* In the reverse order of opening, and good for what was not opened at all. */
static void close_run(export_run_state *run)
{
    player_close(run->player); /* its streams are known to the tape's channels */
    run->options->spec->format->close(run->writer);
    cursor_close(run->tape);
    export_choices_fini(&run->choices);
    export_manifest_fini(&run->manifest);
    export_folder_close(run->folder);
}

td_result export_run(const export_options *options, export_result *out, td_err *err)
{
    TD_ASSERT(options->threads >= 1);
    TD_ASSERT(options->spec->format != NULL);
    export_run_state run = {.options = options};
    td_result rc =
        export_folder_open(options->io, options->folder, options->overwrite, &run.folder, err);
    if (rc == TD_OK)
        rc = scan(&run, err);
    if (rc == TD_OK) {
        log_choices(&run);
        open_player(&run);
    }
    if (rc == TD_OK)
        rc = export_manifest_begin(&run.manifest, run.folder, options->spec, options->archive,
                                   options->wanted, cursor_get_window(run.tape),
                                   cursor_get_lead_from_ns(run.tape), err);
    if (rc == TD_OK)
        rc = play(&run, err);
    if (rc == TD_OK && run.frames > 0 && options->spec->depth != 0 && run.choices.count == 0)
        rc = no_depth(&run, err);
    if (rc == TD_OK && run.useful_frames == 0)
        rc = refuse_empty(&run, err);
    if (rc == TD_OK) {
        log_rest(&run);
        rc = conclude(&run, out, err);
    }
    close_run(&run);
    return rc;
}
