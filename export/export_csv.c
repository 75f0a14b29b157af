#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "export/export_days.h"
#include "export/book_trust.h"
#include "export/export_reader.h"
#include "export/export_rows.h"
#include "export/export_writer.h"

/* The types, as EXPORT_TARDIS_CSV lists them. */
enum { TRADES, BOOK_CHANGES };

/* The book of a series; export_series.user. */
typedef struct csv_book {
    book_trust trust;
    export_reader reader;
    uint32_t day; /* that the reader's file is of */
} csv_book;

/* What becomes of a channel's frames. */
typedef struct csv_route {
    uint8_t is_known;
    export_place place;
    export_series *series;       /* of EXPORT_USE_FILE; NULL: no rows */
    const export_choice *choice; /* of books */
    const char *refusal;         /* why its symbol is left out; NULL: it is not */
} csv_route;

typedef struct export_csv {
    export_job job;
    export_days days;
    csv_route *routes; /* by the channel's index */
    size_t route_count;
    td_buf rows; /* of one frame */
} export_csv;

/* ---- files ---- */

/* Put the rows of one frame into their file. Without rows there may be no file. */
static td_result put_rows(export_csv *csv, export_series *series, const frame_ref *frame,
                          uint64_t rows, td_err *err)
{
    td_buf *out = NULL;
    if (rows == 0)
        return TD_OK;
    TD_ASSERT(csv->rows.size > 0);
    td_result rc = export_days_rows(&csv->days, series, &frame->channel->info, &out, err);
    if (rc == TD_OK)
        rc = td_buf_append(out, csv->rows.data, csv->rows.size, err);
    series->counts.rows += rows;
    return rc == TD_OK ? export_file_flush(series->file, err) : rc;
}

/* ---- routes ---- */

static export_place place(const export_spec *spec, const frame_channel *channel)
{
    const topic_row *row = channel->topic.row;
    export_place to = {EXPORT_USE_NOTHING, NULL, export_market_of(channel->family)};
    if (to.market == NULL) {
        to.use = EXPORT_USE_FOREIGN;
    } else if (channel->role == ROLE_UNKNOWN) {
        to.use = EXPORT_USE_BY_FRAME;
    } else if (row != NULL && row->type == MSG_TRADE && spec->types[TRADES] != NULL) {
        to.type = spec->types[TRADES];
        to.use = export_entries_have_symbols(row) ? EXPORT_USE_BY_FRAME : EXPORT_USE_FILE;
    } else if (row != NULL && spec->types[BOOK_CHANGES] != NULL &&
               export_is_book_topic(row, spec->depth)) {
        to.type = spec->types[BOOK_CHANGES];
        to.use = EXPORT_USE_FILE;
    }
    return to;
}

/* Books come from the topic that was chosen for the symbol, others give no rows. One that damage
 * hid from the scan is chosen now, if no topic is; what only the lead-in has is not. */
static td_result choose_book(export_csv *csv, const frame_ref *frame, csv_route *to, td_err *err)
{
    const frame_channel *channel = frame->channel;
    const export_market *market = to->place.market;
    td_bytes symbol = td_bytes_str(channel->info.symbol);
    td_result rc = TD_OK;
    to->choice = export_choice_find(csv->job.choices, channel->info.feed, market, symbol);
    if (to->choice == NULL && !frame->is_lead_in) {
        rc = export_choice_offer(csv->job.choices, channel->info.feed, symbol, market,
                                 channel->topic.row, err);
        if (rc == TD_OK)
            to->choice = export_choice_find(csv->job.choices, channel->info.feed, market, symbol);
    }
    to->is_known = to->choice != NULL;
    if (to->choice == NULL || strcmp(to->choice->row->name, channel->topic.row->name) != 0)
        to->series = NULL;
    return rc;
}

/* Why the books of a channel with another depth than the requested one are missing; NULL: the
 * symbol has others, of that depth. */
static const char *depth_refusal(const export_csv *csv, const frame_channel *channel,
                                 const export_place *to)
{
    const export_spec *spec = csv->job.spec;
    const topic_row *row = channel->topic.row;
    if (spec->types[BOOK_CHANGES] == NULL || to->use != EXPORT_USE_NOTHING || row == NULL ||
        !export_is_book_topic(row, 0) ||
        export_choice_find(csv->job.choices, channel->info.feed, to->market,
                           td_bytes_str(channel->info.symbol)) != NULL)
        return NULL;
    return "no book of the requested depth was recorded";
}

static td_result make_route(export_csv *csv, const frame_ref *frame, csv_route *to, td_err *err)
{
    *to = (csv_route){.is_known = 1, .place = place(csv->job.spec, frame->channel)};
    to->refusal = depth_refusal(csv, frame->channel, &to->place);
    if (to->place.use != EXPORT_USE_FILE)
        return TD_OK;
    td_bytes symbol = td_bytes_str(frame->channel->info.symbol);
    td_result rc =
        export_series_of(&csv->days.series, &to->place, symbol, &to->series, &to->refusal, err);
    return rc == TD_OK && to->series != NULL && to->place.type->has_books
               ? choose_book(csv, frame, to, err)
               : rc;
}

/* By the channel's index: the player keeps its own data in the channel. */
static td_result route_of(export_csv *csv, const frame_ref *frame, csv_route **out, td_err *err)
{
    uint32_t index = frame->channel->index;
    csv->routes = td_array_reach(csv->routes, &csv->route_count, index, sizeof *csv->routes);
    *out = &csv->routes[index];
    return (*out)->is_known ? TD_OK : make_route(csv, frame, *out, err);
}

/* ---- trades ---- */

static export_cells cells_of(const export_series *series, const frame_ref *frame, const message *m)
{
    return (export_cells){.exchange = series->exchange,
                          .symbol = series->symbol,
                          .exchange_ns = m->head.exchange_ns,
                          .recv_ns = frame->recv_ns};
}

/* Trades have no state: whatever was recorded is written. */
static td_result write_trade(export_csv *csv, export_series *series, const frame_ref *frame,
                             const message *m, size_t index, td_err *err)
{
    TD_ASSERT(!series->type->has_books);
    const export_cells cells = cells_of(series, frame, m);
    int is_id_cut = 0;
    td_buf_clear(&csv->rows);
    td_result rc = export_row_trade(&csv->rows, &cells, m, index, &is_id_cut, err);
    series->counts.ids_cut += (uint64_t)is_id_cut;
    return rc == TD_OK ? put_rows(csv, series, frame, 1, err) : rc;
}

/* Trades of one symbol. */
static td_result on_trades(export_csv *csv, const frame_ref *frame, export_series *series,
                           td_err *err)
{
    const message *m = frame->content.message;
    td_result rc = TD_OK;
    series->counts.undecoded_frames += m == NULL;
    for (size_t i = 0; m != NULL && i < message_item_count(m) && rc == TD_OK; i++) {
        rc = write_trade(csv, series, frame, m, i, err);
        series->counts.frames += i == 0;
    }
    return rc;
}

/* Trades of many symbols: a topic about a coin. Counted as a frame of each file that it gave rows
 * to. */
static td_result on_entries(export_csv *csv, const frame_ref *frame, const export_place *to,
                            td_err *err)
{
    const message *m = frame->content.message;
    const export_series *counted = NULL;
    const export_left_out *left_out = NULL;
    td_result rc = TD_OK;
    for (size_t i = 0; m != NULL && i < message_item_count(m) && rc == TD_OK; i++) {
        td_bytes symbol = export_trade_symbol(m, i);
        export_series *series = NULL;
        export_left_out *row = NULL;
        const char *refusal = NULL;
        rc = export_series_of(&csv->days.series, to, symbol, &series, &refusal, err);
        if (rc != TD_OK)
            return rc;
        if (refusal != NULL)
            row = export_manifest_leave_out(csv->job.manifest, frame->channel->info.feed, symbol,
                                            refusal);
        if (row != NULL)
            row->frames += row != left_out;
        left_out = row;
        if (series == NULL)
            continue;
        rc = write_trade(csv, series, frame, m, i, err);
        series->counts.frames += series != counted;
        counted = series;
    }
    return rc;
}

/* ---- books ---- */

static csv_book *book_of(export_series *series, const topic_row *row)
{
    TD_ASSERT(row->type == MSG_BOOK_CHANGE);
    if (series->user != NULL)
        return series->user;
    csv_book *made = td_alloc_zero(1, sizeof *made);
    made->reader.held = book_open(row->book_depth);
    series->user = made;
    return made;
}

/* What a frame of a book that is not trusted costs. */
static void leave_out(export_counts *counts, const message *m, const trust_answer *answer)
{
    TD_ASSERT(m != NULL || !answer->is_trusted);
    if (m == NULL) {
        counts->undecoded_frames++;
    } else if (!answer->is_trusted) {
        counts->left_out_frames++;
        counts->left_out_entries += message_item_count(m);
    }
    if (answer->broke.cause != BREAK_NONE)
        export_counts_break(counts, &answer->broke);
}

/* Rows are made in a buffer first: an empty frame must not make a file. */
static td_result write_book(export_csv *csv, export_series *series, const frame_ref *frame,
                            const book *now, const trust_answer *answer, td_err *err)
{
    const message *m = frame->content.message;
    TD_ASSERT(m != NULL);
    TD_ASSERT(answer->is_trusted);
    csv_book *own = series->user;
    const export_cells cells = cells_of(series, frame, m);
    reader_rows rows;
    td_buf_clear(&csv->rows);
    if (own->day != csv->days.day)
        own->reader.last = LAST_NONE; /* another file, which its reader knows nothing of */
    own->day = csv->days.day;
    td_result rc =
        export_reader_write(&own->reader, &csv->rows, &cells, m, answer, now, &rows, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(rows.synthesized <= rows.rows);
    if (!answer->was_alive)
        export_counts_restart(&series->counts, frame->recv_ns);
    series->counts.frames++;
    series->counts.rows_synthesized += rows.synthesized;
    return put_rows(csv, series, frame, rows.rows, err);
}

/* The reader's book is the topic's then: a book that is not trusted begins with a snapshot. */
static td_result resume(void *ctx, const frame_ref *first, const symbol_topic *before, td_err *err)
{
    export_csv *csv = ctx;
    csv_route *to = NULL;
    td_result rc = route_of(csv, first, &to, err);
    if (rc != TD_OK || to->series == NULL || to->choice == NULL || first->row == NULL)
        return rc;
    csv_book *own = book_of(to->series, first->row);
    const track *of = symbol_topic_track(before);
    book_trust_resume(&own->trust, TRUST_WITH_COPIES, csv->job.gaps, &first->channel->info, before);
    if (of != NULL && own->reader.last == LAST_NONE)
        book_copy(own->reader.held, track_book(of));
    return TD_OK;
}

/* A frame before the selection only brings the reader's book up to date. */
static td_result on_book(export_csv *csv, const observed_frame *seen, const csv_route *to,
                         td_err *err)
{
    TD_ASSERT(to->choice != NULL);
    const frame_ref *frame = seen->frame;
    const message *m = frame->content.message;
    const book *now = track_book(seen->found->track);
    csv_book *own = book_of(to->series, frame->row);
    const trust_answer answer = book_trust_apply(&own->trust, TRUST_WITH_COPIES, csv->job.gaps,
                                                 seen, cursor_damaged_until_ns(csv->job.tape));
    if (frame->is_copy)
        return TD_OK;
    if (frame->is_lead_in) {
        if (answer.is_trusted)
            export_reader_skip(&own->reader, m, &answer, now);
        return TD_OK;
    }
    to->series->choice = to->choice;
    leave_out(&to->series->counts, m, &answer);
    return answer.is_trusted ? write_book(csv, to->series, frame, now, &answer, err) : TD_OK;
}

/* ---- frames ---- */

static void count_frame(export_csv *csv, const frame_ref *frame, const csv_route *to)
{
    const channel_info *info = &frame->channel->info;
    if (to->refusal != NULL)
        export_manifest_leave_out(csv->job.manifest, info->feed, td_bytes_str(info->symbol),
                                  to->refusal)
            ->frames++;
}

static td_result on_data(export_csv *csv, const observed_frame *seen, td_err *err)
{
    const frame_ref *frame = seen->frame;
    int is_selected = !frame->is_lead_in && !frame->is_copy;
    csv_route *to = NULL;
    td_result rc = route_of(csv, frame, &to, err);
    if (rc != TD_OK)
        return rc;
    if (is_selected)
        count_frame(csv, frame, to);
    if (to->series != NULL && to->choice != NULL)
        return seen->found != NULL ? on_book(csv, seen, to, err) : TD_OK;
    if (!is_selected || frame->row == NULL || to->place.type == NULL)
        return TD_OK; /* nothing but a book has a state that continues */
    if (to->place.use == EXPORT_USE_BY_FRAME)
        return on_entries(csv, frame, &to->place, err);
    return to->series != NULL ? on_trades(csv, frame, to->series, err) : TD_OK;
}

static td_result on_frame(void *ctx, const observed_frame *seen, td_err *err)
{
    export_csv *csv = ctx;
    const frame_ref *frame = seen->frame;
    if (!frame_role_is_of_topic(frame->channel->role))
        return TD_OK;
    td_result rc = frame->is_lead_in ? TD_OK : export_days_turn(&csv->days, frame->recv_ns, err);
    if (rc == TD_OK)
        rc = on_data(csv, seen, err);
    if (rc == TD_OK)
        return rc;
    return td_err_add(err, rc, "feed %s, %s", frame->channel->info.feed,
                      frame->channel->info.exchange_topic);
}

static td_result finish(void *ctx, td_err *err)
{
    export_csv *csv = ctx;
    return export_days_finish(&csv->days, err);
}

/* ---- the format ---- */

static void *open_csv(const export_job *job)
{
    export_csv *made = td_alloc_zero(1, sizeof *made);
    made->job = *job;
    made->days = (export_days){.job = &made->job, .day = EXPORT_DAY_NONE};
    td_buf_init(&made->rows, LIMIT_FRAME_BYTES * 16);
    return made;
}

static void close_book(csv_book *own)
{
    if (own == NULL)
        return;
    book_trust_fini(&own->trust);
    book_close(own->reader.held);
    td_free(own);
}

static void close_csv(void *writer)
{
    export_csv *csv = writer;
    if (csv == NULL)
        return;
    for (size_t i = 0; i < csv->days.series.count; i++)
        close_book(csv->days.series.items[i]->user);
    export_days_fini(&csv->days);
    td_buf_fini(&csv->rows);
    td_free(csv->routes);
    td_free(csv);
}

/* Columns as the format's owner publishes them (docs/export.md). */
#define COLUMNS_START "exchange,symbol,timestamp,local_timestamp,"

const export_format EXPORT_TARDIS_CSV = {
    .name = "tardis-csv",
    .summary = "CSV files as Tardis publishes them, one per day, type and symbol",
    .suffix = ".csv.gz",
    .packing = EXPORT_GZIP,
    .reads = TAPE_READS_MESSAGES,
    .types = {[TRADES] = {"trades", COLUMNS_START "id,side,price,amount\n", 0},
              [BOOK_CHANGES] = {"incremental_book_L2",
                                COLUMNS_START "is_snapshot,side,price,amount\n", 1}},
    .place = place,
    .open = open_csv,
    .resume = resume,
    .frame = on_frame,
    .finish = finish,
    .close = close_csv,
};
