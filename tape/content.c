#include "tape/content.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "schema/decode.h"
#include "schema/message.h"

#define DAY_NS (86400 * TD_NS_PER_S)

/* Results of content_dated_row that are kept: rows with dates are valid for whole days, so each is
 * looked up once a day. */
enum { ROW_CACHE_ENTRIES = 64 };

typedef struct row_cache_entry {
    const topic_row *of;  /* row of the channel; NULL: the entry is unused */
    const topic_row *row; /* the row that is valid instead of `of` on this day */
    uint64_t day;
} row_cache_entry;

struct content_reader {
    decoder *decoder; /* created when first needed: many tapes read no content */
    tape_reads reads;
    uint64_t count;
    message message;
    classification what;
    row_cache_entry rows[ROW_CACHE_ENTRIES];
    content_reader *next; /* next reader in the pool */
};

struct content_pool {
    pthread_mutex_t mutex;
    tape_reads reads;
    content_reader *free;
    uint64_t count;
};

content_reader *content_reader_open(tape_reads reads)
{
    content_reader *made = td_alloc_zero(1, sizeof *made);
    made->reads = reads;
    return made;
}

void content_reader_close(content_reader *reader)
{
    if (reader == NULL)
        return;
    decoder_close(reader->decoder);
    td_free(reader);
}

uint64_t content_count(const content_reader *reader)
{
    return reader->count;
}

/* ---- rows ---- */

const topic_row *content_dated_row(content_reader *reader, const frame_channel *channel,
                                   uint64_t recv_ns)
{
    const topic_row *row = channel->topic.row;
    if (row == NULL)
        return row;
    size_t index = (size_t)(row - channel->family->topics);
    row_cache_entry *entry = &reader->rows[index % ROW_CACHE_ENTRIES];
    uint64_t day = recv_ns / DAY_NS;
    if (entry->of == row && entry->day == day)
        return entry->row;
    *entry = (row_cache_entry){.of = row, .day = day};
    entry->row = topic_row_at(channel->family->topics, channel->family->topic_count, row, recv_ns);
    return entry->row;
}

/* ---- reading ---- */

static decoder *get_decoder(content_reader *reader)
{
    if (TD_UNLIKELY(reader->decoder == NULL))
        reader->decoder = decoder_open();
    return reader->decoder;
}

const classification *content_classify(content_reader *reader, const frame_channel *channel,
                                       uint64_t recv_ns, td_bytes bytes)
{
    int is_out = channel->role == ROLE_OUT;
    reader->what =
        (classification){.frame_class = is_out ? CLASS_REQUEST : CLASS_UNKNOWN, .success = -1};
    if (channel->family != NULL)
        decoder_classify(get_decoder(reader), channel->family, bytes, channel->info.dir, recv_ns,
                         &reader->what);
    return &reader->what;
}

static void decode(content_reader *reader, const topic_match *topic, const topic_row *row,
                   frame_ref *frame)
{
    decode_path path = reader->reads == TAPE_READS_ALL ? DECODE_PATH_WHOLE : DECODE_PATH_FAST;
    topic_match other;
    if (TD_UNLIKELY(row != topic->row)) {
        other = *topic;
        other.row = row;
        topic = &other;
    }
    if (decoder_decode(get_decoder(reader), topic, frame->bytes, path, &reader->message,
                       &frame->content.why))
        frame->content.message = &reader->message;
}

/* 1 if an undecoded frame of the channel must be classified for its exchange topic, because the
 * channel has no exchange topic. */
static int names_frame(const content_reader *reader, const frame_channel *channel)
{
    return reader->reads == TAPE_READS_ALL && channel->info.exchange_topic[0] == '\0';
}

static int reads_role(const content_reader *reader, frame_role role)
{
    return role == ROLE_DATA || role == ROLE_CONTROL || role == ROLE_UNKNOWN ||
           (role == ROLE_OUT && reader->reads == TAPE_READS_ALL);
}

void content_read(content_reader *reader, frame_ref *frame)
{
    const frame_channel *channel = frame->channel;
    frame_role role = channel->role;
    if (reader->reads == TAPE_READS_FRAMES || TD_UNLIKELY(!reads_role(reader, role)))
        return;
    frame->content = (frame_content){0};
    frame->is_read = 1;
    reader->count++;
    if (TD_LIKELY(role == ROLE_DATA)) {
        decode(reader, &channel->topic, topic_row_of_form(frame->row, channel->info.form), frame);
    } else {
        const classification *what =
            content_classify(reader, channel, frame->recv_ns, frame->bytes);
        frame->content.what = what;
        /* Decoding gives the reason why an unknown frame has no message. With TAPE_READS_ALL, all
         * other frames are decoded, too, except control frames. */
        if (role == ROLE_UNKNOWN ||
            (reader->reads == TAPE_READS_ALL && !frame_class_is_control(what->frame_class)))
            decode(reader, &what->topic, role == ROLE_OUT ? what->topic.row : NULL, frame);
    }
    if (TD_UNLIKELY(frame->content.message == NULL) && role == ROLE_DATA &&
        names_frame(reader, channel))
        frame->content.what = content_classify(reader, channel, frame->recv_ns, frame->bytes);
}

/* ---- keeping ---- */

/* Copies content into an arena, except texts in the frame or among the channel's names. */
typedef struct keeper {
    td_arena *arena;
    td_bytes frame;
    const topic_match *topic;
} keeper;

static void *keep(keeper *k, const void *from, size_t size)
{
    return td_arena_copy(k->arena, from, size);
}

static void keep_text(keeper *k, td_bytes *text)
{
    int is_in_frame =
        text->data >= k->frame.data && text->data + text->size <= k->frame.data + k->frame.size;
    if (TD_LIKELY(text->size == 0 || is_in_frame) || text->data == k->topic->topic.data ||
        text->data == k->topic->symbol.data)
        return;
    text->data = keep(k, text->data, text->size);
}

static void keep_trades(keeper *k, msg_trades *trades)
{
    msg_trade *kept = keep(k, trades->trades, trades->trade_count * sizeof *kept);
    trades->trades = kept;
    for (size_t i = 0; i < trades->trade_count; i++) {
        keep_text(k, &kept[i].symbol);
        keep_text(k, &kept[i].trade_id);
        keep_text(k, &kept[i].tick_direction);
    }
}

static void keep_value(keeper *k, msg_value *value)
{
    if (value->type == VALUE_TEXT || value->type == VALUE_JSON || value->type == VALUE_BIG_DECIMAL)
        keep_text(k, &value->as.text);
}

static const msg_value *keep_values(keeper *k, const msg_value *values, size_t count)
{
    msg_value *kept = keep(k, values, count * sizeof *kept);
    for (size_t i = 0; i < count; i++)
        keep_value(k, &kept[i]);
    return kept;
}

/* Copy entries, with all their values in one array. */
static const msg_item *keep_items(keeper *k, const msg_item *items, size_t count)
{
    size_t values = 0;
    for (size_t i = 0; i < count; i++)
        values += items[i].value_count;
    msg_item *kept = keep(k, items, count * sizeof *kept);
    msg_value *at = td_arena_alloc(k->arena, values * sizeof *at);
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < kept[i].value_count; n++) {
            at[n] = items[i].values[n];
            keep_value(k, &at[n]);
        }
        kept[i].values = at;
        at += kept[i].value_count;
    }
    return kept;
}

static const message *keep_message(keeper *k, const message *from)
{
    message *kept = keep(k, from, sizeof *kept);
    keep_text(k, &kept->head.topic);
    keep_text(k, &kept->head.symbol);
    keep_text(k, &kept->head.version);
    if (message_is_record(kept)) {
        kept->record.values = keep_values(k, kept->record.values, kept->record.value_count);
        kept->record.items = keep_items(k, kept->record.items, kept->record.item_count);
    } else if (kept->head.type == MSG_TRADE) {
        keep_trades(k, &kept->trades);
    } else {
        TD_ASSERT(kept->head.type == MSG_BOOK_CHANGE);
        size_t count = kept->book.level_count;
        kept->book.levels = keep(k, kept->book.levels, count * sizeof *kept->book.levels);
        if (kept->book.rpi_sizes != NULL)
            kept->book.rpi_sizes =
                keep(k, kept->book.rpi_sizes, count * sizeof *kept->book.rpi_sizes);
    }
    if (kept->extra != NULL) {
        msg_extra *extra = keep(k, kept->extra, sizeof *extra);
        extra->values = keep_values(k, extra->values, extra->value_count);
        extra->items = keep_items(k, extra->items, message_item_count(from));
        kept->extra = extra;
    }
    return kept;
}

static const classification *keep_what(keeper *k, const classification *from)
{
    classification *kept = keep(k, from, sizeof *kept);
    keep_text(k, &kept->topic.topic);
    keep_text(k, &kept->topic.symbol);
    keep_text(k, &kept->exchange_topic);
    return kept;
}

void content_keep(frame_ref *frame, td_arena *arena)
{
    keeper k = {.arena = arena, .frame = frame->bytes, .topic = &frame->channel->topic};
    if (frame->content.message != NULL)
        frame->content.message = keep_message(&k, frame->content.message);
    if (frame->content.what != NULL)
        frame->content.what = keep_what(&k, frame->content.what);
}

/* ---- another decoder ---- */

int content_has_decoder(const content_reader *reader, const frame_channel *channel)
{
    return reader->reads != TAPE_READS_FRAMES && frame_role_is_of_topic(channel->role);
}

/* Complete another decoder's answer: let the built-in decoder describe refused frames, and classify
 * frames without a topic. */
static void complete(content_reader *reader, frame_ref *frame, td_arena *arena)
{
    frame_content *content = &frame->content;
    const frame_channel *channel = frame->channel;
    TD_ASSERT((content->message != NULL) == (content->why.reason == DECODE_OK));
    TD_ASSERT(content->what == NULL);
    frame->is_read = 1;
    if (content->why.reason == DECODE_REFUSED && frame->row == NULL) {
        content_read(reader, frame);
        content_keep(frame, arena);
        return;
    }
    reader->count++;
    if (channel->role != ROLE_UNKNOWN &&
        (content->message != NULL || !names_frame(reader, channel)))
        return;
    keeper k = {.arena = arena, .frame = frame->bytes, .topic = &channel->topic};
    content->what = keep_what(&k, content_classify(reader, channel, frame->recv_ns, frame->bytes));
}

td_result content_decode(content_reader *reader, const tape_decoding *decoding,
                         frame_ref *const *frames, size_t count, td_arena *arena, td_err *err)
{
    for (size_t i = 0; i < count; i++)
        frames[i]->content = (frame_content){0};
    td_result rc = decoding->read(decoding->ctx, frames, count, arena, err);
    for (size_t i = 0; i < count && rc == TD_OK; i++)
        complete(reader, frames[i], arena);
    return rc;
}

/* ---- readers for workers ---- */

content_pool *content_pool_open(tape_reads reads)
{
    content_pool *made = td_alloc_zero(1, sizeof *made);
    made->reads = reads;
    (void)pthread_mutex_init(&made->mutex, NULL); /* cannot fail with default attributes */
    return made;
}

void content_pool_close(content_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->free != NULL) {
        content_reader *next = pool->free->next;
        content_reader_close(pool->free);
        pool->free = next;
    }
    (void)pthread_mutex_destroy(&pool->mutex); /* cannot fail: no thread holds the mutex */
    td_free(pool);
}

content_reader *content_pool_take(content_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    content_reader *taken = pool->free;
    if (taken != NULL)
        pool->free = taken->next;
    pthread_mutex_unlock(&pool->mutex);
    return taken != NULL ? taken : content_reader_open(pool->reads);
}

void content_pool_give(content_pool *pool, content_reader *reader)
{
    pthread_mutex_lock(&pool->mutex);
    pool->count += reader->count;
    reader->count = 0;
    reader->next = pool->free;
    pool->free = reader;
    pthread_mutex_unlock(&pool->mutex);
}

uint64_t content_pool_count(content_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    uint64_t count = pool->count;
    pthread_mutex_unlock(&pool->mutex);
    return count;
}
