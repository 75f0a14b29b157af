/* Credentials: signing them, and checking them as a server (docs/wire.md 1.1). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/url.h"
#include "schema/bybit/dialects.h"

void bybit_sign(const dialect_auth *auth, char out[DIALECT_SIGNATURE_BYTES])
{
    char text[40];
    int length = snprintf(text, sizeof text, "GET/realtime%" PRIu64, auth->expires_ms);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof text);
    _Static_assert((int)DIALECT_SIGNATURE_BYTES == (int)TD_SHA256_HEX_BYTES, "it is one");
    td_hmac_sha256_hex(auth->secret, strlen(auth->secret), text, (size_t)length, out);
}

/* ---- checking credentials ---- */

/* A whole number of Unix ms; 0 if it is not one. */
static int read_ms(td_bytes text, uint64_t *out)
{
    *out = 0;
    if (text.size == 0 || text.size > 19) /* 19 digits fit in 64 bits */
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        *out = *out * 10 + (uint64_t)(text.data[i] - '0');
    }
    return 1;
}

/* The key is not compared: a client that has the secret may use any key. Without a secret
 * not even the time matters, so that a recorded login can be played against a server years later.
 */
static refusal check_credentials(td_bytes key, td_bytes expires, td_bytes signature,
                                 const char *secret, uint64_t now_ms)
{
    char expected[DIALECT_SIGNATURE_BYTES];
    uint64_t expires_ms;
    if (key.size == 0 || !read_ms(expires, &expires_ms))
        return REFUSAL_INVALID_ARGS;
    if (secret == NULL)
        return REFUSAL_NONE;
    if (expires_ms < now_ms)
        return REFUSAL_EXPIRED;
    const dialect_auth auth = {.api_key = "", .secret = secret, .expires_ms = expires_ms};
    /* Compared in constant time: a server may be reachable by others. */
    bybit_sign(&auth, expected);
    if (signature.size != DIALECT_SIGNATURE_BYTES - 1 ||
        !td_is_equal_secret(signature.data, expected, signature.size))
        return REFUSAL_BAD_KEY;
    return REFUSAL_NONE;
}

refusal bybit_check_auth(const dialect_request *request, const char *secret, uint64_t now_ms)
{
    enum { AUTH_ARGS = 3 };
    TD_ASSERT(request->kind == REQUEST_AUTH);
    if (request->args == NULL || request->arg_count < AUTH_ARGS)
        return REFUSAL_INVALID_ARGS;
    return check_credentials(request->args[0], request->args[1], request->args[2], secret, now_ms);
}

/* Value of a member of a query, or an empty view. Values of ours need no escapes but the key's,
 * which is not compared. */
static td_bytes query_value(td_bytes query, const char *name)
{
    td_bytes at;
    td_bytes value;
    while (td_url_next_param(&query, &at, &value))
        if (td_bytes_is(at, name))
            return value;
    return td_bytes_of(NULL, 0);
}

refusal bybit_check_query(td_bytes query, const char *secret, uint64_t now_ms, int *is_there)
{
    td_bytes key = query_value(query, "api_key");
    *is_there = key.size > 0;
    if (!*is_there)
        return REFUSAL_NONE;
    return check_credentials(key, query_value(query, "expires"), query_value(query, "signature"),
                             secret, now_ms);
}
