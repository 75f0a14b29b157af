#include "base/listen.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/assert.h"

enum { LISTEN_BACKLOG = 256 };

td_result td_listen(const char *host, uint16_t port, int *out, td_err *err)
{
    const int on = 1;
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port); /* at most 5 digits */
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *place = NULL;
    int rc = getaddrinfo(host, service, &hints, &place);
    if (rc != 0)
        return td_err_set(err, TD_E_INVALID, "no such address: %s", gai_strerror(rc));
    int fd = socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int is_listening = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                       setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
                       bind(fd, place->ai_addr, place->ai_addrlen) == 0 &&
                       listen(fd, LISTEN_BACKLOG) == 0;
    int os_errno = errno;
    freeaddrinfo(place);
    if (is_listening) {
        *out = fd;
        return TD_OK;
    }
    if (fd >= 0)
        close(fd);
    td_err_set_os(err, os_errno, "cannot listen");
    if (os_errno == EADDRINUSE)
        td_err_hint(err, "Another program has this port; port 0 lets the kernel choose one.");
    return TD_E_NETWORK;
}

uint16_t td_listen_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage largest;
    } place = {0};
    socklen_t size = sizeof place;
    int rc = getsockname(fd, &place.any, &size);
    TD_ASSERT(rc == 0);
    return ntohs(place.any.sa_family == AF_INET6 ? place.v6.sin6_port : place.v4.sin_port);
}
