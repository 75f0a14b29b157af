/* tapedeck cat: prints frames in the tape's order. */
#include <string.h>

#include "verbs/verb_run.h"
#include "verbs/cmds.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/cli/stop_signal.h"
#include "tape/cursor.h"
#include "tape/empty_selection.h"
#include "tape/message_line.h"

/* Interval between polls of a followed archive. A chunk is at most a second old when it becomes
 * durable, so this adds little. */
static const uint64_t FOLLOW_WAIT_NS = 200 * TD_NS_PER_MS;

typedef struct cat_options {
    uint8_t is_raw;
    uint8_t is_following;
    uint8_t with_events;
    uint64_t limit;
    const char *text; /* NULL: not given */
    int dir;          /* index into DIRS */
} cat_options;

static const char *const DIRS[] = {"all", "in", "out", "http", NULL};

static const option_row CAT_ROWS[] = {
    {.long_name = "raw",
     OPTION_INTO(cat_options, is_raw),
     .help = "print the exact bytes of each frame, then LF"},
    {.long_name = "follow",
     OPTION_INTO(cat_options, is_following),
     .help = "wait for new frames until interrupted"},
    {.long_name = "events",
     OPTION_INTO(cat_options, with_events),
     .help = "print the recorder's own events, too"},
    {.long_name = "dir",
     OPTION_INTO(cat_options, dir),
     .metavar = "DIR",
     .help = "only frames of this direction",
     .choices = DIRS},
    {.long_name = "text",
     OPTION_INTO(cat_options, text),
     .metavar = "TEXT",
     .help = "only frames whose bytes contain TEXT: an order id, a part of JSON as it was sent"},
    {.short_name = 'n',
     .long_name = "max-frames",
     OPTION_INTO(cat_options, limit),
     .metavar = "N",
     .help = "stop after N frames",
     .min = 1},
};

/* State of one run. */
typedef struct cat_run {
    verb_run *verb;
    cat_options options;
    stop_signal *signals; /* NULL: a signal ends the process */
    uint8_t has_frames;   /* a frame matched the selection, even if it is not printed */
} cat_run;

static void write_frame(output_stream *output, const frame_ref *frame)
{
    json_writer *json = output_json_begin(output);
    json_write_object_begin(json);
    frame_line(json, frame);
    json_write_object_end(json);
    output_json_end(output);
}

static int wants_dir(const cat_options *options, channel_dir dir)
{
    TD_ASSERT(options->dir >= 0);
    TD_ASSERT((size_t)options->dir < sizeof DIRS / sizeof DIRS[0] - 1);
    return options->dir == 0 || strcmp(DIRS[options->dir], channel_dir_name(dir)) == 0;
}

static int has_text(const cat_options *options, td_bytes bytes)
{
    return options->text == NULL || (bytes.size > 0 && memmem(bytes.data, bytes.size, options->text,
                                                              strlen(options->text)) != NULL);
}

static int wants_frame(const cat_run *run, const frame_ref *frame)
{
    const entry_options *entries = &run->verb->entries;
    return wants_dir(&run->options, frame->channel->info.dir) &&
           has_text(&run->options, frame->bytes) &&
           (!entry_options_are_given(entries) ||
            (frame->content.message != NULL &&
             message_has_entry(frame->content.message, &entries->price, &entries->size)));
}

/* 1 if no more is to be printed. A signal ends cat between two frames, never within a line. */
static int is_over(cat_run *run, uint64_t left)
{
    return left == 0 || output_is_broken(&run->verb->output) || stop_signal_arrived(run->signals);
}

/* Print the available frames. TD_EOF: no more frames for now, or enough were printed. */
static td_result print_frames(cat_run *run, cursor *from, uint64_t *left)
{
    output_stream *output = &run->verb->output;
    while (!is_over(run, *left)) {
        const frame_ref *frame;
        td_result rc = cursor_next(from, &frame, &run->verb->err);
        if (rc != TD_OK)
            return rc;
        run->has_frames = 1;
        if (!wants_frame(run, frame))
            continue;
        if (run->options.is_raw) {
            output_bytes(output, frame->bytes);
            output_bytes(output, td_bytes_str("\n"));
        } else {
            write_frame(output, frame);
        }
        TD_ASSERT(*left > 0);
        --*left;
    }
    return TD_EOF;
}

/* Wait until there are more frames. TD_EOF: stop. */
static td_result wait_for_more(cat_run *run, cursor *from, uint64_t left)
{
    td_clock clock = clock_real();
    while (run->options.is_following && !is_over(run, left)) {
        td_result rc = cursor_poll(from, &run->verb->err);
        if (rc != TD_EOF)
            return rc;
        clock_sleep_until(clock, clock_mono_ns(clock) + FOLLOW_WAIT_NS);
    }
    return TD_EOF;
}

/* Print all frames; with --follow, also new ones. */
static td_result print_all(cat_run *run, cursor *from)
{
    uint64_t left = run->options.limit == 0 ? UINT64_MAX : run->options.limit;
    td_result rc = TD_OK;
    while (rc == TD_OK) {
        rc = print_frames(run, from, &left);
        output_flush(&run->verb->output);
        if (rc == TD_EOF)
            rc = wait_for_more(run, from, left);
    }
    return rc == TD_EOF ? TD_OK : rc;
}

/* Run the verb. It handles signals only with --follow; otherwise a signal may simply end the
 * process. */
static td_result run_cat(verb_run *verb)
{
    cat_run *run = verb->state;
    cursor_options how = {.threads = threads_options_count(&verb->threads),
                          .log = &verb->log,
                          .reads = entry_options_are_given(&verb->entries) ? TAPE_READS_MESSAGES
                                                                           : TAPE_READS_FRAMES,
                          .with_events = run->options.with_events,
                          .is_following = run->options.is_following};
    cursor_stats stats = {0};
    cursor *from = NULL;
    td_result rc = TD_OK;
    run->verb = verb;
    if (run->options.is_following && archive_is_url(archive_path(verb->archive))) {
        rc = td_err_set(&verb->err, TD_E_UNSUPPORTED,
                        "--follow needs an archive's folder: nothing is appended to %s while it is "
                        "read",
                        archive_path(verb->archive));
        td_err_hint(&verb->err, "follow the archive that the recorder writes");
        return rc;
    }
    if (run->options.is_following) {
        stop_signal_block(0);
        rc = stop_signal_open(&(stop_signal_calls){0}, &run->signals, &verb->err);
    }
    if (rc == TD_OK && !run->options.is_following) /* else the names may be recorded later */
        rc = selection_check_each_name(verb->archive, &verb->wanted, &verb->err);
    if (rc == TD_OK)
        rc = cursor_open(verb->archive, &verb->wanted, &how, &from, &verb->err);
    if (rc == TD_OK) {
        rc = print_all(run, from);
        cursor_get_stats(from, &stats);
    }
    cursor_close(from);
    stop_signal_close(run->signals);
    if (cursor_is_damaged(&stats))
        verb->status = EXIT_CODE_DAMAGE;
    else if (rc == TD_OK && !run->has_frames && !run->options.is_following)
        rc = verb_run_why_empty(verb);
    return rc;
}

exit_code cmd_cat(const verb_context *context, int argc, char **argv)
{
    cat_run run = {0};
    const verb_spec spec = {
        .name = "cat",
        .summary = "Print the frames of a selection in order, one JSON object per line.",
        .statuses = {[EXIT_CODE_DAMAGE] = "stored frames are damaged; the others were printed"},
        .examples = "tapedeck cat archive --topic publicTrade --symbol BTCUSDT --raw\n"
                    "tapedeck cat archive --topic publicTrade --price 60623.5 --size 0.1..\n"
                    "tapedeck cat archive --text 1d28db3f -n 20\n"
                    "tapedeck cat archive --follow --topic 'orderbook.*'",
        .takes = VERB_TAKES_FAMILIES | VERB_TAKES_SELECTION | VERB_TAKES_ENTRIES |
                 VERB_TAKES_THREADS | VERB_TAKES_JSON,
        .own = {{"Frames", CAT_ROWS, sizeof CAT_ROWS / sizeof CAT_ROWS[0], &run.options}},
        .mode = ARCHIVE_READ,
        .work = run_cat};
    return verb_run_main(&spec, &run, context, argc, argv);
}
