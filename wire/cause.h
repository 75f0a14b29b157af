/* Why a connection failed or ended, and how to end one. */
#ifndef TD_WIRE_CAUSE_H
#define TD_WIRE_CAUSE_H

typedef enum wire_cause {
    WIRE_CAUSE_NONE,
    WIRE_CAUSE_RESOLVE,       /* the name has no address */
    WIRE_CAUSE_CONNECT,       /* refused or unreachable */
    WIRE_CAUSE_TIMEOUT,       /* connect, TLS or upgrade took longer than connect_timeout */
    WIRE_CAUSE_TLS_UNTRUSTED, /* a certificate that is expired, of an unknown CA, …; or an invalid
                                 CA file */
    WIRE_CAUSE_TLS_WRONG_HOST, /* a valid certificate of another host */
    WIRE_CAUSE_TLS_OTHER,
    WIRE_CAUSE_REFUSED,        /* the upgrade was answered with an HTTP status other than 101 */
    WIRE_CAUSE_PROTOCOL,       /* the peer broke RFC 6455 */
    WIRE_CAUSE_TOO_LARGE,      /* a message over LIMIT_FRAME_BYTES, or too much inflating */
    WIRE_CAUSE_CLOSED_BY_PEER, /* close frame, or TCP end without one */
    WIRE_CAUSE_CLOSED_BY_US,
    WIRE_CAUSE_RESET, /* connection reset, network error */
    WIRE_CAUSE_COUNT,
} wire_cause;

/* How to end a connection without a close frame: after sending the queued bytes, or at once with a
 * TCP reset. */
typedef enum wire_cut { WIRE_CUT_END, WIRE_CUT_RESET } wire_cut;

/* Stable name of a cause, such as "tls_wrong_host". Any thread. */
const char *wire_cause_name(wire_cause cause);

#endif
