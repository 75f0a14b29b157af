#include "wire/origin.h"

#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "base/url.h"

static const char REFUSED_ORIGIN[] =
    "a page of another origin may not use this server: to allow the page, start the server with "
    "--allow-origin and the page's origin";
static const char REFUSED_HOST[] =
    "use the server's address or localhost: to allow another host name, start the server with "
    "--allow-origin http://NAME:PORT";

/* Remove the port of "name:8080" or "[::1]:8080". */
static td_bytes without_port(td_bytes host)
{
    const uint8_t *colon = NULL;
    for (size_t i = 0; i < host.size; i++)
        if (host.data[i] == ':' || host.data[i] == ']')
            colon = host.data[i] == ':' ? host.data + i : NULL;
    if (host.size > 0 && host.data[0] != '[' && memchr(host.data, ':', host.size) != colon)
        return host; /* an IPv6 address without brackets */
    return colon == NULL ? host : td_bytes_of(host.data, (size_t)(colon - host.data));
}

static int is_word(td_bytes text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

/* 1 for a numeric address, "127.0.0.1" or "[::1]": DNS rebinding needs a name. */
static int is_address(td_bytes host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    if (host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        host = td_bytes_of(host.data + 1, host.size - 2);
    if (host.size >= sizeof text)
        return 0;
    memcpy(text, host.data, host.size);
    text[host.size] = '\0';
    return inet_pton(AF_INET, text, &ignored) == 1 || inet_pton(AF_INET6, text, &ignored) == 1;
}

static int is_loopback(td_bytes host)
{
    static const char TAIL[] = ".localhost";
    size_t tail = sizeof TAIL - 1;
    return is_word(host, "localhost") || is_word(host, "[::1]") ||
           (host.size > tail && is_word(td_bytes_of(host.data + host.size - tail, tail), TAIL)) ||
           (is_address(host) && host.size > 4 && memcmp(host.data, "127.", 4) == 0);
}

static int is_listed(origin_list allowed, td_bytes origin)
{
    for (size_t i = 0; i < allowed.count; i++)
        if (is_word(origin, allowed.items[i]))
            return 1;
    return 0;
}

/* 1 if the header Host equals a listed origin's host and port. */
static int is_listed_host(origin_list allowed, td_bytes host)
{
    for (size_t i = 0; i < allowed.count; i++) {
        td_bytes authority = td_url_split(td_bytes_str(allowed.items[i])).authority;
        if (authority.size == host.size && host.size > 0 &&
            strncasecmp((const char *)authority.data, (const char *)host.data, host.size) == 0)
            return 1;
    }
    return 0;
}

const char *origin_refusal(const handshake_request *request, origin_list allowed)
{
    td_bytes host = without_port(request->host);
    if (request->origin.size > 0 && !is_listed(allowed, request->origin)) {
        td_bytes authority = td_url_split(request->origin).authority;
        int is_own = is_address(host) && authority.size == request->host.size &&
                     memcmp(authority.data, request->host.data, authority.size) == 0;
        if (!is_own && !is_loopback(without_port(authority)))
            return REFUSED_ORIGIN;
    }
    if (request->status != 101 && !is_loopback(host) && !is_address(host) &&
        !is_listed_host(allowed, request->host))
        return REFUSED_HOST;
    return NULL;
}
