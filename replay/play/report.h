/* What a replay found, as a plain struct, and its description as JSON (`replay --json`) and as
 * text. One thread, after player_finish. */
#ifndef TD_PLAY_REPORT_H
#define TD_PLAY_REPORT_H

#include <stdint.h>

#include "base/cli/result.h"
#include "archive/gap.h"
#include "replay/play/absence.h"
#include "replay/play/pacer.h"
#include "replay/play/player.h"
#include "tape/selection.h"
#include "tape/silent_topics.h"

typedef struct replay_report {
    player_totals totals;
    const stream_table *streams;                        /* the player's */
    uint64_t rules[STRENGTH_STATISTIC + 1][RULE_COUNT]; /* how often each was broken */
    const stream *violated;  /* the stream in which a rule was broken first, or NULL */
    const stream *undecoded; /* the stream in which decoding failed first, or NULL */
    audit_stats audits;
    char digests[DIGEST_PARTS][TD_HASH128_HEX_BYTES]; /* "" if the player made no digests */
    gap_list gaps;                                    /* gaps that overlap the selection */
    uint64_t uncovered_gaps;                          /* of them, losses (gap_row_is_loss) */
    uint64_t pruned;                                  /* of them, stretches that were removed */
    uint64_t not_subscribed; /* of them, times in which the topic was not asked for */
    uint64_t began_broken;   /* streams whose state was not right when the selection began */
    uint64_t lacking; /* books without a right state at the end: no snapshot of them was used */
    absence_list absences; /* of the selection, or of the day; freed by report_fini_replay */
    silent_list silent;    /* topics that were asked for and sent nothing; freed likewise */
    size_t overdue;        /* of these, should have sent a frame */
    cursor_stats tape;
    const pacer *pace; /* has the speed, and how late frames were */
    unsigned workers_busy_max;
    uint64_t elapsed_ns;
    uint8_t is_stopped; /* 1: ended before the tape did (signal, key, closed output) */
} replay_report;

typedef enum replay_verdict {
    REPLAY_COMPLETE,   /* played to the end; no rule broken, all decoded, no possible copy, no
                          uncovered gap, nothing absent, no topic overdue, each book had a snapshot */
    REPLAY_INCOMPLETE, /* a condition of REPLAY_COMPLETE does not hold */
    REPLAY_DAMAGED,    /* stored frames could not be read */
} replay_verdict;

/* Gather what a finished player found. pacer is borrowed, and may be NULL if the report is not
 * described. The caller fills in elapsed_ns and tape. The report is valid until the player closes.
 */
void report_init_replay(replay_report *report, const player *player, const pacer *pacer);
void report_fini_replay(replay_report *report);

/* Join the archive's gaps that overlap the selection with the gaps that audits found, and count
 * again the books that no snapshot fitted in the window. */
void report_add_gaps(replay_report *report, const gap_list *all, const selection *wanted,
                     selection_window window);

/* Take the topics that were asked for in the window and sent nothing (*from becomes empty), note
 * which are proven by candles without a volume, and count the overdue ones. */
void report_add_silent(replay_report *report, silent_list *from);

/* 1 if the stream's topic, which speaks at once, was granted after its last frame: its state is not
 * known. */
int report_is_unanswered(const replay_report *report, const stream *of);

/* The verdict of the replay, from all findings. */
replay_verdict report_verdict(const replay_report *report);

/* Describe a row of the ledger as an object; name NULL: of a list. JSON has every member
 * (archive/gap.h); text has reason, from, to, lasted, feed, line, shard, conn, topic, symbol, lost,
 * covered_by, cause, and detail, which falls back to the cause. */
void report_describe_gap(result_writer *r, const char *name, const gap_row *row,
                         const char *pattern);

/* Describe its members in an object that the caller has begun. */
void report_describe_gap_members(result_writer *r, const gap_row *row);

/* Describe topics that were asked for and sent nothing in the window, as the list "silent", whose
 * text is SILENT_PATTERN; its objects have feed, topic, symbol, state, speaks, from_ns, to_ns,
 * proven and overdue. */
void report_describe_silent(result_writer *r, const silent_list *list);
#define SILENT_PATTERN                                                                             \
    "[{unproven?}\n  Asked for, and unproven, because no frame came:\n" SILENT_ROWS "]"
#define SILENT_ROWS "{silent}[    … and {more_silent} more: --json lists them\n]"

/* Describe the best level of a side as two members. They are null if the side is empty, as before
 * the first snapshot. */
void report_describe_best(result_writer *r, const char *price_name, const char *size_name,
                          const book *b, msg_side side);

/* Add the members line_copies and lines, as of replay. */
void report_describe_lines(result_writer *r, const line_stats *of);

/* Describe the report, in JSON and as text; docs/replay.md explains each field. The text includes
 * digests if is_verbose. */
void report_describe(const replay_report *report, int is_verbose, result_writer *r);

#endif
