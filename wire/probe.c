#include "wire/probe.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/dial.h"

typedef struct probe {
    dial dial;
    void (*done)(void *user, wire_cause cause, const char *text);
    void *user;
} probe;

static void free_probe(probe *self)
{
    wire_loop *loop = self->dial.loop;
    dial_close(&self->dial);
    loop_free_later(loop, self);
}

static void finish(probe *self, wire_cause cause, const char *text)
{
    self->done(self->user, cause, text);
    free_probe(self);
}

static void on_ready(void *user)
{
    finish(user, WIRE_CAUSE_NONE, "");
}

/* on_ready closes the connection, so nothing is received. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as dial_ops has it */
static size_t on_received(void *user, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    (void)user;
    (void)bytes;
    (void)read_ns;
    return size;
}

static void on_ended(void *user, wire_cause cause, const char *text)
{
    probe *self = user;
    if (cause == WIRE_CAUSE_CLOSED_BY_PEER)
        finish(self, cause, "the server closed the connection");
    else
        finish(self, cause, text);
}

static const dial_ops DIAL_OPS = {.ready = on_ready, .received = on_received, .ended = on_ended};

td_result wire_probe_begin(wire_loop *loop, const wire_probe_options *options, td_err *err)
{
    TD_ASSERT(options->done != NULL);
    probe *self = td_alloc_zero(1, sizeof *self);
    self->done = options->done;
    self->user = options->user;
    self->dial.loop = loop;
    self->dial.link.loop = loop;
    self->dial.url = *options->server;
    self->dial.step = "connection";
    td_result rc =
        dial_begin(&self->dial, loop, options->ca_file, options->timeout_ns, &DIAL_OPS, self, err);
    if (rc != TD_OK)
        free_probe(self);
    return rc;
}
