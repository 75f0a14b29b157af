/* Dialect A: {"op":..,"args":[..]}, answered by {success, ret_msg, conn_id, request{op, args}}.
 * Used by inverse, linear, copy trading and USDC perpetuals (docs/wire.md 1). */
#include <string.h>

#include "base/assert.h"
#include "schema/bybit/dialects.h"

/* ---- client ---- */

/* Build a request without an id, because answers echo the request. */
static td_result build_topics(td_buf *out, const dialect_ask *ask, td_err *err)
{
    return bybit_ask_op(out, NULL, ask, err);
}

/* ---- server ---- */

static td_result build_answer(td_buf *out, const dialect_request *request,
                              const dialect_reply *reply, td_err *err)
{
    char reason[BYBIT_REASON_BYTES];
    bybit_refusal_text(reply, reason);
    TD_ASSERT(reply->conn_id != NULL);
    TD_ASSERT(request->args != NULL || request->arg_count == 0);
    TD_ASSERT(request->arg_count <= DIALECT_ARGS_MAX);
    int is_granted = reply->refused == REFUSAL_NONE;
    int is_pong = is_granted && request->kind == REQUEST_PING;
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    json_write_member_bool(&writer, "success", is_granted);
    json_write_member_text(&writer, "ret_msg", is_pong ? "pong" : reason);
    json_write_member_text(&writer, "conn_id", reply->conn_id);

    /* Echo the request as the exchange does: without white space, args always as strings, an
     * unknown op as "" (docs/wire.md 1.1, 5.3). */
    json_write_member_object_begin(&writer, "request");
    json_write_member_text(&writer, "op", bybit_op_name(request->kind));
    json_write_key(&writer, "args");
    if (request->args == NULL || request->kind == REQUEST_UNKNOWN) {
        json_write_null(&writer);
    } else {
        json_write_array_begin(&writer);
        for (size_t i = 0; i < request->arg_count; i++)
            json_write_bytes(&writer, request->args[i]);
        json_write_array_end(&writer);
    }
    json_write_object_end(&writer);

    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

/* ---- subscriptions: lists, wildcards and bare topics ---- */

/* Offset of the last dot; the text's size if it has no dot. */
static size_t last_dot(td_bytes text)
{
    for (size_t i = text.size; i > 0; i--) {
        if (text.data[i - 1] == '.')
            return i - 1;
    }
    return text.size;
}

/* 1 if symbol is in "A|B|C", or the list is "*". */
static int list_has(td_bytes list, td_bytes symbol)
{
    if (td_bytes_is(list, "*"))
        return 1;
    while (list.size > 0) {
        const uint8_t *bar = memchr(list.data, '|', list.size);
        size_t size = bar == NULL ? list.size : (size_t)(bar - list.data);
        if (td_bytes_equal(td_bytes_of(list.data, size), symbol))
            return 1;
        size_t after = size + (bar != NULL);
        list = td_bytes_of(list.data + after, list.size - after);
    }
    return 0;
}

/* 1 if a subscription covers a topic: "trade.BTCUSD|XRPUSD", "trade.*" and bare "trade" cover
 * "trade.XRPUSD" (docs/wire.md 1.3). Compares whole dot-separated parts. Only the last part may be
 * a list, "*" or omitted, so "orderBook_200" does not cover "orderBook_200.100ms.BTCUSD". */
static int covers(td_bytes subscription, td_bytes exchange_topic)
{
    if (td_bytes_equal(subscription, exchange_topic))
        return 1;
    size_t topic_dot = last_dot(exchange_topic);
    if (topic_dot == exchange_topic.size)
        return 0; /* a topic without a symbol is covered only by the same text */
    TD_ASSERT(topic_dot < exchange_topic.size);
    td_bytes stem = td_bytes_of(exchange_topic.data, topic_dot);
    if (td_bytes_equal(subscription, stem))
        return 1;
    size_t dot = last_dot(subscription);
    TD_ASSERT(dot <= subscription.size);
    if (dot == subscription.size || !td_bytes_equal(td_bytes_of(subscription.data, dot), stem))
        return 0;
    td_bytes list = td_bytes_of(subscription.data + dot + 1, subscription.size - dot - 1);
    td_bytes symbol =
        td_bytes_of(exchange_topic.data + topic_dot + 1, exchange_topic.size - topic_dot - 1);
    return list_has(list, symbol);
}

const dialect BYBIT_OP = {
    .name = "op",
    BYBIT_SHARED,
    .has_lists = 1,
    .check_query = bybit_check_query,
    .fit = bybit_fit_bytes,
    .build_topics = build_topics,
    .ping = BYBIT_PING,
    .build_answer = build_answer,
    .covers = covers,
    .read_request = bybit_read_op,
};
