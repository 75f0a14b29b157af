/* Single HTTP requests, sent by libcurl: to a store, and to services that give credentials. Knows
 * no store: users sign requests, judge replies and send them again. No header that is sent is in an
 * error. Any thread. */
#ifndef TD_REMOTE_S3_HTTP_H
#define TD_REMOTE_S3_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/io.h"
#include "remote/s3_sign.h"

/* libcurl, and connections that are kept for further requests. */
typedef struct s3_http s3_http;

/* Load libcurl, which stays loaded. TD_E_NOTFOUND, with a hint: it is not installed. The caller
 * closes *out after all requests. */
TD_MUST_USE td_result s3_http_open(s3_http **out, td_err *err);
void s3_http_close(s3_http *http); /* NULL is allowed */

/* The content of an object: a range of a file, or bytes. */
typedef struct s3_content {
    uint64_t bytes;
    char sha256[TD_SHA256_HEX_BYTES];
    td_file *file; /* from the offset `from`; NULL: data */
    uint64_t from;
    const uint8_t *data;
} s3_content;

enum { S3_FIELD_BYTES = 128 }; /* of a header of a reply, truncated */

typedef struct s3_exchange {
    /* The request. Its user sets these. */
    const char *method;
    const char *address; /* "https://HOST[:PORT]", for errors */
    const char *url;     /* with the address; encoded */
    const s3_pair *headers;
    size_t header_count;
    const s3_content *content; /* NULL: no body */
    const char *ca_file;       /* certificates of authorities; "": the system's */
    unsigned connect_s;        /* limits of the time to connect, and of the whole exchange */
    unsigned whole_s;
    uint8_t is_direct; /* 1: without the environment's proxies */
    td_buf *body;      /* gets the reply's content; its limit bounds that */

    /* The reply. */
    long status; /* 0: none */
    uint64_t sent_bytes;
    char content_range[S3_FIELD_BYTES];
    char region[S3_FIELD_BYTES]; /* x-amz-bucket-region */
    char etag[S3_FIELD_BYTES];
} s3_exchange;

typedef enum s3_http_end {
    S3_HTTP_REPLY,      /* a whole reply, of any status */
    S3_HTTP_UNREACHED,  /* no connection */
    S3_HTTP_BROKEN,     /* no whole reply, or a longer one than the request allows */
    S3_HTTP_UNTRUSTED,  /* the peer's certificate is not trusted; with a hint */
    S3_HTTP_NO_CONTENT, /* the content cannot be read; err has the reason */
} s3_http_end;

/* Send a request once. Sets err unless a reply was received. */
s3_http_end s3_http_send(s3_http *http, s3_exchange *exchange, td_err *err);

#endif
