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

/* is_full: 1 keeps decodes, too. map: what is left out of messages; may be NULL, and is borrowed.
 * TD_E_NOMEM. */
TD_MUST_USE td_result frame_hashes_open(canonical_members members, int is_full,
                                        const decoder_map *map, frame_hashes **out, td_err *err);

/* After the player is closed. NULL is fine. */
void frame_hashes_close(frame_hashes *hashes);

/* For player_options; hashes is borrowed until the player closes. */
observer frame_hashes_observer(frame_hashes *hashes);

/* 1 if the frames that are kept should be put: they take more than bytes_max, or less where that
 * fills blocks of their streams. The thread that calls frame_hashes_put, at any time. */
int frame_hashes_are_enough(frame_hashes *hashes, size_t bytes_max);

/* Put what is kept into a baseline, and keep nothing: streams that are new to it in the order of
 * their first frames. Not while a worker is busy. The baseline's errors. */
TD_MUST_USE td_result frame_hashes_put(frame_hashes *hashes, baseline *into, td_err *err);

#endif
