/* A TCP connection with or without TLS, for clients and servers. Received bytes are delivered in
 * the loop's buffer; bytes that the user does not use are kept and delivered again. For wire/ only;
 * loop's thread. */
#ifndef TD_WIRE_LINK_H
#define TD_WIRE_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/loop.h"
#include "wire/resolve.h"

struct bio_method_st;
struct ssl_st;

/* How a link ended without link_close. */
typedef enum link_end {
    LINK_UNREACHABLE, /* connecting failed */
    LINK_TLS_FAILED,  /* the handshake or a later record failed */
    LINK_ENDED,       /* the peer closed */
    LINK_RESET,
} link_end;

typedef struct link_ops {
    /* connected: TCP is connected (not called for an adopted socket). secured: the TLS handshake is
     * done (may be NULL). */
    void (*connected)(void *user);
    void (*secured)(void *user);
    /* Bytes that were read at read_ns; the user may modify them. Returns how many it used. The rest
     * is delivered again with the next bytes, or after link_resume. */
    size_t (*received)(void *user, uint8_t *bytes, size_t size, uint64_t read_ns);
    /* The socket has accepted all queued bytes. */
    void (*drained)(void *user);
    /* The last call; text is the reason, valid during the call. The user must call link_close. */
    void (*ended)(void *user, link_end how, const char *text);
} link_ops;

typedef enum link_state { LINK_CLOSED, LINK_CONNECTING, LINK_SECURING, LINK_OPEN } link_state;

/* Zero-initialise; the owner frees the memory by loop_free_later. */
typedef struct wire_link {
    wire_loop *loop;
    const link_ops *ops;
    void *user;
    link_state state;
    loop_fd socket;
    struct ssl_st *ssl;           /* NULL: no TLS */
    struct bio_method_st *method; /* OpenSSL's access to the socket */
    uint8_t *records;             /* received bytes that OpenSSL has not read, from records_at on */
    size_t records_at, records_left;
    size_t tls_bytes; /* bytes that OpenSSL read in its current call */
    td_buf sealed;    /* TLS records that wait for the socket */
    td_buf out;       /* bytes to send (before TLS), from out_at on */
    size_t out_at;
    td_buf held;      /* received, but not yet used by the user */
    uint64_t read_ns; /* time of the last read */
    int os_error;     /* errno of the last failure */
    uint8_t is_paused;
    uint8_t is_blocked;  /* the socket's send buffer is full */
    uint8_t is_drained;  /* the last read emptied the socket */
    uint8_t is_finished; /* link_finish was called: no more output follows */
    uint8_t is_shut;     /* our direction is closed */
} wire_link;

/* Set loop, callbacks and user; at most out_bytes_max bytes wait to be sent. */
void link_init(wire_link *link, wire_loop *loop, const link_ops *ops, void *user,
               size_t out_bytes_max);
/* Close at once; no callback follows. May be called inside received and ended. */
void link_close(wire_link *link);

/* Start to connect to a port of an address. TD_E_IO. */
TD_MUST_USE td_result link_connect(wire_link *link, const wire_address *address, uint16_t port,
                                   td_err *err);
/* Take over a connected socket. TD_E_IO: the caller still owns it. */
TD_MUST_USE td_result link_adopt(wire_link *link, int fd, td_err *err);

/* Begin TLS on an open link; takes ownership of the session. */
void link_secure(wire_link *link, struct ssl_st *ssl);

/* The buffer to append output to; link_flush_later sends it at the end of the loop's turn. The
 * owner keeps the waiting bytes below out_bytes_max. */
td_buf *link_output(wire_link *link);
void link_flush_later(wire_link *link);
/* Bytes that wait to be sent. */
size_t link_waiting_bytes(const wire_link *link);

/* Let link_close reset the TCP connection. */
void link_reset_on_close(wire_link *link);

/* Send the waiting bytes, then close our direction. Reading continues. */
void link_finish(wire_link *link);

/* Pause and resume delivering bytes. */
void link_pause(wire_link *link);
void link_resume(wire_link *link);

/* The peer's numeric address; "" if unknown. */
enum { LINK_ADDRESS_BYTES = 64 };
void link_peer_address(const wire_link *link, char out[LINK_ADDRESS_BYTES]);

#endif
