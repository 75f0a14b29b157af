/* Where a bucket is, and with which credentials requests are signed: an s3:// URL and the
 * environment, as other programs read them (names are in s3_store.h). Reads variables and the file
 * of credentials once; credentials of a role are remote/s3_role.h. Any thread. */
#ifndef TD_REMOTE_S3_CONFIG_H
#define TD_REMOTE_S3_CONFIG_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/url.h"

#define S3_SCHEME "s3://"

typedef struct s3_credentials {
    char key_id[256];
    char secret[256];
    char token[8 << 10]; /* "": none. Session tokens have some 1 KiB. */
    uint64_t expires_ns; /* 0: never */
} s3_credentials;

/* Set the texts. TD_E_INVALID, with a hint and without their values: they cannot be in a header. */
TD_MUST_USE td_result s3_credentials_set(s3_credentials *keys, td_bytes key_id, td_bytes secret,
                                         td_bytes token, td_err *err);

/* The value of the first variable that is set and not empty, or NULL; b may be NULL. */
const char *s3_variable(const char *a, const char *b);

typedef struct s3_config {
    char bucket[64];
    char prefix[512];                  /* "", or ends with '/' */
    char endpoint[TD_HOST_BYTES + 80]; /* "https://HOST[:PORT]", as in errors and in URLs */
    char host[TD_HOST_BYTES + 64];     /* for the header Host */
    char bucket_path[1024]; /* encoded, without a '/' at its end; "": the host is the bucket's */
    char region[64];
    char ca_file[LIMIT_PATH_BYTES]; /* certificates of authorities; "": the system's */
    s3_credentials keys;
} s3_config;

/* Read the configuration for s3://BUCKET or s3://BUCKET/PREFIX. TD_E_INVALID, with a hint: the URL,
 * the store's address, or the credentials; TD_E_IO: the file of credentials. TD_E_NOTFOUND, with a
 * hint: the environment has no credentials; all else is read. */
TD_MUST_USE td_result s3_config_read(const char *url, s3_config *out, td_err *err);

#endif
