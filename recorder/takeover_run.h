/* Both sides of a takeover (recorder/takeover.h) as work on the feeds: the new process connects on
 * free lines, waits, and continues the archive; the running recorder lists its slots. */
#ifndef TD_RECORDER_TAKEOVER_RUN_H
#define TD_RECORDER_TAKEOVER_RUN_H

#include <stdatomic.h>

#include "base/err.h"
#include "archive/archive.h"
#include "recorder/feed.h"

/* ---- the new process: feeds->replaces is set ---- */

/* Prepare to record beside the recorder that is replaced: the past is read when it has ended.
 * TD_E_INVALID: its feeds differ from the configuration's. */
TD_MUST_USE td_result takeover_open_beside(feed_list *feeds, const char *folder, td_err *err);

/* Start the slots of a feed that the running recorder does not use, one for each shard. */
void takeover_start_beside(const feed *of);

/* Run the loop until each shard has its topics. TD_E_BUSY: not by until_mono_ns, too little
 * space in the ring, or stopped. */
TD_MUST_USE td_result takeover_wait(const feed_list *feeds, uint64_t until_mono_ns,
                                    const atomic_int *is_stopped, td_err *err);

/* Tell the running recorder to end, take its archive, and continue its session. from: the archive,
 * open for reading. *into gets it, open for appending, also after some failures. */
TD_MUST_USE td_result takeover_run(feed_list *feeds, archive *from, archive **into, td_err *err);

/* ---- the running recorder ---- */

/* 1 if each shard has one connection per line: none is being replaced. */
int takeover_has_free_lines(const feed_list *feeds);

/* List the slots of the feeds. */
void takeover_list_slots(const feed_list *feeds, takeover *out);

#endif
