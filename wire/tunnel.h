/* HTTP proxies: the request for a tunnel to a server (CONNECT: RFC 9110, 9.3.6) and the answer.
 * Pure; any thread. */
#ifndef TD_WIRE_TUNNEL_H
#define TD_WIRE_TUNNEL_H

#include "base/buf.h"
#include "base/url.h"
#include "wire/proxy.h"

enum { TUNNEL_TEXT_BYTES = 512, TUNNEL_REPLY_BYTES_MAX = 16 << 10 };

/* Append the request, which may contain the password. */
void tunnel_put_request(const wire_proxy *proxy, const td_server_url *target, td_buf *out);

typedef enum tunnel_state { TUNNEL_MORE, TUNNEL_CONNECTED, TUNNEL_REFUSED } tunnel_state;

/* Parse the bytes of the answer received so far. TUNNEL_CONNECTED: its head has *used bytes; the
 * rest is from the server. TUNNEL_REFUSED: text is the reason. */
tunnel_state tunnel_read_reply(const wire_proxy *proxy, const td_server_url *target,
                               td_bytes received, size_t *used, char text[TUNNEL_TEXT_BYTES]);

#endif
