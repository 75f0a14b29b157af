#include "wire/link.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/assert.h"

enum {
    /* Reads per turn, so that other connections get their turn. */
    READS_A_TURN = 16,
    /* Maximum received bytes that the user has not used: an incomplete head, or bytes that were
       read before a pause. */
    HELD_BYTES_MAX = 2 * LOOP_READ_BYTES,
    /* Maximum bytes that one call of OpenSSL reads: the largest record. A peer may send endless key
       updates and no data. */
    TLS_BYTES_A_CALL = 20 << 10,
    /* Maximum bytes encrypted at a time: three records. */
    SEAL_BYTES = 48 << 10,
    /* Maximum bytes of records that wait for the socket: SEAL_BYTES, and some 3,000 answers to key
       updates. Only a peer that requests key updates and does not read exceeds this. */
    SEALED_BYTES_MAX = 128 << 10,
    OUT_BYTES_KEPT = 64 << 10, /* a larger buffer is freed once it is empty */
};

void link_init(wire_link *self, wire_loop *loop, const link_ops *ops, void *user,
               size_t out_bytes_max)
{
    *self = (wire_link){.loop = loop, .ops = ops, .user = user};
    td_buf_init(&self->sealed, SIZE_MAX); /* bounded by flush and read_tls */
    td_buf_init(&self->out, out_bytes_max);
    td_buf_init(&self->held, HELD_BYTES_MAX);
}

void link_close(wire_link *self)
{
    self->state = LINK_CLOSED;
    loop_fd_close(self->loop, &self->socket);
    SSL_free(self->ssl);
    BIO_meth_free(self->method);
    td_free(self->records);
    self->ssl = NULL;
    self->method = NULL;
    self->records = NULL;
    td_buf_fini(&self->sealed);
    td_buf_fini(&self->out);
    td_buf_fini(&self->held);
}

static void end(wire_link *self, link_end how, const char *text)
{
    if (self->state == LINK_CLOSED)
        return;
    loop_fd_want(self->loop, &self->socket, 0);
    self->ops->ended(self->user, how, text);
}

static void end_by_errno(wire_link *self)
{
    int is_connecting = self->state == LINK_CONNECTING;
    end(self, is_connecting ? LINK_UNREACHABLE : LINK_RESET, strerror(self->os_error));
}

/* ---- the socket ---- */

static void wait_for_events(wire_link *self)
{
    /* Edge-triggered while paused: a hang-up is reported once, not on each turn. */
    uint32_t events = self->is_paused ? EPOLLET : EPOLLIN;
    if (self->is_blocked || self->state == LINK_CONNECTING)
        events |= EPOLLOUT;
    if (self->state != LINK_CLOSED)
        loop_fd_want(self->loop, &self->socket, events);
}

/* As recv(2): 0 at the end, -1 on failure, with os_error set. */
static ssize_t receive(wire_link *self, void *bytes, size_t size)
{
    ssize_t got;
    if (self->is_drained) {
        self->os_error = EAGAIN;
        return -1;
    }
    do
        got = recv(self->socket.fd, bytes, size, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    self->os_error = errno;
    self->is_drained = got < 0 || (size_t)got < size;
    if (got > 0)
        self->read_ns = loop_now_ns(self->loop);
    return got;
}

static ssize_t transmit(wire_link *self, const void *bytes, size_t size)
{
    ssize_t put;
    do
        put = send(self->socket.fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (put < 0 && errno == EINTR);
    self->os_error = errno;
    return put;
}

/* ---- OpenSSL's access to the socket ---- */

/* Give received bytes to OpenSSL, which reads first the head and then the rest of a record. These
 * bytes are read ahead here, because OpenSSL's own read-ahead would, for each record, move all
 * later bytes to the front of its buffer. */
static int bio_read(BIO *bio, char *out, int size)
{
    wire_link *self = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (self->tls_bytes >= TLS_BYTES_A_CALL && self->state == LINK_OPEN) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if (self->records_left == 0) {
        ssize_t got = receive(self, self->records, LOOP_READ_BYTES);
        if (got < 0 && self->os_error == EAGAIN)
            BIO_set_retry_read(bio);
        if (got <= 0)
            return (int)got;
        self->records_at = 0;
        self->records_left = (size_t)got;
    }
    size_t piece = (size_t)size < self->records_left ? (size_t)size : self->records_left;
    memcpy(out, self->records + self->records_at, piece);
    self->records_at += piece;
    self->records_left -= piece;
    self->tls_bytes += piece;
    return (int)piece;
}

/* Keep OpenSSL's bytes until they are sent. Never blocks: if OpenSSL were blocked in the middle of
 * a record, it could neither read nor answer a key update. */
static int bio_write(BIO *bio, const char *bytes, int size)
{
    wire_link *self = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    td_buf_add(&self->sealed, bytes, (size_t)size);
    return size;
}

static long bio_control(BIO *bio, int what, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return what == BIO_CTRL_FLUSH;
}

static BIO *make_bio(wire_link *self)
{
    self->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "wire link");
    TD_ASSERT(self->method != NULL);
    BIO_meth_set_read(self->method, bio_read);
    BIO_meth_set_write(self->method, bio_write);
    BIO_meth_set_ctrl(self->method, bio_control);
    BIO *bio = BIO_new(self->method);
    TD_ASSERT(bio != NULL);
    BIO_set_data(bio, self);
    BIO_set_init(bio, 1);
    return bio;
}

/* Clear old errors before an OpenSSL call, so that tls_outcome sees only errors of the call. Clears
 * only if needed: clearing takes as long as decrypting a frame. */
static void forget_errors(wire_link *self)
{
    self->os_error = 0;
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

/* Interpret the result of an OpenSSL call. Returns > 0: bytes; 0: try later; -1: the link ended. */
static int tls_outcome(wire_link *self, int rc)
{
    if (TD_LIKELY(rc > 0))
        return rc;
    int error = SSL_get_error(self->ssl, rc);
    unsigned long reason = ERR_peek_error();
    const char *text = reason == 0 ? "" : ERR_reason_error_string(reason);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ)
        return 0;
    if (error == SSL_ERROR_SYSCALL && self->os_error != 0) {
        end_by_errno(self);
    } else if (error == SSL_ERROR_ZERO_RETURN || error == SSL_ERROR_SYSCALL) {
        end(self, LINK_ENDED, ""); /* with or without close_notify */
    } else {
        (void)transmit(self, self->sealed.data, self->sealed.size); /* an alert */
        end(self, LINK_TLS_FAILED, text == NULL ? "" : text);
    }
    return -1;
}

static void shake_hands(wire_link *self)
{
    forget_errors(self);
    int rc = tls_outcome(self, SSL_do_handshake(self->ssl));
    if (rc > 0) {
        self->state = LINK_OPEN;
        if (self->ops->secured != NULL)
            self->ops->secured(self->user);
    }
}

void link_secure(wire_link *self, SSL *ssl)
{
    TD_ASSERT(self->state == LINK_OPEN);
    TD_ASSERT(self->ssl == NULL);
    BIO *bio = make_bio(self);
    self->records = td_alloc(LOOP_READ_BYTES);
    SSL_set_bio(ssl, bio, bio);
    self->ssl = ssl;
    self->state = LINK_SECURING;
    loop_fd_call_again(self->loop, &self->socket);
}

/* ---- reading ---- */

static int read_tls(wire_link *self, uint8_t *to, size_t size)
{
    forget_errors(self);
    self->tls_bytes = 0;
    int got = tls_outcome(self, SSL_read(self->ssl, to, (int)size));
    if (got == 0 && self->tls_bytes >= TLS_BYTES_A_CALL) {
        end(self, LINK_TLS_FAILED, "records without data");
        return -1;
    }
    if (got >= 0 && self->sealed.size > SEALED_BYTES_MAX) {
        end(self, LINK_TLS_FAILED, "it asks for new keys and reads no answers");
        return -1;
    }
    return got;
}

/* Read more bytes: > 0: their number, 0: no bytes now, -1: the link ended. */
static int read_some(wire_link *self, uint8_t *to, size_t size)
{
    if (self->ssl != NULL)
        return read_tls(self, to, size);
    ssize_t got = receive(self, to, size);
    if (got > 0)
        return (int)got;
    if (got < 0 && self->os_error == EAGAIN)
        return 0;
    if (got == 0)
        end(self, LINK_ENDED, "");
    else
        end_by_errno(self);
    return -1;
}

/* Deliver the held bytes and then the given bytes; hold the bytes that the user does not use. */
static void deliver(wire_link *self, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    td_buf *held = &self->held;
    if (held->size > 0) {
        td_buf_add(held, bytes, size);
        bytes = held->data;
        size = held->size;
    }
    size_t used = self->ops->received(self->user, bytes, size, read_ns);
    if (self->state == LINK_CLOSED)
        return;
    TD_ASSERT(used <= size);
    if (bytes == held->data) {
        memmove(held->data, held->data + used, size - used);
        held->size = size - used;
    } else {
        td_buf_add(held, bytes + used, size - used);
    }
}

static void read_all(wire_link *self)
{
    uint8_t *buffer = self->loop->read_buffer;
    for (int i = 0; i < READS_A_TURN; i++) {
        int is_empty = self->is_drained && self->records_left == 0;
        if (self->state != LINK_OPEN || self->is_paused || is_empty)
            return;
        int size = read_some(self, buffer, LOOP_READ_BYTES);
        if (size <= 0)
            return;
        deliver(self, buffer, (size_t)size, self->read_ns);
    }
    loop_fd_call_again(self->loop, &self->socket);
}

void link_pause(wire_link *self)
{
    self->is_paused = 1;
    wait_for_events(self);
}

void link_resume(wire_link *self)
{
    if (!self->is_paused)
        return;
    self->is_paused = 0;
    wait_for_events(self);
    loop_fd_call_again(self->loop, &self->socket); /* to deliver held bytes */
}

/* ---- writing ---- */

td_buf *link_output(wire_link *self)
{
    size_t left = self->out.size - self->out_at;
    if (self->out_at > 0 && left <= self->out_at) { /* moves at most as much as was sent */
        memmove(self->out.data, self->out.data + self->out_at, left);
        self->out.size = left;
        self->out_at = 0;
    }
    return &self->out;
}

size_t link_waiting_bytes(const wire_link *self)
{
    return self->out.size - self->out_at + self->sealed.size;
}

void link_reset_on_close(wire_link *self)
{
    const struct linger at_once = {.l_onoff = 1};
    if (self->state != LINK_CLOSED)
        (void)setsockopt(self->socket.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/* Encrypt some of the waiting bytes. The result is as in tls_outcome. */
static int seal(wire_link *self)
{
    size_t size = self->out.size - self->out_at;
    if (size == 0 || self->state != LINK_OPEN)
        return 0;
    size = size < SEAL_BYTES ? size : SEAL_BYTES;
    forget_errors(self);
    int put = tls_outcome(self, SSL_write(self->ssl, self->out.data + self->out_at, (int)size));
    self->out_at += put > 0 ? (size_t)put : 0;
    return put;
}

/* Send waiting bytes: > 0: their number, 0: try later, -1: the link ended. */
static int send_some(wire_link *self)
{
    td_bytes bytes = td_bytes_of(self->out.data + self->out_at, self->out.size - self->out_at);
    if (self->ssl != NULL) {
        int rc = self->sealed.size == 0 ? seal(self) : 1;
        if (rc <= 0)
            return rc;
        bytes = td_buf_view(&self->sealed);
    }
    ssize_t put = transmit(self, bytes.data, bytes.size);
    self->is_blocked = put < (ssize_t)bytes.size;
    if (put < 0 && self->os_error != EAGAIN) {
        end_by_errno(self);
        return -1;
    }
    size_t taken = put > 0 ? (size_t)put : 0;
    if (self->ssl == NULL) {
        self->out_at += taken;
    } else {
        self->sealed.size -= taken;
        memmove(self->sealed.data, self->sealed.data + taken, self->sealed.size);
    }
    return (int)taken;
}

/* Close our direction. */
static void shut(wire_link *self)
{
    self->is_shut = 1;
    if (self->ssl != NULL) {
        ERR_clear_error();
        (void)SSL_shutdown(self->ssl); /* the TCP end follows anyway */
        ERR_clear_error();
        (void)transmit(self, self->sealed.data, self->sealed.size);
        td_buf_clear(&self->sealed);
    }
    (void)shutdown(self->socket.fd, SHUT_WR); /* fails if the connection was reset */
}

static void flush(wire_link *self)
{
    int had_some = link_waiting_bytes(self) > 0;
    int rc = 1;
    while (rc > 0 && !self->is_blocked && link_waiting_bytes(self) > 0)
        rc = send_some(self);
    if (rc < 0 || self->state != LINK_OPEN || link_waiting_bytes(self) > 0)
        return;
    if (self->out.capacity > OUT_BYTES_KEPT)
        td_buf_fini(&self->out);
    td_buf_clear(&self->out);
    self->out_at = 0;
    if (self->is_finished && !self->is_shut)
        shut(self);
    else if (had_some && self->ops->drained != NULL)
        self->ops->drained(self->user);
}

void link_flush_later(wire_link *self)
{
    if (!self->is_blocked)
        loop_fd_call_again(self->loop, &self->socket);
}

void link_finish(wire_link *self)
{
    self->is_finished = 1;
    link_flush_later(self);
}

/* ---- the loop's calls ---- */

static void on_connected(wire_link *self)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(self->socket.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    self->os_error = error;
    if (error != 0) {
        end_by_errno(self);
        return;
    }
    self->state = LINK_OPEN;
    wait_for_events(self);
    self->ops->connected(self->user);
}

static void on_ready(void *user, uint32_t events)
{
    wire_link *self = user;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        self->is_drained = 0;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
        self->is_blocked = 0;
    if (self->state == LINK_CONNECTING) {
        if (events != 0)
            on_connected(self);
        return;
    }
    if (self->state == LINK_SECURING)
        shake_hands(self);
    if (self->state == LINK_OPEN && !self->is_paused && self->held.size > 0)
        deliver(self, NULL, 0, loop_now_ns(self->loop));
    if (self->state == LINK_OPEN && !self->is_paused)
        read_all(self);
    if (self->state >= LINK_SECURING && !self->is_blocked)
        flush(self);
    wait_for_events(self);
}

/* ---- beginning ---- */

td_result link_adopt(wire_link *self, int fd, td_err *err)
{
    const int on = 1;
    self->socket = (loop_fd){.ready = on_ready, .user = self};
    td_result rc = loop_fd_open(self->loop, &self->socket, fd, EPOLLIN, err);
    if (rc != TD_OK)
        return rc;
    self->state = LINK_OPEN;
    /* Failure only makes the link slower. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return TD_OK;
}

td_result link_connect(wire_link *self, const wire_address *address, uint16_t port, td_err *err)
{
    wire_address to = *address;
    int is_v6 = to.any.sa_family == AF_INET6;
    *(is_v6 ? &to.v6.sin6_port : &to.v4.sin_port) = htons(port);
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return td_err_set_os(err, errno, "cannot open a socket");
    int rc = connect(fd, &to.any, is_v6 ? sizeof to.v6 : sizeof to.v4);
    td_result result = rc == 0 || errno == EINPROGRESS
                           ? link_adopt(self, fd, err)
                           : td_err_set_os(err, errno, "cannot connect");
    if (result != TD_OK) {
        close(fd);
        return result;
    }
    self->state = LINK_CONNECTING;
    wait_for_events(self);
    return TD_OK;
}

void link_peer_address(const wire_link *self, char out[LINK_ADDRESS_BYTES])
{
    wire_address peer;
    socklen_t size = sizeof peer;
    if (getpeername(self->socket.fd, &peer.any, &size) != 0 ||
        getnameinfo(&peer.any, size, out, LINK_ADDRESS_BYTES, NULL, 0, NI_NUMERICHOST) != 0)
        out[0] = '\0';
}
