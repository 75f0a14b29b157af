#include "base/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "base/assert.h"

enum { PORT_PLAIN = 80, PORT_TLS = 443, PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };

unsigned td_address_version(const char *text)
{
    struct in6_addr any;
    if (inet_pton(AF_INET, text, &any) == 1)
        return 4;
    return inet_pton(AF_INET6, text, &any) == 1 ? 6 : 0;
}

static int is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_';
}

static int is_port(td_bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!isdigit(text.data[i]))
            return 0;
    return text.size > 0;
}

/* Start of the authority: after the scheme, if there is one, and any number of slashes. A later
 * "://" is part of a path, a query or a password. */
static size_t authority_begin(td_bytes url)
{
    size_t at = 0;
    while (at < url.size && (isalnum(url.data[at]) || url.data[at] == '+' || url.data[at] == '-' ||
                             url.data[at] == '.'))
        at++;
    if (url.size - at < 2 || url.data[at] != ':' || url.data[at + 1] != '/')
        return 0;
    for (at++; at < url.size && url.data[at] == '/';)
        at++;
    return at;
}

/* "user:password" before a URL's '@', or nothing. Also in a malformed URL whose password contains
 * '/' or '?': the text up to it is not a host and port, and an '@' follows later. */
static td_bytes user_info(td_bytes url)
{
    size_t begin = authority_begin(url);
    const uint8_t *from = url.data + begin;
    size_t left = url.size - begin;
    size_t authority = 0;
    while (authority < left && from[authority] != '/' && from[authority] != '?' &&
           from[authority] != '#')
        authority++;
    const uint8_t *at = memrchr(from, '@', authority);
    const uint8_t *colon = memchr(from, ':', authority);
    if (at == NULL && colon != NULL && from[0] != '[' &&
        !is_port(td_bytes_of(colon + 1, (size_t)(from + authority - colon - 1))))
        at = memrchr(from, '@', left);
    return at == NULL ? td_bytes_of(NULL, 0) : td_bytes_of(from, (size_t)(at - from));
}

/* Copies HOST from the front of text; *rest is behind it, and behind the brackets if it had any. */
static td_result parse_host(const char *text, char host[TD_HOST_BYTES], const char **rest,
                            td_err *err)
{
    int has_brackets = text[0] == '[';
    const char *begin = text + has_brackets;
    const char *end = begin;
    if (has_brackets)
        end = strchr(begin, ']');
    else
        while (is_name_char(*end))
            end++;
    if (end == NULL)
        return td_err_set(err, TD_E_INVALID, "'[' without ']'");
    size_t size = (size_t)(end - begin);
    if (size == 0 || size >= TD_HOST_BYTES)
        return td_err_set(err, TD_E_INVALID, "a host of %zu characters: 1 to %d are allowed", size,
                          TD_HOST_BYTES - 1);
    memcpy(host, begin, size);
    host[size] = '\0';
    *rest = end + has_brackets;
    if (has_brackets && td_address_version(host) != 6)
        return td_err_set(err, TD_E_INVALID, "'%s' in brackets is no IPv6 address", host);
    return TD_OK;
}

/* Digits from the front of text. */
static td_result parse_port(const char *text, uint16_t *port, const char **rest, td_err *err)
{
    unsigned value = 0;
    const char *c = text;
    for (; isdigit((unsigned char)*c) && c - text < PORT_DIGITS_MAX; c++)
        value = value * 10 + (unsigned)(*c - '0');
    if (c == text || isdigit((unsigned char)*c) || value > PORT_MAX)
        return td_err_set(err, TD_E_INVALID, "'%.*s' is no port: 0 to %d are",
                          (int)strcspn(text, "/?#"), text, PORT_MAX);
    *port = (uint16_t)value;
    *rest = c;
    return TD_OK;
}

static td_result parse_target(const char *text, td_server_url *out, td_err *err)
{
    if (*text != '\0' && *text != '/' && *text != '?' && *text != '#')
        return td_err_set(err, TD_E_INVALID, "'%.*s' cannot follow a host",
                          (int)strcspn(text, "/?#"), text);
    size_t size = strcspn(text, "#");
    int needs_slash = *text != '/';
    if (size + (size_t)needs_slash >= sizeof out->target)
        return td_err_set(err, TD_E_INVALID, "path of %zu bytes: at most %zu are allowed", size,
                          sizeof out->target - 2);
    for (size_t i = 0; i < size; i++) {
        if (text[i] <= ' ' || text[i] == 0x7f)
            return td_err_set(err, TD_E_INVALID, "a space or control character in the path");
    }
    out->target[0] = '/';
    memcpy(out->target + needs_slash, text, size);
    out->target[size + (size_t)needs_slash] = '\0';
    return TD_OK;
}

static void set_authority(td_server_url *url)
{
    const char *open = url->is_ipv6 ? "[" : "";
    const char *close = url->is_ipv6 ? "]" : "";
    int is_default = url->port == (url->is_tls ? PORT_TLS : PORT_PLAIN);
    char port[PORT_DIGITS_MAX + 2] = "";
    if (!is_default)
        (void)snprintf(port, sizeof port, ":%u", url->port); /* at most ":65535" */
    int length = snprintf(url->authority, sizeof url->authority, "%s%.*s%s%s", open,
                          TD_HOST_BYTES - 3, url->host, close, port);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof url->authority);
}

/* What a URL may begin with, plain and with TLS. */
typedef struct url_schemes {
    const char *plain, *tls;
} url_schemes;

static const url_schemes SCHEMES_WS = {"ws://", "wss://"};
static const url_schemes SCHEMES_HTTP = {"http://", "https://"};

static td_result parse_parts(const char *text, const url_schemes *schemes, td_server_url *out,
                             td_err *err)
{
    const char *rest = NULL;
    if (strncmp(text, schemes->tls, strlen(schemes->tls)) == 0) {
        out->is_tls = 1;
        out->port = PORT_TLS;
        rest = text + strlen(schemes->tls);
    } else if (strncmp(text, schemes->plain, strlen(schemes->plain)) == 0) {
        out->port = PORT_PLAIN;
        rest = text + strlen(schemes->plain);
    } else {
        return td_err_set(err, TD_E_INVALID, "it begins with neither %s nor %s", schemes->plain,
                          schemes->tls);
    }
    if (user_info(td_bytes_str(rest)).size > 0)
        return td_err_set(err, TD_E_INVALID, "a user name has no place in it");
    td_result rc = parse_host(rest, out->host, &rest, err);
    if (rc == TD_OK && *rest == ':')
        rc = parse_port(rest + 1, &out->port, &rest, err);
    if (rc != TD_OK)
        return rc;
    if (out->port == 0)
        return td_err_set(err, TD_E_INVALID, "port 0 cannot be connected to");
    unsigned version = td_address_version(out->host);
    out->is_numeric = version != 0;
    out->is_ipv6 = version == 6;
    set_authority(out);
    return parse_target(rest, out, err);
}

static td_result parse_url(const char *text, const url_schemes *schemes, td_server_url *out,
                           td_err *err)
{
    memset(out, 0, sizeof *out);
    if (strlen(text) >= LIMIT_URL_BYTES)
        return td_err_set(err, TD_E_INVALID, "URL of %zu bytes: at most %u are allowed",
                          strlen(text), LIMIT_URL_BYTES - 1);
    td_result rc = parse_parts(text, schemes, out, err);
    if (rc == TD_OK)
        return TD_OK;
    char shown[LIMIT_URL_BYTES];
    (void)td_url_shown(text, shown, sizeof shown);
    return td_err_add(err, rc, "URL '%.*s'", (int)strcspn(shown, "?"), shown);
}

td_result td_url_parse(const char *text, td_server_url *out, td_err *err)
{
    return parse_url(text, &SCHEMES_WS, out, err);
}

td_result td_url_parse_http(const char *text, td_server_url *out, td_err *err)
{
    return parse_url(text, &SCHEMES_HTTP, out, err);
}

/* Names in docs/wire.md 1.1, the signature's name in the exchange's HTTP requests, and common names
 * of keys. */
static int is_secret_name(td_bytes name)
{
    static const char *const NAMES[] = {
        "api_key", "apikey",       "signature",  "sign",      "secret",   "api_secret",
        "token",   "access_token", "auth_token", "listenkey", "password",
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (name.size == strlen(NAMES[i]) &&
            strncasecmp((const char *)name.data, NAMES[i], name.size) == 0)
            return 1;
    return 0;
}

/* The value of the first such member of the query from *at on. */
static int next_member(td_bytes url, size_t *at, td_bytes *out)
{
    while (*at < url.size) {
        const uint8_t *begin = url.data + *at;
        size_t size = 0;
        while (size < url.size - *at && begin[size] != '&' && begin[size] != '#')
            size++;
        *at += size + (size < url.size - *at);
        const uint8_t *equals = memchr(begin, '=', size);
        if (equals == NULL || !is_secret_name(td_bytes_of(begin, (size_t)(equals - begin))))
            continue;
        *out = td_bytes_of(equals + 1, size - (size_t)(equals - begin) - 1);
        TD_ASSERT(out->size < url.size);
        return 1;
    }
    return 0;
}

int td_url_next_secret(td_bytes url, size_t *at, td_bytes *out)
{
    TD_ASSERT(*at <= url.size);
    if (url.size == 0)
        return 0;
    if (*at == 0) {
        td_bytes user = user_info(url);
        const uint8_t *colon = user.size == 0 ? NULL : memchr(user.data, ':', user.size);
        size_t skipped = colon == NULL ? 0 : (size_t)(colon - user.data) + 1;
        *at = 1; /* nothing of a query can begin there */
        *out = td_bytes_of(user.data + skipped, user.size - skipped);
        if (out->size > 0)
            return 1;
    }
    const uint8_t *query = memchr(url.data, '?', url.size);
    size_t query_at = query == NULL ? url.size : (size_t)(query - url.data) + 1;
    *at = *at < query_at ? query_at : *at;
    return next_member(url, at, out);
}

void td_url_hide(char *url)
{
    td_bytes text = td_bytes_str(url);
    td_bytes found = user_info(text);
    size_t at = 0;
    if (found.size > 0)
        memset(url + (found.data - text.data), '*', found.size);
    while (td_url_next_secret(text, &at, &found))
        memset(url + (found.data - text.data), '*', found.size);
}

const char *td_url_shown(const char *url, char *out, size_t out_bytes)
{
    size_t size = strlen(url);
    if (size >= out_bytes) {
        (void)snprintf(out, out_bytes, "(%zu bytes)", size); /* may be cut */
        return out;
    }
    memcpy(out, url, size + 1);
    td_url_hide(out);
    return out;
}

td_result td_host_port_parse(const char *text, char host[TD_HOST_BYTES], uint16_t *port,
                             td_err *err)
{
    const char *rest = text;
    td_result rc = parse_host(text, host, &rest, err);
    if (rc == TD_OK && *rest != ':')
        rc = td_err_set(err, TD_E_INVALID, "':PORT' is missing");
    if (rc == TD_OK)
        rc = parse_port(rest + 1, port, &rest, err);
    if (rc == TD_OK && *rest != '\0')
        rc = td_err_set(err, TD_E_INVALID, "'%s' cannot follow a port", rest);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "'%s' is not HOST:PORT", text);
}
