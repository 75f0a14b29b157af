#include "replay/cmd_when.h"

#include "play/player.h"
#include "play/verb_run.h"
#include "replay/condition.h"
#include "replay/last_frame.h"
#include "tape/cursor.h"

typedef struct when_command {
    conditions wanted;
    last_frame last;
} when_command;

static td_result check(verb_run *verb)
{
    when_command *command = verb->state;
    return conditions_add(&command->wanted, verb->operands.items[0], clock_wall_ns(verb->clock),
                          &verb->err);
}

static td_result end_there(void *user)
{
    (void)user;
    return TD_EOF;
}

/* In the order of the tape, so on one thread; others read ahead. */
static td_result find(verb_run *verb, cursor *tape, player **of)
{
    when_command *command = verb->state;
    const player_options playing = {.observer = last_frame_observer(&command->last),
                                    .without_digests = 1,
                                    .progress = verb_run_progress,
                                    .user = verb};
    td_result rc = conditions_load(&command->wanted, verb->archive, &verb->wanted,
                                   cursor_get_window(tape), &verb->err);
    *of = player_open(&playing);
    return rc == TD_OK ? player_play(*of, tape, &verb->err) : rc;
}

static td_result describe(verb_run *verb, const cursor *tape)
{
    const when_command *command = verb->state;
    result_writer *r = &verb->result;
    cursor_stats stats;
    cursor_get_stats(tape, &stats);
    int is_found = command->last.condition != NULL;
    if (!is_found && stop_signal_came(verb->signals))
        return td_err_set(&verb->err, TD_E_IO, "stopped before the end");
    if (!command->last.is_set && !cursor_is_damaged(&stats))
        return verb_run_why_empty(verb);
    result_object_begin(r, NULL);
    if (is_found)
        last_frame_describe(&command->last, r, "found");
    else
        result_null(r, "found");
    result_object_end(r, is_found ? "{found}" : "no frame of the selection meets it\n");
    if (!is_found)
        verb->status = cursor_is_damaged(&stats) ? EXIT_CODE_DAMAGE : EXIT_CODE_DIFFERS;
    return TD_OK;
}

static td_result run(verb_run *verb)
{
    when_command *command = verb->state;
    const cursor_options reading = {.threads = threads_options_count(&verb->threads),
                                    .log = &verb->log,
                                    .reads = TAPE_READS_MESSAGES,
                                    .with_lead_in = 1,
                                    .with_states = 1};
    cursor *tape = NULL;
    player *of = NULL;
    last_frame_init(&command->last);
    command->last.conditions = &command->wanted;
    command->last.is_met = end_there;
    td_result rc = cursor_open(verb->archive, &verb->wanted, &reading, &tape, &verb->err);
    if (rc == TD_OK)
        rc = find(verb, tape, &of);
    progress_end(&verb->progress);
    if (rc == TD_OK)
        rc = describe(verb, tape);
    player_close(of);
    cursor_close(tape);
    last_frame_fini(&command->last);
    return rc;
}

exit_code cmd_when(const verb_context *context, int argc, char **argv)
{
    when_command command = {0};
    const verb_spec spec = {
        .name = "when",
        .summary = "Find the first frame of a recording that meets a condition, with the book\n"
                   "after it. Conditions are those of 'replay --break'.",
        .operands = "CONDITION",
        .operand_min = 1,
        .operand_max = 1,
        .statuses = {[EXIT_CODE_DONE] = "found",
                     [EXIT_CODE_DIFFERS] = "no frame of the selection meets it",
                     [EXIT_CODE_DAMAGE] = "not found, and stored frames are damaged"},
        .examples = "tapedeck when -a DIR 'spread > 5' --symbol BTCUSD\n"
                    "tapedeck when -a DIR 'rule=crossed' --from 2026-11-22T03:00\n"
                    "tapedeck when -a DIR gap",
        .takes = VERB_TAKES_SELECTION | VERB_TAKES_THREADS | VERB_TAKES_JSON | VERB_STOPS,
        .mode = ARCHIVE_READ,
        .check = check,
        .work = run};
    exit_code status = verb_run_all(&spec, &command, context, argc, argv);
    conditions_fini(&command.wanted);
    return status;
}
