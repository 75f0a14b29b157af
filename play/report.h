/* What a replay found, put together: for programs (`replay --json`) and for people. The library
 * part of the verb; printing is the verb's. One thread, after player_finish. */
#ifndef TD_PLAY_REPORT_H
#define TD_PLAY_REPORT_H

#include <stdint.h>

#include "base/err.h"
#include "cli/result.h"
#include "archive/gap.h"
#include "play/absence.h"
#include "play/pacer.h"
#include "play/player.h"
#include "tape/selection.h"
#include "tape/tape.h"

typedef struct replay_report {
    const player *player; /* finished; borrowed */
    const pacer *pacer;   /* borrowed */
    player_totals totals;
    char digests[DIGEST_PARTS][TD_HASH128_HEX_BYTES];
    gap_list gaps; /* those that touch the selection */
    uint64_t uncovered_gaps;
    absence_list absences; /* of what was selected; fini frees it */
    tape_stats tape;
    uint64_t elapsed_ns;
    uint8_t is_stopped; /* 1: ended before the tape did (signal, key, a reader that left) */
} replay_report;

typedef enum replay_verdict {
    REPLAY_COMPLETE,   /* played to the end; no rule broken, all decoded, no uncovered gap, nothing
                          absent */
    REPLAY_INCOMPLETE, /* one of these */
    REPLAY_DAMAGED,    /* stored frames could not be read */
} replay_verdict;

/* Gather totals and digests from a finished player. Fill in elapsed_ns and tape besides.
 */
void report_init_replay(replay_report *report, const player *player, const pacer *pacer);
void report_fini_replay(replay_report *report);

/* Keep those of the archive's gaps that touch what was selected, and add what audits found missing
 * while it was played. Once. */
void report_add_gaps(replay_report *report, const gap_list *all, const selection *wanted,
                     selection_window window);

replay_verdict report_verdict(const replay_report *report);

/* How often a rule of that strength was broken, over all streams. */
uint64_t report_rule_count(const replay_report *report, rule_strength strength, rule_id rule);

/* The stream that broke a rule first, or NULL; and the one whose frame could first not be decoded.
 */
const stream *report_first_violation(const replay_report *report);
const stream *report_first_undecoded(const replay_report *report);

/* The report as a result, for programs and for people without the manual: docs/replay.md
 * explains each field. */
TD_MUST_USE td_result report_describe(const replay_report *report, result_writer *r, td_err *err);

#endif
