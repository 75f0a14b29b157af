/* A channel in the list of a segment's channels. */
#ifndef TD_FORMAT_SEGMENT_CHANNEL_H
#define TD_FORMAT_SEGMENT_CHANNEL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/channel.h"
#include "base/err.h"

typedef struct segment_channel {
    uint16_t id;                /* MCAP channel id; also the bit in chunk bitmaps */
    uint32_t index;             /* position in its list */
    channel_info info;          /* strings owned by the list */
    uint64_t message_count;     /* in the segment; UINT64_MAX: unknown */
    uint64_t first_ns, last_ns; /* recv_ns of the first and last message; 0 if unknown */
} segment_channel;

/* Check a channel's names: their lengths against base/limits.h (NUL included), and that feed and
 * topic are not empty. TD_E_INVALID. */
TD_MUST_USE td_result segment_channel_check(const channel_info *info, td_err *err);

/* Append a channel's metadata pairs to pack. */
void segment_channel_pack(const channel_info *info, td_buf *pack);

/* 1 if a chunk repeats the channel's definition, before the channel's first message in it:
 * chunks_before of the segment's chunks before it have the channel, and it is the 1st, 2nd, 4th,
 * 8th … one. So one damaged chunk cannot make the channel's other chunks unreadable, and the cost
 * does not grow with the number of chunks. */
static inline int segment_channel_is_repeated(uint32_t chunks_before)
{
    return (chunks_before & (chunks_before + 1)) == 0;
}

/* Replace the channel's strings by copies that it owns (NULL becomes ""); free these copies. They
 * are one allocation, which begins at info.feed. */
void segment_channel_own_strings(segment_channel *channel);
void segment_channel_free_strings(segment_channel *channel);

/* The sum of two numbers of messages; UINT64_MAX, unknown, if one is. */
static inline uint64_t message_count_sum(uint64_t some, uint64_t more)
{
    return some > UINT64_MAX - more ? UINT64_MAX : some + more;
}

#endif
