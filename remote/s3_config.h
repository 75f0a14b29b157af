/* Where a bucket is, and with which credentials requests are signed: an s3:// URL and the
 * environment, as other programs read them (names are in s3_store.h). Reads variables and the file
 * of credentials once; credentials of a role are remote/s3_role.h. Any thread. */
#ifndef TD_REMOTE_S3_CONFIG_H
#define TD_REMOTE_S3_CONFIG_H

#include <stdint.h>

#include "base/err.h"

#define S3_SCHEME "s3://"

/* Texts that the struct owns. */
typedef struct s3_credentials {
    char *key_id;
    char *secret;
    char *token;         /* NULL: none */
    uint64_t expires_ns; /* 0: never */
} s3_credentials;

/* TD_E_INVALID, with a hint and without their values: they cannot be in a header. */
TD_MUST_USE td_result s3_credentials_check(const s3_credentials *keys, td_err *err);
/* Wipe and free the texts. */
void s3_credentials_fini(s3_credentials *keys);

/* The value of the first variable that is set and not empty, or NULL; b may be NULL. */
const char *s3_variable(const char *a, const char *b);

typedef struct s3_config {
    char *bucket;
    char *prefix;   /* "", or ends with '/' */
    char *endpoint; /* "https://HOST[:PORT]", as in errors and in URLs */
    char *host;     /* for the header Host */
    char *
        bucket_path; /* path of the bucket, encoded, without a '/' at its end; "": the host is it */
    char *region;
    char *ca_file; /* certificates of authorities; NULL: the system's */
    s3_credentials keys;
} s3_config;

/* Read the configuration for s3://BUCKET or s3://BUCKET/PREFIX. TD_E_INVALID, with a hint: the URL,
 * the store's address, or the credentials; TD_E_IO: the file of credentials. TD_E_NOTFOUND, with a
 * hint: the environment has no credentials; all else is read. The caller releases *out with
 * s3_config_fini, also after a failure. */
TD_MUST_USE td_result s3_config_read(const char *url, s3_config *out, td_err *err);
void s3_config_fini(s3_config *config);

#endif
