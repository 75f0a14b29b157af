#include "tape/frame_counts.h"

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/row_table.h"
#include "tape/cursor.h"

/* The frames of a channel. */
typedef struct channel_counts {
    const frame_channel *channel; /* of the cursor: only while frames are read */
    channel_info info;
    uint32_t *frames; /* by cell */
} channel_counts;

struct frame_counts {
    timeline_grid grid;
    td_arena *texts;
    channel_counts *channels;
    size_t count;
    row_table by_channel;
};

static uint64_t hash_pointer(const void *pointer)
{
    return ((uint64_t)(uintptr_t)pointer >> 4) * UINT64_C(0x9e3779b97f4a7c15);
}

static channel_counts *get_channel(frame_counts *self, const frame_channel *channel)
{
    const uint64_t hash = hash_pointer(channel);
    row_probe at = row_probe_of(hash);
    while (row_table_next(&self->by_channel, &at))
        if (self->channels[at.row].channel == channel)
            return &self->channels[at.row];
    self->channels = td_array_grow(self->channels, self->count, sizeof *self->channels);
    channel_counts *made = &self->channels[self->count];
    *made = (channel_counts){channel, channel_info_copy(&channel->info, self->texts),
                             td_alloc_zero(self->grid.count, sizeof *made->frames)};
    row_table_put(&self->by_channel, hash, self->count++);
    return made;
}

static td_result count_frames(frame_counts *self, cursor *tape, td_err *err)
{
    const frame_ref *frame;
    cursor_stats stats;
    td_result rc;
    while ((rc = cursor_next(tape, &frame, err)) == TD_OK) {
        const uint64_t cell = (frame->recv_ns - self->grid.from_ns) / self->grid.step_ns;
        if (frame->recv_ns >= self->grid.from_ns && cell < self->grid.count)
            get_channel(self, frame->channel)->frames[cell]++;
    }
    cursor_get_stats(tape, &stats);
    if (rc == TD_EOF && cursor_is_damaged(&stats))
        return td_err_set(err, TD_E_CORRUPT, "a part of the time cannot be read");
    return rc == TD_EOF ? TD_OK : rc;
}

td_result frame_counts_read(archive *from, selection *wanted, timeline_grid grid,
                            frame_counts **out, td_err *err)
{
    const cursor_options options = {.with_lines = 1};
    frame_counts *made = td_alloc_zero(1, sizeof *made);
    cursor *tape = NULL;
    made->grid = grid;
    made->texts = td_arena_open();
    selection_set_window(
        wanted, (selection_window){grid.from_ns, grid.from_ns + grid.step_ns * grid.count});
    td_result rc = cursor_open(from, wanted, &options, &tape, err);
    if (rc == TD_OK)
        rc = count_frames(made, tape, err);
    cursor_close(tape);
    if (rc != TD_OK)
        frame_counts_close(made);
    *out = rc == TD_OK ? made : NULL;
    return rc;
}

void frame_counts_close(frame_counts *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++)
        td_free(self->channels[i].frames);
    td_free(self->channels);
    row_table_fini(&self->by_channel);
    td_arena_close(self->texts);
    td_free(self);
}

/* 1 if a row's frames are counted by its own topic, and it is in a band. */
static int is_counted(const timeline_row *row, uint32_t band)
{
    return band != TIMELINE_NO_BAND && strcmp(row->topic, CHANNEL_TOPIC_UNKNOWN) != 0;
}

void frame_counts_replace(const frame_counts *self, const timeline *over_time,
                          const uint32_t *band_of, size_t cell_count, timeline_cell *cells)
{
    size_t row_count;
    const timeline_row *rows = timeline_rows(over_time, &row_count);
    TD_ASSERT(cell_count <= self->grid.count);
    for (size_t row = 0; row < row_count; row++)
        for (size_t i = 0; is_counted(&rows[row], band_of[row]) && i < cell_count; i++) {
            timeline_cell *cell = &cells[band_of[row] * cell_count + i];
            cell->frames = 0;
            cell->is_estimate = 0;
        }
    for (size_t k = 0; k < self->count; k++) {
        const uint32_t row = timeline_find_row(over_time, &self->channels[k].info);
        if (row == TIMELINE_NO_ROW || !is_counted(&rows[row], band_of[row]))
            continue;
        for (size_t i = 0; i < cell_count; i++)
            cells[band_of[row] * cell_count + i].frames += self->channels[k].frames[i];
    }
}
