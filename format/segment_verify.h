/* Verifies one file by reading every byte of it.
 *
 * Checked: structure from magic to magic with nothing after it; every CRC; the chain; running
 * totals and connections of the chain records against the messages; ordinals per slot and
 * direction (missing ones must be counted as dropped frames); receive times; each message index
 * against its chunk; the end of the file against the end computed from the data section. Memory:
 * one chunk and the lists. One thread per call. */
#ifndef TD_FORMAT_SEGMENT_VERIFY_H
#define TD_FORMAT_SEGMENT_VERIFY_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/io.h"
#include "format/chain.h"
#include "format/segment_reader.h"

/* Kinds of findings; segment_finding_name returns a fixed name such as "chunk-crc". */
typedef enum segment_finding_kind {
    FINDING_STRUCTURE,  /* a record in a wrong position, or one that does not fit */
    FINDING_CHUNK_CRC,  /* a chunk's records differ from their CRC, or cannot be decompressed */
    FINDING_DATA_CRC,   /* the data section differs from its CRC */
    FINDING_CHAIN,      /* a block's chain value does not match its bytes */
    FINDING_TOTALS,     /* a chain record's counts do not match the messages */
    FINDING_ORDINAL,    /* ordinals are missing or repeat */
    FINDING_TIME,       /* a receive time decreased, or is outside of its chunk's range */
    FINDING_INDEX,      /* a message index differs from its chunk */
    FINDING_CHECKPOINT, /* a checkpoint differs from its CRCs */
    FINDING_SUMMARY,    /* the summary differs from the data section */
    FINDING_TORN, /* unfinished file: bytes after the last chain record (recover cuts them off) */
} segment_finding_kind;

typedef struct segment_finding {
    segment_finding_kind kind;
    uint64_t offset;  /* in the file */
    const char *text; /* one line, valid during the call */
} segment_finding;

/* Called with each finding. */
typedef void segment_finding_fn(void *user, const segment_finding *finding);

typedef struct segment_verify_result {
    segment_state state;
    uint64_t damage_count; /* findings except FINDING_TORN */
    uint64_t torn_bytes;
    uint64_t frame_count;      /* messages on channels that are not events */
    td_hash128 previous_chain; /* previous_chain of the session record */
    segment_totals totals;     /* counted in the data section, not read from the summary */
} segment_verify_result;

/* The name of a kind, a constant. */
const char *segment_finding_name(segment_finding_kind kind);

/* Verify the file at path; fn (may be NULL) gets each finding. TD_OK: the whole file was read, with
 * or without findings; TD_E_NOTFOUND, TD_E_IO; TD_E_CORRUPT or TD_E_TRUNCATED: the file does not
 * begin like a segment; TD_E_UNSUPPORTED: another major version. */
TD_MUST_USE td_result segment_verify(td_io io, const char *path, segment_finding_fn *fn, void *user,
                                     segment_verify_result *out, td_err *err);

#endif
