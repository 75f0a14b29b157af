/* Parses URLs of WebSocket and HTTP servers and of proxies. Pure; any thread. */
#ifndef TD_BASE_URL_H
#define TD_BASE_URL_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"

/* ---- parts ---- */

/* The parts of a URL as views into it, with %XX not decoded. A missing part is empty. */
typedef struct td_url {
    td_bytes scheme;    /* before "://" */
    td_bytes user;      /* user-info, "user:password" */
    td_bytes authority; /* host and port, without the user-info */
    td_bytes host;      /* without the brackets of an IPv6 address */
    td_bytes port;      /* after the ':' of the host; data is NULL without a ':' */
    td_bytes path;      /* from its '/' on */
    td_bytes query;     /* after '?', without the fragment; data is NULL without a '?' */
} td_url;

/* Split any text. Nothing is checked, so malformed URLs have parts, too: a password may contain '/'
 * or '?', and a URL without "://" begins with its authority. */
td_url td_url_split(td_bytes url);

/* A URL without its query and its fragment. */
td_bytes td_url_without_query(td_bytes url);

/* Remove the next NAME=VALUE from the front of a query, skipping items without '='. A fragment
 * counts as part of the query. 0: the query has no more. */
int td_url_next_param(td_bytes *query, td_bytes *name, td_bytes *value);

/* The value of a query's first parameter with this name; empty if absent. */
td_bytes td_url_param(td_bytes query, const char *name);

/* Write a value for a query to out, of out_bytes: bytes that a value cannot have become %XX. A "%"
 * is kept, because servers give values that are encoded already. Returns 0 if it does not fit. */
int td_url_encode(const char *value, char *out, size_t out_bytes);

/* Write a part of a path or query, with its %XX decoded, and a NUL to out, of out_bytes. An
 * incomplete %XX, and %00, stay as they are. Returns 0 if it does not fit. */
int td_url_decode(td_bytes part, char *out, size_t out_bytes);

/* ---- servers ---- */

enum { TD_HOST_BYTES = 128 };

typedef struct td_server_url {
    uint8_t is_tls;
    uint16_t port;      /* the scheme's default if absent from the URL */
    uint8_t is_ipv6;    /* host is an IPv6 address, without brackets */
    uint8_t is_numeric; /* host is an address, not a name */
    char host[TD_HOST_BYTES];
    char authority[TD_HOST_BYTES + 8]; /* for the Host header: brackets, port unless default */
    char target[LIMIT_URL_BYTES];      /* path and query, at least "/"; no fragment */
} td_server_url;

/* Parse ws://HOST[:PORT][/PATH][?QUERY] or wss://…; HOST is a name, an IPv4 address, or [an IPv6
 * address]. TD_E_INVALID with the reason; a URL with a user name is refused. */
TD_MUST_USE td_result td_url_parse(const char *text, td_server_url *out, td_err *err);

/* As td_url_parse, for http:// and https://. */
TD_MUST_USE td_result td_url_parse_http(const char *text, td_server_url *out, td_err *err);

/* Parse HOST:PORT, as in --listen: a name, an address, or [an IPv6 address], and a port.
 * TD_E_INVALID. */
TD_MUST_USE td_result td_host_port_parse(const char *text, char host[TD_HOST_BYTES], uint16_t *port,
                                         td_err *err);

/* Copy the host of a split URL, and read its port if present (else *port stays). TD_E_INVALID. */
TD_MUST_USE td_result td_url_read_authority(const td_url *url, char host[TD_HOST_BYTES],
                                            uint16_t *port, td_err *err);

/* 4 or 6 if the text is a numeric address of that version, else 0. */
unsigned td_address_version(const char *text);

/* ---- secrets ---- */

/* Find a URL's next secret, a value that must not be recorded: the password of the user-info (the
 * whole user-info if it has no ':'), a part of the path that is a key by its form (32 or more
 * letters and digits), or a query value whose name is not TD_NAME_PLAIN (base/credential.h). *at is
 * 0 at first. 0: no more. *out points into url, with %XX not decoded. */
int td_url_next_secret(td_bytes url, size_t *at, td_bytes *out);

/* Overwrite secrets with '*', in place and in the same length: the user-info, and what
 * td_url_next_secret finds. Everything that shows or records a URL or a proxy uses this; any text
 * is allowed. */
void td_url_redact(char *url);

/* Copy url (or any text) to out, of out_bytes, redacted by td_url_redact. A text that does not fit
 * is replaced by its size, because a secret may lie across the cut. Returns out. */
const char *td_url_redacted(const char *url, char *out, size_t out_bytes);

/* As td_url_redacted, without query and fragment, for errors and events. Returns out. */
const char *td_url_redacted_plain(const char *url, char *out, size_t out_bytes);

#endif
