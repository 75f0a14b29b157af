/* How much delay does a relay add to a frame? This program is both the exchange and its client, on
 * one thread that never sleeps, so a frame's delay is caused by sockets and the relay only. A
 * direct and a relayed connection take turns, in short rounds, so that other load affects both
 * equally.
 *
 *   bench_delay CORPUS --cert PEM --key PEM
 *
 * prints the port that it listens on, reads two lines, the relay's URL and CA, then prints
 * {"p50_us","p99_us","direct_p99_us","rounds"}. p50_us and p99_us: medians over all rounds of the
 * delay that the relay adds to that of the direct round before; direct_p99_us: median of the direct
 * rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/corpus.h"
#include "wire/client.h"
#include "wire/server.h"

enum {
    ROUNDS = 50,
    FRAMES = 1000, /* per round */
    PERIOD_NS = 100000,
    LINE_BYTES = 4096,
};

typedef enum side { DIRECT, RELAYED, SIDES } side;

/* A connection, with the client's end and the exchange's end. */
typedef struct path {
    struct bench *owner;
    wire_conn *exchange;
    uint64_t sent_ns[FRAMES];
    uint64_t delay_ns[FRAMES];
    size_t sent, received;
} path;

typedef struct bench {
    wire_loop *loop;
    corpus lines;
    path paths[SIDES];
    size_t connected;
} bench;

static uint64_t now_ns(void)
{
    return clock_mono_ns(clock_real());
}

/* ---- the exchange ---- */

/* The connection is that of the path which connects now: paths connect one after the other. */
static void *on_accepted(void *user, wire_conn *conn, td_bytes at, td_bytes query)
{
    bench *self = user;
    (void)at;
    (void)query;
    self->paths[self->connected].exchange = conn;
    return self;
}

static void on_request(void *user, wire_conn *conn, const ws_message *got)
{
    (void)user;
    (void)conn;
    (void)got;
}

static void send_frame(path *over)
{
    td_err err;
    over->sent_ns[over->sent++] = now_ns();
    must(wire_send(over->exchange, 1, corpus_next(&over->owner->lines), &err), &err);
}

/* ---- the client ---- */

static void on_opened(void *user, wire_conn *conn, const wire_peer *peer)
{
    path *over = user;
    (void)conn;
    (void)peer;
    over->owner->connected++;
}

static void on_message(void *user, wire_conn *conn, const ws_message *got)
{
    path *over = user;
    (void)conn;
    (void)got;
    over->delay_ns[over->received] = now_ns() - over->sent_ns[over->received];
    over->received++;
}

static void on_ended(void *user, const wire_end *end)
{
    (void)user;
    fprintf(stderr, "bench_delay: %s\n", end->text);
    exit(4);
}

static void connect_over(bench *self, side which, const char *url, const char *ca_file)
{
    static const wire_client_ops OPS = {
        .opened = on_opened, .conn.message = on_message, .ended = on_ended};
    td_err err;
    wire_conn *conn;
    path *over = &self->paths[which];
    over->owner = self;
    const wire_client_options options = {.url = url, .ca_file = ca_file, .ops = &OPS, .user = over};
    must(wire_connect(self->loop, &options, &conn, &err), &err);
    while (self->connected == (size_t)which)
        must(wire_loop_run(self->loop, TD_NS_PER_S, &err), &err);
}

/* ---- rounds ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void run_round(path *over, double *p50_us, double *p99_us)
{
    static double sorted[FRAMES];
    td_err err;
    over->sent = over->received = 0;
    for (uint64_t due_ns = now_ns(); over->received < FRAMES;) {
        if (over->sent < FRAMES && now_ns() >= due_ns) {
            send_frame(over);
            due_ns += PERIOD_NS;
        }
        must(wire_loop_run(over->owner->loop, 0, &err), &err);
    }
    for (size_t i = 0; i < FRAMES; i++)
        sorted[i] = (double)over->delay_ns[i] / 1000;
    qsort(sorted, FRAMES, sizeof *sorted, compare);
    *p50_us = sorted[FRAMES / 2];
    *p99_us = sorted[FRAMES * 99 / 100];
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

static void measure(bench *self)
{
    static double p50[ROUNDS], p99[ROUNDS], direct[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        double near50, far50, far99;
        run_round(&self->paths[DIRECT], &near50, &direct[i]);
        run_round(&self->paths[RELAYED], &far50, &far99);
        p50[i] = far50 - near50;
        p99[i] = far99 - direct[i];
    }
    printf("{\"p50_us\":%.1f,\"p99_us\":%.1f,\"direct_p99_us\":%.1f,\"rounds\":%d}\n", median(p50),
           median(p99), median(direct), ROUNDS);
}

static void read_line(char line[LINE_BYTES])
{
    if (fgets(line, LINE_BYTES, stdin) == NULL)
        exit(4);
    line[strcspn(line, "\n")] = '\0';
}

int main(int argc, char **argv)
{
    static const wire_server_ops OPS = {.opened = on_accepted, .conn.message = on_request};
    static bench self;
    char url[LINE_BYTES], ca_file[LINE_BYTES];
    td_err err;
    wire_server *server;
    if (argc != 6) {
        fprintf(stderr, "usage: bench_delay CORPUS --cert PEM --key PEM\n");
        return 2;
    }
    wire_server_options options = {.listen = "127.0.0.1:0",
                                   .tls_cert = argv[3],
                                   .tls_key = argv[5],
                                   .ops = &OPS,
                                   .user = &self};
    self.lines = corpus_load(argv[1]);
    must(wire_loop_open(clock_real(), NULL, &self.loop, &err), &err);
    must(wire_server_open(self.loop, &options, &server, &err), &err);
    printf("%s\n", strrchr(wire_server_url(server), ':') + 1);
    fflush(stdout);
    (void)snprintf(url, sizeof url, "%s/realtime", wire_server_url(server));
    connect_over(&self, DIRECT, url, argv[3]);
    read_line(url);
    read_line(ca_file);
    connect_over(&self, RELAYED, url, ca_file);
    measure(&self);
    fflush(stdout);
    _Exit(0); /* without closing the connections */
}
