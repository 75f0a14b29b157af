/* Which web pages may use a server on this machine. A browser lets any page connect to loopback,
 * and a page whose host name resolves to this machine counts as the server's own (DNS rebinding).
 * Pure functions; any thread. */
#ifndef TD_WIRE_ORIGIN_H
#define TD_WIRE_ORIGIN_H

#include <stddef.h>

#include "wire/handshake.h"

/* Origins of pages, as browsers send them: "https://host" or "http://host:8080", "null" for a page
 * from a file. */
typedef struct origin_list {
    const char *const *items;
    size_t count;
} origin_list;

/* Why the request is refused (403), or NULL. A request with an Origin: the origin must be of a
 * loopback name or address, of the host that the request names by an address, or listed. A request
 * that is no upgrade: the header Host must be a loopback name, an address, or the host of a listed
 * origin. Programs send no Origin, so their upgrades pass under any name. */
const char *origin_refusal(const handshake_request *request, origin_list allowed);

#endif
