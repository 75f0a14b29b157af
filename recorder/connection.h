/* One slot of a feed: connects, authenticates, subscribes, pings, detects silence and reconnects.
 * Passes every frame of both directions to the intake, and records its state changes as events and
 * gaps. Network thread only.
 *
 * At its greatest age, and when the exchange announces its end, a connection is replaced: the slot
 * starts another one of its shard, on a line
 * that is free, and closes only when that one has all its topics and receives. So nothing is
 * missing, and there is no gap. The slot is idle then, until it takes over itself. */
#ifndef TD_RECORDER_CONNECTION_H
#define TD_RECORDER_CONNECTION_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/json/json.h"
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
    json_parser *notices; /* reads announced ends */
    td_clock clock;
    const td_log *log;
    /* A frame was received. */
    void (*frame)(void *user);
    /* A slot of the feed is live: all its subscription requests are answered. Not called for a slot
     * that another one started for its snapshots. */
    void (*live)(void *user, uint16_t feed_index);
    /* A topic (its number in the feed's subscription) was granted, on a connection that stays. */
    void (*granted)(void *user, const connection *self, size_t topic);
    /* Returns an idle slot of the same shard, which can take over; NULL: none is idle. */
    connection *(*find_idle)(void *user, const connection *self);
    /* The connection has answered a ping: it is complete until the ping was sent. */
    void (*proven)(void *user, const connection *by);
    /* An open connection has ended, and not because this side closed it in order. */
    void (*closed_by_peer)(void *user);
    /* An attempt failed for good (backoff_is_final), and this slot never had an open connection. */
    void (*refused)(void *user, const char *why);
    /* A subscription or the credentials were refused, and the feed is strict. */
    void (*strict)(void *user, const char *why);
    void *user;
} connection_env;

typedef struct connection_options {
    const connection_env *env;
    const feed_config *feed;
    uint16_t feed_index;
    uint16_t line;
    uint32_t shard;
    const char *const *topics; /* canonical topic texts; more may follow after topic_count */
    size_t topic_count;        /* 0 only if authentication subscribes to everything, or
                                  before the start */
    const char *api_key;       /* NULL: no authentication */
    const char *api_secret;
    const char *api_passphrase; /* NULL: a key without one */
    redactor *redactor;         /* NULL: nothing to hide */
    connect_budget *budget;     /* shared by the slots that connect to the same host */
    open_gaps *gaps;            /* open gaps of the feed's line */
    size_t topic_first;         /* number of the slot's first topic in the feed's subscription */
    uint32_t shard_count;       /* number of shards of the feed */
    uint64_t seed;              /* seed of the backoff's jitter */
} connection_options;

/* Make a slot; it does not connect yet. */
connection *connection_open(const connection_options *options);

/* Start to connect. From now on the slot reconnects by itself. It must be idle. */
void connection_start(connection *self);

/* The slot's connections have used the numbers up to this one: the next one gets a higher one. */
void connection_set_last_number(connection *self, uint32_t conn);

/* 1 if the connection has all topics that it asked for, and is complete since some seconds: it can
 * take over from another process. connection_restate: it has, so tell the open gaps again which
 * topics are granted. */
int connection_is_settled(const connection *self);
void connection_restate(const connection *self);

/* Subscribe to a topic more (its number in the feed's subscription), which follows the slot's last
 * topic or has ended; end a topic, for a reason that is recorded. The requests are sent by
 * connection_send_changes, or when the slot connects. */
void connection_add_topic(connection *self, size_t topic);
void connection_end_topic(connection *self, size_t topic, const char *why);
void connection_send_changes(connection *self);

/* Request the snapshot of a topic once more, by unsubscribing and subscribing it. Does nothing if
 * it is not granted now. */
void connection_renew_topic(connection *self, size_t topic);

/* The topic's text while the slot has an open connection, else NULL. */
const char *connection_open_topic(const connection *self, size_t topic);

/* Record the snapshot of a topic, which was fetched over HTTP, as a frame of the slot's connection,
 * which is open. */
void connection_put_snapshot(connection *self, size_t topic, td_bytes reply, uint64_t recv_mono_ns);

/* Close for good with a close frame; connection_get_status reports is_down afterwards. Frames that
 * arrive before the peer has closed are recorded with CONNECTION_STOP_ORDERLY, and discarded with
 * CONNECTION_STOP_AT_ONCE, which also overrides an orderly stop. CONNECTION_STOP_REPLACED: in
 * order; a connection of another process has taken over, so nothing is missing. */
typedef enum connection_stop_mode {
    CONNECTION_STOP_ORDERLY,
    CONNECTION_STOP_REPLACED,
    CONNECTION_STOP_AT_ONCE
} connection_stop_mode;
void connection_stop(connection *self, connection_stop_mode mode);

/* Free; the wire connection must be down, or its loop closed. NULL is fine. */
void connection_close(connection *self);

/* Stop and resume reading the slot's sockets. A pause also applies to later connections. */
void connection_pause(connection *self);
void connection_resume(connection *self);

/* The slot's feed, line and shard. */
uint16_t connection_feed(const connection *self);
uint32_t connection_line(const connection *self);
uint32_t connection_shard(const connection *self);

/* Number of the open connection, if all its topics were granted or refused at from_ns already; else
 * 0. */
uint32_t connection_live_since(const connection *self, uint64_t from_ns);

/* Time from which all topics of the open connection are granted or refused; 0 if not yet. */
uint64_t connection_granted_ns(const connection *self);

/* Time until which this connection of the slot is known to be complete; 0 if it has ended. */
uint64_t connection_complete_ns(const connection *self, uint32_t conn);

/* Send a ping now, whose answer shows that everything until now was received. */
void connection_prove(connection *self);

/* After this time a connection that is not live counts as down. */
#define CONNECTION_DOWN_NS (30 * TD_NS_PER_S)

/* Current state. */
typedef struct connection_status {
    uint32_t connects;     /* connections that were opened in this session */
    uint64_t frames;       /* received in this session */
    uint64_t last_data_ns; /* receive time of the last data of this session; 0: none yet */
    uint64_t topics_refused;
    uint64_t end_notices; /* received in this session: schema/end_notice.h */
    uint16_t feed_index;
    uint8_t is_down_long; /* not live for over CONNECTION_DOWN_NS, and not idle */
    uint8_t is_idle;      /* not started, or replaced */
    uint8_t is_live;      /* every subscription request is answered */
    uint8_t was_open;     /* a connection was open in this session */
    uint8_t is_refused;   /* refused for good (connection_env.refused) */
    uint8_t is_down;      /* connection_stop is complete */
} connection_status;
connection_status connection_get_status(const connection *self);

#endif
