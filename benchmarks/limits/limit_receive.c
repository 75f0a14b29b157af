/* Limit: how many frames per second can a bare libwebsockets client receive and count? Nothing is
 * stamped, copied or kept.
 *
 *   limit_receive URL [--ca-file PEM]      prints {"frames","bytes","wall_s","cpu_s"} */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <libwebsockets.h>

/* As large as the recorder's buffer: smaller ones cost 8 to 15 %. */
enum { BUFFER_BYTES = 128 << 10 };

typedef struct tally {
    uint64_t frames, bytes;
    double started_s, ended_s, cpu_started_s, cpu_ended_s;
    int is_done;
} tally;

static double wall_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void finish(tally *count)
{
    count->ended_s = wall_s();
    count->cpu_ended_s = cpu_s();
    count->is_done = 1;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    tally *count = lws_context_user(lws_get_context(wsi));
    (void)user;
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        count->started_s = wall_s();
        count->cpu_started_s = cpu_s();
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        count->bytes += size;
        if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0)
            count->frames++;
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        fprintf(stderr, "limit_receive: %s\n", in == NULL ? "cannot connect" : (const char *)in);
        count->is_done = 1;
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        finish(count);
        break;
    default:
        break;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct lws_protocols PROTOCOLS[] = {
        {"count", on_event, 0, BUFFER_BYTES, 0, NULL, 0}, {NULL, NULL, 0, 0, 0, NULL, 0}};
    tally count = {0};
    const char *scheme, *address, *path;
    int port;
    char url[512];
    if (argc < 2)
        return 2;
    snprintf(url, sizeof url, "%s", argv[1]);
    if (lws_parse_uri(url, &scheme, &address, &port, &path) != 0)
        return 2;
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context_creation_info about = {.port = CONTEXT_PORT_NO_LISTEN,
                                              .protocols = PROTOCOLS,
                                              .pt_serv_buf_size = BUFFER_BYTES,
                                              .user = &count};
    int is_tls = strcmp(scheme, "wss") == 0;
    if (is_tls)
        about.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    if (argc == 4 && strcmp(argv[2], "--ca-file") == 0)
        about.client_ssl_ca_filepath = argv[3];
    struct lws_context *context = lws_create_context(&about);
    char full_path[512];
    snprintf(full_path, sizeof full_path, "/%s", path);
    struct lws_client_connect_info to = {.context = context,
                                         .address = address,
                                         .host = address,
                                         .origin = address,
                                         .port = port,
                                         .path = full_path,
                                         .local_protocol_name = "count",
                                         .ssl_connection = is_tls ? LCCSCF_USE_SSL : 0};
    if (context == NULL || lws_client_connect_via_info(&to) == NULL)
        return 4;
    while (!count.is_done && lws_service(context, 0) >= 0)
        ;
    lws_context_destroy(context);
    if (count.ended_s == 0 || count.frames == 0)
        return 4;
    printf("{\"frames\":%llu,\"bytes\":%llu,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n",
           (unsigned long long)count.frames, (unsigned long long)count.bytes,
           count.ended_s - count.started_s, count.cpu_ended_s - count.cpu_started_s);
    return 0;
}
