/* Decides up to which time a tape that follows a recorder may return frames, so that the frames of
 * several feeds are in order. Each feed becomes durable by itself: an earlier frame of another feed
 * may become readable later. While the recorder's disk keeps up, that frame is at most delay_ns
 * late. So a frame waits until
 *   - a frame that was received delay_ns after it is readable, or
 *   - the frame itself has been readable for delay_ns by the reader's clock.
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
    uint64_t until_ns; /* frames received before this time may be returned */
    order_sample samples[ORDER_HOLD_SAMPLES];
    size_t count;
} order_hold;

/* Note that at mono_ns the newest readable frame has the receive time newest_ns. Raises until_ns;
 * only the first call after order_hold_end lowers it. If samples is full, the last sample is
 * replaced, which holds frames longer. */
void order_hold_add(order_hold *hold, uint64_t mono_ns, uint64_t newest_ns);

/* Release all frames until the next order_hold_add: no recording is running. */
void order_hold_end(order_hold *hold);

#endif
