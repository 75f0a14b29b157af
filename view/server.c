#include "view/server.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include <libwebsockets.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/listen.h"
#include "base/random.h"
#include "base/url.h"
#include "view/page.h"

enum {
    SLICE_BYTES = 32 << 10,
    HEAD_BYTES = 2048,
    REQUEST_SECONDS = 10, /* to send a request, and to read a slice of an answer */
    IDLE_SECONDS = 30,    /* without a request on a kept connection */
    LEFT_USECS = 100000,  /* how often it is asked whether a client that waits has left */
    NAMES_MAX = 4,        /* of this server in Host and Origin */
    NAME_BYTES = 160,
    API_BYTES = sizeof "api/" - 1,
    PATH_BYTES = VIEW_SECRET_BYTES + API_BYTES + VIEW_PATH_BYTES,
};

static const char PREFIX_OF_API[] = "api/";

/* An answer from its request until it is sent. Owned by the server's thread, except while it is
 * queued or made: then only is_cancelled is shared. */
typedef struct job {
    view_request request;
    view_reply reply;
    struct lws *wsi; /* the client that waits; NULL: it is gone */
    struct job *next;
} job;

/* A client's connection. lws owns the memory and zeroes it. */
typedef struct client {
    job *waits; /* for this answer */
    const uint8_t *bytes;
    size_t size, sent;
    uint8_t is_sending;
} client;

struct view_server {
    view_server_options options;
    char secret[VIEW_SECRET_BYTES];
    char names[NAMES_MAX][NAME_BYTES]; /* "127.0.0.1:40123" */
    size_t name_count;
    char url[NAME_BYTES + VIEW_SECRET_BYTES + 16];
    unsigned port;
    int listen_fd; /* until the library has it; then -1 */
    struct lws_context *context;
    struct lws_vhost *vhost;
    /* Connections, the one without a request for the longest time first; only of the server's
     * thread. */
    struct lws *connections[VIEW_CONNECTIONS_MAX];
    size_t connection_count;
    pthread_t threads[1 + VIEW_WORKERS];
    size_t thread_count;
    size_t job_count; /* only of the server's thread */
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    /* Under lock: */
    job *queue; /* waiting, oldest first */
    job *running[VIEW_WORKERS];
    job *done;
    uint8_t is_closing;
    atomic_int is_stopped;
};

const char *view_request_arg(const view_request *request, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < request->arg_count; i++)
        if (strncmp(request->args[i], name, size) == 0 && request->args[i][size] == '=')
            return request->args[i] + size + 1;
    return NULL;
}

void view_reply_fail(view_reply *reply, unsigned status, const char *text)
{
    reply->status = status;
    reply->type = "text/plain; charset=utf-8";
    td_buf_clear(&reply->body);
    td_buf_add(&reply->body, text, strlen(text));
    td_buf_add(&reply->body, "\n", 1);
}

/* ---- jobs ---- */

static void job_free(view_server *self, job *of)
{
    td_buf_fini(&of->reply.body);
    td_free(of);
    self->job_count--;
}

static void *work(void *user)
{
    view_server *self = user;
    (void)pthread_mutex_lock(&self->lock);
    while (!self->is_closing) {
        job *mine = self->queue;
        if (mine == NULL) {
            (void)pthread_cond_wait(&self->has_work, &self->lock);
            continue;
        }
        self->queue = mine->next;
        job **running = self->running;
        while (*running != NULL)
            running++;
        *running = mine;
        (void)pthread_mutex_unlock(&self->lock);
        if (!atomic_load(&mine->request.is_cancelled))
            self->options.answer(self->options.user, &mine->request, &mine->reply);
        (void)pthread_mutex_lock(&self->lock);
        *running = NULL;
        mine->next = self->done;
        self->done = mine;
        lws_cancel_service(self->context); /* wakes the server's thread */
    }
    (void)pthread_mutex_unlock(&self->lock);
    return NULL;
}

static void submit(view_server *self, job *made)
{
    (void)pthread_mutex_lock(&self->lock);
    job **end = &self->queue;
    while (*end != NULL)
        end = &(*end)->next;
    *end = made;
    (void)pthread_cond_signal(&self->has_work);
    (void)pthread_mutex_unlock(&self->lock);
}

/* ---- answers ---- */

static int add_head(struct lws *wsi, const char *name, const char *value, uint8_t **at,
                    uint8_t *end)
{
    return lws_add_http_header_by_name(wsi, (const uint8_t *)name, (const uint8_t *)value,
                                       (int)strlen(value), at, end);
}

/* Send the head of an answer; the body follows when the client can be written to. bytes must last
 * until the connection is closed or the body is sent. Returns what lws wants from the callback. */
static int begin_answer(struct lws *wsi, client *to, unsigned status, const char *type,
                        const uint8_t *bytes, size_t size)
{
    static const char *const HEADS[][2] = {
        {"content-security-policy:", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
                                     "form-action 'none'; img-src 'self' data: blob:"},
        {"x-content-type-options:", "nosniff"},
        {"referrer-policy:", "no-referrer"},
        {"cache-control:", "no-store"},
        {"cross-origin-resource-policy:", "same-origin"},
    };
    uint8_t head[LWS_PRE + HEAD_BYTES];
    uint8_t *at = head + LWS_PRE;
    uint8_t *end = head + sizeof head - 1;
    int is_head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    int failed = lws_add_http_common_headers(wsi, status, type, size, &at, end);
    for (size_t i = 0; failed == 0 && i < sizeof HEADS / sizeof HEADS[0]; i++)
        failed = add_head(wsi, HEADS[i][0], HEADS[i][1], &at, end);
    if (failed != 0 || lws_finalize_write_http_header(wsi, head + LWS_PRE, &at, end) != 0)
        return 1;
    to->bytes = bytes;
    to->size = is_head ? 0 : size;
    to->sent = 0;
    to->is_sending = 1;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, REQUEST_SECONDS);
    lws_callback_on_writable(wsi);
    return 0;
}

static int refuse(struct lws *wsi, client *to, unsigned status, const char *text)
{
    return begin_answer(wsi, to, status, "text/plain; charset=utf-8", (const uint8_t *)text,
                        strlen(text));
}

static void end_answer(view_server *self, client *to)
{
    if (to->waits != NULL)
        job_free(self, to->waits);
    *to = (client){0};
}

/* Send the next slice. */
static int send_slice(view_server *self, struct lws *wsi, client *to)
{
    if (!to->is_sending)
        return 0;
    uint8_t slice[LWS_PRE + SLICE_BYTES];
    size_t size = to->size - to->sent;
    if (size > SLICE_BYTES)
        size = SLICE_BYTES;
    int is_last = to->sent + size == to->size;
    if (size > 0) {
        memcpy(slice + LWS_PRE, to->bytes + to->sent, size);
        if (lws_write(wsi, slice + LWS_PRE, size,
                      is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) != (int)size)
            return -1;
        to->sent += size;
    }
    if (!is_last) {
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, REQUEST_SECONDS);
        lws_callback_on_writable(wsi);
        return 0;
    }
    end_answer(self, to);
    return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

/* Send the answers that the workers have made to the clients that still wait. */
static void take_done(view_server *self)
{
    (void)pthread_mutex_lock(&self->lock);
    job *made = self->done;
    self->done = NULL;
    (void)pthread_mutex_unlock(&self->lock);
    while (made != NULL) {
        job *next = made->next;
        if (made->wsi == NULL) {
            job_free(self, made);
        } else {
            client *to = lws_wsi_user(made->wsi);
            lws_set_timer_usecs(made->wsi, LWS_SET_TIMER_USEC_CANCEL);
            if (lws_rx_flow_control(made->wsi, 1) < 0 ||
                begin_answer(made->wsi, to, made->reply.status, made->reply.type,
                             made->reply.body.data, made->reply.body.size) != 0)
                lws_set_timeout(made->wsi, PENDING_TIMEOUT_HTTP_CONTENT, LWS_TO_KILL_ASYNC);
        }
        made = next;
    }
}

/* ---- connections ---- */

/* 0: it is not one of the connections, but the listening socket or a stream of HTTP/2. */
static int forget(view_server *self, const struct lws *wsi)
{
    size_t i = 0;
    while (i < self->connection_count && self->connections[i] != wsi)
        i++;
    if (i == self->connection_count)
        return 0;
    self->connection_count--;
    for (; i < self->connection_count; i++)
        self->connections[i] = self->connections[i + 1];
    return 1;
}

static int is_answered(struct lws *wsi)
{
    const client *of = lws_wsi_user(wsi);
    return of != NULL && (of->waits != NULL || of->is_sending);
}

/* Close the connection that has sent no request for the longest time, if no other one is free. 0:
 * all are being answered. */
static int make_place(view_server *self)
{
    size_t i = 0;
    if (self->connection_count < VIEW_CONNECTIONS_MAX)
        return 1;
    while (i < self->connection_count && is_answered(self->connections[i]))
        i++;
    if (i < self->connection_count) /* its end calls forget() */
        lws_set_timeout(self->connections[i], PENDING_TIMEOUT_HTTP_KEEPALIVE_IDLE,
                        LWS_TO_KILL_SYNC);
    return self->connection_count < VIEW_CONNECTIONS_MAX;
}

/* Accept a connection. The library does not listen itself: it would bind other addresses. */
static void on_listener(view_server *self, struct lws *listener)
{
    int fd = accept4(lws_get_socket_fd(listener), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return; /* the client has left */
    if (!make_place(self)) {
        (void)close(fd);
        return;
    }
    struct lws *wsi = lws_adopt_socket_vhost(self->vhost, fd); /* closes it if it fails */
    if (wsi != NULL)
        self->connections[self->connection_count++] = wsi;
}

/* ---- requests ---- */

/* Copy a head's value; "" if it is absent. 0: it is longer than the buffer. */
static int copy_head(struct lws *wsi, enum lws_token_indexes which, char *out, size_t out_bytes)
{
    out[0] = '\0';
    return lws_hdr_total_length(wsi, which) == 0 ||
           lws_hdr_copy(wsi, out, (int)out_bytes, which) > 0;
}

static int is_own_name(const view_server *self, const char *name)
{
    for (size_t i = 0; i < self->name_count; i++)
        if (strcmp(self->names[i], name) == 0)
            return 1;
    return 0;
}

/* Return why a request is refused, or NULL. Its Host must name this server, and its Origin must be
 * this page's or absent: a page elsewhere must not reach the archive, neither directly nor by a DNS
 * name that leads here. */
static const char *find_fault(const view_server *self, struct lws *wsi, unsigned *status)
{
    static const char SCHEME[] = "http://";
    char host[NAME_BYTES];
    char origin[NAME_BYTES + sizeof SCHEME];
    *status = HTTP_STATUS_METHOD_NOT_ALLOWED;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) == 0 &&
        lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) == 0)
        return "only GET and HEAD are answered\n";
    if (self->options.audience == VIEW_FOR_MACHINES)
        return NULL;
    *status = 421; /* Misdirected Request */
    if (!copy_head(wsi, WSI_TOKEN_HOST, host, sizeof host) || !is_own_name(self, host))
        return "this server has another name: use the address that 'tapedeck view' printed\n";
    *status = HTTP_STATUS_FORBIDDEN;
    if (!copy_head(wsi, WSI_TOKEN_ORIGIN, origin, sizeof origin) ||
        (origin[0] != '\0' && (strncmp(origin, SCHEME, sizeof SCHEME - 1) != 0 ||
                               !is_own_name(self, origin + sizeof SCHEME - 1))))
        return "pages of other servers get no answer\n";
    return NULL;
}

static int begin_job(view_server *self, struct lws *wsi, client *from, const char *path)
{
    if (self->job_count >= VIEW_ANSWERS_MAX)
        return refuse(wsi, from, HTTP_STATUS_SERVICE_UNAVAILABLE,
                      "too many answers are waited for\n");
    job *made = td_alloc_zero(1, sizeof *made);
    self->job_count++;
    (void)snprintf(made->request.path, sizeof made->request.path, "%s", path); /* fits */
    int is_whole = 1;
    for (int i = 0; is_whole; i++) {
        char *arg = made->request.args[made->request.arg_count];
        int size = made->request.arg_count == VIEW_ARGS_MAX
                       ? -1
                       : lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (size == 0)
            break;
        is_whole = size > 0 &&
                   lws_hdr_copy_fragment(wsi, arg, VIEW_ARG_BYTES, WSI_TOKEN_HTTP_URI_ARGS, i) >= 0;
        made->request.arg_count++;
    }
    if (!is_whole) {
        job_free(self, made);
        return refuse(wsi, from, HTTP_STATUS_BAD_REQUEST,
                      "too many arguments, or one is too long\n");
    }
    td_buf_init(&made->reply.body, VIEW_ANSWER_BYTES_MAX);
    made->wsi = wsi;
    from->waits = made;
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0); /* an answer may take long; the client may leave */
    /* Within a transaction the library reads nothing, and would poll for what it does not read. */
    (void)lws_rx_flow_control(wsi, 0);
    lws_set_timer_usecs(wsi, LEFT_USECS);
    submit(self, made);
    return 0;
}

/* Close the connection of a client that has left while it waits: on_close() cancels its answer. */
static int check_left(struct lws *wsi)
{
    char byte;
    if (recv(lws_get_socket_fd(wsi), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        return -1;
    lws_set_timer_usecs(wsi, LEFT_USECS);
    return 0;
}

/* Copy the request's path, decoded. 0: it is too long. */
static int copy_path(struct lws *wsi, char out[PATH_BYTES])
{
    int is_head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    return copy_head(wsi, is_head ? WSI_TOKEN_HEAD_URI : WSI_TOKEN_GET_URI, out, PATH_BYTES);
}

static int on_request(view_server *self, struct lws *wsi, client *from)
{
    char whole[PATH_BYTES];
    unsigned status;
    *from = (client){0};
    if (forget(self, wsi)) /* it becomes the last */
        self->connections[self->connection_count++] = wsi;
    const char *fault = find_fault(self, wsi, &status);
    if (fault != NULL)
        return refuse(wsi, from, status, fault);
    if (!copy_path(wsi, whole))
        return refuse(wsi, from, HTTP_STATUS_REQ_URI_TOO_LONG, "the address is too long\n");
    if (self->options.audience == VIEW_FOR_MACHINES)
        return begin_job(self, wsi, from, whole + (whole[0] == '/'));
    size_t secret_size = strlen(self->secret);
    if (whole[0] != '/' || strlen(whole) < secret_size + 2 || whole[1 + secret_size] != '/' ||
        !td_is_equal_secret(whole + 1, self->secret, secret_size))
        return refuse(
            wsi, from, HTTP_STATUS_FORBIDDEN,
            "the address lacks its secret part: use the one that 'tapedeck view' printed\n");
    const char *path = whole + secret_size + 2;
    if (strncmp(path, PREFIX_OF_API, API_BYTES) == 0)
        return begin_job(self, wsi, from, path + API_BYTES);
    const page_file *file = page_file_find(path);
    if (file == NULL)
        return refuse(wsi, from, HTTP_STATUS_NOT_FOUND, "there is no such page\n");
    return begin_answer(wsi, from, HTTP_STATUS_OK, file->type, file->bytes, file->byte_count);
}

/* The client has left: its answer is not needed. */
static void on_close(view_server *self, client *of)
{
    if (of == NULL) /* it sent no request */
        return;
    if (of->waits != NULL && !of->is_sending) {
        atomic_store(&of->waits->request.is_cancelled, 1);
        of->waits->wsi = NULL; /* freed when it is made */
        of->waits = NULL;
    }
    end_answer(self, of);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    view_server *self = lws_context_user(lws_get_context(wsi));
    (void)size;
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        return on_request(self, wsi, user);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return send_slice(self, wsi, user);
    case LWS_CALLBACK_TIMER:
        return check_left(wsi);
    case LWS_CALLBACK_CLOSED_HTTP:
        on_close(self, user);
        return 0;
    case LWS_CALLBACK_RAW_RX_FILE:
        on_listener(self, wsi);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        (void)forget(self, wsi); /* it may be none of them */
        return 0;
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        take_done(self);
        return 0;
    case LWS_CALLBACK_HTTP_BODY:                  /* only GET and HEAD */
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: /* no WebSocket */
        return -1;
    default:
        return lws_callback_http_dummy(wsi, reason, user, in, size);
    }
}

static void *serve_sockets(void *user)
{
    view_server *self = user;
    while (!atomic_load(&self->is_stopped) && lws_service(self->context, 0) >= 0)
        ;
    return NULL;
}

/* ---- opening ---- */

static const struct lws_protocols PROTOCOLS[] = {
    {"http", on_event, sizeof(client), 0, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

static const struct lws_http_mount MOUNT = {.mountpoint = "/",
                                            .mountpoint_len = 1,
                                            .origin = "http",
                                            .origin_protocol = LWSMPRO_CALLBACK,
                                            .protocol = "http"};

static td_result listen_at(view_server *self, td_err *err)
{
    char host[TD_HOST_BYTES];
    uint16_t port = 0;
    if (td_host_port_parse(self->options.listen, host, &port, NULL) != TD_OK)
        return td_err_set(err, TD_E_INVALID, "%s %s: expected HOST:PORT, such as 127.0.0.1:8090",
                          self->options.option, self->options.listen);
    td_result rc = td_listen(host, port, &self->listen_fd, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "%s %s", self->options.option, self->options.listen);
    self->port = td_listen_port(self->listen_fd);
    lws_set_log_level(0, NULL);
    struct lws_context_creation_info about = {.port = CONTEXT_PORT_NO_LISTEN_SERVER,
                                              .protocols = PROTOCOLS,
                                              .mounts = &MOUNT,
                                              .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
                                              .fd_limit_per_thread = VIEW_CONNECTIONS_MAX + 8,
                                              .max_http_header_pool = VIEW_CONNECTIONS_MAX,
                                              .timeout_secs = REQUEST_SECONDS,
                                              .keepalive_timeout = IDLE_SECONDS,
                                              .gid = -1,
                                              .uid = -1,
                                              .user = self};
    lws_sock_file_fd_type listener = {.filefd = self->listen_fd};
    self->context = lws_create_context(&about);
    self->vhost = self->context == NULL ? NULL : lws_create_vhost(self->context, &about);
    if (self->vhost == NULL ||
        lws_adopt_descriptor_vhost(self->vhost, LWS_ADOPT_RAW_FILE_DESC, listener,
                                   PROTOCOLS[0].name, NULL) == NULL)
        return td_err_set(err, TD_E_NETWORK, "%s %s: the HTTP server does not start",
                          self->options.option, self->options.listen);
    self->listen_fd = -1;
    const char *const names[] = {host, "127.0.0.1", "localhost", "[::1]"};
    for (size_t i = 0; i < NAMES_MAX; i++) {
        int is_bare_v6 = i == 0 && strchr(host, ':') != NULL;
        (void)snprintf(self->names[self->name_count++], NAME_BYTES, "%s%.100s%s:%u",
                       is_bare_v6 ? "[" : "", names[i], is_bare_v6 ? "]" : "", self->port);
    }
    if (self->options.audience == VIEW_FOR_MACHINES)
        (void)snprintf(self->url, sizeof self->url, "http://%s/", self->names[0]);
    else
        (void)snprintf(self->url, sizeof self->url, "http://%s/%s/", self->names[0], self->secret);
    return TD_OK;
}

static td_result start_threads(view_server *self, td_err *err)
{
    for (size_t i = 0; i < 1 + VIEW_WORKERS; i++) {
        int failure = pthread_create(&self->threads[i], NULL, i == 0 ? serve_sockets : work, self);
        if (failure != 0)
            return td_err_set_os(err, failure, "cannot start a thread");
        self->thread_count++;
    }
    return TD_OK;
}

td_result view_server_open(const view_server_options *options, view_server **out, td_err *err)
{
    view_server *made = td_alloc_zero(1, sizeof *made);
    uint8_t secret[(VIEW_SECRET_BYTES - 1) / 2];
    made->options = *options;
    made->listen_fd = -1;
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_cond_init(&made->has_work, NULL);
    td_random_system(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++)
        (void)snprintf(made->secret + 2 * i, 3, "%02x", secret[i]);
    td_result rc = listen_at(made, err);
    if (rc == TD_OK)
        rc = start_threads(made, err);
    if (rc != TD_OK)
        view_server_close(made);
    *out = rc == TD_OK ? made : NULL;
    return rc;
}

const char *view_server_url(const view_server *server)
{
    return server->url;
}

unsigned view_server_port(const view_server *server)
{
    return server->port;
}

static void free_list(view_server *self, job *first)
{
    while (first != NULL) {
        job *next = first->next;
        job_free(self, first);
        first = next;
    }
}

void view_server_close(view_server *self)
{
    if (self == NULL)
        return;
    (void)pthread_mutex_lock(&self->lock);
    self->is_closing = 1;
    for (size_t i = 0; i < VIEW_WORKERS; i++)
        if (self->running[i] != NULL)
            atomic_store(&self->running[i]->request.is_cancelled, 1);
    (void)pthread_cond_broadcast(&self->has_work);
    (void)pthread_mutex_unlock(&self->lock);
    atomic_store(&self->is_stopped, 1);
    if (self->context != NULL)
        lws_cancel_service(self->context);
    for (size_t i = self->thread_count; i > 0; i--)
        (void)pthread_join(self->threads[i - 1], NULL);
    if (self->context != NULL)
        lws_context_destroy(self->context);
    if (self->listen_fd >= 0)
        (void)close(self->listen_fd);
    free_list(self, self->queue);
    free_list(self, self->done);
    (void)pthread_cond_destroy(&self->has_work);
    (void)pthread_mutex_destroy(&self->lock);
    td_free(self);
}
