#include "wire/tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "wire/loop_impl.h"

enum {
    REQUEST_BYTES_MAX = 2 * TD_HOST_BYTES + 2 * WIRE_PROXY_USER_BYTES + 512,
    REPLY_BYTES_MAX = 16 << 10, /* an HTTP proxy may explain itself in its header */
    TEXT_BYTES = 512,
};

struct tunnel {
    const wire_proxy *proxy;
    const td_server_url *target;
    void (*done)(void *user, const tunnel_result *result);
    void *user;
    struct lws *wsi; /* of the descriptor, which it owns */
    loop_fd socket;
    int fd;
    int connect_error; /* errno of a connect that failed at once */
    uint8_t is_connected;
    char request[REQUEST_BYTES_MAX];
    size_t request_size, sent_size;
    uint8_t reply[REPLY_BYTES_MAX]; /* what has come of its header */
    size_t reply_size;
};

/* ---- ends ---- */

static void tunnel_free(tunnel *self)
{
    OPENSSL_cleanse(self->request, sizeof self->request); /* has the password */
    td_free(self);
}

static void report(tunnel *self, const tunnel_result *result)
{
    void (*done)(void *user, const tunnel_result *result) = self->done;
    void *user = self->user;
    lws_set_opaque_user_data(self->wsi, NULL);
    tunnel_free(self);
    done(user, result);
}

static void fail_with(tunnel *self, uint8_t is_unreachable, const char *format, ...)
    TD_PRINTF(3, 4);

/* "the proxy HOST:PORT " and what it did. */
static void fail_with(tunnel *self, uint8_t is_unreachable, const char *format, ...)
{
    char text[TEXT_BYTES];
    int at = snprintf(text, sizeof text, "the proxy %s:%u ", self->proxy->host, self->proxy->port);
    TD_ASSERT(at > 0);
    TD_ASSERT((size_t)at < sizeof text);
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text + at, sizeof text - (size_t)at, format, values); /* cut if too long */
    va_end(values);
    report(self, &(tunnel_result){.fd = -1, .text = text, .is_unreachable = is_unreachable});
}

/* The descriptor continues without libwebsockets' raw connection, which closes its own. */
static void succeed(tunnel *self)
{
    int fd = fcntl(self->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        fail_with(self, 0, "is connected, but there is no descriptor left: %s", strerror(errno));
    else
        report(self, &(tunnel_result){.fd = fd});
}

/* ---- what is sent ---- */

/* 0; 1: the connection is lost, or was ended. */
static int send_rest(tunnel *self)
{
    while (self->sent_size < self->request_size) {
        ssize_t n = send(self->fd, self->request + self->sent_size,
                         self->request_size - self->sent_size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            lws_callback_on_writable(self->wsi);
            return 0;
        }
        if (n < 0) {
            fail_with(self, 0, "closed the connection: %s", strerror(errno));
            return 1;
        }
        self->sent_size += (size_t)n;
    }
    return 0;
}

static int has_user(const wire_proxy *proxy)
{
    return proxy->user[0] != '\0' || proxy->password[0] != '\0';
}

static int send_request(tunnel *self)
{
    const td_server_url *target = self->target;
    char place[TD_HOST_BYTES + 16];
    (void)snprintf(place, sizeof place, "%s%s%s:%u", target->is_ipv6 ? "[" : "", target->host,
                   target->is_ipv6 ? "]" : "", target->port);
    char *at = self->request;
    int size =
        snprintf(at, sizeof self->request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", place, place);
    TD_ASSERT(size > 0);
    if (has_user(self->proxy)) {
        char both[2 * WIRE_PROXY_USER_BYTES];
        unsigned char coded[4 * (sizeof both / 3 + 1) + 1];
        int both_size =
            snprintf(both, sizeof both, "%s:%s", self->proxy->user, self->proxy->password);
        TD_ASSERT((size_t)both_size < sizeof both);
        EVP_EncodeBlock(coded, (const unsigned char *)both, both_size);
        size += snprintf(at + size, sizeof self->request - (size_t)size,
                         "Proxy-Authorization: Basic %s\r\n", (const char *)coded);
        OPENSSL_cleanse(both, sizeof both);
        OPENSSL_cleanse(coded, sizeof coded);
    }
    size += snprintf(at + size, sizeof self->request - (size_t)size, "\r\n");
    TD_ASSERT((size_t)size < sizeof self->request);
    self->request_size = (size_t)size;
    return send_rest(self);
}

/* ---- what comes ---- */

/* Why an HTTP proxy does not connect; line is its status line. */
static void explain_refusal(tunnel *self, unsigned status, const char *line)
{
    const char *host = self->target->authority;
    if (status == 407 && has_user(self->proxy))
        fail_with(self, 0, "does not accept this user and password (%s)", line);
    else if (status == 407)
        fail_with(self, 0,
                  "asks for a user and a password (%s): give it as "
                  "http://USER:PASSWORD@HOST:PORT, with %%XX for special characters",
                  line);
    else if (status == 401 || status == 403 || status == 405)
        fail_with(self, 0, "does not allow a connection to %s (%s): its rules must be changed",
                  host, line);
    else if (status == 502 || status == 503 || status == 504)
        fail_with(self, 0, "cannot reach %s (%s)", host, line);
    else
        fail_with(self, 0, "did not connect to %s (%s)", host, line);
}

/* Of "HTTP/1.1 200 …" (RFC 9112, 4); 0 if the line is none such. */
static unsigned status_of(const char *line)
{
    static const char BEGINNING[] = "HTTP/1.";
    const char *at = line + sizeof BEGINNING; /* after the digit of the version */
    unsigned status = 0;
    if (strncmp(line, BEGINNING, sizeof BEGINNING - 1) != 0 || at[-1] < '0' || at[-1] > '9' ||
        at[0] != ' ')
        return 0;
    for (int i = 1; i <= 3; i++) {
        if (at[i] < '0' || at[i] > '9')
            return 0;
        status = status * 10 + (unsigned)(at[i] - '0');
    }
    return at[4] == ' ' || at[4] == '\0' ? status : 0;
}

/* The whole header is there; the tunnel is gone afterwards. */
static void judge(tunnel *self)
{
    char line[128] = ""; /* printable, cut */
    size_t size = 0;
    while (size + 1 < sizeof line && size < self->reply_size && self->reply[size] != '\r' &&
           self->reply[size] != '\n') {
        uint8_t c = self->reply[size];
        line[size++] = (char)(c >= 0x20 && c < 0x7f ? c : '?');
    }
    line[size] = '\0';
    unsigned status = status_of(line);
    if (status < 200)
        fail_with(self, 0, "does not speak HTTP: it answered '%.40s'", line);
    else if (status < 300)
        succeed(self);
    else
        explain_refusal(self, status, line);
}

/* 1: the tunnel is gone. The header is read byte by byte, because what follows it is the server's;
 * it is short, and comes once a connection. */
static int read_reply(tunnel *self)
{
    while (self->is_connected) {
        if (self->reply_size == sizeof self->reply) {
            fail_with(self, 0, "answered with a header of more than %d bytes", REPLY_BYTES_MAX);
            return 1;
        }
        ssize_t n = recv(self->fd, self->reply + self->reply_size, 1, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0) {
            fail_with(self, 0, "closed the connection before it answered%s%s", n < 0 ? ": " : "",
                      n < 0 ? strerror(errno) : "");
            return 1;
        }
        self->reply_size++;
        if (self->reply_size >= 4 &&
            memcmp(self->reply + self->reply_size - 4, "\r\n\r\n", 4) == 0) {
            judge(self);
            return 1;
        }
    }
    return 0;
}

static int socket_error(const tunnel *self)
{
    int error = self->connect_error;
    socklen_t size = sizeof error;
    if (error == 0 && getsockopt(self->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    return error;
}

/* Connected, or not. 1: the tunnel is gone. */
static int on_writable(tunnel *self)
{
    if (self->is_connected)
        return send_rest(self);
    int error = socket_error(self);
    if (error != 0) {
        fail_with(self, 1, "does not answer: %s", strerror(error));
        return 1;
    }
    self->is_connected = 1;
    return send_request(self);
}

/* libwebsockets closes what the kernel calls hung up. */
static void on_close(tunnel *self)
{
    int error = socket_error(self);
    if (!self->is_connected)
        fail_with(self, 1, "does not answer: %s", error == 0 ? "hung up" : strerror(error));
    else
        fail_with(self, 0, "closed the connection before it answered%s%s", error == 0 ? "" : ": ",
                  error == 0 ? "" : strerror(error));
}

static int on_socket(void *user, enum lws_callback_reasons reason)
{
    tunnel *self = user;
    if (reason == LWS_CALLBACK_RAW_WRITEABLE_FILE)
        return on_writable(self) ? -1 : 0;
    if (reason == LWS_CALLBACK_RAW_RX_FILE)
        return read_reply(self) ? -1 : 0;
    on_close(self);
    return 0;
}

/* ---- begin ---- */

static td_result connect_socket(tunnel *self, const char *address, td_err *err)
{
    in_port_t port = htons(self->proxy->port);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};
    int is_v6 = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
    if (!is_v6 && inet_pton(AF_INET, address, &v4.sin_addr) != 1)
        return td_err_set(err, TD_E_INVALID, "'%s' is not an address", address);
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return td_err_set_os(err, errno, "cannot open a socket");
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int rc = is_v6 ? connect(fd, (const struct sockaddr *)&v6, sizeof v6)
                   : connect(fd, (const struct sockaddr *)&v4, sizeof v4);
    self->connect_error = rc != 0 && errno != EINPROGRESS ? errno : 0;
    self->fd = fd;
    return TD_OK;
}

td_result tunnel_open(wire_loop *loop, const wire_proxy *proxy, const char *address,
                      const td_server_url *target,
                      void (*done)(void *user, const tunnel_result *result), void *user,
                      tunnel **out, td_err *err)
{
    TD_ASSERT(proxy->is_used);
    *out = NULL;
    tunnel *self = td_alloc_zero(1, sizeof *self);
    *self = (tunnel){.proxy = proxy, .target = target, .done = done, .user = user};
    td_result rc = connect_socket(self, address, err);
    if (rc != TD_OK) {
        tunnel_free(self);
        return rc;
    }
    self->socket = (loop_fd){on_socket, self};
    rc = loop_fd_serve(loop, self->fd, &self->socket, &self->wsi, err);
    if (rc != TD_OK) {
        close(self->fd);
        tunnel_free(self);
        return rc;
    }
    lws_callback_on_writable(self->wsi);
    *out = self;
    return TD_OK;
}

void tunnel_cancel(tunnel *self)
{
    if (self == NULL)
        return;
    lws_set_opaque_user_data(self->wsi, NULL);
    lws_set_timeout(self->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    tunnel_free(self);
}
