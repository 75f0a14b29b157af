#include "embed/batch_rows.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/json/json_write.h"
#include "embed/frame_view.h"
#include "schema/entry_order.h"
#include "tape/frame_json.h"
#include "tape/message_line.h"

/* A batch ends after the frame that reaches one of these limits. */
enum { BATCH_FRAMES = 1024, BATCH_ROWS = 1 << 13, BATCH_TEXT_BYTES = 1 << 20 };

struct batch_rows {
    const tape_request *request;
    tape_streams *streams;
    trade_coverage *coverage;
    selection_window window;
    entry_order order; /* of the trades of a frame */
    tapedeck_frame_row *frames;
    size_t frame_count, frame_capacity;
    tapedeck_trade_row *trades;
    size_t trade_count, trade_capacity;
    tapedeck_row *levels;
    size_t level_count, level_capacity;
    td_buf text;
};

batch_rows *batch_rows_open(const tape_request *request, tape_streams *streams,
                            trade_coverage *trades)
{
    batch_rows *made = td_alloc_zero(1, sizeof *made);
    made->request = request;
    made->streams = streams;
    made->coverage = trades;
    td_buf_init(&made->text, SIZE_MAX);
    return made;
}

void batch_rows_close(batch_rows *self)
{
    if (self == NULL)
        return;
    td_free(self->frames);
    td_free(self->trades);
    td_free(self->levels);
    entry_order_fini(&self->order);
    td_buf_fini(&self->text);
    td_free(self);
}

void batch_rows_begin(batch_rows *self, selection_window window)
{
    self->window = window;
    self->frame_count = 0;
    self->trade_count = 0;
    self->level_count = 0;
    td_buf_clear(&self->text);
}

int batch_rows_is_full(const batch_rows *self)
{
    return self->frame_count >= BATCH_FRAMES || self->trade_count >= BATCH_ROWS ||
           self->level_count >= BATCH_ROWS || self->text.size >= BATCH_TEXT_BYTES;
}

int batch_rows_get(const batch_rows *self, tapedeck_batch *out)
{
    *out = (tapedeck_batch){.frames = self->frames,
                            .frame_count = self->frame_count,
                            .trades = self->trades,
                            .trade_count = self->trade_count,
                            .levels = self->levels,
                            .level_count = self->level_count,
                            .text = (const char *)self->text.data,
                            .text_bytes = self->text.size};
    return self->frame_count > 0 ? TAPEDECK_TAPE_BATCH : TAPEDECK_TAPE_END;
}

/* ---- selection ---- */

/* 1 if a trade is selected: by the symbol that it names itself, and with TAPEDECK_WITH_COVERAGE by
 * its exchange time; else with its frame. */
static int has_trade(const batch_rows *self, const frame_ref *frame, const msg_trade *trade)
{
    const channel_info *info = &frame->channel->info;
    if (trade->symbol.size > 0 &&
        !selection_has_topic(&self->request->wanted, td_bytes_str(info->topic),
                             td_bytes_str(info->exchange_topic), trade->symbol))
        return 0;
    return self->coverage == NULL || coverage_has_trade(self->coverage->window, frame->recv_ns,
                                                        coverage_trade_ns(frame, trade));
}

/* 1 if a frame has rows: it was received in the window, or has a selected trade. */
static int has_rows(const batch_rows *self, const frame_ref *frame)
{
    const message *m = frame->content.message;
    if (!frame->is_lead_in && frame->recv_ns < self->window.to_ns)
        return 1;
    if (self->coverage == NULL || m == NULL || m->head.type != MSG_TRADE)
        return 0;
    for (size_t i = 0; i < m->trades.trade_count; i++)
        if (has_trade(self, frame, &m->trades.trades[i]))
            return 1;
    return 0;
}

/* 1 if a trade of a tape with TAPEDECK_WITH_COVERAGE was in an earlier frame, too. */
static int is_repeat(const batch_rows *self, const tape_stream *of, const frame_ref *frame,
                     const msg_trade *trade)
{
    return self->coverage != NULL &&
           trade_coverage_repeats(self->coverage, of->index, frame, trade);
}

/* Remember the trades of a frame without rows. */
static void note_trades(const batch_rows *self, const tape_stream *of, const frame_ref *frame)
{
    const message *m = frame->content.message;
    for (size_t i = 0; m != NULL && m->head.type == MSG_TRADE && i < m->trades.trade_count; i++)
        (void)is_repeat(self, of, frame, &m->trades.trades[i]);
}

/* ---- entries ---- */

static tapedeck_row row_of(const tapedeck_frame_row *frame, size_t index, td_decimal price,
                           td_decimal size)
{
    return (tapedeck_row){.recv_ns = frame->recv_ns,
                          .exchange_ns = frame->exchange_ns,
                          .price = td_decimal_double(price),
                          .size = td_decimal_double(size),
                          .price_int = price.mantissa,
                          .size_int = size.mantissa,
                          .stream = frame->stream,
                          .frame = (uint32_t)index,
                          .price_scale = price.scale,
                          .size_scale = size.scale,
                          .flags = frame->flags};
}

static tapedeck_row *next_level(batch_rows *self)
{
    td_array_ensure((void **)&self->levels, &self->level_capacity, self->level_count,
                    sizeof *self->levels);
    return &self->levels[self->level_count++];
}

static void add_levels(batch_rows *self, const tapedeck_frame_row *frame, const msg_book *m)
{
    for (size_t i = 0; i < m->level_count; i++) {
        const msg_level *level = &m->levels[i];
        tapedeck_row *row = next_level(self);
        *row = row_of(frame, self->frame_count, (td_decimal){level->price, level->price_scale},
                      (td_decimal){level->size, level->size_scale});
        row->side = level->side;
        row->action = level->action;
    }
}

static void add_trades(batch_rows *self, const tapedeck_frame_row *frame, const tape_stream *of,
                       const frame_ref *from)
{
    const msg_trades *m = &from->content.message->trades;
    entry_order_set(&self->order, from->content.message);
    for (size_t i = 0; i < m->trade_count; i++) {
        const msg_trade *trade = &m->trades[entry_order_at(&self->order, i)];
        if (is_repeat(self, of, from, trade) || !has_trade(self, from, trade))
            continue;
        size_t id_bytes = trade->trade_id.size < TAPEDECK_TRADE_ID_BYTES ? trade->trade_id.size
                                                                         : TAPEDECK_TRADE_ID_BYTES;
        td_array_ensure((void **)&self->trades, &self->trade_capacity, self->trade_count,
                        sizeof *self->trades);
        tapedeck_trade_row *row = &self->trades[self->trade_count++];
        *row =
            (tapedeck_trade_row){row_of(frame, self->frame_count, trade->price, trade->size), ""};
        row->row.exchange_ns = trade->exchange_ns != 0 ? trade->exchange_ns : frame->exchange_ns;
        row->row.side = trade->side;
        if (trade->symbol.size > 0)
            row->row.stream = tape_streams_entry(self->streams, frame->stream, trade->symbol);
        if (id_bytes > 0)
            memcpy(row->trade_id, trade->trade_id.data, id_bytes);
    }
}

/* Add the best levels of a book to the batch, as many per side as the request wants. */
static void add_book_levels(batch_rows *self, const tapedeck_frame_row *frame, const book *of)
{
    const size_t depth = self->request->book_depth;
    book_level level;
    for (msg_side side = SIDE_BUY; side <= SIDE_SELL; side++) {
        for (size_t i = 0; (depth == 0 || i < depth) && book_level_at(of, side, i, &level); i++) {
            tapedeck_row *row = next_level(self);
            *row = row_of(frame, self->frame_count, level.price, level.size);
            row->side = (uint8_t)side;
            row->action = ACTION_SET;
        }
    }
}

static const book *book_of(const tape_stream *of, const frame_ref *frame)
{
    const symbol_topic *state = of->tape.state;
    const track *on = state == NULL ? NULL : symbol_topic_track_at(state, frame->conn_index);
    return on == NULL ? NULL : track_book(on);
}

static void add_entries(batch_rows *self, tapedeck_frame_row *row, const tape_stream *of,
                        const frame_ref *frame)
{
    const message *m = frame->content.message;
    const book *after =
        (self->request->with & TAPEDECK_WITH_BOOKS) != 0 ? book_of(of, frame) : NULL;
    row->first_entry =
        (uint32_t)(m->head.type == MSG_TRADE ? self->trade_count : self->level_count);
    if (m->head.type == MSG_TRADE)
        add_trades(self, row, of, frame);
    else if (m->head.type == MSG_BOOK_CHANGE && after != NULL)
        add_book_levels(self, row, after);
    else if (m->head.type == MSG_BOOK_CHANGE)
        add_levels(self, row, &m->book);
    row->entry_count = (uint32_t)message_item_count(m);
    if (row->content == TAPEDECK_BOOK)
        row->entry_count = (uint32_t)self->level_count - row->first_entry;
    if (m->head.type == MSG_TRADE)
        row->entry_count = (uint32_t)self->trade_count - row->first_entry;
}

static void add_message(batch_rows *self, tapedeck_frame_row *row, const frame_ref *frame)
{
    json_writer json;
    row->message_at = self->text.size;
    json_write_begin(&json, &self->text);
    json_write_object_begin(&json);
    message_line(&json, frame);
    frame_json_position(&json, frame);
    json_write_object_end(&json);
    TD_ASSERT(json_write_end(&json, NULL) == TD_OK);
    row->message_count = (uint32_t)(self->text.size - row->message_at);
}

/* ---- frames ---- */

static uint8_t content_of(const frame_ref *frame)
{
    switch (frame->channel->role) {
    case ROLE_CONTROL:
        return TAPEDECK_CONTROL;
    case ROLE_OUT:
        return TAPEDECK_SENT;
    case ROLE_HTTP:
        return TAPEDECK_HTTP;
    case ROLE_DATA:
    case ROLE_UNKNOWN:
    case ROLE_EVENT:
        break;
    }
    return (uint8_t)frame_view_content(frame->content.message);
}

static uint8_t flags_of(const tape_stream *of, const frame_ref *frame, const trust_answer *trust)
{
    const message *m = frame->content.message;
    unsigned flags = of->is_suspect ? TAPEDECK_ROW_SUSPECT : 0U;
    if ((trust != NULL && trust->is_snapshot) || (m != NULL && m->head.kind == FRAME_SNAPSHOT))
        flags |= TAPEDECK_ROW_SNAPSHOT;
    flags |= frame->is_late ? TAPEDECK_ROW_LATE : 0U;
    flags |= frame->is_copy ? TAPEDECK_ROW_COPY : 0U;
    flags |= frame->is_doubtful ? TAPEDECK_ROW_POSSIBLE_COPY : 0U;
    return (uint8_t)flags;
}

static tapedeck_frame_row *next_frame(batch_rows *self)
{
    td_array_ensure((void **)&self->frames, &self->frame_capacity, self->frame_count,
                    sizeof *self->frames);
    return &self->frames[self->frame_count];
}

int batch_rows_add_frame(batch_rows *self, const tape_stream *of, const frame_ref *frame,
                         const trust_answer *trust)
{
    const uint32_t with = self->request->with;
    const message *m = frame->content.message;
    if (!has_rows(self, frame)) {
        note_trades(self, of, frame);
        return 0;
    }
    tapedeck_frame_row *row = next_frame(self);
    *row = (tapedeck_frame_row){.recv_ns = frame->recv_ns,
                                .ordinal = frame->ordinal,
                                .stream = of->index,
                                .connection = frame_own_conn(frame)->number,
                                .line = (uint16_t)frame_own_conn(frame)->line,
                                .shard = (uint16_t)frame_own_conn(frame)->shard,
                                .content = content_of(frame),
                                .flags = flags_of(of, frame, trust)};
    if (m != NULL) {
        const int is_of_book = trust != NULL && (with & TAPEDECK_WITH_BOOKS) != 0;
        row->exchange_ns = is_of_book ? trust->exchange_ns : m->head.exchange_ns;
        row->kind = (uint8_t)m->head.kind;
        if (msg_head_number(&m->head, &row->number))
            row->flags |= TAPEDECK_ROW_NUMBERED;
        add_entries(self, row, of, frame);
    }
    if ((with & TAPEDECK_WITH_BYTES) != 0) {
        row->bytes_at = self->text.size;
        row->byte_count = (uint32_t)frame->bytes.size;
        td_buf_add(&self->text, frame->bytes.data, frame->bytes.size);
    }
    if ((with & TAPEDECK_WITH_MESSAGES) != 0 && frame->is_read)
        add_message(self, row, frame);
    self->frame_count++;
    return 1;
}

void batch_rows_add_book(batch_rows *self, const tapedeck_frame_row *row, const book *levels)
{
    tapedeck_frame_row *added = next_frame(self);
    *added = *row;
    added->first_entry = (uint32_t)self->level_count;
    add_book_levels(self, added, levels);
    added->entry_count = (uint32_t)self->level_count - added->first_entry;
    self->frame_count++;
}
