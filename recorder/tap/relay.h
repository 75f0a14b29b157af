/* One relayed connection: a client that requested an upgrade, and the connection to the exchange
 * that was made for it. Each message, ping, pong and close frame of one end is sent to the other
 * end, in order and unchanged, and then recorded. In the recording the connection is a slot of its
 * feed: messages from the client are outbound, messages to it inbound.
 *
 * If one end reads slowly, the other end is made to wait: while more than RELAY_QUEUE_BYTES are
 * queued for one end, the other end's socket is not read. Messages are relayed even if they cannot
 * be recorded (no session, or a disk that is too slow).
 *
 * Network thread only. */
#ifndef TD_TAP_RELAY_H
#define TD_TAP_RELAY_H

#include <stdint.h>

#include "recorder/capture/fetched_books.h"
#include "schema/sent_secrets.h"
#include "schema/dialect.h"
#include "recorder/tap/sessions.h"
#include "wire/client.h"
#include "wire/server.h"

/* Bytes that may be queued for one end, besides the last message. */
enum { RELAY_QUEUE_BYTES = 256 << 10 };

typedef struct relay relay;

/* Objects and callbacks that all relays share. Borrowed. */
typedef struct relay_env {
    wire_loop *loop;
    tap_sessions *sessions;
    td_clock clock;
    const td_log *log;
    const char *ca_file; /* CA to trust for upstream; NULL: the system's CAs */
    dialect_parser *dialects;
    sent_secrets *sent;
    decoder *reading;     /* decodes snapshots over HTTP */
    fetched_books *books; /* by feed index, of LIMIT_FEEDS */
    /* The relay of this feed and shard has ended; it is freed after this call. */
    void (*ended)(void *user, uint16_t feed_index, uint32_t shard);
    /* A client was not connected. */
    void (*refused)(void *user, uint16_t feed_index);
    void *user;
} relay_env;

typedef struct relay_options {
    const relay_env *env;
    const char *url; /* upstream, with the client's path and query */
    const family *family;
    uint16_t feed_index;
    uint32_t shard; /* not used by another open relay of the feed */
    redactor *redactor;
} relay_options;

/* A client requests an upgrade: connect upstream. The client gets the exchange's answer. NULL: the
 * client was refused. */
relay *relay_open(const relay_options *options, wire_conn *client, const wire_request *request);

/* The tap ends: close both connections with code 1001. */
void relay_stop(relay *self);

/* Operations for wire/server.h, with a relay as user. */
void relay_on_message(void *user, wire_conn *client, const ws_message *got);
void relay_on_heartbeat(void *user, wire_conn *client, const ws_message *got);
void relay_on_closing(void *user, wire_conn *client, unsigned code, td_bytes reason);
void relay_on_drained(void *user, wire_conn *client);
void relay_on_closed(void *user);

#endif
