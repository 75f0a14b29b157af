/* One slot of a feed: connects, authenticates, subscribes, pings, detects silence and reconnects;
 * passes every frame of both directions to the intake, and records its state changes as events and
 * gaps. Network thread only. */
#ifndef TD_RECORDER_CONNECTION_H
#define TD_RECORDER_CONNECTION_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "recorder/capture/redact.h"
#include "recorder/backoff.h"
#include "recorder/config.h"
#include "recorder/pipeline/intake.h"
#include "recorder/open_gaps.h"
#include "schema/decode.h"
#include "wire/client.h"
#include "schema/dialect.h"

typedef struct connection connection;

/* Objects and callbacks that all connections share. Borrowed. */
typedef struct connection_env {
    wire_loop *loop;
    intake *intake;
    decoder *decoder; /* distinguishes control frames from data */
    dialect_parser *answers;
    td_clock clock;
    const td_log *log;
    /* A frame came in. */
    void (*frame)(void *user);
    /* A slot of the feed is live: all its subscriptions are answered. */
    void (*live)(void *user, uint16_t feed_index);
    /* The peer closed an open connection. */
    void (*closed_by_peer)(void *user);
    /* An attempt was refused for good (backoff_is_final), and no connection of this slot was ever
     * open. */
    void (*refused)(void *user, const char *why);
    /* A subscription was refused and the feed is strict. */
    void (*strict)(void *user, const char *why);
    void *user;
} connection_env;

typedef struct connection_options {
    const connection_env *env;
    const feed_config *feed;
    uint16_t feed_index;
    uint16_t line;
    uint32_t shard;
    const char *const *topics; /* canonical topic texts */
    size_t topic_count;        /* 0 only if authentication subscribes to everything */
    const char *api_key;       /* NULL: nothing to hide */
    const char *api_secret;
    redactor *redactor;     /* NULL without auth */
    connect_budget *budget; /* of the host */
    open_gaps *gaps;        /* of the feed */
    size_t topic_first;     /* number of the slot's first topic in the feed's subscription */
    uint32_t shard_count;   /* of the feed */
    uint64_t seed;          /* of the jitter */
} connection_options;

/* Make a slot; nothing is connected yet. */
connection *connection_open(const connection_options *options);

/* Start to connect. From now on the slot reconnects by itself. */
void connection_start(connection *self);

/* Close for good with a close frame; connection_look shows when that is done. Frames that arrive
 * until the peer has closed too are recorded with CONNECTION_STOP_ORDERLY, and discarded with
 * CONNECTION_STOP_AT_ONCE, which also overrides an orderly stop. */
typedef enum connection_stop_mode {
    CONNECTION_STOP_ORDERLY,
    CONNECTION_STOP_AT_ONCE
} connection_stop_mode;
void connection_stop(connection *self, connection_stop_mode mode);

/* Free; the wire connection must be down, or its loop closed. NULL is fine. */
void connection_close(connection *self);

/* Stop and resume reading the socket, and those of later attempts. */
void connection_pause(connection *self);
void connection_resume(connection *self);

/* What it has come to. */
typedef struct connection_status {
    uint16_t feed_index;
    uint8_t is_live;    /* every subscription has an answer */
    uint8_t was_open;   /* once in this session, even if it is down now */
    uint8_t is_refused; /* for good (see refused), until a connection opens */
    uint8_t is_down;    /* it was stopped, and that is done */
} connection_status;
connection_status connection_look(const connection *self);

#endif
