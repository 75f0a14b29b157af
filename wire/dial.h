/* Opens a link to the server of a URL within a time limit: looks the name up, tries each address
 * (through a proxy if one is set, wire/proxy.h), does the TLS handshake and verifies the
 * certificate. A text explains a failure. For wire/ only; loop's thread. */
#ifndef TD_WIRE_DIAL_H
#define TD_WIRE_DIAL_H

#include "base/url.h"
#include "wire/cause.h"
#include "wire/link.h"
#include "wire/proxy.h"
#include "wire/tls.h"

/* Progress; determines the text of a failure. */
typedef enum dial_stage {
    DIAL_RESOLVING,
    DIAL_CONNECTING, /* TCP connect, to the proxy if one is used */
    DIAL_TUNNELING,  /* CONNECT request to the proxy */
    DIAL_SECURING,   /* TLS handshake */
    DIAL_READY,
} dial_stage;

typedef struct dial_ops {
    /* The link is ready to send. */
    void (*ready)(void *user);
    /* As in link_ops (wire/link.h). */
    size_t (*received)(void *user, uint8_t *bytes, size_t size, uint64_t read_ns);
    void (*drained)(void *user);
    /* Connecting failed, the link ended later, or the loop closes; the user must call dial_close.
     */
    void (*ended)(void *user, wire_cause cause, const char *text);
} dial_ops;

/* Maximum bytes that wait to be sent; the user must not exceed it. */
enum { DIAL_OUT_BYTES_MAX = 3 << 20 };

/* Zero-initialise; the owner frees the memory by loop_free_later. */
typedef struct dial {
    wire_loop *loop;
    loop_member member;
    const dial_ops *ops;
    void *user;
    td_server_url url;
    wire_proxy proxy;
    char *ca_file;
    dial_stage stage;
    const char *step; /* set by the user: the user's current step, for the text of a timeout, such
                         as "upgrade to WebSocket" */
    wire_link link;
    wire_timer *deadline;
    uint64_t deadline_ns;
    wire_timer *retry_timer; /* starts the next attempt: after a failure, or when an address has not
                         answered in its share of the time */
    resolve_job *job;
    resolve_answer addresses;
    size_t address_next;
    size_t address_first;   /* set by the user: the address that is tried first, of those that the
                               name   has, modulo their number; then those that follow it */
    struct ssl_ctx_st *tls; /* NULL: no TLS, or no attempt yet */
    tls_check check;
} dial;

/* Begin to connect to self->url, which the caller has set. Callbacks follow after this returns.
 * TD_E_INVALID, TD_E_NETWORK (the loop is closing), TD_E_LIMIT, TD_E_IO. The caller must call
 * dial_close after a failure, too. */
TD_MUST_USE td_result dial_begin(dial *self, wire_loop *loop, const char *ca_file,
                                 uint64_t timeout_ns, const dial_ops *ops, void *user, td_err *err);
/* End the time limit. */
void dial_end_deadline(dial *self);
/* Close; no callback follows. */
void dial_close(dial *self);

#endif
