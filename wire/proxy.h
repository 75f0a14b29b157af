/* Selects the proxy of a connection. From the environment:
 *
 *   wss://   HTTPS_PROXY, https_proxy, ALL_PROXY, all_proxy: the first that is set and not empty
 *   ws://    ALL_PROXY, all_proxy
 *   NO_PROXY, no_proxy: "*", or names and addresses separated by commas; a name covers itself and
 *   everything below it ("bybit.com" and ".bybit.com" both cover "stream.bybit.com"), and may have
 *   a port. localhost, 127.0.0.0/8 and ::1 never go through a proxy of the environment.
 *
 * Only HTTP proxies (CONNECT, basic authentication) are supported. Pure except for getenv; any
 * thread. */
#ifndef TD_WIRE_PROXY_H
#define TD_WIRE_PROXY_H

#include <stdint.h>

#include "base/err.h"
#include "base/url.h"

enum { WIRE_PROXY_CREDENTIALS_BYTES = 512 };

typedef struct wire_proxy {
    uint8_t is_used;
    uint16_t port;
    char host[TD_HOST_BYTES];
    char credentials[WIRE_PROXY_CREDENTIALS_BYTES]; /* "user:password", decoded; may be "" */
} wire_proxy;

/* Parse "[http://][user[:password]@]host[:port]"; %XX in user and password is decoded; the default
 * port is 80. TD_E_INVALID, also for other kinds of proxies. */
TD_MUST_USE td_result wire_proxy_parse(const char *text, wire_proxy *out, td_err *err);

/* The environment's proxy for this URL; is_used is 0 if no proxy applies. Results as in
 * wire_proxy_parse; the text of an error names the variable. */
TD_MUST_USE td_result wire_proxy_of_environment(const td_server_url *url, wire_proxy *out,
                                                td_err *err);

/* 1 if a NO_PROXY list covers the URL. */
int wire_no_proxy_covers(const char *list, const td_server_url *url);

#endif
