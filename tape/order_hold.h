/* How far a tape that follows a recorder may return frames, so that several feeds come in order.
 * Each feed becomes durable by itself: an earlier frame of another feed may become readable a
 * little later. As long as the recorder's disk keeps up, no frame is later than delay_ns. So a
 * frame waits until
 *   - a frame that was received delay_ns after it can be read, or
 *   - it has been readable for delay_ns by the reader's clock, and nothing came after it.
 * The clocks of reader and recorder are never compared. */
#ifndef TD_TAPE_ORDER_HOLD_H
#define TD_TAPE_ORDER_HOLD_H

#include <stddef.h>
#include <stdint.h>

enum { ORDER_HOLD_SAMPLES = 16 };

/* The newest frame that was readable at mono_ns. */
typedef struct order_sample {
    uint64_t mono_ns;
    uint64_t newest_ns; /* its receive time */
} order_sample;

/* Zero-initialise, except delay_ns. */
typedef struct order_hold {
    uint64_t delay_ns;
    uint64_t until_ns; /* frames received before it may be returned */
    order_sample samples[ORDER_HOLD_SAMPLES];
    size_t count;
} order_hold;

/* At mono_ns the newest readable frame was received at newest_ns; until_ns only rises. If samples
 * is full, the last one is replaced, which holds frames longer. */
void order_hold_add(order_hold *hold, uint64_t mono_ns, uint64_t newest_ns);

/* Release all frames until the next order_hold_add: no recording is running. */
void order_hold_end(order_hold *hold);

#endif
