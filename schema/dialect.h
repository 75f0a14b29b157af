/* Dialects: how requests, answers and heartbeats look (docs/wire.md 1). A dialect is one table for
 * both ends: a client builds requests and reads answers, a server (serve, sim) reads requests and
 * builds answers. The tables are the exchanges' (schema/bybit/); a family names its own.
 *
 * A topic is one string everywhere, "topic[.parameter].symbol"; a dialect that spells it otherwise
 * on the wire translates. Pure functions over bytes; any thread, but a parser is for one. */
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
    /* Topics in one request: above the 2,000 symbols times topics of the largest family, below what
     * a peer could use to fill memory. */
    DIALECT_ARGS_MAX = 16384,
    /* Text of the topics that a client puts in one request, where no limit is known. */
    DIALECT_REQUEST_BYTES = 16 << 10,
};

typedef enum request_kind {
    REQUEST_SUBSCRIBE,
    REQUEST_UNSUBSCRIBE,
    REQUEST_UNSUBSCRIBE_ALL,
    REQUEST_AUTH,
    REQUEST_PING,
    REQUEST_PONG, /* to the server's own ping: it is not answered */
    REQUEST_UNKNOWN,
    REQUEST_ORDER, /* about orders */
} request_kind;

/* ---- a client's side ---- */

/* Size of a signature as text, with its NUL. */
enum { DIALECT_SIGNATURE_BYTES = 65 };

/* Credentials of a private connection; both NUL-terminated, borrowed. */
typedef struct dialect_auth {
    const char *api_key;
    const char *secret;
    uint64_t expires_ms; /* Unix ms, in the future */
} dialect_auth;

/* The form of frames that a client requests, where the dialect has_binary. */
typedef enum dialect_frames { DIALECT_FRAMES_TEXT, DIALECT_FRAMES_BINARY } dialect_frames;

/* One request for topics. */
typedef struct dialect_ask {
    request_kind kind; /* REQUEST_SUBSCRIBE or REQUEST_UNSUBSCRIBE */
    const char *const *topics;
    size_t count;   /* at least 1, at most what dialect.fit() says */
    const char *id; /* the request's own name (req_id, id), where the dialect has such; or NULL */
    dialect_frames frames;
} dialect_ask;

typedef enum answer_kind {
    ANSWER_NONE,   /* no answer: data, or unknown */
    ANSWER_TOPICS, /* to subscribe or unsubscribe, or a refusal that names no request */
    ANSWER_AUTH,
    ANSWER_PONG,
    ANSWER_PING, /* the server's own: answer with the dialect's pong */
} answer_kind;

/* An answer that a client received. Views as of answer_parse(). */
typedef struct dialect_answer {
    answer_kind kind;
    request_kind of;         /* what it answers; REQUEST_UNKNOWN: not stated */
    int8_t success;          /* 1, 0; -1: not stated */
    td_bytes id;             /* of the request, as echoed; empty: not echoed */
    td_bytes reason;         /* the exchange's words ("Success" too) or code; empty: none */
    td_bytes blamed;         /* the topic that the reason names; empty: none */
    uint8_t is_repeat;       /* refused because the connection has the topic already */
    const td_bytes *granted; /* topics that it names, where they were granted */
    size_t granted_count;
    const td_bytes *failed; /* topics that it names, where they were not */
    size_t failed_count;
} dialect_answer;

/* ---- a server's side ---- */

/* Parts of a request that its dialect keeps for its own answer. */
enum { DIALECT_KEPT_MAX = 8 };

/* A request that a server read. Views as of request_parse(). */
typedef struct dialect_request {
    request_kind kind;
    td_bytes id;          /* req_id or id as text, empty if absent */
    td_bytes frame;       /* the request as it came */
    const td_bytes *args; /* topics, or the members of auth's args as text; NULL: the request has
                             none, or null */
    size_t arg_count;     /* at most DIALECT_ARGS_MAX */
    const struct dialect *spoken;    /* that it was read by */
    uint8_t is_second;               /* it came in the second of two forms that the dialect has */
    uint8_t has_id;                  /* it has one, if only an empty one */
    td_bytes id_raw;                 /* the id as JSON text: 5 or "5" */
    td_bytes order_topic;            /* of REQUEST_ORDER: that of its answer */
    td_bytes kept[DIALECT_KEPT_MAX]; /* what they are, only the dialect knows */
} dialect_request;

/* Why a server refuses; each dialect words it in its own way. */
typedef enum refusal {
    REFUSAL_NONE,
    REFUSAL_INVALID_OP,   /* not JSON, or no known request */
    REFUSAL_INVALID_ARGS, /* known, but with nothing in it, or with wrong types */
    REFUSAL_TOO_MANY,     /* topics */
    REFUSAL_UNKNOWN_TOPIC,
    REFUSAL_UNKNOWN_SYMBOL, /* of a known topic; only where names_symbols */
    REFUSAL_REPEATED,       /* a topic that the connection has already */
    REFUSAL_NEEDS_AUTH,
    REFUSAL_EXPIRED, /* credentials: their time */
    REFUSAL_BAD_KEY, /* credentials: key or signature */
} refusal;

/* What a server answers to a request. */
typedef struct dialect_reply {
    const char *conn_id;
    uint64_t now_ms; /* Unix ms */
    refusal refused;
    td_bytes topic;           /* that the refusal is about; empty: none */
    const char *words;        /* in which that was refused before; NULL: the dialect's own */
    const uint8_t *is_failed; /* for each arg, where the dialect answers topic by topic; NULL: none
                                 failed */
} dialect_reply;

/* ---- the table ---- */

/* What a dialect's readers (read_request, read_answer) read requests and answers into. One thread.
 * Views that are given out point into the JSON text, the parser's copy of it, or texts; args and
 * texts grow at most once per frame, before any view is taken. */
typedef struct dialect_text {
    json_parser *json;
    td_bytes *args;
    size_t arg_capacity;
    td_buf texts; /* topics that are put together; empty when a frame begins */
} dialect_text;

struct dialect {
    const char *name;
    uint64_t ping_interval_ns; /* how often a client should ping */
    /* Client: the ping, and the answer to the server's own (NULL: its servers do not ping), for
     * dialect_heartbeat(). */
    const char *ping;
    const char *pong;
    /* What all requests of one connection may hold together; 0: no known limit (docs/wire.md 1.3).
     */
    size_t connection_topics_max;
    size_t connection_bytes_max;  /* text of their topics */
    size_t request_topics_max;    /* a server refuses requests for more (REFUSAL_TOO_MANY); 0: no
                                     limit */
    uint8_t has_lists;            /* a subscription may be "topic.A|B", "topic.*" or bare "topic" */
    uint8_t answers_topics;       /* a server grants topics one by one, else the whole or nothing */
    uint8_t refuses_repeats;      /* a topic twice on a connection is refused */
    uint8_t subscribes_with_auth; /* there is no subscribing: auth brings everything */
    uint8_t names_symbols;        /* an unknown symbol is refused as such, else as a topic */
    uint8_t has_binary;           /* a client may ask for compressed frames */
    uint8_t echoes_topics;        /* answers are the request with a code: they begin as data does */
    uint8_t variant;              /* which of some dialects that share functions it is */

    /* Client: how many of the next topics go into one request: 1 to count. */
    size_t (*fit)(const char *const *topics, size_t count);
    /* Client: append one request. NULL if subscribes_with_auth. TD_E_INVALID: a topic that this
     * dialect cannot express ("depth" without a symbol, in spot). This and all others: TD_OK,
     * TD_E_LIMIT. */
    td_result (*build_topics)(td_buf *out, const dialect_ask *ask, td_err *err);
    /* NULL if the dialect has no credentials; likewise sign and check_auth. */
    td_result (*build_auth)(td_buf *out, const dialect_auth *auth, td_err *err);

    /* Server: append the answer to a request; nothing where the exchange does not answer. */
    td_result (*build_answer)(td_buf *out, const dialect_request *request,
                              const dialect_reply *reply, td_err *err);
    /* Server: append the recorded answer to a REQUEST_ORDER, with the id of another one as JSON
     * text (empty: it has none). NULL: the dialect has no such requests. */
    void (*build_again)(td_buf *out, json_parser *json, td_bytes recorded, td_bytes id_raw);
    /* Server: could there be such a topic, if a row's pattern fits it (spot has but some
     * intervals)? NULL: yes. */
    int (*is_possible)(td_bytes topic);
    /* Server: does a subscription cover a frame's topic? 1 or 0. */
    int (*covers)(td_bytes subscription, td_bytes exchange_topic);
    /* Server: does a subscription that covers the topic also cover this frame of it ("order.linear"
     * and a frame of "order")? NULL: always. */
    int (*covers_frame)(td_bytes subscription, td_bytes exchange_topic, td_bytes frame);

    /* The signature of credentials and a NUL; what a client must hide. */
    void (*sign)(const dialect_auth *auth, char out[DIALECT_SIGNATURE_BYTES]);
    /* Server: check the credentials of an auth request. Without a secret (NULL) every key is valid,
     * at any time; a part must not be missing (REFUSAL_INVALID_ARGS). */
    refusal (*check_auth)(const dialect_request *request, const char *secret, uint64_t now_ms);
    /* Server: as check_auth, for credentials in a URL's query (without "?"). *is_there is 1 if it
     * has a key; else the query is ignored. NULL: credentials in a URL are ignored. */
    refusal (*check_query)(td_bytes query, const char *secret, uint64_t now_ms, int *is_there);

    /* How request_parse() and answer_parse() read it (dialect_text). */
    td_result (*read_request)(dialect_text *text, json_value root, dialect_request *out,
                              td_err *err);
    td_result (*read_answer)(dialect_text *text, json_value root, dialect_answer *out, td_err *err);
};

/* ---- reading requests and answers ---- */

/* Owns the storage of what it reads; one thread. */
typedef struct dialect_parser dialect_parser;
TD_NEVER_NULL dialect_parser *dialect_parser_open(void);
void dialect_parser_close(dialect_parser *parser);

/* Read a client's request.
 * *out is valid until the next call, and as long as frame is. TD_OK (kind is REQUEST_UNKNOWN for
 * what is no known request); TD_E_INVALID if it is no JSON object, its args are no list, or a topic
 * in it cannot be read (kind and kept are set as far as they were read); TD_E_LIMIT. */
TD_MUST_USE td_result request_parse(dialect_parser *parser, const dialect *spoken, td_bytes frame,
                                    dialect_request *out, td_err *err);

/* Read a server's answer.
 * *out is valid until the next call, and as long as frame is. TD_OK (kind is ANSWER_NONE for any
 * other text, JSON or not); TD_E_LIMIT. */
TD_MUST_USE td_result answer_parse(dialect_parser *parser, const dialect *spoken, td_bytes frame,
                                   dialect_answer *out, td_err *err);

/* 1 if this can be the answer to that request: by the id where the answer has one, else by the kind
 * and the topics that it names: all of them must be the request's (spot v1 may answer a list symbol
 * by symbol). An answer that names neither fits every request: it is for the oldest open one,
 * because requests are answered in their order. 1 or 0. */
int dialect_answer_fits(const dialect_answer *answer, const dialect_ask *ask);

/* 1 if the answer grants a topic of the request that it fits, 0 if it refuses it. */
int dialect_answer_grants(const dialect_answer *answer, const char *topic);

/* 1 if the answer names this topic, granted or failed. */
int dialect_answer_names(const dialect_answer *answer, const char *topic);

/* 1 if an answer of topics that belongs to no open request withdraws this granted topic: it refuses
 * the topic, or all, or confirms an unsubscription. */
int dialect_answer_withdraws(const dialect_answer *answer, const char *topic);

/* ---- heartbeats, credentials, names ---- */

/* Append a heartbeat: text with the time in place of each "%". TD_E_LIMIT. */
TD_MUST_USE td_result dialect_heartbeat(td_buf *out, const char *text, uint64_t now_ms,
                                        td_err *err);

/* Server: check_query, where the dialect has it; else no credentials are there. */
refusal dialect_check_query(const dialect *spoken, td_bytes query, const char *secret,
                            uint64_t now_ms, int *is_there);

/* A covers() of dialects without lists: a subscription covers the same topic only. */
int dialect_covers_same(td_bytes subscription, td_bytes exchange_topic);

/* A connection's name as servers give it (a UUID, version 4), out of 128 random bits. */
enum { DIALECT_CONN_ID_BYTES = 37 };
void dialect_conn_id(uint64_t high, uint64_t low, char out[DIALECT_CONN_ID_BYTES]);

/* ---- for the readers of the exchanges' folders ---- */

/* Reserve memory for this many args, so that args is not NULL even for none; TD_E_LIMIT above
 * DIALECT_ARGS_MAX. */
TD_MUST_USE td_result dialect_text_reserve(dialect_text *text, size_t count, td_err *err);

/* Append a list of texts (numbers as they stand) to the args; *count goes up. What is no list:
 * TD_E_INVALID. The memory must have been reserved. */
TD_MUST_USE td_result dialect_text_list(dialect_text *text, json_value list, size_t *count,
                                        td_err *err);

/* A member as text: a string, or a number or boolean as written. 0: it is missing, null, or a
 * container. */
int dialect_text_scalar(json_value object, const char *key, td_bytes *out);

#endif
