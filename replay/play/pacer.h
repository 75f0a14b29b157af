/* When each frame is due. Deadlines are absolute, counted from one start, so that a late frame does
 * not make the next ones late: there is no drift at any speed. One thread.
 *
 * While it waits it calls the idle function: a server runs its event loop, a terminal reads keys.
 * So the pacer asks a pacer_idle to wait until shortly before the deadline and spins the rest
 * itself, because a sleeping thread wakes some 30 us late and a spinning one does not (measured:
 * sleep, then spin the last 150 us: p50 0.1 us, p99 25 us at 1.7 % of a core). */
#ifndef TD_PLAY_PACER_H
#define TD_PLAY_PACER_H

#include <stdint.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/err.h"
#include "replay/play/lateness.h"

/* How fast: tape time / real time. */
typedef struct pacer_speed {
    uint8_t is_max;   /* 1: frames are due at once */
    td_decimal value; /* above 0, else */
} pacer_speed;

/* Parse "max", "1", "10", "0.5". TD_E_INVALID with what is allowed. */
TD_MUST_USE td_result pacer_speed_parse(const char *text, pacer_speed *out, td_err *err);

/* "max", "0.5" and a NUL. */
void pacer_speed_format(pacer_speed speed, char out[TD_DECIMAL_TEXT_BYTES]);

typedef enum pacer_answer {
    PACER_GO,     /* the frame is due */
    PACER_STOP,   /* end the replay */
    PACER_REWIND, /* play the tape again from an earlier place: it is to go back (pacer_rewind) */
} pacer_answer;

/* Something to do while waiting. */
typedef struct pacer_idle {
    /* Wait until the clock shows mono_ns, or return earlier (it is called again then). */
    pacer_answer (*wait)(void *ctx, uint64_t mono_ns);
    void *ctx;
} pacer_idle;

enum { PACER_SPIN_NS = 150000, PACER_MARKS_MAX = 4096 };

/* A place of the tape to go back to: the frames that were received at recv_ns or later are those
 * after the first `frames`. */
typedef struct pacer_mark {
    uint64_t frames;
    uint64_t played_ns;   /* receive time of the last of these, 0: it is the tape's beginning */
    uint64_t recv_ns;     /* of the frame that follows */
    uint64_t position_ns; /* tape time of that one */
} pacer_mark;

/* Marks at about even distances: where there are too many, every second one is dropped. Begins
 * zeroed. */
typedef struct pacer_marks {
    pacer_mark items[PACER_MARKS_MAX];
    size_t count;
    uint64_t next_frames; /* the next one is made after so many, or a little more */
    uint64_t distance;
} pacer_marks;

typedef struct pacer_options {
    td_clock clock;
    pacer_speed speed;
    uint64_t gap_ns_max; /* longer stretches of tape without a frame are cut to this; 0: none is */
    pacer_marks *marks;  /* where it can go back to, added as it is played, borrowed; NULL: nothing
                            goes back */
    uint64_t spin_ns;    /* of each wait, PACER_SPIN_NS; 0 for clocks that only move in sleep */
    pacer_idle idle;     /* wait NULL: sleep on the clock */
} pacer_options;

typedef struct pacer {
    pacer_options options;
    uint8_t has_started;
    uint8_t is_paused;
    uint8_t is_at_end;       /* pacer_end was called */
    uint8_t wants_rewind;    /* the target of the seek is before the present position */
    uint8_t is_seeking;      /* frames before the target go at once, paused or not */
    uint8_t is_returning;    /* of these: the tape was rewound, so they were played before */
    uint32_t step_count;     /* frames to let go although the tape is paused */
    uint64_t target_frames;  /* of a seek: frames to let go */
    uint64_t target_ns;      /* and those that were received before this */
    uint64_t frames;         /* that pacer_wait let go, since the tape's beginning */
    uint64_t frames_max;     /* pacer_wait lets no more go: PACER_STOP; 0: no bound */
    uint64_t first_ns;       /* receive time of the tape's first frame */
    uint64_t played_ns;      /* of the last one that pacer_wait let go */
    uint64_t recv_ns;        /* of the last frame of pacer_wait or pacer_due */
    uint64_t position_ns;    /* its tape time since the first frame, without what was cut */
    uint64_t anchor_tape_ns; /* position on the tape and time on the clock that belong together */
    uint64_t anchor_mono_ns;
    lateness late; /* of frames, at the moment they were let go */
} pacer;

/* A pacer whose tape starts with the first frame. Makes the calling thread's timers exact. */
void pacer_init(pacer *pacer, const pacer_options *options);

/* Wait until a frame is due and count how late it became; one whose time fell is due with the one
 * before. *deadline_ns: when it was due on the clock; 0 at full speed. */
pacer_answer pacer_wait(pacer *pacer, uint64_t recv_ns, uint64_t *deadline_ns);

/* For event loops, which do not wait inside a call: when a frame is due on the clock; 0: at once;
 * UINT64_MAX: the tape is paused, and step_count 0. The caller takes the steps. May be called again
 * for the same frame. recv_ns does not fall from call to call, and this is not
 * mixed with pacer_wait. */
uint64_t pacer_due(pacer *pacer, uint64_t recv_ns);

/* For people at a keyboard, called from inside wait or between frames. Each continues from where
 * the tape is now; the frame that is waited for gets a new deadline. */
void pacer_set_speed(pacer *pacer, pacer_speed speed);
void pacer_pause(pacer *pacer);
void pacer_resume(pacer *pacer);
/* Let one frame go while paused. */
void pacer_step(pacer *pacer);
/* Seek one frame back, to the first frame that was received at recv_ns or later, tape_ns of tape on
 * (and past the frame that is waited for), or so far back. Skips and steps back count from a seek's
 * target if there is one. The frames before the target are due at once; the one at the target is
 * due then, or held while paused. A target that was passed needs a rewind: 0 without marks. */
int pacer_back(pacer *pacer);
int pacer_seek(pacer *pacer, uint64_t recv_ns);
void pacer_skip(pacer *pacer, uint64_t tape_ns);
int pacer_skip_back(pacer *pacer, uint64_t tape_ns);

/* The tape ended: hold while paused. PACER_GO: nothing is left to do. */
pacer_answer pacer_end(pacer *pacer);

/* The last mark before the target of the seek; the first if there is no seek, or no mark: NULL. */
const pacer_mark *pacer_find_mark(const pacer *pacer);

/* The tape begins again, at a mark or (NULL) anywhere. A seek continues, now from there. */
void pacer_rewind(pacer *pacer, const pacer_mark *to);

/* How long it is, on the clock, until the frame that is being waited for; 0 while paused. */
uint64_t pacer_wait_ns(const pacer *pacer);

#endif
