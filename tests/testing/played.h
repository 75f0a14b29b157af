/* A capture, played: what tests of replay begin with. All functions fail the test if something
 * fails. */
#ifndef TD_TESTS_TESTING_PLAYED_H
#define TD_TESTS_TESTING_PLAYED_H

#include "replay/play/player.h"
#include "tests/testing/capture_tape.h"

typedef char digest_texts[DIGEST_PARTS][TD_HASH128_HEX_BYTES];

/* As many threads for players as, with the caller's, make so many; they live until the program
 * ends. NULL for one. */
td_workers *played_workers(unsigned threads);

/* A player at full speed. */
player *played_open(unsigned threads);

/* player_on_frame of a frame that a test made: what a tape fills in is filled in at first, and
 * stays.
 */
TD_MUST_USE td_result played_on_frame(player *player, frame_ref *frame, td_err *err);

/* Give the player every frame. */
void played_push(player *player, capture_tape *from);

/* Play everything and finish; close with player_close. */
player *played(capture_tape *from, unsigned threads);

/* The four digests of a finished player. */
void played_digests(const player *player, digest_texts out);

/* An inbound stream by name. */
const stream *played_stream(const player *player, const char *topic, const char *symbol);

/* What audits found to differ, of whatever strength, except tickers between two states. */
uint64_t played_differences(const player *p);

/* 1 if the family has trades and candles that are compared. */
int played_sums_trades(const family *of);

#endif
