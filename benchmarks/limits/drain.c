/* A client that is never the bottleneck: it requests a WebSocket connection, then reads until the
 * server closes it, and parses nothing.
 *
 *   drain PORT [--tls]      prints the number of bytes received after the server's answer */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

enum { READ_BYTES = 256 << 10 };

static void die(const char *what)
{
    fprintf(stderr, "drain: %s\n", what);
    exit(4);
}

static int connect_to(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("cannot connect");
    return fd;
}

static SSL *start_tls(int fd)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *tls = context == NULL ? NULL : SSL_new(context);
    if (tls == NULL || SSL_set_fd(tls, fd) != 1 || SSL_connect(tls) != 1)
        die("TLS failed");
    SSL_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    return tls;
}

int main(int argc, char **argv)
{
    static const char REQUEST[] =
        "GET /realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static char buffer[READ_BYTES];
    uint64_t bytes = 0;
    if (argc < 2)
        die("usage: drain PORT [--tls]");
    int fd = connect_to((unsigned)strtoul(argv[1], NULL, 10));
    SSL *tls = argc > 2 ? start_tls(fd) : NULL;
    long sent = tls != NULL ? SSL_write(tls, REQUEST, sizeof REQUEST - 1)
                            : send(fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL);
    if (sent != (long)sizeof REQUEST - 1)
        die("the request was not sent");
    for (;;) {
        long got =
            tls != NULL ? SSL_read(tls, buffer, sizeof buffer) : recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0)
            break;
        bytes += (uint64_t)got;
    }
    close(fd);
    printf("%llu\n", (unsigned long long)bytes);
    return 0;
}
