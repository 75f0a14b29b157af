/* Signs credentials, and checks them for servers (docs/wire.md 1.1). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "base/url.h"
#include "schema/dialect.h"
#include "schema/template.h"

/* hex(HMAC-SHA256(secret, signed_text)) */
void dialect_sign(const dialect *spoken, const dialect_auth *auth,
                  char out[DIALECT_SIGNATURE_BYTES])
{
    char expires[24], text[3 * DIALECT_SIGNED_BYTES];
    (void)snprintf(expires, sizeof expires, "%" PRIu64, auth->expires_ms); /* fits */
    const template_word word = {"{expires}", td_bytes_str(expires)};
    template_fill(spoken->signed_text, &word, 1, text, sizeof text); /* fits: checked when read */
    _Static_assert((int)DIALECT_SIGNATURE_BYTES == (int)TD_SHA256_HEX_BYTES, "it is one");
    td_hmac_sha256_hex(auth->secret, strlen(auth->secret), text, strlen(text), out);
}

/* ---- checking credentials ---- */

/* Check credentials. Any key is accepted, because a client that has the secret may use any key.
 * Without a secret the time is not checked either, so that a recorded login works against a server
 * years later. */
static refusal check_credentials(const dialect *spoken, td_bytes key, td_bytes expires,
                                 td_bytes signature, const char *secret, uint64_t now_ms)
{
    char expected[DIALECT_SIGNATURE_BYTES];
    td_decimal expires_ms; /* must be a whole number of Unix ms */
    if (key.size == 0 || td_decimal_parse(expires, &expires_ms, NULL) != TD_OK ||
        expires_ms.scale > 0 || expires_ms.mantissa < 0)
        return REFUSAL_INVALID_ARGS;
    if (secret == NULL)
        return REFUSAL_NONE;
    if ((uint64_t)expires_ms.mantissa < now_ms)
        return REFUSAL_EXPIRED;
    const dialect_auth auth = {
        .api_key = "", .secret = secret, .expires_ms = (uint64_t)expires_ms.mantissa};
    /* Compared in constant time, because the server may be reachable from the network. */
    dialect_sign(spoken, &auth, expected);
    if (signature.size != DIALECT_SIGNATURE_BYTES - 1 ||
        !td_is_equal_secret(signature.data, expected, signature.size))
        return REFUSAL_BAD_KEY;
    return REFUSAL_NONE;
}

refusal dialect_check_auth(const dialect_request *request, const char *secret, uint64_t now_ms)
{
    enum { AUTH_ARGS = 3 };
    TD_ASSERT(request->kind == REQUEST_AUTH);
    if (request->args == NULL || request->arg_count < AUTH_ARGS)
        return REFUSAL_INVALID_ARGS;
    return check_credentials(request->dialect, request->args[0], request->args[1], request->args[2],
                             secret, now_ms);
}

refusal dialect_check_query(const dialect *spoken, td_bytes query, const char *secret,
                            uint64_t now_ms, int *is_there)
{
    const td_bytes key = td_url_param(query, "api_key");
    *is_there = spoken->has_query && key.size > 0;
    if (!*is_there)
        return REFUSAL_NONE;
    return check_credentials(spoken, key, td_url_param(query, "expires"),
                             td_url_param(query, "signature"), secret, now_ms);
}
