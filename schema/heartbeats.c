#include "schema/heartbeats.h"

static void set_interval(heartbeats *self, uint64_t every_ns, uint64_t now_ns)
{
    self->every_ns = every_ns;
    self->due_ns = now_ns + every_ns;
}

void heartbeats_begin(heartbeats *self, const dialect *spoken, uint64_t now_ns)
{
    const dialect_heartbeats *of = &spoken->heartbeats;
    *self = (heartbeats){.spoken = spoken};
    set_interval(self, of->is_asked ? 0 : of->every_s * UINT64_C(1000000000), now_ns);
}

void heartbeats_requested(heartbeats *self, const dialect_request *request, uint64_t now_ns)
{
    self->is_unanswered = 0;
    /* A client may repeat its request as a ping of its own. */
    if (request->kind != REQUEST_PING && request->heartbeat_ns != self->every_ns)
        set_interval(self, request->heartbeat_ns, now_ns);
    else if (request->kind == REQUEST_HEARTBEATS && self->spoken->heartbeats.interval != NULL)
        self->due_ns = now_ns + self->every_ns;
}

void heartbeats_on_frame(heartbeats *self, uint64_t now_ns)
{
    if (self->spoken->heartbeats.is_idle)
        self->due_ns = now_ns + self->every_ns;
}

heartbeat_step heartbeats_step(heartbeats *self, uint64_t now_ns)
{
    if (self->every_ns == 0 || now_ns < self->due_ns)
        return HEARTBEAT_WAIT;
    if (self->is_unanswered)
        return HEARTBEAT_UNANSWERED;
    self->is_unanswered = self->spoken->heartbeats.interval != NULL;
    self->due_ns = now_ns + self->every_ns;
    self->count++;
    return HEARTBEAT_SEND;
}
