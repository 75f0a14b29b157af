#include "export/export_survey.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "archive/read_plan.h"
#include "export/export_series.h"
#include "format/segment_reader.h"
#include "tape/connection_table.h"
#include "tape/cursor.h"

enum { STOP_FRAMES = 4096, BITMAP_BYTES = (UINT16_MAX + 1) / 8 };

#define NS_PER_DAY UINT64_C(86400000000000)

typedef struct survey_run {
    const export_survey_options *options;
    export_survey *out;
    export_series_table series;
    connection_table *channels; /* one object for a channel of several segments */
    uint32_t *days;             /* by index of the channel: 1 + the last day that was noted */
    size_t day_capacity;
    read_plan *plan;
    size_t segment_next;    /* those before it have no day to come */
    cursor *frames;         /* of channels whose place each frame decides; NULL: there are none */
    const frame_ref *frame; /* the next of them; NULL: no more */
    uint64_t frame_count;
    segment_scratch *scratch;
    td_buf sealed;              /* array of sealed_channel */
    uint8_t bits[BITMAP_BYTES]; /* channels that a segment has on a day, by id */
} survey_run;

/* ---- files ---- */

/* A series has data on this day. */
static td_result note_file(survey_run *run, const channel_info *from, const export_place *place,
                           td_bytes symbol, uint32_t day, td_err *err)
{
    export_series *series = NULL;
    const char *refusal = NULL;
    char name[EXPORT_NAME_BYTES];
    int is_new = 0;
    td_result rc = export_series_of(&run->series, place, symbol, &series, &refusal, err);
    if (rc != TD_OK || series == NULL)
        return rc; /* the writer counts the frames of a symbol that no file can hold */
    const char *feed = place->market == NULL ? "" : from->feed;
    rc = export_series_note(&run->series, series, day, feed, from->line, series->symbol, &is_new,
                            err);
    if (rc != TD_OK || !is_new)
        return rc;
    rc = export_name_format(run->options->spec->format, series->type, series->exchange,
                            series->file_symbol, day, name, err);
    return rc == TD_OK ? export_folder_check(run->options->folder, name, err) : rc;
}

static export_place place_of(const survey_run *run, const frame_channel *channel)
{
    const export_spec *spec = run->options->spec;
    return frame_role_is_of_topic(channel->role) ? spec->format->place(spec, channel)
                                                 : (export_place){EXPORT_USE_NOTHING, NULL, NULL};
}

static void note_depth(export_survey *out, uint32_t depth)
{
    size_t at = 0;
    while (at < out->depth_count && out->depths[at] < depth)
        at++;
    if (at < out->depth_count && out->depths[at] == depth)
        return;
    TD_ASSERT(out->depth_count < EXPORT_DEPTHS_MAX);
    memmove(out->depths + at + 1, out->depths + at, (out->depth_count - at) * sizeof *out->depths);
    out->depths[at] = depth;
    out->depth_count++;
}

/* The channel has frames on this day. */
static td_result note_channel(survey_run *run, const channel_info *info, uint32_t day, td_err *err)
{
    frame_channel *channel = NULL;
    td_result rc = connection_table_channel(run->channels, info, &channel, err);
    if (rc != TD_OK || !frame_role_is_of_topic(channel->role))
        return rc;
    run->days = td_array_reach(run->days, &run->day_capacity, channel->index, sizeof *run->days);
    if (run->days[channel->index] == day + 1)
        return TD_OK;
    run->days[channel->index] = day + 1;
    const export_place place = place_of(run, channel);
    run->out->has_frames = 1;
    run->out->has_useful |= place.type != NULL;
    const topic_row *row = channel->topic.row;
    if (place.market != NULL && row != NULL && export_is_book_topic(row, 0))
        note_depth(run->out, row->book_depth);
    if (place.use != EXPORT_USE_FILE)
        return TD_OK;
    TD_ASSERT(place.type != NULL);
    td_bytes symbol = td_bytes_str(info->symbol);
    if (place.type->has_books && export_symbol_refusal(symbol) == NULL)
        rc = export_choice_offer(&run->out->choices, info->feed, symbol, place.market,
                                 channel->topic.row, err);
    return rc == TD_OK ? note_file(run, info, &place, symbol, day, err) : rc;
}

/* ---- segments ---- */

/* Part of the selection, within one day. */
typedef struct day_part {
    uint32_t day;
    uint64_t from_ns;
    uint64_t to_ns; /* exclusive */
} day_part;

static day_part part_of(const survey_run *run, uint32_t day)
{
    const selection_window *window = &run->options->window;
    day_part part = {day, day * NS_PER_DAY, (day + UINT64_C(1)) * NS_PER_DAY};
    if (part.from_ns < window->from_ns)
        part.from_ns = window->from_ns;
    if (part.to_ns > window->to_ns)
        part.to_ns = window->to_ns;
    return part;
}

/* 1 if the chunk has channels that were not seen in this segment on this day. */
static int has_more(const survey_run *run, const segment_index *index, const segment_chunk *chunk)
{
    const uint8_t *bitmap = index->bitmaps + chunk->bitmap_offset;
    for (uint32_t i = 0; i < chunk->bitmap_bytes; i++)
        if ((bitmap[i] & ~run->bits[i]) != 0)
            return 1;
    return 0;
}

/* A chunk that is only partly of this day: its message indexes have the times of each channel. A
 * channel with frames on both sides counts. */
static td_result add_part(survey_run *run, const segment_reader *reader, uint32_t chunk,
                          const day_part *part, td_err *err)
{
    td_result rc = segment_reader_chunk_channels(reader, chunk, run->scratch, &run->sealed, err);
    if (rc != TD_OK)
        return rc;
    const sealed_channel *found = (const sealed_channel *)(const void *)run->sealed.data;
    for (size_t i = 0; i < run->sealed.size / sizeof *found; i++)
        if (found[i].last_ns >= part->from_ns && found[i].first_ns < part->to_ns)
            run->bits[found[i].id / 8] |= (uint8_t)(1U << (found[i].id % 8));
    return TD_OK;
}

/* Chunks of which only a part is of this day. Their segment is opened only for channels that no
 * other chunk shows. */
static td_result add_parts(survey_run *run, const planned_segment *segment, const day_part *part,
                           td_err *err)
{
    const segment_index *index = segment->index;
    segment_reader *reader = NULL;
    td_result rc = TD_OK;
    for (uint32_t i = 0; i < index->chunk_count && rc == TD_OK; i++) {
        const segment_chunk *chunk = &index->chunks[i];
        if (chunk->last_ns < part->from_ns || chunk->first_ns >= part->to_ns ||
            !chunk->has_channels || !has_more(run, index, chunk))
            continue;
        if (reader == NULL)
            rc =
                segment_reader_open(archive_io(run->options->archive), segment->path, &reader, err);
        if (rc != TD_OK)
            break;
        if (i >= segment_reader_chunk_count(reader) ||
            segment_reader_chunk(reader, i)->offset != chunk->offset)
            rc = TD_E_CORRUPT; /* another file than the plan knows */
        else
            rc = add_part(run, reader, i, part, err);
    }
    segment_reader_close(reader);
    return rc;
}

static void add_whole_chunks(survey_run *run, const segment_index *index, const day_part *part)
{
    for (size_t i = 0; i < index->chunk_count; i++) {
        const segment_chunk *chunk = &index->chunks[i];
        int is_whole = chunk->first_ns >= part->from_ns && chunk->last_ns < part->to_ns;
        if (!chunk->has_channels && chunk->last_ns >= part->from_ns &&
            chunk->first_ns < part->to_ns)
            run->out->is_incomplete = 1;
        if (!is_whole || !chunk->has_channels)
            continue;
        const uint8_t *bitmap = index->bitmaps + chunk->bitmap_offset;
        for (uint32_t k = 0; k < chunk->bitmap_bytes; k++)
            run->bits[k] |= bitmap[k];
    }
}

/* The selected channels of a segment that have frames on the day. What cannot be read is reported
 * when it is played. */
static td_result note_segment(survey_run *run, size_t i, const day_part *part, td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    memset(run->bits, 0, sizeof run->bits);
    const planned_segment *segment = read_plan_segment(run->plan, i);
    td_result rc = read_plan_load_chunks(run->plan, i, &cause);
    if (rc == TD_OK) {
        add_whole_chunks(run, segment->index, part);
        rc = add_parts(run, segment, part, &cause);
    }
    if (rc != TD_OK || segment_index_has_unknown(segment->index))
        run->out->is_incomplete = 1;
    rc = TD_OK;
    for (size_t k = 0; k < segment->index->channel_count && rc == TD_OK; k++) {
        const segment_channel *channel = &segment->index->channels[k];
        if (segment->is_wanted[k] && (run->bits[channel->id / 8] & 1U << (channel->id % 8)) != 0)
            rc = note_channel(run, &channel->info, part->day, err);
    }
    return rc;
}

/* ---- frames that decide their place ---- */

static int wants_frames(void *user, const channel_info *info)
{
    survey_run *run = user;
    frame_channel *channel = NULL;
    if (connection_table_channel(run->channels, info, &channel, NULL) != TD_OK)
        return 1;
    return place_of(run, channel).use == EXPORT_USE_BY_FRAME;
}

static td_result next_frame(survey_run *run, td_err *err)
{
    const export_survey_options *options = run->options;
    td_result rc = cursor_next(run->frames, &run->frame, err);
    if (rc != TD_OK)
        run->frame = NULL;
    if (rc == TD_EOF)
        return TD_OK;
    if (rc == TD_OK && run->frame_count++ % STOP_FRAMES == 0 && options->is_stopped != NULL &&
        options->is_stopped(options->user))
        return TD_EOF;
    return rc;
}

static td_result open_frames(survey_run *run, td_err *err)
{
    const export_survey_options *options = run->options;
    const cursor_options reading = {.threads = options->threads,
                                    .reads = TAPE_READS_MESSAGES,
                                    .wants_channel = wants_frames,
                                    .user = run};
    selection wanted = *options->wanted;
    if (wanted.has_from)
        wanted.from = (td_time_spec){TD_TIME_ABSOLUTE, options->window.from_ns};
    if (wanted.has_to)
        wanted.to = (td_time_spec){TD_TIME_ABSOLUTE, options->window.to_ns};
    td_result rc = cursor_open(options->archive, &wanted, &reading, &run->frames, err);
    return rc == TD_OK ? next_frame(run, err) : rc;
}

/* Only if a selected channel needs it. */
static td_result open_frames_if_needed(survey_run *run, td_err *err)
{
    for (size_t i = 0; i < read_plan_count(run->plan); i++) {
        const planned_segment *segment = read_plan_segment(run->plan, i);
        for (size_t k = 0; k < segment->index->channel_count; k++)
            if (segment->is_wanted[k] && wants_frames(run, &segment->index->channels[k].info))
                return open_frames(run, err);
    }
    return TD_OK;
}

static td_result note_frame(survey_run *run, uint32_t day, td_err *err)
{
    const frame_ref *frame = run->frame;
    const frame_channel *channel = frame->channel;
    const message *m = frame->content.message;
    if (frame->is_copy || !frame_role_is_of_topic(channel->role))
        return TD_OK;
    td_result rc = note_channel(run, &channel->info, day, err);
    const export_place place = place_of(run, channel);
    if (rc != TD_OK || place.use != EXPORT_USE_BY_FRAME || place.type == NULL || m == NULL)
        return rc;
    for (size_t i = 0; i < message_item_count(m) && rc == TD_OK; i++)
        rc = note_file(run, &channel->info, &place, export_trade_symbol(m, i), day, err);
    return rc;
}

/* Frames up to the end of this day. */
static td_result note_frames(survey_run *run, uint32_t day, td_err *err)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && run->frame != NULL && export_day_of(run->frame->recv_ns) <= day) {
        rc = note_frame(run, day, err);
        if (rc == TD_OK)
            rc = next_frame(run, err);
    }
    return rc;
}

/* ---- days ---- */

/* First and last day of a segment in the selection. */
static void days_of(const survey_run *run, const planned_segment *segment, uint32_t *first,
                    uint32_t *last)
{
    const selection_window *window = &run->options->window;
    const segment_index *index = segment->index;
    *first = export_day_of(index->first_ns > window->from_ns ? index->first_ns : window->from_ns);
    *last = export_day_of(index->last_ns < window->to_ns ? index->last_ns : window->to_ns - 1);
}

/* The first day from this one on that may have data; EXPORT_DAY_NONE: there is none. */
static uint32_t next_day(const survey_run *run, uint32_t day)
{
    uint32_t found = EXPORT_DAY_NONE;
    if (run->frame != NULL)
        found = export_day_of(run->frame->recv_ns);
    for (size_t i = run->segment_next; i < read_plan_count(run->plan); i++) {
        uint32_t first;
        uint32_t last;
        days_of(run, read_plan_segment(run->plan, i), &first, &last);
        if (last >= day && first < found)
            found = first;
        if (first >= found)
            break; /* segments are in order of their first frames */
    }
    return found != EXPORT_DAY_NONE && found < day ? day : found;
}

static td_result note_day(survey_run *run, uint32_t day, td_err *err)
{
    const day_part part = part_of(run, day);
    td_result rc = TD_OK;
    for (size_t i = run->segment_next; i < read_plan_count(run->plan) && rc == TD_OK; i++) {
        uint32_t first;
        uint32_t last;
        days_of(run, read_plan_segment(run->plan, i), &first, &last);
        if (first > day)
            break;
        if (last >= day)
            rc = note_segment(run, i, &part, err);
    }
    return rc == TD_OK ? note_frames(run, day, err) : rc;
}

/* Segments whose last day this was are not needed any more. */
static void drop_segments(survey_run *run, uint32_t day)
{
    for (; run->segment_next < read_plan_count(run->plan); run->segment_next++) {
        uint32_t first;
        uint32_t last;
        days_of(run, read_plan_segment(run->plan, run->segment_next), &first, &last);
        if (last > day)
            break;
        read_plan_drop(run->plan, run->segment_next);
    }
}

/* Day by day, so that memory does not depend on their number. */
static td_result note_days(survey_run *run, td_err *err)
{
    const export_survey_options *options = run->options;
    td_result rc = TD_OK;
    for (uint32_t day = next_day(run, 0); rc == TD_OK && day != EXPORT_DAY_NONE;
         day = next_day(run, day + 1)) {
        rc = note_day(run, day, err);
        drop_segments(run, day);
        if (rc == TD_OK && options->is_stopped != NULL && options->is_stopped(options->user))
            rc = TD_EOF;
    }
    return rc;
}

/* ---- the survey ---- */

td_result export_survey_run(const export_survey_options *options, export_survey *out, td_err *err)
{
    *out = (export_survey){0};
    survey_run *run = td_alloc_zero(1, sizeof *run);
    run->options = options;
    run->out = out;
    run->channels = connection_table_open();
    run->scratch = segment_scratch_open();
    td_buf_init(&run->sealed, SIZE_MAX);
    selection wanted = *options->wanted;
    read_query query = selection_query(&wanted, options->window);
    query.is_quiet = 1; /* the tape's own plan logs what cannot be read */
    td_result rc = read_plan_open(options->archive, &query, &run->plan, err);
    if (rc == TD_OK)
        rc = open_frames_if_needed(run, err);
    if (rc == TD_OK)
        rc = note_days(run, err);
    cursor_close(run->frames);
    read_plan_close(run->plan);
    segment_scratch_close(run->scratch);
    td_buf_fini(&run->sealed);
    td_free(run->days);
    connection_table_close(run->channels);
    export_series_fini(&run->series);
    td_free(run);
    return rc;
}

void export_survey_fini(export_survey *survey)
{
    export_choices_fini(&survey->choices);
}
