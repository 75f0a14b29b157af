/* The levels of a book, as a packed chunk sees them: values by key, in the order of the keys
 * (format/PACK.md, "Levels"). It begins empty and learns. Writer and reader follow the same one, so
 * each change is defined exactly. One thread. */
#ifndef TD_PACK_LEVEL_MAP_H
#define TD_PACK_LEVEL_MAP_H

#include <stddef.h>
#include <stdint.h>

enum { LEVEL_MAP_MAX = 65536 }; /* a full map is emptied before the next new key */

typedef struct map_level {
    int64_t key, value;
} map_level;

/* Zero-initialise. Levels lie before and after a gap, so that neighbours are cheap to add. */
typedef struct level_map {
    map_level *levels;
    size_t count, capacity;
    size_t gap;     /* index of the first level after the gap */
    uint64_t moved; /* levels that were moved, for a bound of the work */
} level_map;

void level_map_fini(level_map *self);

/* level_map_find returns the index of the first key that is not less; level_map_at a level. */
size_t level_map_find(const level_map *self, int64_t key);
const map_level *level_map_at(const level_map *self, size_t index);

/* Add a level before `index`, which keeps the order; remove one; change a value. */
void level_map_insert(level_map *self, size_t index, int64_t key, int64_t value);
void level_map_remove(level_map *self, size_t index);
void level_map_set(level_map *self, size_t index, int64_t value);

/* Multiply all keys, or all values, by a power of ten, without overflow checks: modulo 2^64. */
void level_map_scale(level_map *self, int64_t keys_by, int64_t values_by);

#endif
