/* tapedeck-record: captures live feeds into an archive. It is a separate program so that a capture
 * host needs no replay code. */
#include "verbs/cmds.h"

static const verb_row VERBS[] = {
    {.name = "record", .summary = CMD_RECORD_SUMMARY, .run = cmd_record},
    {.name = "tap", .summary = CMD_TAP_SUMMARY, .run = cmd_tap},
    {.name = "ctl", .summary = CMD_CTL_SUMMARY, .run = cmd_ctl},
};

int main(int argc, char **argv)
{
    static const verb_table TABLE = {
        .program = "tapedeck-record",
        .summary = "Captures exchange WebSocket feeds, byte for byte, into an archive.",
        .rows = VERBS,
        .row_count = sizeof VERBS / sizeof VERBS[0],
    };
    return verbs_main(&TABLE, argc, argv);
}
