#include "book/delta_queue.h"

#include <string.h>

#include "base/alloc.h"

void delta_queue_clear(delta_queue *self)
{
    self->count = 0;
    self->level_count = 0;
}

void delta_queue_fini(delta_queue *self)
{
    td_free(self->deltas);
    td_free(self->levels);
    *self = (delta_queue){0};
}

static void forget_oldest(delta_queue *self, size_t count)
{
    size_t levels = 0;
    for (size_t i = 0; i < count; i++)
        levels += self->deltas[i].level_count;
    self->count -= count;
    self->level_count -= levels;
    memmove(self->deltas, self->deltas + count, self->count * sizeof *self->deltas);
    if (self->level_count > 0)
        memmove(self->levels, self->levels + levels, self->level_count * sizeof *self->levels);
}

int64_t delta_number_before(const msg_head *delta)
{
    return delta->has_prev_seq ? delta->prev_seq : delta->u - (delta->u != INT64_MIN);
}

void delta_queue_push(delta_queue *self, const msg_book *delta, int64_t after_u)
{
    if (delta->level_count > DELTA_QUEUE_LEVELS_MAX) {
        delta_queue_clear(self);
        return;
    }
    /* Half of them at a time, so that it is seldom. */
    if (self->count == DELTA_QUEUE_MAX)
        forget_oldest(self, DELTA_QUEUE_MAX / 2);
    while (self->level_count + delta->level_count > DELTA_QUEUE_LEVELS_MAX)
        forget_oldest(self, (self->count + 1) / 2);
    td_array_ensure((void **)&self->deltas, &self->capacity, self->count, sizeof *self->deltas);
    self->deltas[self->count++] = (waiting_delta){
        .u = delta->head.u, .after_u = after_u, .level_count = (uint32_t)delta->level_count};
    for (size_t i = 0; i < delta->level_count; i++) {
        td_array_ensure((void **)&self->levels, &self->level_capacity, self->level_count,
                        sizeof *self->levels);
        self->levels[self->level_count++] = delta->levels[i];
    }
}

void delta_queue_apply(const delta_queue *self, int64_t u, book *to)
{
    book_outcome ignored;
    size_t first = 0;
    for (size_t i = 0; i < self->count; i++) {
        const waiting_delta *at = &self->deltas[i];
        const msg_book delta = {.head = {.type = MSG_BOOK_CHANGE, .kind = FRAME_DELTA, .u = at->u},
                                .levels = self->levels + first,
                                .level_count = at->level_count};
        if (at->u > u)
            book_apply(to, &delta, &ignored);
        first += at->level_count;
    }
}

size_t delta_queue_bytes(const delta_queue *self)
{
    return self->capacity * sizeof *self->deltas + self->level_capacity * sizeof *self->levels;
}

static void level_serialize(msg_level *level, state_io *io)
{
    state_i64(io, &level->price);
    state_i64(io, &level->size);
    state_u8(io, &level->price_scale);
    state_u8(io, &level->size_scale);
    state_u8(io, &level->side);
    state_u8(io, &level->action);
    state_check(io, level->price_scale <= TD_DECIMAL_SCALE_MAX &&
                        level->size_scale <= TD_DECIMAL_SCALE_MAX && level->side <= SIDE_SELL &&
                        level->action <= ACTION_INSERT);
}

void delta_queue_serialize(delta_queue *self, state_io *io)
{
    enum { DELTA_BYTES = 12, LEVEL_BYTES = 20 };
    uint32_t count = state_count(io, self->count, DELTA_QUEUE_MAX, DELTA_BYTES);
    uint64_t levels = 0;
    for (uint32_t i = 0; i < count; i++) {
        td_array_ensure((void **)&self->deltas, &self->capacity, i, sizeof *self->deltas);
        state_i64(io, &self->deltas[i].u);
        if (io->version >= DELTA_QUEUE_LINKS_VERSION)
            state_i64(io, &self->deltas[i].after_u);
        else
            self->deltas[i].after_u = self->deltas[i].u - (self->deltas[i].u != INT64_MIN);
        state_u32(io, &self->deltas[i].level_count);
        levels += self->deltas[i].level_count;
    }
    uint32_t level_count = state_count(io, self->level_count, DELTA_QUEUE_LEVELS_MAX, LEVEL_BYTES);
    state_check(io, levels == level_count);
    for (uint32_t i = 0; i < level_count && !io->is_failed; i++) {
        td_array_ensure((void **)&self->levels, &self->level_capacity, i, sizeof *self->levels);
        level_serialize(&self->levels[i], io);
    }
    if (io->is_failed)
        delta_queue_clear(self);
    else if (state_is_loading(io)) {
        self->count = count;
        self->level_count = level_count;
    }
}
