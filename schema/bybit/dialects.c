/* Functions that several dialects use: they build requests, write texts of refusals, and read
 * requests of the form {"op","args"}. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "schema/bybit/dialects.h"

const char *bybit_op_name(request_kind kind)
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

request_kind bybit_op_kind(td_bytes op)
{
    request_kind kind = REQUEST_SUBSCRIBE;
    while (kind < REQUEST_UNKNOWN &&
           (kind == REQUEST_PONG || !td_bytes_is(op, bybit_op_name(kind))))
        kind++;
    return kind;
}

td_result bybit_ask_op(td_buf *out, const char *id_key, const dialect_ask *ask, td_err *err)
{
    TD_ASSERT(ask->count > 0);
    TD_ASSERT(ask->kind == REQUEST_SUBSCRIBE || ask->kind == REQUEST_UNSUBSCRIBE);
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    if (id_key != NULL && ask->id != NULL)
        json_write_member_text(&writer, id_key, ask->id);
    json_write_member_text(&writer, "op", bybit_op_name(ask->kind));
    json_write_member_array_begin(&writer, "args");
    for (size_t i = 0; i < ask->count; i++)
        json_write_text(&writer, ask->topics[i]);
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

td_result bybit_ask_auth(td_buf *out, const dialect_auth *auth, td_err *err)
{
    char signature[DIALECT_SIGNATURE_BYTES];
    bybit_sign(auth, signature);
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    json_write_member_text(&writer, "op", "auth");
    json_write_member_array_begin(&writer, "args");
    json_write_text(&writer, auth->api_key);
    json_write_u64(&writer, auth->expires_ms);
    json_write_text(&writer, signature);
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

size_t bybit_fit_bytes(const char *const *topics, size_t count)
{
    TD_ASSERT(count > 0);
    size_t bytes = 0;
    size_t taken = 0;
    /* A topic that is too large for a request is sent alone, because the exchange decides whether
     * to accept it. */
    while (taken < count && taken < DIALECT_ARGS_MAX) {
        bytes += strlen(topics[taken]) + 3; /* two quotes and a comma */
        if (taken > 0 && bytes > DIALECT_REQUEST_BYTES)
            break;
        taken++;
    }
    TD_ASSERT(taken > 0);
    return taken;
}

/* ---- texts and names ---- */

/* Write the exchange's text, from docs/wire.md 1.1, 1.3 and 5.3. Where its text is unknown (missing
 * args), write a similar one, so that clients find "success":false and a text. */
void bybit_refusal_text(const dialect_reply *reply, char out[BYBIT_REASON_BYTES])
{
    static const struct {
        /* The text around the topic; after is NULL if the text has no topic. */
        const char *before, *after;
    } WORDS[] = {
        [REFUSAL_NONE] = {"", NULL},
        [REFUSAL_INVALID_OP] = {"error:invalid op", NULL},
        [REFUSAL_INVALID_ARGS] = {"error:invalid args", NULL},
        [REFUSAL_TOO_MANY] = {"args size >10", NULL},
        [REFUSAL_UNKNOWN_TOPIC] = {"error:handler not found,topic:", ""},
        [REFUSAL_UNKNOWN_SYMBOL] = {"Invalid symbol :[", "]"},
        [REFUSAL_REPEATED] = {"error:already subscribed,topic:", ""},
        [REFUSAL_NEEDS_AUTH] = {"error:topic:", " needs auth first"},
        [REFUSAL_EXPIRED] = {"error:request expired", NULL},
        [REFUSAL_BAD_KEY] = {"error:USVC1111", NULL},
    };
    refusal why = reply->refused;
    td_bytes topic = reply->topic;
    TD_ASSERT((size_t)why < sizeof WORDS / sizeof *WORDS);
    if (reply->recorded_text != NULL && strlen(reply->recorded_text) < BYBIT_REASON_BYTES) {
        memcpy(out, reply->recorded_text, strlen(reply->recorded_text) + 1);
        return;
    }
    const char *after = WORDS[why].after;
    size_t most = after == NULL ? 0 : BYBIT_REASON_BYTES / 2;
    int size = (int)(topic.size < most ? topic.size : most);
    int length =
        snprintf(out, BYBIT_REASON_BYTES, "%s%.*s%s", WORDS[why].before, size,
                 topic.data == NULL ? "" : (const char *)topic.data, after == NULL ? "" : after);
    TD_ASSERT(length >= 0);
    TD_ASSERT(length < BYBIT_REASON_BYTES);
}

/* ---- requests ---- */

void bybit_read_id(json_value root, dialect_request *out)
{
    json_value value;
    if (!json_find(root, "req_id", &value) && !json_find(root, "id", &value))
        return;
    json_type type = json_type_of(value);
    if (type != JSON_STRING && type != JSON_NUMBER)
        return;
    out->has_id = 1; /* "" is an id, too: some answers distinguish it from a missing id */
    out->id_raw = json_raw(value);
    if (!json_text(value, &out->id))
        out->id = out->id_raw;
}

td_result bybit_read_op(dialect_text *text, json_value root, dialect_request *out, td_err *err)
{
    td_bytes op;
    json_value args;
    TD_ASSERT(out->kind == REQUEST_UNKNOWN);
    if (json_find_text(root, "op", &op))
        out->kind = bybit_op_kind(op);
    if (out->kind == REQUEST_UNSUBSCRIBE_ALL) /* only dialect C has this request, and reads it in a
                                                 function of its own */
        out->kind = REQUEST_UNKNOWN;
    bybit_read_id(root, out);
    /* args may be missing or null: a ping has no args, and the server decides how to answer a
     * subscription without topics. */
    if (!json_find(root, "args", &args) || json_is_null(args))
        return TD_OK;
    td_result rc = dialect_text_reserve(text, json_count(args), err);
    if (rc == TD_OK)
        rc = dialect_text_list(text, args, &out->arg_count, err);
    if (rc == TD_OK)
        out->args = text->args;
    return rc;
}
