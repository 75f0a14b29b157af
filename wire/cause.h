/* Why a connection ended, or could not be made, and how to end one. */
#ifndef TD_WIRE_CAUSE_H
#define TD_WIRE_CAUSE_H

typedef enum wire_cause {
    WIRE_CAUSE_NONE,
    WIRE_CAUSE_RESOLVE,        /* the name has no address */
    WIRE_CAUSE_CONNECT,        /* refused or unreachable */
    WIRE_CAUSE_TIMEOUT,        /* no answer to connect, TLS or upgrade within connect_timeout */
    WIRE_CAUSE_TLS_UNTRUSTED,  /* certificate of an unknown CA, expired, …; not a CA file */
    WIRE_CAUSE_TLS_WRONG_HOST, /* a good certificate of another host */
    WIRE_CAUSE_TLS_OTHER,
    WIRE_CAUSE_REFUSED,        /* the upgrade was answered with an HTTP status other than 101 */
    WIRE_CAUSE_PROTOCOL,       /* the peer broke RFC 6455 */
    WIRE_CAUSE_TOO_LARGE,      /* a message over LIMIT_FRAME_BYTES, or too much to inflate */
    WIRE_CAUSE_CLOSED_BY_PEER, /* close frame, or the end of the stream */
    WIRE_CAUSE_CLOSED_BY_US,
    WIRE_CAUSE_RESET, /* connection reset, network error */
    WIRE_CAUSE_COUNT,
} wire_cause;

/* To end a connection without a close frame: after what waits; or at once, so that the peer sees a
 * reset. */
typedef enum wire_cut { WIRE_CUT_END, WIRE_CUT_RESET } wire_cut;

/* Stable name of a cause ("tls_wrong_host"). Any thread. */
const char *wire_cause_name(wire_cause cause);

#endif
