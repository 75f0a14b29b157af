/* An HTTP server for one machine. It has a thread of its own; answers are made by others, on worker
 * threads, and only sent by it. For a browser it serves the page, and answers below api/, all below
 * a secret path. For machines (the state of a recorder) it has answers only, at the root, and
 * without a secret, because they hold none.
 *
 * Refused, each with a status and a line of text: other methods than GET and HEAD (405), a Host
 * that is not exactly a name of this server (421), an Origin of another page (403), a path without
 * the secret (403, all three for a browser only), unknown paths (404), and requests while too many
 * answers wait (503). A client that sends no request or does not read its answer is disconnected
 * after some seconds, or earlier if all connections are in use. */
#ifndef TD_VIEW_SERVER_H
#define TD_VIEW_SERVER_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    VIEW_SECRET_BYTES = 33, /* 32 hex digits and the NUL */
    VIEW_PATH_BYTES = 256,
    VIEW_ARGS_MAX = 12,
    VIEW_ARG_BYTES = 1024,
    VIEW_ANSWER_BYTES_MAX = 8 << 20,
    VIEW_ANSWERS_MAX = 10, /* answers that wait, are made or are sent at a time */
    VIEW_CONNECTIONS_MAX = 64,
    VIEW_WORKERS = 3,
};

/* A request for an answer. */
typedef struct view_request {
    char path[VIEW_PATH_BYTES];               /* decoded, below the secret path: "timeline" */
    char args[VIEW_ARGS_MAX][VIEW_ARG_BYTES]; /* decoded: "from=1795154400000000000" */
    size_t arg_count;
    atomic_int is_cancelled; /* 1: the client has left, or the server closes */
} view_request;

/* The value of an argument, or NULL. */
const char *view_request_arg(const view_request *request, const char *name);

/* An answer. A status above 399 needs a text body. */
typedef struct view_reply {
    unsigned status;  /* HTTP */
    const char *type; /* media type; static */
    td_buf body;      /* at most VIEW_ANSWER_BYTES_MAX */
} view_reply;

/* Make body the text of an error. */
void view_reply_fail(view_reply *reply, unsigned status, const char *text);

typedef enum view_audience { VIEW_FOR_BROWSER, VIEW_FOR_MACHINES } view_audience;

typedef struct view_server_options {
    const char *listen; /* "HOST:PORT"; port 0: the kernel chooses */
    const char *option; /* the option with this value, for errors */
    view_audience audience;
    /* Answer a request below api/, or any for machines, on a worker thread; several at a time.
     * reply is zero. */
    void (*answer)(void *user, view_request *request, view_reply *reply);
    void *user;
} view_server_options;

typedef struct view_server view_server;

/* Listen on exactly this address, and serve. TD_E_INVALID (the address), TD_E_NETWORK (cannot
 * listen there), TD_E_IO (a thread). options is borrowed for the call. */
TD_MUST_USE td_result view_server_open(const view_server_options *options, view_server **out,
                                       td_err *err);

/* Where it is: "http://127.0.0.1:40123/SECRET/". And its port. */
const char *view_server_url(const view_server *server);
unsigned view_server_port(const view_server *server);

/* Disconnect all clients, cancel the answers that are being made and wait for them, free. NULL is
 * fine. */
void view_server_close(view_server *server);

#endif
