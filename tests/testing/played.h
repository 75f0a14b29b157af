/* Plays a capture, for tests of replay. Errors fail the test. */
#ifndef TD_TESTS_TESTING_PLAYED_H
#define TD_TESTS_TESTING_PLAYED_H

#include "replay/play/player.h"
#include "tests/testing/capture_tape.h"

typedef char digest_texts[DIGEST_PARTS][TD_HASH128_HEX_BYTES];

/* A pool with one thread fewer than `threads`, because the caller's thread also works; it lives
 * until the program ends. NULL for one thread. */
td_workers *played_workers(unsigned threads);

/* A player at full speed. */
player *played_open(unsigned threads);

/* Call player_on_frame with a frame that a test made. Its first call for a frame fills in what a
 * tape fills in. */
TD_MUST_USE td_result played_on_frame(player *player, frame_ref *frame, td_err *err);

/* Give the player every frame of the capture. */
void played_push(player *player, capture_tape *from);

/* Play everything and finish; close with player_close. */
player *played(capture_tape *from, unsigned threads);

/* Get the four digests of a finished player. */
void played_digests(const player *player, digest_texts out);

/* The stream of an inbound topic, by name. */
const stream *played_stream(const player *player, const char *topic, const char *symbol);

/* The number of differences that audits found, of any severity. Tickers between two states do not
 * count. */
uint64_t played_differences(const player *p);

/* 1 if the family has trades and candles, which audits compare. */
int played_sums_trades(const family *of);

#endif
