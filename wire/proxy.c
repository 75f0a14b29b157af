#include "wire/proxy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/bytes.h"

enum { SHOWN_BYTES = 512 };

/* Environment variables that may have a proxy, in order of precedence; the first two are for TLS
 * only. */
static const char *const PROXIES[] = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", NULL};
static const char *const EXCEPTIONS[] = {"NO_PROXY", "no_proxy", NULL};

/* The value and name of the first variable that is set and not empty, or NULL. */
static const char *first_set(const char *const *names, const char **name)
{
    for (; *names != NULL; names++) {
        const char *value = getenv(*names);
        *name = *names;
        if (value != NULL && *value != '\0')
            return value;
    }
    return NULL;
}

static int is_loopback(const td_server_url *url)
{
    if (url->is_ipv6)
        return strcmp(url->host, "::1") == 0;
    if (url->is_numeric)
        return strncmp(url->host, "127.", 4) == 0;
    return strcasecmp(url->host, "localhost") == 0;
}

static int name_covers(td_bytes name, const char *host)
{
    if (name.size > 0 && name.data[0] == '.')
        name = td_bytes_of(name.data + 1, name.size - 1);
    size_t host_size = strlen(host);
    if (name.size == 0 || name.size > host_size)
        return 0;
    const char *tail = host + (host_size - name.size);
    if (strncasecmp(tail, (const char *)name.data, name.size) != 0)
        return 0;
    return tail == host || tail[-1] == '.';
}

/* 1 if an entry of NO_PROXY covers the URL: NAME, NAME:PORT, ADDRESS, [IPV6]:PORT. */
static int entry_covers(td_bytes entry, const td_server_url *url)
{
    char text[TD_HOST_BYTES];
    if (entry.size == 0 || entry.size >= sizeof text)
        return 0;
    memcpy(text, entry.data, entry.size);
    text[entry.size] = '\0';
    if (strcmp(text, "*") == 0)
        return 1;
    char host[TD_HOST_BYTES];
    uint16_t port = url->port;
    const char *name = text;
    if (td_address_version(text) != 6 && td_host_port_parse(text, host, &port, NULL) == TD_OK)
        name = host;
    return port == url->port && name_covers(td_bytes_str(name), url->host);
}

int wire_no_proxy_covers(const char *list, const td_server_url *url)
{
    while (*list != '\0') {
        size_t size = strcspn(list, ", ");
        if (entry_covers(td_bytes_of(list, size), url))
            return 1;
        list += size;
        list += strspn(list, ", ");
    }
    return 0;
}

/* Decode user and password (RFC 3986, 2.1) for basic authentication. */
static td_result decode_credentials(td_bytes text, wire_proxy *out, td_err *err)
{
    size_t size = 0;
    int has_password = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = (char)text.data[i];
        int is_coded = c == '%';
        if (is_coded) {
            int high = i + 2 < text.size ? td_hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.size ? td_hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0)
                return td_err_set(err, TD_E_INVALID,
                                  "'%%' in user or password without two hex digits: write %%25");
            c = (char)(high * 16 + low);
            i += 2;
        }
        /* RFC 7617, 2: a server would read the part after ':' as the password. */
        if (c == ':' && is_coded && !has_password)
            return td_err_set(err, TD_E_INVALID, "an HTTP proxy's user name cannot contain ':'");
        has_password |= c == ':';
        if (size + 2 >= sizeof out->credentials)
            return td_err_set(err, TD_E_INVALID, "user and password have more than %zu bytes",
                              sizeof out->credentials - 2);
        out->credentials[size++] = c;
    }
    if (size > 0 && !has_password)
        out->credentials[size] = ':';
    return TD_OK;
}

static td_result check_kind(td_bytes scheme, td_err *err)
{
    const char *text = (const char *)scheme.data;
    if (text == NULL || (scheme.size == 4 && strncasecmp(text, "http", 4) == 0))
        return TD_OK;
    return td_err_set(err, TD_E_INVALID,
                      "proxies of the kind '%.*s' are not supported: give an HTTP proxy as "
                      "http://HOST:PORT",
                      (int)scheme.size, text);
}

td_result wire_proxy_parse(const char *text, wire_proxy *out, td_err *err)
{
    memset(out, 0, sizeof *out);
    char shown[SHOWN_BYTES];
    td_url url = td_url_split(td_bytes_str(text));
    out->port = 80;
    td_result rc = check_kind(url.scheme, err);
    if (rc == TD_OK)
        rc = decode_credentials(url.user, out, err);
    if (rc == TD_OK)
        rc = td_url_read_authority(&url, out->host, &out->port, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "proxy '%s'", td_url_redacted(text, shown, sizeof shown));
    TD_ASSERT(out->host[0] != '\0');
    out->is_used = 1;
    return TD_OK;
}

td_result wire_proxy_of_environment(const td_server_url *url, wire_proxy *out, td_err *err)
{
    memset(out, 0, sizeof *out);
    const char *name = NULL;
    const char *exceptions = first_set(EXCEPTIONS, &name);
    const char *value = first_set(url->is_tls ? PROXIES : PROXIES + 2, &name);
    if (value == NULL || is_loopback(url) ||
        (exceptions != NULL && wire_no_proxy_covers(exceptions, url)))
        return TD_OK;
    td_result rc = wire_proxy_parse(value, out, err);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "environment variable %s", name);
}
