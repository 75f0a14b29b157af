/* Limits a repeated log message to one line a minute: the first event is logged at once, later
 * ones together, with their number. Zero-initialise. */
#ifndef TD_BASE_LOG_RATE_H
#define TD_BASE_LOG_RATE_H

#include <stdint.h>

#include "base/clock.h"

#define TD_LOG_RATE_NS (60 * TD_NS_PER_S)

typedef struct td_log_rate {
    uint64_t logged_ns; /* 0: never */
    uint64_t count;     /* events since that line */
} td_log_rate;

/* Count an event at mono_ns > 0, by any clock that does not go back, such as receive times. Returns
 * 0 if no line is due, else the number of events since the last line, including this event. */
static inline uint64_t td_log_rate_count(td_log_rate *self, uint64_t mono_ns)
{
    uint64_t count = ++self->count;
    if (self->logged_ns != 0 && mono_ns - self->logged_ns < TD_LOG_RATE_NS)
        return 0;
    *self = (td_log_rate){.logged_ns = mono_ns};
    return count;
}

#endif
