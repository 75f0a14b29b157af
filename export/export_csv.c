#include "export/export_csv.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "export/export_gate.h"
#include "export/export_reader.h"
#include "export/export_rows.h"
#include "export/export_writer.h"

/* One series at work; export_series.user. */
typedef struct csv_series {
    export_series *series;
    export_file *file; /* NULL: none yet on this day */
    char name[EXPORT_NAME_BYTES];
    export_counts counts;        /* of this day */
    const export_choice *choice; /* of books: where the last frame came from; NULL: none came */
    export_gate *gate;           /* of books; NULL before the first frame */
    export_reader *reader;
} csv_series;

typedef enum csv_use {
    USE_NOT_LOOKED,
    USE_NOTHING,
    USE_TRADES,
    USE_ENTRY_TRADES,
    USE_BOOK
} csv_use;

/* What becomes of a channel's frames. */
typedef struct csv_route {
    csv_use use;
    const export_market *market;
    csv_series *series; /* but for USE_ENTRY_TRADES */
    const export_choice *choice;
} csv_route;

typedef struct export_csv {
    export_job job;
    csv_route *routes; /* by the channel's index */
    size_t route_count;
    td_buf rows; /* of one frame */
    uint32_t day;
    uint32_t last_day;
    uint8_t has_days;
} export_csv;

/* ---- series ---- */

/* The survey saw every frame; what it did not see was recorded since. */
static td_result explain_grown(const char *symbol, td_err *err)
{
    td_err_set(err, TD_E_BUSY, "symbol %s was recorded while the export was under way", symbol);
    td_err_hint(err, "give --to, so that the selection has an end");
    return TD_E_BUSY;
}

/* The series of a symbol, with space to work in from its first frame on; NULL for a symbol that the
 * survey left out. */
static td_result series_of(export_csv *csv, export_type_id type, const export_market *market,
                           td_bytes symbol, csv_series **out, td_err *err)
{
    char cell[LIMIT_SYMBOL_BYTES];
    char file_symbol[LIMIT_SYMBOL_BYTES];
    *out = NULL;
    if (export_symbol_format(symbol, cell, NULL) != TD_OK)
        return TD_OK;
    export_symbol_for_file(cell, file_symbol);
    export_series *series = export_series_find(&csv->job.survey->series, csv->job.spec->types[type],
                                               market->exchange, file_symbol);
    if (series == NULL)
        return explain_grown(cell, err);
    if (series->user == NULL) {
        csv_series *made = td_alloc_zero(1, sizeof *made);
        if (made == NULL)
            return td_err_set(err, TD_E_NOMEM, "no memory for a file's state");
        made->series = series;
        series->user = made;
    }
    *out = series->user;
    return TD_OK;
}

/* The file of the day, made when it gets its first row. */
static td_result open_file(export_csv *csv, csv_series *s, td_err *err)
{
    const export_series *series = s->series;
    const export_format *format = csv->job.spec->format;
    TD_ASSERT(s->file == NULL);
    TD_ASSERT(series->day == csv->day);
    td_result rc = export_name_format(format, series->type, series->exchange, series->file_symbol,
                                      csv->day, s->name, err);
    if (rc == TD_OK)
        rc = export_folder_check(csv->job.folder, s->name, err);
    if (rc == TD_OK)
        rc = export_file_open(csv->job.folder, s->name, format->packing, &s->file, err);
    if (rc != TD_OK)
        return rc;
    const char *header = series->type->header;
    return td_buf_append(export_file_buf(s->file), header, strlen(header), err);
}

/* Put what one frame gave into its file; nothing, and there may be no file. */
static td_result put_rows(export_csv *csv, csv_series *s, const tape_frame *frame, uint64_t rows,
                          td_err *err)
{
    if (rows == 0)
        return TD_OK;
    TD_ASSERT(csv->rows.size > 0);
    TD_ASSERT(csv->day == export_day_of(frame->recv_ns));
    int is_new = 0;
    td_result rc = export_series_note(s->series, csv->day, frame->channel->info.feed,
                                      frame->channel->info.line, s->series->symbol, &is_new, err);
    if (rc == TD_OK && s->file == NULL)
        rc = open_file(csv, s, err);
    if (rc == TD_OK)
        rc = td_buf_append(export_file_buf(s->file), csv->rows.data, csv->rows.size, err);
    if (rc == TD_OK)
        rc = export_file_settle(s->file, err);
    s->counts.rows += rows;
    return rc;
}

/* ---- days ---- */

/* The day of a series is over: its file is complete. */
static td_result end_series_day(export_csv *csv, export_series *series, td_err *err)
{
    static const export_counts NOTHING;
    csv_series *s = series->user;
    export_sums sums;
    export_entry entry = {.type = series->type,
                          .exchange = series->exchange,
                          .symbol = series->symbol,
                          .day = csv->day,
                          .counts = s == NULL ? &NOTHING : &s->counts,
                          .empty = &series->empty};
    if (s == NULL)
        return export_manifest_add(csv->job.manifest, &entry, err);
    TD_ASSERT((s->file != NULL) == (s->counts.rows > 0));
    if (s->choice != NULL) {
        entry.book = s->choice->row;
        entry.market = s->choice->market;
    }
    if (s->file != NULL) {
        export_file *file = s->file;
        s->file = NULL;
        td_result rc = export_file_finish(file, &sums, err);
        if (rc != TD_OK)
            return rc;
        entry.name = s->name;
        entry.feed = series->feed;
        entry.sums = &sums;
    }
    td_result rc = export_manifest_add(csv->job.manifest, &entry, err);
    export_counts_clear(&s->counts);
    if (s->reader != NULL)
        export_reader_turn(s->reader);
    return rc;
}

/* In the order of exchange, type and symbol, so that manifests can be compared. */
static td_result end_day(export_csv *csv, td_err *err)
{
    const export_series_table *table = &csv->job.survey->series;
    td_result rc = TD_OK;
    for (size_t i = 0; i < table->count && rc == TD_OK; i++)
        rc = end_series_day(csv, table->items[i], err);
    return rc;
}

/* Go on to the day of a frame; days between have no rows, and that is said. */
static td_result turn_to(export_csv *csv, uint32_t day, td_err *err)
{
    TD_ASSERT(csv->has_days);
    TD_ASSERT(day <= csv->last_day + 1);
    td_result rc = TD_OK;
    for (; csv->day < day && rc == TD_OK; csv->day++)
        rc = end_day(csv, err);
    return rc;
}

/* ---- routes ---- */

static td_result route_book(export_csv *csv, const tape_channel *channel, csv_route *to,
                            td_err *err)
{
    const topic_row *row = channel->topic.row;
    TD_ASSERT(row->type == MSG_BOOK_CHANGE);
    TD_ASSERT(to->market != NULL);
    if (csv->job.spec->types[EXPORT_BOOK_CHANGES] == NULL ||
        !export_is_book_topic(row, csv->job.spec->depth))
        return TD_OK;
    td_bytes symbol = td_bytes_str(channel->info.symbol);
    to->choice =
        export_choice_find(&csv->job.survey->series, channel->info.feed, to->market, symbol);
    /* A lead-in may hold what the selection itself does not. */
    if (to->choice == NULL || strcmp(to->choice->row->name, row->name) != 0)
        return TD_OK;
    to->use = USE_BOOK;
    return series_of(csv, EXPORT_BOOK_CHANGES, to->market, symbol, &to->series, err);
}

/* A topic about a coin has trades of many symbols: each is looked up by itself. */
static td_result route_trades(export_csv *csv, const tape_channel *channel, csv_route *to,
                              td_err *err)
{
    if (csv->job.spec->types[EXPORT_TRADES] == NULL)
        return TD_OK;
    TD_ASSERT(to->market != NULL);
    to->use = USE_ENTRY_TRADES;
    if (export_entries_have_symbols(channel->topic.row))
        return TD_OK;
    td_result rc = series_of(csv, EXPORT_TRADES, to->market, td_bytes_str(channel->info.symbol),
                             &to->series, err);
    to->use = to->series == NULL ? USE_NOTHING : USE_TRADES;
    return rc;
}

/* Looked up once for each channel; what gives no rows is known as well. */
static td_result make_route(export_csv *csv, const tape_channel *channel, csv_route *to,
                            td_err *err)
{
    const topic_row *row = channel->topic.row;
    TD_ASSERT(to->use == USE_NOT_LOOKED);
    *to = (csv_route){.use = USE_NOTHING, .market = export_market_find(channel->info.family)};
    if (row == NULL || to->market == NULL)
        return TD_OK;
    if (row->type == MSG_TRADE)
        return route_trades(csv, channel, to, err);
    return row->type == MSG_BOOK_CHANGE ? route_book(csv, channel, to, err) : TD_OK;
}

/* By the channel's index: the player keeps its own things in the channel. */
static td_result route_of(export_csv *csv, const tape_channel *channel, csv_route **out,
                          td_err *err)
{
    csv_route *routes =
        td_array_reach(csv->routes, &csv->route_count, channel->index, sizeof *routes);
    if (routes == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %u channels", channel->index + 1);
    csv->routes = routes;
    *out = &routes[channel->index];
    return (*out)->use == USE_NOT_LOOKED ? make_route(csv, channel, *out, err) : TD_OK;
}

/* ---- trades ---- */

static export_cells cells_of(const export_series *series, const tape_frame *frame, const message *m)
{
    return (export_cells){.exchange = series->exchange,
                          .symbol = series->symbol,
                          .exchange_ns = m->head.exchange_ns,
                          .recv_ns = frame->recv_ns};
}

/* Trades have no state: whatever was recorded is written. */
static td_result write_trade(export_csv *csv, csv_series *s, const tape_frame *frame,
                             const message *m, size_t index, td_err *err)
{
    TD_ASSERT(s != NULL);
    TD_ASSERT(s->series->type->id == EXPORT_TRADES);
    const export_cells cells = cells_of(s->series, frame, m);
    int is_id_cut = 0;
    td_buf_clear(&csv->rows);
    td_result rc = export_row_trade(&csv->rows, &cells, m, index, &is_id_cut, err);
    s->counts.ids_cut += (uint64_t)is_id_cut;
    return rc == TD_OK ? put_rows(csv, s, frame, 1, err) : rc;
}

/* Counted as frames of each file that they gave rows to. */
static td_result take_trades(export_csv *csv, const tape_frame *frame, const csv_route *to,
                             td_err *err)
{
    const message *m = frame->content->message;
    if (m == NULL) {
        if (to->series != NULL)
            to->series->counts.undecoded_frames++;
        return TD_OK;
    }
    TD_ASSERT(m->head.type == MSG_TRADE);
    TD_ASSERT(to->use == USE_ENTRY_TRADES || to->series != NULL);
    const csv_series *counted = NULL;
    for (size_t i = 0; i < message_item_count(m); i++) {
        csv_series *s = to->series;
        td_result rc = TD_OK;
        if (to->use == USE_ENTRY_TRADES)
            rc = series_of(csv, EXPORT_TRADES, to->market, export_trade_symbol(m, i), &s, err);
        if (rc == TD_OK && s == NULL)
            continue;
        if (rc == TD_OK)
            rc = write_trade(csv, s, frame, m, i, err);
        if (rc != TD_OK)
            return rc;
        s->counts.frames += s != counted;
        counted = s;
    }
    return TD_OK;
}

/* ---- books ---- */

static td_result open_book(export_csv *csv, csv_series *s, const topic_row *row, td_err *err)
{
    TD_ASSERT(row->type == MSG_BOOK_CHANGE);
    TD_ASSERT((s->gate != NULL) == (s->reader != NULL));
    if (s->gate != NULL)
        return TD_OK;
    td_result rc = export_gate_open(csv->job.gaps, GATE_WITH_COPIES, &s->gate, err);
    return rc == TD_OK ? export_reader_open(row->book_depth, &s->reader, err) : rc;
}

/* What a frame of a book that is not trusted costs. */
static td_result leave_out(csv_series *s, const message *m, const gate_answer *answer, td_err *err)
{
    TD_ASSERT(m != NULL || !answer->is_trusted);
    if (m == NULL) {
        s->counts.undecoded_frames++;
    } else if (!answer->is_trusted) {
        s->counts.left_out_frames++;
        s->counts.left_out_entries += message_item_count(m);
    }
    return answer->broke.cause == BREAK_NONE ? TD_OK
                                             : export_counts_break(&s->counts, &answer->broke, err);
}

/* Rows are made in a buffer first: an empty frame must not make a file. */
static td_result write_book(export_csv *csv, csv_series *s, const tape_frame *frame,
                            const message *m, const gate_answer *answer, td_err *err)
{
    TD_ASSERT(m != NULL);
    TD_ASSERT(answer->is_trusted);
    const export_cells cells = cells_of(s->series, frame, m);
    reader_rows rows;
    td_buf_clear(&csv->rows);
    td_result rc = export_reader_write(s->reader, &csv->rows, &cells, m, answer,
                                       export_gate_book(s->gate), &rows, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(rows.synthesized <= rows.rows);
    if (!answer->was_alive)
        export_counts_restart(&s->counts, frame->recv_ns);
    s->counts.frames++;
    s->counts.rows_synthesized += rows.synthesized;
    return put_rows(csv, s, frame, rows.rows, err);
}

/* Judge, write. A frame before the selection only warms up what a reader will be told. */
static td_result take_book(export_csv *csv, const tape_frame *frame, const csv_route *to,
                           td_err *err)
{
    csv_series *s = to->series;
    TD_ASSERT(s != NULL);
    TD_ASSERT(to->choice != NULL);
    const message *m = frame->content->message;
    gate_answer answer;
    td_result rc = open_book(csv, s, frame->row, err);
    if (rc == TD_OK)
        rc = export_gate_take(s->gate, frame, m, csv->job.damaged_until_ns(csv->job.user), &answer,
                              err);
    if (rc != TD_OK)
        return rc;
    if (frame->of_stream.is_copy)
        return TD_OK;
    s->choice = to->choice;
    if (frame->is_lead_in)
        return answer.is_trusted
                   ? export_reader_skip(s->reader, m, &answer, export_gate_book(s->gate), err)
                   : TD_OK;
    rc = leave_out(s, m, &answer, err);
    return rc == TD_OK && answer.is_trusted ? write_book(csv, s, frame, m, &answer, err) : rc;
}

/* ---- the sink ---- */

static td_result take_frame(void *ctx, const tape_frame *frame, uint64_t deadline_ns, td_err *err)
{
    export_csv *csv = ctx;
    (void)deadline_ns;
    if (frame->row == NULL)
        return TD_OK;
    if ((frame->is_lead_in || frame->of_stream.is_copy) && frame->row->type != MSG_BOOK_CHANGE)
        return TD_OK; /* nothing else has a state that goes on */
    csv_route *to = NULL;
    td_result rc = TD_OK;
    if (!frame->is_lead_in && export_day_of(frame->recv_ns) > csv->day)
        rc = turn_to(csv, export_day_of(frame->recv_ns), err);
    if (rc == TD_OK)
        rc = route_of(csv, frame->channel, &to, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(to->use != USE_NOT_LOOKED);
    if (to->use == USE_BOOK)
        rc = take_book(csv, frame, to, err);
    else if (to->use == USE_TRADES || to->use == USE_ENTRY_TRADES)
        rc = take_trades(csv, frame, to, err);
    if (rc == TD_OK)
        return rc;
    return td_err_add(err, rc, "feed %s, %s", frame->channel->info.feed,
                      frame->channel->info.exchange_topic);
}

/* The days up to the end of the selection, also those on which nothing came. */
static td_result finish(void *ctx, td_err *err)
{
    export_csv *csv = ctx;
    const export_series_table *table = &csv->job.survey->series;
    td_result rc = csv->has_days ? turn_to(csv, csv->last_day + 1, err) : TD_OK;
    for (size_t i = 0; i < table->count && rc == TD_OK; i++) {
        const export_series *series = table->items[i];
        const export_entry entry = {.type = series->type,
                                    .exchange = series->exchange,
                                    .symbol = series->symbol,
                                    .empty = &table->items[i]->empty};
        rc = export_manifest_end_days(csv->job.manifest, &entry, err);
    }
    return rc;
}

/* ---- the format ---- */

static td_result open_csv(const export_job *job, sink *out, td_err *err)
{
    static const sink_ops OPS = {.name = "tardis-csv",
                                 .frame = take_frame,
                                 .finish = finish,
                                 .wants_lead_in = 1,
                                 .wants_copies = 1};
    export_csv *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a writer");
    made->job = *job;
    made->has_days = (uint8_t)export_survey_days(job->survey, job->wanted, job->window, &made->day,
                                                 &made->last_day);
    td_buf_init(&made->rows, LIMIT_FRAME_BYTES * 16);
    *out = (sink){&OPS, made};
    return TD_OK;
}

/* What a series has at work; its name is the survey's. */
static void series_close(csv_series *s)
{
    TD_ASSERT(s->series->user == s);
    export_file_abandon(s->file);
    export_gate_close(s->gate);
    export_reader_close(s->reader);
    export_counts_clear(&s->counts);
    td_free(s);
}

static void close_csv(void *writer)
{
    export_csv *csv = writer;
    if (csv == NULL)
        return;
    export_series_table *table = &csv->job.survey->series;
    for (size_t i = 0; i < table->count; i++) {
        if (table->items[i]->user != NULL)
            series_close(table->items[i]->user);
        table->items[i]->user = NULL;
    }
    td_buf_fini(&csv->rows);
    td_free(csv->routes);
    td_free(csv);
}

/* Columns as the format's owner publishes them (docs/export.md). */
#define COLUMNS_START "exchange,symbol,timestamp,local_timestamp,"

const export_format EXPORT_TARDIS_CSV = {
    .name = "tardis-csv",
    .summary = "CSV files as Tardis publishes them, one a day, type and symbol",
    .suffix = ".csv.gz",
    .packing = EXPORT_GZIP,
    .is_by_symbol = 1,
    .reads = TAPE_READS_MESSAGES,
    .types = {{EXPORT_TRADES, "trades", COLUMNS_START "id,side,price,amount\n"},
              {EXPORT_BOOK_CHANGES, "incremental_book_L2",
               COLUMNS_START "is_snapshot,side,price,amount\n"}},
    .open = open_csv,
    .close = close_csv,
};
