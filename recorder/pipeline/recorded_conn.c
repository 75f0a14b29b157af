#include "recorder/pipeline/recorded_conn.h"

#include <string.h>

#include "base/assert.h"

uint64_t recorded_conn_emit(const recorded_conn *self, const event *what)
{
    TD_ASSERT(self->slot->conn > 0);
    event of_slot = *what;
    of_slot.line = self->slot->line;
    of_slot.shard = self->slot->shard;
    of_slot.conn = self->slot->conn;
    return intake_event(self->intake, self->slot->feed_index, &of_slot);
}

/* ---- WebSocket pings and pongs ---- */

/* Copy the bytes of a control frame, with secrets overwritten. */
static td_bytes hide(const recorded_conn *self, td_bytes bytes,
                     uint8_t copy[EVENT_CONTROL_BYTES_MAX])
{
    TD_ASSERT(bytes.size <= EVENT_CONTROL_BYTES_MAX);
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    if (self->redactor != NULL)
        redactor_apply_text(self->redactor, copy, bytes.size);
    return td_bytes_of(copy, bytes.size);
}

/* Write an event of one heartbeat, with its bytes, or of several that were only counted (frames >
 * 0). */
static void emit_heartbeat(const recorded_conn *self, heartbeat_kind kind, td_bytes bytes,
                           uint64_t frames)
{
    uint8_t payload[EVENT_CONTROL_BYTES_MAX];
    char text[EVENT_CONTROL_TEXT_BYTES];
    event heartbeat = {.kind = EVENT_HEARTBEAT,
                       .what = kind == PING_IN || kind == PING_OUT ? "ping" : "pong",
                       .dir = kind == PING_OUT || kind == PONG_OUT ? "out" : "in",
                       .frames = frames};
    event_put_bytes(hide(self, bytes, payload), text, &heartbeat.payload, &heartbeat.payload_hex);
    recorded_conn_emit(self, &heartbeat);
}

static void end_second(recorded_conn *self)
{
    for (int kind = 0; kind < HEARTBEAT_KINDS; kind++) {
        if (self->heartbeats_extra[kind] > 0)
            emit_heartbeat(self, (heartbeat_kind)kind, (td_bytes){0}, self->heartbeats_extra[kind]);
        self->heartbeats_extra[kind] = 0;
    }
    self->second_mono_ns = clock_mono_ns(self->clock);
    self->heartbeats_written = 0;
}

void recorded_conn_tick(recorded_conn *self)
{
    if (clock_mono_ns(self->clock) - self->second_mono_ns >= TD_NS_PER_S)
        end_second(self);
}

int recorded_conn_heartbeat(recorded_conn *self, heartbeat_kind kind, td_bytes payload)
{
    recorded_conn_tick(self);
    if (self->heartbeats_written < HEARTBEATS_A_SECOND) {
        self->heartbeats_written++;
        emit_heartbeat(self, kind, payload, 0);
        return 0;
    }
    int is_first = !self->is_flooded;
    self->heartbeats_extra[kind]++;
    self->is_flooded = 1;
    return is_first;
}

/* ---- completeness ---- */

void recorded_conn_pinged(recorded_conn *self, ping_kind kind)
{
    open_pings *open = &self->pings[kind];
    if (open->extra > 0 || open->count == OPEN_PINGS_MAX)
        open->extra++;
    else
        open->sent_ns[open->count++] = self->intake == NULL ? 0 : intake_now_ns(self->intake);
}

void recorded_conn_ponged(recorded_conn *self, ping_kind kind)
{
    open_pings *open = &self->pings[kind];
    if (open->count == 0) {
        open->extra -= open->extra > 0;
        return;
    }
    if (self->slot != NULL && open->sent_ns[0] > self->slot->complete_ns)
        self->slot->complete_ns = open->sent_ns[0];
    memmove(&open->sent_ns[0], &open->sent_ns[1], --open->count * sizeof open->sent_ns[0]);
}

size_t recorded_conn_open_pings(const recorded_conn *self, ping_kind kind)
{
    return self->pings[kind].count + self->pings[kind].extra;
}

/* ---- begin and end ---- */

void recorded_conn_begin(recorded_conn *self, intake *into, intake_slot *slot, const event *peer)
{
    event opened = *peer;
    self->intake = into;
    self->slot = slot;
    /* Open pings were stamped by another session's clock. */
    for (int kind = 0; kind < PING_KINDS; kind++)
        memset(self->pings[kind].sent_ns, 0, sizeof self->pings[kind].sent_ns);
    slot->conn++;
    slot->in = slot->out = 0;
    intake_opened(into, slot);
    opened.kind = EVENT_CONNECT;
    slot->complete_ns = recorded_conn_emit(self, &opened);
    opened.kind = EVENT_TLS;
    if (opened.tls_version != NULL)
        recorded_conn_emit(self, &opened);
}

uint64_t recorded_conn_end(recorded_conn *self, const event *disconnect, td_bytes reason)
{
    event ended = *disconnect;
    uint8_t hidden[EVENT_CONTROL_BYTES_MAX];
    char text[EVENT_CONTROL_TEXT_BYTES];
    end_second(self);
    memset(self->pings, 0, sizeof self->pings);
    ended.kind = EVENT_DISCONNECT;
    ended.in = self->slot->in;
    ended.out = self->slot->out;
    event_put_bytes(hide(self, reason, hidden), text, &ended.reason, &ended.reason_hex);
    return recorded_conn_emit(self, &ended);
}
