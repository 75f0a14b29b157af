/* The columns of a packed chunk: the values of one place in frames, over all frames of the chunk
 * (format/PACK.md, "Columns"). What is expected of the next value follows from the values before
 * it; writer and reader call the same functions in the same order, so they expect the same. All
 * arithmetic is modulo 2^64. One thread. */
#ifndef TD_PACK_COLUMNS_H
#define TD_PACK_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/row_table.h"
#include "pack/level_map.h"

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

typedef struct column_state {
    int64_t last, step, first;
    uint32_t frame; /* of `first`, + 1 */
    uint8_t scale;  /* of them */
} column_state;

typedef struct pack_column {
    uint64_t key; /* of its place in frames; the writer's */
    column_kind kind;
    column_predictor predictor;
    uint32_t reference; /* column, or map */
    int32_t exponent;   /* of ten, for PREDICT_REFERENCE */
    uint32_t scale_group;
    column_state *states; /* by channel */
    size_t state_capacity;
    int64_t any, before;
    uint32_t before_frame; /* + 1 */
    uint8_t any_scale;
} pack_column;

/* How numbers of a channel are written in some columns: the digits after the point, and whether
 * trailing zeros are left out. */
typedef struct scale_state {
    uint8_t scale;
    uint8_t is_short[2]; /* of numbers other than zero; of zero */
} scale_state;

typedef struct scale_group {
    uint64_t key;        /* the writer's */
    scale_state *states; /* by channel */
    size_t capacity;
} scale_group;

/* A map of one channel, and the level of its last price. */
typedef struct channel_map {
    level_map levels;
    uint8_t key_scale, value_scale;
    uint8_t is_touched; /* 1: a price came, and no size yet */
    uint8_t is_new;     /* 1: there is no level of this price */
    size_t index;       /* of the level, or where it would be */
    int64_t key;
} channel_map;

typedef struct columns {
    pack_column *rows;
    size_t count;
    scale_group *scales;
    size_t scale_count;
    channel_map *maps[PACK_MAPS_MAX]; /* by channel */
    size_t map_capacity[PACK_MAPS_MAX];
    size_t state_count;
} columns;

void columns_fini(columns *self);

/* A state, made if it is new; NULL: PACK_STATES_MAX is reached. */
column_state *columns_state(columns *self, pack_column *of, size_t channel);
scale_state *columns_scale(columns *self, uint32_t group, size_t channel);
channel_map *columns_map(columns *self, uint32_t map, size_t channel);

/* A number of one scale in another one: more digits, or fewer. */
int64_t columns_align(int64_t value, int from_scale, int to_scale);

/* The number that is expected next at a scale, by any predictor but the ones of levels; then
 * add the number that came. frame: number of the frame. */
int64_t column_predict(const columns *self, const pack_column *of, const column_state *state,
                       uint32_t frame, unsigned scale);
void column_learn(pack_column *of, column_state *state, uint32_t frame, int64_t value,
                  unsigned scale);

/* Make a map's levels fit the scale of its next price, or size. */
void channel_map_align_keys(channel_map *self, unsigned scale);
void channel_map_align_values(channel_map *self, unsigned scale);

/* A price came: note its level. With `end` it goes away at once. */
void channel_map_touch(channel_map *self, size_t index, int is_new, int64_t key,
                       column_predictor by);

/* The size of the noted level came: keep it, or remove the level if it is 0. */
void channel_map_put(channel_map *self, int64_t value);

/* The size that the noted level has; 0 without one. */
int64_t channel_map_value(const channel_map *self);

#endif
