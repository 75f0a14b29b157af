#include "pack/columns.h"

#include "base/alloc.h"
#include "base/decimal.h"

void *state_array_grow(state_array *self, size_t channel, size_t size, int64_t *left)
{
    const size_t before = self->capacity;
    if ((int64_t)(channel + 1 - before) > *left) {
        *left = -1;
        channel = 0;
    }
    self->states = td_array_reach(self->states, &self->capacity, channel, size);
    const int64_t made = (int64_t)(self->capacity - before);
    if (*left >= 0)
        *left -= made < *left ? made : *left;
    return (char *)self->states + channel * size;
}

int64_t column_align_far(int64_t value, int by)
{
    if (by < 0)
        return value / td_power_of_ten[by > -VALUE_DIGITS_MAX ? -by : VALUE_DIGITS_MAX];
    const int up = by < VALUE_DIGITS_MAX ? by : VALUE_DIGITS_MAX;
    return (int64_t)((uint64_t)value * (uint64_t)td_power_of_ten[up]);
}

int64_t column_predict_elsewhere(const column_rule *by, const column_last *any, uint32_t frame,
                                 unsigned scale)
{
    const int is_here = any->frame == frame + 1;
    int to = (int)scale;
    if (by->predictor == PREDICT_REFERENCE) {
        if (!is_here)
            return 0;
        to += by->exponent;
    }
    return column_align(any->value, any->scale, to);
}
