/* Signatures. Expected values: the examples of AWS's S3 API reference ("Signature Calculations for
 * the Authorization Header: Transferring Payload in a Single Chunk"); the last row was computed by
 * Python's hmac and urllib.parse.quote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "remote/s3_sign.h"

#define KEY_ID "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define HOST   "examplebucket.s3.amazonaws.com"

enum { PAIRS_MAX = 6, TEXT_BYTES = 4096 };

static const struct {
    const char *name;
    const char *method;
    const char *path; /* not encoded */
    s3_pair params[PAIRS_MAX];
    const char *content;
    s3_pair headers[PAIRS_MAX]; /* besides host, x-amz-date, x-amz-content-sha256 */
    const char *signed_names;
    const char *signature;
} ROWS[] = {
    {"GET object",
     "GET",
     "/test.txt",
     {{NULL, NULL}},
     "",
     {{"range", "bytes=0-9"}},
     "host;range;x-amz-content-sha256;x-amz-date",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PUT object",
     "PUT",
     "/test$file.text",
     {{NULL, NULL}},
     "Welcome to Amazon S3.",
     {{"x-amz-storage-class", "REDUCED_REDUNDANCY"}, {"date", "Fri, 24 May 2013 00:00:00 GMT"}},
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"GET bucket lifecycle",
     "GET",
     "/",
     {{"lifecycle", ""}},
     "",
     {{NULL, NULL}},
     "host;x-amz-content-sha256;x-amz-date",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"GET bucket, list of objects",
     "GET",
     "/",
     {{"prefix", "J"}, {"max-keys", "2"}},
     "",
     {{NULL, NULL}},
     "host;x-amz-content-sha256;x-amz-date",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    {"all kinds of bytes in a key and in a parameter, and a token",
     "GET",
     "/a=b c/\xc3\xbc+~&'%2F",
     {{"start-after", "a=b c/\xc3\xbc+~&'%2F"}, {"list-type", "2"}},
     "",
     {{"x-amz-security-token", "FwoGZXIvYXdzE=="}},
     "host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
     "6b55387f91ce1fca3233ec37afa5b18e92251b2dc48cbea701b242895c1ffcb4"},
};

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const s3_pair *)a)->name, ((const s3_pair *)b)->name);
}

static void test_signatures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        print_message("%s\n", ROWS[i].name);
        char content_sha256[TD_SHA256_HEX_BYTES];
        td_sha256_hex(ROWS[i].content, strlen(ROWS[i].content), content_sha256);
        s3_pair headers[3 + PAIRS_MAX] = {
            {"host", HOST},
            {"x-amz-date", "20130524T000000Z"},
            {"x-amz-content-sha256", content_sha256},
        };
        size_t header_count = 3;
        s3_pair params[PAIRS_MAX];
        size_t param_count = 0;
        for (; ROWS[i].params[param_count].name != NULL; param_count++)
            params[param_count] = ROWS[i].params[param_count];
        for (size_t j = 0; ROWS[i].headers[j].name != NULL; j++)
            headers[header_count++] = ROWS[i].headers[j];
        qsort(params, param_count, sizeof *params, compare_pairs);
        qsort(headers, header_count, sizeof *headers, compare_pairs);

        td_buf path;
        td_buf query;
        td_buf out;
        td_buf_init(&path, TEXT_BYTES);
        td_buf_init(&query, TEXT_BYTES);
        td_buf_init(&out, TEXT_BYTES);
        s3_sign_encode(td_bytes_str(ROWS[i].path), "/", &path);
        for (size_t j = 0; j < param_count; j++) {
            td_buf_print(&query, "%s%s=", j == 0 ? "" : "&", params[j].name);
            s3_sign_encode(td_bytes_str(params[j].value), "", &query);
        }
        const s3_request request = {
            .method = ROWS[i].method,
            .path = td_buf_view(&path),
            .query = td_buf_view(&query),
            .headers = headers,
            .header_count = header_count,
        };
        char text[TEXT_BYTES];
        s3_sign_authorization(&request, "us-east-1", KEY_ID, SECRET, &out);
        snprintf(text, sizeof text,
                 "AWS4-HMAC-SHA256 Credential=" KEY_ID "/20130524/us-east-1/s3/aws4_request,"
                 "SignedHeaders=%s,Signature=%s",
                 ROWS[i].signed_names, ROWS[i].signature);
        assert_string_equal((const char *)out.data, text);
        td_buf_fini(&out);
        td_buf_fini(&query);
        td_buf_fini(&path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_signatures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
