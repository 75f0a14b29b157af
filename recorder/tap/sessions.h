/* The recording sessions of a tap, one after the other. The relay never waits for them: sessions
 * are opened and ended on a thread of their own, and while there is none, nothing is recorded.
 *
 * A session ends when the disk has failed or is short of space, the archive's lock is gone, or the
 * wall clock has gone back; the next one is tried at intervals. What lies between two sessions is
 * in the ledger of the archive, as after any recorder: after a clean end, because readers derive
 * it; after a failure, because recovery writes a `crash` row, which ends with the first frame of
 * the feed in a later session.
 *
 * Network thread only. */
#ifndef TD_TAP_SESSIONS_H
#define TD_TAP_SESSIONS_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "recorder/capture/redact.h"
#include "recorder/pipeline/intake.h"
#include "recorder/pipeline/pipeline_config.h"

/* How long after a session ended or could not be opened the next one is tried. */
#define TAP_RETRY_NS (5 * TD_NS_PER_S)

/* A slot of a feed in the present session. */
typedef struct tap_slot {
    intake_slot at;
    uint64_t ended_ns; /* its last connection lacks frames from then on; 0: it had none */
    const char *cause; /* of that end; a constant */
} tap_slot;

typedef struct tap_sessions tap_sessions;

typedef struct tap_sessions_options {
    const char *path; /* of the archive; borrowed, like the rest */
    const pipeline_config *config;
    redactor *const *redactors;
    td_clock clock;
    const td_log *log;
} tap_sessions_options;

/* Open the first session. */
TD_MUST_USE td_result tap_sessions_open(const tap_sessions_options *options, tap_sessions **out,
                                        td_err *err);

/* Call every 10 ms. */
void tap_sessions_tick(tap_sessions *self);

/* Number of the present session, from 1; 0: nothing is recorded now. */
uint32_t tap_sessions_number(const tap_sessions *self);

/* Of the present session: its intake, and a slot of a feed. */
intake *tap_sessions_intake(tap_sessions *self);
tap_slot *tap_sessions_slot(tap_sessions *self, uint16_t feed_index, uint32_t shard);

/* A connection of the feed begins. */
void tap_sessions_begin(tap_sessions *self, uint16_t feed_index);

/* A frame of the feed has been received at recv_ns: rows of earlier sessions end there. */
void tap_sessions_received(tap_sessions *self, uint16_t feed_index, uint64_t recv_ns);

/* End the present session; the connections are over. TD_E_IO: some time was not recorded; the
 * failure is the first one. */
TD_MUST_USE td_result tap_sessions_stop(tap_sessions *self, td_err *err);

/* Totals of all sessions that have ended. */
typedef struct tap_totals {
    uint64_t frames, dropped, bytes;
} tap_totals;
tap_totals tap_sessions_totals(const tap_sessions *self);

void tap_sessions_close(tap_sessions *self);

#endif
