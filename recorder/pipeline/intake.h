/* Stamps received frames, copies them into the ring, and handles overload, when the encoder or the
 * disk cannot keep up. It never waits for space to store a frame.
 *
 * Overload. Once the ring is nearly full, the sockets are not read until the ring is half empty, so
 * TCP holds the frames back in order. Frames read after this pause have late receive times, and
 * overload events state when the pause began and ended. After overload_max (or at once with
 * OVERLOAD_DROP) frames are read, counted and discarded until the ring is half empty; then each
 * connection gets an overload gap with the count of its discarded frames. Frames that queued in the
 * sockets were sent long before they are read, so the gap begins at the last time for which the
 * connection is known to be complete (intake_slot), and ends with the last discarded frame.
 *
 * Network thread only. */
#ifndef TD_PIPELINE_INTAKE_H
#define TD_PIPELINE_INTAKE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/log.h"
#include "base/ring.h"
#include "base/ws_message.h"
#include "recorder/capture/feed_writer.h"
#include "recorder/capture/slot_gaps.h"
#include "recorder/pipeline/pipeline_config.h"
#include "recorder/pipeline/session_clock.h"
#include "schema/classify.h"
#include "archive/event.h"

/* Kind of a record in the ring. */
typedef enum intake_kind {
    INTAKE_FRAME,
    INTAKE_EVENT,
    INTAKE_HTTP,     /* bytes: the body of a reply */
    INTAKE_ORDINALS, /* ordinals of a slot's connection that no frame shows (it is new, or frames
                        were dropped) */
    INTAKE_CLOSED,   /* the slot's connection is gone */
    INTAKE_ROTATE,   /* the feed's next message begins a segment */
    INTAKE_STOP,     /* the last record */
} intake_kind;

/* A record in the ring. Its bytes follow it, then DECODE_PADDING_BYTES readable bytes. frame.bytes
 * points to the record's bytes. A copy of an event follows it instead. */
typedef struct intake_record {
    feed_frame frame;     /* INTAKE_FRAME, INTAKE_HTTP: complete; else slot and times only.
                             INTAKE_ORDINALS: ordinal is the last inbound frame's */
    uint64_t mono_ns;     /* time of receipt, monotonic clock */
    uint64_t ordinal_out; /* INTAKE_ORDINALS only */
    const event *event;   /* INTAKE_EVENT only */
    uint16_t feed_index;
    uint8_t kind; /* intake_kind */
} intake_record;

/* A slot of a feed, and its current connection. */
typedef struct intake_slot {
    uint16_t feed_index;
    uint16_t line;
    uint32_t shard;
    uint32_t conn; /* from 1; 0 before the first */
    uint64_t in;   /* ordinal of the last inbound frame of this connection */
    uint64_t out;
    uint64_t complete_ns; /* everything that the peer sent before this time has been received */
    slot_drops drops;
} intake_slot;

typedef struct intake intake;

typedef struct intake_options {
    td_ring *ring; /* borrowed */
    td_clock clock;
    const pipeline_config *config; /* borrowed */
    const td_log *log;
    /* Stop and resume reading all sockets. May be NULL with OVERLOAD_DROP. */
    void (*pause)(void *user);
    void (*resume)(void *user);
    void *user;
} intake_options;

/* Running totals, for the status line and the report at the end. */
typedef struct intake_stats {
    uint64_t frames_in, frames_out;
    uint64_t bytes_in;
    uint64_t frames_dropped;
    uint64_t gaps;         /* gaps opened, or written with begin and end, since the start */
    uint64_t http_replies; /* recorded */
} intake_stats;

/* Open an intake. intake_close frees it; NULL is fine. */
intake *intake_open(const intake_options *options);
void intake_close(intake *self);

/* Record a frame of the slot's connection (CHANNEL_IN, CHANNEL_OUT), with the next ordinal. Returns
 * its receive time. *slot must not move until the intake closes. */
uint64_t intake_frame(intake *self, intake_slot *slot, channel_dir dir, const ws_message *in);

/* The receive time that a frame would get now. */
uint64_t intake_now_ns(const intake *self);

/* 1 if there is space for an HTTP reply of this size. Frames have priority. */
int intake_has_space(const intake *self, size_t bytes);

/* Record the reply to a feed's request, after its `http` event. name must live as long as the
 * pipeline. The caller has called intake_has_space before it wrote that event. */
void intake_http(intake *self, uint16_t feed_index, const char *name, td_bytes body,
                 uint64_t recv_mono_ns);

/* Record the snapshot of a topic that was fetched, as a frame of the slot's connection, with the
 * next ordinal (FORM_FETCHED). topic: as the exchange writes it; as intake_http in all else. */
void intake_fetched(intake *self, intake_slot *slot, const char *topic, td_bytes body,
                    uint64_t recv_mono_ns);

/* The slot's new connection has opened (conn is set, ordinals are 0), or its connection is closed.
 */
void intake_opened(intake *self, const intake_slot *slot);
void intake_closed(intake *self, intake_slot *slot);

/* Record an event of a feed, stamped with the current time. Returns that time. An event that is too
 * large is logged instead. */
uint64_t intake_event(intake *self, uint16_t feed_index, const event *what);
/* As intake_event, for every feed that has had an event. */
void intake_event_all(intake *self, const event *what);

/* Let the next message of every feed that has had an event begin a segment. */
void intake_rotate(intake *self);

/* Call at least every 10 ms: ends pauses and drops, compares clocks, and reports if it was not
 * called for long. */
void intake_tick(intake *self);

/* The caller will not receive until the next tick: the time until then does not count as a pause.
 */
void intake_expect_pause(intake *self);

/* 1 if, judging by the wall clock, the session's times are wrong for good. */
int intake_is_clock_wrong(const intake *self);

/* Put the stop record. It may wait for space, because sockets are no longer read. */
void intake_stop(intake *self);

/* The totals so far. */
void intake_get_stats(const intake *self, intake_stats *out);

#endif
