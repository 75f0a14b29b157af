/* Runs a user's command for segments that are finished, for example to copy them elsewhere. The
 * recorder never waits for it: at most one command runs at a time, and gets all segments that were
 * finished since the one before it was started, as its arguments. */
#ifndef TD_RECORDER_ON_SEGMENT_H
#define TD_RECORDER_ON_SEGMENT_H

#include "base/log.h"
#include "recorder/config.h"

/* Segments that wait for the command; further ones are counted, and the command does not get them.
 */
enum { ON_SEGMENT_WAITING_MAX = 1000 };

typedef struct on_segment on_segment;

/* Open for the configuration's on_segment, whose shell does not get the variables of credentials.
 * NULL without a command; all functions allow NULL. config and log are borrowed; feeds may be added
 * to config between calls. */
on_segment *on_segment_open(const recorder_config *config, const td_log *log);

/* A segment is finished. Any thread. */
void on_segment_add(on_segment *self, const char *path);

/* Start the command if a segment waits and none runs. One thread; call it from time to time. */
void on_segment_tick(on_segment *self);

/* Start the command for what still waits, and free. What runs is left running. */
void on_segment_close(on_segment *self);

#endif
