/* Dialect E: auth subscribes to every private topic, and ping is the only other request
 * (docs/wire.md 1.1). Credentials in the URL count as auth, and pings in the form of dialect A are
 * accepted, because clients that use several dialects send both. */
#include "base/assert.h"
#include "schema/bybit/dialects.h"

static size_t fit(const char *const *topics, size_t count)
{
    (void)topics;
    TD_ASSERT(count > 0);
    return count; /* not used: subscribe requests are never sent */
}

static td_result read_request(dialect_text *text, json_value root, dialect_request *out,
                              td_err *err)
{
    json_value heartbeat;
    if (json_find(root, "ping", &heartbeat)) {
        out->kind = REQUEST_PING;
        return TD_OK;
    }
    if (json_find(root, "pong", &heartbeat)) {
        out->kind = REQUEST_PONG;
        return TD_OK;
    }
    TD_ASSERT(out->kind == REQUEST_UNKNOWN);
    td_result rc = bybit_read_op(text, root, out, err);
    if (out->kind != REQUEST_AUTH && out->kind != REQUEST_PING)
        out->kind = REQUEST_UNKNOWN;
    return rc;
}

/* Build an answer to auth or ping. Other requests get no answer, because the exchange's answer to
 * them is unknown. */
static td_result build_answer(td_buf *out, const dialect_request *request,
                              const dialect_reply *reply, td_err *err)
{
    if (request->kind == REQUEST_PING)
        return dialect_heartbeat(out, BYBIT_SPOT_PONG, reply->now_ms, err);
    if (request->kind != REQUEST_AUTH)
        return TD_OK;
    return td_buf_printf(out, err, "{\"auth\":\"%s\"}",
                         reply->refused == REFUSAL_NONE ? "success" : "fail");
}

/* 1, because an authenticated client gets every private topic. */
static int covers(td_bytes subscription, td_bytes exchange_topic)
{
    TD_ASSERT(subscription.size > 0); /* the subscription that auth added */
    (void)exchange_topic;
    return 1;
}

const dialect BYBIT_SPOT_PRIVATE = {
    .name = "spot-private",
    BYBIT_SHARED,
    .subscribes_with_auth = 1,
    .check_query = bybit_check_query,
    .fit = fit,
    .ping = BYBIT_SPOT_PING,
    .pong = BYBIT_SPOT_PONG,
    .build_answer = build_answer,
    .covers = covers,
    .read_request = read_request,
};
