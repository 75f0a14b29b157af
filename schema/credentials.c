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

enum { MS_PER_S = 1000 };

static const char SIGNED_S[] = "{signed_s}";

/* HMAC-SHA256(secret, signed_text), as the dialect writes it */
void dialect_sign(const dialect *spoken, const dialect_auth *auth,
                  char out[DIALECT_SIGNATURE_BYTES])
{
    char expires[24], signed_s[24], text[3 * DIALECT_SIGNED_BYTES];
    (void)snprintf(expires, sizeof expires, "%" PRIu64, auth->expires_ms); /* fits */
    (void)snprintf(signed_s, sizeof signed_s, "%" PRIu64, auth->signed_ms / MS_PER_S);
    const template_word words[] = {{"{expires}", td_bytes_str(expires)},
                                   {SIGNED_S, td_bytes_str(signed_s)}};
    const size_t secret_size = strlen(auth->secret);
    template_fill(spoken->signed_text, words, 2, text, sizeof text); /* fits: checked when read */
    _Static_assert((int)DIALECT_SIGNATURE_BYTES == (int)TD_SHA256_HEX_BYTES, "it is one");
    _Static_assert((int)TD_SHA256_BASE64_BYTES <= (int)DIALECT_SIGNATURE_BYTES, "it fits");
    if (spoken->signature == SIGNATURE_BASE64)
        td_hmac_sha256_base64(auth->secret, secret_size, text, strlen(text), out);
    else
        td_hmac_sha256_hex(auth->secret, secret_size, text, strlen(text), out);
}

/* ---- checking credentials ---- */

/* What a client sent; views. */
typedef struct sent_credentials {
    td_bytes key, time, signature;
} sent_credentials;

/* Read the time: a whole number of ms until when the signature is valid, or of seconds at which it
 * was made. 0: it is not such a number. */
static int read_time(const dialect *spoken, td_bytes time, dialect_auth *out)
{
    td_decimal number;
    if (td_decimal_parse(time, &number, NULL) != TD_OK || number.scale > 0 || number.mantissa < 0 ||
        (uint64_t)number.mantissa > UINT64_MAX / MS_PER_S / 2)
        return 0;
    if (strstr(spoken->signed_text, SIGNED_S) != NULL)
        out->signed_ms = (uint64_t)number.mantissa * MS_PER_S;
    else
        out->expires_ms = (uint64_t)number.mantissa;
    return 1;
}

/* 1 if the signature is no longer, or not yet, valid. One that was made at a time is valid for 30
 * s, as OKX documents it. */
static int is_late(const dialect_auth *auth, uint64_t now_ms)
{
    enum { VALID_MS = 30000 };
    if (auth->signed_ms == 0)
        return auth->expires_ms < now_ms;
    return auth->signed_ms + VALID_MS < now_ms || now_ms + VALID_MS < auth->signed_ms;
}

/* Check credentials. Any key is accepted, because a client that has the secret may use any key.
 * Without a secret the time is not checked either, so that a recorded login works against a server
 * years later. */
static refusal check_credentials(const dialect *spoken, const sent_credentials *sent,
                                 const char *secret, uint64_t now_ms)
{
    char expected[DIALECT_SIGNATURE_BYTES];
    dialect_auth auth = {.api_key = "", .secret = secret};
    if (sent->key.size == 0 || !read_time(spoken, sent->time, &auth))
        return REFUSAL_INVALID_ARGS;
    if (secret == NULL)
        return REFUSAL_NONE;
    if (is_late(&auth, now_ms))
        return REFUSAL_EXPIRED;
    /* Compared in constant time, because the server may be reachable from the network. */
    dialect_sign(spoken, &auth, expected);
    if (sent->signature.size != strlen(expected) ||
        !td_is_equal_secret(sent->signature.data, expected, sent->signature.size))
        return REFUSAL_BAD_KEY;
    return REFUSAL_NONE;
}

/* The text or number at a path; empty if it is absent. */
static td_bytes member_of(const dialect_request *request, const char *path)
{
    json_value value;
    td_bytes text = {0};
    if (request->has_root && json_find_first(request->root, path, &value) &&
        !json_text(value, &text) && json_type_of(value) == JSON_NUMBER)
        text = json_raw(value);
    return text;
}

refusal dialect_check_auth(const dialect_request *request, const char *secret, uint64_t now_ms)
{
    enum { AUTH_ARGS = 3 };
    TD_ASSERT(request->kind == REQUEST_AUTH);
    const credential_paths *paths = &request->dialect->credentials;
    sent_credentials sent;
    if (request->dialect->signed_text == NULL) /* it is not known what a client signs */
        return secret == NULL ? REFUSAL_NONE : REFUSAL_BAD_KEY;
    if (paths->key != NULL)
        sent = (sent_credentials){member_of(request, paths->key), member_of(request, paths->time),
                                  member_of(request, paths->signature)};
    else if (request->args != NULL && request->arg_count >= AUTH_ARGS)
        sent = (sent_credentials){request->args[0], request->args[1], request->args[2]};
    else
        return REFUSAL_INVALID_ARGS;
    return check_credentials(request->dialect, &sent, secret, now_ms);
}

refusal dialect_check_query(const dialect *spoken, td_bytes query, const char *secret,
                            uint64_t now_ms, int *is_there)
{
    const sent_credentials sent = {td_url_param(query, "api_key"), td_url_param(query, "expires"),
                                   td_url_param(query, "signature")};
    *is_there = spoken->has_query && sent.key.size > 0;
    return *is_there ? check_credentials(spoken, &sent, secret, now_ms) : REFUSAL_NONE;
}
