/* Dialect A: {"op":..,"args":[..]}, answered by {success, ret_msg, conn_id, request{op, args}}.
 * Spoken by inverse, linear, copy trading and USDC perpetuals (docs/wire.md 1). */
#include "wire/dialect_impl.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "schema/json_write.h"

static void write_op(json_writer *writer, const char *op)
{
    json_write_object_begin(writer);
    json_write_member_text(writer, "op", op);
}

static td_result build_topics(td_buf *out, const char *op, const char *const *topics, size_t count,
                              td_err *err)
{
    TD_ASSERT(count > 0);
    json_writer writer;
    json_write_begin(&writer, out);
    write_op(&writer, op);
    json_write_key(&writer, "args");
    json_write_array_begin(&writer);
    for (size_t i = 0; i < count; i++)
        json_write_text(&writer, topics[i]);
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

static td_result build_subscribe(td_buf *out, const char *const *topics, size_t count,
                                 const char *id, td_err *err)
{
    (void)id; /* this dialect tells answers apart by echoing the request */
    return build_topics(out, "subscribe", topics, count, err);
}

static td_result build_unsubscribe(td_buf *out, const char *const *topics, size_t count,
                                   const char *id, td_err *err)
{
    (void)id;
    return build_topics(out, "unsubscribe", topics, count, err);
}

static td_result build_ping(td_buf *out, uint64_t now_ms, td_err *err)
{
    (void)now_ms;
    static const char TEXT[] = "{\"op\":\"ping\"}";
    return td_buf_append(out, TEXT, sizeof TEXT - 1, err);
}

static td_result build_auth(td_buf *out, const dialect_auth *auth, td_err *err)
{
    char signature[DIALECT_SIGNATURE_BYTES];
    td_result rc = dialect_sign(auth, signature, err);
    if (rc != TD_OK)
        return rc;
    json_writer writer;
    json_write_begin(&writer, out);
    write_op(&writer, "auth");
    json_write_key(&writer, "args");
    json_write_array_begin(&writer);
    json_write_text(&writer, auth->api_key);
    json_write_u64(&writer, auth->expires_ms);
    json_write_text(&writer, signature);
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

static int is_unreserved(char c) /* RFC 3986, 2.3 */
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static td_result append_escaped(td_buf *out, const char *text, td_err *err)
{
    td_result rc = TD_OK;
    for (const char *c = text; *c != '\0' && rc == TD_OK; c++)
        rc = is_unreserved(*c) ? td_buf_append(out, c, 1, err)
                               : td_buf_printf(out, err, "%%%02X", (unsigned char)*c);
    return rc;
}

static td_result build_auth_query(td_buf *out, const dialect_auth *auth, td_err *err)
{
    char signature[DIALECT_SIGNATURE_BYTES];
    td_result rc = dialect_sign(auth, signature, err);
    int has_query = out->size > 0 && memchr(out->data, '?', out->size) != NULL;
    if (rc == TD_OK)
        rc = td_buf_printf(out, err, "%capi_key=", has_query ? '&' : '?');
    if (rc == TD_OK)
        rc = append_escaped(out, auth->api_key, err);
    if (rc == TD_OK)
        rc = td_buf_printf(out, err, "&expires=%" PRIu64 "&signature=%s", auth->expires_ms,
                           signature);
    return rc;
}

/* The request as the exchange echoes it: always compact, members of args always strings, and an op
 * that it does not know left empty (docs/wire.md 1.1, 5.3). */
static void write_echo(json_writer *writer, const dialect_request *request)
{
    static const char *const OPS[] = {
        [REQUEST_SUBSCRIBE] = "subscribe",
        [REQUEST_UNSUBSCRIBE] = "unsubscribe",
        [REQUEST_AUTH] = "auth",
        [REQUEST_PING] = "ping",
        [REQUEST_UNKNOWN] = "",
    };
    TD_ASSERT(request->kind <= REQUEST_UNKNOWN);
    write_op(writer, OPS[request->kind]);
    json_write_key(writer, "args");
    if (request->args == NULL || request->kind == REQUEST_UNKNOWN) {
        json_write_null(writer);
    } else {
        json_write_array_begin(writer);
        for (size_t i = 0; i < request->arg_count; i++)
            json_write_bytes(writer, request->args[i]);
        json_write_array_end(writer);
    }
    json_write_object_end(writer);
}

static td_result build_answer(td_buf *out, const dialect_request *request, const char *conn_id,
                              const char *reason, td_err *err)
{
    int is_pong = reason == NULL && request->kind == REQUEST_PING;
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    json_write_member_bool(&writer, "success", reason == NULL);
    json_write_member_text(&writer, "ret_msg", reason != NULL ? reason : is_pong ? "pong" : "");
    json_write_member_text(&writer, "conn_id", conn_id);
    json_write_key(&writer, "request");
    write_echo(&writer, request);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

const dialect DIALECT_OP_TABLE = {
    .id = DIALECT_OP,
    .name = "op",
    .args_per_request_max = 0,
    .ping_interval_ns = 20 * TD_NS_PER_S, /* docs/wire.md 1.2 */
    .build_subscribe = build_subscribe,
    .build_unsubscribe = build_unsubscribe,
    .build_ping = build_ping,
    .build_auth = build_auth,
    .build_auth_query = build_auth_query,
    .build_answer = build_answer,
};
