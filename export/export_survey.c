#include "export/export_survey.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "tape/content.h"

enum { STOP_FRAMES = 4096 };

/* What is known of a channel of the tape. */
typedef struct seen_channel {
    const tape_channel *channel; /* NULL: not seen yet */
    const export_market *market;
    export_left_out *left_out; /* its symbol is; NULL: it is not */
    uint32_t day;              /* the last one that was looked at */
} seen_channel;

typedef struct survey_run {
    const export_spec *spec;
    export_folder *folder;
    export_survey *out;
    content_reader *reader; /* of trades whose entries name their symbols */
    seen_channel *channels; /* by index */
    size_t channel_capacity;
    uint32_t day;       /* of the last frame */
    uint32_t day_files; /* files that have data on it */
} survey_run;

/* ---- shared with writers ---- */

td_bytes export_trade_symbol(const message *m, size_t index)
{
    TD_ASSERT(m->head.type == MSG_TRADE);
    td_bytes own = message_trade(m, index).symbol;
    return own.size > 0 ? own : m->head.symbol;
}

/* ---- files ---- */

/* A file of the day that was not known yet. */
static td_result check_new_file(survey_run *run, const export_series *series, td_err *err)
{
    char name[EXPORT_NAME_BYTES];
    TD_ASSERT(series->day == run->day);
    td_result rc = export_name_format(run->spec->format, series->type, series->exchange,
                                      series->file_symbol, series->day, name, err);
    if (rc == TD_OK)
        rc = export_folder_check(run->folder, name, err);
    if (rc != TD_OK)
        return rc;
    if (++run->day_files <= LIMIT_EXPORT_FILES)
        return TD_OK;
    td_err_set(err, TD_E_LIMIT, "more than %u files of one day", LIMIT_EXPORT_FILES);
    td_err_hint(err, "narrow the selection by --symbol, or export one --type at a time");
    return TD_E_LIMIT;
}

/* ---- symbols that are left out ---- */

static const char *refusal_of(td_bytes symbol)
{
    if (symbol.size == 0)
        return "it is empty";
    return symbol.size >= LIMIT_SYMBOL_BYTES ? "it is longer than symbols are"
                                             : export_cell_refusal(symbol);
}

/* The row of a symbol that has no file; rows stay where they are. */
static td_result left_out_get(export_survey *out, const char *feed, td_bytes symbol,
                              const char *reason, export_left_out **row, td_err *err)
{
    char name[LIMIT_SYMBOL_BYTES] = "";
    (void)snprintf(name, sizeof name, "%.*s", (int)symbol.size, (const char *)symbol.data);
    if (out->left_out == NULL)
        out->left_out = td_alloc_zero(LIMIT_EXPORT_LEFT_OUT + 1, sizeof *out->left_out);
    if (out->left_out == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a list of symbols");
    for (size_t i = 0; i < out->left_out_count; i++) {
        *row = &out->left_out[i];
        if (strcmp((*row)->feed, feed) == 0 && strcmp((*row)->symbol, name) == 0)
            return TD_OK;
    }
    if (out->left_out_count > LIMIT_EXPORT_LEFT_OUT)
        return TD_OK; /* the last row */
    *row = &out->left_out[out->left_out_count++];
    if (out->left_out_count > LIMIT_EXPORT_LEFT_OUT) {
        (*row)->reason = "further symbols that no file can hold";
        return TD_OK;
    }
    (void)snprintf((*row)->feed, sizeof(*row)->feed, "%s", feed);
    memcpy((*row)->symbol, name, sizeof name);
    (*row)->reason = reason;
    return TD_OK;
}

/* One symbol of one type has data on this day. */
static td_result note_file(survey_run *run, const tape_channel *channel, const export_type *type,
                           const char *exchange, td_bytes symbol, td_err *err)
{
    char cell[LIMIT_SYMBOL_BYTES] = "";
    char file_symbol[LIMIT_SYMBOL_BYTES] = "";
    td_result rc = TD_OK;
    if (run->spec->format->is_by_symbol) {
        rc = export_symbol_format(symbol, cell, err);
        if (rc != TD_OK)
            return td_err_add(err, rc, "feed %s, topic %s", channel->info.feed,
                              channel->info.topic);
        export_symbol_for_file(cell, file_symbol);
    }
    export_series *series = NULL;
    int is_new = 0;
    TD_ASSERT(type != NULL);
    rc = export_series_get(&run->out->series, type, exchange, cell, file_symbol, &series, err);
    if (rc == TD_OK)
        rc = export_series_note(series, run->day,
                                run->spec->format->is_by_symbol ? channel->info.feed : "",
                                channel->info.line, cell, &is_new, err);
    return rc == TD_OK && is_new ? check_new_file(run, series, err) : rc;
}

/* ---- frames ---- */

static td_result note_entries(survey_run *run, const tape_frame *frame, const export_market *market,
                              td_err *err)
{
    TD_ASSERT(run->spec->types[EXPORT_TRADES] != NULL);
    const frame_content *content =
        content_read(run->reader, frame->channel, frame->row, frame->recv_ns, frame->bytes);
    TD_ASSERT(content != NULL);
    td_result rc = content_failure(content, err);
    const message *m = content->message;
    if (rc != TD_OK || m == NULL)
        return rc; /* the second pass counts it */
    const export_left_out *counted = NULL;
    for (size_t i = 0; i < message_item_count(m) && rc == TD_OK; i++) {
        td_bytes symbol = export_trade_symbol(m, i);
        const char *refusal = refusal_of(symbol);
        export_left_out *row = NULL;
        if (refusal == NULL)
            rc = note_file(run, frame->channel, run->spec->types[EXPORT_TRADES], market->exchange,
                           symbol, err);
        else
            rc = left_out_get(run->out, frame->channel->info.feed, symbol, refusal, &row, err);
        if (rc == TD_OK && row != NULL && row != counted)
            row->frames++;
        counted = row;
    }
    return rc;
}

/* The first frame of a channel on a day. */
static td_result note_channel(survey_run *run, const tape_frame *frame, const export_market *market,
                              td_err *err)
{
    const tape_channel *channel = frame->channel;
    const topic_row *row = channel->topic.row;
    td_bytes symbol = td_bytes_str(channel->info.symbol);
    const export_type *const *types = run->spec->types;
    if (!run->spec->format->is_by_symbol)
        return note_file(run, channel, types[EXPORT_MESSAGES], "", symbol, err);
    if (row->type == MSG_TRADE && types[EXPORT_TRADES] != NULL)
        return note_file(run, channel, types[EXPORT_TRADES], market->exchange, symbol, err);
    if (types[EXPORT_BOOK_CHANGES] == NULL || !export_is_book_topic(row, run->spec->depth))
        return TD_OK;
    td_result rc =
        export_choice_offer(&run->out->series, channel->info.feed, symbol, market, row, err);
    return rc == TD_OK
               ? note_file(run, channel, types[EXPORT_BOOK_CHANGES], market->exchange, symbol, err)
               : rc;
}

/* The channel's own note, so that all but its first frame of a day cost one comparison. */
static td_result seen_get(survey_run *run, const tape_channel *channel, seen_channel **out,
                          td_err *err)
{
    seen_channel *channels =
        td_array_reach(run->channels, &run->channel_capacity, channel->index, sizeof *channels);
    if (channels == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %u channels", channel->index + 1);
    run->channels = channels;
    seen_channel *seen = &run->channels[channel->index];
    if (seen->channel == NULL) {
        *seen = (seen_channel){.channel = channel,
                               .market = export_market_find(channel->info.family),
                               .day = EXPORT_DAY_NONE};
    }
    TD_ASSERT(seen->channel == channel);
    *out = seen;
    return TD_OK;
}

/* Is this a frame that files of the format are made of? */
static int is_useful(const export_spec *spec, const topic_row *row)
{
    if (!spec->format->is_by_symbol)
        return 1;
    if (row == NULL)
        return 0;
    if (row->type == MSG_TRADE)
        return spec->types[EXPORT_TRADES] != NULL;
    return spec->types[EXPORT_BOOK_CHANGES] != NULL && export_is_book_topic(row, spec->depth);
}

/* Most frames end at the comparison of days. */
static td_result take_data(survey_run *run, const tape_frame *frame, td_err *err)
{
    seen_channel *seen = NULL;
    td_result rc = seen_get(run, frame->channel, &seen, err);
    if (rc != TD_OK)
        return rc;
    run->out->frames++;
    const topic_row *row = frame->channel->topic.row;
    if (run->spec->format->is_by_symbol && seen->market == NULL) {
        run->out->foreign_frames++;
        return TD_OK;
    }
    if (!is_useful(run->spec, row))
        return TD_OK;
    run->out->useful++;
    if (run->spec->format->is_by_symbol && row->type == MSG_TRADE &&
        export_entries_have_symbols(row))
        return note_entries(run, frame, seen->market, err);
    if (seen->day != run->day) {
        td_bytes symbol = td_bytes_str(frame->channel->info.symbol);
        const char *refusal = run->spec->format->is_by_symbol ? refusal_of(symbol) : NULL;
        seen->day = run->day;
        rc = refusal == NULL ? note_channel(run, frame, seen->market, err)
                             : left_out_get(run->out, frame->channel->info.feed, symbol, refusal,
                                            &seen->left_out, err);
    }
    if (rc == TD_OK && seen->left_out != NULL)
        seen->left_out->frames++;
    return rc;
}

/* Frames of a topic, also of an unknown one. */
static int is_data(const tape_frame *frame)
{
    return frame->channel->role == ROLE_DATA || frame->channel->role == ROLE_UNKNOWN;
}

/* The tape is in order of time, so days only rise. */
static td_result take_frame(survey_run *run, const tape_frame *frame, td_err *err)
{
    export_survey *out = run->out;
    if (out->first_ns == 0)
        out->first_ns = frame->recv_ns;
    if (frame->recv_ns > out->last_ns)
        out->last_ns = frame->recv_ns;
    uint32_t day = export_day_of(out->last_ns);
    TD_ASSERT(run->day == EXPORT_DAY_NONE || day >= run->day);
    if (day != run->day) {
        run->day = day;
        run->day_files = 0;
    }
    return is_data(frame) && !frame->of_stream.is_copy ? take_data(run, frame, err) : TD_OK;
}

td_result export_survey_run(const export_spec *spec, tape *from, export_folder *folder,
                            export_stop_fn *is_stopped, void *user, export_survey *out, td_err *err)
{
    *out = (export_survey){0};
    survey_run run = {.spec = spec, .folder = folder, .out = out, .day = EXPORT_DAY_NONE};
    run.reader = content_reader_open(TAPE_READS_MESSAGES);
    td_result rc =
        run.reader == NULL ? td_err_set(err, TD_E_NOMEM, "no memory to decode frames") : TD_OK;
    for (uint64_t taken = 0; rc == TD_OK; taken++) {
        tape_frame frame;
        rc = tape_next(from, &frame, err);
        if (rc == TD_EOF) {
            rc = TD_OK;
            break;
        }
        if (rc == TD_OK)
            rc = take_frame(&run, &frame, err);
        if (rc == TD_OK && taken % STOP_FRAMES == 0 && is_stopped != NULL && is_stopped(user))
            rc = TD_EOF;
    }
    td_free(run.channels);
    content_reader_close(run.reader);
    for (size_t i = 0; i < out->series.count; i++)
        out->series.items[i]->day = EXPORT_DAY_NONE; /* the writer starts over */
    export_series_sort(&out->series);
    TD_ASSERT(out->useful <= out->frames);
    return rc;
}

void export_survey_fini(export_survey *survey)
{
    export_series_fini(&survey->series);
    td_free(survey->left_out);
    survey->left_out = NULL;
    survey->left_out_count = 0;
}

int export_survey_days(const export_survey *survey, const selection *wanted,
                       selection_window window, uint32_t *first, uint32_t *last)
{
    int has_frames = survey->first_ns != 0;
    if (!has_frames && (!wanted->has_from || !wanted->has_to))
        return 0;
    TD_ASSERT(survey->first_ns <= survey->last_ns);
    *first = export_day_of(wanted->has_from ? window.from_ns : survey->first_ns);
    *last = export_day_of(wanted->has_to ? window.to_ns - 1 : survey->last_ns);
    return *first <= *last;
}
