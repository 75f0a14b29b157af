/* The server's part of every dialect, without sockets: reads a client's request, refuses or
 * performs it, and sends the answer. All servers (sim, serve) use it, so that they behave alike;
 * they differ only in their topics. One thread. */
#ifndef TD_SCHEMA_RESPONDER_H
#define TD_SCHEMA_RESPONDER_H

#include "schema/dialect.h"

/* What a server knows about one topic of a request. */
typedef struct topic_standing {
    uint8_t is_known;          /* 1: the topic exists, with this symbol */
    uint8_t is_symbol_unknown; /* the topic exists, but only for other symbols */
    /* 1: the topic needs authentication, and the connection is not authenticated. */
    uint8_t needs_auth;
    uint8_t is_held;           /* the connection already has the topic */
    const char *recorded_text; /* as in dialect_reply: of the refusal if the topic is not known */
} topic_standing;

/* A server's functions for one of its clients; the first argument is responder_client.user. */
typedef struct responder_ops {
    /* Called before the topics of a request are checked. NULL: not needed. */
    void (*prepare)(void *client, const dialect_request *request);
    topic_standing (*standing)(void *client, td_bytes topic);
    /* Perform the request, topic by topic. subscribe returns 0 if there is no space for the topic;
     * the topic is then refused (REFUSAL_TOO_MANY). */
    int (*subscribe)(void *client, td_bytes topic);
    void (*unsubscribe)(void *client, td_bytes topic);
    void (*unsubscribe_all)(void *client);
    /* The client's topics, one in each call: *next is 0 in the first. NULL after the last. The text
     * is valid until the client's topics change. */
    const char *(*next_held)(void *client, size_t *next);
    /* Called once after all topics of a request, before its answer is sent. */
    void (*changed)(void *client, request_kind kind);
    /* A request about orders. Returns 1 if the server answers it itself, 0 to refuse it. NULL:
     * always refused. */
    int (*order)(void *client, const dialect_request *request);
    void (*send)(void *client, td_bytes answer);
    /* The client asked for heartbeats, or for none, or pinged, which answers one. Called after the
     * answer. NULL: the server sends no heartbeats. */
    void (*heartbeats)(void *client, const dialect_request *request);
    /* The client's key was accepted. Called after the answer. */
    void (*authenticated)(void *client);
} responder_ops;

typedef struct responder_client {
    const responder_ops *ops;
    void *user; /* the first argument of the functions in ops */
    const dialect *dialect;
    const char *conn_id; /* as in dialect_reply */
} responder_client;

typedef struct responder responder;

/* secret is for checking signatures; NULL: every key is accepted. Borrowed until close. */
TD_NEVER_NULL responder *responder_open(const char *secret);
void responder_close(responder *r);

/* A client has connected: subscribe it to the topics of its URL (request_of_url), but for unknown
 * ones and for ones that need authentication, which stay silent. TD_E_LIMIT: there are too many. */
TD_MUST_USE td_result responder_begin(responder *r, const responder_client *client, td_bytes names,
                                      td_bytes query, td_err *err);

/* Respond to a client's frame at now_ms (Unix ms). Unknown topics are refused in subscribe and
 * unsubscribe requests alike. TD_E_LIMIT: the request or its answer is too large; the connection
 * should then be closed. */
TD_MUST_USE td_result responder_answer(responder *r, const responder_client *client, td_bytes frame,
                                       uint64_t now_ms, td_err *err);

#endif
