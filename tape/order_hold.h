/* How far the frames of a tape that follows a recorder may be given, so that those of several feeds
 * come in order. Each feed becomes durable by itself: when a frame can be read, an earlier one of
 * another feed may be readable a little later. No frame of another feed is later than delay_ns, as
 * long as the recorder's disk keeps up; so a frame waits until
 *   - one that was received delay_ns after it can be read, or
 *   - it could be read for delay_ns, by the clock of the reader: nothing came after it.
 * Neither compares the clocks of reader and recorder. */
#ifndef TD_TAPE_ORDER_HOLD_H
#define TD_TAPE_ORDER_HOLD_H

#include <stddef.h>
#include <stdint.h>

enum { ORDER_HOLD_LOOKS = 16 };

/* The newest frame that could be read at a moment. */
typedef struct order_look {
    uint64_t mono_ns;
    uint64_t newest_ns; /* receive time */
} order_look;

/* Zero-initialise, with delay_ns. */
typedef struct order_hold {
    uint64_t delay_ns;
    uint64_t until_ns; /* frames received before it may be given */
    order_look looks[ORDER_HOLD_LOOKS];
    size_t count;
} order_hold;

/* At mono_ns the newest frame that could be read was received at newest_ns; until_ns only rises.
 * Looks beyond those that fit count as the last one, which holds frames longer. */
void order_hold_look(order_hold *hold, uint64_t mono_ns, uint64_t newest_ns);

/* Nothing is recorded any more: all frames may be given, until the next look. */
void order_hold_end(order_hold *hold);

#endif
