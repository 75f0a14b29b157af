#include "pack/columns.h"

#include "base/alloc.h"
#include "pack/value_text.h"

void columns_fini(columns *self)
{
    for (size_t i = 0; i < self->count; i++)
        td_free(self->rows[i].states);
    for (size_t i = 0; i < self->scale_count; i++)
        td_free(self->scales[i].states);
    for (size_t map = 0; map < PACK_MAPS_MAX; map++) {
        for (size_t i = 0; i < self->map_capacity[map]; i++)
            level_map_fini(&self->maps[map][i].levels);
        td_free(self->maps[map]);
    }
    td_free(self->rows);
    td_free(self->scales);
    *self = (columns){0};
}

/* Make space for a channel's state in an array of states. 0: there are too many. */
static int reach(columns *self, void **states, size_t *capacity, size_t channel, size_t size)
{
    const size_t before = *capacity;
    if (channel < before)
        return 1;
    if (self->state_count + channel + 1 - before > PACK_STATES_MAX)
        return 0;
    *states = td_array_reach(*states, capacity, channel, size);
    self->state_count += *capacity - before;
    return 1;
}

column_state *columns_state(columns *self, pack_column *of, size_t channel)
{
    void *states = of->states;
    const int has = reach(self, &states, &of->state_capacity, channel, sizeof *of->states);
    of->states = states;
    return has ? &of->states[channel] : NULL;
}

scale_state *columns_scale(columns *self, uint32_t group, size_t channel)
{
    scale_group *of = &self->scales[group];
    void *states = of->states;
    const int has = reach(self, &states, &of->capacity, channel, sizeof *of->states);
    of->states = states;
    return has ? &of->states[channel] : NULL;
}

channel_map *columns_map(columns *self, uint32_t map, size_t channel)
{
    void *states = self->maps[map];
    const int has = reach(self, &states, &self->map_capacity[map], channel, sizeof(channel_map));
    self->maps[map] = states;
    return has ? &self->maps[map][channel] : NULL;
}

/* ---- numbers ---- */

int64_t columns_align(int64_t value, int from_scale, int to_scale)
{
    int by = to_scale - from_scale;
    if (by == 0)
        return value;
    by = by > VALUE_DIGITS_MAX ? VALUE_DIGITS_MAX : by < -VALUE_DIGITS_MAX ? -VALUE_DIGITS_MAX : by;
    return by > 0 ? (int64_t)((uint64_t)value * (uint64_t)value_power[by])
                  : value / value_power[-by];
}

static int64_t sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

int64_t column_predict(const columns *self, const pack_column *of, const column_state *state,
                       uint32_t frame, unsigned scale)
{
    const int to = (int)scale;
    switch (of->predictor) {
    case PREDICT_LAST:
        return columns_align(state->last, state->scale, to);
    case PREDICT_STEP:
        return columns_align(sum(state->last, state->step), state->scale, to);
    case PREDICT_ANY:
        return columns_align(of->any, of->any_scale, to);
    case PREDICT_BEFORE:
        return of->before_frame == frame + 1 ? columns_align(of->before, of->any_scale, to)
                                             : columns_align(state->first, state->scale, to);
    case PREDICT_REFERENCE: {
        const pack_column *other = &self->rows[of->reference];
        return other->before_frame == frame + 1
                   ? columns_align(other->before, other->any_scale, to + of->exponent)
                   : 0;
    }
    case PREDICT_ZERO:
    case PREDICT_LEVEL_KEY:
    case PREDICT_LEVEL_END:
    case PREDICT_LEVEL_VALUE:
    case PREDICTORS:
        break;
    }
    return 0;
}

void column_learn(pack_column *of, column_state *state, uint32_t frame, int64_t value,
                  unsigned scale)
{
    const int64_t last = columns_align(state->last, state->scale, (int)scale);
    state->first =
        state->frame == frame + 1 ? columns_align(state->first, state->scale, (int)scale) : value;
    state->frame = frame + 1;
    state->step = (int64_t)((uint64_t)value - (uint64_t)last);
    state->last = value;
    state->scale = (uint8_t)scale;
    of->any = of->before = value;
    of->any_scale = (uint8_t)scale;
    of->before_frame = frame + 1;
}

/* ---- levels ---- */

void channel_map_align_keys(channel_map *self, unsigned scale)
{
    if (scale > self->key_scale) {
        level_map_scale(&self->levels, value_power[scale - self->key_scale], 1);
        self->key_scale = (uint8_t)scale;
    }
}

void channel_map_align_values(channel_map *self, unsigned scale)
{
    if (scale > self->value_scale) {
        level_map_scale(&self->levels, 1, value_power[scale - self->value_scale]);
        self->value_scale = (uint8_t)scale;
    }
}

void channel_map_touch(channel_map *self, size_t index, int is_new, int64_t key,
                       column_predictor by)
{
    self->is_touched = by == PREDICT_LEVEL_KEY;
    self->is_new = (uint8_t)is_new;
    self->index = index;
    self->key = key;
    if (by == PREDICT_LEVEL_END && !is_new)
        level_map_remove(&self->levels, index);
}

int64_t channel_map_value(const channel_map *self)
{
    return self->is_touched && !self->is_new ? level_map_at(&self->levels, self->index)->value : 0;
}

void channel_map_put(channel_map *self, int64_t value)
{
    if (!self->is_touched)
        return;
    self->is_touched = 0;
    if (self->is_new && value != 0)
        level_map_insert(&self->levels, self->index, self->key, value);
    else if (!self->is_new && value == 0)
        level_map_remove(&self->levels, self->index);
    else if (!self->is_new)
        level_map_set(&self->levels, self->index, value);
}
