/* What clients of several dialects build alike. */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "wire/dialect_impl.h"

const char *dialect_op_name(request_kind kind)
{
    static const char *const OPS[] = {
        [REQUEST_SUBSCRIBE] = "subscribe",
        [REQUEST_UNSUBSCRIBE] = "unsubscribe",
        [REQUEST_UNSUBSCRIBE_ALL] = "unSubAll",
        [REQUEST_AUTH] = "auth",
        [REQUEST_PING] = "ping",
        [REQUEST_PONG] = "pong",
        [REQUEST_UNKNOWN] = "",
    };
    TD_ASSERT(kind <= REQUEST_UNKNOWN);
    return OPS[kind];
}

int dialect_covers_same(td_bytes subscription, td_bytes exchange_topic)
{
    return subscription.size > 0 && td_bytes_equal(subscription, exchange_topic);
}

td_result dialect_ask_op(td_buf *out, const char *id_key, const dialect_ask *ask, td_err *err)
{
    TD_ASSERT(ask->count > 0);
    TD_ASSERT(ask->kind == REQUEST_SUBSCRIBE || ask->kind == REQUEST_UNSUBSCRIBE);
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    if (id_key != NULL && ask->id != NULL)
        json_write_member_text(&writer, id_key, ask->id);
    json_write_member_text(&writer, "op", dialect_op_name(ask->kind));
    json_write_key(&writer, "args");
    json_write_array_begin(&writer);
    for (size_t i = 0; i < ask->count; i++)
        json_write_text(&writer, ask->topics[i]);
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

td_result dialect_ask_auth(td_buf *out, const dialect_auth *auth, td_err *err)
{
    char signature[DIALECT_SIGNATURE_BYTES];
    td_result rc = dialect_sign(auth, signature, err);
    if (rc != TD_OK)
        return rc;
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    json_write_member_text(&writer, "op", "auth");
    json_write_key(&writer, "args");
    json_write_array_begin(&writer);
    json_write_text(&writer, auth->api_key);
    json_write_u64(&writer, auth->expires_ms);
    json_write_text(&writer, signature);
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

td_result dialect_ask_ping(td_buf *out, uint64_t now_ms, td_err *err)
{
    (void)now_ms;
    static const char TEXT[] = "{\"op\":\"ping\"}";
    return td_buf_append(out, TEXT, sizeof TEXT - 1, err);
}

td_result dialect_ask_spot_ping(td_buf *out, uint64_t now_ms, td_err *err)
{
    return td_buf_printf(out, err, "{\"ping\":%" PRIu64 "}", now_ms);
}

td_result dialect_ask_spot_pong(td_buf *out, uint64_t now_ms, td_err *err)
{
    return td_buf_printf(out, err, "{\"pong\":%" PRIu64 "}", now_ms);
}

size_t dialect_fit_bytes(const char *const *topics, size_t count)
{
    TD_ASSERT(count > 0);
    size_t bytes = 0;
    size_t taken = 0;
    /* One that is larger than a request should be goes alone: the exchange may judge it. */
    while (taken < count && taken < DIALECT_ARGS_MAX) {
        bytes += strlen(topics[taken]) + 3; /* two quotes and a comma */
        if (taken > 0 && bytes > DIALECT_REQUEST_BYTES)
            break;
        taken++;
    }
    TD_ASSERT(taken > 0);
    return taken;
}
