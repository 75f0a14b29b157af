/* The recorder's own events: what happened to a feed's connections, as JSON objects on the feed's
 * "_events" channel. Only this module encodes and decodes them, for the recorder, import, the
 * ledger and tapes.
 *
 * Every segment of a feed begins with a "segment" event that restates the open connections: slot,
 * connection number and the ordinals so far. "grant" events after it restate the connections'
 * topics. Later, "connect" and "disconnect" show which connection a frame belongs to; a
 * connection's "connect" precedes its first frame. So each segment can be read alone, and a message
 * needs only 32 of the 64 bits of its ordinal.
 *
 *   {"event":"connect","line":0,"shard":0,"conn":1,"url":"wss://…","attempt":1}
 *
 * A table in event.c lists the members of each kind. Empty members (empty text, a time of 0 where
 * that means "not yet") are left out of the JSON. Readers ignore unknown members. */
#ifndef TD_ARCHIVE_EVENT_H
#define TD_ARCHIVE_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "archive/gap.h"

typedef enum event_kind {
    EVENT_SESSION,    /* recording starts or stops: state, session, start_ns, verb, version */
    EVENT_SEGMENT,    /* a segment begins: session, number, slots; state EVENT_STATE_BESIDE: another
                         process still has other connections of the session open */
    EVENT_CONNECT,    /* slot, conn, url (redacted), attempt, extensions (that the
                         server agreed to, as it wrote them), cause (EVENT_CONTINUED); before its
                         first frame */
    EVENT_TLS,        /* slot, conn, tls_version, cipher, verified */
    EVENT_SUBSCRIBE,  /* slot, conn, topics, state ("sent", "unanswered"); grants have the
                         answers */
    EVENT_GRANT,      /* slot, conn, topic (as the exchange writes it, or EVENT_GRANT_ALL), source,
                         from_ns: start of the subscription at the exchange. Precedes the frame that
                         shows it; a segment begins with one for each granted topic */
    EVENT_GRANT_END,  /* slot, conn, topic, reason ("refused", "unsubscribed"). The end of a
                         connection ends all of its grants */
    EVENT_AUTH,       /* slot, conn, state ("sent", "accepted", "refused", "unanswered"), detail */
    EVENT_DISCONNECT, /* slot, conn, in, out, code and reason (or reason_hex) of the peer's close
                         frame, sent_code of our frame, by (who closed first), cause */
    EVENT_GAP,   /* the gap's members, with its slot; the feed is left out: it is the channel's */
    EVENT_CLOCK, /* step_ns, offset_ns, state, wall_ns. state "seen", "adopted", "withdrawn",
                    "held", "new_session": the wall clock stepped
                    (recorder/pipeline/session_clock.h); "paused": the recorder did not run,
                    from_ns, to_ns, cause ("not running", "suspended") */
    EVENT_OVERLOAD,   /* slot, what (absent: sockets were left unread, and receive times are late;
                         EVENT_OVERLOAD_DURABILITY), state ("begins", "ends"), from_ns, to_ns,
                         frames, bytes, lag_ns, cause */
    EVENT_ROTATE,     /* number of the segment that ended, frames, bytes, cause */
    EVENT_HEARTBEAT,  /* slot, conn, what ("ping", "pong"), dir; for one WebSocket control frame
                         its payload (or payload_hex), for frames that were only counted their
                         number (frames) */
    EVENT_REDACTED,   /* slot, conn, what ("frame"), dir, ordinal, offset, bytes; state: a
                         compressed frame was "overwritten" as a whole */
    EVENT_HTTP,       /* what (the reply's name), url (redacted), state ("kept", before the reply;
                         "failed"), code (HTTP status, or 0), bytes, cause, detail. For a client's
                         request: method (absent: GET), its body in detail. In a cut that begins
                         after the reply was received: from_ns, the reply's receive time */
    EVENT_LIMIT,      /* a limit was reached: what ("books": the live check skips further books;
                         EVENT_LIMIT_GRANTS: no grant is written for further topics of a
                         connection until the segment ends), state ("begins"), number (the limit) */
    EVENT_END_NOTICE, /* slot, conn, state (EVENT_END_*), detail: the frame in which the exchange
                         announces that it ends the connection. The first one of a connection */
    EVENT_KIND_COUNT,
} event_kind;

/* Kind of an overload: frames were kept with correct receive times, but became durable up to lag_ns
 * after they were received. */
#define EVENT_OVERLOAD_DURABILITY "durability"

/* Cause of a connect event: the connection was open before the session, which does not have its
 * earlier requests. */
#define EVENT_CONTINUED "continued"

/* A grant of all topics, by authentication. */
#define EVENT_GRANT_ALL "*"

/* How a grant is known: by an answer, or because a frame of the topic came before the answer. */
#define EVENT_GRANT_ANSWERED "answered"
#define EVENT_GRANT_SEEN     "seen"

#define EVENT_LIMIT_GRANTS "grants"

/* What follows from an announced end: another connection takes over at once, later (the last one
 * that did so is too young), or not at all (none is configured). */
#define EVENT_END_REPLACED "is replaced"
#define EVENT_END_WAITS    "waits"
#define EVENT_END_KEPT     "stays"

/* Cause of a disconnect: another connection of the shard has taken over, so nothing is missing. */
#define EVENT_CAUSE_REPLACED "replaced"
#define EVENT_STATE_BESIDE   "beside another process"

/* An open connection, as a segment event restates it. in, out: its frame counts so far. */
typedef struct event_slot {
    uint32_t line, shard, conn;
    uint64_t in, out;
    uint64_t since_ns; /* recv_ns of its connect event */
} event_slot;

/* One event. Set the members of its kind; the rest stays zero. Texts are NUL-terminated and
 * borrowed; NULL and "" both mean absent. */
typedef struct event {
    event_kind kind;
    uint32_t line, shard, conn; /* conn counts from 1 */
    const char *session;
    const char *state;
    const char *verb;
    const char *version;
    const char *url;
    const char *method;
    const char *extensions;
    const char *tls_version;
    const char *cipher;
    const char *verified;
    const char *topics; /* as the exchange writes them, joined by "," */
    const char *topic;
    const char *source;
    const char *what;
    const char *dir; /* "in" or "out" */
    const char *by;  /* "peer" or "us" */
    const char *reason, *reason_hex;
    const char *payload, *payload_hex;
    const char *cause;
    const char *detail;
    uint64_t start_ns;
    uint64_t number;
    uint64_t attempt;
    uint64_t in, out;
    uint64_t code, sent_code;
    uint64_t from_ns, to_ns;
    uint64_t frames, bytes;
    uint64_t lag_ns;
    uint64_t ordinal, offset;
    uint64_t wall_ns;
    int64_t step_ns, offset_ns;
    const event_slot *slots; /* EVENT_SEGMENT */
    size_t slot_count;       /* <= LIMIT_FEED_SLOTS */
    gap_row gap;             /* EVENT_GAP */
} event;

/* Stable name ("connect"). */
const char *event_kind_name(event_kind kind);

/* Store bytes of a control frame as members: *text if they are printable UTF-8, else *hex; both are
 * empty for no bytes. They point into out. */
enum { EVENT_CONTROL_BYTES_MAX = 125, EVENT_CONTROL_TEXT_BYTES = 2 * EVENT_CONTROL_BYTES_MAX + 1 };
void event_put_bytes(td_bytes bytes, char out[EVENT_CONTROL_TEXT_BYTES], const char **text,
                     const char **hex);

/* Largest JSON of one event that is decoded: 256 slots of at most 150 bytes, and texts such as a
 * list of topics. A copy of at most EVENT_COPY_BYTES_MAX has no larger one. */
enum { EVENT_BYTES_MAX = 4 << 20, EVENT_COPY_BYTES_MAX = 512 << 10 };

/* Append the JSON of an event to out. TD_E_LIMIT. Any thread. */
TD_MUST_USE td_result event_encode(const event *from, td_buf *out, td_err *err);

/* Copy an event (no EVENT_SEGMENT), with the texts of its kind after the struct. Returns the bytes
 * of the copy, which the caller's memory must have; copy may be NULL. Any thread. */
size_t event_copy(const event *from, event *copy);

/* Reads events; owns a JSON parser and the texts of the last event. One thread. NULL may be
 * closed. */
typedef struct event_reader event_reader;
/* Open a reader without an event; close it with the texts of the last one. */
event_reader *event_reader_open(void);
void event_reader_close(event_reader *reader);

/* Read one event. *out is valid until the next call. TD_E_INVALID if the text is not an event
 * object, its kind is unknown, or a member has a wrong type. */
TD_MUST_USE td_result event_decode(event_reader *reader, td_bytes text, event *out, td_err *err);

#endif
