#include "recorder/pipeline/live_silence.h"

#include <stdio.h>

#include "base/time_text.h"

/* After a pause of the whole connection, silences of its topics are judged from its end. */
#define SLOT_PAUSE_NS (5 * TD_NS_PER_S)

#define REPORT_NS (60 * TD_NS_PER_S)

void live_slot_hear(live_slot *self, uint32_t conn, uint64_t recv_ns, uint64_t sent_ns)
{
    if (self->conn != conn || recv_ns > self->last_ns + SLOT_PAUSE_NS) {
        self->conn = conn;
        self->since_ns = recv_ns;
        self->since_sent_ns = sent_ns;
    }
    self->last_ns = recv_ns;
}

void live_silence_hear(live_silence *self, uint64_t recv_ns, uint64_t sent_ns)
{
    if (self->from_ns != 0)
        rhythm_restart(&self->rhythm);
    self->from_ns = 0;
    self->heard_ns = recv_ns;
    self->sent_ns = sent_ns;
    rhythm_add(&self->rhythm, recv_ns);
}

int live_silence_is_found(live_silence *self, uint64_t factor, uint64_t now_ns)
{
    const live_slot *slot = self->slot;
    const int is_since_frame = self->heard_ns > slot->since_ns;
    const uint64_t heard_ns = is_since_frame ? self->heard_ns : slot->since_ns;
    uint64_t from_ns = is_since_frame ? self->sent_ns : slot->since_sent_ns;
    /* A connection that delivers nothing is stale as a whole. */
    if (factor == 0 || self->heard_ns == 0 ||
        (self->from_ns != 0 && now_ns < self->reported_ns + REPORT_NS) ||
        slot->last_ns + TD_NS_PER_S < now_ns || heard_ns >= now_ns ||
        !rhythm_is_too_long(&self->rhythm, now_ns - heard_ns, factor))
        return 0;
    if (self->from_ns == 0 && from_ns <= self->row_ns)
        from_ns = self->row_ns + 1;
    if (from_ns > self->from_ns)
        self->from_ns = self->row_ns = from_ns;
    self->reported_ns = now_ns;
    return 1;
}

void live_silence_text(const live_silence *self, char *out, size_t size)
{
    char silent[TD_TIME_TEXT_BYTES];
    char usual[TD_TIME_TEXT_BYTES];
    td_duration_format(self->slot->last_ns - self->from_ns, silent);
    td_duration_format(rhythm_longest_ns(&self->rhythm), usual);
    (void)snprintf(out, size, "no frame for %s, before never for more than %s", silent,
                   usual); /* fits */
}
