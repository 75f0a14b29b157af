/* Dialect B: {"req_id":..,"op":..,"args":[..]}, answered by {success, ret_msg, conn_id, req_id,
 * op}. Used by contract v3 and v5; v5's spot and private connections answer slightly differently
 * (docs/wire.md 1.5). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "schema/bybit/dialects.h"

enum {
    ARGS_PER_REQUEST_MAX = 10, /* limit of contract v3 and v5 spot */
    /* Limit of v5 for all topics of a public connection together. */
    CONNECTION_ARGS_BYTES_MAX = 21000,
};
_Static_assert((int)DIALECT_REQUEST_BYTES <= (int)CONNECTION_ARGS_BYTES_MAX,
               "a request fits a connection");

/* ---- client ---- */

/* As dialect.fit, for servers that refuse requests with more than ten topics. */
static size_t fit_ten(const char *const *topics, size_t count)
{
    return bybit_fit_bytes(topics,
                           count < ARGS_PER_REQUEST_MAX ? count : (size_t)ARGS_PER_REQUEST_MAX);
}

static td_result build_topics(td_buf *out, const dialect_ask *ask, td_err *err)
{
    return bybit_ask_op(out, "req_id", ask, err);
}

/* ---- server ---- */

/* The forms of answers. */
typedef enum answer_shape {
    SHAPE_V3,      /* success, ret_msg, conn_id, req_id (even if empty), op */
    SHAPE_SPOT,    /* as V3, but ret_msg names the request, and req_id only if the client sent it */
    SHAPE_PRIVATE, /* req_id if the client sent it, success, ret_msg, op, conn_id */
} answer_shape;

static void write_id(json_writer *writer, const dialect_request *request)
{
    TD_ASSERT(request->has_id || request->id.size == 0);
    json_write_member_bytes(writer, "req_id", request->id);
}

/* Append text, but escape the characters that are special in HTML, as the exchange does: "args size
 * \u003e10" (docs/wire.md 1.3). In JSON these characters occur only inside strings. */
static td_result append_for_html(td_buf *out, td_bytes text, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < text.size && rc == TD_OK; i++) {
        uint8_t c = text.data[i];
        if (c == '<' || c == '>' || c == '&')
            rc = td_buf_printf(out, err, "\\u%04x", c);
        else
            rc = td_buf_append(out, &c, 1, err);
    }
    return rc;
}

static void write_answer(json_writer *writer, const dialect_request *request,
                         const dialect_reply *reply)
{
    char reason[BYBIT_REASON_BYTES];
    const char *text = reason;
    const answer_shape shape = (answer_shape)request->dialect->variant;
    request_kind kind = request->kind;
    int is_granted = reply->refused == REFUSAL_NONE;
    int is_about_topics = kind == REQUEST_SUBSCRIBE || kind == REQUEST_UNSUBSCRIBE;
    TD_ASSERT(reply->conn_id != NULL);
    if (!is_granted && kind == REQUEST_AUTH)
        text = "Params Error"; /* v5's text for every refused auth */
    else if (!is_granted)
        bybit_refusal_text(reply, reason);
    else if (kind == REQUEST_PING)
        text = "pong";
    else if (shape == SHAPE_SPOT && is_about_topics)
        text = "subscribe"; /* for unsubscribe requests, too: their answers differ only in op */
    else
        text = "";

    json_write_object_begin(writer);
    if (shape == SHAPE_PRIVATE && request->has_id)
        write_id(writer, request);
    json_write_member_bool(writer, "success", is_granted);
    json_write_member_text(writer, "ret_msg", text);
    if (shape != SHAPE_PRIVATE)
        json_write_member_text(writer, "conn_id", reply->conn_id);
    if (shape == SHAPE_V3 || (shape == SHAPE_SPOT && request->has_id))
        write_id(writer, request);
    json_write_member_text(writer, "op", bybit_op_name(kind));
    if (shape == SHAPE_PRIVATE)
        json_write_member_text(writer, "conn_id", reply->conn_id);
    json_write_object_end(writer);
}

/* Write {"req_id":..,"op":"pong","args":["MS"],"conn_id":..}. */
static void write_private_pong(json_writer *writer, const dialect_request *request,
                               const dialect_reply *reply)
{
    json_write_object_begin(writer);
    if (request->has_id)
        write_id(writer, request);
    json_write_member_text(writer, "op", "pong");
    bybit_write_pong_time(writer, "args", reply->now_ms);
    json_write_member_text(writer, "conn_id", reply->conn_id);
    json_write_object_end(writer);
}

static td_result build_answer(td_buf *out, const dialect_request *request,
                              const dialect_reply *reply, td_err *err)
{
    json_writer writer;
    td_buf text;
    td_buf_init(&text, out->size_max);
    json_write_begin(&writer, &text);
    if (request->dialect->variant == SHAPE_PRIVATE && request->kind == REQUEST_PING &&
        reply->refused == REFUSAL_NONE)
        write_private_pong(&writer, request, reply);
    else
        write_answer(&writer, request, reply);
    td_result rc = json_write_end(&writer, err);
    if (rc == TD_OK)
        rc = append_for_html(out, td_buf_view(&text), err);
    td_buf_fini(&text);
    return rc;
}

/* ---- private subscriptions ---- */

/* 1 if `longer` is `shorter` and a category: "order.linear" for "order". */
static int is_category_of(td_bytes shorter, td_bytes longer)
{
    static const char *const CATEGORIES[] = {"spot", "linear", "inverse", "option"};
    if (shorter.size == 0 || longer.size < shorter.size + 2 || longer.data[shorter.size] != '.' ||
        memcmp(shorter.data, longer.data, shorter.size) != 0)
        return 0;
    TD_ASSERT(longer.size > shorter.size + 1);
    td_bytes part = td_bytes_of(longer.data + shorter.size + 1, longer.size - shorter.size - 1);
    for (size_t i = 0; i < sizeof CATEGORIES / sizeof *CATEGORIES; i++) {
        if (td_bytes_is(part, CATEGORIES[i]))
            return 1;
    }
    return 0;
}

/* How many topics fit into one request: the request must not have a topic and also a category of
 * that topic (docs/wire.md 1.5). A private connection has some twenty topics, so comparing all
 * pairs is cheap. */
static size_t fit_private(const char *const *topics, size_t count)
{
    size_t most = bybit_fit_bytes(topics, count);
    for (size_t taken = 1; taken < most; taken++) {
        td_bytes next = td_bytes_str(topics[taken]);
        for (size_t i = 0; i < taken; i++) {
            td_bytes before = td_bytes_str(topics[i]);
            if (is_category_of(before, next) || is_category_of(next, before))
                return taken;
        }
    }
    return most;
}

/* 1 if a subscription covers a topic. It is undocumented whether frames for "order.linear" have
 * that topic or "order", so each of the two covers the other. "execution" does not cover
 * "execution.fast" (docs/wire.md 1.5). */
static int covers_private(td_bytes subscription, td_bytes exchange_topic)
{
    return dialect_covers_same(subscription, exchange_topic) ||
           is_category_of(subscription, exchange_topic) ||
           is_category_of(exchange_topic, subscription);
}

/* 1 if a subscription covers a frame of the topic: a subscription to one category covers a frame of
 * the topic without category only if the frame contains that category. */
static int covers_private_frame(td_bytes subscription, td_bytes exchange_topic, td_bytes frame)
{
    if (subscription.size <= exchange_topic.size)
        return 1;
    char member[48];
    TD_ASSERT(subscription.data[exchange_topic.size] == '.'); /* checked by covers_private() */
    td_bytes category = td_bytes_of(subscription.data + exchange_topic.size + 1,
                                    subscription.size - exchange_topic.size - 1);
    int length = snprintf(member, sizeof member, "\"category\":\"%.*s\"", (int)category.size,
                          (const char *)category.data);
    TD_ASSERT(length > 0);
    /* It fits, because covers_private() accepts only known categories. */
    TD_ASSERT((size_t)length < sizeof member);
    return memmem(frame.data, frame.size, member, (size_t)length) != NULL;
}

#define V3_REQUESTS                                                                                \
    BYBIT_SHARED, .name = "v3", .refuses_repeats = 1, .build_topics = build_topics,                \
                  .ping = BYBIT_PING, .read_request = bybit_read_op

const dialect BYBIT_V3 = {
    .connection_bytes_max = CONNECTION_ARGS_BYTES_MAX,
    .fit = fit_ten,
    .build_answer = build_answer,
    .covers = dialect_covers_same,
    V3_REQUESTS,
};

const dialect BYBIT_V5 = {
    .names_symbols = 1,
    .connection_bytes_max = CONNECTION_ARGS_BYTES_MAX,
    .fit = bybit_fit_bytes,
    .build_answer = build_answer,
    .covers = dialect_covers_same,
    V3_REQUESTS,
};

const dialect BYBIT_V5_SPOT = {
    .names_symbols = 1,
    .connection_bytes_max = CONNECTION_ARGS_BYTES_MAX,
    .request_topics_max = ARGS_PER_REQUEST_MAX,
    .fit = fit_ten,
    .variant = SHAPE_SPOT,
    .build_answer = build_answer,
    .covers = dialect_covers_same,
    V3_REQUESTS,
};

const dialect BYBIT_V5_PRIVATE = {
    .fit = fit_private,
    .variant = SHAPE_PRIVATE,
    .build_answer = build_answer,
    .covers = covers_private,
    .covers_frame = covers_private_frame,
    V3_REQUESTS,
};

const dialect BYBIT_V5_OPTION = {
    .connection_topics_max = 2000, /* docs/wire.md 1.5 */
    .connection_bytes_max = CONNECTION_ARGS_BYTES_MAX,
    .answers_topics = 1,
    .fit = bybit_fit_bytes,
    .variant = BYBIT_COMMAND_V5,
    .build_answer = bybit_build_command_answer,
    .covers = dialect_covers_same,
    V3_REQUESTS,
};
