#include "recorder/pipeline/rhythm.h"

void rhythm_restart(rhythm *self)
{
    self->last_ns = 0;
}

void rhythm_add(rhythm *self, uint64_t recv_ns)
{
    if (self->window_ns == 0)
        self->window_ns = recv_ns;
    if (self->last_ns != 0 && recv_ns > self->last_ns &&
        recv_ns - self->last_ns > self->longest_ns[0])
        self->longest_ns[0] = recv_ns - self->last_ns;
    self->frames[0]++;
    self->last_ns = recv_ns;
    if (recv_ns < self->window_ns + RHYTHM_WINDOW_NS)
        return;
    /* After a window without a frame, there is nothing to judge by. */
    self->is_known = recv_ns < self->window_ns + 2 * RHYTHM_WINDOW_NS;
    self->longest_ns[1] = self->longest_ns[0];
    self->frames[1] = self->frames[0];
    self->longest_ns[0] = 0;
    self->frames[0] = 0;
    self->window_ns = recv_ns;
}

uint64_t rhythm_longest_ns(const rhythm *self)
{
    if (!self->is_known || (uint64_t)self->frames[0] + self->frames[1] < RHYTHM_FRAMES)
        return UINT64_MAX;
    return self->longest_ns[0] > self->longest_ns[1] ? self->longest_ns[0] : self->longest_ns[1];
}

int rhythm_is_too_long(const rhythm *self, uint64_t silence_ns, uint64_t factor)
{
    uint64_t longest_ns = rhythm_longest_ns(self);
    return longest_ns != UINT64_MAX && silence_ns >= RHYTHM_LEAST_NS &&
           silence_ns / factor >= longest_ns;
}
