/* What a replay found, as a plain struct, and its description for programs (`replay --json`) and
 * for people. One thread, after player_finish. */
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
#include "tape/cursor.h"

/* Names of a stream. Texts are the player's. */
typedef struct report_names {
    const char *feed, *topic, *symbol;
} report_names;

/* A stream of received frames. */
typedef struct report_topic {
    report_names of;
    stream_counts counts;
    uint8_t is_control;
} report_topic;

/* A book at the end of the replay. */
typedef struct report_book {
    report_names of;
    size_t levels[2];   /* by msg_side */
    book_level best[2]; /* of sides that have levels */
    track_seqs last;
    uint8_t is_broken;
    char levels_sha1[TD_SHA1_HEX_BYTES];
} report_book;

/* How late frames were, of those that had a time to be late for. */
typedef struct report_pace {
    char speed[TD_DECIMAL_TEXT_BYTES];
    uint64_t count; /* 0: none had one */
    uint64_t p50_ns, p99_ns, max_ns;
} report_pace;

typedef struct replay_report {
    player_totals totals;
    report_topic *topics;
    size_t topic_count;
    report_book *books;
    size_t book_count;
    uint64_t rules[STRENGTH_STATISTIC + 1][RULE_COUNT]; /* how often each was broken */
    report_names violated_of; /* the stream that broke a rule first, if first_violation is set */
    stream_violation first_violation;
    report_names undecoded_of; /* likewise */
    stream_undecoded first_undecoded;
    audit_stats audits;
    char digests[DIGEST_PARTS][TD_HASH128_HEX_BYTES]; /* "": the player made none */
    gap_list gaps;                                    /* those that touch the selection */
    uint64_t uncovered_gaps;
    absence_list absences; /* of what was selected; fini frees it */
    cursor_stats tape;
    report_pace pace;
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

/* Gather what a finished player found; pacer may be NULL. Fill in elapsed_ns and tape besides. The
 * report is valid until the player closes. */
void report_init_replay(replay_report *report, const player *player, const pacer *pacer);
void report_fini_replay(replay_report *report);

/* Add the books as they are at the end. */
void report_add_books(replay_report *report, const player *player);

/* Add those of the archive's gaps that touch what was selected to those that audits found. Once. */
void report_add_gaps(replay_report *report, const gap_list *all, const selection *wanted,
                     selection_window window);

replay_verdict report_verdict(const replay_report *report);

/* A row of the ledger as an object of a list: every member in JSON (archive/gap.h), and for people
 * reason, from, to, lasted, feed, line, shard, conn, topic, symbol, lost, covered_by,
 * cause, and detail, which is the cause without one. */
void report_describe_gap(result_writer *r, const gap_row *row, const char *pattern);

/* The report as a result, for programs and for people without the manual: docs/replay.md
 * explains each field. People see the digests if is_verbose. */
void report_describe(const replay_report *report, int is_verbose, result_writer *r);

#endif
