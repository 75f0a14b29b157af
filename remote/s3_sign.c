#include "remote/s3_sign.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SERVICE   "s3"
#define SCOPE_END "aws4_request"

enum { DATE_BYTES = 8, SCOPE_BYTES = 128, TEXT_BYTES = 64 << 10 };

void s3_sign_encode(td_bytes text, const char *kept, td_buf *out)
{
    static const char UNRESERVED[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.data[i];
        if (c != '\0' && (strchr(UNRESERVED, c) != NULL || strchr(kept, c) != NULL))
            td_buf_add(out, &c, 1);
        else
            td_buf_print(out, "%%%02X", c);
    }
}

static const char *header_of(const s3_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    TD_ASSERT(!"a required header");
    return "";
}

static void add_signed_names(const s3_request *request, td_buf *out)
{
    for (size_t i = 0; i < request->header_count; i++)
        td_buf_print(out, "%s%s", i == 0 ? "" : ";", request->headers[i].name);
}

static void hash_request(const s3_request *request, char out[TD_SHA256_HEX_BYTES])
{
    td_buf text;
    td_buf_init(&text, TEXT_BYTES);
    td_buf_print(&text, "%s\n%.*s\n%.*s\n", request->method, (int)request->path.size,
                 (const char *)request->path.data, (int)request->query.size,
                 (const char *)request->query.data);
    for (size_t i = 0; i < request->header_count; i++) {
        const s3_pair *header = &request->headers[i];
        TD_ASSERT(i == 0 || strcmp(header[-1].name, header->name) < 0);
        td_buf_print(&text, "%s:%s\n", header->name, header->value);
    }
    td_buf_print(&text, "\n");
    add_signed_names(request, &text);
    td_buf_print(&text, "\n%s", header_of(request, "x-amz-content-sha256"));
    td_sha256_hex(text.data, text.size, out);
    td_buf_fini(&text);
}

void s3_sign_authorization(const s3_request *request, const char *region, const char *key_id,
                           const char *secret, td_buf *out)
{
    const char *date = header_of(request, "x-amz-date");
    const char *const steps[] = {region, SERVICE, SCOPE_END};
    char scope[SCOPE_BYTES];
    char digest[TD_SHA256_HEX_BYTES], signature[TD_SHA256_HEX_BYTES];
    uint8_t key[TD_SHA256_BYTES], next[TD_SHA256_BYTES];
    td_buf text;
    td_buf_init(&text, TEXT_BYTES);
    td_buf_print(&text, "AWS4%s", secret);
    td_hmac_sha256(text.data, text.size, date, DATE_BYTES, key);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        td_hmac_sha256(key, sizeof key, steps[i], strlen(steps[i]), next);
        memcpy(key, next, sizeof key);
    }
    (void)snprintf(scope, sizeof scope, "%.*s/%s/" SERVICE "/" SCOPE_END, DATE_BYTES, date, region);
    hash_request(request, digest);
    td_buf_clear(&text);
    td_buf_print(&text, ALGORITHM "\n%s\n%s\n%s", date, scope, digest);
    td_hmac_sha256_hex(key, sizeof key, text.data, text.size, signature);
    td_buf_fini(&text);

    td_buf_print(out, ALGORITHM " Credential=%s/%s,SignedHeaders=", key_id, scope);
    add_signed_names(request, out);
    td_buf_print(out, ",Signature=%s", signature);
    td_buf_add(out, "", 1);
}
