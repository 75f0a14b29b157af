/* Finishes a segment that its writer could not finish: a crash, a power cut, a full disk.
 *
 * Everything up to the last sound block (scanner.h) is kept, the rest is moved to torn/, the end of
 * the file is written, and the file gets its final name. After a power cut in any of these steps, a
 * second run ends in the same state:
 *   1. walk the file to find the end of the last sound block
 *   2. unless the tail is a beginning of the end that step 4 writes: copy it to
 *      torn/NAME.OFFSET.tail.part, sync, rename to NAME.OFFSET.tail, sync torn/
 *   3. cut the tail off, rewrite the last block unchanged (if the writer's sync failed, it may be
 *      in the page cache only), sync
 *   4. append Data End, summary, footer, magic; sync
 *   5. rename NAME.mcap.open to NAME.mcap, sync the folder
 * A file without a sound block, or without a readable header, is moved to torn/ whole (rename, sync
 * both folders); damaged_blocks shows whether the file had durable data.
 *
 * A damaged block between sound ones is kept (its chunk is in the summary if its header can be
 * read) and reported: durable data was lost there. The file is locked before it is read and until
 * it has its final name, so a file of a running writer is refused. */
#ifndef TD_FORMAT_RECOVER_H
#define TD_FORMAT_RECOVER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"
#include "format/chain.h"
#include "format/segment_writer.h"

/* What recovery did with one file. */
typedef struct recover_result {
    uint8_t has_segment; /* 1: path is a finished segment; 0: no block was sound, the file is in
                            torn_path */
    char path[LIMIT_PATH_BYTES];
    char torn_path[LIMIT_PATH_BYTES];  /* path of the saved tail; "" without a tail */
    uint64_t torn_bytes;               /* size of the tail */
    uint64_t damaged_blocks;           /* damaged blocks before the last sound one */
    uint64_t damaged_from, damaged_to; /* file offsets of their start and end */
    uint64_t frame_count;              /* messages on channels that are not events */
    segment_totals totals;             /* of the finished segment; last_ns = last durable message */
    uint32_t conn_count;
    chain_conn conns[CHAIN_CONNS_MAX]; /* of the last chain record */
} recover_result;

/* Recover the unfinished segment at open_path (ends in ".mcap.open"); torn_dir exists. The result
 * is too large for a small stack. TD_OK; TD_E_NOTFOUND; TD_E_INVALID: open_path is not the name of
 * an unfinished segment, or its final name exists; TD_E_BUSY: the file's writer is running, nothing
 * was changed; TD_E_UNSUPPORTED: a symbolic link, or no file locks; TD_E_IO, TD_E_NOSPACE: recovery
 * is incomplete, run it again. */
TD_MUST_USE td_result recover_segment(td_io io, const char *open_path, const char *torn_dir,
                                      recover_result *out, td_err *err);

/* Durably move an open file, whose finished segment is beside it, to torn/NAME.0.copy. Parameters
 * and results as recover_segment; sets path and torn_path. */
TD_MUST_USE td_result recover_quarantine_copy(td_io io, const char *open_path, const char *torn_dir,
                                              recover_result *out, td_err *err);

/* For an unfinished file whose head cannot be read: *has_durable is 1 if the file has durable data
 * all the same, 0 if a crash interrupted the writer before its first sync. Writes nothing. TD_OK,
 * TD_E_NOTFOUND, TD_E_IO. */
TD_MUST_USE td_result recover_has_durable(td_io io, const char *open_path, int *has_durable,
                                          td_err *err);

/* 1 if the head of an unfinished file could not be read and the file has no durable data. opened:
 * result of opening the file. */
int recover_is_empty(td_io io, const char *open_path, td_result opened);

#endif
