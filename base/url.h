/* Parsing of URLs: of WebSocket and HTTP servers, and of proxies. Pure; any thread. */
#ifndef TD_BASE_URL_H
#define TD_BASE_URL_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"

/* ---- parts ---- */

/* The parts of a URL as written (%XX for characters), as views into it. A missing part is empty. */
typedef struct td_url {
    td_bytes scheme;    /* before "://" */
    td_bytes user;      /* user-info, "user:password" */
    td_bytes authority; /* host and port, without the user-info */
    td_bytes host;      /* an IPv6 address without its brackets */
    td_bytes port;      /* after the ':' that follows the host; data is NULL if there is no ':' */
    td_bytes path;      /* from its '/' on */
    td_bytes query;     /* after '?', without the fragment; data is NULL if there is no '?' */
} td_url;

/* Split any text. Nothing is checked, so that a malformed URL has parts too: a password may
 * contain '/' or '?', and a URL without "://" begins with its authority. */
td_url td_url_split(td_bytes url);

/* A URL without its query and its fragment. */
td_bytes td_url_without_query(td_bytes url);

/* Take the next NAME=VALUE from the front of a query; items without '=' are skipped, and a
 * fragment counts as part of the query. 0: none is left. */
int td_url_next_param(td_bytes *query, td_bytes *name, td_bytes *value);

/* ---- servers ---- */

enum { TD_HOST_BYTES = 128 };

typedef struct td_server_url {
    uint8_t is_tls;
    uint16_t port;      /* the scheme's default where the URL has none */
    uint8_t is_ipv6;    /* host is an IPv6 address, without its brackets */
    uint8_t is_numeric; /* host is an address, not a name */
    char host[TD_HOST_BYTES];
    char authority[TD_HOST_BYTES + 8]; /* for the Host header: brackets, port unless default */
    char target[LIMIT_URL_BYTES];      /* path and query, at least "/"; no fragment */
} td_server_url;

/* ws://HOST[:PORT][/PATH][?QUERY] or wss://…; HOST a name, an IPv4 address, or [an IPv6 address].
 * TD_E_INVALID and what is wrong with it; a URL with a user name is refused. */
TD_MUST_USE td_result td_url_parse(const char *text, td_server_url *out, td_err *err);

/* As td_url_parse, for http:// and https://. */
TD_MUST_USE td_result td_url_parse_http(const char *text, td_server_url *out, td_err *err);

/* HOST:PORT, as --listen and proxies have it: a name, an address, or [an IPv6 address], and a port.
 * host gets TD_HOST_BYTES. TD_E_INVALID. */
TD_MUST_USE td_result td_host_port_parse(const char *text, char host[TD_HOST_BYTES], uint16_t *port,
                                         td_err *err);

/* Copy the host of a URL's parts, and read its port if it has one. TD_E_INVALID. */
TD_MUST_USE td_result td_url_read_authority(const td_url *url, char host[TD_HOST_BYTES],
                                            uint16_t *port, td_err *err);

/* 4 or 6 if the text is a numeric address of that version, else 0. */
unsigned td_address_version(const char *text);

/* ---- secrets ---- */

/* The next value in a URL that must not be recorded: the password of its user-info (all of it,
 * if it has no ':'), or a value of its query that is named as a credential (base/credential.h). *at
 * is the position to continue from, 0 at first. 0: none is left. *out is part of url, as written
 * (%XX for characters). */
int td_url_next_secret(td_bytes url, size_t *at, td_bytes *out);

/* Overwrite with '*', in place and in the same length, what must neither be shown nor recorded:
 * the user-info, and the values of such members of the query. Everything that shows or records a
 * URL or a proxy uses this; any text is allowed. */
void td_url_redact(char *url);

/* Copy url (or any text) to out, of out_bytes, hidden as by td_url_redact; a text that does not
 * fit is replaced by its size, because a secret may lie across the cut. Returns out. */
const char *td_url_redacted(const char *url, char *out, size_t out_bytes);

/* The same without query and fragment, for errors and events. Returns out. */
const char *td_url_redacted_plain(const char *url, char *out, size_t out_bytes);

#endif
