/* The levels of a book of one channel, as a packed chunk sees them: values by key, in the order of
 * the keys (format/PACK.md, "Levels"). It begins empty and learns. Writer and reader follow the
 * same one, so each change is defined exactly. One thread. */
#ifndef TD_PACK_LEVEL_MAP_H
#define TD_PACK_LEVEL_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum { LEVEL_MAP_MAX = 65536 }; /* a full map is emptied before the next new key */

typedef struct map_level {
    int64_t key, value;
} map_level;

/* Zero-initialise. Levels lie before and after a gap, so that neighbours are cheap to add. */
typedef struct level_map {
    map_level *levels;
    map_level *after; /* after[i] is the level of an index i after the gap */
    size_t count, capacity;
    size_t gap;     /* index of the first level after the gap */
    uint64_t moved; /* levels that were moved, for a bound of the work */
    uint8_t key_scale, value_scale;
    uint8_t is_new;     /* 1: a price without a level came, and no size yet */
    map_level *touched; /* the level whose price came, and no size yet; else NULL */
    size_t index;       /* where the new level would be */
    int64_t key;        /* its price */
} level_map;

void level_map_fini(level_map *self);

/* The level at an index less than count. */
static inline map_level *level_map_at(const level_map *self, size_t index)
{
    return &(index < self->gap ? self->levels : self->after)[index];
}

/* The index of the first key that is not less. */
size_t level_map_find(const level_map *self, int64_t key);

/* Make levels fit the scale of the next price, or size: modulo 2^64. level_map_raise_* do it if
 * their scale is less. */
void level_map_raise_keys(level_map *self, unsigned scale);
void level_map_raise_values(level_map *self, unsigned scale);
static inline void level_map_align_keys(level_map *self, unsigned scale)
{
    if (TD_UNLIKELY(scale > self->key_scale))
        level_map_raise_keys(self, scale);
}
static inline void level_map_align_values(level_map *self, unsigned scale)
{
    if (TD_UNLIKELY(scale > self->value_scale))
        level_map_raise_values(self, scale);
}

/* A price came: note its level, or where it would be; or remove the level at once. */
static inline void level_map_touch(level_map *self, size_t index)
{
    self->touched = level_map_at(self, index);
    self->is_new = 0;
}
static inline void level_map_touch_new(level_map *self, size_t index, int64_t key)
{
    self->touched = NULL;
    self->is_new = 1;
    self->index = index;
    self->key = key;
}
void level_map_remove(level_map *self, size_t index);

/* Note no level. */
static inline void level_map_touch_none(level_map *self)
{
    self->touched = NULL;
    self->is_new = 0;
}

/* The size of the noted level came: keep it, or remove the level if it is 0. level_map_change adds
 * or removes a level. */
void level_map_change(level_map *self, int64_t value);
static inline void level_map_put(level_map *self, int64_t value)
{
    if (TD_LIKELY(self->touched != NULL && value != 0)) {
        self->touched->value = value;
        self->touched = NULL;
    } else {
        level_map_change(self, value);
    }
}

#endif
