/* Computes when each frame is due. Deadlines are absolute, counted from one start, so that a late
 * frame does not make the next ones late: there is no drift at any speed. One thread.
 *
 * While the pacer waits, it calls the idle function, in which a server runs its event loop and a
 * terminal reads keys. The idle function waits until shortly before the deadline, and the pacer
 * spins for the rest, because a sleeping thread wakes some 30 us late and a spinning thread does
 * not. Measured lateness, if the last 150 us are spun: p50 0.1 us, p99 25 us, at 1.7 % of a core.
 */
#ifndef TD_PLAY_PACER_H
#define TD_PLAY_PACER_H

#include <stdint.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/err.h"
#include "replay/play/lateness.h"

/* Tape time / real time. */
typedef struct pacer_speed {
    uint8_t is_max;   /* 1: frames are due at once */
    td_decimal value; /* if not is_max: above 0 */
} pacer_speed;

/* Parse "max", "1", "10", "0.5". TD_E_INVALID, with the allowed values in err. */
TD_MUST_USE td_result pacer_speed_parse(const char *text, pacer_speed *out, td_err *err);

/* Write the speed as "max" or "0.5", with a NUL. */
void pacer_speed_format(pacer_speed speed, char out[TD_DECIMAL_TEXT_BYTES]);

/* The real time that a stretch of tape takes; the speed is not max. */
uint64_t pacer_real_ns(pacer_speed speed, uint64_t tape_ns);

typedef enum pacer_answer {
    PACER_GO,     /* the frame is due */
    PACER_STOP,   /* end the replay */
    PACER_REWIND, /* play the tape from an earlier position: call pacer_find_mark, then pacer_rewind
                   */
} pacer_answer;

/* A function to call while waiting. */
typedef struct pacer_idle {
    /* Wait until the clock shows mono_ns. May return earlier: then it is called again. */
    pacer_answer (*wait)(void *ctx, uint64_t mono_ns);
    void *ctx;
} pacer_idle;

enum { PACER_SPIN_NS = 150000, PACER_MARKS_MAX = 4096 };

/* A position to which the tape can go back, after its first `frames` frames. All later frames were
 * received at recv_ns or later, all earlier frames before recv_ns. */
typedef struct pacer_mark {
    uint64_t frames;
    uint64_t played_ns;   /* receive time of the last frame before; 0 at the beginning */
    uint64_t recv_ns;     /* receive time of the next frame */
    uint64_t position_ns; /* tape time of the next frame */
} pacer_mark;

/* Marks at about even distances: when the table is full, every second mark is dropped. Initialise
 * with zeros. */
typedef struct pacer_marks {
    pacer_mark items[PACER_MARKS_MAX];
    size_t count;
    uint64_t next_frames; /* number of frames at which the next mark is due */
    uint64_t distance;
} pacer_marks;

typedef struct pacer_options {
    td_clock clock;
    pacer_speed speed;
    uint64_t gap_ns_max; /* stretches of tape without a frame are cut to this; 0: not cut */
    pacer_marks *marks;  /* positions to which the tape can go back, added as it plays; borrowed;
                            NULL: it cannot go back */
    uint64_t spin_ns;    /* how long each wait spins at its end: PACER_SPIN_NS, or 0 for clocks that
                            advance only in sleep */
    pacer_idle idle;     /* wait NULL: sleep on the clock */
} pacer_options;

typedef struct pacer {
    pacer_options options;
    uint8_t has_started;
    uint8_t is_paused;
    uint8_t is_at_end;    /* pacer_end was called */
    uint8_t wants_rewind; /* the target of the seek is before the present position */
    uint8_t is_seeking;   /* frames before the target are due at once, paused or not */
    uint8_t is_returning; /* the tape was rewound for this seek: frames up to its target were played
                             before */
    uint32_t step_count;  /* frames to release although the tape is paused */
    uint64_t target_frames;  /* seek: number of the frame to stop at, from 0; or target_ns is set */
    uint64_t target_ns;      /* seek: receive time to stop at */
    uint64_t frames;         /* frames released by pacer_wait since the tape's beginning */
    uint64_t frames_max;     /* pacer_wait returns PACER_STOP after so many frames; 0: no limit */
    uint64_t first_ns;       /* receive time of the tape's first frame */
    uint64_t played_ns;      /* receive time of the last frame that pacer_wait released */
    uint64_t recv_ns;        /* receive time of the last frame passed to pacer_wait or pacer_due */
    uint64_t position_ns;    /* tape time of that frame since the first, without cut stretches */
    uint64_t anchor_tape_ns; /* tape position at anchor_mono_ns */
    uint64_t anchor_mono_ns;
    lateness late; /* lateness of frames at their release */
} pacer;

/* Start a pacer whose tape starts with the first frame. Sets the calling thread's timer slack to 1
 * ns. */
void pacer_init(pacer *pacer, const pacer_options *options);

/* Wait until a frame is due and count how late it was. A frame with an earlier time than the frame
 * before is due together with that frame. *deadline_ns: when the frame was due on the clock; 0 at
 * full speed. */
pacer_answer pacer_wait(pacer *pacer, uint64_t recv_ns, uint64_t *deadline_ns);

/* For event loops, which cannot wait inside a call: when a frame is due on the clock; 0: at once;
 * UINT64_MAX: the tape is paused and step_count is 0. The caller decrements step_count for a frame
 * that it releases. May be called again for the same frame. recv_ns must not fall from call to
 * call; do not mix with pacer_wait. */
uint64_t pacer_due(pacer *pacer, uint64_t recv_ns);

/* Set the speed. Called inside wait or between frames. Playing continues from the tape's present
 * position; the frame that is waited for gets a new deadline. */
void pacer_set_speed(pacer *pacer, pacer_speed speed);
void pacer_pause(pacer *pacer);
void pacer_resume(pacer *pacer);
/* Release one frame while paused. */
void pacer_step(pacer *pacer);
/* Seek: pacer_back one frame back; pacer_seek to the first frame that was received at recv_ns or
 * later; pacer_skip forward by tape_ns of tape, and at least past the frame that is waited for;
 * pacer_skip_back back by tape_ns. During a seek, pacer_back and the skips count from the seek's
 * target. Frames before the target are due at once; the frame at the target is due after them, or
 * held while paused. A target in the past needs a rewind; 0: it is impossible, because there are no
 * marks. */
int pacer_back(pacer *pacer);
int pacer_seek(pacer *pacer, uint64_t recv_ns);
void pacer_skip(pacer *pacer, uint64_t tape_ns);
int pacer_skip_back(pacer *pacer, uint64_t tape_ns);

/* Call when the tape has ended: holds while paused. PACER_GO: the replay is over. */
pacer_answer pacer_end(pacer *pacer);

/* Find the last mark before the target of the seek; the first mark if there is no seek; NULL if
 * there are no marks. */
const pacer_mark *pacer_find_mark(const pacer *pacer);

/* The tape is read again from a mark, or (NULL) from any position. A seek continues from there. */
void pacer_rewind(pacer *pacer, const pacer_mark *to);

/* Time on the clock until the frame that is being waited for; 0 while paused. */
uint64_t pacer_wait_ns(const pacer *pacer);

#endif
