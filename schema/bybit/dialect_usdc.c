/* Dialect C: {"id":..,"op":..,"args":[..]}, answered by COMMAND_RESP, topic by topic. Used by USDC
 * options and all private USDC topics; options and spreads of v5 answer similarly (docs/wire.md 1,
 * 1.5). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "schema/bybit/dialects.h"

/* ---- client ---- */

/* Build a request with an id. The answer has the same id, so several requests may be open. */
static td_result build_topics(td_buf *out, const dialect_ask *ask, td_err *err)
{
    return bybit_ask_op(out, "id", ask, err);
}

/* ---- server ---- */

/* Read {"method":"private/subscribe","id":..,"params":{"channels":[..]}}, the second form of
 * requests on private connections. */
static td_result read_method(dialect_text *text, json_value root, td_bytes method,
                             dialect_request *out, td_err *err)
{
    json_value params;
    json_value channels;
    TD_ASSERT(out->arg_count == 0);
    out->is_second_form = 1; /* the answer to such a request has another form, too */
    if (td_bytes_is(method, "private/subscribe"))
        out->kind = REQUEST_SUBSCRIBE;
    else if (td_bytes_is(method, "private/unsubscribe"))
        out->kind = REQUEST_UNSUBSCRIBE;
    bybit_read_id(root, out);
    if (!json_find(root, "params", &params) || !json_find(params, "channels", &channels) ||
        json_is_null(channels))
        return TD_OK;
    td_result rc = dialect_text_reserve(text, json_count(channels), err);
    if (rc == TD_OK)
        rc = dialect_text_list(text, channels, &out->arg_count, err);
    if (rc == TD_OK)
        out->args = text->args;
    return rc;
}

static td_result read_request(dialect_text *text, json_value root, dialect_request *out,
                              td_err *err)
{
    td_bytes word;
    if (json_find_text(root, "method", &word))
        return read_method(text, root, word, out, err);
    if (json_find_text(root, "op", &word) && td_bytes_is(word, "unSubAll")) {
        out->kind = REQUEST_UNSUBSCRIBE_ALL; /* its args, if it has any, are ignored */
        bybit_read_id(root, out);
        return TD_OK;
    }
    return bybit_read_op(text, root, out, err);
}

void bybit_write_pong_time(json_writer *writer, const char *key, uint64_t now_ms)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRIu64, now_ms);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof text);
    json_write_member_array_begin(writer, key);
    json_write_text(writer, text);
    json_write_array_end(writer);
}

/* 1 if an arg of the request was refused, individually or with the whole request. */
static int is_failed(const dialect_reply *reply, size_t arg)
{
    TD_ASSERT(arg < DIALECT_ARGS_MAX);
    return reply->refused != REFUSAL_NONE || (reply->is_failed != NULL && reply->is_failed[arg]);
}

typedef enum topic_fate { FATE_GRANTED, FATE_FAILED } topic_fate;

static void write_topics(json_writer *writer, const char *key, const dialect_request *request,
                         const dialect_reply *reply, topic_fate fate)
{
    TD_ASSERT(request->args != NULL || request->arg_count == 0);
    json_write_member_array_begin(writer, key);
    for (size_t i = 0; i < request->arg_count; i++) {
        if (is_failed(reply, i) == (fate == FATE_FAILED))
            json_write_bytes(writer, request->args[i]);
    }
    json_write_array_end(writer);
}

/* 1 if any topic failed: "success" is then false. This is an assumption; clients should read the
 * lists. */
static int has_failed(const dialect_request *request, const dialect_reply *reply)
{
    int failed = reply->refused != REFUSAL_NONE;
    for (size_t i = 0; i < request->arg_count && !failed; i++)
        failed = is_failed(reply, i);
    return failed;
}

static void write_id(json_writer *writer, const dialect_request *request)
{
    if (request->has_id) {
        /* Written as JSON text, so that a number stays a number. */
        TD_ASSERT(request->id_raw.size > 0);
        json_write_key(writer, "id");
        json_write_raw(writer, request->id_raw);
    }
}

/* Write [id], success, [ret_msg], conn_id, data{successTopics, failTopics}, type. In v5 there is no
 * id, and the members of data are in reverse order. A refusal has its reason only if the answer
 * cannot list the refused topics. */
static void write_command(json_writer *writer, const dialect_request *request,
                          const dialect_reply *reply)
{
    int is_v5 = request->dialect->variant == BYBIT_COMMAND_V5;
    int names_topics = request->arg_count > 0 && request->kind != REQUEST_UNKNOWN;
    if (!is_v5)
        write_id(writer, request);
    json_write_member_bool(writer, "success", !has_failed(request, reply));
    if (reply->refused != REFUSAL_NONE && !names_topics) {
        char reason[BYBIT_REASON_BYTES];
        bybit_refusal_text(reply, reason);
        json_write_member_text(writer, "ret_msg", reason);
    }
    json_write_member_text(writer, "conn_id", reply->conn_id);
    json_write_member_object_begin(writer, "data");
    if (is_v5)
        write_topics(writer, "failTopics", request, reply, FATE_FAILED);
    write_topics(writer, "successTopics", request, reply, FATE_GRANTED);
    if (!is_v5)
        write_topics(writer, "failTopics", request, reply, FATE_FAILED);
    json_write_object_end(writer);
    json_write_member_text(writer, "type", "COMMAND_RESP");
}

/* Write an answer to the second form of requests: id, success, data{successChannels}, usIn, usOut,
 * usDiff, type. */
static void write_method(json_writer *writer, const dialect_request *request,
                         const dialect_reply *reply)
{
    TD_ASSERT(request->is_second_form);
    write_id(writer, request);
    json_write_member_bool(writer, "success", !has_failed(request, reply));
    json_write_member_object_begin(writer, "data");
    write_topics(writer, "successChannels", request, reply, FATE_GRANTED);
    if (has_failed(request, reply)) /* named after failTopics, because the exchange's form of
                                       refusals is undocumented */
        write_topics(writer, "failChannels", request, reply, FATE_FAILED);
    json_write_object_end(writer);
    json_write_member_u64(writer, "usIn", reply->now_ms * 1000);
    json_write_member_u64(writer, "usOut", reply->now_ms * 1000);
    json_write_member_u64(writer, "usDiff", 0);
    json_write_member_text(writer, "type", "COMMAND_RESP");
}

/* Write the answer to auth, with one of the two known codes: success and refused. */
static void write_auth(json_writer *writer, const dialect_request *request,
                       const dialect_reply *reply)
{
    TD_ASSERT(request->kind == REQUEST_AUTH);
    int is_granted = reply->refused == REFUSAL_NONE;
    write_id(writer, request);
    json_write_member_bool(writer, "success", is_granted);
    json_write_member_text(writer, "ret_msg", is_granted ? "0" : "3303006");
    json_write_member_text(writer, "conn_id", reply->conn_id);
    json_write_member_text(writer, "type", "AUTH_RESP");
}

/* Write a pong; in v5 its members are in reverse order. */
static void write_pong(json_writer *writer, const dialect_request *request,
                       const dialect_reply *reply)
{
    int is_v5 = request->dialect->variant == BYBIT_COMMAND_V5;
    if (!is_v5)
        json_write_member_text(writer, "op", "pong");
    bybit_write_pong_time(writer, "args", reply->now_ms);
    if (is_v5)
        json_write_member_text(writer, "op", "pong");
}

/* Build an answer. Public connections of v5 have no authentication, and answer auth as dialect C
 * does. */
td_result bybit_build_command_answer(td_buf *out, const dialect_request *request,
                                     const dialect_reply *reply, td_err *err)
{
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    if (request->kind == REQUEST_PING)
        write_pong(&writer, request, reply);
    else if (request->kind == REQUEST_AUTH)
        write_auth(&writer, request, reply);
    else if (request->is_second_form)
        write_method(&writer, request, reply);
    else
        write_command(&writer, request, reply);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

const dialect BYBIT_USDC = {
    .name = "usdc",
    BYBIT_SHARED, /* the exchange closes after 30 s without a ping */
    .answers_topics = 1,
    .fit = bybit_fit_bytes,
    .build_topics = build_topics,
    .ping = BYBIT_USDC_PING,
    .build_answer = bybit_build_command_answer,
    .covers = dialect_covers_same,
    .read_request = read_request,
};
