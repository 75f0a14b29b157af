/* How many frames per second can the recorder's network thread receive? wire/client passes each
 * frame to the intake, which stamps it and copies it into the ring. This thread also empties the
 * ring, instead of the encoder.
 *
 *   bench_receive URL [--ca-file PEM]      prints {"frames","bytes","wall_s","cpu_s"} */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "recorder/pipeline/intake.h"
#include "wire/client.h"

typedef struct receiver {
    td_ring *ring;
    intake *into;
    intake_slot slot;
    double started_s, ended_s, cpu_started_s, cpu_ended_s;
    int is_done;
} receiver;

static void must(td_result rc, const td_err *err)
{
    if (rc == TD_OK)
        return;
    fprintf(stderr, "bench_receive: %s\n", err->text);
    exit(4);
}

static double seconds(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void on_opened(void *user, wire_conn *conn, const wire_peer *peer)
{
    receiver *self = user;
    (void)conn;
    (void)peer;
    self->started_s = seconds(CLOCK_MONOTONIC);
    self->cpu_started_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void on_message(void *user, wire_conn *conn, const ws_message *received)
{
    receiver *self = user;
    (void)conn;
    intake_frame(self->into, &self->slot, CHANNEL_IN, received);
}

static void on_ended(void *user, const wire_end *end)
{
    receiver *self = user;
    if (end->close_code != 1000)
        fprintf(stderr, "bench_receive: %s\n", end->text);
    self->ended_s = seconds(CLOCK_MONOTONIC);
    self->cpu_ended_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
    self->is_done = 1;
}

/* Nothing to pause: the ring is emptied after each turn of the loop. */
static void on_full(void *user)
{
    (void)user;
    fprintf(stderr, "bench_receive: the ring is full\n");
    exit(4);
}

static void empty(td_ring *ring)
{
    while (td_ring_peek(ring).data != NULL)
        td_ring_release(ring);
}

int main(int argc, char **argv)
{
    static const wire_client_ops OPS = {
        .opened = on_opened, .conn.message = on_message, .ended = on_ended};
    static const pipeline_config CONFIG;
    td_err err;
    wire_loop *loop;
    wire_conn *conn;
    receiver self = {.slot = {.conn = 1}};
    if (argc != 2 && !(argc == 4 && strcmp(argv[2], "--ca-file") == 0)) {
        fprintf(stderr, "usage: bench_receive URL [--ca-file PEM]\n");
        return 2;
    }
    must(td_ring_open(LIMIT_RING_BYTES, &self.ring, &err), &err);
    const intake_options receiving = {.ring = self.ring,
                                      .clock = clock_real(),
                                      .config = &CONFIG,
                                      .pause = on_full,
                                      .resume = on_full};
    self.into = intake_open(&receiving);
    must(wire_loop_open(clock_real(), NULL, &loop, &err), &err);
    const wire_client_options options = {
        .url = argv[1], .ca_file = argc == 4 ? argv[3] : NULL, .ops = &OPS, .user = &self};
    must(wire_connect(loop, &options, &conn, &err), &err);
    while (!self.is_done) {
        must(wire_loop_run(loop, TD_NS_PER_S, &err), &err);
        empty(self.ring);
    }
    wire_loop_close(loop);
    intake_stats stats;
    intake_get_stats(self.into, &stats);
    intake_close(self.into);
    td_ring_close(self.ring);
    if (stats.frames_in == 0)
        return 4;
    printf("{\"frames\":%llu,\"bytes\":%llu,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n",
           (unsigned long long)stats.frames_in, (unsigned long long)stats.bytes_in,
           self.ended_s - self.started_s, self.cpu_ended_s - self.cpu_started_s);
    return 0;
}
