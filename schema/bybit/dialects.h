/* Inside of the dialects: their tables, and what they share: storage of the parsers, writing
 * requests of {"op","args"}, reading them. */
#ifndef TD_WIRE_DIALECT_IMPL_H
#define TD_WIRE_DIALECT_IMPL_H

#include "schema/json.h"
#include "schema/json_write.h"
#include "wire/dialect.h"

extern const dialect DIALECT_OP_TABLE;
extern const dialect DIALECT_V3_TABLE;
extern const dialect DIALECT_V5_TABLE;
extern const dialect DIALECT_V5_SPOT_TABLE;
extern const dialect DIALECT_V5_OPTION_TABLE;
extern const dialect DIALECT_V5_PRIVATE_TABLE;
extern const dialect DIALECT_USDC_TABLE;
extern const dialect DIALECT_SPOT_TABLE;
extern const dialect DIALECT_SPOT_V2_TABLE;
extern const dialect DIALECT_SPOT_PRIVATE_TABLE;

/* docs/wire.md 1.2: every 20 s is what the exchange asks for. */
#define DIALECT_PING_INTERVAL_NS (UINT64_C(20) * 1000000000)

/* ---- storage of a parser (dialect_parse.c) ---- */

/* What a request or answer is read into. Views that are given out point into the JSON text, the
 * parser's copy of it, or texts; args and texts grow at most once per frame, before any view is
 * taken. */
typedef struct dialect_text {
    json_parser *json;
    td_bytes *args;
    size_t arg_capacity;
    td_buf texts; /* topics that are put together */
} dialect_text;

/* TD_E_NOMEM; close it in any case. */
TD_MUST_USE td_result dialect_text_open(dialect_text *text, td_err *err);
void dialect_text_close(dialect_text *text);

/* Room for this many args, so that args is not NULL even for none; TD_E_LIMIT above
 * DIALECT_ARGS_MAX. */
TD_MUST_USE td_result dialect_text_reserve(dialect_text *text, size_t count, td_err *err);

/* Read a list of texts (numbers as they stand) behind those that are there; *count goes up. What is
 * no list: TD_E_INVALID. Room must have been reserved. */
TD_MUST_USE td_result dialect_text_list(dialect_text *text, json_value list, size_t *count,
                                        td_err *err);

/* A member as text: a string, or a number or boolean as it stands. 0: it is not there, or null, or
 * a container. */
int dialect_find_scalar(json_value object, const char *key, td_bytes *out);

/* How a dialect's requests are read: root is the object of the frame, *out has kind
 * REQUEST_UNKNOWN. */
struct dialect_reading {
    td_result (*request)(dialect_text *text, json_value root, dialect_request *out, td_err *err);
};

/* {"op","args"} with req_id or id: A, B, and most of C and E. */
TD_MUST_USE td_result dialect_read_op(dialect_text *text, json_value root, dialect_request *out,
                                      td_err *err);
extern const struct dialect_reading DIALECT_READING_OP;

/* req_id, or else id, of a request. */
void dialect_read_id(json_value root, dialect_request *out);

/* ---- spot's topics (dialect_spot_topic.c) ---- */

/* Names of the parameters that are part of a topic in spot; NULL: it has none. */
const char *dialect_spot_parameter(td_bytes topic);

/* A topic without its symbol: name, and parameter if it has one (which is empty if the client left
 * it out). v1's "kline_1m" has both in one word. Views into the request. */
typedef struct dialect_spot_stem {
    td_bytes name;
    td_bytes parameter;
    uint8_t has_parameter;
} dialect_spot_stem;
dialect_spot_stem dialect_spot_stem_of(const dialect_spot_request *request);

/* Topics of a request or an echo, into text: symbols is one, or, with lists, "A,B". *count of them
 * in text->args. */
typedef enum spot_symbols { SPOT_ONE_SYMBOL, SPOT_SYMBOL_LIST } spot_symbols;
TD_MUST_USE td_result dialect_spot_topics(dialect_text *text, const dialect_spot_request *request,
                                          spot_symbols symbols, size_t *count, td_err *err);

/* Topic, event, symbol and params of a request, or of an answer that echoes one. */
void dialect_spot_read(json_value root, dialect_spot_request *out);

/* ---- what clients build alike (dialect_ask.c) ---- */

/* Appends {ID_KEY:..,"op":..,"args":[..]}; without id_key, or without an id, none is written. */
TD_MUST_USE td_result dialect_ask_op(td_buf *out, const char *id_key, const dialect_ask *ask,
                                     td_err *err);
/* {"op":"auth","args":[key, expires, signature]}. */
TD_MUST_USE td_result dialect_ask_auth(td_buf *out, const dialect_auth *auth, td_err *err);
/* {"op":"ping"}. */
TD_MUST_USE td_result dialect_ask_ping(td_buf *out, uint64_t now_ms, td_err *err);
/* {"ping":MS} and {"pong":MS}. */
TD_MUST_USE td_result dialect_ask_spot_ping(td_buf *out, uint64_t now_ms, td_err *err);
TD_MUST_USE td_result dialect_ask_spot_pong(td_buf *out, uint64_t now_ms, td_err *err);
/* By DIALECT_REQUEST_BYTES of text. */
size_t dialect_fit_bytes(const char *const *topics, size_t count);

/* ---- what servers build alike ---- */

/* "subscribe" for REQUEST_SUBSCRIBE, as requests and acks write it; "" for what has no op. */
const char *dialect_op_name(request_kind kind);
/* "args":["MS"], as pongs of C have it. */
void dialect_write_pong_args(json_writer *writer, uint64_t now_ms);
/* What options and spreads of v5 answer. */
TD_MUST_USE td_result dialect_build_option_answer(td_buf *out, const dialect_request *request,
                                                  const dialect_reply *reply, td_err *err);
/* Does a subscription cover a topic: only if it is the same. */
int dialect_covers_same(td_bytes subscription, td_bytes exchange_topic);

#endif
