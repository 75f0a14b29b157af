#include "verbs/cmds.h"

#include "archive/ledger.h"
#include "verbs/verb_run.h"
#include "replay/condition.h"
#include "replay/last_frame.h"

typedef struct when_flags {
    uint64_t limit;
} when_flags;

static const option_row WHEN_ROWS[] = {
    {.short_name = 'n',
     .long_name = "max-frames",
     OPTION_INTO(when_flags, limit),
     .metavar = "N",
     .help = "find up to N frames (default: 1); with more than 1, --json leaves out the levels of "
             "books",
     .min = 1},
};

typedef struct when_command {
    when_flags flags;
    conditions wanted;
    last_frame last;
    uint64_t found; /* frames that were printed */
} when_command;

static td_result check(verb_run *verb)
{
    when_command *command = verb->state;
    return conditions_add(&command->wanted, verb->operands.items[0], clock_wall_ns(verb->clock),
                          &verb->err);
}

/* Describe a match at once, because its book belongs to the player. */
static td_result describe_found(void *user)
{
    verb_run *verb = user;
    when_command *command = verb->state;
    progress_end(&verb->progress);
    result_object_begin(&verb->result, NULL);
    last_frame_describe(&command->last, &verb->result, "found",
                        command->flags.limit == 1 ? LAST_FRAME_LEVELS : LAST_FRAME_BEST);
    result_object_end(&verb->result, "{found}");
    output_flush(&verb->output); /* the next match may be far away */
    command->found++;
    return command->found == command->flags.limit || output_is_broken(&verb->output) ? TD_EOF
                                                                                     : TD_OK;
}

static td_result describe_none(verb_run *verb)
{
    result_object_begin(&verb->result, NULL);
    result_null(&verb->result, "found");
    result_object_end(&verb->result, "no frame of the selection meets the condition\n");
    verb->status = EXIT_CODE_DIFFERS;
    return TD_OK;
}

/* The whole selection was read: fewer frames than wanted meet the condition. */
static td_result end_tape(verb_run *verb, const cursor_stats *stats)
{
    const when_command *command = verb->state;
    int is_damaged = cursor_is_damaged(stats);
    td_result rc = TD_OK;
    if (command->found == 0)
        rc = command->last.is_set || is_damaged ? describe_none(verb) : verb_run_why_empty(verb);
    if (is_damaged)
        verb->status = EXIT_CODE_DAMAGE;
    return rc;
}

static td_result run(verb_run *verb)
{
    when_command *command = verb->state;
    last_frame *last = &command->last;
    selection wanted = verb->wanted;
    selection_window window;
    cursor_stats stats;
    gap_list ledger = {0};
    last_frame_init(last);
    last->conditions = &command->wanted;
    last->is_met = describe_found;
    last->user = verb;
    last->keeps_before = verb->json.is_json && command->flags.limit == 1;
    last->is_narrow = wanted.feeds.count > 0 || wanted.topics.count > 0;
    observe_options how = verb_run_observing(verb);
    how.player = &last->player;
    how.tape = &last->tape;
    td_result rc = verb_run_window(verb, &wanted, &window);
    if (rc == TD_OK)
        rc = archive_gaps(verb->archive, &ledger, &verb->err);
    conditions_add_gaps(&command->wanted, &ledger, &wanted, window);
    if (rc == TD_OK)
        rc = observe_tape(&how, &wanted, (cursor_options){.states = TAPE_STATES_AUDITED},
                          last_frame_observer(last, &ledger), &stats, NULL, &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_OK && command->found < command->flags.limit)
        rc = end_tape(verb, &stats);
    last_frame_fini(last);
    gap_list_fini(&ledger);
    return rc;
}

exit_code cmd_when(const verb_context *context, int argc, char **argv)
{
    when_command command = {.flags.limit = 1};
    const verb_spec spec = {
        .name = "when",
        .summary = "Find the first frame of a recording that meets a condition, with the "
                   "book\nafter it, or the first N. The conditions are the same as for 'replay "
                   "--break'.",
        .operands = "[ARCHIVE] CONDITION",
        .operand_min = 1,
        .operand_max = 1,
        .statuses = {[EXIT_CODE_DONE] = "found",
                     [EXIT_CODE_DIFFERS] = "no frame of the selection meets the condition",
                     [EXIT_CODE_DAMAGE] = "fewer than N were found, and stored frames are damaged"},
        .examples = "tapedeck when DIR 'spread > 5' --symbol BTCUSDT\n"
                    "tapedeck when DIR 'rule=crossed' --from 2026-11-22T03:00\n"
                    "tapedeck when DIR 'rule=*' --max-frames 1000 --json\n"
                    "tapedeck when DIR gap",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON | VERB_STOPS,
        .own = {{"Search", WHEN_ROWS, sizeof WHEN_ROWS / sizeof *WHEN_ROWS, &command.flags}},
        .mode = ARCHIVE_READ,
        .check = check,
        .work = run};
    exit_code status = verb_run_main(&spec, &command, context, argc, argv);
    conditions_fini(&command.wanted);
    return status;
}
