/* Digests of a replay: four hashes (XXH3-128) that show whether two replays are equal.
 *
 *   frames    every frame but the recorder's own events: slot, receive time, ordinal, opcode, bytes
 *   payload   data frames and unknown frames: bytes in order, no times, no ordinals
 *   messages  the decoded form of exactly the frames in payload (schema/canonical.h)
 *   books     the state of the frame's book after each frame in payload
 *
 * Each stream (feed, topic, symbol, direction) has a digest, so that different threads can decode
 * different streams. The digests of all streams are combined in the order of the streams' names. A
 * frame that cannot be decoded adds a mark to messages, so that it changes the digest. One thread
 * per digest. */
#ifndef TD_PLAY_DIGEST_H
#define TD_PLAY_DIGEST_H

#include "base/hash.h"
#include "book/continuity.h"
#include "schema/frame.h"

typedef enum digest_part {
    DIGEST_FRAMES,
    DIGEST_PAYLOAD,
    DIGEST_MESSAGES,
    DIGEST_BOOKS,
    DIGEST_PARTS,
} digest_part;

/* The name of a part: "frames", "payload", "messages", "books". */
const char *digest_part_name(digest_part part);

typedef struct digest {
    td_hasher *hashers[DIGEST_PARTS];
    uint64_t frame_count;   /* frames in DIGEST_FRAMES */
    uint64_t payload_count; /* frames in each of the parts payload, messages and books */
} digest;

/* Start a digest, without frames. fini frees its hashers; calling it again is fine. */
void digest_init(digest *digest);
void digest_fini(digest *digest);

/* Add a frame. bytes_hash: hash of the frame's bytes, which the caller computes once for both
 * functions. */
void digest_add_frame(digest *digest, const frame_ref *frame, td_hash128 bytes_hash);

/* Add a data frame to the parts payload, messages and books. track: the topic's track, which has
 * the frame's book; NULL: no book. */
void digest_add_payload(digest *digest, const frame_ref *frame, td_hash128 bytes_hash,
                        track *track);

/* A stream's contribution to a digest of streams: the hash of each part that covers a frame. */
typedef struct digest_parts {
    td_hash128 hash[DIGEST_PARTS];
    uint8_t has[DIGEST_PARTS];
} digest_parts;

/* The hashes of a stream so far. */
digest_parts digest_parts_of(const digest *stream);

/* Add a stream to a digest of streams, in the order of feed, topic, symbol, direction. */
void digest_add_parts(digest *sum, const char *feed, const char *topic, const char *symbol,
                      channel_dir dir, const digest_parts *stream);

/* Write the result as hex digits with a NUL, for each digest_part. */
void digest_hex(const digest *sum, char out[DIGEST_PARTS][TD_HASH128_HEX_BYTES]);

#endif
