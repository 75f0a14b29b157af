/* Dialects: how requests, answers and heartbeats look. One table of functions per dialect, for both
 * ends: building what a client sends, reading what it got (schema/classify.h does that), and the
 * server's side of each for serve and sim. Pure functions over bytes; any thread. */
#ifndef TD_WIRE_DIALECT_H
#define TD_WIRE_DIALECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "schema/classify.h"
#include "schema/family.h"

/* Credentials of a private connection; both NUL-terminated, borrowed. */
typedef struct dialect_auth {
    const char *api_key;
    const char *secret;
    uint64_t expires_ms; /* Unix ms, in the future */
} dialect_auth;

/* A request that a server read. Views point into the frame or into storage of the parser that is
 * valid until its next call. */
typedef enum request_kind {
    REQUEST_SUBSCRIBE,
    REQUEST_UNSUBSCRIBE,
    REQUEST_AUTH,
    REQUEST_PING,
    REQUEST_UNKNOWN,
} request_kind;

typedef struct dialect_request {
    request_kind kind;
    td_bytes id;          /* req_id, empty if absent */
    td_bytes frame;       /* the request as it came */
    const td_bytes *args; /* topics, or the members of auth's args as text; NULL: the request has
                             none, or null */
    size_t arg_count;     /* at most DIALECT_ARGS_MAX */
} dialect_request;

/* Topics in one request: above the 2,000 symbols times topics of the largest family, below what a
 * peer could use to fill memory. */
enum { DIALECT_ARGS_MAX = 16384 };

typedef struct dialect {
    dialect_id id;
    const char *name;
    size_t args_per_request_max; /* topics in one subscribe request; 0: no known limit */
    uint64_t ping_interval_ns;   /* how often a client should ping */

    /* Client: append one request for topics[0..count), count > 0. id is the request's own (req_id)
     * where the dialect has such a thing, and may be NULL. All of these: TD_OK, TD_E_LIMIT,
     * TD_E_NOMEM. */
    td_result (*build_subscribe)(td_buf *out, const char *const *topics, size_t count,
                                 const char *id, td_err *err);
    td_result (*build_unsubscribe)(td_buf *out, const char *const *topics, size_t count,
                                   const char *id, td_err *err);
    td_result (*build_ping)(td_buf *out, uint64_t now_ms, td_err *err);
    td_result (*build_auth)(td_buf *out, const dialect_auth *auth, td_err *err);
    /* Client: append "?api_key=..&expires=..&signature=.." to the URL in out ("&api_key" if it has
     * a query already); NULL if the dialect has no such thing. */
    td_result (*build_auth_query)(td_buf *out, const dialect_auth *auth, td_err *err);

    /* Server: append the answer to a request. reason is NULL for success, else the exchange's own
     * words: one of DIALECT_ERROR_…, or dialect_unknown_topic(). */
    td_result (*build_answer)(td_buf *out, const dialect_request *request, const char *conn_id,
                              const char *reason, td_err *err);
} dialect;

/* Why a server refuses a request (docs/wire.md 1.1 and 5.3). */
#define DIALECT_ERROR_INVALID_OP "error:invalid op"
#define DIALECT_ERROR_EXPIRED    "error:request expired"
#define DIALECT_ERROR_BAD_KEY    "error:USVC1111"
/* "error:handler not found,topic:TOPIC" and "error:topic:TOPIC needs auth first", and a NUL; a
 * topic that does not fit is cut. */
enum { DIALECT_REASON_BYTES = 384 };
void dialect_unknown_topic(td_bytes topic, char out[DIALECT_REASON_BYTES]);
void dialect_needs_auth(td_bytes topic, char out[DIALECT_REASON_BYTES]);

/* A connection's name as the exchange writes it (a UUID, version 4), out of 128 random bits. */
enum { DIALECT_CONN_ID_BYTES = 37 };
void dialect_conn_id(uint64_t high, uint64_t low, char out[DIALECT_CONN_ID_BYTES]);

/* The table of a dialect; NULL while this version has none for it. */
const dialect *dialect_find(dialect_id id);

/* Read a client's request. Owns its storage; one thread. */
typedef struct request_parser request_parser;
TD_MUST_USE td_result request_parser_open(request_parser **out, td_err *err);
void request_parser_close(request_parser *parser);
/* *out is valid until the next call, and as long as frame is. TD_OK (kind is REQUEST_UNKNOWN for
 * what has no known op); TD_E_INVALID if it is no JSON object or its args are no list; TD_E_LIMIT;
 * TD_E_NOMEM. */
TD_MUST_USE td_result request_parse(request_parser *parser, const dialect *spoken, td_bytes frame,
                                    dialect_request *out, td_err *err);

/* Does a subscription as the exchange takes it ("trade.BTCUSD|XRPUSD", "trade.*", bare "trade")
 * cover a frame's topic ("trade.XRPUSD")? 1 or 0. Parts between dots are compared whole, and only
 * the last one may be a list, "*" or left out, so "orderBook_200" does not cover
 * "orderBook_200.100ms.BTCUSD". */
int dialect_filter_covers(td_bytes subscription, td_bytes exchange_topic);

/* hex(HMAC-SHA256(secret, "GET/realtime" + expires_ms)) and a NUL (docs/wire.md 1.1; the literal is
 * the same whatever the path). TD_E_NOMEM. */
enum { DIALECT_SIGNATURE_BYTES = 65 };
TD_MUST_USE td_result dialect_sign(const dialect_auth *auth, char out[DIALECT_SIGNATURE_BYTES],
                                   td_err *err);

#endif
