/* A server of libwebsockets, for tests/e2e/serve/other_websocket_programs.test.mjs: it acknowledges
 * the first request as the exchange does, sends each line of a file as a message, and closes with
 * 1001.
 *
 * lws_server FILE plain|deflate [CERTIFICATE KEY]   prints its port, and runs until it is killed */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>

enum { MESSAGE_BYTES_MAX = 1 << 20 };

typedef struct client {
    FILE *file;
    size_t request_size;
    char request[1024];
} client;

static unsigned char buffer[LWS_PRE + MESSAGE_BYTES_MAX];

static int send_text(struct lws *wsi, size_t size)
{
    return lws_write(wsi, buffer + LWS_PRE, size, LWS_WRITE_TEXT) < (int)size ? -1 : 0;
}

/* Sends the acknowledgement, then one line per call; -1 closes. */
static int send_next(struct lws *wsi, client *self)
{
    char *text = (char *)buffer + LWS_PRE;
    if (self->request_size > 0) {
        int size =
            snprintf(text, MESSAGE_BYTES_MAX,
                     "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\",\"request\":%.*s}",
                     (int)self->request_size, self->request);
        self->request_size = 0;
        return send_text(wsi, (size_t)size);
    }
    if (fgets(text, MESSAGE_BYTES_MAX, self->file) != NULL)
        return send_text(wsi, strcspn(text, "\n"));
    lws_close_reason(wsi, LWS_CLOSE_STATUS_GOINGAWAY, NULL, 0);
    return -1;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    client *self = user;
    switch ((int)reason) {
    case LWS_CALLBACK_RECEIVE:
        if (self->file != NULL || size > sizeof self->request)
            break; /* a ping of the dialect */
        memcpy(self->request, in, size);
        self->request_size = size;
        self->file = fopen(lws_context_user(lws_get_context(wsi)), "r");
        if (self->file == NULL)
            return -1;
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        if (self->file == NULL)
            break;
        lws_callback_on_writable(wsi);
        return send_next(wsi, self);
    case LWS_CALLBACK_CLOSED:
        if (self->file != NULL)
            fclose(self->file);
        break;
    default:
        break;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct lws_protocols PROTOCOLS[] = {
        {"send", on_event, sizeof(client), 4096, 0, NULL, 0}, {NULL, NULL, 0, 0, 0, NULL, 0}};
    static const struct lws_extension DEFLATE[] = {
        {"permessage-deflate", lws_extension_callback_pm_deflate, "permessage-deflate"},
        {NULL, NULL, NULL}};
    if (argc < 3)
        return 2;
    lws_set_log_level(LLL_ERR, NULL);
    int is_tls = argc > 4;
    struct lws_context_creation_info about = {
        .port = 0,
        .iface = "127.0.0.1",
        .protocols = PROTOCOLS,
        .extensions = strcmp(argv[2], "deflate") == 0 ? DEFLATE : NULL,
        .options =
            LWS_SERVER_OPTION_EXPLICIT_VHOSTS | (is_tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0),
        .ssl_cert_filepath = is_tls ? argv[3] : NULL,
        .ssl_private_key_filepath = is_tls ? argv[4] : NULL,
        .user = argv[1]};
    struct lws_context *context = lws_create_context(&about);
    struct lws_vhost *vhost = context == NULL ? NULL : lws_create_vhost(context, &about);
    if (vhost == NULL)
        return 4;
    printf("%d\n", lws_get_vhost_listen_port(vhost));
    fflush(stdout);
    while (lws_service(context, 0) >= 0)
        ;
    return 4;
}
