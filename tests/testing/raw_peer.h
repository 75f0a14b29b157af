/* WebSocket peers that misbehave on purpose, with blocking sockets on their own thread. Each serves
 * one connection on 127.0.0.1. */
#ifndef TD_TESTS_RAW_PEER_H
#define TD_TESTS_RAW_PEER_H

#include <stdint.h>

#include "base/bytes.h"
#include "wire/tls.h"

typedef enum raw_end {
    RAW_END_CLOSE, /* close the TCP connection */
    RAW_END_RESET, /* reset it */
    RAW_END_HOLD,  /* keep it open until the client closes */
} raw_end;

typedef struct raw_script {
    const char *tunnel;     /* answer to a CONNECT before the upgrade; NULL: read no CONNECT */
    struct ssl_ctx_st *tls; /* context for TLS; NULL: no TLS */
    int tls_version;        /* newest TLS version that is allowed; 0: any */
    const char *answer;     /* answer to the upgrade; "": no answer; NULL: a correct 101 */
    const char *lines;      /* further header lines of a correct 101, or NULL */
    /* Number of TLS key update requests (1.3) or handshakes (1.2) sent after the answer, without
     * reading the replies. */
    size_t handshakes;
    /* The largest TCP segment; 0: the system's default. Linux gives a sender a buffer of about 20
     * segments, and a segment on the loopback device has 64 KiB by default. */
    int segment_bytes;
    td_bytes after; /* bytes sent after the handshakes */
    size_t repeats; /* how often handshakes and `after` are repeated */
    raw_end end;
    uint8_t is_hasty; /* 1: answers as soon as the first bytes of the request arrive */
} raw_script;

/* A context with a new certificate, which is written to ca_path. Free it with tls_context_close. */
struct ssl_ctx_st *raw_peer_make_tls(const char *ca_path);

typedef struct raw_peer raw_peer;

/* Listen and serve one connection by the script, which is borrowed until raw_peer_stop. */
raw_peer *raw_peer_start(const raw_script *script);
uint16_t raw_peer_port(const raw_peer *peer);

/* Wait until the peer has ended. request gets the head of the client's request, NUL-terminated; may
 * be NULL. */
void raw_peer_stop(raw_peer *peer, char *request, size_t request_bytes);

#endif
