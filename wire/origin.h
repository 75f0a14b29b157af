/* Decides which web pages may use a server on this machine. A browser lets any page connect to
 * loopback, and treats a page whose host name resolves to this machine as the server's own (DNS
 * rebinding). Pure functions; any thread. */
#ifndef TD_WIRE_ORIGIN_H
#define TD_WIRE_ORIGIN_H

#include <stddef.h>

#include "wire/handshake.h"

/* Origins of web pages as browsers send them: "https://host", "http://host:8080", or "null" for a
 * page from a file. */
typedef struct origin_list {
    const char *const *items;
    size_t count;
} origin_list;

/* Why the request is refused (403), or NULL. If there is an Origin, it must be listed, have a
 * loopback name or address, or have the Host header's host and port, where that host is an address.
 * In a request that is no upgrade, the Host header must be a loopback name, an address, or the host
 * of a listed origin. Programs other than browsers send no Origin, so their upgrades are accepted
 * with any host name. */
const char *origin_refusal(const handshake_request *request, origin_list allowed);

#endif
