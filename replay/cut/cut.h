/* Writes a cut: a selection of one session's feed as a single, self-contained file.
 *
 * The file has the selected frames, byte for byte, with their times, ordinals and channels; before
 * them the state at the selection's beginning, as frames; the session's events of that time; and
 * the rows of the ledger that touch it. It begins with a `segment` event that restates the
 * connections that were open, and with their grants.
 *
 * The state of a topic with snapshots and deltas is its last snapshot and every frame since, that
 * of other topics is their last frame. A checkpoint has the same state as tapedeck keeps it, from
 * which its readers begin: every frame of the selection gets the verdicts and the book that it has
 * in the archive. What topics show of each other is compared from the selection's beginning on if
 * the checkpoint is left out, and grants count from there.
 *
 * The HTTP replies that `serve` answers with at the beginning (tape/reply_list.h) come first, those
 * of other feeds and sessions too, with the time of the file's beginning; their `http` events have
 * when they were received.
 *
 * What is read: from the archive's last checkpoint before the selection to its beginning, which
 * shows the state and when each topic's last snapshot came; then from the oldest of these to the
 * end. An archive without such a checkpoint, or where it does not show a snapshot, is read since
 * the oldest of the connections began that were open then. Memory depends on the number of streams.
 * One thread. */
#ifndef TD_CUT_CUT_H
#define TD_CUT_CUT_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "schema/frame.h"
#include "tape/cursor.h"
#include "tape/decoding.h"
#include "tape/selection.h"
#include "base/cli/stop_signal.h"

/* How the state of a topic with snapshots is written. */
typedef enum cut_snapshots {
    CUT_SNAPSHOTS_RECORDED, /* its last snapshot and every frame since */
    CUT_SNAPSHOTS_MADE,     /* a snapshot made from the book or the ticker's deltas
                               (replay/play/snapshot.h), in place of its last frame, on a channel of
                               FORM_MADE; where none can be made, as recorded */
} cut_snapshots;

typedef struct cut_options {
    archive *archive;
    const selection *wanted;       /* with absolute times */
    const tape_decoding *decoding; /* says what a snapshot is; NULL: the built-in decoder */
    unsigned threads;              /* that read ahead; 0 or 1: none */
    const td_log *log;             /* may be NULL */
    const stop_signal *signals;    /* end it with TD_E_IO; NULL: nothing does */
    /* Narrow the selection: 1 if a channel, or a frame of it, is wanted. NULL: all. Frames are
     * shown in the order of the tape, those of the state twice, and HTTP replies of before it with
     * their time only; the archive's checkpoints are not used then. */
    int (*wants_channel)(void *user, const channel_info *info);
    int (*wants_frame)(void *user, const frame_ref *frame);
    void *user;
    cut_snapshots snapshots;
    uint8_t without_checkpoint; /* 1: all of the state is in the file's frames */
    const char *path; /* of the file, ends in .mcap; its folder exists. An existing one is replaced
                       */
} cut_options;

typedef struct cut_result {
    uint64_t frames;            /* of the selection */
    uint64_t state_frames;      /* before them */
    uint64_t made_frames;       /* of these, snapshots that were made */
    uint64_t reply_frames;      /* before all, HTTP replies that it lacks */
    uint64_t first_ns, last_ns; /* of both; 0: none */
    uint64_t file_bytes;
    uint32_t without_snapshot; /* topics whose deltas need a snapshot that the archive lacks */
    cursor_stats read;         /* of the selection */
} cut_result;

/* TD_E_INVALID if the path does not end in .mcap, or is there already. */
TD_MUST_USE td_result cut_check_path(const char *path, td_err *err);

/* Write the file: under the name with ".open" at its end, renamed once it is whole and synced; only
 * its owner may read it. TD_E_NOTFOUND: nothing is selected (with wants_frame, nor anything of the
 * state); TD_E_INVALID: frames of two feeds or sessions are; TD_E_LIMIT: more than one file may
 * hold; TD_E_IO, TD_E_NOSPACE. After a failure nothing is left. */
TD_MUST_USE td_result cut_write(const cut_options *options, cut_result *out, td_err *err);

#endif
