#include "wire/tunnel.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "wire/handshake.h"

enum { LINE_BYTES = 128 };

static void put(td_buf *out, const char *text)
{
    td_buf_add(out, text, strlen(text));
}

void tunnel_put_request(const wire_proxy *proxy, const td_server_url *target, td_buf *out)
{
    char place[TD_HOST_BYTES + 16];
    (void)snprintf(place, sizeof place, "%s%s%s:%u", target->is_ipv6 ? "[" : "", target->host,
                   target->is_ipv6 ? "]" : "", target->port); /* fits */
    put(out, "CONNECT ");
    put(out, place);
    put(out, " HTTP/1.1\r\nHost: ");
    put(out, place);
    if (proxy->credentials[0] != '\0') {
        unsigned char coded[4 * (WIRE_PROXY_CREDENTIALS_BYTES / 3 + 1) + 1];
        EVP_EncodeBlock(coded, (const unsigned char *)proxy->credentials,
                        (int)strlen(proxy->credentials));
        put(out, "\r\nProxy-Authorization: Basic ");
        put(out, (const char *)coded);
        OPENSSL_cleanse(coded, sizeof coded);
    }
    put(out, "\r\n\r\n");
}

/* Explain why a proxy refused; line is its status line. */
static void explain_refusal(const wire_proxy *proxy, const td_server_url *target, unsigned status,
                            const char *line, char text[TUNNEL_TEXT_BYTES])
{
    const char *host = target->authority;
    int at = snprintf(text, TUNNEL_TEXT_BYTES, "the proxy %s:%u ", proxy->host, proxy->port);
    size_t size = TUNNEL_TEXT_BYTES - (size_t)at;
    char *to = text + at;
    if (status == 407 && proxy->credentials[0] != '\0')
        (void)snprintf(to, size, "does not accept this user and password (%s)", line);
    else if (status == 407)
        (void)snprintf(to, size,
                       "asks for a user and a password (%s): give them as "
                       "http://USER:PASSWORD@HOST:PORT, with %%XX for special characters",
                       line);
    else if (status == 401 || status == 403 || status == 405)
        (void)snprintf(to, size,
                       "does not allow a connection to %s (%s): its rules must be changed", host,
                       line);
    else if (status == 502 || status == 503 || status == 504)
        (void)snprintf(to, size, "cannot reach %s (%s)", host, line);
    else
        (void)snprintf(to, size, "did not connect to %s (%s)", host, line);
}

tunnel_state tunnel_read_reply(const wire_proxy *proxy, const td_server_url *target,
                               td_bytes received, size_t *used, char text[TUNNEL_TEXT_BYTES])
{
    char line[LINE_BYTES] = ""; /* the first line, printable, truncated */
    *used = handshake_head_bytes(received);
    if (*used == 0 && received.size < TUNNEL_REPLY_BYTES_MAX)
        return TUNNEL_MORE;
    for (size_t i = 0; i + 1 < sizeof line && i < received.size && received.data[i] != '\r' &&
                       received.data[i] != '\n';
         i++)
        line[i] =
            (char)(received.data[i] >= 0x20 && received.data[i] < 0x7f ? received.data[i] : '?');
    unsigned status = handshake_status(td_bytes_str(line));
    if (*used > 0 && status >= 200 && status < 300)
        return TUNNEL_CONNECTED;
    if (*used == 0)
        (void)snprintf(text, TUNNEL_TEXT_BYTES,
                       "the proxy %s:%u answered with a header of more than %d bytes", proxy->host,
                       proxy->port, TUNNEL_REPLY_BYTES_MAX);
    else if (status < 200)
        (void)snprintf(text, TUNNEL_TEXT_BYTES,
                       "the proxy %s:%u does not speak HTTP: it answered '%.40s'", proxy->host,
                       proxy->port, line);
    else
        explain_refusal(proxy, target, status, line, text);
    return TUNNEL_REFUSED;
}
