/* tapedeck: the front. It has the archive's verbs itself and hands the others to the programs that
 * know them, so that a capture host need not carry replay code. */
#include "import/cmd_import.h"
#include "verbs/cmds.h"
#include "cli/verbs.h"

static const verb_row VERBS[] = {
    {"record", "capture live feeds into an archive", NULL, "tapedeck-record"},
    {"import", "take captures of other tools into an archive", cmd_import, NULL},
    {"replay", "run a selection through decoders and books, and report", NULL, "tapedeck-replay"},
    {"serve", "replay a selection as a WebSocket server", NULL, "tapedeck-replay"},
    {"export", "datasets out of a selection: CSV files, JSON lines", NULL, "tapedeck-replay"},
    {"info", "what an archive holds", cmd_info, NULL},
    {"ls", "its segments", cmd_ls, NULL},
    {"cat", "its frames", cmd_cat, NULL},
    {"gaps", "every discontinuity, with its reason", cmd_gaps, NULL},
    {"verify", "prove an archive sound", cmd_verify, NULL},
    {"recover", "close what a crash left open", cmd_recover, NULL},
    {"prune", "remove old segments: by age, by size, by feed", cmd_prune, NULL},
    {"reindex", "rebuild the catalog", cmd_reindex, NULL},
    {"dump-catalog", "the catalog's rows, as text", cmd_dump_catalog, NULL},
    {"decode", "frames on stdin to typed JSON", cmd_decode, NULL},
    {"topics", "what the schema knows", cmd_topics, NULL},
    {"sim", "a simulated exchange", NULL, "tapedeck-sim"},
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
