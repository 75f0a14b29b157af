/* HTTP proxies: what asks one for a connection to a server (CONNECT: RFC 9110, 9.3.6), and what it
 * answers. Pure; any thread. */
#ifndef TD_WIRE_TUNNEL_H
#define TD_WIRE_TUNNEL_H

#include "base/buf.h"
#include "base/url.h"
#include "wire/proxy.h"

enum { TUNNEL_TEXT_BYTES = 512, TUNNEL_REPLY_BYTES_MAX = 16 << 10 };

/* Append the request. It may hold the password. */
void tunnel_put_request(const wire_proxy *proxy, const td_server_url *target, td_buf *out);

typedef enum tunnel_state { TUNNEL_MORE, TUNNEL_CONNECTED, TUNNEL_REFUSED } tunnel_state;

/* Read the answer as far as it has come. TUNNEL_CONNECTED: *used bytes are its head, what follows
 * is the server's. TUNNEL_REFUSED: text says why. */
tunnel_state tunnel_read_reply(const wire_proxy *proxy, const td_server_url *target,
                               td_bytes received, size_t *used, char text[TUNNEL_TEXT_BYTES]);

#endif
