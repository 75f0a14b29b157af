#include "recorder/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/escape_format.h"

enum { WAITING_CLIENTS = 8, REQUEST_MS = 2000, ANSWER_MS = 5000 };

typedef struct control_address {
    struct sockaddr_un name;
    socklen_t bytes;
} control_address;

struct control {
    control_options options;
    pthread_t thread;
    control_address address;
    int listen_fd, end_fd;
};

/* ---- addresses ---- */

/* The socket of a folder, and the folder's owner. */
static td_result make_address(const char *folder, control_address *out, uid_t *owner, td_err *err)
{
    struct stat found;
    if (stat(folder, &found) != 0) {
        int failure = errno;
        td_result rc = td_err_set_os(err, failure, "cannot find the folder '%s'", folder);
        return failure == ENOENT || failure == ENOTDIR
                   ? td_err_add(err, TD_E_NOTFOUND, "no archive")
                   : rc;
    }
    *owner = found.st_uid;
    *out = (control_address){.name.sun_family = AF_UNIX};
    /* A zero byte before the name: it is not a file. */
    int size =
        snprintf(out->name.sun_path + 1, sizeof out->name.sun_path - 1, "tapedeck-control-%jx-%jx",
                 (uintmax_t)found.st_dev, (uintmax_t)found.st_ino); /* fits */
    out->bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
    return TD_OK;
}

/* The user at the other end; of a listening socket, the one who listens. -1: unknown. */
static uid_t peer_of(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.uid : (uid_t)-1;
}

/* ---- bytes, with time limits ---- */

static int wait_for(int fd, short events, uint64_t until_ns)
{
    uint64_t now_ns = clock_mono_ns(clock_real());
    struct pollfd one = {.fd = fd, .events = events};
    if (now_ns >= until_ns)
        return 0;
    int found;
    do
        found = poll(&one, 1, (int)((until_ns - now_ns) / TD_NS_PER_MS) + 1);
    while (found < 0 && errno == EINTR);
    return found > 0;
}

static int send_all(int fd, td_bytes bytes, uint64_t until_ns)
{
    while (bytes.size > 0) {
        if (!wait_for(fd, POLLOUT, until_ns))
            return 0;
        ssize_t sent = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return 0;
        if (sent > 0)
            bytes = td_bytes_of(bytes.data + sent, bytes.size - (size_t)sent);
    }
    return 1;
}

/* ---- the recorder's side ---- */

/* Read a line. 0: it did not come in time, or is too long. */
static int read_request(int fd, char out[CONTROL_REQUEST_BYTES])
{
    const uint64_t until_ns = clock_mono_ns(clock_real()) + REQUEST_MS * TD_NS_PER_MS;
    size_t size = 0;
    while (size < CONTROL_REQUEST_BYTES && wait_for(fd, POLLIN, until_ns)) {
        ssize_t got = recv(fd, out + size, CONTROL_REQUEST_BYTES - size, MSG_DONTWAIT);
        if (got <= 0)
            return 0;
        char *end = memchr(out + size, '\n', (size_t)got);
        size += (size_t)got;
        if (end == NULL)
            continue;
        *end = '\0';
        return 1;
    }
    return 0;
}

static void answer_client(const control *self, int fd)
{
    char request[CONTROL_REQUEST_BYTES];
    td_buf answer;
    const uid_t peer = peer_of(fd);
    if ((peer != geteuid() && peer != 0) || !read_request(fd, request))
        return;
    td_buf_init(&answer, CONTROL_ANSWER_BYTES);
    self->options.answer(self->options.user, request, &answer);
    (void)send_all(fd, td_buf_view(&answer),
                   clock_mono_ns(clock_real()) + ANSWER_MS * TD_NS_PER_MS);
    td_buf_fini(&answer);
}

static void *run(void *arg)
{
    const control *self = arg;
    struct pollfd waiting[] = {{.fd = self->listen_fd, .events = POLLIN},
                               {.fd = self->end_fd, .events = POLLIN}};
    while (waiting[1].revents == 0) {
        if (poll(waiting, 2, -1) < 0 || waiting[0].revents == 0)
            continue;
        int fd = accept4(self->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        answer_client(self, fd);
        close(fd);
    }
    return NULL;
}

static void close_files(control *self)
{
    if (self->listen_fd >= 0)
        close(self->listen_fd);
    if (self->end_fd >= 0)
        close(self->end_fd);
    td_free(self);
}

static td_result open_socket(control *self, td_err *err)
{
    uid_t owner;
    td_result rc = make_address(self->options.folder, &self->address, &owner, err);
    if (rc != TD_OK)
        return rc;
    self->end_fd = eventfd(0, EFD_CLOEXEC);
    self->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->end_fd < 0 || self->listen_fd < 0 ||
        bind(self->listen_fd, (const struct sockaddr *)&self->address.name, self->address.bytes) !=
            0 ||
        listen(self->listen_fd, WAITING_CLIENTS) != 0)
        return td_err_set_os(err, errno, "cannot open the control socket of '%s'",
                             self->options.folder);
    return TD_OK;
}

td_result control_open(const control_options *options, control **out, td_err *err)
{
    control *self = td_alloc_zero(1, sizeof *self);
    *self = (control){.options = *options, .listen_fd = -1, .end_fd = -1};
    td_result rc = open_socket(self, err);
    if (rc == TD_OK) {
        int failure = pthread_create(&self->thread, NULL, run, self);
        if (failure != 0)
            rc = td_err_set_os(err, failure, "cannot start the control thread");
    }
    if (rc != TD_OK) {
        close_files(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

int control_post(const control *self, const char *request)
{
    char line[CONTROL_REQUEST_BYTES + 1];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return 0;
    int length = snprintf(line, sizeof line, "%s\n", request); /* fits: a constant of the caller */
    int is_sent =
        connect(fd, (const struct sockaddr *)&self->address.name, self->address.bytes) == 0 &&
        send(fd, line, (size_t)length, MSG_NOSIGNAL) == length;
    close(fd);
    return is_sent;
}

void control_close(control *self)
{
    const uint64_t one = 1;
    if (self == NULL)
        return;
    ssize_t written = write(self->end_fd, &one, sizeof one);
    TD_ASSERT(written == sizeof one);
    pthread_join(self->thread, NULL);
    close_files(self);
}

/* ---- the client's side ---- */

/* Check who listens: any user can take the name of the socket while no recorder has it. Root may
 * ask the recorder of the folder's owner, too. */
static td_result check_peer(const char *folder, int fd, uid_t owner, td_err *err)
{
    const uid_t peer = peer_of(fd);
    if (peer == geteuid() || peer == 0 || (geteuid() == 0 && peer == owner))
        return TD_OK;
    return td_err_set(err, TD_E_IO,
                      "the control socket of '%s' belongs to another user (uid %u), so nothing is "
                      "sent to it",
                      folder, (unsigned)peer);
}

static td_result connect_to(const char *folder, int fd, td_err *err)
{
    control_address address = {0};
    uid_t owner = 0;
    td_result rc = make_address(folder, &address, &owner, err);
    if (rc != TD_OK)
        return rc;
    if (connect(fd, (const struct sockaddr *)&address.name, address.bytes) == 0)
        return check_peer(folder, fd, owner, err);
    if (errno != ECONNREFUSED)
        return td_err_set_os(err, errno, "cannot reach the recorder of '%s'", folder);
    td_err_set(err, TD_E_NOTFOUND, "no recorder runs in '%s'", folder);
    td_err_hint(err, "'tapedeck record -a %s' starts one; of a recorder in a container, ask there",
                folder);
    return TD_E_NOTFOUND;
}

static td_result read_answer(int fd, uint64_t until_ns, td_buf *out, td_err *err)
{
    char part[4096];
    for (;;) {
        if (!wait_for(fd, POLLIN, until_ns))
            return td_err_set(err, TD_E_BUSY, "the recorder did not answer in time");
        ssize_t got = recv(fd, part, sizeof part, 0);
        if (got < 0 && errno != ECONNRESET)
            return td_err_set_os(err, errno, "the recorder's answer cannot be read");
        if (got <= 0)
            return out->size > 0 ? TD_OK
                                 : td_err_set(err, TD_E_IO,
                                              "the recorder refused to answer: only its user and "
                                              "root may ask it");
        td_result rc = td_buf_append(out, part, (size_t)got, err);
        if (rc != TD_OK)
            return rc;
    }
}

/* Append lines, each escaped: nothing in an answer acts on a terminal. JSON has no bytes that are
 * escaped, or the escape means the same. */
static td_result append_escaped(td_bytes text, td_buf *out, td_err *err)
{
    td_result rc = TD_OK;
    while (text.size > 0 && rc == TD_OK) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        rc = td_escape_append(out, td_bytes_of(text.data, size), err);
        if (rc == TD_OK && end != NULL)
            rc = td_buf_append(out, "\n", 1, err);
        size += end != NULL;
        text = td_bytes_of(text.data + size, text.size - size);
    }
    return rc;
}

td_result control_ask(const char *folder, const char *request, uint64_t timeout_ns, td_buf *out,
                      td_err *err)
{
    const uint64_t until_ns = clock_mono_ns(clock_real()) + timeout_ns;
    td_buf answer;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return td_err_set_os(err, errno, "cannot open a socket");
    td_buf_init(&answer, CONTROL_ANSWER_BYTES);
    td_result rc = connect_to(folder, fd, err);
    if (rc == TD_OK) {
        /* A recorder that refuses closes the connection, which the answer shows. */
        (void)(send_all(fd, td_bytes_str(request), until_ns) &&
               send_all(fd, td_bytes_str("\n"), until_ns));
        rc = read_answer(fd, until_ns, &answer, err);
    }
    if (rc == TD_OK)
        rc = append_escaped(td_buf_view(&answer), out, err);
    td_buf_fini(&answer);
    close(fd);
    return rc;
}
