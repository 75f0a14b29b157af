/* Standing retention of a recorder: removes what is too old, too much, or in the way of new frames,
 * as `prune` does, on a thread of its own, so that recording never waits for it. */
#ifndef TD_RECORDER_RETENTION_H
#define TD_RECORDER_RETENTION_H

#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"
#include "archive/archive.h"
#include "recorder/config.h"

/* Ages and sizes are looked at this often; free space every RETENTION_SPACE_NS. */
#define RETENTION_NS       (600 * TD_NS_PER_S)
#define RETENTION_SPACE_NS (5 * TD_NS_PER_S)

typedef struct retention retention;

/* Open for an archive that is recorded into. NULL if the configuration keeps everything; all
 * functions allow NULL. The pointers are borrowed. */
retention *retention_open(const recorder_config *config, archive *into, const td_log *log);

/* Start the thread if it is time, and it does not run. One thread; call it from time to time. */
void retention_tick(retention *self, uint64_t mono_ns);

/* Wait for the thread, and free. */
void retention_close(retention *self);

#endif
