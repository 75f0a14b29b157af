#include "pack/level_map.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/decimal.h"

void level_map_fini(level_map *self)
{
    td_free(self->levels);
    *self = (level_map){0};
}

size_t level_map_find(const level_map *self, int64_t key)
{
    size_t low = 0;
    size_t high = self->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (level_map_at(self, middle)->key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Set what follows from the count and the capacity. */
static void set_after(level_map *self)
{
    self->after = self->levels + (self->capacity - self->count);
}

/* Move the gap to an index. */
static void move_gap(level_map *self, size_t index)
{
    const size_t gap_levels = self->capacity - self->count;
    map_level *levels = self->levels;
    if (index < self->gap)
        memmove(&levels[index + gap_levels], &levels[index], (self->gap - index) * sizeof *levels);
    else if (index > self->gap)
        memmove(&levels[self->gap], &levels[self->gap + gap_levels],
                (index - self->gap) * sizeof *levels);
    self->moved += index < self->gap ? self->gap - index : index - self->gap;
    self->gap = index;
}

static void grow(level_map *self)
{
    const size_t capacity = self->capacity == 0 ? 64 : self->capacity * 2;
    const size_t after = self->count - self->gap;
    self->levels = td_realloc(self->levels, capacity, sizeof *self->levels);
    if (after > 0)
        memmove(&self->levels[capacity - after], &self->levels[self->capacity - after],
                after * sizeof *self->levels);
    self->capacity = capacity;
}

static void insert(level_map *self, size_t index, int64_t key, int64_t value)
{
    TD_ASSERT(index <= self->count);
    if (self->count == LEVEL_MAP_MAX) {
        self->count = 0;
        self->gap = 0;
        index = 0;
    }
    if (self->count == self->capacity)
        grow(self);
    move_gap(self, index);
    self->levels[self->gap++] = (map_level){key, value};
    self->count++;
    set_after(self);
}

void level_map_remove(level_map *self, size_t index)
{
    TD_ASSERT(index < self->count);
    level_map_touch_none(self);
    move_gap(self, index + 1);
    self->gap--;
    self->count--;
    set_after(self);
}

static void multiply(level_map *self, int64_t keys_by, int64_t values_by)
{
    for (size_t i = 0; i < self->count; i++) {
        map_level *level = level_map_at(self, i);
        level->key = (int64_t)((uint64_t)level->key * (uint64_t)keys_by);
        level->value = (int64_t)((uint64_t)level->value * (uint64_t)values_by);
    }
}

void level_map_raise_keys(level_map *self, unsigned scale)
{
    multiply(self, td_power_of_ten[scale - self->key_scale], 1);
    self->key_scale = (uint8_t)scale;
}

void level_map_raise_values(level_map *self, unsigned scale)
{
    multiply(self, 1, td_power_of_ten[scale - self->value_scale]);
    self->value_scale = (uint8_t)scale;
}

void level_map_change(level_map *self, int64_t value)
{
    const map_level *touched = self->touched;
    const int is_added = self->is_new && value != 0;
    level_map_touch_none(self);
    if (is_added)
        insert(self, self->index, self->key, value);
    else if (touched != NULL)
        level_map_remove(
            self,
            (size_t)(touched - (touched < self->levels + self->gap ? self->levels : self->after)));
}
