/* v5's order entry: requests of {"reqId","op","args"}, answered by {"reqId","retCode","retMsg",
 * "op","connId"} (docs/wire.md 3.8). A request about orders is a frame of a topic, and so is its
 * answer; the op is the topic. This file handles auth, ping and unknown requests. */
#include <string.h>

#include "base/assert.h"
#include "schema/bybit/dialects.h"

/* The index, in dialect_request.parts, of the op, which the answer names. */
enum { PART_OP };

/* The ops of requests about orders begin with this. */
static const char ORDER[] = "order.";

static size_t fit(const char *const *topics, size_t count)
{
    (void)topics;
    return count;
}

static td_result read_request(dialect_text *text, json_value root, dialect_request *out,
                              td_err *err)
{
    td_result rc = bybit_read_op(text, root, out, err);
    (void)json_find_text(root, "op", &out->parts[PART_OP]); /* absent in an unknown request */
    out->id = (td_bytes){0};
    out->has_id = (uint8_t)json_find_text(root, "reqId", &out->id);
    if (out->kind != REQUEST_AUTH && out->kind != REQUEST_PING)
        out->kind = REQUEST_UNKNOWN;
    if (out->parts[PART_OP].size <= strlen(ORDER) ||
        memcmp(out->parts[PART_OP].data, ORDER, strlen(ORDER)) != 0)
        return rc;
    json_value id;
    out->kind = REQUEST_ORDER;
    out->order_topic = out->parts[PART_OP];
    if (out->has_id && json_find(root, "reqId", &id))
        out->id_raw = json_raw(id);
    return TD_OK; /* also if bybit_read_op() failed because args is not a list of texts */
}

/* Append a recorded answer with another id. If it has no id, or is damaged, it is copied unchanged.
 */
static void build_with_id(td_buf *out, json_parser *json, td_bytes recorded, td_bytes id_raw)
{
    json_value root;
    json_value id;
    td_err err;
    td_bytes given = id_raw.size == 0 ? td_bytes_str("\"\"") : id_raw;
    if (json_parse(json, recorded, JSON_COPIED, &root, &err) != TD_OK ||
        !json_find(root, "reqId", &id) ||
        td_buf_reserve(out, recorded.size + given.size, &err) != TD_OK) {
        td_buf_add(out, recorded.data, recorded.size);
        return;
    }
    size_t after = json_offset(id) + json_raw(id).size;
    td_buf_add(out, recorded.data, json_offset(id));
    td_buf_add(out, given.data, given.size);
    td_buf_add(out, recorded.data + after, recorded.size - after);
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
    /* No other refusals occur, because this dialect has no topics. */
    TD_ASSERT(CODES[why].text != NULL);
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
    json_write_member_bytes(&writer, "op",
                            is_pong ? td_bytes_str("pong") : request->parts[PART_OP]);
    if (is_pong)
        bybit_write_pong_time(&writer, "data", reply->now_ms);
    json_write_member_text(&writer, "connId", reply->conn_id);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

/* 1, because an authenticated client gets the answers to its own requests. */
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
    .build_with_id = build_with_id,
    .covers = covers,
    .read_request = read_request,
};
