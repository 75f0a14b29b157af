/* The server's end of every dialect, without sockets: reads a client's request, refuses or performs
 * it, and sends the answer. All servers (sim, serve) respond through it, so that they behave alike;
 * they only differ in the topics that they have. One thread. */
#ifndef TD_SCHEMA_RESPONDER_H
#define TD_SCHEMA_RESPONDER_H

#include "schema/dialect.h"

/* State of one topic of a request, at the server. */
typedef struct topic_standing {
    uint8_t is_known;          /* there is such a topic, of that symbol */
    uint8_t is_symbol_unknown; /* there is no such topic of that symbol, only of others */
    uint8_t needs_auth;        /* the topic needs authentication, and the connection has none */
    uint8_t is_held;           /* the connection has it already */
    const char *words;         /* in which it is refused, if it is not known; NULL: the dialect's */
} topic_standing;

/* What a server does for a client of its own; all functions take that client. */
typedef struct responder_ops {
    /* Get ready to judge the topics of a request. NULL: always ready. */
    void (*prepare)(void *client, const dialect_request *request);
    topic_standing (*look)(void *client, td_bytes topic);
    /* Do what was granted, topic by topic. subscribe returns 0 if there is no space for the topic,
     * which is refused then (REFUSAL_TOO_MANY). */
    int (*subscribe)(void *client, td_bytes topic);
    void (*unsubscribe)(void *client, td_bytes topic);
    void (*unsubscribe_all)(void *client);
    /* Called after these, once for a request, before its answer. */
    void (*changed)(void *client, request_kind kind);
    /* A request about orders. 1: the server answers it itself; 0: it is refused. NULL: all are
     * refused. */
    int (*order)(void *client, const dialect_request *request);
    void (*send)(void *client, td_bytes answer);
    /* The client's key was accepted. Called after the answer. */
    void (*authenticated)(void *client);
} responder_ops;

typedef struct responder_client {
    const responder_ops *ops;
    void *user; /* the client that ops take */
    const dialect *dialect;
    const char *conn_id; /* as in dialect_reply */
} responder_client;

typedef struct responder responder;

/* secret: signatures are checked with it, NULL accepts every key; borrowed until close. */
TD_NEVER_NULL responder *responder_open(const char *secret);
void responder_close(responder *r);

/* Respond to a client's frame at now_ms (Unix ms). Topics that are unknown are refused whether they
 * are subscribed to or given up. TD_E_LIMIT: the request, or its answer, is too large; the
 * connection should be closed then. */
TD_MUST_USE td_result responder_answer(responder *r, const responder_client *client, td_bytes frame,
                                       uint64_t now_ms, td_err *err);

#endif
