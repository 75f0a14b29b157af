/* A channel of a segment, as its lists have it. */
#ifndef TD_FORMAT_SEGMENT_CHANNEL_H
#define TD_FORMAT_SEGMENT_CHANNEL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/channel.h"
#include "base/err.h"

typedef struct segment_channel {
    uint16_t id;                /* MCAP channel id; also the bit in chunk bitmaps */
    uint32_t index;             /* in the list that has it */
    channel_info info;          /* strings owned by that list */
    uint64_t message_count;     /* in the segment; UINT64_MAX: not known */
    uint64_t first_ns, last_ns; /* recv_ns of these, where they are known */
} segment_channel;

/* Check the names of a channel: each has space for its NUL in a limit of base/limits.h; feed and
 * topic are not empty. TD_E_INVALID. */
TD_MUST_USE td_result segment_channel_check(const channel_info *info, td_err *err);

/* Append the pairs of a channel's metadata. */
void segment_channel_pack(const channel_info *info, td_buf *pack);

/* Give the channel strings of its own, copies of those it has (NULL: ""); and free them. They
 * are one allocation, which begins with the feed. */
void segment_channel_own_strings(segment_channel *channel);
void segment_channel_free_strings(segment_channel *channel);

#endif
