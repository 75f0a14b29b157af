#include "verbs/cmds.h"

static const verb_row VERBS[] = {
    {"save", "save the decode of every frame as a baseline", cmd_regress_save, NULL},
    {"check", "compare an archive's decode with a baseline, or two decoders", cmd_regress_check,
     NULL},
};

static const verb_table TABLE = {
    .program = "tapedeck regress",
    .summary = "Test decoders with recorded traffic: does a change of the code change what a\n"
               "frame is decoded to, or the order book after it?",
    .rows = VERBS,
    .row_count = sizeof VERBS / sizeof *VERBS,
};

exit_code cmd_regress(const verb_context *context, int argc, char **argv)
{
    return verbs_below(&TABLE, context, argc, argv);
}
