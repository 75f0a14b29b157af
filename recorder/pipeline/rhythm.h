/* How often a topic's frames come, learned from its own silences, so that a topic that has ceased
 * is noticed although its connection delivers others.
 *
 * A silence is judged by the longest one of the last RHYTHM_WINDOW_NS to twice that. A topic with
 * fewer than RHYTHM_FRAMES frames in that time has no rhythm. One thread. */
#ifndef TD_PIPELINE_RHYTHM_H
#define TD_PIPELINE_RHYTHM_H

#include <stdint.h>

#include "base/clock.h"

#define RHYTHM_WINDOW_NS (600 * TD_NS_PER_S)
/* A silence is never too long before this time. */
#define RHYTHM_LEAST_NS (30 * TD_NS_PER_S)
enum { RHYTHM_FRAMES = 100 };

/* Zero before the first frame. The members are private. */
typedef struct rhythm {
    uint64_t last_ns, window_ns; /* of the last frame; begin of the present window */
    uint64_t longest_ns[2];      /* silences of the present window, and of the one before */
    uint32_t frames[2];
    uint8_t is_known; /* 1: there is a window before the present one */
} rhythm;

/* A frame of the topic. A silence in which the connection was replaced does not count: call
 * rhythm_restart before. */
void rhythm_add(rhythm *self, uint64_t recv_ns);
void rhythm_restart(rhythm *self);

/* The longest usual silence; UINT64_MAX: the topic has no rhythm. */
uint64_t rhythm_longest_ns(const rhythm *self);

/* 1 if a silence of this length is `factor` times the longest usual one, and long at all. */
int rhythm_is_too_long(const rhythm *self, uint64_t silence_ns, uint64_t factor);

#endif
