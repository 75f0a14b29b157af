/* The result of comparing a recording with a truth file: part of a replay's report, filled by
 * sink_truth. Plain values; any thread. */
#ifndef TD_PLAY_TRUTH_RESULT_H
#define TD_PLAY_TRUTH_RESULT_H

#include <stdint.h>

/* Kinds of entries that the exchange's engine has in its truth file. */
typedef enum truth_kind {
    TRUTH_TRADE, /* a trade, or an execution of the account */
    TRUTH_CANDLE,
    TRUTH_ORDER,   /* a state of an order of the account */
    TRUTH_ACCOUNT, /* its position, its wallet */
    TRUTH_KINDS,
} truth_kind;

typedef struct truth_result {
    uint64_t frames;     /* data frames that the exchange sent */
    uint64_t matched;    /* of these, recorded: same connection, ordinal and bytes */
    uint64_t missing;    /* before a connection's last recorded frame, and not there */
    uint64_t after_end;  /* after it, or on a connection of which nothing is recorded */
    uint64_t unexpected; /* recorded, and never sent */
    uint64_t marks;      /* book marks that were reached */
    uint64_t marks_equal;
    uint64_t items[TRUTH_KINDS];       /* trades, candles, … in frames that were recorded */
    uint64_t items_equal[TRUTH_KINDS]; /* of these, decoded to what they are */
    uint64_t items_away[TRUTH_KINDS];  /* in frames that were not recorded */
    char first[192];                   /* the first difference, in words; empty: there is none */
} truth_result;

/* 1 if nothing differs and something was compared. */
int truth_result_is_equal(const truth_result *result);

#endif
