/* Dialects: the form of requests, answers and heartbeats (docs/wire.md 1). A dialect is one table
 * for both ends: a client builds requests and reads answers, a server (serve, sim) reads requests
 * and builds answers. The tables are read from the document of their exchange
 * (schema/dialect_file.h, docs/exchanges.md); a family names its dialect.
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
#include "schema/family_row.h"
#include "base/json/json.h"
#include "schema/topic_parts.h"

enum {
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
    REQUEST_ORDER,         /* about orders */
    REQUEST_HEARTBEATS,    /* for heartbeats of the server (dialect_heartbeats) */
    REQUEST_NO_HEARTBEATS, /* for no further ones */
    REQUEST_KINDS,
} request_kind;

/* ---- a client's side ---- */

/* Size of a signature as text, including its NUL. */
enum { DIALECT_SIGNATURE_BYTES = 65 };

/* Limit of the text that is signed, without the time. */
enum { DIALECT_SIGNED_BYTES = 64 };

/* Credentials of a private connection; texts are NUL-terminated, borrowed. */
typedef struct dialect_auth {
    const char *api_key;
    const char *secret;
    const char *passphrase; /* NULL: none; see dialect_wants_passphrase */
    uint64_t expires_ms;    /* Unix ms, in the future */
    uint64_t signed_ms;     /* Unix ms: now */
} dialect_auth;

/* How a signature is written. */
typedef enum signature_form { SIGNATURE_HEX, SIGNATURE_BASE64 } signature_form;

/* Paths of the credentials in a request, "args.apiKey"; a path leads through the first element of a
 * list. key NULL: they are the first three args. */
typedef struct credential_paths {
    const char *key, *time, *signature;
} credential_paths;

/* The form of frames that a client requests; binary only if the dialect has it. */
typedef enum dialect_frames { DIALECT_FRAMES_TEXT, DIALECT_FRAMES_BINARY } dialect_frames;

/* A client's request for topics. */
typedef struct dialect_ask {
    request_kind kind; /* REQUEST_SUBSCRIBE or REQUEST_UNSUBSCRIBE */
    const char *const *topics;
    size_t count; /* at least 1, at most as many as dialect.fit() returns */
    /* The request's id (req_id, id), if the dialect has ids, or NULL. It ends with a number, which
     * identifies the request, too: some exchanges have numbers only. */
    const char *id;
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
    uint8_t is_of_one;       /* 1: about one topic of the request, even if it names none */
    const td_bytes *granted; /* topics that the answer names as granted */
    size_t granted_count;
    const td_bytes *failed; /* topics that the answer names as refused */
    size_t failed_count;
    td_bytes symbol;   /* of an answer that names no topic: the topic's symbol; empty: not named */
    uint8_t is_whole;  /* 1: topics of the request that it does not name are refused */
    td_bytes recorded; /* the member dialect.recorded, as JSON; empty: absent */
    /* 1: granted has all topics that the connection now has. So the answer grants topics of several
     * requests, and ends those that it lacks. */
    uint8_t lists_all;
    uint8_t is_notice; /* 1: ANSWER_PING that informs the clients (control_rule.is_notice) */
} dialect_answer;

/* ---- a server's side ---- */

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
    td_bytes symbols; /* only if the dialect's topics are in parts: the symbol, or the list "A,B" */
    uint64_t heartbeat_ns; /* only for REQUEST_HEARTBEATS: the time from one to the next */
    json_value root;       /* the whole request, for answers that repeat parts of it */
    uint8_t has_root;      /* 0: it is not a JSON object */
} dialect_request;

/* Why a server refuses a request, and the name of each reason in documents; the wording depends on
 * the dialect. */
#define DIALECT_REFUSALS(X)                                                                        \
    X(NONE, "none")                                                                                \
    X(INVALID_OP, "invalid_op") /* an unknown request */                                           \
    /* a known request without args, or with args of wrong types */                                \
    X(INVALID_ARGS, "invalid_args")                                                                \
    X(TOO_MANY, "too_many") /* too many topics */                                                  \
    X(UNKNOWN_TOPIC, "unknown_topic")                                                              \
    /* the topic exists, but not for this symbol; only in dialects with names_symbols */           \
    X(UNKNOWN_SYMBOL, "unknown_symbol")                                                            \
    /* the topic exists, but not with this parameter */                                            \
    X(UNKNOWN_PARAMETER, "unknown_parameter")                                                      \
    X(REPEATED, "repeated") /* the connection already has the topic */                             \
    X(NEEDS_AUTH, "needs_auth")                                                                    \
    X(EXPIRED, "expired")           /* credentials: expired */                                     \
    X(BAD_KEY, "bad_key")           /* credentials: wrong key or signature */                      \
    X(INVALID_JSON, "invalid_json") /* not a JSON object */                                        \
    /* Only of requests about orders, as are all that follow: wrong parameters */                  \
    X(BAD_ORDER, "bad_order")                                                                      \
    X(BAD_SIZE, "bad_size")                                                                        \
    X(BAD_PRICE, "bad_price")                                                                      \
    X(LATE, "late") /* sent outside of its window of time */                                       \
    X(UNKNOWN_CATEGORY, "unknown_category")                                                        \
    X(NO_MONEY, "no_money")                                                                        \
    X(NO_ORDER, "no_order")               /* no order has this id, or it is closed */              \
    X(LINK_IN_USE, "link_in_use")         /* an open order has the same client id */               \
    X(TOO_MANY_ORDERS, "too_many_orders") /* too many open orders */                               \
    X(FILLED_ABOVE, "filled_above")       /* the new size is not above the filled size */

#define REFUSAL_ENUMERATOR(id, name) REFUSAL_##id,
typedef enum refusal { DIALECT_REFUSALS(REFUSAL_ENUMERATOR) REFUSAL_COUNT } refusal;
#undef REFUSAL_ENUMERATOR

/* A server's answer to a request, before the dialect writes it. */
typedef struct dialect_reply {
    const char *conn_id;
    uint64_t now_ms; /* Unix ms */
    refusal refused;
    td_bytes topic; /* the refused topic; empty: the refusal is not about a topic */
    /* From a recording: the text of the refusal, or the JSON of dialect.recorded. NULL: unknown. */
    const char *recorded_text;
    /* All topics that the connection then has, as JSON {NAME:[SYMBOL, ...], ...}; only for
     * exchanges whose answers list them (answer_paths.list_all). */
    td_bytes held;
    const uint8_t *arg_refusals; /* the refusal of each arg; NULL: none is refused, unless the whole
                                 request is */
    /* Of a request about orders: the order that was placed, changed or cancelled. Empty order_id:
     * none was. */
    td_bytes order_id;
    td_bytes order_link_id;
    uint8_t is_spot; /* the order is for spot, whose refusals may have words of their own */
} dialect_reply;

/* ---- the table ---- */

/* How a server recognizes a request. The first rule of its dialect that fits decides. */
typedef struct request_rule {
    const char *key;  /* the request has this member */
    const char *text; /* and this member has this text; NULL: any value */
    request_kind is;
    uint8_t is_prefix;      /* 1: the member's text begins with text, and is longer */
    uint8_t is_second_form; /* as in dialect_request */
} request_rule;

/* Outcomes and properties of requests that an answer is for, as bits. */
enum {
    ANSWER_IF_GRANTED = 1 << 0,
    ANSWER_IF_REFUSED = 1 << 1,
    ANSWER_IF_SECOND_FORM = 1 << 2,
    ANSWER_IF_NO_TOPIC = 1 << 3, /* the request is unknown, or names no topic */
    ANSWER_IF_RECORDED = 1 << 4, /* the topic is granted, and dialect_reply has its recorded_text */
};

/* The text of a server's answer. The first row of its dialect that fits decides. */
typedef struct answer_text {
    uint32_t kinds;              /* bits 1 << request_kind */
    uint8_t conditions;          /* bits; all must be so */
    refusal refused;             /* only for this refusal; REFUSAL_NONE: for any */
    const char *has;             /* the request has this member; NULL: not required */
    const struct template *text; /* NULL: the exchange does not answer */
} answer_text;

/* The words of a refusal. */
typedef struct refusal_text {
    const char *code; /* a number; NULL: none */
    const char *text; /* "{topic}" is the topic's place */
} refusal_text;

/* The forms of a subscription that covers several topics. */
typedef enum cover_form {
    COVER_SAME,       /* only the topic itself */
    COVER_LISTS,      /* "topic.A|B", "topic.*" and bare "topic" */
    COVER_ALL,        /* authentication subscribes to everything */
    COVER_CATEGORIES, /* "order.linear" is a part of "order" */
    COVER_ACCOUNT, /* the topic itself; a request or URL that names none is for DIALECT_EVERYTHING
                    */
} cover_form;

/* Heartbeats that a server sends. */
typedef struct dialect_heartbeats {
    /* Path of the time in s in the client's request; each must be answered by a ping. NULL: they
     * come each every_s, and need no answer. */
    const char *interval;
    size_t least_s;   /* of the interval */
    size_t every_s;   /* without interval; 0: no heartbeats */
    uint8_t is_asked; /* 1: only clients that ask for them get them (REQUEST_HEARTBEATS) */
    uint8_t is_idle;  /* 1: only when no frame was sent for every_s to a client with topics */
    const struct template *text; /* NULL: a WebSocket ping */
} dialect_heartbeats;

/* The topic of a subscription to everything that an account has. */
#define DIALECT_EVERYTHING "*"

enum {
    DIALECT_IDS_MAX = 4,
    DIALECT_LISTS_MAX = 4,
    DIALECT_RULES_MAX = 24,
    DIALECT_ANSWERS_MAX = 12
};

struct dialect {
    const char *name;
    const struct exchange_row *exchange;
    uint64_t ping_interval_ns; /* how often clients should ping */

    /* Client: the texts of requests. */
    const struct template *ask_topics; /* NULL: there is no such request */
    const struct template *ask_auth;   /* NULL: no credentials */
    const struct template *ping;       /* NULL: pings are WebSocket's (RFC 6455, 5.5.2) */
    const struct template *pong;       /* answer to a server's ping; NULL: servers do not ping */
    /* What is signed, "GET/realtime{expires}" or "{signed_s}GET/verify"; NULL: no credentials. */
    const char *signed_text;
    signature_form signature;
    credential_paths credentials; /* for servers */
    /* Limits for all subscriptions of a connection together; 0: no known limit (docs/wire.md 1.3).
     */
    size_t connection_topics_max;
    size_t connection_bytes_max; /* for the text of their topics */
    size_t request_topics_max; /* servers refuse requests with more topics (REFUSAL_TOO_MANY); 0: no
                                  limit */
    size_t ask_topics_max;     /* clients send at most so many in a request; 0: no such limit */

    cover_form covering;
    /* 1 if a subscription covers a frame's topic. */
    int (*covers)(td_bytes subscription, td_bytes exchange_topic);
    const topic_parts *parts;       /* NULL: a topic is one text in requests */
    const topic_spelling *spelling; /* of topics on the wire; NULL: as everywhere here */
    const struct list_names *list;  /* of frames that are lists; NULL: frame_keys.list */
    uint8_t answers_topics;   /* servers grant or refuse topics individually, not the request as a
                                 whole */
    uint8_t answers_each;     /* and send an answer for each topic */
    uint8_t refuses_repeats;  /* servers refuse a topic that the connection already has */
    uint8_t grants_unknown;   /* servers grant topics that do not exist, and send nothing of them */
    uint8_t names_symbols;    /* unknown symbols of known topics have their own refusal */
    uint8_t asks_one;         /* a request has one topic, a text; so do answers */
    uint8_t has_query;        /* credentials may be in the URL */
    uint8_t has_parts;        /* parts is set */
    uint8_t has_symbol_lists; /* a request has one topic for several symbols */
    uint8_t names_parameters; /* with parts: a parameter with a prefix is in the topic's name */
    uint8_t escapes_for_html; /* servers escape "<", ">" and "&" in answers */
    /* Answers repeat the request with a code, so they begin as data frames do. */
    uint8_t echoes_topics;
    uint8_t signs_orders; /* requests about orders have credentials of their own */

    /* Server: what is read of requests. Paths, "params.channels"; each list ends with NULL. */
    const char *ids[DIALECT_IDS_MAX];
    const char *topic_lists[DIALECT_LISTS_MAX];
    const char *binary;   /* path of the flag; NULL: the dialect has no binary frames */
    const char *order_id; /* the id in answers to REQUEST_ORDER; NULL: it has no such requests */
    /* Parameter of a URL's query with topics that the connection has without a request, joined by
     * '/'; NULL: no parameter has them. */
    const char *url_topics;
    dialect_heartbeats heartbeats; /* of servers (schema/heartbeats.h) */
    const char *recorded; /* what servers repeat of recorded answers to subscriptions; NULL: none */
    request_rule rules[DIALECT_RULES_MAX];
    size_t rule_count;
    answer_text answers[DIALECT_ANSWERS_MAX];
    size_t answer_count;
    refusal_text refusals[REFUSAL_COUNT];      /* REFUSAL_NONE: the words of a granted request */
    refusal_text spot_refusals[REFUSAL_COUNT]; /* for dialect_reply.is_spot; text NULL: the same as
                                                  in refusals */
};

/* 1 if authentication subscribes to everything. */
static inline int dialect_subscribes_with_auth(const dialect *spoken)
{
    return spoken->covering == COVER_ALL;
}

/* 1 if connections are for orders alone: all of their data are answers about them. */
static inline int dialect_is_for_orders(const dialect *spoken)
{
    return spoken->order_id != NULL && dialect_subscribes_with_auth(spoken);
}

/* 1 if a connection has everything, without credentials and requests (a raw exchange). */
static inline int dialect_has_all(const dialect *spoken)
{
    return spoken->covering == COVER_ALL && spoken->ask_auth == NULL;
}

/* 1 if servers answer a request of this kind that succeeds. */
int dialect_answers(const dialect *spoken, request_kind kind);

/* 1 if the topic stands for everything that an account has. */
static inline int dialect_is_everything(const dialect *spoken, td_bytes topic)
{
    return spoken->covering == COVER_ACCOUNT && td_bytes_is(topic, DIALECT_EVERYTHING);
}

/* 1 if a subscription may be "topic.A|B", "topic.*" or bare "topic". */
static inline int dialect_has_lists(const dialect *spoken)
{
    return spoken->covering == COVER_LISTS;
}

/* ---- a client's requests ---- */

/* How many of the next count topics fit into one request, at least 1. */
size_t dialect_fit(const dialect *spoken, const char *const *topics, size_t count);

/* Append one request. TD_E_INVALID: the dialect has no form for a topic ("depth" without a symbol,
 * in spot); TD_E_LIMIT. */
TD_MUST_USE td_result dialect_ask_topics(const dialect *spoken, td_buf *out, const dialect_ask *ask,
                                         td_err *err);

/* Append a topic as the exchange spells it. TD_E_INVALID: it names no symbol; TD_E_LIMIT. */
TD_MUST_USE td_result dialect_spell(const dialect *spoken, const char *topic, td_buf *out,
                                    td_err *err);

/* Append an auth request; the dialect must have credentials. TD_E_LIMIT. */
TD_MUST_USE td_result dialect_ask_auth(const dialect *spoken, td_buf *out, const dialect_auth *auth,
                                       td_err *err);

/* 1 if the credentials have a passphrase, too. */
int dialect_wants_passphrase(const dialect *spoken);

/* Write the signature of credentials and a NUL. Clients must keep the signature secret. */
void dialect_sign(const dialect *spoken, const dialect_auth *auth,
                  char out[DIALECT_SIGNATURE_BYTES]);

/* ---- a server's answers ---- */

/* Append the answer to a request; nothing if the exchange does not answer it. TD_E_LIMIT. */
TD_MUST_USE td_result dialect_build_answer(td_buf *out, const dialect_request *request,
                                           const dialect_reply *reply, td_err *err);

/* Append the recorded answer to a REQUEST_ORDER with its id replaced by id_raw, which is JSON text
 * (empty: no id). An answer without an id, or a damaged one, is copied unchanged. */
void dialect_build_with_id(const dialect *spoken, td_buf *out, json_parser *json, td_bytes recorded,
                           td_bytes id_raw);

/* Write the words of a refusal and a NUL: its recorded text if that fits, otherwise the dialect's.
 * A topic or a request that does not fit is cut. */
enum { DIALECT_REASON_BYTES = 768 };
void dialect_refusal_text(const dialect_request *request, const dialect_reply *reply,
                          char out[DIALECT_REASON_BYTES]);

/* 1 if the topic's parameter, if it has one, can have this value. */
int dialect_has_value(const dialect *spoken, td_bytes topic);

/* 1 if a topic that matches a row's pattern can exist: with such a parameter, and one symbol. */
int dialect_is_possible(const dialect *spoken, td_bytes topic);

/* 1 if a subscription that covers the topic also covers this frame of the topic: "order.linear"
 * covers only some frames of "order". */
int dialect_covers_frame(const dialect *spoken, td_bytes subscription, td_bytes exchange_topic,
                         td_bytes frame);

/* Check the credentials of an auth request. If secret is NULL, every key is valid at any time, but
 * all parts must be present (else REFUSAL_INVALID_ARGS). */
refusal dialect_check_auth(const dialect_request *request, const char *secret, uint64_t now_ms);

/* ---- reading requests and answers ---- */

/* Read a client's request. *out is valid until the next call and while frame is. TD_OK (kind is
 * REQUEST_UNKNOWN for unknown requests); TD_E_INVALID if the frame is not a JSON object, its args
 * are not a list, or one of its topics cannot be read (kind and parts are then set as far as the
 * request was read); TD_E_LIMIT. */
TD_MUST_USE td_result request_parse(dialect_parser *parser, const dialect *spoken, td_bytes frame,
                                    dialect_request *out, td_err *err);

/* Read the topics that a connection has by its URL, as a REQUEST_SUBSCRIBE that gets no answer:
 * topics of the query (without "?"; dialect.url_topics), after `names`, which are topics joined by
 * '/'. A text that is too long for a topic is left out, and names if subscriptions are of an
 * account: they are the client's key. *out as of request_parse; arg_count 0: the
 * URL has no topics. TD_E_LIMIT. */
TD_MUST_USE td_result request_of_url(dialect_parser *parser, const dialect *spoken, td_bytes names,
                                     td_bytes query, dialect_request *out, td_err *err);

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

/* 1 if the answer is about this topic of its request, to which it fits and which is of this kind:
 * it names the topic, granted or refused, or its symbol alone, or is whole; or it lists all, which
 * means that the topic is granted, or is no more. */
int dialect_answer_names(const dialect_answer *answer, request_kind of, const char *topic);

/* 1 if the answer is about some of its request's topics, by dialect_answer_names; 0: about all. */
static inline int dialect_answer_names_any(const dialect_answer *answer)
{
    return answer->granted_count + answer->failed_count > 0 || answer->symbol.size > 0;
}

/* 1 if a topic has the symbol that an answer names alone. */
int dialect_answer_has_symbol(const dialect_answer *answer, const char *topic);

/* 1 if this answer, which belongs to no open request, ends the subscription to a topic that was
 * granted before: it refuses the topic or all topics, or confirms that the topic is, or all topics
 * are, unsubscribed. */
int dialect_answer_withdraws(const dialect_answer *answer, const char *topic);

/* ---- heartbeats, credentials, names ---- */

/* Append a server's heartbeat, its count-th to this client; dialect.heartbeats has a text.
 * TD_E_LIMIT. */
TD_MUST_USE td_result dialect_server_heartbeat(const dialect *spoken, td_buf *out, uint64_t now_ms,
                                               uint64_t count, td_err *err);

/* Append a heartbeat: dialect.ping or dialect.pong at this time. TD_E_LIMIT. */
TD_MUST_USE td_result dialect_heartbeat(td_buf *out, const struct template *text, uint64_t now_ms,
                                        td_err *err);

/* Server: as dialect_check_auth, for credentials in a URL's query (without "?"). *is_there is 1 if
 * the dialect has credentials in URLs, and the query has a key; a query without a key is ignored.
 */
refusal dialect_check_query(const dialect *spoken, td_bytes query, const char *secret,
                            uint64_t now_ms, int *is_there);

/* The number at the end of a request's id. */
td_bytes dialect_id_number(const char *id);

/* dialect.covers of COVER_SAME. */
int dialect_covers_same(td_bytes subscription, td_bytes exchange_topic);

/* dialect.covers of another form. */
int (*dialect_covers_of(cover_form form))(td_bytes subscription, td_bytes exchange_topic);

/* Write a connection's name, as servers assign it (a UUID, version 4), from 128 random bits. */
enum { DIALECT_CONN_ID_BYTES = 37 };
void dialect_conn_id(uint64_t high, uint64_t low, char out[DIALECT_CONN_ID_BYTES]);

#endif
