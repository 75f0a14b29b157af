/* Records packed into a chunk: the Chunk record with its Message Index records, found by walking
 * the records. Segments and exported MCAP files are written with it. One thread. */
#ifndef TD_FORMAT_CHUNK_PACKER_H
#define TD_FORMAT_CHUNK_PACKER_H

#include "base/bytes.h"
#include "format/sealed_chunk.h"

enum {
    CHUNK_LEVEL_DEFAULT = 1, /* zstd 1: on these frames 3 gains nothing over it */
    CHUNK_LEVEL_FAST = -5,   /* for overload: half the time, a third larger */
};

typedef struct chunk_packer chunk_packer;

chunk_packer *chunk_packer_open(void);
void chunk_packer_close(chunk_packer *packer);

/* Replace out's content by the chunk of whole records at a zstd level: all up to its channels. */
void chunk_packer_pack(chunk_packer *packer, int level, td_bytes records, sealed_chunk *out);

#endif
