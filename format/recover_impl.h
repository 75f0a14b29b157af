/* The inside of recover, shared by its sources: recover (the file's steps), recover_walk (what the
 * file holds). */
#ifndef TD_FORMAT_RECOVER_IMPL_H
#define TD_FORMAT_RECOVER_IMPL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/limits.h"
#include "format/codec.h"
#include "format/mcap_source.h"
#include "format/mcap_summary.h"
#include "format/recover.h"

typedef struct recovery {
    td_io io;
    const char *open_path, *torn_dir;
    char folder[LIMIT_PATH_BYTES]; /* of the segment */
    recover_result *result;
    td_file *file;
    mcap_source source;
    /* first walk */
    uint64_t data_start;    /* behind the header */
    td_hash128 first_chain; /* what the session record says it follows */
    uint64_t sound_bytes;   /* end of the last block that proves itself; 0 = none */
    uint64_t last_start;    /* beginning of that block */
    uint64_t held_damage, held_from, held_to; /* damaged blocks since then */
    chain_conn conns[CHAIN_CONNS_MAX];
    /* second walk */
    mcap_summary summary;
    codec *coder;
    td_buf records; /* of a chunk, decompressed */
    td_buf offsets; /* message index offsets of the pending chunk, packed */
    mcap_place chunk_place;
    mcap_chunk_index chunk_index;
    codec_kind chunk_codec;
    uint8_t has_chunk;
    uint8_t known_schemas[(UINT16_MAX + 1) / 8], known_channels[(UINT16_MAX + 1) / 8];
    td_buf end; /* from Data End to the closing magic */
} recovery;

/* Read magic, header and session. TD_OK; TD_E_CORRUPT, TD_E_TRUNCATED: no segment of ours; TD_E_IO,
 * TD_E_NOMEM. */
TD_MUST_USE td_result recover_read_head(recovery *v, td_err *err);

/* No segment can be made of the file: count it as damaged if there are chain records in it all the
 * same, for then durable data is lost. TD_OK, TD_E_IO, TD_E_NOMEM. */
TD_MUST_USE td_result recover_look_for_blocks(recovery *v, td_err *err);

/* First walk: find the end of what is proven, and the last chain record's content. TD_OK, TD_E_IO,
 * TD_E_NOMEM. */
TD_MUST_USE td_result recover_find_end(recovery *v, td_err *err);

/* Second walk: fill the summary. TD_OK, TD_E_IO, TD_E_NOMEM, TD_E_LIMIT. */
TD_MUST_USE td_result recover_collect(recovery *v, td_err *err);

#endif
