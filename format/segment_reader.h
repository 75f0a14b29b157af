/* A segment as a list of chunks: finished, still being written, torn or recovered.
 *
 * With a sound summary, opening reads that alone; with an index that is known, not even that. Else
 * the file is walked once; only chunks that bring channels not seen yet are decompressed. Without
 * an end (`.open`), a chunk counts once its chain record follows it; bytes after the last chain
 * record are a torn tail. Memory: the lists, plus one chunk per segment_scratch.
 *
 * Threads: segment_reader_read may be called from several threads at once, each with a scratch and
 * an out buffer of its own. segment_reader_refresh, open and close exclude all else. */
#ifndef TD_FORMAT_SEGMENT_READER_H
#define TD_FORMAT_SEGMENT_READER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/io.h"
#include "format/chain.h"
#include "format/chunk_builder.h"
#include "format/mcap.h"
#include "format/segment_index.h"
#include "format/segment_writer.h"

/* Zero bytes, readable after a chunk's records: JSON parsers read beyond a frame. */
enum { SEGMENT_PADDING_BYTES = 64 };

typedef enum segment_state {
    SEGMENT_FINISHED, /* has footer and closing magic; `.open`: all of a sound end */
    SEGMENT_OPEN,     /* ends without: still being written, or torn */
} segment_state;

/* What is known of a file after opening it. Views and strings: valid until close. */
typedef struct segment_info {
    segment_state state;
    segment_session session; /* strings as in the file, "" where missing */
    uint64_t file_bytes;     /* at open or the last refresh */
    uint64_t valid_bytes;    /* up to here the records are complete (`.open`: the last chain
                                record); file_bytes - valid_bytes = torn tail */
    uint64_t message_count;  /* by its message indexes */
    uint64_t first_ns, last_ns;
} segment_info;

/* A message out of a chunk's records. */
typedef struct segment_message {
    const segment_channel *channel;
    uint32_t sequence;
    uint64_t log_ns, publish_ns;
    td_bytes data;   /* into the records */
    uint64_t offset; /* of the Message record in the uncompressed chunk */
} segment_message;

typedef struct segment_reader segment_reader;
typedef struct segment_scratch segment_scratch;

/* Open the file at path for reading. TD_OK; TD_E_NOTFOUND, TD_E_IO; TD_E_CORRUPT if it does not
 * begin as a segment; TD_E_TRUNCATED if it ends within magic or header; TD_E_UNSUPPORTED for
 * another major version; TD_E_LIMIT. Damage after the header is no failure: what can be read is
 * listed. */
TD_MUST_USE td_result segment_reader_open(td_io io, const char *path, segment_reader **out,
                                          td_err *err);
void segment_reader_close(segment_reader *reader);

/* Open a finished segment whose index is known, with all of its chunks: nothing is read
 * but what shows that the file is the one that the index describes, its size and its last chain
 * record. TD_E_CORRUPT if it is not; else as segment_reader_open. */
TD_MUST_USE td_result segment_reader_open_known(td_io io, const char *path,
                                                const segment_index *index, segment_reader **out,
                                                td_err *err);

/* State, valid until refresh or close. */
const segment_info *segment_reader_info(const segment_reader *reader);

/* The file, borrowed, for a caller that reads its records itself. */
td_file *segment_reader_file(const segment_reader *reader);

/* Chunks in file order, index < segment_reader_chunk_count. Pointers are valid until refresh or
 * close. */
uint32_t segment_reader_chunk_count(const segment_reader *reader);
const segment_chunk *segment_reader_chunk(const segment_reader *reader, uint32_t index);

/* Checkpoints in file order, as chunks. */
uint32_t segment_reader_checkpoint_count(const segment_reader *reader);
const segment_checkpoint *segment_reader_checkpoint(const segment_reader *reader, uint32_t index);

/* Channel ids of a chunk, bit (id % 8) of byte (id / 8), no zero byte at the end. As
 * sealed_chunk_bitmap. */
td_bytes segment_reader_bitmap(const segment_reader *reader, uint32_t chunk_index);

/* 1 if the chunk has messages of a channel that is not known: what defines it was damaged. */
int segment_reader_chunk_has_unknown(const segment_reader *reader, uint32_t chunk_index);

/* 1 if messages of the channel may be in the chunk. */
int segment_reader_chunk_has(const segment_reader *reader, uint32_t chunk_index,
                             const segment_channel *channel);

/* Channels known so far, index < segment_reader_channel_count; pointers are valid until close. They
 * are in order of first sight, which never changes. Their info is from our metadata keys.
 * Their count is that of the statistics, UINT64_MAX without them; times are
 * not known. */
uint32_t segment_reader_channel_count(const segment_reader *reader);
const segment_channel *segment_reader_channel(const segment_reader *reader, uint32_t index);

/* The channel with an MCAP id, or NULL. */
const segment_channel *segment_reader_channel_by_id(const segment_reader *reader, uint16_t id);

/* Look for what was appended since open or the last refresh (file still open): new chunks and
 * channels are added after the known ones; state turns to SEGMENT_FINISHED when the end is there.
 * The file may be renamed meanwhile. *added gets the number of new chunks. TD_OK, TD_E_IO. */
TD_MUST_USE td_result segment_reader_refresh(segment_reader *reader, uint32_t *added, td_err *err);

/* Working memory for reading chunks: one per thread, any reader. */
segment_scratch *segment_scratch_open(void);
void segment_scratch_close(segment_scratch *scratch);

/* Read chunk index, decompress it into out (which is cleared; size_max at least LIMIT_CHUNK_BYTES +
 * SEGMENT_PADDING_BYTES) and check its CRC. out->size = its records, SEGMENT_PADDING_BYTES of zeros
 * readable after it. TD_OK; TD_E_CORRUPT (CRC, sizes), TD_E_TRUNCATED, TD_E_LIMIT, TD_E_IO. */
TD_MUST_USE td_result segment_reader_read(const segment_reader *reader, uint32_t index,
                                          segment_scratch *scratch, td_buf *out, td_err *err);

/* Next message of records that segment_reader_read gave; *at is 0 at first. Other records are
 * passed over. TD_OK; TD_EOF; TD_E_CORRUPT: structure broken (the rest cannot be read: *at is at
 * the end) or a message of an unknown channel (*at is after it: the caller may continue). */
TD_MUST_USE td_result segment_reader_message(const segment_reader *reader, td_bytes records,
                                             size_t *at, segment_message *out, td_err *err);

/* Per channel counts and times of a chunk from its message indexes, without decompressing: cleared
 * and filled, array of sealed_channel in out->data, by rising id; index_offset from the end of the
 * Chunk record. TD_OK; TD_E_CORRUPT, TD_E_IO. */
TD_MUST_USE td_result segment_reader_chunk_channels(const segment_reader *reader, uint32_t index,
                                                    segment_scratch *scratch, td_buf *out,
                                                    td_err *err);

/* The chain record after a chunk: value and totals, connections in conns (space for
 * CHAIN_CONNS_MAX, or NULL). TD_OK, TD_E_NOTFOUND without such a chunk, TD_E_CORRUPT, TD_E_IO. */
TD_MUST_USE td_result segment_reader_chain(segment_reader *reader, uint32_t chunk,
                                           chain_conn *conns, chain_record *out, td_err *err);

/* The last one; TD_E_NOTFOUND for a segment without chunks. */
TD_MUST_USE td_result segment_reader_last_chain(segment_reader *reader, chain_conn *conns,
                                                chain_record *out, td_err *err);

#endif
