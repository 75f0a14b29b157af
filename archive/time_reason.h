/* Why time is missing from an archive, or cannot be trusted: the one list, for gaps, trust and
 * days. Plain constants; any thread. */
#ifndef TD_ARCHIVE_TIME_REASON_H
#define TD_ARCHIVE_TIME_REASON_H

#include "base/bytes.h"

typedef enum time_reason {
    /* Of gaps: rows of the ledger. Archives have their names, the catalog their numbers. */
    GAP_DISCONNECT, /* the connection ended while the recording continued */
    GAP_STALE,      /* the connection was open but sent no data, so it was closed */
    GAP_OVERLOAD,   /* frames were counted and dropped */
    GAP_RESTART,    /* between a clean stop and the next start on the feed */
    GAP_CRASH,      /* between the last durable frame of a killed recorder and the next start */
    GAP_CORRUPT,    /* stored frames can no longer be read */
    GAP_SEQUENCE,   /* the book was broken: the exchange's own numbering shows a loss */
    GAP_AGGREGATE,  /* one message of an aggregating topic is missing */
    GAP_PRUNED,     /* removed on purpose, between frames that were kept: derived, never recorded as
                       a loss (gap_row_is_loss) */
    GAP_NOT_SUBSCRIBED, /* recorded without the topic, between two times with it: derived, like
                           GAP_PRUNED */
    GAP_REASON_COUNT,

    /* Doubts that only frames show: no gap has them. */
    DOUBT_RULE = GAP_REASON_COUNT, /* a frame breaks a rule of continuity */
    DOUBT_UNDECODED,               /* a frame cannot be decoded */
    DOUBT_CONNECTION,              /* another connection began, without a snapshot */
    DOUBT_NO_SNAPSHOT,             /* there was no snapshot yet */
    DOUBT_LATE,                    /* a receive time is before an earlier frame's */
    DOUBT_SILENT,                  /* the topic was granted, and sent nothing */
    DOUBT_DAMAGE,                  /* a reader found stored frames that it cannot read */
    TIME_REASON_COUNT,

    TIME_IS_RIGHT = TIME_REASON_COUNT, /* none of these; has no name */
} time_reason;

/* Stable name ("disconnect", "no_snapshot"). */
const char *time_reason_name(time_reason reason);

/* Inverse for the reasons of gaps; returns 0 for other names. */
int gap_reason_parse(td_bytes name, time_reason *out);

/* 1 if it is a reason of gaps. */
static inline int time_reason_is_gap(time_reason reason)
{
    return reason < GAP_REASON_COUNT;
}

/* The reason in a set of reasons, whose bits are 1 << reason; 0 for TIME_IS_RIGHT. Frames that
 * cannot be read count as GAP_CORRUPT, whether a gap or a reader shows it. */
static inline unsigned time_reason_bit(time_reason reason)
{
    return reason == TIME_IS_RIGHT ? 0 : 1U << (reason == DOUBT_DAMAGE ? GAP_CORRUPT : reason);
}

#endif
