/* A client of libwebsockets, for tests/e2e/serve/other_websocket_programs.test.mjs: it sends a
 * request, prints each message and a LF, then "closed CODE".
 *
 * lws_client URL REQUEST plain|deflate [CA_FILE] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>

typedef struct session {
    const char *request;
    unsigned code;
    int is_done;
} session;

static int send_request(struct lws *wsi, const char *request)
{
    unsigned char buffer[LWS_PRE + 1024];
    size_t size = strlen(request);
    if (size > sizeof buffer - LWS_PRE)
        return -1;
    memcpy(buffer + LWS_PRE, request, size);
    return lws_write(wsi, buffer + LWS_PRE, size, LWS_WRITE_TEXT) == (int)size ? 0 : -1;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    session *self = lws_context_user(lws_get_context(wsi));
    const unsigned char *bytes = in;
    (void)user;
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return send_request(wsi, self->request);
    case LWS_CALLBACK_CLIENT_RECEIVE:
        fwrite(in, 1, size, stdout);
        if (lws_is_final_fragment(wsi))
            putchar('\n');
        break;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        self->code = size >= 2 ? (unsigned)(bytes[0] << 8 | bytes[1]) : 1005;
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        fprintf(stderr, "lws_client: %s\n", in == NULL ? "cannot connect" : (const char *)in);
        self->is_done = 1;
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        self->is_done = 1;
        break;
    default:
        break;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct lws_protocols PROTOCOLS[] = {{"print", on_event, 0, 4096, 0, NULL, 0},
                                                     {NULL, NULL, 0, 0, 0, NULL, 0}};
    static const struct lws_extension DEFLATE[] = {{"permessage-deflate",
                                                    lws_extension_callback_pm_deflate,
                                                    "permessage-deflate; client_max_window_bits"},
                                                   {NULL, NULL, NULL}};
    const char *scheme, *address, *path;
    char url[512], full_path[520];
    int port;
    if (argc < 4 || strlen(argv[1]) >= sizeof url)
        return 2;
    memcpy(url, argv[1], strlen(argv[1]) + 1);
    if (lws_parse_uri(url, &scheme, &address, &port, &path) != 0)
        return 2;
    snprintf(full_path, sizeof full_path, "/%s", path);
    lws_set_log_level(LLL_ERR, NULL);
    session self = {.request = argv[2]};
    int is_tls = strcmp(scheme, "wss") == 0;
    struct lws_context_creation_info about = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = PROTOCOLS,
        .extensions = strcmp(argv[3], "deflate") == 0 ? DEFLATE : NULL,
        .options = is_tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0,
        .client_ssl_ca_filepath = argc > 4 ? argv[4] : NULL,
        .user = &self};
    struct lws_context *context = lws_create_context(&about);
    struct lws_client_connect_info to = {.context = context,
                                         .address = address,
                                         .host = address,
                                         .origin = address,
                                         .port = port,
                                         .path = full_path,
                                         .local_protocol_name = "print",
                                         .ssl_connection = is_tls ? LCCSCF_USE_SSL : 0};
    if (context == NULL || lws_client_connect_via_info(&to) == NULL)
        return 4;
    while (!self.is_done && lws_service(context, 0) >= 0)
        ;
    lws_context_destroy(context);
    printf("closed %u\n", self.code);
    return 0;
}
