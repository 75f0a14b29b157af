/* Pairs the frames of a short part of a sequence with those of the sequence itself, where the part
 * may lack any of them: a tape of one difference (regress/cut.h) has a few frames of a stream, or
 * those of one of several connections whose frames alternate. regress/align.h needs runs of frames
 * that are in both.
 *
 * Order is kept, and as many frames are paired as possible: first those that have the same hash,
 * then those whose bytes' ids agree; of equal choices the one that is nearer in time. Time is
 * (pairs of equal ids) * log(part), memory 12 bytes for each of these. Pure; any thread. */
#ifndef TD_REGRESS_ALIGN_PART_H
#define TD_REGRESS_ALIGN_PART_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

enum {
    ALIGN_PART_FRAMES_MAX = 1 << 16,  /* of the part */
    ALIGN_WHOLE_FRAMES_MAX = 1 << 20, /* of the sequence */
    ALIGN_PART_MATCHES_MAX = 1 << 22, /* pairs of equal ids: ids that agree by chance, at these
                                         lengths, are a quarter of it */
};

#define ALIGN_PART_NONE UINT32_MAX

/* Frames in order. */
typedef struct part_frames {
    const uint16_t *ids;
    const uint64_t *hashes;
    const uint64_t *about_ns; /* when each was received, roughly */
    size_t count;
} part_frames;

/* Pair: of[i] is the index in whole of the part's frame i, or ALIGN_PART_NONE. Of hashes the bits
 * of hash_mask count. TD_E_LIMIT: there is more than the bounds above (too many equal frames);
 * TD_E_NOMEM. */
TD_MUST_USE td_result align_part(const part_frames *whole, const part_frames *part,
                                 uint64_t hash_mask, uint32_t *of, td_err *err);

#endif
