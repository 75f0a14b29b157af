/* A segment as a list of chunks: finished, still being written, torn or recovered.
 *
 * If the summary is intact, opening reads only the summary; otherwise opening walks the file once
 * and decompresses only chunks with new channels. With a known index, opening does neither. In an
 * unfinished file (`.open`), a chunk counts once its chain record follows it; bytes after the last
 * chain record are a torn tail. Memory: the lists, plus one chunk per segment_scratch.
 *
 * Threads: several threads may call segment_reader_read at once, each with its own scratch and out
 * buffer. segment_reader_refresh, open and close exclude all other calls. */
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

/* Zero bytes after a chunk's records: JSON parsers read past the end of a frame. */
enum { SEGMENT_PADDING_BYTES = 64 };

typedef enum segment_state {
    SEGMENT_FINISHED, /* has footer and closing magic; in a file named `.open`, the whole end is
                         intact */
    SEGMENT_OPEN,     /* has no end: being written, or torn */
} segment_state;

/* Facts of a file after opening it. Views and strings are valid until close. */
typedef struct segment_info {
    segment_state state;
    segment_session session; /* strings as in the file, "" where missing */
    uint64_t file_bytes;     /* at open or the last refresh */
    uint64_t valid_bytes;    /* end of the complete records (`.open`: end of the last chain record);
                                file_bytes - valid_bytes = torn tail */
    uint64_t message_count;  /* according to the message indexes */
    uint64_t first_ns, last_ns;
} segment_info;

/* A message of a chunk. */
typedef struct segment_message {
    const segment_channel *channel;
    uint32_t sequence;
    uint64_t log_ns, publish_ns;
    td_bytes data;   /* points into the chunk's records */
    uint64_t offset; /* of the Message record in the uncompressed chunk */
} segment_message;

typedef struct segment_reader segment_reader;
typedef struct segment_scratch segment_scratch;

/* Open the file at path for reading. TD_OK; TD_E_NOTFOUND, TD_E_IO; TD_E_CORRUPT: the file does not
 * begin like a segment; TD_E_TRUNCATED: the file ends within magic or header; TD_E_UNSUPPORTED:
 * another major version; TD_E_LIMIT. Damage after the header is not an error: the readable chunks
 * are listed. */
TD_MUST_USE td_result segment_reader_open(td_io io, const char *path, segment_reader **out,
                                          td_err *err);
void segment_reader_close(segment_reader *reader);

/* Open a finished segment with a known index that has all of its chunks. Reads only the file's size
 * and last chain record, to check that the index describes this file: TD_E_CORRUPT if not. Other
 * results as segment_reader_open. */
TD_MUST_USE td_result segment_reader_open_known(td_io io, const char *path,
                                                const segment_index *index, segment_reader **out,
                                                td_err *err);

/* Facts of the file, valid until refresh or close. */
const segment_info *segment_reader_info(const segment_reader *reader);

/* The open file, borrowed, for a caller that reads records itself. */
td_file *segment_reader_file(const segment_reader *reader);

/* Chunks in file order, index < segment_reader_chunk_count. Pointers are valid until refresh or
 * close. */
uint32_t segment_reader_chunk_count(const segment_reader *reader);
const segment_chunk *segment_reader_chunk(const segment_reader *reader, uint32_t index);

/* Checkpoints in file order; index and pointers as for chunks. */
uint32_t segment_reader_checkpoint_count(const segment_reader *reader);
const segment_checkpoint *segment_reader_checkpoint(const segment_reader *reader, uint32_t index);

/* The channel ids of a chunk as a bitmap in the format of sealed_chunk_bitmap. */
td_bytes segment_reader_bitmap(const segment_reader *reader, uint32_t chunk_index);

/* 1 if the chunk has messages of an undefined channel: the channel's definition was damaged. */
int segment_reader_chunk_has_unknown(const segment_reader *reader, uint32_t chunk_index);

/* 1 if the chunk may have messages of the channel. */
int segment_reader_chunk_has(const segment_reader *reader, uint32_t chunk_index,
                             const segment_channel *channel);

/* The channels found so far, index < segment_reader_channel_count, in the order in which they were
 * found, which never changes. Pointers are valid until close. info is read from tapedeck's metadata
 * keys; message_count is the statistics' count, or UINT64_MAX without statistics; times are
 * unknown. */
uint32_t segment_reader_channel_count(const segment_reader *reader);
const segment_channel *segment_reader_channel(const segment_reader *reader, uint32_t index);

/* The channel with this MCAP id, or NULL. */
const segment_channel *segment_reader_channel_by_id(const segment_reader *reader, uint16_t id);

/* Read chunks and channels that were appended since open or the last refresh, and add them after
 * the known ones. state becomes SEGMENT_FINISHED when the file has its end. The file may be renamed
 * meanwhile. *added: number of new chunks. TD_OK, TD_E_IO. */
TD_MUST_USE td_result segment_reader_refresh(segment_reader *reader, uint32_t *added, td_err *err);

/* Scratch memory for reading chunks: one per thread, for any reader. */
segment_scratch *segment_scratch_open(void);
void segment_scratch_close(segment_scratch *scratch);

/* Decompress chunk `index` to out, replacing its content (size_max at least LIMIT_CHUNK_BYTES +
 * SEGMENT_PADDING_BYTES), and check its CRC. out->size is the size of the records;
 * SEGMENT_PADDING_BYTES zero bytes follow them. TD_OK; TD_E_CORRUPT (CRC, sizes), TD_E_TRUNCATED,
 * TD_E_LIMIT, TD_E_IO. */
TD_MUST_USE td_result segment_reader_read(const segment_reader *reader, uint32_t index,
                                          segment_scratch *scratch, td_buf *out, td_err *err);

/* Get the next message of a chunk's records from segment_reader_read; *at is 0 at first. Skips
 * other records. TD_OK; TD_EOF; TD_E_CORRUPT: the structure is broken (*at is at the end) or the
 * message's channel is unknown (*at is after the message, and the caller may continue). */
TD_MUST_USE td_result segment_reader_message(const segment_reader *reader, td_bytes records,
                                             size_t *at, segment_message *out, td_err *err);

/* Read a chunk's counts and times per channel from its message indexes, without decompressing.
 * out->data becomes an array of sealed_channel by increasing id. TD_OK; TD_E_CORRUPT, TD_E_IO. */
TD_MUST_USE td_result segment_reader_chunk_channels(const segment_reader *reader, uint32_t index,
                                                    segment_scratch *scratch, td_buf *out,
                                                    td_err *err);

/* Read the chain record after a chunk. conns (space for CHAIN_CONNS_MAX, or NULL) gets its
 * connections. TD_OK, TD_E_NOTFOUND without such a chunk, TD_E_CORRUPT, TD_E_IO. */
TD_MUST_USE td_result segment_reader_chain(segment_reader *reader, uint32_t chunk,
                                           chain_conn *conns, chain_record *out, td_err *err);

/* As segment_reader_chain, for the last chunk; TD_E_NOTFOUND without chunks. */
TD_MUST_USE td_result segment_reader_last_chain(segment_reader *reader, chain_conn *conns,
                                                chain_record *out, td_err *err);

#endif
