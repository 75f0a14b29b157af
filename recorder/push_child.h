/* Runs `tapedeck push ARCHIVE URL --every 5m` as a child beside a recorder, which never waits for
 * it: the child only reads the archive, with a low priority. One that ends is started again, after
 * waits that grow (recorder/backoff.h). One thread. */
#ifndef TD_RECORDER_PUSH_CHILD_H
#define TD_RECORDER_PUSH_CHILD_H

#include <stdint.h>

#include "base/log.h"
#include "recorder/config.h"

typedef struct push_child push_child;

/* Open for the configuration's push and the archive at path; starts nothing yet. The child does not
 * get the variables of the feeds' credentials. NULL without a URL; all functions allow NULL. All
 * pointers are borrowed; feeds may be added to config between calls. */
push_child *push_child_open(const recorder_config *config, const char *path, const td_log *log);

/* Start the child if none runs and it is time. Call it from time to time, once the archive has a
 * journal. */
void push_child_tick(push_child *self, uint64_t mono_ns);

/* Let the child end after its request in flight, without a wait for it, and free. */
void push_child_close(push_child *self);

#endif
