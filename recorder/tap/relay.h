/* One relayed connection: a client that asked for an upgrade, and the connection to the exchange
 * that was made for it. Each message, ping, pong and close frame of one side goes to the other one,
 * in order and as it came, and then to the recording, where the connection is a slot of its feed:
 * what the client sent is outbound, what it got is inbound.
 *
 * A side that does not read holds the other one back: above RELAY_QUEUE_BYTES the other side's
 * socket is not read. What is not recorded (there is no session, its disk is too slow) is relayed
 * all the same.
 *
 * Network thread only. */
#ifndef TD_TAP_RELAY_H
#define TD_TAP_RELAY_H

#include <stdint.h>

#include "recorder/capture/sent_secrets.h"
#include "schema/dialect.h"
#include "recorder/tap/sessions.h"
#include "wire/client.h"
#include "wire/server.h"

/* What may wait for a side, besides the message that went over it. */
enum { RELAY_QUEUE_BYTES = 256 << 10 };

typedef struct relay relay;

/* What all relays share. Borrowed. */
typedef struct relay_env {
    wire_loop *loop;
    tap_sessions *sessions;
    td_clock clock;
    const td_log *log;
    const char *ca_file; /* to trust upstream; NULL: the system's CAs */
    dialect_parser *dialects;
    sent_secrets *sent;
    /* The relay of a feed's slot is over, and freed after this call. */
    void (*ended)(void *user, uint16_t feed_index, uint32_t shard);
    void (*refused)(void *user); /* a client was not connected */
    void *user;
} relay_env;

typedef struct relay_options {
    const relay_env *env;
    const char *url; /* upstream: with the client's path and query */
    const family *family;
    uint16_t feed_index;
    uint32_t shard; /* a slot that no other relay has */
    redactor *redactor;
} relay_options;

/* A client asks: connect upstream. The client gets the exchange's answer. NULL: it was refused. */
relay *relay_open(const relay_options *options, wire_conn *client, const wire_request *request);

/* The tap ends: close both sides with 1001. */
void relay_stop(relay *self);

/* For the server's operations: those of wire/server.h with a relay as user. */
void relay_on_message(void *user, wire_conn *client, const ws_message *got);
void relay_on_heartbeat(void *user, wire_conn *client, const ws_message *got);
void relay_on_closing(void *user, wire_conn *client, unsigned code, td_bytes reason);
void relay_on_drained(void *user, wire_conn *client);
void relay_on_closed(void *user);

#endif
