/* Bybit's dialects: their tables, and the functions that several of them use, for requests of the
 * form {"op","args"}, answers, credentials, and texts of refusals. Only for schema/bybit/. The
 * letters A to E are as in docs/wire.md 1. */
#ifndef TD_BYBIT_DIALECTS_H
#define TD_BYBIT_DIALECTS_H

#include "schema/dialect.h"
#include "base/json/json_write.h"

/* The tables. Requests of v5 equal requests of v3, but the answers depend on the type of
 * connection, so v5 has several tables (docs/wire.md 1.5). */
extern const dialect BYBIT_OP; /* {"op":..,"args":[..]}, ack with success, ret_msg, request */
/* As BYBIT_OP with req_id; acks name the op; at most ten topics per request. */
extern const dialect BYBIT_V3;
extern const dialect BYBIT_V5;      /* as BYBIT_V3 without the limit of ten topics */
extern const dialect BYBIT_V5_SPOT; /* as BYBIT_V3; acks have the text "subscribe", and req_id only
                                       if the client sent it */
/* Options and spreads: requests as BYBIT_V3, answers as BYBIT_USDC. */
extern const dialect BYBIT_V5_OPTION;
extern const dialect BYBIT_V5_PRIVATE;   /* as BYBIT_V3; acks without req_id, pong with args */
extern const dialect BYBIT_V5_TRADE;     /* order entry: answers with reqId, retCode, retMsg, op */
extern const dialect BYBIT_USDC;         /* COMMAND_RESP acks, pong with args */
extern const dialect BYBIT_SPOT;         /* v1: {"topic","event":"sub","symbol","params"} */
extern const dialect BYBIT_SPOT_V2;      /* v2: as v1 with the symbol in params */
extern const dialect BYBIT_SPOT_PRIVATE; /* auth subscribes to all topics; frames are arrays */

/* docs/wire.md 1.2: the exchange requires a ping every 20 s. */
#define BYBIT_PING_INTERVAL_NS (UINT64_C(20) * 1000000000)

/* Members of a dialect's table that most dialects share. */
#define BYBIT_SHARED                                                                               \
    .ping_interval_ns = BYBIT_PING_INTERVAL_NS, .build_auth = bybit_ask_auth, .sign = bybit_sign,  \
    .check_auth = bybit_check_auth, .read_answer = bybit_read_answer

/* ---- reading (dialects.c, answers.c) ---- */

/* Read a request {"op","args"} with req_id or id: all requests of dialects A and B, and most
 * requests of C and E. */
TD_MUST_USE td_result bybit_read_op(dialect_text *text, json_value root, dialect_request *out,
                                    td_err *err);

/* Read an answer of any dialect. The members of the answer show which dialect it belongs to. */
TD_MUST_USE td_result bybit_read_answer(dialect_text *text, json_value root, dialect_answer *out,
                                        td_err *err);

/* Read req_id, or else id, of a request. */
void bybit_read_id(json_value root, dialect_request *out);

/* ---- spot's topics (spot_topics.c) ---- */

/* Parts of a request, or of an answer that echoes it; missing parts are empty. */
enum spot_part {
    SPOT_TOPIC, /* as the client wrote it: "kline_1m" */
    SPOT_EVENT,
    SPOT_SYMBOL, /* "A,B" */
    SPOT_KLINE_TYPE,
    SPOT_DUMP_SCALE,
    SPOT_BINARY, /* "true" or empty */
    SPOT_PARTS,
};
_Static_assert((int)SPOT_PARTS <= (int)DIALECT_PARTS_MAX, "a request keeps them");
void bybit_spot_read(json_value root, td_bytes parts[SPOT_PARTS]);

/* The name of a topic's parameter; NULL: the topic has no parameter. */
const char *bybit_spot_parameter(td_bytes topic);

/* A topic without its symbol: name and, if the topic has one, parameter (empty if the client
 * omitted the parameter). v1 writes both as one word, "kline_1m". Views into the request. */
typedef struct spot_stem {
    td_bytes name;
    td_bytes parameter;
    uint8_t has_parameter;
} spot_stem;
spot_stem bybit_spot_stem(const td_bytes parts[SPOT_PARTS]);

/* Compose the topics of a request, or of an answer that echoes it. The topics are then in
 * text->args; *count is their number. symbols tells whether the symbol part is one symbol or a list
 * "A,B". */
typedef enum spot_symbols { SPOT_ONE_SYMBOL, SPOT_SYMBOL_LIST } spot_symbols;
TD_MUST_USE td_result bybit_spot_topics(dialect_text *text, const td_bytes parts[SPOT_PARTS],
                                        spot_symbols symbols, size_t *count, td_err *err);

/* ---- shared by clients (dialects.c) ---- */

/* Append {ID_KEY:..,"op":..,"args":[..]}; without ID_KEY if id_key or the id is NULL. */
TD_MUST_USE td_result bybit_ask_op(td_buf *out, const char *id_key, const dialect_ask *ask,
                                   td_err *err);
/* Append {"op":"auth","args":[key, expires, signature]}. */
TD_MUST_USE td_result bybit_ask_auth(td_buf *out, const dialect_auth *auth, td_err *err);
/* Texts of pings and pongs; "%" is replaced by the time (docs/wire.md 1.2). */
#define BYBIT_PING      "{\"op\":\"ping\"}"
#define BYBIT_USDC_PING "{\"op\":\"ping\",\"args\":[\"%\"]}"
#define BYBIT_SPOT_PING "{\"ping\":%}"
#define BYBIT_SPOT_PONG "{\"pong\":%}"
/* The number of topics that fit into DIALECT_REQUEST_BYTES of text, at least 1. */
size_t bybit_fit_bytes(const char *const *topics, size_t count);

/* ---- shared by servers ---- */

/* The op of a request, as in requests and acks: "subscribe" for REQUEST_SUBSCRIBE; "" for
 * REQUEST_UNKNOWN. */
const char *bybit_op_name(request_kind kind);

/* The request with this op; REQUEST_UNKNOWN for all other ops, including "pong". */
request_kind bybit_op_kind(td_bytes op);
/* Write "args":["MS"], as in pongs of dialect C; order entry uses another key. */
void bybit_write_pong_time(json_writer *writer, const char *key, uint64_t now_ms);
/* dialect.build_answer of dialect C; the variant V5 is for v5's options and spreads. */
enum { BYBIT_COMMAND_C, BYBIT_COMMAND_V5 };
TD_MUST_USE td_result bybit_build_command_answer(td_buf *out, const dialect_request *request,
                                                 const dialect_reply *reply, td_err *err);

/* ---- credentials and texts (credentials.c, dialects.c) ---- */

/* hex(HMAC-SHA256(secret, "GET/realtime" + expires_ms)); the literal does not depend on the path
 * (docs/wire.md 1.1). These implement dialect.sign, check_auth and check_query. */
void bybit_sign(const dialect_auth *auth, char out[DIALECT_SIGNATURE_BYTES]);
refusal bybit_check_auth(const dialect_request *request, const char *secret, uint64_t now_ms);
refusal bybit_check_query(td_bytes query, const char *secret, uint64_t now_ms, int *is_there);

/* Write the text of a refusal and a NUL: its recorded text if that fits, otherwise the text in
 * dialects A and B ("error:handler not found,topic:TOPIC"). A topic that does not fit is cut. */
enum { BYBIT_REASON_BYTES = 384 };
void bybit_refusal_text(const dialect_reply *reply, char out[BYBIT_REASON_BYTES]);

#endif
