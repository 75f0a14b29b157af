/* v5's order entry: requests of {"reqId","op","args"}, answered by {"reqId","retCode","retMsg",
 * "op","connId"} (docs/wire.md 3.8). Requests about orders and their answers are frames of a topic;
 * here are auth, ping, and what is neither. */
#include "base/assert.h"
#include "schema/bybit/dialects.h"

/* What a request keeps for its answer. */
enum { KEPT_OP };

static size_t fit(const char *const *topics, size_t count)
{
    (void)topics;
    return count;
}

static td_result read_request(dialect_text *text, json_value root, dialect_request *out,
                              td_err *err)
{
    td_result rc = bybit_read_op(text, root, out, err);
    (void)json_find_text(root, "op", &out->kept[KEPT_OP]); /* may be absent: an unknown request */
    out->id = (td_bytes){0};
    out->has_id = (uint8_t)json_find_text(root, "reqId", &out->id);
    if (out->kind != REQUEST_AUTH && out->kind != REQUEST_PING)
        out->kind = REQUEST_UNKNOWN;
    return rc;
}

static void write_code(json_writer *writer, refusal why)
{
    static const struct {
        uint64_t code;
        const char *text;
    } CODES[] = {
        [REFUSAL_NONE] = {0, "OK"},
        [REFUSAL_INVALID_OP] = {10404, "op type is not found"},
        [REFUSAL_INVALID_ARGS] = {10001, "Param Error"},
        [REFUSAL_EXPIRED] = {10001, "Param Error"},
        [REFUSAL_BAD_KEY] = {10004, "Invalid sign"},
    };
    TD_ASSERT((size_t)why < sizeof CODES / sizeof *CODES);
    TD_ASSERT(CODES[why].text != NULL); /* there are no topics to refuse */
    json_write_member_u64(writer, "retCode", CODES[why].code);
    json_write_member_text(writer, "retMsg", CODES[why].text);
}

static td_result build_answer(td_buf *out, const dialect_request *request,
                              const dialect_reply *reply, td_err *err)
{
    int is_pong = request->kind == REQUEST_PING && reply->refused == REFUSAL_NONE;
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    if (request->has_id)
        json_write_member_bytes(&writer, "reqId", request->id);
    write_code(&writer, reply->refused);
    json_write_member_bytes(&writer, "op", is_pong ? td_bytes_str("pong") : request->kept[KEPT_OP]);
    if (is_pong)
        bybit_write_pong_time(&writer, "data", reply->now_ms);
    json_write_member_text(&writer, "connId", reply->conn_id);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

/* An authenticated client gets the answers to its requests. */
static int covers(td_bytes subscription, td_bytes exchange_topic)
{
    (void)subscription;
    (void)exchange_topic;
    return 1;
}

const dialect BYBIT_V5_TRADE = {
    .name = "v5-trade",
    BYBIT_SHARED,
    .subscribes_with_auth = 1,
    .fit = fit,
    .ping = BYBIT_PING,
    .build_answer = build_answer,
    .covers = covers,
    .read_request = read_request,
};
