#include "pipeline/heartbeats.h"

#include <string.h>

#include "base/assert.h"

td_bytes heartbeats_hide(redactor *secrets, td_bytes bytes, uint8_t copy[EVENT_CONTROL_BYTES_MAX])
{
    TD_ASSERT(bytes.size <= EVENT_CONTROL_BYTES_MAX);
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    if (secrets != NULL)
        redactor_apply(secrets, copy, bytes.size);
    return td_bytes_of(copy, bytes.size);
}

/* An event of one, with its bytes, or (frames > 0) of several. */
static void emit(const heartbeat_target *to, heartbeat_kind kind, td_bytes bytes, uint64_t frames)
{
    uint8_t payload[EVENT_CONTROL_BYTES_MAX];
    char text[EVENT_CONTROL_TEXT_BYTES];
    event heartbeat = {.kind = EVENT_HEARTBEAT,
                       .line = to->slot->line,
                       .shard = to->slot->shard,
                       .conn = to->slot->conn,
                       .what = kind == PING_IN || kind == PING_OUT ? "ping" : "pong",
                       .dir = kind == PING_OUT || kind == PONG_OUT ? "out" : "in",
                       .frames = frames};
    event_put_bytes(heartbeats_hide(to->redactor, bytes, payload), text, &heartbeat.payload,
                    &heartbeat.payload_hex);
    intake_event(to->intake, to->slot->feed_index, &heartbeat);
}

void heartbeats_end(heartbeats *self, const heartbeat_target *to)
{
    for (int kind = 0; kind < HEARTBEAT_KINDS; kind++) {
        if (self->further[kind] > 0)
            emit(to, (heartbeat_kind)kind, (td_bytes){0}, self->further[kind]);
        self->further[kind] = 0;
    }
    self->since_mono_ns = to->mono_ns;
    self->written = 0;
}

void heartbeats_tick(heartbeats *self, const heartbeat_target *to)
{
    if (to->mono_ns - self->since_mono_ns >= TD_NS_PER_S)
        heartbeats_end(self, to);
}

int heartbeats_note(heartbeats *self, const heartbeat_target *to, heartbeat_kind kind,
                    td_bytes payload)
{
    heartbeats_tick(self, to);
    if (self->written < HEARTBEATS_A_SECOND) {
        self->written++;
        emit(to, kind, payload, 0);
        return 0;
    }
    int is_first = !self->is_flood;
    self->further[kind]++;
    self->is_flood = 1;
    return is_first;
}
