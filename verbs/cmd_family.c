#include "verbs/cmds.h"

static const verb_row VERBS[] = {
    {"check", "check documents of families against recorded traffic", cmd_family_check, NULL},
    {"learn", "propose documents for a capture that no family describes", cmd_family_learn, NULL},
};

static const verb_table TABLE = {
    .program = "tapedeck family",
    .summary = "Work on documents of families (docs/families.md).",
    .rows = VERBS,
    .row_count = sizeof VERBS / sizeof *VERBS,
};

exit_code cmd_family(const verb_context *context, int argc, char **argv)
{
    return verbs_below(&TABLE, context, argc, argv);
}
