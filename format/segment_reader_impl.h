/* The inside of segment_reader, shared by its sources: segment_reader (open, messages),
 * segment_chunk (records and channels of a chunk), segment_lists (schemas, channels, chunks,
 * damage), segment_summary (lists from the summary), segment_known (lists from an index that was
 * read before), segment_scan (lists from a walk over the file). */
#ifndef TD_FORMAT_SEGMENT_READER_IMPL_H
#define TD_FORMAT_SEGMENT_READER_IMPL_H

#include <pthread.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/io.h"
#include "format/codec.h"
#include "format/mcap_source.h"
#include "format/segment_reader.h"

enum {
    /* Messages outside of chunks are grouped into runs of this size. */
    RUN_BYTES = 1 << 20,
    DAMAGE_TEXT_BYTES = 512,
    SESSION_STRINGS = 6,
};

/* A schema of the file: channels point to its name and text. */
typedef struct file_schema {
    uint16_t id;
    char *name;
    uint8_t *text;
    size_t text_bytes;
} file_schema;

struct segment_scratch {
    td_buf bytes; /* compressed records */
    codec *coder;
};

struct segment_reader {
    td_io io;
    td_file *file;
    pthread_mutex_t file_lock; /* segment_reader_read from several threads */
    mcap_source source;        /* open, refresh and the walks; not for segment_reader_read */
    segment_info info;
    uint8_t has_open_name; /* its end is not known to be durable */
    uint8_t is_end_torn;   /* what it ends with, if anything, is not all of a sound end */
    char damage[DAMAGE_TEXT_BYTES];
    char *strings;       /* session strings */
    uint64_t data_start; /* after the header */
    segment_chunk *chunks;
    uint32_t chunk_count;
    td_buf bitmaps;
    segment_channel **channels; /* pointers stay when the array grows */
    uint32_t channel_count;
    td_buf by_id; /* uint32_t index + 1 by channel id, 0 = unknown */
    file_schema *schemas;
    uint32_t schema_count;
    segment_scratch *scratch; /* to look into chunks for channels */
    td_buf records;
    /* the walk over a file without summary */
    uint64_t scan_at;      /* ours: where the next block starts; else: the next record */
    td_hash128 scan_chain; /* ours: value that block starts from */
};

/* Copy bytes to *at with a NUL, move *at after it. What follows a NUL in bytes is not visible. */
const char *reader_place_text(char **at, td_bytes bytes);

/* A decimal number in metadata; any other text, or one too large, counts as 0. */
uint64_t reader_parse_u64(td_bytes text);

/* The chain record after a chunk; as segment_reader_chain. The chunk need not lie in the file. */
TD_MUST_USE td_result reader_read_chain(const segment_reader *reader, const segment_chunk *chunk,
                                        chain_conn *conns, chain_record *out, td_err *err);

/* Remember a place that is damaged. */
void reader_note_damage(segment_reader *reader, const td_err *why, uint64_t offset);

/* Add a schema or channel record (a known id: left as it is). TD_OK, TD_E_CORRUPT. */
TD_MUST_USE td_result reader_add_schema(segment_reader *reader, td_bytes content, td_err *err);
TD_MUST_USE td_result reader_add_channel(segment_reader *reader, td_bytes content, td_err *err);
void reader_free_channels(segment_reader *reader);

/* Add a copy of a channel that is known, without its counts. TD_E_CORRUPT for an id that is there.
 */
TD_MUST_USE td_result reader_add_known_channel(segment_reader *reader,
                                               const segment_channel *channel, td_err *err);

/* Add the schemas and channels among records. What is broken there is left out. */
void reader_learn_channels(segment_reader *reader, td_bytes records);

/* Append an entry; bitmap: its channels (one bit per id, any number of zero bytes at the end), or
 * empty with has_channels 0. TD_OK, TD_E_LIMIT. */
TD_MUST_USE td_result reader_add_chunk(segment_reader *reader, const segment_chunk *chunk,
                                       td_bytes bitmap, td_err *err);

/* The same from what a summary says of a chunk, or a walk found out; message_count UINT64_MAX: not
 * known. */
TD_MUST_USE td_result reader_add_chunk_index(segment_reader *reader, const mcap_chunk_index *index,
                                             uint64_t message_count, td_err *err);

/* 1 if every channel of a bitmap is known. */
int reader_knows_all(const segment_reader *reader, td_bytes bitmap);

/* 1 if a power cut may have left the file's end in parts, and in any order of them. */
int reader_end_may_be_torn(const segment_reader *reader);

/* Fill the lists from the summary. TD_OK; TD_EOF: no usable summary;
 * TD_E_CORRUPT: it is damaged (lists are to be cleared); TD_E_IO. */
TD_MUST_USE td_result reader_load_summary(segment_reader *reader, td_err *err);

/* Fill info and lists from an index. TD_E_CORRUPT if it does not describe the file; TD_E_TRUNCATED,
 * TD_E_IO. */
TD_MUST_USE td_result reader_load_index(segment_reader *reader, const segment_index *index,
                                        td_err *err);

/* Fill the lists by walking from scan_at. TD_OK (damage is noted), TD_E_IO. */
TD_MUST_USE td_result reader_scan(segment_reader *reader, td_err *err);

#endif
