#include "recorder/announced.h"

enum { DOUBLINGS_MAX = 7 }; /* 30 s becomes an hour */

void announced_opened(announced *self, uint64_t mono_ns)
{
    self->heard_ns = 0;
    self->opened_mono_ns = mono_ns;
}

/* The age that a connection must have before it is replaced. */
static uint64_t least_age_ns(uint32_t in_a_row)
{
    if (in_a_row == 0)
        return 0;
    if (in_a_row > DOUBLINGS_MAX)
        return ANNOUNCED_AGE_MAX_NS;
    return ANNOUNCED_AGE_NS << (in_a_row - 1);
}

int announced_heard(announced *self, uint64_t recv_ns, uint64_t mono_ns, int has_topics,
                    uint64_t *due_mono_ns)
{
    const int is_first = self->heard_ns == 0;
    self->count++;
    self->heard_ns = recv_ns;
    if (!is_first)
        return 0;
    if (mono_ns >= self->opened_mono_ns + ANNOUNCED_AGE_MAX_NS)
        self->in_a_row = 0;
    if (self->in_a_row == 0 && !has_topics)
        self->in_a_row = 1;
    const uint64_t due_ns = self->opened_mono_ns + least_age_ns(self->in_a_row);
    *due_mono_ns = due_ns > mono_ns ? due_ns : mono_ns;
    self->in_a_row++;
    return 1;
}

int announced_explains(const announced *self, uint64_t end_ns)
{
    return self->heard_ns != 0 && end_ns <= self->heard_ns + ANNOUNCED_ENDS_NS;
}
