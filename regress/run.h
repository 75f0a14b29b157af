/* Plays a selection into a baseline: on all cores, with checkpoints, so that an interrupted run
 * goes on where it was. The baseline is the same whatever the number of threads, and however often
 * the run was interrupted. */
#ifndef TD_REGRESS_RUN_H
#define TD_REGRESS_RUN_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "regress/baseline.h"
#include "tape/decoding.h"
#include "tape/selection.h"

/* A run writes what it has at least this often; an interruption costs so much. */
#define REGRESS_CHECKPOINT_NS (UINT64_C(10) * 1000 * 1000 * 1000)

typedef enum regress_existing {
    REGRESS_KEEP,    /* a complete baseline is not replaced: TD_E_INVALID */
    REGRESS_REPLACE, /* it is, and a damaged one */
    REGRESS_REUSE,   /* likewise, unless it is what the run would make: then it is the result */
} regress_existing;

typedef struct regress_run_options {
    archive *archive;
    const selection *wanted;
    const tape_decoding *decoding; /* NULL: the built-in decoder */
    const struct decoder_map *map; /* what is left out of messages, and meta.map; may be NULL */
    unsigned threads;              /* 1 to LIMIT_THREADS */
    td_clock clock;
    const td_log *log;
    const char *path; /* of the baseline */
    /* Blocks are shared with it (baseline_set_reference); it must be complete, and outlive the
     * result. NULL: none. */
    baseline *reference;
    /* What to write; selection is filled in from wanted, version by the program, reference by the
     * option, and decoder and decoder_id, too, if decoder is NULL: then it is the built-in one. An
     * unfinished baseline goes on if it has the same in all of it; else the run starts from the
     * beginning, with a line in the log. */
    baseline_meta meta;
    regress_existing existing;
    uint64_t checkpoint_ns;     /* 0: REGRESS_CHECKPOINT_NS */
    uint64_t checkpoint_frames; /* also after so many frames; 0: by time alone */
    size_t buffer_bytes;        /* of frames that are not put yet; 0: LIMIT_REGRESS_BUFFER_BYTES */
    /* Called every few thousand frames, and after checkpoints, with the number of frames of this
     * run; 1 stops it. May be NULL. */
    int (*progress)(void *user, uint64_t frames, uint64_t recv_ns);
    void *user;
} regress_run_options;

typedef struct regress_run_result {
    uint64_t frames;          /* inbound frames of this run */
    uint64_t resumed_from_ns; /* 0: it began at the beginning */
    uint64_t damaged_chunks;  /* that this run could not read */
} regress_run_result;

/* Make the baseline, or go on with one that was interrupted. TD_OK: *out is complete, and open for
 * reading; whether chunks could not be read is in its meta. TD_EOF: progress stopped the run, and
 * the same call goes on. TD_E_NOTFOUND: nothing matches the selection; TD_E_CORRUPT: all that
 * does is damaged; there is no file then. TD_E_INVALID: a complete baseline is in the way. TD_E_*:
 * a disk or memory that is full, an archive that cannot be read; what was written until then is
 * kept for the next run. */
TD_MUST_USE td_result regress_run(const regress_run_options *options, regress_run_result *result,
                                  baseline **out, td_err *err);

#endif
