/* Closing a segment that its writer could not: a crash, a power cut, a full disk.
 *
 * Everything up to the last chain record that proves itself stays; what follows goes to torn/, the
 * end of the file is written, the file gets its final name. Steps, each of which may be the last
 * before a power cut; running it again then ends in the same state:
 *   1. walk the file, find the end of the last provable block
 *   2. the tail, unless it is the beginning of the very end that step 4 writes: copy it to
 *      torn/NAME.OFFSET.tail.part, sync, rename to NAME.OFFSET.tail, sync torn/
 *   3. cut the tail off, write the last block again as it is (the writer's sync may have
 * failed, and the cache alone may hold it), sync
 *   4. append Data End, summary, footer, magic; sync
 *   5. rename NAME.mcap.open to NAME.mcap, sync the folder
 * A file in which nothing is provable, or whose header cannot be read, goes to torn/ whole (rename,
 * sync both folders); damaged_blocks says whether durable data went with it.
 *
 * A damaged block between sound ones is kept (its chunk is in the summary if its header can be
 * read) and reported: durable data was lost there. The file is locked from before it is read until
 * it has its final name, so that a writer that is at work keeps it. */
#ifndef TD_FORMAT_RECOVER_H
#define TD_FORMAT_RECOVER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"
#include "format/chain.h"
#include "format/segment_writer.h"

/* What recover did with one file. */
typedef struct recover_result {
    uint8_t has_segment; /* 1: path is a finished segment; 0: nothing was provable, all is in
                            torn_path */
    char path[LIMIT_PATH_BYTES];
    char torn_path[LIMIT_PATH_BYTES];  /* where the tail went, "" if there was none */
    uint64_t torn_bytes;               /* size of the tail */
    uint64_t damaged_blocks;           /* blocks before the end that do not prove themselves */
    uint64_t damaged_from, damaged_to; /* file offsets around the first and last of them */
    uint64_t frame_count;              /* messages on channels that are not events */
    segment_totals totals;             /* of the finished segment; last_ns = last durable message */
    struct chain_totals chain_totals;  /* of the last chain record */
    uint32_t conn_count;
    chain_conn conns[CHAIN_CONNS_MAX]; /* of the last chain record */
} recover_result;

/* Recover the unfinished segment at open_path (ends in ".mcap.open"); torn_dir exists. Large
 * result: do not put it on a small stack. TD_OK; TD_E_NOTFOUND; TD_E_INVALID (name); TD_E_BUSY: its
 * writer is at work, nothing was changed; TD_E_UNSUPPORTED: a symbolic link, or no locks; TD_E_IO,
 * TD_E_NOSPACE: as far as it got, to be run again. */
TD_MUST_USE td_result recover_segment(td_io io, const char *open_path, const char *torn_dir,
                                      recover_result *out, td_err *err);

/* Move the file of an open segment that is finished beside it to torn/NAME.0.copy,
 * durably. Parameters and results as recover_segment; path and torn_path are set. */
TD_MUST_USE td_result recover_quarantine_copy(td_io io, const char *open_path, const char *torn_dir,
                                              recover_result *out, td_err *err);

/* An unfinished file whose head cannot be read: *has_durable is 1 if durable data stands in it all
 * the same. 0: a crash left it before anything in it was, and nothing is lost with it. TD_OK,
 * TD_E_NOTFOUND, TD_E_IO. Nothing is written. */
TD_MUST_USE td_result recover_has_durable(td_io io, const char *open_path, int *has_durable,
                                          td_err *err);

/* 1 for an unfinished file whose head could not be read (opened: what that failed with) and that
 * has nothing durable. */
int recover_is_empty(td_io io, const char *open_path, td_result opened);

#endif
