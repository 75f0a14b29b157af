/* Objects of an S3 store below one prefix of a bucket: made, read, listed, removed. Requests are
 * signed (remote/s3_sign.h) and sent by libcurl.
 *
 * An object is made once: a request to make it again finds it there, and changes nothing. A request
 * that fails for a reason that passes (no connection, 429, 5xx, a reply that ends early) is sent
 * again, at most S3_TRIES times within S3_TRY_NS; what is left is an error that has the store's
 * code and the remedy. No secret is in an error or in the log. Any thread. */
#ifndef TD_REMOTE_S3_STORE_H
#define TD_REMOTE_S3_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "remote/s3_config.h"
#include "remote/s3_http.h"
#include "remote/s3_reply.h"

enum {
    S3_KEY_BYTES = 1024, /* of a key below the prefix, with the NUL */
    S3_TRIES = 6,
};

/* No try begins later than this after the first one. */
#define S3_TRY_NS (600 * TD_NS_PER_S)

/* Content of an object that is made: PUT takes at most 5 GiB (docs of S3). */
#define S3_OBJECT_BYTES_MAX (UINT64_C(5) << 30)

typedef struct s3_store s3_store;

typedef struct s3_options {
    const char *url;       /* s3://BUCKET or s3://BUCKET/PREFIX */
    const td_log *log;     /* may be NULL; valid until close */
    const td_clock *clock; /* NULL: clock_real() */
} s3_options;

/* Prepare requests; sends none to the store. Credentials and the store's address are the
 * environment's, as for other programs: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
 * AWS_SESSION_TOKEN, or a profile (AWS_PROFILE, "default") of AWS_SHARED_CREDENTIALS_FILE
 * (~/.aws/credentials), or the role of the container or instance (s3_role.h), whose credentials are
 * renewed before they expire; AWS_ENDPOINT_URL_S3
 * or AWS_ENDPOINT_URL (https://s3.REGION.amazonaws.com), AWS_REGION or AWS_DEFAULT_REGION
 * ("us-east-1"); AWS_CA_BUNDLE or SSL_CERT_FILE; http_proxy, HTTPS_PROXY, NO_PROXY. TD_E_INVALID:
 * the URL, an address or the environment's values, with a hint; errors of s3_role_open. The caller
 * closes *out. */
TD_MUST_USE td_result s3_store_open(const s3_options *options, s3_store **out, td_err *err);
void s3_store_close(s3_store *store);

/* Make the object at key; *was_there becomes 1 if it exists already (If-None-Match: *), whatever
 * its content, else 0. It is 1, too, if an earlier try of this call made the object and its reply
 * was lost: a caller who must know who made it reads it. TD_E_LIMIT: larger than
 * S3_OBJECT_BYTES_MAX; TD_E_NOSPACE: the store's quota; TD_E_NOTFOUND: no such bucket; TD_E_IO:
 * refused, or no sound reply. */
TD_MUST_USE td_result s3_store_make(s3_store *store, const char *key, const s3_content *content,
                                    int *was_there, td_err *err);

/* Read up to size bytes of an object from offset `at`; *got is less only at its end. TD_E_NOTFOUND;
 * TD_E_IO. */
TD_MUST_USE td_result s3_store_read(s3_store *store, const char *key, uint64_t at, void *buf,
                                    size_t size, size_t *got, td_err *err);

/* Remove an object; TD_OK, too, if it does not exist. A try whose reply was lost may have removed
 * it. TD_E_NOTFOUND: no such bucket; TD_E_IO. */
TD_MUST_USE td_result s3_store_remove(s3_store *store, const char *key, td_err *err);

/* List the objects below the prefix whose keys begin with `begin` and follow `after` ("": all), in
 * byte order of keys, which are below the prefix. A result of fn other than TD_OK ends the list and
 * is its result. TD_E_NOTFOUND: no such bucket. */
TD_MUST_USE td_result s3_store_list(s3_store *store, const char *begin, const char *after,
                                    s3_object_fn *fn, void *user, td_err *err);

/* Requests sent, also again, and bytes of objects in both directions, since the store was opened.
 */
typedef struct s3_traffic {
    uint64_t requests;
    uint64_t sent_bytes;
    uint64_t received_bytes;
} s3_traffic;
s3_traffic s3_store_traffic(const s3_store *store);

#endif
