/* An observer (play/observer.h) that hashes what decoding each frame gave, and the book after it,
 * as docs/regress.md defines: what a baseline has of frames. It keeps them by stream until they are
 * put into a baseline, at a moment when no worker is busy (player_drain). */
#ifndef TD_REGRESS_FRAME_HASHES_H
#define TD_REGRESS_FRAME_HASHES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "play/observer.h"
#include "regress/baseline.h"
#include "regress/decoder_map.h"
#include "schema/canonical.h"

typedef struct frame_hashes frame_hashes;

typedef struct frame_hashes_options {
    canonical_members members;
    uint8_t is_full;        /* 1: keep decodes, too */
    const decoder_map *map; /* what is left out of messages; NULL: nothing. Borrowed */
    size_t bytes_max;       /* of what is kept: more is put */
} frame_hashes_options;

/* TD_E_NOMEM. */
TD_MUST_USE td_result frame_hashes_open(const frame_hashes_options *options, frame_hashes **out,
                                        td_err *err);

/* After the player is closed. NULL is fine. */
void frame_hashes_close(frame_hashes *hashes);

/* For player_options; hashes is borrowed until the player closes. */
observer frame_hashes_observer(frame_hashes *hashes);

/* 1 if some of what is kept should be put: it fills many blocks, or takes more than bytes_max. Any
 * thread. */
int frame_hashes_are_enough(frame_hashes *hashes);

/* Put what fills blocks into a baseline; or everything, if that is more than bytes_max. Streams
 * that are new to it come in the order of their first frames. Not while a worker is busy. The
 * baseline's errors. */
TD_MUST_USE td_result frame_hashes_put_some(frame_hashes *hashes, baseline *into, td_err *err);

/* Likewise, everything. */
TD_MUST_USE td_result frame_hashes_put(frame_hashes *hashes, baseline *into, td_err *err);

#endif
