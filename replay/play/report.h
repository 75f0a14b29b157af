/* What a replay found, as a plain struct, and its description for programs (`replay --json`) and
 * for people. One thread, after player_finish. */
#ifndef TD_PLAY_REPORT_H
#define TD_PLAY_REPORT_H

#include <stdint.h>

#include "base/err.h"
#include "base/cli/result.h"
#include "archive/gap.h"
#include "replay/play/absence.h"
#include "replay/play/pacer.h"
#include "replay/play/player.h"
#include "tape/selection.h"
#include "tape/cursor.h"

typedef struct replay_report {
    player_totals totals;
    const stream_table *streams;                        /* the player's */
    uint64_t rules[STRENGTH_STATISTIC + 1][RULE_COUNT]; /* how often each was broken */
    const stream *violated;  /* of streams: that in which a rule was broken first, or NULL */
    const stream *undecoded; /* likewise: a frame could not be decoded */
    audit_stats audits;
    char digests[DIGEST_PARTS][TD_HASH128_HEX_BYTES]; /* "": the player made none */
    gap_list gaps;                                    /* those that touch the selection */
    uint64_t uncovered_gaps;
    absence_list absences; /* of what was selected; fini frees it */
    cursor_stats tape;
    const pacer *pace; /* has the speed, and how late frames were */
    unsigned workers_busy_max;
    uint64_t elapsed_ns;
    uint8_t is_stopped; /* 1: ended before the tape did (signal, key, a reader that left) */
} replay_report;

typedef enum replay_verdict {
    REPLAY_COMPLETE,   /* played to the end; no rule broken, all decoded, no uncovered gap, nothing
                          absent */
    REPLAY_INCOMPLETE, /* one of these */
    REPLAY_DAMAGED,    /* stored frames could not be read */
} replay_verdict;

/* Gather what a finished player found; pacer, borrowed, may be NULL if the report is not described.
 * Fill in elapsed_ns and tape besides. The report is valid until the player closes. */
void report_init_replay(replay_report *report, const player *player, const pacer *pacer);
void report_fini_replay(replay_report *report);

/* Add those of the archive's gaps that touch what was selected to those that audits found. Once. */
void report_add_gaps(replay_report *report, const gap_list *all, const selection *wanted,
                     selection_window window);

replay_verdict report_verdict(const replay_report *report);

/* A row of the ledger as an object of a list: every member in JSON (archive/gap.h), and for people
 * reason, from, to, lasted, feed, line, shard, conn, topic, symbol, lost, covered_by,
 * cause, and detail, which is the cause without one. */
void report_describe_gap(result_writer *r, const gap_row *row, const char *pattern);

/* The best level of a side as two members; null if it has none, which is no fault before the first
 * snapshot. */
void report_describe_best(result_writer *r, const char *price_name, const char *size_name,
                          const book *b, msg_side side);

/* The report as a result, for programs and for people without the manual: docs/replay.md
 * explains each field. People see the digests if is_verbose. */
void report_describe(const replay_report *report, int is_verbose, result_writer *r);

#endif
