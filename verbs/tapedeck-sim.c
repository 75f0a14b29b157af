/* tapedeck-sim: the simulated exchange. `tapedeck sim` executes this program. */
#include "base/cli/verbs.h"
#include "verbs/cmds.h"

static const verb_row VERBS[] = {
    {"sim", CMD_SIM_SUMMARY, cmd_sim, NULL},
};

int main(int argc, char **argv)
{
    static const verb_table TABLE = {
        .program = "tapedeck-sim",
        .summary = "A deterministic exchange for demos, tests and benchmarks.",
        .rows = VERBS,
        .row_count = sizeof VERBS / sizeof VERBS[0],
    };
    return verbs_main(&TABLE, argc, argv);
}
