#include "wire/conn.h"

#include <string.h>

#include "base/assert.h"
#include "base/random.h"
#include "wire/link.h"

enum {
    CLOSE_GRACE_S = 2, /* time limit of the closing handshake */
    RELAY_GRACE_S = 5, /* time in which a relay's user must answer a close frame */
};

/* ---- time ---- */

static void on_timeout(void *user)
{
    wire_conn *self = user;
    size_t waiting = wire_waiting_bytes(self);
    if (self->role->patience_ns > 0 && waiting > 0 && waiting < self->timed_bytes)
        conn_set_timer(self, self->role->patience_ns);
    else
        self->role->timed_out(self);
}

void conn_set_timer(wire_conn *self, uint64_t wait_ns)
{
    wire_loop *loop = self->link->loop;
    self->timed_bytes = wire_waiting_bytes(self);
    wire_timer_set(loop, &self->timer, loop_now_ns(loop) + wait_ns, on_timeout, self);
}

static void set_closing_timer(wire_conn *self)
{
    int is_patient = self->role->patience_ns > 0 && wire_waiting_bytes(self) > 0;
    conn_set_timer(self, is_patient ? self->role->patience_ns : CLOSE_GRACE_S * TD_NS_PER_S);
}

/* ---- sending ---- */

/* Append a frame. A client must mask its frames. */
static void put_frame(wire_conn *self, unsigned opcode, unsigned flags, td_bytes payload)
{
    uint8_t head[WS_HEAD_BYTES_MAX];
    uint8_t mask[4];
    int is_masked = self->role->peer == WS_FROM_SERVER;
    td_buf *out = link_output(self->link);
    if (is_masked)
        td_random_system(mask, sizeof mask);
    const size_t size = ws_put_head(head, opcode, flags, payload.size, is_masked ? mask : NULL);
    td_buf_add(out, head, size);
    td_buf_add(out, payload.data, payload.size);
    if (is_masked)
        ws_mask(out->data + out->size - payload.size, payload.size, mask, 0);
    link_flush_later(self->link);
}

void wire_peer_address(const wire_conn *self, char out[WIRE_ADDRESS_BYTES])
{
    _Static_assert((int)WIRE_ADDRESS_BYTES == (int)LINK_ADDRESS_BYTES, "it is one");
    link_peer_address(self->link, out);
}

size_t wire_waiting_bytes(const wire_conn *self)
{
    return link_waiting_bytes(self->link);
}

td_result wire_send_message(wire_conn *self, wire_outgoing *message, td_err *err)
{
    const conn_role *role = self->role;
    td_bytes bytes = message->bytes;
    TD_ASSERT(message->opcode == WS_TEXT || message->opcode == WS_BINARY);
    if (self->state != CONN_OPEN || self->end.cause != WIRE_CAUSE_NONE)
        return td_err_set(err, TD_E_NETWORK, "the connection is not open");
    size_t queued = wire_waiting_bytes(self);
    if (bytes.size > role->sent_bytes_max)
        return td_err_set(err, TD_E_LIMIT, "a message of %zu bytes: %zu are allowed", bytes.size,
                          role->sent_bytes_max);
    if (queued > 0 && queued + bytes.size > role->queue_bytes_max)
        return td_err_set(err, TD_E_LIMIT, "%zu bytes queued and %zu more: %zu are allowed", queued,
                          bytes.size, role->queue_bytes_max);
    if (self->is_deflated)
        put_frame(self, message->opcode, WS_FINAL | WS_COMPRESSED, role->compress(self, message));
    else
        put_frame(self, message->opcode, WS_FINAL, bytes);
    if (self->ops->sent != NULL)
        self->ops->sent(self->user, self,
                        &(ws_message){.opcode = message->opcode,
                                      .bytes = bytes,
                                      .mono_ns = loop_now_ns(self->link->loop)});
    return TD_OK;
}

td_result wire_send(wire_conn *self, unsigned opcode, td_bytes bytes, td_err *err)
{
    wire_outgoing message = {.opcode = opcode, .bytes = bytes};
    return wire_send_message(self, &message, err);
}

void wire_relay(wire_conn *self, const ws_message *message)
{
    int is_compressed = (message->form & FORM_COMPRESSED) != 0;
    if (self->state == CONN_OPEN && wire_waiting_bytes(self) <= self->role->queue_bytes_max)
        put_frame(self, message->opcode, is_compressed ? WS_FINAL | WS_COMPRESSED : WS_FINAL,
                  message->raw);
}

/* Answer the latest ping. A peer that pings and does not read gets the answer once the queue has
 * space; earlier pings need no answer (RFC 6455, 5.5.3). */
static void send_pong(wire_conn *self)
{
    if (!self->is_pong_due || self->state != CONN_OPEN ||
        wire_waiting_bytes(self) > self->role->pong_bytes_max)
        return;
    self->is_pong_due = 0;
    const td_bytes pong = td_bytes_of(self->pong, self->pong_size);
    put_frame(self, WS_PONG, WS_FINAL, pong);
    if (self->ops->pong_sent != NULL)
        self->ops->pong_sent(self->user, self, pong);
}

void conn_drained(wire_conn *self)
{
    send_pong(self);
    if (self->state == CONN_OPEN && self->ops->drained != NULL)
        self->ops->drained(self->user, self);
}

/* ---- closing ---- */

int conn_note_end(wire_conn *self, wire_cause cause, const char *text)
{
    TD_ASSERT(cause != WIRE_CAUSE_NONE);
    if (self->end.cause != WIRE_CAUSE_NONE)
        return 0;
    self->end.cause = cause;
    self->end.text = text;
    return 1;
}

wire_cause wire_conn_cause(const wire_conn *self)
{
    return self->end.cause;
}

static void put_close(wire_conn *self, unsigned code, td_bytes reason)
{
    uint8_t payload[WS_CONTROL_BYTES_MAX];
    size_t size = ws_put_close(payload, code, reason);
    put_frame(self, WS_CLOSE, WS_FINAL, td_bytes_of(payload, size));
    self->end.sent_code = code == WS_CODE_ABSENT ? 0 : code;
}

void conn_finish(wire_conn *self)
{
    if (self->state < CONN_CLOSING)
        set_closing_timer(self);
    self->state = CONN_ENDING;
    link_finish(self->link);
    link_resume(self->link);
}

void conn_drop(wire_conn *self)
{
    self->state = CONN_ENDING;
    link_close(self->link);
    conn_set_timer(self, 0);
}

void wire_close(wire_conn *self, unsigned code, td_bytes reason)
{
    TD_ASSERT(code == 0 || (code >= 1000 && code < 5000));
    if (code != 0 && self->state > CONN_OPEN)
        return;
    (void)conn_note_end(self, WIRE_CAUSE_CLOSED_BY_US, "closed by us");
    if (code == 0 || self->state == CONN_OPENING) {
        conn_drop(self);
        return;
    }
    put_close(self, code, reason);
    if (self->is_peer_closed) {
        conn_finish(self);
        return;
    }
    self->state = CONN_CLOSING;
    set_closing_timer(self);
    link_resume(self->link); /* the peer's own close frame must be read */
}

void wire_cut_off(wire_conn *self, wire_cut how)
{
    (void)conn_note_end(self, WIRE_CAUSE_CLOSED_BY_US, "cut off by us");
    if (how == WIRE_CUT_RESET || self->state == CONN_OPENING) {
        link_reset_on_close(self->link);
        conn_drop(self);
    } else if (self->state != CONN_ENDING) {
        conn_finish(self);
    }
}

void wire_pause(wire_conn *self)
{
    self->is_pause_requested = 1;
    if (self->state == CONN_OPEN)
        link_pause(self->link);
}

void wire_resume(wire_conn *self)
{
    self->is_pause_requested = 0;
    if (self->stall_timer == NULL)
        link_resume(self->link);
}

static void end_stall(void *user)
{
    wire_conn *self = user;
    if (!self->is_pause_requested)
        link_resume(self->link);
}

void conn_stall(wire_conn *self, uint64_t wait_ns)
{
    wire_loop *loop = self->link->loop;
    link_pause(self->link);
    wire_timer_set(loop, &self->stall_timer, loop_now_ns(loop) + wait_ns, end_stall, self);
}

/* ---- receiving ---- */

static void answer_close(wire_conn *self, unsigned code)
{
    if (self->state == CONN_OPEN)
        put_close(self, code, td_bytes_of(NULL, 0));
    conn_finish(self);
}

void conn_fail(wire_conn *self, const ws_event *event)
{
    self->role->peer_ended(self, event);
    answer_close(self, event->code);
}

static void on_close_frame(wire_conn *self, const ws_event *event)
{
    const td_bytes reason = event->message.bytes;
    if (reason.size > 0)
        memcpy(self->reason, reason.data, reason.size);
    self->end.close_code = event->code == WS_CODE_ABSENT ? 0 : event->code;
    self->end.close_reason = td_bytes_of(self->reason, reason.size);
    self->role->peer_ended(self, event);
    self->is_peer_closed = self->is_relay && self->state == CONN_OPEN;
    if (self->is_peer_closed)
        conn_set_timer(self, RELAY_GRACE_S * TD_NS_PER_S);
    else
        answer_close(self, event->code);
    if (self->is_relay)
        self->ops->closing(self->user, self, event->code, self->end.close_reason);
}

static void on_heartbeat(wire_conn *self, const ws_message *heartbeat)
{
    if (heartbeat->opcode == WS_PING && !self->is_relay) {
        memcpy(self->pong, heartbeat->bytes.data, heartbeat->bytes.size);
        self->pong_size = heartbeat->bytes.size;
        self->is_pong_due = 1;
    }
    if (self->role->peer == WS_FROM_CLIENT)
        send_pong(self);
    if (self->ops->heartbeat != NULL)
        self->ops->heartbeat(self->user, self, heartbeat);
}

static void on_event(wire_conn *self, ws_event *event)
{
    ws_message *message = &event->message;
    if (message->opcode == WS_CLOSE)
        on_close_frame(self, event);
    else if (self->state == CONN_CLOSING && self->role->peer == WS_FROM_CLIENT)
        return; /* a closing server ignores messages */
    else if (message->opcode != WS_TEXT && message->opcode != WS_BINARY)
        on_heartbeat(self, message);
    else
        self->ops->message(self->user, self, message);
}

void conn_open(wire_conn *self, deflate_receiver *inflater)
{
    self->inflater = inflater;
    ws_reader_init(&self->reader, self->role->peer, inflater, self->role->message_bytes_max);
    self->state = CONN_OPEN;
    wire_timer_cancel(&self->timer);
    if (self->is_pause_requested)
        link_pause(self->link);
}

void conn_fini(wire_conn *self)
{
    wire_timer_cancel(&self->timer);
    wire_timer_cancel(&self->stall_timer);
    ws_reader_fini(&self->reader);
}

size_t conn_read(wire_conn *self, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    const td_clock clock = self->link->loop->clock;
    ws_result rc = WS_EVENT;
    ws_give(&self->reader, bytes, size, read_ns);
    while (rc == WS_EVENT && (self->state == CONN_OPEN || self->state == CONN_CLOSING) &&
           !self->link->is_paused) {
        ws_event event;
        uint64_t begun_ns = self->inflater == NULL ? 0 : clock_thread_ns(clock);
        rc = ws_read(&self->reader, &event);
        if (rc == WS_EVENT)
            on_event(self, &event);
        else if (rc == WS_FAILURE)
            conn_fail(self, &event);
        if (rc == WS_EVENT && (event.message.form & FORM_COMPRESSED) != 0)
            self->role->inflated(self, clock_thread_ns(clock) - begun_ns);
    }
    size_t left = ws_forget_rest(&self->reader);
    send_pong(self);
    return self->state == CONN_ENDING ? size : size - left;
}
