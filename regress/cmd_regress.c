#include "regress/cmd_regress.h"

#include "regress/cmd_check.h"
#include "regress/cmd_save.h"

static const verb_row VERBS[] = {
    {"save", CMD_REGRESS_SAVE_SUMMARY, cmd_regress_save, NULL},
    {"check", CMD_REGRESS_CHECK_SUMMARY, cmd_regress_check, NULL},
    {"diff", CMD_REGRESS_DIFF_SUMMARY, cmd_regress_diff, NULL},
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
