/* tapedeck: the front program. It runs the archive's verbs itself and executes the other programs
 * for the rest, so that a capture host needs no replay code. */
#include "verbs/cmds.h"
#include "base/cli/verbs.h"

static const verb_row VERBS[] = {
    {"record", CMD_RECORD_SUMMARY, NULL, "tapedeck-record"},
    {"tap", CMD_TAP_SUMMARY, NULL, "tapedeck-record"},
    {"ctl", CMD_CTL_SUMMARY, NULL, "tapedeck-record"},
    {"import", "import captures of other tools into an archive", cmd_import, NULL},
    {"merge", "merge the archives of two machines", cmd_merge, NULL},
    {"replay", CMD_REPLAY_SUMMARY, NULL, "tapedeck-replay"},
    {"when", CMD_WHEN_SUMMARY, NULL, "tapedeck-replay"},
    {"why", CMD_WHY_SUMMARY, NULL, "tapedeck-replay"},
    {"view", CMD_VIEW_SUMMARY, NULL, "tapedeck-replay"},
    {"serve", CMD_SERVE_SUMMARY, NULL, "tapedeck-replay"},
    {"export", CMD_EXPORT_SUMMARY, NULL, "tapedeck-replay"},
    {"plan", CMD_PLAN_SUMMARY, NULL, "tapedeck-replay"},
    {"cut", CMD_CUT_SUMMARY, NULL, "tapedeck-replay"},
    {"diff", CMD_DIFF_SUMMARY, NULL, "tapedeck-replay"},
    {"regress", CMD_REGRESS_SUMMARY, NULL, "tapedeck-replay"},
    {"drift", CMD_DRIFT_SUMMARY, NULL, "tapedeck-replay"},
    {"info", "summarize an archive", cmd_info, NULL},
    {"ls", "list the segments of an archive", cmd_ls, NULL},
    {"cat", "print the frames of an archive", cmd_cat, NULL},
    {"gaps", "list the gaps in a recording, with their reasons", cmd_gaps, NULL},
    {"days", "report how whole each symbol's recording of each day is", cmd_days, NULL},
    {"report", "write coverage, gaps and days as one HTML file", cmd_report, NULL},
    {"note", "keep notes about times of an archive", cmd_note, NULL},
    {"latency", "report how long requests about orders took", cmd_latency, NULL},
    {"verify", "check every byte of an archive", cmd_verify, NULL},
    {"recover", "finish the segments that a crash left open", cmd_recover, NULL},
    {"prune", "remove old segments, by age, size or feed", cmd_prune, NULL},
    {"push", "copy an archive to an S3 store", cmd_push, NULL},
    {"pull", "copy an archive from an S3 store", cmd_pull, NULL},
    {"pack", "rewrite finished segments in fewer bytes", cmd_pack, NULL},
    {"unpack", "rewrite packed segments as they were recorded", cmd_unpack, NULL},
    {"reindex", "rebuild the catalog", cmd_reindex, NULL},
    {"decode", "decode frames to typed JSON", cmd_decode, NULL},
    {"topics", "list the topics that can be decoded", cmd_topics, NULL},
    {"sim", CMD_SIM_SUMMARY, NULL, "tapedeck-sim"},
};

static const verb_gone GONE[] = {
    {"family", "'tapedeck drift --rules' replaces 'family check', and the script "
               "docs/examples/learn_family.py replaces 'family learn'"},
};

int main(int argc, char **argv)
{
    static const verb_table TABLE = {
        .program = "tapedeck",
        .summary = "Recorder, replayer and archive for exchanges' WebSocket feeds.",
        .rows = VERBS,
        .row_count = sizeof VERBS / sizeof VERBS[0],
        .gone = GONE,
        .gone_count = sizeof GONE / sizeof GONE[0],
    };
    return verbs_main(&TABLE, argc, argv);
}
