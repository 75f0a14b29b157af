#include "verbs/cmds.h"

#include "archive/ledger.h"
#include "verbs/verb_run.h"
#include "replay/condition.h"
#include "replay/last_frame.h"

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

/* Describe the first match at once, because its book belongs to the player; then end. */
static td_result describe_found(void *user)
{
    verb_run *verb = user;
    const when_command *command = verb->state;
    progress_end(&verb->progress);
    result_object_begin(&verb->result, NULL);
    last_frame_describe(&command->last, &verb->result, "found");
    result_object_end(&verb->result, "{found}");
    return TD_EOF;
}

static td_result describe_none(verb_run *verb, int is_damaged)
{
    const when_command *command = verb->state;
    if (!command->last.is_set && !is_damaged)
        return verb_run_why_empty(verb);
    result_object_begin(&verb->result, NULL);
    result_null(&verb->result, "found");
    result_object_end(&verb->result, "no frame of the selection meets the condition\n");
    verb->status = is_damaged ? EXIT_CODE_DAMAGE : EXIT_CODE_DIFFERS;
    return TD_OK;
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
    const observe_options how = verb_run_observing(verb);
    td_result rc = verb_run_window(verb, &wanted, &window);
    if (rc == TD_OK)
        rc = archive_gaps(verb->archive, &ledger, &verb->err);
    conditions_add_gaps(&command->wanted, &ledger, &wanted, window);
    if (rc == TD_OK)
        rc = observe_tape(&how, &wanted, (cursor_options){.with_lead_in = 1},
                          last_frame_observer(last, &ledger), &stats, NULL, &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_OK && last->condition == NULL)
        rc = describe_none(verb, cursor_is_damaged(&stats));
    last_frame_fini(last);
    gap_list_fini(&ledger);
    return rc;
}

exit_code cmd_when(const verb_context *context, int argc, char **argv)
{
    when_command command = {0};
    const verb_spec spec = {
        .name = "when",
        .summary = "Find the first frame of a recording that meets a condition, with the "
                   "book\nafter it. The conditions are the same as for 'replay --break'.",
        .operands = "[ARCHIVE] CONDITION",
        .operand_min = 1,
        .operand_max = 1,
        .statuses = {[EXIT_CODE_DONE] = "found",
                     [EXIT_CODE_DIFFERS] = "no frame of the selection meets the condition",
                     [EXIT_CODE_DAMAGE] = "not found, and stored frames are damaged"},
        .examples = "tapedeck when DIR 'spread > 5' --symbol BTCUSDT\n"
                    "tapedeck when DIR 'rule=crossed' --from 2026-11-22T03:00\n"
                    "tapedeck when DIR gap",
        .takes = VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS | VERB_TAKES_JSON |
                 VERB_STOPS,
        .mode = ARCHIVE_READ,
        .check = check,
        .work = run};
    exit_code status = verb_run_all(&spec, &command, context, argc, argv);
    conditions_fini(&command.wanted);
    return status;
}
