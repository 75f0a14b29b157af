/* Dialects: the form of requests, answers and heartbeats (docs/wire.md 1). A dialect is one table
 * for both ends: a client builds requests and reads answers, a server (serve, sim) reads requests
 * and builds answers. Each exchange has its own tables (schema/bybit/); a family names its dialect.
 *
 * A topic is always one string here, "topic[.parameter].symbol"; a dialect with another form on the
 * wire translates it. Pure functions over bytes; any thread, except that a parser belongs to one
 * thread. */
#ifndef TD_SCHEMA_DIALECT_H
#define TD_SCHEMA_DIALECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "schema/family.h"
#include "base/json/json.h"

enum {
    /* Limit of topics in one request. The largest family needs less (2,000 symbols times its
     * topics); more would let a peer fill memory. */
    DIALECT_ARGS_MAX = 16384,
    /* Limit of the topics' text in one request that a client builds, if the exchange has no known
     * limit. */
    DIALECT_REQUEST_BYTES = 16 << 10,
};

typedef enum request_kind {
    REQUEST_SUBSCRIBE,
    REQUEST_UNSUBSCRIBE,
    REQUEST_UNSUBSCRIBE_ALL,
    REQUEST_AUTH,
    REQUEST_PING,
    REQUEST_PONG, /* answer to the server's own ping; the server does not answer it */
    REQUEST_UNKNOWN,
    REQUEST_ORDER, /* about orders */
} request_kind;

/* ---- a client's side ---- */

/* Size of a signature as text, including its NUL. */
enum { DIALECT_SIGNATURE_BYTES = 65 };

/* Credentials of a private connection; both NUL-terminated, borrowed. */
typedef struct dialect_auth {
    const char *api_key;
    const char *secret;
    uint64_t expires_ms; /* Unix ms, in the future */
} dialect_auth;

/* The form of frames that a client requests; binary only if the dialect has_binary. */
typedef enum dialect_frames { DIALECT_FRAMES_TEXT, DIALECT_FRAMES_BINARY } dialect_frames;

/* A client's request for topics. */
typedef struct dialect_ask {
    request_kind kind; /* REQUEST_SUBSCRIBE or REQUEST_UNSUBSCRIBE */
    const char *const *topics;
    size_t count;   /* at least 1, at most as many as dialect.fit() returns */
    const char *id; /* the request's id (req_id, id), if the dialect has ids; or NULL */
    dialect_frames frames;
} dialect_ask;

typedef enum answer_kind {
    ANSWER_NONE,   /* not an answer: data, or unknown */
    ANSWER_TOPICS, /* to a subscribe or unsubscribe request, or a refusal that does not name its
                      request */
    ANSWER_AUTH,
    ANSWER_PONG,
    ANSWER_PING, /* the server's own ping: the client answers it with the dialect's pong */
} answer_kind;

/* An answer that a client received. Views are valid as after answer_parse(). */
typedef struct dialect_answer {
    answer_kind kind;
    request_kind of;         /* the request that it answers; REQUEST_UNKNOWN: not stated */
    int8_t success;          /* 1, 0; -1: not stated */
    td_bytes id;             /* the request's id, as echoed; empty: not echoed */
    td_bytes reason;         /* the exchange's text ("Success", too) or code; empty: absent */
    td_bytes reason_topic;   /* the topic that is named in the reason; empty: no topic */
    uint8_t is_repeat;       /* 1: refused because the connection already has the topic */
    const td_bytes *granted; /* topics that the answer names as granted */
    size_t granted_count;
    const td_bytes *failed; /* topics that the answer names as refused */
    size_t failed_count;
} dialect_answer;

/* ---- a server's side ---- */

/* Parts of a request that its dialect keeps for building the answer. */
enum { DIALECT_PARTS_MAX = 8 };

/* A request that a server read. Views are valid as after request_parse(). */
typedef struct dialect_request {
    request_kind kind;
    td_bytes id;                   /* req_id or id as text, empty if absent */
    td_bytes frame;                /* the whole request */
    const td_bytes *args;          /* topics, or auth's args as text; NULL: absent or null */
    size_t arg_count;              /* at most DIALECT_ARGS_MAX */
    const struct dialect *dialect; /* the dialect that read it */
    uint8_t is_second_form;        /* 1: the request has the second of the dialect's two forms */
    uint8_t has_id;                /* 1: the request has an id, even an empty one */
    td_bytes id_raw;               /* the id as JSON text: 5 or "5" */
    td_bytes order_topic;          /* only for REQUEST_ORDER: the topic of the request's answer */
    td_bytes parts[DIALECT_PARTS_MAX]; /* see DIALECT_PARTS_MAX; each dialect has its own indexes */
} dialect_request;

/* Why a server refuses a request; the wording depends on the dialect. */
typedef enum refusal {
    REFUSAL_NONE,
    REFUSAL_INVALID_OP,   /* not JSON, or an unknown request */
    REFUSAL_INVALID_ARGS, /* a known request without args, or with args of wrong types */
    REFUSAL_TOO_MANY,     /* too many topics */
    REFUSAL_UNKNOWN_TOPIC,
    REFUSAL_UNKNOWN_SYMBOL, /* the topic exists, but not for this symbol; only in dialects with
                               names_symbols */
    REFUSAL_REPEATED,       /* the connection already has the topic */
    REFUSAL_NEEDS_AUTH,
    REFUSAL_EXPIRED, /* credentials: expired */
    REFUSAL_BAD_KEY, /* credentials: wrong key or signature */
} refusal;

/* A server's answer to a request, before the dialect writes it. */
typedef struct dialect_reply {
    const char *conn_id;
    uint64_t now_ms; /* Unix ms */
    refusal refused;
    td_bytes topic; /* the refused topic; empty: the refusal is not about a topic */
    /* The text of the refusal, from a recording; NULL: the dialect's own text. */
    const char *recorded_text;
    const uint8_t *is_failed; /* a flag for each arg, if the dialect answers topic by topic; NULL:
                                 all granted */
} dialect_reply;

/* ---- the table ---- */

/* Memory for the readers of a dialect (read_request, read_answer). One thread. Views in their
 * results point into the JSON text, into the parser's copy of it, or into texts. args and texts
 * grow at most once per frame, before any view is created. */
typedef struct dialect_text {
    json_parser *json;
    td_bytes *args;
    size_t arg_capacity;
    td_buf texts; /* composed topics; empty when a frame begins */
} dialect_text;

struct dialect {
    const char *name;
    uint64_t ping_interval_ns; /* how often clients should ping */
    /* Client: the texts of the ping and of the answer to a server's ping (NULL: servers do not
     * ping), with "%" in place of the time (dialect_heartbeat()). */
    const char *ping;
    const char *pong;
    /* Limits for all subscriptions of a connection together; 0: no known limit (docs/wire.md 1.3).
     */
    size_t connection_topics_max;
    size_t connection_bytes_max; /* for the text of their topics */
    size_t request_topics_max; /* servers refuse requests with more topics (REFUSAL_TOO_MANY); 0: no
                                  limit */
    uint8_t has_lists;         /* a subscription may be "topic.A|B", "topic.*" or bare "topic" */
    uint8_t answers_topics;    /* servers grant or refuse topics individually, not the request as a
                                  whole */
    uint8_t refuses_repeats;   /* servers refuse a topic that the connection already has */
    uint8_t subscribes_with_auth; /* authentication subscribes to everything */
    uint8_t names_symbols; /* the refusal of an unknown symbol names the symbol, not the topic */
    uint8_t has_binary;    /* clients may request compressed frames */
    /* Answers repeat the request with a code, so they begin as data frames do. */
    uint8_t echoes_topics;
    uint8_t variant; /* distinguishes the dialects that share the functions below */

    /* Client: how many of the next count topics fit into one request, at least 1. */
    size_t (*fit)(const char *const *topics, size_t count);
    /* Client: append one request. NULL if subscribes_with_auth. TD_E_INVALID: the dialect has no
     * form for a topic ("depth" without a symbol, in spot). All functions here may return
     * TD_E_LIMIT, too. */
    td_result (*build_topics)(td_buf *out, const dialect_ask *ask, td_err *err);
    /* Client: append an auth request. build_auth, sign and check_auth are NULL if the dialect has
     * no credentials. */
    td_result (*build_auth)(td_buf *out, const dialect_auth *auth, td_err *err);

    /* Server: append the answer to a request; nothing if the exchange does not answer it. */
    td_result (*build_answer)(td_buf *out, const dialect_request *request,
                              const dialect_reply *reply, td_err *err);
    /* Server: append the recorded answer to a REQUEST_ORDER with its id replaced by id_raw, which
     * is JSON text (empty: no id). NULL: the dialect has no such requests. */
    void (*build_with_id)(td_buf *out, json_parser *json, td_bytes recorded, td_bytes id_raw);
    /* Server: 1 if a topic that matches a row's pattern can exist (spot has only certain
     * intervals). NULL: every such topic can. */
    int (*is_possible)(td_bytes topic);
    /* Server: 1 if a subscription covers a frame's topic. */
    int (*covers)(td_bytes subscription, td_bytes exchange_topic);
    /* Server: 1 if a subscription that covers the topic also covers this frame of the topic.
     * Example: "order.linear" covers only some frames of "order". NULL: a subscription covers all
     * frames. */
    int (*covers_frame)(td_bytes subscription, td_bytes exchange_topic, td_bytes frame);

    /* Write the signature of credentials and a NUL. Clients must keep the signature secret. */
    void (*sign)(const dialect_auth *auth, char out[DIALECT_SIGNATURE_BYTES]);
    /* Server: check the credentials of an auth request. If secret is NULL, every key is valid at
     * any time, but all parts must be present (else REFUSAL_INVALID_ARGS). */
    refusal (*check_auth)(const dialect_request *request, const char *secret, uint64_t now_ms);
    /* Server: as check_auth, for credentials in a URL's query (without "?"). *is_there is 1 if the
     * query has a key; a query without a key is ignored. NULL: credentials in URLs are ignored. */
    refusal (*check_query)(td_bytes query, const char *secret, uint64_t now_ms, int *is_there);

    /* The dialect's part of request_parse() and answer_parse(). */
    td_result (*read_request)(dialect_text *text, json_value root, dialect_request *out,
                              td_err *err);
    td_result (*read_answer)(dialect_text *text, json_value root, dialect_answer *out, td_err *err);
};

/* ---- reading requests and answers ---- */

/* Owns the memory of parsed requests and answers; one thread. */
typedef struct dialect_parser dialect_parser;
TD_NEVER_NULL dialect_parser *dialect_parser_open(void);
void dialect_parser_close(dialect_parser *parser);

/* Read a client's request. *out is valid until the next call and while frame is. TD_OK (kind is
 * REQUEST_UNKNOWN for unknown requests); TD_E_INVALID if the frame is not a JSON object, its args
 * are not a list, or one of its topics cannot be read (kind and parts are then set as far as the
 * request was read); TD_E_LIMIT. */
TD_MUST_USE td_result request_parse(dialect_parser *parser, const dialect *spoken, td_bytes frame,
                                    dialect_request *out, td_err *err);

/* Read a server's answer. *out is valid until the next call and while frame is. TD_OK (kind is
 * ANSWER_NONE for any other frame, JSON or not); TD_E_LIMIT. */
TD_MUST_USE td_result answer_parse(dialect_parser *parser, const dialect *spoken, td_bytes frame,
                                   dialect_answer *out, td_err *err);

/* 1 if the answer may belong to the request. The kind that the answer states, if any, must be the
 * request's kind. If both have an id, the ids must be equal. Otherwise all topics that the answer
 * names must be in the request (spot v1 may answer a list symbol by symbol). An answer that has
 * neither an id nor topics may belong to any request: take the oldest open one, because requests
 * are answered in order. */
int dialect_answer_fits(const dialect_answer *answer, const dialect_ask *ask);

/* 1 if the answer grants a topic of its request, 0 if the answer refuses it. */
int dialect_answer_grants(const dialect_answer *answer, const char *topic);

/* 1 if the answer names this topic, granted or refused. */
int dialect_answer_names(const dialect_answer *answer, const char *topic);

/* 1 if this answer, which belongs to no open request, ends the subscription to a topic that was
 * granted before: it refuses the topic or all topics, or confirms that the topic is, or all topics
 * are, unsubscribed. */
int dialect_answer_withdraws(const dialect_answer *answer, const char *topic);

/* ---- heartbeats, credentials, names ---- */

/* Append a heartbeat: text, with each "%" replaced by the time in ms. TD_E_LIMIT. */
TD_MUST_USE td_result dialect_heartbeat(td_buf *out, const char *text, uint64_t now_ms,
                                        td_err *err);

/* Server: call check_query; a dialect without it has no credentials in URLs. */
refusal dialect_check_query(const dialect *spoken, td_bytes query, const char *secret,
                            uint64_t now_ms, int *is_there);

/* dialect.covers for dialects without lists: a subscription covers only the same topic. */
int dialect_covers_same(td_bytes subscription, td_bytes exchange_topic);

/* Write a connection's name, as servers assign it (a UUID, version 4), from 128 random bits. */
enum { DIALECT_CONN_ID_BYTES = 37 };
void dialect_conn_id(uint64_t high, uint64_t low, char out[DIALECT_CONN_ID_BYTES]);

/* ---- for the readers in schema/EXCHANGE/ ---- */

/* Reserve memory for count args, so that args is not NULL even for 0; TD_E_LIMIT above
 * DIALECT_ARGS_MAX. */
TD_MUST_USE td_result dialect_text_reserve(dialect_text *text, size_t count, td_err *err);

/* Append the elements of a list to the args as text (numbers as written), and add their number to
 * *count. TD_E_INVALID if it is not a list. The memory must have been reserved. */
TD_MUST_USE td_result dialect_text_list(dialect_text *text, json_value list, size_t *count,
                                        td_err *err);

/* A member as text: a string, or a number or boolean as written. Returns 0 if it is missing, null,
 * or a container. */
int dialect_text_scalar(json_value object, const char *key, td_bytes *out);

#endif
