/* A link to the server of a URL: its name looked up, each of its addresses tried, through a proxy
 * (wire/proxy.h) if there is one, TLS and its certificate judged, all within a time limit, and why
 * it failed in words. For wire/ only; loop's thread. */
#ifndef TD_WIRE_DIAL_H
#define TD_WIRE_DIAL_H

#include "base/url.h"
#include "wire/cause.h"
#include "wire/link.h"
#include "wire/proxy.h"
#include "wire/tls.h"

/* How far it has come; determines the text of a failure. */
typedef enum dial_stage {
    DIAL_RESOLVING,
    DIAL_CONNECTING, /* TCP, to the proxy if there is one, */
    DIAL_TUNNELING,  /* and through it */
    DIAL_SECURING,   /* TLS */
    DIAL_READY,
} dial_stage;

typedef struct dial_ops {
    /* The link is ready: send. */
    void (*ready)(void *user);
    /* As link_ops. */
    size_t (*received)(void *user, uint8_t *bytes, size_t size, uint64_t read_ns);
    void (*drained)(void *user);
    /* It failed, or ended later, or the loop closes; the user closes it. */
    void (*ended)(void *user, wire_cause cause, const char *text);
} dial_ops;

/* Bytes that may wait to be sent; the user keeps below it. */
enum { DIAL_OUT_BYTES_MAX = 3 << 20 };

/* Zero-initialise; memory is the owner's, to be freed by loop_free_later. */
typedef struct dial {
    wire_loop *loop;
    loop_member member;
    const dial_ops *ops;
    void *user;
    td_server_url url;
    wire_proxy proxy;
    char *ca_file;
    dial_stage stage;
    const char *doing; /* of the user, while the deadline runs: "upgrade to WebSocket" */
    wire_link link;
    wire_timer *deadline;
    uint64_t deadline_ns;
    wire_timer *step; /* the next attempt, also while a silent address has its share of the time */
    resolve_job *job;
    resolve_answer addresses;
    size_t address_next;
    struct ssl_ctx_st *tls; /* NULL: plain, or not connected to yet */
    tls_check check;
} dial;

/* Begin. url is that of options, parsed by the caller into self->url. Nothing is called before this
 * returns. TD_E_INVALID, TD_E_LIMIT; dial_close is due then, too. */
TD_MUST_USE td_result dial_begin(dial *self, wire_loop *loop, const char *ca_file,
                                 uint64_t timeout_ns, const dial_ops *ops, void *user, td_err *err);
/* The user has what it wanted: no time limit any more. */
void dial_end_deadline(dial *self);
/* Close it; nothing is called any more. */
void dial_close(dial *self);

#endif
