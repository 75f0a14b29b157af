/* Opens listening TCP sockets, for all servers of this program. Any thread. */
#ifndef TD_BASE_LISTEN_H
#define TD_BASE_LISTEN_H

#include <stdint.h>

#include "base/err.h"

/* Listen on exactly this address: a host name, or an IPv4 or IPv6 address without brackets. Port 0:
 * the kernel chooses one. *out is a non-blocking descriptor, which the caller closes. Accepted
 * sockets inherit TCP_NODELAY from it: an answer in several writes does not wait for the peer's
 * delayed acknowledgement. TD_E_INVALID: the host is unknown; TD_E_NETWORK: the port is in use, or
 * the address is not this machine's. */
TD_MUST_USE td_result td_listen(const char *host, uint16_t port, int *out, td_err *err);

/* The port of a listening socket. */
uint16_t td_listen_port(int fd);

#endif
