/* tapedeck-replay: replays, shows, serves, exports and cuts selections of an archive, and tests
 * decoders against it. */

#include "base/cli/verbs.h"
#include "verbs/cmds.h"

static const verb_row VERBS[] = {
    {"replay", CMD_REPLAY_SUMMARY, cmd_replay, NULL},
    {"when", CMD_WHEN_SUMMARY, cmd_when, NULL},
    {"why", CMD_WHY_SUMMARY, cmd_why, NULL},
    {"view", CMD_VIEW_SUMMARY, cmd_view, NULL},
    {"serve", CMD_SERVE_SUMMARY, cmd_serve, NULL},
    {"export", CMD_EXPORT_SUMMARY, cmd_export, NULL},
    {"plan", CMD_PLAN_SUMMARY, cmd_plan, NULL},
    {"cut", CMD_CUT_SUMMARY, cmd_cut, NULL},
    {"diff", CMD_DIFF_SUMMARY, cmd_diff, NULL},
    {"regress", CMD_REGRESS_SUMMARY, cmd_regress, NULL},
    {"drift", CMD_DRIFT_SUMMARY, cmd_drift, NULL},
};

static const verb_table TABLE = {
    .program = "tapedeck-replay",
    .summary = "Replays, serves and exports recordings, and tests decoders against them.",
    .rows = VERBS,
    .row_count = sizeof VERBS / sizeof *VERBS,
};

int main(int argc, char **argv)
{
    return verbs_main(&TABLE, argc, argv);
}
