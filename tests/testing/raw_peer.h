/* WebSocket peers that misbehave on purpose, over plain blocking sockets on a thread of their own.
 * They serve one connection each, on 127.0.0.1. */
#ifndef TD_TESTS_RAW_PEER_H
#define TD_TESTS_RAW_PEER_H

#include <stdint.h>

#include "base/bytes.h"
#include "wire/tls.h"

typedef enum raw_end {
    RAW_END_CLOSE, /* close the TCP connection in order */
    RAW_END_RESET, /* reset it */
    RAW_END_HOLD,  /* leave it open until the client closes */
} raw_end;

typedef struct raw_script {
    const char *tunnel;     /* to a CONNECT before that; NULL: none is read */
    struct ssl_ctx_st *tls; /* NULL: plain */
    int tls_version;        /* the newest that is agreed to; 0: any */
    const char *answer;     /* to the upgrade; "": none; NULL: a correct 101 */
    const char *lines;      /* further lines of a correct 101; NULL: none */
    /* Then so many requests of TLS for new keys (1.3), or handshakes (1.2); what comes is not
     * read. */
    size_t handshakes;
    /* The largest TCP segment; 0: the system's. Linux gives a sender a buffer of some 20 segments,
     * which are of 64 KiB on the loopback device. */
    int segment_bytes;
    td_bytes after; /* then these bytes */
    size_t repeats; /* of both */
    raw_end end;
    uint8_t is_hasty; /* 1: answers the first bytes, whatever they are */
} raw_script;

/* A context with a certificate, which is written to ca_path; freed by tls_context_close. */
struct ssl_ctx_st *raw_peer_make_tls(const char *ca_path);

typedef struct raw_peer raw_peer;

/* Listen and serve one connection by the script, which is borrowed until raw_peer_stop. */
raw_peer *raw_peer_start(const raw_script *script);
uint16_t raw_peer_port(const raw_peer *peer);

/* Wait for its end. request gets the head of what the client asked, NUL-terminated; may be NULL. */
void raw_peer_stop(raw_peer *peer, char *request, size_t request_bytes);

#endif
