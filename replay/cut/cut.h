/* Writes a cut: a selection of one session's feed as a single, self-contained file.
 * replay/cut/cut_folder.h writes a selection of several feeds and sessions.
 *
 * The file begins with a `segment` event, which restates the open connections, and with their
 * grants. Then it has the state at the selection's beginning, as frames, and the selected frames,
 * byte for byte, with their times, ordinals and channels. It also has the session's events of this
 * time, and the overlapping rows of the ledger.
 *
 * The state of a topic with snapshots and deltas is its last snapshot and every later frame; the
 * state of another topic is its last frame. A checkpoint has the same state in tapedeck's own form.
 * Readers begin with the checkpoint, so every frame of the selection gets the same verdicts and
 * book as in the archive. Without the checkpoint, grants and comparisons between topics begin with
 * the selection.
 *
 * HTTP replies that `serve` needs at the beginning (tape/reply_list.h), also replies of other feeds
 * and sessions, are the first frames. Their receive time is the file's beginning; their `http`
 * events have the original time.
 *
 * The archive is read from its last checkpoint before the selection up to the selection, to find
 * the state and the time of each topic's last snapshot; then from the oldest of these snapshots to
 * the end. If there is no checkpoint, or it lacks a snapshot's time, frames are read from the
 * beginning of the oldest connection that was open when the selection begins. Memory depends on the
 * number of streams. One thread. */
#ifndef TD_CUT_CUT_H
#define TD_CUT_CUT_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "format/segment_writer.h"
#include "schema/frame.h"
#include "tape/cursor.h"
#include "tape/decoding.h"
#include "tape/selection.h"
#include "base/cli/stop_signal.h"

/* How the state of a topic with snapshots is written. */
typedef enum cut_snapshots {
    CUT_SNAPSHOTS_RECORDED, /* its last snapshot and every later frame */
    CUT_SNAPSHOTS_MADE,     /* a snapshot made from the book or the ticker's deltas
                               (replay/play/snapshot.h) replaces the topic's last frame, on a
                               channel of FORM_MADE; where this is impossible, as recorded */
} cut_snapshots;

/* Of a cut of several feeds and sessions, the file with one of them. */
typedef struct cut_part {
    const char *feed, *family;
    const char *session;        /* other sessions' frames and events are left out */
    uint64_t session_ns;        /* its start */
    uint64_t first_ns, last_ns; /* of its messages in the archive, up to the selection's end */
    const selection *whole;     /* of all parts; cut_options.wanted has only this feed */
    uint8_t begins_feed;        /* 1: the session was running when the selection begins; it gets the
                                   feed's checkpoint */
    uint8_t is_kept;            /* 1: also without a frame, to keep the connections and grants */
    /* 1 if the part has the HTTP replies of this feed. */
    int (*has_replies)(void *user, const char *feed);
    void *user;
    gap_list *gaps; /* gets all rows that the file has or, if nothing is selected, would have */
} cut_part;

typedef struct cut_options {
    archive *archive;
    const selection *wanted;       /* with absolute times */
    const tape_decoding *decoding; /* finds snapshots; NULL: the built-in decoder */
    unsigned threads;              /* threads that read ahead; 0 or 1: reads inline */
    const td_log *log;             /* may be NULL */
    const stop_signal *signals;    /* a signal ends it with TD_E_IO; may be NULL */
    /* Narrow the selection: return 1 if a channel, or a frame of it, is wanted. NULL: all are.
     * Frames are passed in the order of the tape, and frames of the state twice. HTTP replies from
     * before the selection have recv_ns, a channel, and a connection whose number is 0 and whose
     * session is "". With wants_frame, the archive's checkpoints are not used. */
    int (*wants_channel)(void *user, const channel_info *info);
    int (*wants_frame)(void *user, const frame_ref *frame);
    void *user;
    cut_snapshots snapshots;
    const cut_part *part;       /* NULL: the selection has one feed and session */
    uint8_t without_checkpoint; /* 1: the file has the state only as frames */
    uint8_t keeps_feeds; /* of a folder, 1: a feed without a frame keeps connections and grants */
    const char *path;    /* path of the file to write; must end in .mcap, in an existing folder; an
                            existing file is replaced. Of a folder: must not exist */
} cut_options;

typedef struct cut_result {
    uint64_t frames;       /* frames of the selection */
    uint64_t state_frames; /* frames of the state before the selection */
    uint64_t made_frames;  /* frames of the state that are made snapshots */
    uint64_t reply_frames; /* HTTP replies from before the selection */
    uint64_t first_ns,
        last_ns;       /* times of the first and the last frame, state included; 0: no frame */
    uint64_t begin_ns; /* start of the feed's state, of all sessions */
    segment_totals file;
    uint32_t without_snapshot; /* topics whose deltas need a snapshot that the archive lacks */
    cursor_stats read;         /* statistics of reading the selection */
} cut_result;

/* Check a path for a new file. TD_E_INVALID: it does not end in .mcap. Fails if the file exists. */
TD_MUST_USE td_result cut_check_path(const char *path, td_err *err);

/* The table that writes the cuts of an archive: the archive's own, or, if it is in a store, the
 * disk's. */
td_io cut_io(const archive *from);

/* Write the file under the name with ".open" appended, and rename it once it is complete and
 * synced; only its owner may read it. TD_E_NOTFOUND: nothing is selected (with wants_frame: and
 * there is no state; of a part: and there is no event or reply); TD_E_INVALID: the selection has
 * frames of two feeds or sessions; TD_E_LIMIT: it is larger than a file may be; TD_E_IO,
 * TD_E_NOSPACE. A failure leaves no file. */
TD_MUST_USE td_result cut_write(const cut_options *options, cut_result *out, td_err *err);

#endif
