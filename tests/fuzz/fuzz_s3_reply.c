/* Any bytes as a reply of an S3 store, as an error and as a page of a list. Besides not crashing:
 * texts end within their space; a page that is accepted has its end, a key for each object, and a
 * token if it is truncated. */
#include <string.h>

#include "base/assert.h"
#include "remote/s3_reply.h"
#include "tests/testing/fuzz_input.h"

static td_result count_key(void *user, const s3_object *object, td_err *err)
{
    (void)err;
    TD_ASSERT(object->key[0] != '\0');
    TD_ASSERT(strlen(object->key) <= 1024);
    TD_ASSERT(object->bytes <= INT64_MAX);
    ++*(size_t *)user;
    return TD_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static s3_page page;
    const td_bytes body = td_bytes_of(data, size);
    s3_error error;
    s3_reply_error(body, &error);
    TD_ASSERT(strlen(error.code) < sizeof error.code);
    TD_ASSERT(strlen(error.message) < sizeof error.message);
    size_t keys = 0;
    td_err err;
    td_result rc = s3_reply_page(body, count_key, &keys, &page, &err);
    TD_ASSERT(rc == TD_OK || rc == TD_E_CORRUPT);
    TD_ASSERT(page.object_count == keys);
    if (rc != TD_OK)
        return 0;
    TD_ASSERT(s3_reply_is_page(body));
    TD_ASSERT(!page.is_truncated || page.token[0] != '\0');
    return 0;
}
