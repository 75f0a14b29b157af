/* How whole a recording is: for each feed, topic, symbol and UTC day, the time that should have
 * been recorded ("expected", in reports "asked"), and how much of it is clean, degraded or missing.
 * This takes one replay of the selection on all threads, as long as a `replay` without digests.
 *
 * Expected time begins with the topic's first grant (its first frame if no grant is known); if
 * stored frames cannot be read, with that of the first frame's connection. It ends
 * with the feed's last frame, or with the topic's own last frame if the topic is no longer granted
 * then, unless its connection was lost: then the topic is asked for as long as it is missing.
 * Pruned stretches (GAP_PRUNED), and time in which the feed was recorded without the topic
 * (GAP_NOT_SUBSCRIBED), are not expected, but a topic that has one is not clean. Missing
 * time is inside a gap of the ledger or a chunk that cannot be read; a granted topic that speaks at
 * once and never sent a frame is missing entirely, because it should have begun with a snapshot.
 * Unproven time is of a day on which the topic was granted and sent nothing: nothing shows whether
 * there was something to send, unless candles without a volume do, for trades.
 * Degraded time was recorded but cannot be trusted (tape/topic_trust.h): from the end of one
 * trusted stretch to the first frame of the next; from the frame before a late receive time to the
 * next frame that is not late; and gaps of reason sequence or aggregate. The rest is clean. One
 * thread. */
#ifndef TD_PLAY_DAYS_H
#define TD_PLAY_DAYS_H

#include <stddef.h>
#include <stdint.h>

#include "book/proof.h"
#include "replay/play/absence.h"
#include "replay/play/observe.h"
#include "tape/silent_topics.h"

/* A set of reasons (time_reason_bit) as text: "disconnect, rule". "" if clean. */
enum { DAY_REASONS_BYTES = 160 };
void day_reasons_text(unsigned reasons, char out[DAY_REASONS_BYTES]);

typedef struct day_counts {
    uint64_t frames, bytes;
    uint64_t undecoded;
    uint64_t broken;           /* frames that broke a rule of strength error */
    uint64_t crossed;          /* frames after which best bid and ask were crossed */
    uint64_t frames_per_s_max; /* number of frames in the busiest second */
    uint64_t ahead;            /* frames with an exchange time after their receive time */
    uint64_t timed;            /* frames with an exchange time before their receive time */
    uint64_t p50_ns, p90_ns, p99_ns,
        max_ns; /* quantiles of the timed frames' delay, from exchange to receipt */
} day_counts;

/* How bad time is, least bad first. */
typedef enum bad_time_kind {
    BAD_DEGRADED,
    BAD_MISSING,
    BAD_PRUNED,
    BAD_NOT_SUBSCRIBED,
} bad_time_kind;

/* Time that is not clean. */
typedef struct bad_time {
    time_span time; /* to_ns UINT64_MAX: it has not ended */
    unsigned reasons;
    bad_time_kind kind;
} bad_time;

typedef struct bad_time_list {
    bad_time *rows; /* sorted by begin */
    size_t count;
} bad_time_list;

/* One topic of a symbol on one day. expected = clean + degraded + missing + unproven. */
typedef struct day_topic {
    char *feed, *topic, *symbol;
    uint64_t day_ns;   /* start of the day */
    time_span time;    /* the part of the day that the figures are of */
    bad_time_list bad; /* in that part */
    uint64_t expected_ns, clean_ns, degraded_ns, missing_ns, unproven_ns;
    uint64_t pruned_ns, not_subscribed_ns; /* of the time that would have been expected */
    topic_proof proof;
    unsigned reasons;     /* bits (time_reason_bit); 0: all of it is clean */
    uint8_t has_sent;     /* 1: the exchange sent frames on this day */
    uint8_t is_overdue;   /* 1: it is unproven, and should have sent a frame */
    uint8_t is_recording; /* 1: a recorder is adding to this day */
    day_counts counts;
} day_topic;

/* 1 if the topic sent nothing on the day, which makes no other topic unclean. */
static inline int day_topic_is_silent(const day_topic *row)
{
    return !row->has_sent && (row->reasons & 1U << DOUBT_SILENT) != 0;
}

typedef struct day_list {
    day_topic *rows; /* sorted by feed, day, symbol, topic */
    size_t count;
    silent_list silent; /* tape/silent_topics.h, in the window */
    absent_days absent; /* days that are asked for, and of which nothing was recorded: they have no
                           rows */
} day_list;

/* Find the days of a selection. The caller frees *out with day_list_fini, also after a failure.
 * TD_E_NOTFOUND: nothing matches; other errors as observe_tape. */
TD_MUST_USE td_result days_find(const observe_options *how, const selection *wanted, day_list *out,
                                cursor_stats *stats, td_err *err);
void day_list_fini(day_list *list);

/* The parts of finding days that joining them repeats (replay/play/joined_days.h): append to a list
 * of bad times; set a row's times and reasons from its time and its bad times; sort the rows. */
void bad_time_list_add(bad_time_list *list, bad_time span);
void day_topic_set_times(day_topic *row);
void day_list_sort(day_list *list);

/* Sum up the rows from index `from` on that have the same feed, day and symbol; returns the index
 * after them. *sum: their feed, day and symbol, total expected and clean time, the longest
 * degraded, missing, pruned and unproven time of a topic, all reasons. proof_ns: expected time by
 * topic_proof. Time of an unproven topic counts only if it is overdue: else its silence makes
 * nothing unclean. */
size_t day_list_sum(const day_list *list, size_t from, day_topic *sum,
                    uint64_t proof_ns[TOPIC_PROOFS]);

/* A share in 1/100 %: DAY_SHARE_ALL only if the part is all of it; 0 of nothing. */
enum { DAY_SHARE_ALL = 10000 };
uint64_t day_share(uint64_t part_ns, uint64_t all_ns);

#endif
