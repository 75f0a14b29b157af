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
    struct ssl_ctx_st *tls; /* NULL without TLS */
    int tls_version;        /* the newest allowed version; 0: any */
    const char *answer;     /* to the upgrade; "": no answer; NULL: a correct 101 */
    const char *lines;      /* further header lines of a correct 101; or NULL */
    /* Then this many TLS key update requests (1.3) or handshakes (1.2), without reading the
     * replies. */
    size_t handshakes;
    /* The largest TCP segment; 0: the system's default. Linux gives a sender a buffer of about 20
     * segments, which are 64 KiB on the loopback device. */
    int segment_bytes;
    td_bytes after; /* then these bytes */
    size_t repeats; /* of handshakes and bytes */
    raw_end end;
    uint8_t is_hasty; /* 1: answers as soon as the first bytes arrive */
} raw_script;

/* A context with a new certificate, which is written to ca_path. Free it with tls_context_close. */
struct ssl_ctx_st *raw_peer_make_tls(const char *ca_path);

typedef struct raw_peer raw_peer;

/* Listen and serve one connection by the script, which is borrowed until raw_peer_stop. */
raw_peer *raw_peer_start(const raw_script *script);
uint16_t raw_peer_port(const raw_peer *peer);

/* Wait for the peer's end. request gets the head of the client's request, NUL-terminated; may be
 * NULL. */
void raw_peer_stop(raw_peer *peer, char *request, size_t request_bytes);

#endif
