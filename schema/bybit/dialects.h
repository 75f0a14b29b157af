/* Bybit's dialects: their tables, and what they share: requests of {"op","args"}, answers,
 * credentials, the words of refusals. For schema/bybit/ alone. */
#ifndef TD_SCHEMA_BYBIT_DIALECTS_H
#define TD_SCHEMA_BYBIT_DIALECTS_H

#include "schema/dialect.h"
#include "base/json/json_write.h"

/* v5's requests are v3's; connections that answer differently have a table each (docs/wire.md 1.5).
 */
extern const dialect BYBIT_OP;      /* {"op":..,"args":[..]}, ack with success, ret_msg, request */
extern const dialect BYBIT_V3;      /* the same with req_id, ack names op; ten topics a request */
extern const dialect BYBIT_V5;      /* as V3, without that limit */
extern const dialect BYBIT_V5_SPOT; /* as V3; acks say "subscribe", and no req_id if none was sent
                                     */
extern const dialect BYBIT_V5_OPTION;    /* requests as V3, answers as USDC: options and spreads */
extern const dialect BYBIT_V5_PRIVATE;   /* as V3; acks without req_id, pong with args */
extern const dialect BYBIT_V5_TRADE;     /* order entry: answers with reqId, retCode, retMsg, op */
extern const dialect BYBIT_USDC;         /* COMMAND_RESP acks, pong with args */
extern const dialect BYBIT_SPOT;         /* {"topic","event":"sub","symbol","params"}: v1 */
extern const dialect BYBIT_SPOT_V2;      /* the same with the symbol in params */
extern const dialect BYBIT_SPOT_PRIVATE; /* subscribes by authenticating; frames are arrays */

/* docs/wire.md 1.2: the exchange requires one every 20 s. */
#define BYBIT_PING_INTERVAL_NS (UINT64_C(20) * 1000000000)

/* What is the same in all of them. */
#define BYBIT_SHARED                                                                               \
    .ping_interval_ns = BYBIT_PING_INTERVAL_NS, .build_auth = bybit_ask_auth, .sign = bybit_sign,  \
    .check_auth = bybit_check_auth, .read_answer = bybit_read_answer

/* ---- reading (dialects.c, answers.c) ---- */

/* {"op","args"} with req_id or id: A, B, and most of C and E. */
TD_MUST_USE td_result bybit_read_op(dialect_text *text, json_value root, dialect_request *out,
                                    td_err *err);

/* What any server answered: answers of all dialects differ in form. */
TD_MUST_USE td_result bybit_read_answer(dialect_text *text, json_value root, dialect_answer *out,
                                        td_err *err);

/* req_id, or else id, of a request. */
void bybit_read_id(json_value root, dialect_request *out);

/* ---- spot's topics (spot_topics.c) ---- */

/* Parts of a request, and of an answer that echoes one; those that are missing are empty. */
enum spot_part {
    SPOT_TOPIC, /* as the client wrote it: "kline_1m" */
    SPOT_EVENT,
    SPOT_SYMBOL, /* "A,B" */
    SPOT_KLINE_TYPE,
    SPOT_DUMP_SCALE,
    SPOT_BINARY, /* "true" or empty */
    SPOT_PARTS,
};
_Static_assert((int)SPOT_PARTS <= (int)DIALECT_KEPT_MAX, "a request keeps them");
void bybit_spot_read(json_value root, td_bytes parts[SPOT_PARTS]);

/* The name of the parameter that is part of a topic; NULL: it has none. */
const char *bybit_spot_parameter(td_bytes topic);

/* A topic without its symbol: name, and parameter if it has one (which is empty if the client left
 * it out). v1's "kline_1m" has both in one word. Views into the request. */
typedef struct spot_stem {
    td_bytes name;
    td_bytes parameter;
    uint8_t has_parameter;
} spot_stem;
spot_stem bybit_spot_stem(const td_bytes parts[SPOT_PARTS]);

/* Topics of a request or an echo, into text: symbols is one, or, with lists, "A,B". *count of them
 * in text->args. */
typedef enum spot_symbols { SPOT_ONE_SYMBOL, SPOT_SYMBOL_LIST } spot_symbols;
TD_MUST_USE td_result bybit_spot_topics(dialect_text *text, const td_bytes parts[SPOT_PARTS],
                                        spot_symbols symbols, size_t *count, td_err *err);

/* ---- what clients build alike (dialects.c) ---- */

/* Appends {ID_KEY:..,"op":..,"args":[..]}; without id_key, or without an id, none is written. */
TD_MUST_USE td_result bybit_ask_op(td_buf *out, const char *id_key, const dialect_ask *ask,
                                   td_err *err);
/* {"op":"auth","args":[key, expires, signature]}. */
TD_MUST_USE td_result bybit_ask_auth(td_buf *out, const dialect_auth *auth, td_err *err);
/* Heartbeats (docs/wire.md 1.2). */
#define BYBIT_PING      "{\"op\":\"ping\"}"
#define BYBIT_USDC_PING "{\"op\":\"ping\",\"args\":[\"%\"]}"
#define BYBIT_SPOT_PING "{\"ping\":%}"
#define BYBIT_SPOT_PONG "{\"pong\":%}"
/* How many of the topics fit into DIALECT_REQUEST_BYTES of text. */
size_t bybit_fit_bytes(const char *const *topics, size_t count);

/* ---- what servers build alike ---- */

/* "subscribe" for REQUEST_SUBSCRIBE, as requests and acks write it; "" for what has no op. */
const char *bybit_op_name(request_kind kind);

/* The request that an op names; a pong is no request. */
request_kind bybit_op_kind(td_bytes op);
/* "args":["MS"], as pongs of C have it; order entry has another key. */
void bybit_write_pong_time(json_writer *writer, const char *key, uint64_t now_ms);
/* What C answers, and in their variant options and spreads of v5. */
enum { BYBIT_COMMAND_C, BYBIT_COMMAND_V5 };
TD_MUST_USE td_result bybit_build_command_answer(td_buf *out, const dialect_request *request,
                                                 const dialect_reply *reply, td_err *err);

/* ---- credentials and words (credentials.c, dialects.c) ---- */

/* hex(HMAC-SHA256(secret, "GET/realtime" + expires_ms)); the literal is the same whatever the path
 * (docs/wire.md 1.1). dialect.sign, check_auth and check_query of those that have them. */
void bybit_sign(const dialect_auth *auth, char out[DIALECT_SIGNATURE_BYTES]);
refusal bybit_check_auth(const dialect_request *request, const char *secret, uint64_t now_ms);
refusal bybit_check_query(td_bytes query, const char *secret, uint64_t now_ms, int *is_there);

/* A refusal in its own words, or those of dialects A and B ("error:handler not found,topic:TOPIC"),
 * and a NUL; words that do not fit are not used, and a topic that does not fit is cut. */
enum { BYBIT_REASON_BYTES = 384 };
void bybit_refusal_text(const dialect_reply *reply, char out[BYBIT_REASON_BYTES]);

#endif
