/* A baseline: for every frame of a selection, what decoding it gave, as hashes (docs/regress.md).
 * One SQLite file (.tdb); its tables are in baseline.c.
 *
 * Frames are named by their stream, their order in it, and 16 bits of their bytes' hash, never by
 * file or offset: a baseline stays valid when its archive is imported again, merged or reindexed.
 * What was put is in the file after the next commit, all of it or nothing. Everything that is read
 * is covered by checksums. One thread at a time per baseline, except baseline_pack. */
#ifndef TD_REGRESS_BASELINE_H
#define TD_REGRESS_BASELINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "schema/canonical.h"

enum { BASELINE_BLOCK_FRAMES = 4096 };

/* What a baseline is of, and how far it is. Texts are never NULL in what baseline_get_meta gives;
 * NULL is "" in what is put. */
typedef struct baseline_meta {
    uint32_t canonical;        /* CANONICAL_VERSION it was made with */
    canonical_members members; /* that the hashes cover */
    uint8_t is_full;           /* 1: it has decodes */
    uint8_t is_complete;       /* 0: interrupted; resume_ns says where to go on */
    uint8_t is_damaged;        /* 1: chunks of the archive could not be read */
    uint64_t resume_ns;        /* frames received before are in it, all of them, and no other */
    uint64_t segments;         /* segments_seen_before that time */
    const char *version;       /* of tapedeck */
    const char *decoder;       /* "built-in", or as on the command line */
    const char *decoder_id;    /* hash of its program; what an interrupted run must share */
    const char *selection;     /* one line of text: globs and times, resolved */
    const char *archive;       /* path */
    const char *map;           /* text of the mapping file */
    const char *reference;     /* "", or the content of its reference: baseline_set_reference */
    uint64_t content;          /* checksum over all streams and blocks; 0 until it is complete */
} baseline_meta;

/* A stream: the frames of one topic and symbol of a feed. Frames that no row knows have the topic
 * "" and one stream for each exchange_topic. Texts are never NULL in what a baseline gives. */
typedef struct baseline_stream {
    uint32_t id; /* from 1 */
    const char *feed, *topic, *symbol, *exchange_topic, *family;
    uint8_t has_book; /* 1: hashes are 32 bits of the decode (low) and 32 of the book after it */
    uint64_t frames;  /* decoded + undecoded, or control frames */
    uint64_t decoded, undecoded;
    uint64_t items, snapshots, deltas; /* of what was decoded */
    uint64_t first_ns, last_ns;
} baseline_stream;

/* A copy with texts of its own, in one piece; exchange_topic takes the place of from's. Free it
 * with td_free. NULL without memory. */
TD_MUST_USE baseline_stream *baseline_stream_copy(const baseline_stream *from,
                                                  td_bytes exchange_topic);

/* BASELINE_BLOCK_FRAMES successive frames of a stream. */
typedef struct baseline_block {
    uint32_t stream;
    uint32_t number; /* from 0: frames number * BASELINE_BLOCK_FRAMES and on */
    uint32_t frames; /* only the last block of a stream has fewer than BASELINE_BLOCK_FRAMES */
    uint64_t first_ns, last_ns;
    const uint16_t *ids; /* low 16 bits of XXH64 of each frame's bytes */
    const uint64_t *hashes;
} baseline_block;

/* Decodes of successive frames: one line of JSON each, compressed. */
typedef struct baseline_piece {
    uint64_t first; /* frame in its stream, or in its part */
    uint32_t frames;
    uint32_t bytes; /* uncompressed */
    td_bytes packed;
} baseline_piece;

/* Frames of a stream that follow those which the baseline has of it. */
typedef struct baseline_part {
    baseline_stream of; /* names; counts and times of these frames alone; id does not matter */
    const uint16_t *ids;
    const uint64_t *hashes;
    const uint64_t *recv_ns;
    const baseline_piece *pieces; /* all of the part's frames, if the baseline is full */
    size_t piece_count;
} baseline_part;

typedef enum baseline_access {
    BASELINE_READ,
    BASELINE_EXTEND, /* for more; nothing else opens the file meanwhile */
} baseline_access;

typedef struct baseline baseline;

/* A new baseline, open for more; the progress entry of `meta` is ignored. TD_E_INVALID:
 * the file exists; TD_E_IO, TD_E_NOSPACE, TD_E_NOMEM. */
TD_MUST_USE td_result baseline_create(const char *path, const baseline_meta *meta, baseline **out,
                                      td_err *err);

/* Open one. TD_E_NOTFOUND; TD_E_UNSUPPORTED: it is no baseline, or of another version, or of
 * another canonical form; TD_E_TRUNCATED: nothing was put into it; TD_E_CORRUPT: it is damaged;
 * TD_E_BUSY: a run writes it; TD_E_IO, TD_E_NOMEM. */
TD_MUST_USE td_result baseline_open(const char *path, baseline_access access, baseline **out,
                                    td_err *err);

/* Close; what was put since the last commit is not in the file. NULL is fine. */
void baseline_close(baseline *b);

/* Remove a baseline with what SQLite keeps beside it; none there is fine. TD_E_UNSUPPORTED: the
 * file is no baseline, and stays; TD_E_IO. */
TD_MUST_USE td_result baseline_remove(const char *path, td_err *err);

/* Valid until close. */
const baseline_meta *baseline_get_meta(const baseline *b);

/* Let a baseline whose meta.reference is not "" share the blocks of a complete one: those that are
 * equal, and in the same place of the same stream, are not stored again. It must have its reference
 * before blocks are put or read, and always one of the content that meta.reference names
 * (baseline_name_content). Borrowed until close. */
void baseline_set_reference(baseline *b, baseline *reference);

/* Text of a complete baseline's content, for meta.reference of others. */
enum { BASELINE_CONTENT_BYTES = 17 };
void baseline_name_content(const baseline *b, char out[BASELINE_CONTENT_BYTES]);

/* Streams as of the last commit, in the order of baseline_compare_names. Each is valid
 * until close; what is put changes it. */
size_t baseline_stream_count(const baseline *b);
const baseline_stream *baseline_stream_at(const baseline *b, size_t index);

/* The order of streams, of these names and another one; 0: it is the same stream. Only those
 * without topic are distinguished by exchange_topic: the exchange may have several names for a
 * topic
 * ("order", "order.linear"), and which one comes first depends on where a run begins. */
int baseline_compare_names(const char *feed, const char *topic, const char *symbol,
                           td_bytes exchange_topic, const baseline_stream *with);

/* The stream of these names, or NULL. It only reads: several threads may ask at once while nothing
 * is put. */
const baseline_stream *baseline_find_stream(const baseline *b, const char *feed, const char *topic,
                                            const char *symbol, const char *exchange_topic);

/* Bytes of the file, and of the compressed decodes in it. */
typedef struct baseline_size {
    uint64_t file_bytes;
    uint64_t decode_bytes;
} baseline_size;
TD_MUST_USE td_result baseline_get_size(baseline *b, baseline_size *out, td_err *err);

/* ---- writing: baselines that are open for more ---- */

/* Add a stream, or replace the counts of the one that has these names; *id is set. TD_E_*. */
TD_MUST_USE td_result baseline_put_stream(baseline *b, const baseline_stream *stream, uint32_t *id,
                                          td_err *err);

/* Add a block, or replace the stream's last, shorter one. TD_E_*. */
TD_MUST_USE td_result baseline_put_block(baseline *b, const baseline_block *block, td_err *err);

/* Add frames, or none, to a stream, which is made if there is none: its counts, its last blocks,
 * and its decodes. TD_E_*. */
TD_MUST_USE td_result baseline_add(baseline *b, const baseline_part *part, td_err *err);

/* Compress lines for a piece into out, whose earlier content goes. Any thread. TD_E_NOMEM,
 * TD_E_LIMIT. */
TD_MUST_USE td_result baseline_pack(td_bytes lines, td_buf *out, td_err *err);

/* Make durable what was put, in one transaction with resume_ns. TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result baseline_commit(baseline *b, uint64_t resume_ns, td_err *err);

/* Note that chunks of the archive could not be read; with the next commit. */
void baseline_set_damaged(baseline *b);

/* Note which segments the frames are of (segments_seen.h); with the next commit. At most
 * INT64_MAX. */
void baseline_set_segments(baseline *b, uint64_t segments);

/* Commit, as complete. It can be read afterwards, and nothing can be put. */
TD_MUST_USE td_result baseline_finish(baseline *b, td_err *err);

/* ---- reading ---- */

/* A block; its arrays are valid until the next call. TD_EOF: the stream has no such block.
 * TD_E_CORRUPT: its checksum fails, or it is missing. */
TD_MUST_USE td_result baseline_get_block(baseline *b, uint32_t stream, uint32_t number,
                                         baseline_block *out, td_err *err);

/* *frames: how many of a stream's first frames are in blocks that it shares with a stream of
 * another baseline; 0 if that is not its reference. TD_E_*. */
TD_MUST_USE td_result baseline_count_shared(baseline *b, uint32_t stream, const baseline *with,
                                            uint32_t with_stream, uint64_t *frames, td_err *err);

/* The decode of a stream's frame (from 0): one line of JSON without its LF, valid until the next
 * call. TD_EOF: the baseline is not full, or the stream has no such frame. TD_E_CORRUPT. */
TD_MUST_USE td_result baseline_get_decode(baseline *b, uint32_t stream, uint64_t index,
                                          td_bytes *out, td_err *err);

#endif
