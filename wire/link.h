/* A TCP connection, with or without TLS, for both ends: bytes in and out. What is received is
 * handed out in the loop's buffer; what the user leaves of it is kept and comes again. For wire/
 * only; loop's thread. */
#ifndef TD_WIRE_LINK_H
#define TD_WIRE_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/loop_impl.h"

struct bio_method_st;
struct ssl_st;

/* How a link ended by itself. */
typedef enum link_end {
    LINK_UNREACHABLE, /* it did not connect */
    LINK_TLS_FAILED,  /* the handshake, or what came after it */
    LINK_ENDED,       /* the peer sent its end */
    LINK_RESET,
} link_end;

typedef struct link_ops {
    /* TCP is connected (not of adopted ones), and later TLS agreed on (may be NULL). */
    void (*connected)(void *user);
    void (*secured)(void *user);
    /* Bytes, read at read_ns; the user may change them. Returns how many are used. The rest comes
     * again with what follows, or after link_resume. */
    size_t (*received)(void *user, uint8_t *bytes, size_t size, uint64_t read_ns);
    /* All that was put in was handed to the socket. */
    void (*drained)(void *user);
    /* The last call: text says why, valid during the call. The user closes the link. */
    void (*ended)(void *user, link_end how, const char *text);
} link_ops;

typedef enum link_state { LINK_CLOSED, LINK_CONNECTING, LINK_SECURING, LINK_OPEN } link_state;

/* Zero-initialise; memory is the owner's, to be freed by loop_free_later. */
typedef struct wire_link {
    wire_loop *loop;
    const link_ops *ops;
    void *user;
    link_state state;
    loop_fd socket;
    struct ssl_st *ssl;           /* NULL: plain */
    struct bio_method_st *method; /* how it gets to the socket */
    uint8_t *records;             /* what OpenSSL has not taken yet begins at records_at */
    size_t records_at, records_left;
    size_t tls_bytes; /* of them that OpenSSL took in its present call */
    td_buf sealed;    /* records of OpenSSL that the socket has not taken yet */
    td_buf out;       /* what neither OpenSSL nor the socket has taken yet begins at out_at */
    size_t out_at;
    td_buf held;      /* received, and not used yet */
    uint64_t read_ns; /* time of the last read */
    int os_error;     /* errno of what failed last */
    uint8_t is_paused;
    uint8_t is_blocked;  /* the socket takes no more for now */
    uint8_t is_drained;  /* the last read took all that the socket had */
    uint8_t is_finished; /* link_finish: nothing more is put in */
    uint8_t is_shut;     /* and its end was sent */
} wire_link;

/* Give the link its loop and owner; at most out_bytes_max wait to be sent. */
void link_init(wire_link *link, wire_loop *loop, const link_ops *ops, void *user,
               size_t out_bytes_max);
/* Close at once. Nothing is called any more; received and ended may be under way. */
void link_close(wire_link *link);

/* Connect to a port of an address. TD_E_IO. */
TD_MUST_USE td_result link_connect(wire_link *link, const wire_address *address, uint16_t port,
                                   td_err *err);
/* Take over a connected socket. TD_E_IO: it is still the caller's. */
TD_MUST_USE td_result link_adopt(wire_link *link, int fd, td_err *err);

/* Begin TLS on an open link, with a session of the right role that the link owns from now on. */
void link_secure(wire_link *link, struct ssl_st *ssl);

/* Where bytes to be sent are appended; link_flush_later lets them go to the socket at the end of
 * the loop's turn. The owner keeps what waits below out_bytes_max. */
td_buf *link_output(wire_link *link);
void link_flush_later(wire_link *link);
/* Bytes that wait. */
size_t link_waiting_bytes(const wire_link *link);

/* link_close resets the connection: the peer gets no end of the stream. */
void link_reset_on_close(wire_link *link);

/* Send what waits, then the stream's end. Reading continues. */
void link_finish(wire_link *link);

/* Stop and continue handing bytes out. */
void link_pause(wire_link *link);
void link_resume(wire_link *link);

/* The peer's numeric address; "" if unknown. */
enum { LINK_ADDRESS_BYTES = 64 };
void link_peer_address(const wire_link *link, char out[LINK_ADDRESS_BYTES]);

#endif
