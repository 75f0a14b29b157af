/* Limit: how many frames per second does a bare libwebsockets server send to one client that only
 * reads? Frames are prepared in advance, with the space before them that lws_write needs, and sent
 * one per call, as long as the socket accepts them.
 *
 *   limit_send CORPUS --frames N [--cert PEM --key PEM]
 *
 * prints its port, then {"frames","wall_s","cpu_s"} for sending them to the first client. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <libwebsockets.h>

typedef struct frame {
    unsigned char *bytes; /* preceded by LWS_PRE bytes of space */
    size_t size;
} frame;

typedef struct sender {
    frame *frames;
    size_t count;
    uint64_t sent, wanted;
    double started_s, ended_s, cpu_started_s, cpu_ended_s;
    int is_done;
} sender;

static void die(const char *what)
{
    fprintf(stderr, "limit_send: %s\n", what);
    exit(4);
}

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

/* Read the lines of a file as frames. */
static void load(sender *self, const char *path)
{
    FILE *in = fopen(path, "rb");
    char *line = NULL;
    size_t space = 0, capacity = 0;
    ssize_t size;
    if (in == NULL)
        die("the corpus cannot be read");
    while ((size = getline(&line, &space, in)) > 1) {
        if (self->count == capacity) {
            capacity = capacity == 0 ? 1024 : 2 * capacity;
            self->frames = realloc(self->frames, capacity * sizeof *self->frames);
        }
        frame *at = &self->frames[self->count++];
        at->size = (size_t)size - 1;
        at->bytes = (unsigned char *)malloc(LWS_PRE + at->size) + LWS_PRE;
        memcpy(at->bytes, line, at->size);
    }
    free(line);
    fclose(in);
    if (self->count == 0)
        die("the corpus holds no frame");
}

static int send_some(struct lws *wsi, sender *self)
{
    while (self->sent < self->wanted && !lws_partial_buffered(wsi)) {
        const frame *next = &self->frames[self->sent++ % self->count];
        if (lws_write(wsi, next->bytes, next->size, LWS_WRITE_TEXT) < (int)next->size)
            die("the client went away");
    }
    if (self->sent < self->wanted || lws_partial_buffered(wsi)) {
        lws_callback_on_writable(wsi);
        return 0;
    }
    self->ended_s = wall_s();
    self->cpu_ended_s = cpu_s();
    lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
    return -1;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    sender *self = lws_context_user(lws_get_context(wsi));
    (void)user;
    (void)in;
    (void)size;
    switch ((int)reason) {
    case LWS_CALLBACK_ESTABLISHED:
        self->started_s = wall_s();
        self->cpu_started_s = cpu_s();
        lws_callback_on_writable(wsi);
        break;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return send_some(wsi, self);
    case LWS_CALLBACK_CLOSED:
        self->is_done = 1;
        break;
    default:
        break;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct lws_protocols PROTOCOLS[] = {{"send", on_event, 0, 4096, 0, NULL, 0},
                                                     {NULL, NULL, 0, 0, 0, NULL, 0}};
    sender self = {0};
    struct lws_context_creation_info about = {
        .port = 0, .iface = "127.0.0.1", .protocols = PROTOCOLS, .user = &self};
    const char *corpus = NULL;
    about.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--frames") == 0 && i + 1 < argc)
            self.wanted = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--cert") == 0 && i + 1 < argc)
            about.ssl_cert_filepath = argv[++i];
        else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc)
            about.ssl_private_key_filepath = argv[++i];
        else
            corpus = argv[i];
    }
    if (corpus == NULL)
        die("usage: limit_send CORPUS --frames N [--cert PEM --key PEM]");
    load(&self, corpus);
    lws_set_log_level(LLL_ERR, NULL);
    if (about.ssl_cert_filepath != NULL)
        about.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    struct lws_context *context = lws_create_context(&about);
    struct lws_vhost *host = context == NULL ? NULL : lws_create_vhost(context, &about);
    if (host == NULL)
        die("cannot listen");
    printf("%d\n", lws_get_vhost_listen_port(host));
    fflush(stdout);
    while (!self.is_done && lws_service(context, 0) >= 0)
        ;
    lws_context_destroy(context);
    printf("{\"frames\":%llu,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n", (unsigned long long)self.sent,
           self.ended_s - self.started_s, self.cpu_ended_s - self.cpu_started_s);
    return 0;
}
