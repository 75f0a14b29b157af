/* The inside of segment_verify, shared by its sources: segment_verify (the walk),
 * segment_verify_chunk (chunks, messages, indexes), segment_verify_chain (totals and ordinals),
 * segment_verify_end (what follows the data section). Functions return a failure only when the
 * check cannot go on (TD_E_IO, TD_E_NOMEM); what is wrong with the file goes to verify_report. */
#ifndef TD_FORMAT_SEGMENT_VERIFY_IMPL_H
#define TD_FORMAT_SEGMENT_VERIFY_IMPL_H

#include <stdint.h>

#include "base/buf.h"
#include "format/codec.h"
#include "format/mcap_source.h"
#include "format/mcap_summary.h"
#include "format/segment_reader_impl.h"
#include "format/segment_verify.h"
#include "format/segment_walk.h"

/* A message of the chunk that was read last, to compare message indexes with. */
typedef struct verify_entry {
    uint64_t log_ns, offset;
    uint16_t id;
} verify_entry;

/* A chunk that was seen, to compare chunk indexes with. */
typedef struct verify_chunk {
    uint64_t offset, record_bytes, index_bytes;
    uint64_t start_ns, end_ns, compressed_bytes, uncompressed_bytes;
} verify_chunk;

/* Ordinals of one slot and direction. */
typedef struct verify_slot {
    uint32_t line, shard;
    channel_dir dir;
    uint32_t last;         /* sequence of its last frame */
    uint64_t frames;       /* since the last chain record */
    uint8_t has_restarted; /* 1: its ordinals began anew since then */
} verify_slot;

typedef struct verify_state {
    segment_reader *reader; /* state, session, channels; its source is used too */
    segment_walk walk;
    segment_finding_fn *fn;
    void *user;
    segment_verify_result *result;
    uint64_t limit; /* end of what is checked */
    codec *coder;
    td_buf records; /* of the last chunk */
    td_buf entries; /* verify_entry, by id and offset */
    td_buf chunks;  /* verify_chunk, by offset */
    td_buf offsets; /* message index offsets of the pending chunk, packed */
    td_buf end;     /* what Data End to the closing magic must be */
    mcap_summary summary;
    /* the pending chunk */
    mcap_chunk_index chunk_index;
    uint64_t indexed_count; /* messages that its indexes list */
    /* messages */
    uint64_t last_ns, last_frame_ns;
    /* since the last chain record, and what that said */
    td_buf slots;       /* verify_slot */
    chain_totals block; /* counted; frames_dropped: holes in the ordinals */
    chain_totals totals;
    uint64_t late_holes; /* dropped frames that the totals know and no hole has shown yet */
    chain_conn *conns, *last_conns; /* CHAIN_CONNS_MAX each */
    uint32_t last_conn_count;
    codec_kind chunk_codec;
    uint8_t is_ours;
    uint8_t expects_end; /* 1: a finished file, or one that should be */
    uint8_t is_done;
    uint8_t has_chunk;     /* 1: a chunk is pending */
    uint8_t is_chunk_read; /* 1: entries are its messages */
    uint8_t is_block_read; /* 1: all chunks since the last chain record could be read */
    uint8_t has_totals;    /* 1: totals and last_conns are those of the last chain record */
    uint8_t known_schemas[(UINT16_MAX + 1) / 8], known_channels[(UINT16_MAX + 1) / 8];
} verify_state;

/* Tell a finding. */
void verify_report(verify_state *v, segment_finding_kind kind, uint64_t offset, const char *format,
                   ...) TD_PRINTF(4, 5);

/* 1 if the check cannot go on after this result. */
static inline int verify_is_fatal(td_result rc)
{
    return rc == TD_E_IO || rc == TD_E_NOMEM || rc == TD_E_NOSPACE;
}

/* Records of the data section. */
TD_MUST_USE td_result verify_chunk_record(verify_state *v, const mcap_place *place, td_err *err);
TD_MUST_USE td_result verify_message_index(verify_state *v, const mcap_place *place, td_err *err);
TD_MUST_USE td_result verify_run_record(verify_state *v, const mcap_place *place, td_err *err);

/* The pending chunk and its indexes are complete. */
TD_MUST_USE td_result verify_close_chunk(verify_state *v, td_err *err);

/* A frame or event came by: count it. */
TD_MUST_USE td_result verify_count(verify_state *v, const segment_channel *channel,
                                   const mcap_message *message, uint64_t offset, td_err *err);

/* A chain record. */
TD_MUST_USE td_result verify_chain(verify_state *v, const mcap_place *place, td_err *err);

/* Everything from Data End on. */
TD_MUST_USE td_result verify_end(verify_state *v, const mcap_place *data_end, td_err *err);

#endif
