/* How whole a recording is: for each feed, topic, symbol and UTC day, the time that was asked for,
 * and which part of it is clean, degraded or missing. One replay of the selection on all threads
 * finds it; it takes as long as `replay` without digests. The counts of a day are of its frames.
 *
 * Time asked for begins with the grant of the topic (its first frame, where no grant is known) and
 * ends with the feed's last frame; a topic that is not granted then any more ends with its own last
 * frame. Missing is what a gap of the ledger, or a chunk that cannot be read, takes of it; and all
 * of a book or ticker that was granted and never sent a frame, though its first is a snapshot.
 * Degraded is what was recorded and is not to be trusted (tape/topic_trust.h): from where a stretch
 * ended to the frame with which the next one begins; a late receive time, from the frame before it
 * to the next that is not late; and a gap of reason sequence or aggregate. The rest is clean. One
 * thread. */
#ifndef TD_PLAY_DAYS_H
#define TD_PLAY_DAYS_H

#include <stddef.h>
#include <stdint.h>

#include "archive/gap.h"
#include "replay/play/observe.h"

#define DAYS_DAY_NS (UINT64_C(86400) * TD_NS_PER_S)

/* What the data of a topic itself can prove (docs/completeness.md). */
typedef enum day_proof {
    DAY_PROVEN,       /* every lost frame breaks a rule of strength error */
    DAY_WARNED,       /* most of them break a rule, or a rule of a lesser strength */
    DAY_UNVERIFIABLE, /* no rule shows a lost frame: the ledger alone does */
    DAY_PROOFS,
} day_proof;

const char *day_proof_name(day_proof proof);

/* Why time is not clean: gap reasons, then what frames show. As bits, 1 << reason. */
enum {
    DAY_RULE = GAP_REASON_COUNT,
    DAY_UNDECODED,
    DAY_CONNECTION, /* another connection brought the topic, and no snapshot with it */
    DAY_NO_SNAPSHOT,
    DAY_LATE,
    DAY_SILENT,
    DAY_REASONS
};

/* "disconnect, rule": gap reasons, "rule", "undecoded", "connection", "no_snapshot", "late",
 * "silent". "": it is clean. */
enum { DAY_REASONS_BYTES = 128 };
void day_reasons_text(unsigned reasons, char out[DAY_REASONS_BYTES]);

typedef struct day_counts {
    uint64_t frames, bytes;
    uint64_t undecoded;
    uint64_t broken;           /* frames that broke a rule of strength error */
    uint64_t crossed;          /* frames after which best bid and ask were crossed */
    uint64_t frames_per_s_max; /* in one second */
    uint64_t ahead;            /* frames with an exchange time after their receive time */
    uint64_t timed;            /* others with an exchange time: */
    uint64_t p50_ns, p90_ns, p99_ns, max_ns; /* from the exchange's time to receipt */
} day_counts;

/* One topic of a symbol on one day. asked = clean + degraded + missing. */
typedef struct day_topic {
    char *feed, *topic, *symbol;
    uint64_t day_ns; /* its first moment */
    uint64_t asked_ns, clean_ns, degraded_ns, missing_ns;
    day_proof proof;
    unsigned reasons;     /* 0: all of it is proven whole */
    uint8_t is_recording; /* 1: a recorder is adding to this day */
    day_counts counts;
} day_topic;

typedef struct day_list {
    day_topic *rows; /* by feed, day, symbol, topic */
    size_t count;
} day_list;

/* Find the days of a selection. *out is the caller's, for day_list_fini, also after a failure.
 * TD_E_NOTFOUND: nothing matches; TD_E_* as observe_tape. */
TD_MUST_USE td_result days_find(const observe_options *how, const selection *wanted, day_list *out,
                                cursor_stats *stats, td_err *err);
void day_list_fini(day_list *list);

/* The end of the rows from `from` on that are of one feed, day and symbol. *sum: their feed, day
 * and symbol, time asked for and clean in all, the longest degraded and missing time of any,
 * reasons. proof_ns: the time asked for by what can be proven. */
size_t day_list_sum(const day_list *list, size_t from, day_topic *sum,
                    uint64_t proof_ns[DAY_PROOFS]);

#endif
