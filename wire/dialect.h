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
    td_bytes frame;       /* the request as it came, for answers that echo it */
    const td_bytes *args; /* topics, or the members of auth's args as text */
    size_t arg_count;
} dialect_request;

typedef struct dialect {
    dialect_id id;
    const char *name;
    size_t args_per_request_max; /* topics in one subscribe request; 0: no known limit */
    uint64_t ping_interval_ns;   /* how often a client should ping */

    /* Client: append one request for topics[0..count) to out. */
    td_result (*build_subscribe)(td_buf *out, const char *const *topics, size_t count,
                                 const char *id, td_err *err);
    td_result (*build_unsubscribe)(td_buf *out, const char *const *topics, size_t count,
                                   const char *id, td_err *err);
    td_result (*build_ping)(td_buf *out, uint64_t now_ms, td_err *err);
    td_result (*build_auth)(td_buf *out, const dialect_auth *auth, td_err *err);
    /* Client: append "?api_key=..&expires=..&signature=.."; NULL if the dialect has no such thing.
     */
    td_result (*build_auth_query)(td_buf *out, const dialect_auth *auth, td_err *err);

    /* Server: append the answer to a request. reason is empty for success, else the exchange's
     * words
     * ("error:handler not found,topic:x"). */
    td_result (*build_answer)(td_buf *out, const dialect_request *request, const char *conn_id,
                              const char *reason, td_err *err);
} dialect;

/* The table of a dialect; NULL while this version has none for it. */
const dialect *dialect_find(dialect_id id);

/* Read a client's request. Owns its storage; one thread. */
typedef struct request_parser request_parser;
TD_MUST_USE td_result request_parser_open(request_parser **out, td_err *err);
void request_parser_close(request_parser *parser);
/* TD_OK (kind may be REQUEST_UNKNOWN), TD_E_INVALID if it is no JSON object, TD_E_LIMIT. */
TD_MUST_USE td_result request_parse(request_parser *parser, const dialect *dialect, td_bytes frame,
                                    dialect_request *out, td_err *err);

/* Does a subscription as the exchange takes it ("trade.BTCUSD|XRPUSD", "trade.*", bare "trade")
 * cover a frame's topic ("trade.XRPUSD")? 1 or 0. */
int dialect_filter_covers(td_bytes subscription, td_bytes exchange_topic);

/* hex(HMAC-SHA256(secret, "GET/realtime" + expires_ms)) and a NUL. */
enum { DIALECT_SIGNATURE_BYTES = 65 };
TD_MUST_USE td_result dialect_sign(const dialect_auth *auth, char out[DIALECT_SIGNATURE_BYTES],
                                   td_err *err);

#endif
