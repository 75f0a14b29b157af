/* Between connection.c (the connection's life), connection_talk.c (what is said on it) and
 * connection_ledger.c (what is written down of it). */
#ifndef TD_RECORDER_CONNECTION_IMPL_H
#define TD_RECORDER_CONNECTION_IMPL_H

#include "recorder/connection.h"
#include "recorder/subscriber.h"

typedef enum connection_state {
    STATE_IDLE,
    STATE_WAITING, /* for the time to connect again */
    STATE_CONNECTING,
    STATE_AUTHENTICATING, /* op:auth was sent, nothing is subscribed yet */
    STATE_SUBSCRIBING,    /* some requests are not answered yet */
    STATE_LIVE,
    STATE_STOPPED,
} connection_state;

/* Close codes of RFC 6455 7.4 that we send. */
enum { CLOSE_NORMAL = 1000, CLOSE_GOING_AWAY = 1001 };

struct connection {
    connection_options options;
    const dialect *dialect;
    connection_state state;
    wire_conn *wire;
    wire_timer *timer; /* reconnect or tick */
    intake_slot slot;
    backoff backoff;
    subscriber *subscriber;
    uint64_t attempt;           /* since the last connection that stood */
    uint64_t connected_ns;      /* recv time of the connect event; 0: it never stood */
    uint64_t last_data_ns;      /* recv time of the latest data on this connection; 0: none yet */
    uint64_t last_data_mono_ns; /* when data came last, or the connection opened */
    uint64_t answer_ns;         /* recv time of the answer that is being taken */
    uint64_t granted_ns;        /* recv time of the latest answer that granted a topic; 0: none */
    uint64_t settle_mono_ns;    /* what is not granted by then is missing on its own */
    uint64_t next_ping_mono_ns;
    uint64_t auth_due_mono_ns; /* STATE_AUTHENTICATING: answered by then */
    uint8_t is_stopping;
    uint8_t is_discarding; /* stopping at once: what still comes is not recorded */
    uint8_t is_stale;      /* we close it because no data came */
    uint8_t is_silent;     /* it was stale, and no data has come since */
    uint8_t has_stood;     /* it was open once in this session */
    uint8_t is_refused;
    uint8_t is_auth_refused; /* this connection's credentials were: it is closing */
    td_buf out;              /* request being built */
    char shown_name[LIMIT_NAME_BYTES + 32];
};

/* What people are told it is: the feed's name, and which of its connections where it has several.
 */
static inline const char *connection_shown_name(const connection *self)
{
    return self->shown_name;
}

/* The feed's name. */
static inline const char *connection_feed_name(const connection *self)
{
    return self->options.feed->name;
}

/* ---- connection.c ---- */

/* The connection's one timer: whatever is due first. */
void connection_set_tick(connection *self);

/* ---- connection_talk.c ---- */

/* The connection stands: authenticate, or ask for the topics. */
void connection_begin_talk(connection *self);

/* Credentials in the URL were refused, in these words, before the connection stood. */
void connection_say_url_refused(connection *self, const char *words);

/* A frame came: data, or an answer to what was said. */
void connection_take_frame(connection *self, unsigned opcode, td_bytes frame, uint64_t recv_ns,
                           uint64_t recv_mono_ns);

/* A topic of the slot was granted, by the answer that is being taken (subscriber_options). */
void connection_on_granted(void *user, size_t topic);

/* When connection_talk_tick has something to do. */
uint64_t connection_talk_due_ns(const connection *self);
void connection_talk_tick(connection *self, uint64_t mono_ns);

/* Credentials for now, and: have their signature hidden from here on. */
dialect_auth connection_new_auth(const connection *self);
TD_MUST_USE td_result connection_hide_signature(connection *self, const dialect_auth *auth,
                                                td_err *err);

/* ---- connection_ledger.c ---- */

/* An event of this slot and connection; fill the rest and say it. */
event connection_event(const connection *self, event_kind kind);
uint64_t connection_say(connection *self, const event *what);

/* Overwrite secrets in a text that is to be recorded or logged; returns the text. */
const char *connection_hide(const connection *self, char *text);

/* The feed's URL without its secrets, into out, which is returned. */
const char *connection_shown_url(const connection *self, char out[LIMIT_URL_BYTES]);

/* The connection stands: connect (before its first frame), the redacted URL, TLS. */
void connection_say_opened(connection *self, const wire_peer *peer);

/* It has ended. */
void connection_say_ended(connection *self, const wire_end *end);

/* From its last data on, something may be missing. */
void connection_open_gap(connection *self, gap_reason reason, const char *cause);

/* What has been granted is here again; what has not is missing on its own. */
void connection_settle(connection *self);

#endif
