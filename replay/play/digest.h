/* Digests of a replay: four hashes (XXH3-128) that say whether two replays saw the same.
 *
 *   frames    every frame but the recorder's own events: slot, receive time, ordinal, opcode, bytes
 *   payload   data frames and unknown ones: bytes in order, no times, no ordinals
 *   messages  the decoded form of exactly the frames in payload (schema/canonical.h)
 *   books     the state of the frame's book after each frame in payload
 *
 * One digest per stream (feed, topic, symbol, direction), so that streams can be decoded by
 * different threads; the four are combined over all streams in order of their names. A frame that
 * cannot be decoded goes into messages as a mark, so that its coming or going shows. One thread per
 * digest. */
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

/* "frames", "payload", "messages", "books". */
const char *digest_part_name(digest_part part);

typedef struct digest {
    td_hasher *hashers[DIGEST_PARTS];
    uint64_t frame_count;   /* frames in DIGEST_FRAMES */
    uint64_t payload_count; /* frames in the other three */
} digest;

void digest_init(digest *digest);
void digest_fini(digest *digest);

/* Add a frame. The caller gives the hash of its bytes, so that they are read once for two digests.
 */
void digest_add_frame(digest *digest, const frame_ref *frame, td_hash128 bytes_hash);

/* Add a data frame to the others, with its topic's track for the book (NULL: none). */
void digest_add_payload(digest *digest, const frame_ref *frame, td_hash128 bytes_hash,
                        track *track);

/* What a digest of streams takes of one: its hashes, of the parts that cover a frame of it. */
typedef struct digest_parts {
    td_hash128 hash[DIGEST_PARTS];
    uint8_t has[DIGEST_PARTS];
} digest_parts;

digest_parts digest_parts_of(const digest *stream);

/* Add a stream to a digest of streams, which must come by feed, topic, symbol, direction. */
void digest_add_parts(digest *sum, const char *feed, const char *topic, const char *symbol,
                      channel_dir dir, const digest_parts *stream);

/* The result as hex digits with NUL, by digest_part. */
void digest_hex(const digest *sum, char out[DIGEST_PARTS][TD_HASH128_HEX_BYTES]);

#endif
