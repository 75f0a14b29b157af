/* The recording sessions of a tap, one after the other. The relay never waits for them: a separate
 * thread opens and ends sessions. While no session is open, nothing is recorded.
 *
 * A session ends when the disk fails or is short of space, the archive's lock is lost, or the wall
 * clock was set back. Then a new session is tried at intervals. The time between two sessions is a
 * gap in the archive's ledger, as with any recorder. After a clean end, readers derive the gap;
 * after a failure, recovery writes a `crash` row, which ends with the feed's first frame in a later
 * session.
 *
 * Network thread only. */
#ifndef TD_TAP_SESSIONS_H
#define TD_TAP_SESSIONS_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "recorder/capture/slot_gaps.h"
#include "recorder/pipeline/intake.h"
#include "recorder/pipeline/pipeline_config.h"

/* Wait before the next session is tried. */
#define TAP_RETRY_NS (5 * TD_NS_PER_S)

/* A slot of a feed in the current session. */
typedef struct tap_slot {
    intake_slot at;
    slot_outage outage; /* after its last connection */
} tap_slot;

typedef struct tap_sessions tap_sessions;

typedef struct tap_sessions_options {
    const char *path;              /* path of the archive; borrowed, like the other pointers */
    const pipeline_config *config; /* copied, but not what its pointers point to */
    td_clock clock;
    const td_log *log;
} tap_sessions_options;

/* Open the first session. */
TD_MUST_USE td_result tap_sessions_open(const tap_sessions_options *options, tap_sessions **out,
                                        td_err *err);

/* Call at least every 10 ms. */
void tap_sessions_tick(tap_sessions *self);

/* Number of the current session, from 1; 0: nothing is recorded now. */
uint32_t tap_sessions_number(const tap_sessions *self);

/* Add a feed: its index is their number so far. It is recorded at once, or, while a session is
 * opened or ended, by the next one. At most LIMIT_FEEDS. */
void tap_sessions_add_feed(tap_sessions *self, const pipeline_feed *feed);

/* The current session's intake, and its slot of a feed and shard. Valid while tap_sessions_number
 * stays the same. */
intake *tap_sessions_intake(tap_sessions *self);
tap_slot *tap_sessions_slot(tap_sessions *self, uint16_t feed_index, uint32_t shard);

/* A connection of the feed begins: writes the feed's `session` event first, if that is due. */
void tap_sessions_begin(tap_sessions *self, uint16_t feed_index);

/* A frame of the feed was received at recv_ns: ends open gaps of earlier sessions. */
void tap_sessions_received(tap_sessions *self, uint16_t feed_index, uint64_t recv_ns);

/* End the current session, after all connections have ended. Returns the first failure of any
 * session. After such a failure, some time was not recorded. */
TD_MUST_USE td_result tap_sessions_stop(tap_sessions *self, td_err *err);

/* Totals of all sessions that have ended. */
typedef struct tap_totals {
    uint64_t frames, dropped, bytes;
} tap_totals;
tap_totals tap_sessions_totals(const tap_sessions *self);

/* Free, after tap_sessions_stop. NULL is fine. */
void tap_sessions_close(tap_sessions *self);

#endif
