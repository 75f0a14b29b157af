/* How many frames per second does wire/server send to one client that only reads?
 *
 *   bench_send CORPUS --frames N [--cert PEM --key PEM]
 *
 * prints its port, then {"frames","wall_s","cpu_s"} for sending them to the first client. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "benchmarks/corpus.h"
#include "wire/server.h"

/* Maximum size of the queue: more would not fit into the CPU's caches. */
enum { QUEUED_BYTES = 256 << 10 };

typedef struct sender {
    corpus lines;
    uint64_t sent, wanted;
    double started_s, ended_s, cpu_started_s, cpu_ended_s;
    int is_done;
} sender;

static double seconds(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void send_some(void *user, wire_conn *conn)
{
    sender *self = user;
    td_err err;
    while (self->sent < self->wanted && wire_waiting_bytes(conn) < QUEUED_BYTES) {
        must(wire_send(conn, 1, corpus_next(&self->lines), &err), &err);
        self->sent++;
    }
    if (self->sent < self->wanted || wire_waiting_bytes(conn) > 0)
        return;
    self->ended_s = seconds(CLOCK_MONOTONIC);
    self->cpu_ended_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
    wire_close(conn, 1000, td_bytes_of(NULL, 0));
}

static void *on_opened(void *user, wire_conn *conn, td_bytes path, td_bytes query)
{
    sender *self = user;
    (void)path;
    (void)query;
    self->started_s = seconds(CLOCK_MONOTONIC);
    self->cpu_started_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
    send_some(self, conn);
    return self;
}

static void on_message(void *user, wire_conn *conn, const ws_message *got)
{
    (void)user;
    (void)conn;
    (void)got;
}

static void on_closed(void *user)
{
    sender *self = user;
    self->is_done = 1;
}

int main(int argc, char **argv)
{
    static const wire_server_ops OPS = {.opened = on_opened,
                                        .conn.message = on_message,
                                        .conn.drained = send_some,
                                        .closed = on_closed};
    td_err err;
    sender self = {0};
    wire_loop *loop;
    wire_server *server;
    wire_server_options options = {
        .listen = "127.0.0.1:0", .is_plain = 1, .ops = &OPS, .user = &self};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--frames") == 0 && i + 1 < argc)
            self.wanted = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--cert") == 0 && i + 1 < argc)
            options.tls_cert = argv[++i];
        else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc)
            options.tls_key = argv[++i];
        else
            self.lines = corpus_load(argv[i]);
    }
    if (self.lines.lines.size == 0) {
        fprintf(stderr, "usage: bench_send CORPUS --frames N [--cert PEM --key PEM]\n");
        return 2;
    }
    options.is_plain = options.tls_cert == NULL;
    must(wire_loop_open(clock_real(), NULL, &loop, &err), &err);
    must(wire_server_open(loop, &options, &server, &err), &err);
    printf("%s\n", strrchr(wire_server_url(server), ':') + 1);
    fflush(stdout);
    while (!self.is_done)
        must(wire_loop_run(loop, TD_NS_PER_S, &err), &err);
    wire_server_close(server);
    wire_loop_close(loop);
    printf("{\"frames\":%llu,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n", (unsigned long long)self.sent,
           self.ended_s - self.started_s, self.cpu_ended_s - self.cpu_started_s);
    return 0;
}
