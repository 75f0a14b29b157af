#include "verbs/cmds.h"

#include <stddef.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/time_text.h"
#include "base/cli/terminal.h"
#include "base/cli/units.h"
#include "archive/ledger.h"
#include "replay/condition.h"
#include "replay/last_frame.h"
#include "replay/play/keyboard.h"
#include "replay/play/pacer.h"
#include "replay/play/player.h"
#include "replay/play/report.h"
#include "verbs/verb_run.h"
#include "replay/screen.h"
#include "replay/sink_jsonl.h"
#include "tape/empty_selection.h"
#include "tape/cursor.h"

#define IDLE_SLICE_NS (200 * TD_NS_PER_MS)
#define DRAW_EVERY_NS (100 * TD_NS_PER_MS)

/* Longer waits for the next frame are shown. */
#define LONG_WAIT_NS (5 * TD_NS_PER_S)

typedef struct replay_flags {
    const char *speed;
    uint64_t gap_ns_max;
    uint8_t is_paused;
    uint8_t is_looping;
    options_list breaks;
    uint8_t with_messages;
} replay_flags;

static const option_row REPLAY_ROWS[] = {
    {.long_name = "speed",
     OPTION_INTO(replay_flags, speed),
     .metavar = "N",
     .help = "1: as recorded; 10: ten times as fast; 0.5: half as fast; max: without waiting\n"
             "(default: max)"},
    {.long_name = "max-gap",
     .type = OPTION_DURATION,
     .offset = offsetof(replay_flags, gap_ns_max),
     .metavar = "DURATION",
     .help = "shorten longer stretches without a frame to this length",
     .min = 1},
    {.long_name = "start-paused",
     OPTION_INTO(replay_flags, is_paused),
     .help = "pause before the first frame; needs a terminal"},
    {.long_name = "loop",
     OPTION_INTO(replay_flags, is_looping),
     .help = "begin again at the end, until a key or a signal ends it"},
    {.long_name = "break",
     OPTION_INTO(replay_flags, breaks),
     .metavar = "CONDITION",
     .help = "pause after a frame that meets this condition: 'rule=crossed', gap,\n"
             "'topic=publicTrade price>=60000', 'symbol=BTCUSDT spread>5',\n"
             "'time>=2026-11-22T03:12' (may be repeated). Without a terminal the replay ends\n"
             "there"},
    {.long_name = "messages",
     OPTION_INTO(replay_flags, with_messages),
     .help = "print each frame as a typed message, one JSON object per line, instead of\n"
             "the report"},
};

/* A cursor over the selection or its last part, and the player of the cursor's frames. */
typedef struct replay_tape {
    cursor *cursor;
    player *player;
} replay_tape;

/* State of one run. `tape` plays each frame once, and the report is about `tape`. To go back,
 * `earlier` is opened at an earlier position and shown until it reaches the position of `tape`. */
typedef struct replay_command {
    verb_run *verb;
    replay_flags flags;
    pacer_speed speed;
    replay_tape tape;
    replay_tape earlier;    /* the tape that was opened last to go back */
    replay_tape *current;   /* `tape` or `earlier` */
    sink_jsonl_lines lines; /* for --messages */
    uint8_t has_quit;       /* a key ended the replay */
    pacer pacer;
    pacer_marks marks;
    keyboard *keyboard; /* NULL: no terminal */
    gap_list ledger;
    conditions breaks;
    last_frame last; /* used with --break or a screen */
    uint8_t has_screen;
    uint64_t drawn_frames; /* the number of frames when the screen was last drawn */
    uint64_t started_ns;
} replay_command;

/* ---- while it plays ---- */

static void release_terminal(void *user, int is_released)
{
    const replay_command *command = user;
    keyboard_release(command->keyboard, is_released);
}

static int is_stopped(const replay_command *command)
{
    return command->has_quit || stop_signal_arrived(command->verb->signals);
}

/* Redraw at most a few times per second, and after each step. */
static void draw_screen(replay_command *command, uint64_t now_ns)
{
    const pacer *p = &command->pacer;
    verb_run *verb = command->verb;
    screen_view view = {p, &command->last, &command->breaks.gaps, {p->first_ns, p->first_ns}};
    int is_step = p->is_paused && p->frames != command->drawn_frames;
    if (!is_step && !progress_is_due(&verb->progress, now_ns))
        return;
    (void)verb_run_part(verb, now_ns, p->recv_ns); /* sets verb->segments */
    for (size_t i = 0; i < verb->segment_count; i++)
        if (verb->segments[i].span.to_ns > view.tape.to_ns)
            view.tape.to_ns = verb->segments[i].span.to_ns;
    screen_draw(&verb->output, &view);
    command->drawn_frames = p->frames;
    verb->progress.next_mono_ns = now_ns + DRAW_EVERY_NS;
}

/* Show progress, only on a terminal, and at most a few times per second. */
static void show_progress(replay_command *command, uint64_t now_ns)
{
    if (command->has_screen) {
        draw_screen(command, now_ns);
        return;
    }
    if (!progress_is_due(&command->verb->progress, now_ns))
        return;
    char when[TD_TIME_TEXT_BYTES];
    char speed[TD_DECIMAL_TEXT_BYTES];
    char elapsed[TD_TIME_TEXT_BYTES];
    td_time_format_ms(command->pacer.recv_ns, when);
    uint64_t wait_ns = pacer_wait_ns(&command->pacer);
    if (wait_ns >= LONG_WAIT_NS) {
        td_duration_format(wait_ns, elapsed);
        progress_show(&command->verb->progress, now_ns, "waiting %s until %s%s", elapsed, when,
                      command->keyboard == NULL ? "" : "; press f to skip");
        return;
    }
    pacer_speed_format(command->pacer.options.speed, speed);
    td_duration_format(now_ns - command->started_ns, elapsed);
    uint64_t rate = rate_update(&command->verb->rate, now_ns, command->pacer.frames);
    const unit_text part = verb_run_part(command->verb, now_ns, command->pacer.recv_ns);
    const int has_keys = command->keyboard != NULL;
    progress_show(&command->verb->progress, now_ns, "%s%s%s  speed %s%s  %s/s  %s  %s%s%s%s",
                  part.text, part.text[0] == '\0' ? "" : "  ", when, speed,
                  command->pacer.is_paused ? "  paused" : "", format_counted(rate, "frame").text,
                  elapsed, format_counted(command->pacer.frames, "frame").text,
                  has_keys ? "  [" : "", has_keys ? control_list_keys("").text : "",
                  has_keys ? "]" : "");
}

/* Read and obey keys. The quit key has the effect of a signal. */
static pacer_answer read_keys(replay_command *command, uint64_t wait_ns)
{
    const control_command *keys[KEYBOARD_COMMANDS_MAX];
    size_t count = keyboard_wait(command->keyboard, wait_ns, keys);
    pacer_answer answer = PACER_GO;
    for (size_t i = 0; i < count && answer == PACER_GO; i++)
        answer = control_apply(&command->pacer, keys[i], &keys[i]->value);
    command->has_quit |= answer == PACER_STOP;
    return answer;
}

/* The pacer's idle function: read keys, check whether to stop. */
static pacer_answer idle_wait(void *ctx, uint64_t mono_ns)
{
    replay_command *command = ctx;
    if (is_stopped(command))
        return PACER_STOP;
    uint64_t now_ns = clock_mono_ns(command->verb->clock);
    show_progress(command, now_ns);
    uint64_t end_ns = mono_ns < now_ns + IDLE_SLICE_NS ? mono_ns : now_ns + IDLE_SLICE_NS;
    if (command->keyboard != NULL && end_ns > now_ns)
        return read_keys(command, end_ns - now_ns);
    clock_sleep_until(command->verb->clock, end_ns);
    return PACER_GO;
}

static int on_progress(void *user, uint64_t frames, uint64_t recv_ns)
{
    replay_command *command = user;
    (void)frames;
    (void)recv_ns;
    if (is_stopped(command))
        return 1;
    show_progress(command, clock_mono_ns(command->verb->clock));
    return command->keyboard != NULL && read_keys(command, 0) == PACER_STOP;
}

/* ---- opening ---- */

/* Keys need a terminal for both input and output. */
static int has_terminal(const replay_command *command)
{
    return command->verb->progress.is_shown && isatty(STDIN_FILENO);
}

/* Check what can be checked before the archive is opened. */
static td_result check_flags(verb_run *verb)
{
    replay_command *command = verb->state;
    td_err *err = &verb->err;
    command->verb = verb;
    if (verb->json.is_json && command->flags.with_messages)
        return td_err_set(err, TD_E_INVALID,
                          "--json and --messages both print on standard output: give one of them");
    if (entry_options_are_given(&verb->entries) && !command->flags.with_messages)
        return td_err_set(err, TD_E_INVALID,
                          "--price and --size need --messages: they select its lines");
    if (command->flags.is_paused && !has_terminal(command))
        return td_err_set(err, TD_E_INVALID,
                          "--start-paused: nothing can resume the replay without a terminal");
    for (size_t i = 0; i < command->flags.breaks.count; i++) {
        td_result rc = conditions_add(&command->breaks, command->flags.breaks.items[i],
                                      clock_wall_ns(verb->clock), err);
        if (rc != TD_OK)
            return td_err_add(err, rc, "--break");
    }
    td_result rc = pacer_speed_parse(command->flags.speed, &command->speed, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "--speed");
}

/* Open the pacer, and the keyboard if there is something to control. */
static td_result open_controls(replay_command *command, td_err *err)
{
    const pacer_options pacing = {.clock = command->verb->clock,
                                  .speed = command->speed,
                                  .gap_ns_max = command->flags.gap_ns_max,
                                  .marks = &command->marks,
                                  .spin_ns = PACER_SPIN_NS,
                                  .idle = {idle_wait, command}};
    pacer_init(&command->pacer, &pacing);
    if (command->flags.is_paused)
        pacer_pause(&command->pacer);
    int is_controllable =
        !command->speed.is_max || command->flags.is_paused || command->breaks.count > 0;
    if (!is_controllable || !has_terminal(command))
        return TD_OK;
    return keyboard_open(STDIN_FILENO, &command->keyboard, err);
}

/* Log the book of the frame's symbol, from another topic. */
static void log_symbol_book(const replay_command *command)
{
    char words[LAST_FRAME_WORDS_BYTES];
    char best[2][TD_DECIMAL_TEXT_BYTES];
    symbol_book of;
    if (!last_frame_symbol_book(&command->last, &of, words))
        return;
    for (msg_side side = SIDE_BUY; side <= SIDE_SELL && of.book != NULL; side++) {
        book_level level;
        (void)snprintf(best[side], sizeof best[side], "-"); /* fits */
        if (book_level_at(of.book, side, 0, &level))
            (void)td_decimal_format(level.price, best[side]); /* the length is not needed */
    }
    if (of.book == NULL)
        td_log_emit(&command->verb->log, TD_LOG_INFO, "no book: %s", words);
    else
        td_log_emit(&command->verb->log, TD_LOG_INFO, "%s there: bid %s, ask %s", of.topic,
                    best[SIDE_BUY], best[SIDE_SELL]);
}

/* Pause or stop at a frame that meets a --break condition, except during a seek. */
static td_result on_break(void *user)
{
    replay_command *command = user;
    const last_frame *last = &command->last;
    if (command->pacer.is_seeking)
        return TD_OK;
    if (command->keyboard != NULL) {
        pacer_pause(&command->pacer);
        return TD_OK;
    }
    const channel_info *channel = &last->frame.channel->info;
    char match[CONDITION_MATCH_BYTES];
    condition_match_format(last->met, match);
    td_log_emit(
        &command->verb->log, TD_LOG_INFO, "'%s'%s%s%s at frame %llu of connection %u of %s, %s %s",
        last->met->text, match[0] == '\0' ? "" : " (", match, match[0] == '\0' ? "" : ")",
        (unsigned long long)last->frame.ordinal, (unsigned)frame_own_conn(&last->frame)->number,
        channel->feed, channel->topic, channel->symbol);
    log_symbol_book(command);
    return TD_EOF;
}

static td_result print_message(void *user, const frame_ref *frame, uint64_t deadline_ns,
                               td_err *err)
{
    const replay_command *command = user;
    (void)err;
    return sink_jsonl_put(&command->lines, frame, deadline_ns);
}

static player *open_player(replay_command *command, cursor *tape)
{
    player_options options = {.workers = cursor_workers(tape),
                              .pacer = &command->pacer,
                              .progress = on_progress,
                              .user = command,
                              .without_digests = command->flags.with_messages};
    if (command->flags.with_messages) {
        command->lines =
            (sink_jsonl_lines){&command->verb->output, command->verb->entries, &command->pacer};
        options.due = print_message;
    }
    if (command->keyboard != NULL || command->breaks.count > 0)
        options.observer = last_frame_observer(&command->last, &command->ledger);
    options.observer.ledger = &command->ledger;
    return player_open(&options);
}

static td_result open_tape(replay_command *command, const selection *wanted, replay_tape *out,
                           td_err *err)
{
    const cursor_options reading = {.threads = threads_options_count(&command->verb->threads),
                                    .log = &command->verb->log,
                                    .reads = command->flags.with_messages ? TAPE_READS_ALL
                                                                          : TAPE_READS_MESSAGES,
                                    .states = TAPE_STATES_AUDITED};
    td_result rc = cursor_open(command->verb->archive, wanted, &reading, &out->cursor, err);
    if (rc == TD_OK)
        out->player = open_player(command, out->cursor);
    return rc;
}

static void close_tape(replay_tape *tape)
{
    player_close(tape->player); /* first: the cursor's channels point to the player's streams */
    cursor_close(tape->cursor);
    *tape = (replay_tape){0};
}

static td_result open_all(replay_command *command, td_err *err)
{
    last_frame_init(&command->last);
    command->last.conditions = &command->breaks;
    command->last.is_met = on_break;
    command->last.user = command;
    command->last.is_narrow =
        command->verb->wanted.feeds.count > 0 || command->verb->wanted.topics.count > 0;
    td_result rc = open_controls(command, err);
    if (rc == TD_OK)
        rc = archive_gaps(command->verb->archive, &command->ledger, err);
    if (rc == TD_OK)
        rc = open_tape(command, &command->verb->wanted, &command->tape, err);
    command->current = &command->tape;
    command->has_screen = command->keyboard != NULL &&
                          terminal_has_screen(STDOUT_FILENO, SCREEN_ROWS) &&
                          !command->flags.with_messages && !command->verb->json.is_json;
    if (rc == TD_OK && (command->has_screen || command->breaks.count > 0))
        conditions_add_gaps(&command->breaks, &command->ledger, &command->verb->wanted,
                            cursor_get_window(command->tape.cursor));
    return rc;
}

/* Close in reverse order; also after a partial open. */
static void close_all(replay_command *command)
{
    close_tape(&command->earlier);
    close_tape(&command->tape);
    keyboard_release(command->keyboard,
                     1); /* only released, because the signal thread may still use it */
    last_frame_fini(&command->last);
}

/* ---- afterwards ---- */

/* Find what is absent from the tape. Does nothing if only a part was played. Also does nothing
 * after damage, because damage is reported, and what seems absent may be in the damaged part. */
static td_result find_absences(const replay_command *command, replay_report *report, td_err *err)
{
    if (report->is_stopped || report_verdict(report) == REPLAY_DAMAGED)
        return TD_OK;
    if (report->totals.first_recv_ns == 0)
        return selection_why_empty(command->verb->archive, &command->verb->wanted, NULL, err);
    const selection_window window = cursor_get_window(command->tape.cursor);
    silent_list silent;
    td_result rc = silent_topics_find(command->verb->archive, NULL, NULL, &command->verb->wanted,
                                      window, &silent, err);
    report_add_silent(report, &silent);
    for (size_t i = 0; i < report->silent.count; i++)
        report->began_broken +=
            player_began_broken(command->tape.player, &report->silent.rows[i]) != TIME_IS_RIGHT;
    return rc != TD_OK
               ? rc
               : absence_find(command->verb->archive, &command->ledger, &command->verb->wanted,
                              window, player_streams(command->tape.player), &report->absences, err);
}

/* Collect results and print them; findings decide the status. */
static td_result conclude(replay_command *command, td_err *err)
{
    TD_ASSERT(command->tape.player != NULL);
    TD_ASSERT(clock_mono_ns(command->verb->clock) >= command->started_ns);
    replay_report report;
    report_init_replay(&report, command->tape.player, &command->pacer);
    report.elapsed_ns = clock_mono_ns(command->verb->clock) - command->started_ns;
    cursor_get_stats(command->tape.cursor, &report.tape);
    td_result rc = find_absences(command, &report, err);
    gap_list_join(&command->ledger, cursor_get_damage(command->tape.cursor));
    report_add_gaps(&report, &command->ledger, &command->verb->wanted,
                    cursor_get_window(command->tape.cursor));
    /* --messages alone uses standard output, so there is no report */
    if (rc == TD_OK && (!command->flags.with_messages || command->verb->json.is_json))
        report_describe(&report, command->verb->verbosity.is_verbose, &command->verb->result);
    static const exit_code STATUS[] = {[REPLAY_COMPLETE] = EXIT_CODE_DONE,
                                       [REPLAY_INCOMPLETE] = EXIT_CODE_DIFFERS,
                                       [REPLAY_DAMAGED] = EXIT_CODE_DAMAGE};
    command->verb->status = STATUS[report_verdict(&report)];
    report_fini_replay(&report);
    return rc;
}

/* Decide what to do when the player returns. At the end of the tape, keys may still go back. */
static pacer_answer next_run(replay_command *command)
{
    pacer *p = &command->pacer;
    if (is_stopped(command))
        return PACER_STOP;
    if (p->wants_rewind)
        return PACER_REWIND;
    if (command->current == &command->earlier)
        return PACER_GO;
    if (player_is_stopped(command->tape.player))
        return PACER_STOP;
    pacer_answer answer = pacer_end(p);
    int is_again = command->flags.is_looping && p->frames > 0 && !is_stopped(command);
    return answer == PACER_GO ? is_again ? PACER_REWIND : PACER_STOP : answer;
}

/* Open `earlier` at the last mark before the target. If no checkpoint precedes the mark, open it at
 * the beginning, so that frames get the same verdicts as before. */
static td_result open_earlier(replay_command *command, td_err *err)
{
    pacer *p = &command->pacer;
    const uint64_t to_ns = cursor_get_window(command->tape.cursor).to_ns;
    const pacer_mark *mark = pacer_find_mark(p);
    selection wanted = command->verb->wanted;
    TD_ASSERT(mark != NULL); /* a frame was played */
    if (command->current == &command->tape)
        p->frames_max = p->frames;
    last_frame_clear(&command->last);
    close_tape(&command->earlier);
    command->current = &command->earlier;
    selection_set_window(&wanted, (selection_window){mark->recv_ns, to_ns});
    td_result rc = open_tape(command, mark->frames > 0 ? &wanted : &command->verb->wanted,
                             command->current, err);
    if (rc == TD_OK && mark->frames > 0 &&
        !player_take_states(command->earlier.player, command->earlier.cursor)) {
        close_tape(&command->earlier);
        mark = command->marks.items;
        rc = open_tape(command, &command->verb->wanted, command->current, err);
    }
    pacer_rewind(p, mark);
    conditions_rewind(&command->breaks, mark->frames);
    command->verb->rate = (rate_window){0};
    return rc;
}

static td_result play_tape(replay_command *command, td_err *err)
{
    pacer *p = &command->pacer;
    for (;;) {
        command->last.player = command->current->player;
        command->last.tape = command->current->cursor;
        td_result rc = player_play(command->current->player, command->current->cursor, err);
        if (rc != TD_OK)
            return rc;
        pacer_answer next = next_run(command);
        if (next == PACER_STOP)
            return TD_OK;
        if (next == PACER_REWIND) {
            rc = open_earlier(command, err);
            if (rc != TD_OK)
                return rc;
            continue;
        }
        /* `earlier` has reached the position of `tape`. It stays open because its last frame is
         * still shown. */
        command->current = &command->tape;
        p->frames = p->frames_max;
        p->frames_max = 0;
        p->is_returning = 0;
    }
}

static td_result play(replay_command *command, td_err *err)
{
    command->started_ns = clock_mono_ns(command->verb->clock);
    td_result rc = open_all(command, err);
    if (rc != TD_OK)
        return rc;
    rc = play_tape(command, err);
    if (rc == TD_OK)
        rc = player_finish(command->tape.player, err);
    progress_end(&command->verb->progress);
    if (command->has_screen)
        screen_end(&command->verb->output);
    return rc == TD_OK ? conclude(command, err) : rc;
}

static td_result run(verb_run *verb)
{
    replay_command *command = verb->state;
    td_result rc = play(command, &verb->err);
    close_all(command);
    return rc;
}

exit_code cmd_replay(const verb_context *context, int argc, char **argv)
{
    replay_command command = {.flags = {.speed = "max"}};
    const verb_spec spec = {
        .name = "replay",
        .summary =
            "Run a recording through decoders and order books, check every frame, and report\n"
            "whether the recording is complete.",
        .statuses =
            {[EXIT_CODE_DONE] = "complete",
             [EXIT_CODE_DIFFERS] =
                 ("not complete: a rule was broken, a frame was not decoded, a gap, or a part that "
                  "was pruned or not subscribed, lies in the selection, a part of it was not "
                  "recorded, a book was not right "
                  "at its beginning or had no snapshot, a topic is silent that should send frames, "
                  "or the replay was stopped"),
             [EXIT_CODE_DAMAGE] = "stored frames are damaged: 'tapedeck verify' lists them",
             [EXIT_CODE_FAILED] = "nothing matches the selection, or the archive cannot be read"},
        .examples = "tapedeck replay DIR\n"
                    "tapedeck replay DIR --symbol BTCUSDT --from 2026-11-21 --json\n"
                    "tapedeck replay DIR --speed 10 --max-gap 5s --messages\n"
                    "tapedeck replay DIR --messages --topic publicTrade --price 60623.5\n"
                    "tapedeck replay DIR --speed 1 --loop --messages\n"
                    "tapedeck replay DIR --break 'rule=crossed'",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_ENTRIES |
                 VERB_TAKES_THREADS | VERB_TAKES_JSON | VERB_STOPS,
        .own = {{"Replay", REPLAY_ROWS, sizeof REPLAY_ROWS / sizeof *REPLAY_ROWS, &command.flags}},
        .mode = ARCHIVE_READ,
        .calls = {.release = release_terminal, .user = &command},
        .check = check_flags,
        .work = run};
    exit_code status = verb_run_main(&spec, &command, context, argc, argv);
    keyboard_close(command.keyboard);
    conditions_fini(&command.breaks);
    gap_list_fini(&command.ledger);
    return status;
}
