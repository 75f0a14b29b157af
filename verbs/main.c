/* tapedeck: the front. It has the archive's verbs itself and hands the others to the programs that
 * know them, so that a capture host need not carry replay code. */
#include "import/cmd_import.h"
#include "verbs/cmds.h"
#include "cli/verbs.h"

static const verb_row VERBS[] = {
    {"record", "capture live feeds into an archive", NULL, "tapedeck-record"},
    {"import", "import captures of other tools into an archive", cmd_import, NULL},
    {"replay", "run a selection through decoders and order books, and report", NULL,
     "tapedeck-replay"},
    {"serve", "replay a selection as a WebSocket server", NULL, "tapedeck-replay"},
    {"export", "export a selection as CSV files or JSON lines", NULL, "tapedeck-replay"},
    {"info", "summarize an archive", cmd_info, NULL},
    {"ls", "list the segments of an archive", cmd_ls, NULL},
    {"cat", "print the frames of an archive", cmd_cat, NULL},
    {"gaps", "list the gaps in a recording, with their reasons", cmd_gaps, NULL},
    {"verify", "check every byte of an archive", cmd_verify, NULL},
    {"recover", "finish the segments that a crash left open", cmd_recover, NULL},
    {"prune", "remove old segments, by age, size or feed", cmd_prune, NULL},
    {"reindex", "rebuild the catalog", cmd_reindex, NULL},
    {"dump-catalog", "print the catalog as text", cmd_dump_catalog, NULL},
    {"decode", "decode frames to typed JSON", cmd_decode, NULL},
    {"topics", "list the topics that can be decoded", cmd_topics, NULL},
    {"sim", "run a simulated exchange", NULL, "tapedeck-sim"},
};

int main(int argc, char **argv)
{
    static const verb_table TABLE = {
        .program = "tapedeck",
        .summary = "Recorder, replayer and archive for Bybit WebSocket feeds.",
        .rows = VERBS,
        .row_count = sizeof VERBS / sizeof VERBS[0],
    };
    return verbs_main(&TABLE, argc, argv);
}
