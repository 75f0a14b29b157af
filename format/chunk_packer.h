/* Packs MCAP records into a chunk: the Chunk record, and the Message Index records of its messages
 * or the Chunk Channels record. Used for segments and exported MCAP files. One thread. */
#ifndef TD_FORMAT_CHUNK_PACKER_H
#define TD_FORMAT_CHUNK_PACKER_H

#include "base/bytes.h"
#include "format/sealed_chunk.h"
#include "pack/pack.h"

enum {
    CHUNK_LEVEL_DEFAULT = 1, /* zstd level 1: level 3 does not compress these frames better */
    CHUNK_LEVEL_FAST = -5,   /* for overload: half the time, a third more bytes */
};

typedef struct chunk_packer chunk_packer;

/* Allocate a packer; free it (NULL is fine). */
chunk_packer *chunk_packer_open(void);
void chunk_packer_close(chunk_packer *packer);

/* Compress whole records into a chunk. Replaces out's content, and sets its members from bytes to
 * channel_count. */
void chunk_packer_pack(chunk_packer *packer, int level, td_bytes records, sealed_chunk *out);

/* As chunk_packer_pack, as columns (pack/pack.h). Records that have too many parts for that become
 * a zstd chunk, at level 3 or 19. So do records of which a zstd chunk is smaller: with PACK_BEST
 * always, with PACK_FAST where columns gain little. */
void chunk_packer_pack_columns(chunk_packer *packer, pack_effort effort, td_bytes records,
                               sealed_chunk *out);

#endif
