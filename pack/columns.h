/* The columns of a packed chunk: the values of one place in frames, over all frames of the chunk
 * (format/PACK.md, "Columns"). What is expected of the next value follows from the values before
 * it; writer and reader call the same functions in the same order, so they expect the same. All
 * arithmetic is modulo 2^64. One thread. */
#ifndef TD_PACK_COLUMNS_H
#define TD_PACK_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "pack/level_map.h"
#include "pack/value_text.h"

enum {
    PACK_COLUMNS_MAX = 4096,
    PACK_MAPS_MAX = 64,
    PACK_CHANNELS_MAX = 16384,
    PACK_STATES_MAX = 1 << 21, /* states of all columns, scales and maps for a channel each */
};

typedef enum column_kind {
    COLUMN_NUMBER,
    COLUMN_STRING, /* strings that repeat: from a list of all */
    COLUMN_TEXT,   /* payloads without a template, of one channel */
    COLUMN_KINDS,
} column_kind;

/* What the next number of a column is expected to be. */
typedef enum column_predictor {
    PREDICT_ZERO,
    PREDICT_LAST,        /* the channel's last one */
    PREDICT_STEP,        /* that, and the last difference again */
    PREDICT_ANY,         /* the last one of any channel */
    PREDICT_BEFORE,      /* the one before it in this frame, else the first one of the last frame */
    PREDICT_REFERENCE,   /* the last one of another column in this frame, times a power of ten */
    PREDICT_LEVEL_KEY,   /* a price: the place among the levels of the channel's map */
    PREDICT_LEVEL_END,   /* a price whose level goes away */
    PREDICT_LEVEL_VALUE, /* a size: that of the level of the last price */
    PREDICTORS,
} column_predictor;

typedef struct column_rule {
    column_predictor predictor;
    uint32_t reference; /* column, or map */
    int32_t exponent;   /* of ten, for PREDICT_REFERENCE */
} column_rule;

/* What is known of a column's numbers in a channel. */
typedef struct column_state {
    int64_t last, step, first;
    uint32_t frame; /* of `first`, + 1 */
    uint8_t scale;  /* of them */
} column_state;

/* The last number of a column, in any channel. */
typedef struct column_last {
    int64_t value;
    uint32_t frame; /* + 1 */
    uint8_t scale;
} column_last;

/* How numbers of a channel are written in some columns: the digits after the point, and whether
 * trailing zeros are left out. */
typedef struct scale_state {
    uint8_t scale;
    uint8_t is_short[2]; /* of numbers other than zero; of zero */
} scale_state;

/* States by channel. */
typedef struct state_array {
    void *states;
    size_t capacity;
} state_array;

/* A state of `size` bytes, made as zeros if it is new. *left, of PACK_STATES_MAX, is less than 0
 * after there was no more space for one: then it is the one of another channel. */
void *state_array_grow(state_array *self, size_t channel, size_t size, int64_t *left);
static inline void *state_array_at(state_array *self, size_t channel, size_t size, int64_t *left)
{
    return TD_LIKELY(channel < self->capacity) ? (char *)self->states + channel * size
                                               : state_array_grow(self, channel, size, left);
}

static inline int64_t wrapping_sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t wrapping_difference(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

/* A number of one scale in another one: more digits, or fewer. */
int64_t column_align_far(int64_t value, int by);
static inline int64_t column_align(int64_t value, int from_scale, int to_scale)
{
    return TD_LIKELY(from_scale == to_scale) ? value
                                             : column_align_far(value, to_scale - from_scale);
}

/* The number that is expected next at a scale, by what another channel or column had (PREDICT_ANY,
 * PREDICT_REFERENCE). any: the last number of the column itself, or of the reference. frame: number
 * of the frame. */
int64_t column_predict_elsewhere(const column_rule *by, const column_last *any, uint32_t frame,
                                 unsigned scale);

/* The same by any predictor but the ones of levels. predictor: that of the rule, so that a caller
 * who knows it can give a constant. */
static inline int64_t column_predict(const column_rule *by, column_predictor predictor,
                                     const column_last *any, const column_state *state,
                                     uint32_t frame, unsigned scale)
{
    const int to = (int)scale;
    switch (predictor) {
    case PREDICT_LAST:
        return column_align(state->last, state->scale, to);
    case PREDICT_STEP:
        return column_align(wrapping_sum(state->last, state->step), state->scale, to);
    case PREDICT_BEFORE:
        return any->frame == frame + 1 ? column_align(any->value, any->scale, to)
                                       : column_align(state->first, state->scale, to);
    case PREDICT_ANY:
    case PREDICT_REFERENCE:
        return column_predict_elsewhere(by, any, frame, scale);
    case PREDICT_ZERO:
    case PREDICT_LEVEL_KEY:
    case PREDICT_LEVEL_END:
    case PREDICT_LEVEL_VALUE:
    case PREDICTORS:
        break;
    }
    return 0;
}

/* Learn the number that came: what a predictor needs of its own column, or all. Another column may
 * need *any. */
static inline void column_learn_for(column_predictor by, column_state *state, uint32_t frame,
                                    int64_t value, unsigned scale)
{
    if (by == PREDICT_STEP) {
        const int64_t last = column_align(state->last, state->scale, (int)scale);
        state->step = wrapping_difference(value, last);
    } else if (by == PREDICT_BEFORE) {
        state->first = state->frame == frame + 1
                           ? column_align(state->first, state->scale, (int)scale)
                           : value;
        state->frame = frame + 1;
    }
    state->last = value;
    state->scale = (uint8_t)scale;
}
static inline void column_learn(column_last *any, column_state *state, uint32_t frame,
                                int64_t value, unsigned scale)
{
    const int64_t last = column_align(state->last, state->scale, (int)scale);
    state->first =
        state->frame == frame + 1 ? column_align(state->first, state->scale, (int)scale) : value;
    state->frame = frame + 1;
    state->step = wrapping_difference(value, last);
    state->last = value;
    state->scale = (uint8_t)scale;
    *any = (column_last){value, frame + 1, (uint8_t)scale};
}

#endif
