#include "verbs/cmds.h"

static const verb_row VERBS[] = {
    {"learn", "propose documents for a capture that no family describes", cmd_family_learn, NULL},
};

static const verb_gone GONE[] = {{"check", "'tapedeck drift --rules' replaces it"}};

static const verb_table TABLE = {
    .program = "tapedeck family",
    .summary = "Work on documents of families (docs/families.md).",
    .rows = VERBS,
    .row_count = sizeof VERBS / sizeof *VERBS,
    .gone = GONE,
    .gone_count = sizeof GONE / sizeof *GONE,
};

exit_code cmd_family(const verb_context *context, int argc, char **argv)
{
    return verbs_below(&TABLE, context, argc, argv);
}
