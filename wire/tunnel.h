/* A TCP connection through an HTTP proxy (CONNECT: RFC 9110, 9.3.6), up to the first byte of the
 * destination server. libwebsockets' own proxy support is not used: it needs the proxy's whole
 * answer in one TCP segment, and reports all refusals alike. It gets the connected socket instead.
 * Loop's thread. */
#ifndef TD_WIRE_TUNNEL_H
#define TD_WIRE_TUNNEL_H

#include "base/url.h"
#include "wire/loop.h"
#include "wire/proxy.h"

typedef struct tunnel tunnel;

typedef struct tunnel_result {
    int fd;                 /* connected, non-blocking; the callee's. -1: failed */
    const char *text;       /* why it failed; valid during the call. NULL: success */
    uint8_t is_unreachable; /* the proxy itself: another of its addresses may do */
} tunnel_result;

/* Connect to target's host and port through the proxy at its numeric address. done follows once,
 * never before this returns, unless the tunnel is cancelled; the tunnel is gone then. proxy and
 * target are borrowed until then. TD_E_IO: no socket. */
TD_MUST_USE td_result tunnel_open(wire_loop *loop, const wire_proxy *proxy, const char *address,
                                  const td_server_url *target,
                                  void (*done)(void *user, const tunnel_result *result), void *user,
                                  tunnel **out, td_err *err);

/* Cancel; NULL is fine. */
void tunnel_cancel(tunnel *self);

#endif
