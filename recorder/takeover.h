/* Taking an archive over from the recorder that writes it, so that a new version of the program
 * continues the session without a hole:
 *
 *   new process                              running recorder
 *   asks for the session and its slots  -->  answers, and starts no connection on a free line
 *                                            for TAKEOVER_NS
 *   connects each shard on a free line,
 *   until all have their topics; their
 *   frames wait in the ring
 *   tells it to end                     -->  ends its connections as replaced, ends its part of
 *                                            the session, and exits
 *   takes the archive's lock, and writes
 *   what waits into the same session
 *
 * Readers see connections of one session that replace each other (tape/lines.h). If the new process
 * fails before it tells the other one to end, the other one records on as before. */
#ifndef TD_RECORDER_TAKEOVER_H
#define TD_RECORDER_TAKEOVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "archive/archive.h"

/* A takeover that takes longer has failed. */
#define TAKEOVER_NS (60 * TD_NS_PER_S)

/* Requests to the running recorder's control socket. */
#define TAKEOVER_PREPARE "prepare-replace"
#define TAKEOVER_END     "replaced"

/* A slot of the running recorder. */
typedef struct takeover_slot {
    char feed[LIMIT_NAME_BYTES];
    uint32_t line, shard;
    uint32_t conn; /* number of its latest connection; 0: none yet */
    uint8_t is_idle;
} takeover_slot;

/* What the running recorder answers. */
typedef struct takeover {
    char session[SESSION_ID_BYTES];
    uint64_t start_ns; /* of the session */
    takeover_slot *slots;
    size_t slot_count;
} takeover;

/* Free the slots. */
void takeover_fini(takeover *of);

/* Add a copy of a slot. */
void takeover_add(takeover *to, const takeover_slot *slot);

/* Append the answer's text. TD_E_LIMIT. */
TD_MUST_USE td_result takeover_write(const takeover *from, td_buf *out, td_err *err);

/* Ask the recorder of an archive folder. The caller frees *out with takeover_fini, also after a
 * failure. TD_E_NOTFOUND: no recorder runs there; TD_E_BUSY, TD_E_IO. */
TD_MUST_USE td_result takeover_ask(const char *folder, takeover *out, td_err *err);

/* The slot, or NULL. */
const takeover_slot *takeover_find(const takeover *of, const char *feed, uint32_t line,
                                   uint32_t shard);

/* Number of shards of a feed; 0: it has no such feed. */
uint32_t takeover_shard_count(const takeover *of, const char *feed);

/* The first line of the shard that is free; line_count if none is. */
uint32_t takeover_free_line(const takeover *of, const char *feed, uint32_t shard,
                            uint32_t line_count);

/* Tell the running recorder to end, wait until it has ended, and open its archive for appending to
 * the same session. Blocks for up to TAKEOVER_NS. opening: its session is set. TD_E_BUSY: the
 * recorder did not end; TD_E_IO and other errors of archive_open. */
TD_MUST_USE td_result takeover_open(const archive_options *opening, const char *folder,
                                    archive **out, td_err *err);

#endif
