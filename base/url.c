#include "base/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>

#include "base/assert.h"
#include "base/credential.h"
#include "base/decimal.h"

enum { PORT_PLAIN = 80, PORT_TLS = 443, PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };

unsigned td_address_version(const char *text)
{
    struct in6_addr any;
    if (inet_pton(AF_INET, text, &any) == 1)
        return 4;
    return inet_pton(AF_INET6, text, &any) == 1 ? 6 : 0;
}

/* ---- parts ---- */

static td_bytes between(const uint8_t *begin, const uint8_t *end)
{
    return td_bytes_of(begin, (size_t)(end - begin));
}

/* Position of the first of these bytes, or the end. */
static const uint8_t *find_any(const uint8_t *at, const uint8_t *end, const char *bytes)
{
    while (at < end && (*at == '\0' || strchr(bytes, *at) == NULL))
        at++;
    return at;
}

static int is_port(td_bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!isdigit(text.data[i]))
            return 0;
    return text.size > 0;
}

/* The ':' after a scheme, or NULL. A later "://" would be part of a path, query or password. */
static const uint8_t *scheme_end(td_bytes url)
{
    size_t at = 0;
    while (at < url.size && (isalnum(url.data[at]) || url.data[at] == '+' || url.data[at] == '-' ||
                             url.data[at] == '.'))
        at++;
    return url.size - at < 2 || memcmp(url.data + at, ":/", 2) != 0 ? NULL : url.data + at;
}

/* "user:password" before the '@' of an authority that begins at `from`. Also found in a malformed
 * URL whose password contains '/' or '?': then the text before this character is not a host and
 * port, and an '@' follows later. */
static td_bytes user_info(const uint8_t *from, const uint8_t *end)
{
    const uint8_t *stop = find_any(from, end, "/?#");
    const uint8_t *at = memrchr(from, '@', (size_t)(stop - from));
    const uint8_t *colon = memchr(from, ':', (size_t)(stop - from));
    if (at == NULL && colon != NULL && from[0] != '[' && !is_port(between(colon + 1, stop)))
        at = memrchr(from, '@', (size_t)(end - from));
    return at == NULL ? td_bytes_of(NULL, 0) : between(from, at);
}

static void split_authority(td_url *url)
{
    const uint8_t *begin = url->authority.data;
    const uint8_t *end = begin + url->authority.size;
    int has_brackets = begin < end && begin[0] == '[';
    const uint8_t *host_end = find_any(begin, end, has_brackets ? "]" : ":");
    const uint8_t *after = host_end + (has_brackets && host_end < end);
    url->host = between(begin + has_brackets, host_end);
    if (after < end && *after == ':')
        url->port = between(after + 1, end);
}

td_url td_url_split(td_bytes text)
{
    td_url url = {0};
    if (text.size == 0)
        return url;
    const uint8_t *end = text.data + text.size;
    const uint8_t *begin = text.data;
    const uint8_t *user_begin = begin;
    const uint8_t *colon = scheme_end(text);
    if (colon != NULL) {
        if (end - colon >= 3 && colon[2] == '/') {
            url.scheme = between(begin, colon);
            begin = colon + 3;
        }
        /* In malformed URLs any number of slashes may precede a password. */
        for (user_begin = colon + 1; user_begin < end && *user_begin == '/';)
            user_begin++;
    }
    url.user = user_info(user_begin, end);
    if (url.user.data != NULL)
        begin = url.user.data + url.user.size + 1;
    const uint8_t *path = find_any(begin, end, "/?#");
    const uint8_t *path_end = find_any(path, end, "?#");
    url.authority = between(begin, path);
    url.path = between(path, path_end);
    if (path_end < end && *path_end == '?')
        url.query = between(path_end + 1, find_any(path_end, end, "#"));
    split_authority(&url);
    return url;
}

td_bytes td_url_without_query(td_bytes url)
{
    td_bytes path = td_url_split(url).path;
    return path.data == NULL ? url : between(url.data, path.data + path.size);
}

int td_url_next_param(td_bytes *query, td_bytes *name, td_bytes *value)
{
    while (query->size > 0) {
        const uint8_t *begin = query->data;
        const uint8_t *query_end = begin + query->size;
        const uint8_t *end = find_any(begin, query_end, "&#");
        *query = between(end + (end < query_end), query_end);
        const uint8_t *equals = memchr(begin, '=', (size_t)(end - begin));
        if (equals == NULL)
            continue;
        *name = between(begin, equals);
        *value = between(equals + 1, end);
        return 1;
    }
    return 0;
}

int td_url_encode(const char *value, char *out, size_t out_bytes)
{
    static const char HEX[] = "0123456789ABCDEF";
    size_t size = 0;
    for (const char *c = value; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        int is_plain = isalnum(byte) || strchr("-._~%", byte) != NULL;
        if (size + 4 > out_bytes)
            return 0;
        if (is_plain) {
            out[size++] = *c;
        } else {
            out[size++] = '%';
            out[size++] = HEX[byte >> 4];
            out[size++] = HEX[byte & 15];
        }
    }
    out[size] = '\0';
    return 1;
}

int td_url_decode(td_bytes part, char *out, size_t out_bytes)
{
    size_t size = 0;
    for (size_t i = 0; i < part.size; i++) {
        const int is_code =
            part.data[i] == '%' && i + 2 < part.size && td_hex_digit(part.data[i + 1]) >= 0 &&
            td_hex_digit(part.data[i + 2]) >= 0 && memcmp(part.data + i, "%00", 3) != 0;
        if (size + 1 >= out_bytes)
            return 0;
        out[size++] =
            (char)(is_code ? td_hex_digit(part.data[i + 1]) << 4 | td_hex_digit(part.data[i + 2])
                           : part.data[i]);
        i += is_code ? 2 : 0;
    }
    out[size] = '\0';
    return 1;
}

/* ---- servers ---- */

static int is_name_char(uint8_t c)
{
    return isalnum(c) || c == '-' || c == '.' || c == '_';
}

static td_result read_port(td_bytes text, uint16_t *port, td_err *err)
{
    uint64_t value = 0;
    if (text.size > PORT_DIGITS_MAX || !td_digits_parse(text, PORT_MAX, &value))
        return td_err_set(err, TD_E_INVALID, "'%.*s' is not a port (0 to %d)", (int)text.size,
                          (const char *)text.data, PORT_MAX);
    *port = (uint16_t)value;
    return TD_OK;
}

td_result td_url_read_authority(const td_url *url, char host[TD_HOST_BYTES], uint16_t *port,
                                td_err *err)
{
    td_bytes name = url->host;
    size_t has_brackets = name.data > url->authority.data;
    size_t port_bytes = url->port.data == NULL ? 0 : 1 + url->port.size;
    if (has_brackets && name.size + 1 == url->authority.size)
        return td_err_set(err, TD_E_INVALID, "'[' without ']'");
    if (name.size == 0 || name.data == NULL)
        return td_err_set(err, TD_E_INVALID, "the host is missing");
    for (size_t i = 0; i < name.size && !has_brackets; i++)
        if (!is_name_char(name.data[i]))
            return td_err_set(err, TD_E_INVALID, "'%c' cannot be in a host name", name.data[i]);
    if (name.size >= TD_HOST_BYTES)
        return td_err_set(err, TD_E_INVALID, "a host of %zu characters: at most %d are allowed",
                          name.size, TD_HOST_BYTES - 1);
    memcpy(host, name.data, name.size);
    host[name.size] = '\0';
    if (has_brackets && td_address_version(host) != 6)
        return td_err_set(err, TD_E_INVALID, "'%s' in brackets is not an IPv6 address", host);
    if (name.size + 2 * has_brackets + port_bytes < url->authority.size)
        return td_err_set(err, TD_E_INVALID, "only a port can follow an address in brackets");
    return port_bytes == 0 ? TD_OK : read_port(url->port, port, err);
}

static td_result read_target(const td_url *url, td_server_url *out, td_err *err)
{
    td_bytes path = url->path;
    td_bytes query = url->query;
    td_bytes text = query.data == NULL ? path : between(path.data, query.data + query.size);
    int needs_slash = path.size == 0;
    if (text.size + (size_t)needs_slash >= sizeof out->target)
        return td_err_set(err, TD_E_INVALID, "path of %zu bytes: at most %zu are allowed",
                          text.size, sizeof out->target - 2);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] <= ' ' || text.data[i] == 0x7f)
            return td_err_set(err, TD_E_INVALID, "a space or control character in the path");
    }
    out->target[0] = '/';
    memcpy(out->target + needs_slash, text.data, text.size);
    out->target[text.size + (size_t)needs_slash] = '\0';
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

/* A protocol's schemes, without and with TLS. */
typedef struct url_schemes {
    const char *plain, *tls;
} url_schemes;

static const url_schemes SCHEMES_WS = {"ws", "wss"};
static const url_schemes SCHEMES_HTTP = {"http", "https"};

static td_result parse_parts(const char *text, const url_schemes *schemes, td_server_url *out,
                             td_err *err)
{
    td_url url = td_url_split(td_bytes_str(text));
    out->is_tls = td_bytes_is(url.scheme, schemes->tls) != 0;
    out->port = out->is_tls ? PORT_TLS : PORT_PLAIN;
    if (!out->is_tls && !td_bytes_is(url.scheme, schemes->plain))
        return td_err_set(err, TD_E_INVALID, "it begins with neither %s:// nor %s://",
                          schemes->plain, schemes->tls);
    if (url.user.size > 0)
        return td_err_set(err, TD_E_INVALID, "a user name is not allowed in it");
    td_result rc = td_url_read_authority(&url, out->host, &out->port, err);
    if (rc != TD_OK)
        return rc;
    if (out->port == 0)
        return td_err_set(err, TD_E_INVALID, "port 0 cannot be connected to");
    unsigned version = td_address_version(out->host);
    out->is_numeric = version != 0;
    out->is_ipv6 = version == 6;
    set_authority(out);
    return read_target(&url, out, err);
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
    return td_err_add(err, rc, "URL '%s'", td_url_redacted_plain(text, shown, sizeof shown));
}

td_result td_url_parse(const char *text, td_server_url *out, td_err *err)
{
    return parse_url(text, &SCHEMES_WS, out, err);
}

td_result td_url_parse_http(const char *text, td_server_url *out, td_err *err)
{
    return parse_url(text, &SCHEMES_HTTP, out, err);
}

td_result td_host_port_parse(const char *text, char host[TD_HOST_BYTES], uint16_t *port,
                             td_err *err)
{
    td_url place = {.authority = td_bytes_str(text)};
    split_authority(&place);
    td_result rc = td_url_read_authority(&place, host, port, err);
    if (rc == TD_OK && place.port.data == NULL)
        rc = td_err_set(err, TD_E_INVALID, "':PORT' is missing");
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "'%s' is not HOST:PORT", text);
}

/* ---- secrets ---- */

/* As td_url_next_param, but a ';' before a further NAME= separates parameters, too. */
static int next_secret_param(td_bytes *query, td_bytes *name, td_bytes *value)
{
    if (!td_url_next_param(query, name, value))
        return 0;
    const uint8_t *end = value->data + value->size;
    const uint8_t *semicolon = find_any(value->data, end, ";");
    while (semicolon < end) {
        const uint8_t *next = find_any(semicolon + 1, end, ";=");
        if (next < end && *next == '=') {
            *query = between(semicolon + 1, query->data + query->size);
            *value = between(value->data, semicolon);
            break;
        }
        semicolon = next;
    }
    return 1;
}

/* 1 if a part of a path is a key by its form, as a listen key is: no name is so long, and has
 * digits among letters only. */
static int is_key(td_bytes part)
{
    enum { KEY_BYTES_MIN = 32 };
    size_t digits = 0;
    for (size_t i = 0; i < part.size; i++) {
        const uint8_t c = part.data[i];
        const int is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        digits += c >= '0' && c <= '9';
        if (!is_letter && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return 0;
    }
    return part.size >= KEY_BYTES_MIN && digits > 0;
}

/* Find the next key in a path, from a place in it on. */
static int next_key(const uint8_t *from, td_bytes path, td_bytes *out)
{
    const uint8_t *end = path.data + path.size;
    for (const uint8_t *part = path.data; path.size > 0 && part < end;) {
        const uint8_t *part_end = find_any(part, end, "/");
        *out = between(part, part_end);
        if (part >= from && is_key(*out))
            return 1;
        part = part_end + 1;
    }
    return 0;
}

int td_url_next_secret(td_bytes url, size_t *at, td_bytes *out)
{
    TD_ASSERT(*at <= url.size);
    if (url.size == 0)
        return 0;
    const uint8_t *end = url.data + url.size;
    td_bytes user = td_url_split(url).user;
    if (*at == 0) {
        const uint8_t *colon = user.size == 0 ? NULL : memchr(user.data, ':', user.size);
        *at = 1; /* past the user-info; a query cannot begin earlier */
        *out = colon == NULL ? user : between(colon + 1, user.data + user.size);
        if (out->size > 0)
            return 1;
    }
    if (next_key(url.data + *at, td_url_split(url).path, out)) {
        *at = (size_t)(out->data + out->size - url.data);
        return 1;
    }
    /* Search from the first '?' on, even if it is part of a fragment. */
    const uint8_t *query = find_any(user.size == 0 ? url.data : user.data + user.size, end, "?");
    query += query < end;
    td_bytes rest = between(query > url.data + *at ? query : url.data + *at, end);
    td_bytes name;
    while (next_secret_param(&rest, &name, out)) {
        *at = (size_t)(rest.data - url.data);
        if (td_name_kind_of(name) != TD_NAME_PLAIN)
            return 1;
    }
    *at = url.size;
    return 0;
}

void td_url_redact(char *url)
{
    td_bytes text = td_bytes_str(url);
    td_bytes found = td_url_split(text).user;
    size_t at = 0;
    if (found.size > 0)
        memset(url + (found.data - text.data), '*', found.size);
    while (td_url_next_secret(text, &at, &found))
        memset(url + (found.data - text.data), '*', found.size);
}

const char *td_url_redacted(const char *url, char *out, size_t out_bytes)
{
    size_t size = strlen(url);
    if (size >= out_bytes) {
        (void)snprintf(out, out_bytes, "(%zu bytes)", size); /* may be cut */
        return out;
    }
    memcpy(out, url, size + 1);
    td_url_redact(out);
    return out;
}

const char *td_url_redacted_plain(const char *url, char *out, size_t out_bytes)
{
    (void)td_url_redacted(url, out, out_bytes);
    out[td_url_without_query(td_bytes_str(out)).size] = '\0';
    return out;
}

td_bytes td_url_param(td_bytes query, const char *name)
{
    td_bytes key, value;
    while (td_url_next_param(&query, &key, &value))
        if (td_bytes_is(key, name))
            return value;
    return (td_bytes){0};
}
