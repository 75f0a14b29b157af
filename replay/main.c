/* tapedeck-replay: what an archive is good for. Replays a selection through decoders and books,
 * serves it again, and makes datasets of it. */
#include "cli/verbs.h"
#include "export/cmd_export.h"
#include "replay/cmd_replay.h"
#include "serve/cmd_serve.h"

static const verb_row VERBS[] = {
    {"replay", "run a selection through decoders and order books; is it complete?", cmd_replay,
     NULL},
    {"serve", "replay a selection as a WebSocket server in the exchange's own dialect", cmd_serve,
     NULL},
    {"export", "datasets: CSV files, JSON lines", cmd_export, NULL},
};

static const verb_table TABLE = {
    .program = "tapedeck-replay",
    .summary = "Plays what tapedeck recorded.",
    .rows = VERBS,
    .row_count = sizeof VERBS / sizeof *VERBS,
};

int main(int argc, char **argv)
{
    return verbs_main(&TABLE, argc, argv);
}
