#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/assert.h"
#include "wire/dialect_impl.h"

const dialect *dialect_find(dialect_id id)
{
    static const dialect *const TABLES[DIALECT_COUNT] = {
        [DIALECT_OP] = &DIALECT_OP_TABLE,
        [DIALECT_V3] = &DIALECT_V3_TABLE,
        [DIALECT_V5] = &DIALECT_V5_TABLE,
        [DIALECT_V5_SPOT] = &DIALECT_V5_SPOT_TABLE,
        [DIALECT_V5_OPTION] = &DIALECT_V5_OPTION_TABLE,
        [DIALECT_V5_PRIVATE] = &DIALECT_V5_PRIVATE_TABLE,
        [DIALECT_USDC] = &DIALECT_USDC_TABLE,
        [DIALECT_SPOT] = &DIALECT_SPOT_TABLE,
        [DIALECT_SPOT_V2] = &DIALECT_SPOT_V2_TABLE,
        [DIALECT_SPOT_PRIVATE] = &DIALECT_SPOT_PRIVATE_TABLE,
    };
    if ((unsigned)id >= DIALECT_COUNT)
        return NULL;
    TD_ASSERT(TABLES[id]->id == id);
    return TABLES[id];
}

/* ---- words and names ---- */

/* Words of docs/wire.md 1.1, 1.3 and 5.3. What is not known of a refusal (args that are missing)
 * is worded like the others, so that clients find "success":false and a text. */
void dialect_refusal_text(refusal why, td_bytes topic, char out[DIALECT_REASON_BYTES])
{
    static const struct {
        const char *before, *behind; /* behind NULL: no topic between */
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
    TD_ASSERT((size_t)why < sizeof WORDS / sizeof *WORDS);
    const char *behind = WORDS[why].behind;
    size_t most = behind == NULL ? 0 : DIALECT_REASON_BYTES / 2;
    int size = (int)(topic.size < most ? topic.size : most);
    int length =
        snprintf(out, DIALECT_REASON_BYTES, "%s%.*s%s", WORDS[why].before, size,
                 topic.data == NULL ? "" : (const char *)topic.data, behind == NULL ? "" : behind);
    TD_ASSERT(length >= 0);
    TD_ASSERT(length < DIALECT_REASON_BYTES);
}

void dialect_conn_id(uint64_t high, uint64_t low, char out[DIALECT_CONN_ID_BYTES])
{
    uint64_t versioned = (high & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    uint64_t variant = (low & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    int length = snprintf(out, DIALECT_CONN_ID_BYTES,
                          "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
                          versioned >> 32, versioned >> 16 & 0xffff, versioned & 0xffff,
                          variant >> 48, variant & UINT64_C(0xffffffffffff));
    TD_ASSERT(length == DIALECT_CONN_ID_BYTES - 1);
}

/* ---- signatures ---- */

td_result dialect_sign(const dialect_auth *auth, char out[DIALECT_SIGNATURE_BYTES], td_err *err)
{
    char text[40];
    int length = snprintf(text, sizeof text, "GET/realtime%" PRIu64, auth->expires_ms);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof text);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (HMAC(EVP_sha256(), auth->secret, (int)strlen(auth->secret), (const unsigned char *)text,
             (size_t)length, digest, &size) == NULL)
        return td_err_set(err, TD_E_NOMEM, "cannot sign with HMAC-SHA256");
    TD_ASSERT(size * 2 + 1 == DIALECT_SIGNATURE_BYTES);
    static const char HEX[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = HEX[digest[i] >> 4];
        out[2 * i + 1] = HEX[digest[i] & 15];
    }
    out[DIALECT_SIGNATURE_BYTES - 1] = '\0';
    return TD_OK;
}

/* ---- checking credentials ---- */

/* A whole number of Unix ms; 0 if it is none. */
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

/* The key is not compared: whoever has the secret may call himself what he likes. Without a secret
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
    if (dialect_sign(&auth, expected, NULL) != TD_OK ||
        signature.size != DIALECT_SIGNATURE_BYTES - 1 ||
        CRYPTO_memcmp(signature.data, expected, signature.size) != 0)
        return REFUSAL_BAD_KEY;
    return REFUSAL_NONE;
}

refusal dialect_check_auth(const dialect_request *request, const char *secret, uint64_t now_ms)
{
    enum { AUTH_ARGS = 3 };
    TD_ASSERT(request->kind == REQUEST_AUTH);
    if (request->args == NULL || request->arg_count < AUTH_ARGS)
        return REFUSAL_INVALID_ARGS;
    return check_credentials(request->args[0], request->args[1], request->args[2], secret, now_ms);
}

/* Value of a member of a query, or an empty view. Values of ours need no escapes but the key's,
 * which nobody compares. */
static td_bytes query_value(td_bytes query, const char *name)
{
    size_t name_size = strlen(name);
    while (query.size > 0) {
        const uint8_t *end = memchr(query.data, '&', query.size);
        size_t size = end == NULL ? query.size : (size_t)(end - query.data);
        if (size > name_size && query.data[name_size] == '=' &&
            memcmp(query.data, name, name_size) == 0)
            return td_bytes_of(query.data + name_size + 1, size - name_size - 1);
        size_t step = size + (end != NULL);
        query = td_bytes_of(query.data + step, query.size - step);
    }
    return td_bytes_of(NULL, 0);
}

refusal dialect_check_query(const dialect *spoken, td_bytes query, const char *secret,
                            uint64_t now_ms, int *is_there)
{
    td_bytes key = query_value(query, "api_key");
    *is_there = spoken->reads_auth_query && key.size > 0;
    if (!*is_there)
        return REFUSAL_NONE;
    return check_credentials(key, query_value(query, "expires"), query_value(query, "signature"),
                             secret, now_ms);
}
