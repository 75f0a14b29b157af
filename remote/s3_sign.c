#include "remote/s3_sign.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SERVICE   "s3"
#define SCOPE_END "aws4_request"

enum { DATE_BYTES = 8, CANONICAL_BYTES = 64 << 10 };

static void add_text(td_buf *out, const char *text)
{
    td_buf_add(out, text, strlen(text));
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const s3_pair *)a)->name, ((const s3_pair *)b)->name);
}

void s3_sign_sort(s3_pair *pairs, size_t count)
{
    qsort(pairs, count, sizeof *pairs, compare_pairs);
}

void s3_sign_encode(td_bytes text, const char *kept, td_buf *out)
{
    static const char HEX[] = "0123456789ABCDEF";
    static const char UNRESERVED[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.data[i];
        const char escape[] = {'%', HEX[c >> 4], HEX[c & 15]};
        if (c != '\0' && (strchr(UNRESERVED, c) != NULL || strchr(kept, c) != NULL))
            td_buf_add(out, &c, 1);
        else
            td_buf_add(out, escape, sizeof escape);
    }
}

void s3_sign_query(const s3_pair *params, size_t count, td_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        TD_ASSERT(i == 0 || compare_pairs(&params[i - 1], &params[i]) < 0);
        add_text(out, i == 0 ? "" : "&");
        add_text(out, params[i].name);
        add_text(out, "=");
        s3_sign_encode(td_bytes_str(params[i].value), "", out);
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
    for (size_t i = 0; i < request->header_count; i++) {
        add_text(out, i == 0 ? "" : ";");
        add_text(out, request->headers[i].name);
    }
}

void s3_sign_canonical(const s3_request *request, td_buf *out)
{
    add_text(out, request->method);
    add_text(out, "\n");
    td_buf_add(out, request->path.data, request->path.size);
    add_text(out, "\n");
    td_buf_add(out, request->query.data, request->query.size);
    add_text(out, "\n");
    for (size_t i = 0; i < request->header_count; i++) {
        const s3_pair *header = &request->headers[i];
        TD_ASSERT(i == 0 || compare_pairs(header - 1, header) < 0);
        add_text(out, header->name);
        add_text(out, ":");
        add_text(out, header->value);
        add_text(out, "\n");
    }
    add_text(out, "\n");
    add_signed_names(request, out);
    add_text(out, "\n");
    add_text(out, header_of(request, "x-amz-content-sha256"));
}

/* DATE/REGION/s3/aws4_request. */
static void add_scope(const char *date, const char *region, td_buf *out)
{
    TD_ASSERT(strlen(date) > DATE_BYTES);
    td_buf_add(out, date, DATE_BYTES);
    add_text(out, "/");
    add_text(out, region);
    add_text(out, "/" SERVICE "/" SCOPE_END);
}

void s3_sign_text(const s3_request *request, const char *region, td_buf *out)
{
    td_buf canonical;
    td_buf_init(&canonical, CANONICAL_BYTES);
    s3_sign_canonical(request, &canonical);
    char digest[TD_SHA256_HEX_BYTES];
    td_sha256_hex(canonical.data, canonical.size, digest);
    explicit_bzero(canonical.data, canonical.size); /* it may have a session token */
    td_buf_fini(&canonical);
    const char *date = header_of(request, "x-amz-date");
    add_text(out, ALGORITHM "\n");
    add_text(out, date);
    add_text(out, "\n");
    add_scope(date, region, out);
    add_text(out, "\n");
    add_text(out, digest);
}

void s3_sign_authorization(const s3_request *request, const char *region, const char *key_id,
                           const char *secret, td_buf *out)
{
    const char *date = header_of(request, "x-amz-date");
    td_buf key;
    td_buf_init(&key, CANONICAL_BYTES);
    add_text(&key, "AWS4");
    add_text(&key, secret);
    uint8_t step[TD_SHA256_BYTES];
    td_hmac_sha256(key.data, key.size, date, DATE_BYTES, step);
    explicit_bzero(key.data, key.size);
    td_buf_fini(&key);
    const char *const parts[] = {region, SERVICE, SCOPE_END};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        uint8_t next[TD_SHA256_BYTES];
        td_hmac_sha256(step, sizeof step, parts[i], strlen(parts[i]), next);
        memcpy(step, next, sizeof step);
    }

    td_buf text;
    td_buf_init(&text, CANONICAL_BYTES);
    s3_sign_text(request, region, &text);
    char signature[TD_SHA256_HEX_BYTES];
    td_hmac_sha256_hex(step, sizeof step, text.data, text.size, signature);
    explicit_bzero(step, sizeof step);
    td_buf_fini(&text);

    add_text(out, ALGORITHM " Credential=");
    add_text(out, key_id);
    add_text(out, "/");
    add_scope(date, region, out);
    add_text(out, ",SignedHeaders=");
    add_signed_names(request, out);
    add_text(out, ",Signature=");
    add_text(out, signature);
}
