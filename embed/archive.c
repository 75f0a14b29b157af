/* Implements embed/include/tapedeck/archive.h. */
#include "embed/include/tapedeck/archive.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "base/version.h"
#include "archive/archive.h"
#include "archive/ledger.h"
#include "archive/read_plan.h"
#include "archive/topic_list.h"
#include "archive/time_account.h"
#include "book/symbol_table.h"
#include "embed/frame_view.h"
#include "base/json/json_write.h"
#include "schema/entry_order.h"
#include "tape/tape_topic.h"
#include "tape/coverage.h"
#include "tape/cursor.h"
#include "tape/empty_selection.h"
#include "tape/frame_json.h"
#include "tape/kept_families.h"
#include "tape/message_line.h"
#include "tape/stream_index.h"
#include "tape/trade_repeats.h"

/* A batch ends after the frame that reaches one of these limits. Its rows then fit into a level 2
 * cache, from which the caller copies them. */
enum { BATCH_FRAMES = 1024, BATCH_ROWS = 1 << 13, BATCH_TEXT_BYTES = 1 << 20 };

/* Interval of checks for new frames. It is short compared with the second after which a chunk is
 * durable. If checks take long, it is POLL_REST times as long as the last check. */
static const uint64_t POLL_NS = 200 * TD_NS_PER_MS;
enum { POLL_REST = 4 };

/* How long frames are held back when there are several feeds. By default a frame is durable one
 * second after its receipt; this is twice as long. */
static const uint64_t HOLD_NS = 2 * TD_NS_PER_S;

/* Text that readers log about damage, until it is reported to the caller. */
typedef struct damage_log {
    pthread_mutex_t lock;
    char text[sizeof((tapedeck_error *)NULL)->text - 16];
    size_t size;
} damage_log;

struct tapedeck_archive {
    archive *of;
    td_log log;
    damage_log damage_text;
    gap_list damage;  /* damage that was reported to callers */
    topic_list names; /* has the texts of topics */
    tapedeck_topic *topics;
};

/* A topic and symbol of a feed, on one line and in one direction. */
typedef struct tape_stream {
    uint32_t index;
    /* Info of the stream's first channel, or, before the first frame, of its saved state. The
     * stream of an entry that names its own symbol has this symbol. Its texts are the tape's,
     * because seeking frees the cursor's. */
    channel_info info;
    tape_topic tape;
    uint8_t is_suspect; /* 1: the topic's state was not trusted after its last frame */
    uint8_t is_covered; /* 1: `covered` is in use, for trades with TAPEDECK_WITH_COVERAGE */
    coverage covered;
    trade_repeats *had; /* with is_covered */
    uint64_t last_ns;   /* receive time of the stream's last frame */
} tape_stream;

struct tapedeck_tape {
    tapedeck_archive *of;
    cursor *cursor;
    size_t reported_rows;   /* rows of the cursor's damage that were reported */
    uint8_t has_old_damage; /* 1: the ledger has damage of the selection that was not reported */
    gap_list gaps;          /* the whole ledger */
    selection wanted;
    cursor_options reading;
    uint32_t with;
    uint32_t depth;
    topic_times *times;      /* used with TAPEDECK_WITH_COVERAGE; NULL once the tape has ended */
    entry_order order;       /* of the trades of a frame */
    selection_window window; /* with TAPEDECK_WITH_COVERAGE: the selection's; the cursor reads
                                COVERAGE_DELAY_NS more on both sides */
    const frame_ref *pending_frame; /* a frame that was read and is in no batch yet */
    uint64_t
        position_ns;  /* time of the last frame, or the begin of the tape; 0: nothing was read */
    uint8_t is_begun; /* 1: the states at the tape's begin are loaded */
    uint8_t is_over;  /* 1: the tape begins after the archive's last frame */
    uint64_t last_ns; /* if is_over: time of the archive's last frame */
    char ended[SESSION_ID_BYTES]; /* session whose end was reported; "": none */
    symbol_table symbols;
    tape_stream **streams;
    size_t stream_count;
    stream_index by_name;
    td_arena *texts; /* of the streams */
    /* The current batch. */
    tapedeck_frame_row *frames;
    size_t frame_count, frame_capacity;
    tapedeck_trade_row *trades;
    size_t trade_count, trade_capacity;
    tapedeck_row *levels;
    size_t level_count, level_capacity;
    td_buf text;
};

/* ---- errors ---- */

static int32_t code_of(td_result rc)
{
    switch (rc) {
    case TD_E_INVALID:
    case TD_E_BUSY:
        return TAPEDECK_ERROR_INVALID;
    case TD_E_NOTFOUND:
        return TAPEDECK_ERROR_NOT_FOUND;
    case TD_E_CORRUPT:
    case TD_E_TRUNCATED:
        return TAPEDECK_ERROR_DAMAGED;
    case TD_E_LIMIT:
        return TAPEDECK_ERROR_LIMIT;
    case TD_E_UNSUPPORTED:
        return TAPEDECK_ERROR_UNSUPPORTED;
    case TD_OK:
    case TD_EOF:
    case TD_E_IO:
    case TD_E_NOSPACE:
    case TD_E_NETWORK:
        break;
    }
    return TAPEDECK_ERROR_IO;
}

/* Return the size of the beginning of a hint that helps a library's user: the text before a verb,
 * or nothing if an option comes first. */
static size_t useful_bytes(const char *hint)
{
    const char *verb = strstr(hint, "tapedeck ");
    const char *option = strstr(hint, "--");
    size_t size = strlen(hint);
    if (verb != NULL)
        size =
            verb == hint ? 0 : (size_t)(verb - hint) - 1; /* without the quotation mark before it */
    if (option != NULL && (size_t)(option - hint) < size)
        size = 0;
    while (size > 0 && strchr(" :;,", hint[size - 1]) != NULL)
        size--;
    return size;
}

static void give_error(tapedeck_error *to, td_result rc, const td_err *err)
{
    size_t size = useful_bytes(err->hint);
    if (to == NULL)
        return;
    to->code = code_of(rc);
    to->os_errno = err->os_errno;
    (void)snprintf(to->text, sizeof to->text, "%s%s%.*s", err->text, size > 0 ? "; " : "",
                   (int)size, err->hint);
}

/* Add a line to the log. Any thread. A line that does not fit is dropped: the rows of the damage
 * have the same facts. */
static void note_line(void *ctx, td_log_level level, const char *line)
{
    damage_log *lines = ctx;
    (void)level;
    (void)pthread_mutex_lock(&lines->lock);
    int size = snprintf(lines->text + lines->size, sizeof lines->text - lines->size, "%s%s",
                        lines->size > 0 ? "; " : "", line);
    if (size > 0 && (size_t)size < sizeof lines->text - lines->size)
        lines->size += (size_t)size;
    lines->text[lines->size] = '\0';
    (void)pthread_mutex_unlock(&lines->lock);
}

tapedeck_archive *tapedeck_archive_open(const char *path, tapedeck_error *error)
{
    td_err err;
    td_err_clear(&err);
    tapedeck_archive *made = td_alloc_zero(1, sizeof *made);
    (void)pthread_mutex_init(&made->damage_text.lock, NULL);
    made->log = (td_log){note_line, &made->damage_text, TD_LOG_WARNING};
    const archive_options options = {.io = io_posix(), .clock = clock_real(), .log = &made->log};
    td_result rc = archive_open(&options, path, ARCHIVE_READ, &made->of, &err);
    if (rc == TD_OK) {
        kept_families_add(&made->of, 1, &made->log);
        return made;
    }
    give_error(error, rc, &err);
    tapedeck_archive_close(made);
    return NULL;
}

void tapedeck_archive_close(tapedeck_archive *a)
{
    if (a == NULL)
        return;
    topic_list_fini(&a->names);
    td_free(a->topics);
    archive_close(a->of);
    gap_list_fini(&a->damage);
    (void)pthread_mutex_destroy(&a->damage_text.lock);
    td_free(a);
}

/* ---- the list of topics ---- */

static void add_topics(topic_list *list, const segment_index *segment)
{
    for (size_t i = 0; i < segment->channel_count; i++) {
        const channel_info *info = &segment->channels[i].info;
        if (frame_role_is_of_topic(channel_role(info)))
            (void)topic_list_add(list, segment, &segment->channels[i], info->topic);
    }
}

int tapedeck_archive_topics(tapedeck_archive *a, const tapedeck_topic **topics, size_t *count,
                            tapedeck_error *error)
{
    const read_query everything = {.to_ns = UINT64_MAX, .is_quiet = 1};
    td_err err;
    td_err_clear(&err);
    read_plan *plan = NULL;
    topic_list_fini(&a->names);
    td_result rc = read_plan_open(a->of, &everything, &plan, &err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++)
        add_topics(&a->names, read_plan_segment(plan, i)->index);
    read_plan_close(plan);
    topic_list_sort(&a->names);
    td_free(a->topics);
    a->topics = td_alloc_zero(a->names.count + 1, sizeof *a->topics);
    for (size_t i = 0; i < a->names.count; i++) {
        const topic_entry *row = &a->names.rows[i];
        a->topics[i] =
            (tapedeck_topic){row->feed,           row->family, row->topic,    row->symbol,
                             row->exchange_topic, row->frames, row->first_ns, row->last_ns};
    }
    *topics = a->topics;
    *count = a->names.count;
    if (rc != TD_OK)
        give_error(error, rc, &err);
    return rc == TD_OK;
}

/* ---- the selection ---- */

/* Copy a selection, whose struct may be of another version. Members that this struct lacks become
 * 0; members that this version of the library does not know must be 0. */
static td_result copy_selection(const tapedeck_selection *from, tapedeck_selection *out,
                                td_err *err)
{
    static const uint32_t KNOWN = TAPEDECK_WITH_BYTES | TAPEDECK_WITH_MESSAGES |
                                  TAPEDECK_WITH_BOOKS | TAPEDECK_WITH_COVERAGE |
                                  TAPEDECK_WITH_FOLLOW;
    const uint8_t *bytes = (const uint8_t *)from;
    *out = (tapedeck_selection){0};
    if (from->size < sizeof from->size)
        return td_err_set(err, TD_E_INVALID, "size of tapedeck_selection is not set");
    memcpy(out, from, from->size < sizeof *out ? from->size : sizeof *out);
    for (size_t i = sizeof *out; i < from->size; i++)
        if (bytes[i] != 0)
            return td_err_set(err, TD_E_INVALID,
                              "tapedeck_selection has members that version %s does not know",
                              TAPEDECK_VERSION);
    if ((out->with & ~KNOWN) != 0 || out->reserved != 0)
        return td_err_set(err, TD_E_INVALID,
                          "tapedeck_selection has bits that version %s does not know",
                          TAPEDECK_VERSION);
    if ((out->with & TAPEDECK_WITH_FOLLOW) != 0 &&
        (out->to != NULL || (out->with & TAPEDECK_WITH_COVERAGE) != 0))
        return td_err_set(err, TD_E_INVALID,
                          "TAPEDECK_WITH_FOLLOW cannot be combined with to or "
                          "TAPEDECK_WITH_COVERAGE");
    return TD_OK;
}

static selection_globs globs_of(const char *const *items)
{
    selection_globs globs = {.items = items};
    while (items != NULL && items[globs.count] != NULL)
        globs.count++;
    return globs;
}

static td_result read_times(selection *wanted, const tapedeck_selection *from, td_err *err)
{
    uint64_t now_ns = clock_wall_ns(clock_real());
    td_result rc = TD_OK;
    wanted->has_from = from->from != NULL;
    wanted->has_to = from->to != NULL;
    if (wanted->has_from)
        rc = td_time_parse(from->from, now_ns, TD_DATE_BEGINS, &wanted->from, err);
    if (rc == TD_OK && wanted->has_to)
        rc = td_time_parse(from->to, now_ns, TD_DATE_ENDS, &wanted->to, err);
    return rc;
}

/* ---- streams ---- */

static const char *keep_text(tapedeck_tape *t, const char *text)
{
    return td_arena_copy(t->texts, text, strlen(text) + 1);
}

/* Find or make the stream of a channel. */
static tape_stream *stream_of(tapedeck_tape *t, const channel_info *info)
{
    stream_name name = stream_name_of(info);
    const size_t known = stream_index_find(&t->by_name, &name);
    if (known != STREAM_INDEX_NONE)
        return t->streams[known];
    tape_stream *made = td_alloc_zero(1, sizeof *made);
    made->index = (uint32_t)t->stream_count;
    made->info = *info;
    made->info.feed = keep_text(t, info->feed);
    made->info.family = keep_text(t, info->family);
    made->info.topic = keep_text(t, info->topic);
    made->info.symbol = keep_text(t, info->symbol);
    made->info.exchange_topic = keep_text(t, info->exchange_topic);
    t->streams = td_array_grow(t->streams, t->stream_count, sizeof(tape_stream *));
    t->streams[t->stream_count++] = made;
    name = stream_name_of(&made->info);
    (void)stream_index_add(&t->by_name, &name);
    return made;
}

/* Find or make the stream of an entry that names its own symbol. */
static uint32_t entry_stream(tapedeck_tape *t, uint32_t of, td_bytes symbol)
{
    char name[LIMIT_SYMBOL_BYTES];
    channel_info info = t->streams[of]->info;
    size_t size = symbol.size < sizeof name ? symbol.size : sizeof name - 1;
    memcpy(name, symbol.data, size);
    name[size] = '\0';
    info.symbol = name;
    return stream_of(t, &info)->index;
}

/* Connect a stream with the state of its symbol. */
static void begin_topic(tapedeck_tape *t, tape_stream *of)
{
    of->tape.symbol = symbol_entry_state(
        symbol_table_get(&t->symbols, of->info.feed, of->info.symbol), SYMBOL_WITHOUT_AUDITS);
    of->tape.ledger = &t->gaps;
    of->tape.user = of;
}

/* Add streams for the topics of a saved state. */
static void add_saved(tapedeck_tape *t, const symbol_entry *saved)
{
    symbol_topic *topic;
    for (size_t i = 0; (topic = symbol_state_topic_at(saved->state, i)) != NULL; i++) {
        const channel_info info = {.feed = saved->feed,
                                   .family = "",
                                   .topic = topic->name,
                                   .symbol = saved->symbol,
                                   .exchange_topic = "",
                                   .line = topic->line};
        tape_stream *of = stream_of(t, &info);
        begin_topic(t, of);
        tape_topic_find(&of->tape, &of->info);
        of->is_suspect = !topic_trust_is_right(&of->tape.trust);
    }
}

/* Find the stream of the frame's channel; it is kept in the channel. */
static tape_stream *stream_at(tapedeck_tape *t, const frame_ref *frame)
{
    frame_channel *channel = frame->channel;
    if (channel->tape != NULL)
        return channel->tape->user;
    tape_stream *of = stream_of(t, &channel->info);
    if (strcmp(of->info.family, channel->info.family) != 0)
        of->info.family = keep_text(t, channel->info.family);
    if (strcmp(of->info.exchange_topic, channel->info.exchange_topic) != 0)
        of->info.exchange_topic = keep_text(t, channel->info.exchange_topic);
    begin_topic(t, of);
    channel->tape = &of->tape;
    return of;
}

/* Apply a frame to its topic. */
static void apply_frame(const tapedeck_tape *t, tape_stream *of, const frame_ref *frame,
                        applied_frame *out)
{
    tape_topic_apply(&of->tape, frame, out);
    if (out->trust == NULL || frame->is_copy)
        return;
    /* Changes of a state that no frames have, only books. */
    const int is_lacking = out->trust->needs_saved && (t->with & TAPEDECK_WITH_BOOKS) == 0;
    of->is_suspect = !out->trust->is_trusted || is_lacking;
}

/* ---- selection ---- */

static selection_window window_of(const tapedeck_tape *t)
{
    return (t->with & TAPEDECK_WITH_COVERAGE) != 0 ? t->window : cursor_get_window(t->cursor);
}

/* 1 if a trade is selected: by the symbol that it names itself, and with TAPEDECK_WITH_COVERAGE by
 * its exchange time; else with its frame. */
static int has_trade(const tapedeck_tape *t, const frame_ref *frame, const msg_trade *trade)
{
    const channel_info *info = &frame->channel->info;
    if (trade->symbol.size > 0 &&
        !selection_has_topic(&t->wanted, td_bytes_str(info->topic),
                             td_bytes_str(info->exchange_topic), trade->symbol))
        return 0;
    return (t->with & TAPEDECK_WITH_COVERAGE) == 0 ||
           coverage_has_trade(t->window, frame->recv_ns, coverage_trade_ns(frame, trade));
}

/* 1 if a frame has rows: it was received in the window, or has a selected trade. */
static int has_rows(const tapedeck_tape *t, const frame_ref *frame)
{
    const message *m = frame->content.message;
    const selection_window window = window_of(t);
    if (!frame->is_lead_in && frame->recv_ns < window.to_ns)
        return 1;
    if ((t->with & TAPEDECK_WITH_COVERAGE) == 0 || m == NULL || m->head.type != MSG_TRADE)
        return 0;
    for (size_t i = 0; i < m->trades.trade_count; i++)
        if (has_trade(t, frame, &m->trades.trades[i]))
            return 1;
    return 0;
}

/* ---- rows ---- */

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

static tapedeck_row *next_level(tapedeck_tape *t)
{
    td_array_ensure((void **)&t->levels, &t->level_capacity, t->level_count, sizeof *t->levels);
    return &t->levels[t->level_count++];
}

static void add_levels(tapedeck_tape *t, const tapedeck_frame_row *frame, const msg_book *m)
{
    for (size_t i = 0; i < m->level_count; i++) {
        const msg_level *level = &m->levels[i];
        tapedeck_row *row = next_level(t);
        *row = row_of(frame, t->frame_count, (td_decimal){level->price, level->price_scale},
                      (td_decimal){level->size, level->size_scale});
        row->side = level->side;
        row->action = level->action;
    }
}

/* 1 if a trade of a tape with TAPEDECK_WITH_COVERAGE was in an earlier frame, too. */
static int is_repeat(const tape_stream *of, const frame_ref *frame, const msg_trade *trade)
{
    if (of->had == NULL || frame->is_copy)
        return 0;
    if (trade_repeats_has(of->had, frame, trade))
        return 1;
    trade_repeats_add(of->had, frame, trade);
    return 0;
}

/* Remember the trades of a frame without rows. */
static void note_trades(const tape_stream *of, const frame_ref *frame)
{
    const message *m = frame->content.message;
    for (size_t i = 0; m != NULL && m->head.type == MSG_TRADE && i < m->trades.trade_count; i++)
        (void)is_repeat(of, frame, &m->trades.trades[i]);
}

static void add_trades(tapedeck_tape *t, const tapedeck_frame_row *frame, const tape_stream *of,
                       const frame_ref *from)
{
    const msg_trades *m = &from->content.message->trades;
    entry_order_set(&t->order, from->content.message);
    for (size_t i = 0; i < m->trade_count; i++) {
        const msg_trade *trade = &m->trades[entry_order_at(&t->order, i)];
        if (is_repeat(of, from, trade) || !has_trade(t, from, trade))
            continue;
        size_t id_bytes = trade->trade_id.size < TAPEDECK_TRADE_ID_BYTES ? trade->trade_id.size
                                                                         : TAPEDECK_TRADE_ID_BYTES;
        td_array_ensure((void **)&t->trades, &t->trade_capacity, t->trade_count, sizeof *t->trades);
        tapedeck_trade_row *row = &t->trades[t->trade_count++];
        *row = (tapedeck_trade_row){row_of(frame, t->frame_count, trade->price, trade->size), ""};
        row->row.exchange_ns = trade->exchange_ns != 0 ? trade->exchange_ns : frame->exchange_ns;
        row->row.side = trade->side;
        if (trade->symbol.size > 0)
            row->row.stream = entry_stream(t, frame->stream, trade->symbol);
        if (id_bytes > 0)
            memcpy(row->trade_id, trade->trade_id.data, id_bytes);
    }
}

/* Add the best levels of a book to the batch, up to depth per side; 0: all. */
static void add_book(tapedeck_tape *t, const tapedeck_frame_row *frame, const book *of,
                     size_t depth)
{
    book_level level;
    for (msg_side side = SIDE_BUY; side <= SIDE_SELL; side++) {
        for (size_t i = 0; (depth == 0 || i < depth) && book_level_at(of, side, i, &level); i++) {
            tapedeck_row *row = next_level(t);
            *row = row_of(frame, t->frame_count, level.price, level.size);
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

static void add_entries(tapedeck_tape *t, tapedeck_frame_row *row, const tape_stream *of,
                        const frame_ref *frame)
{
    const message *m = frame->content.message;
    const book *after = (t->with & TAPEDECK_WITH_BOOKS) != 0 ? book_of(of, frame) : NULL;
    row->first_entry = (uint32_t)(m->head.type == MSG_TRADE ? t->trade_count : t->level_count);
    if (m->head.type == MSG_TRADE)
        add_trades(t, row, of, frame);
    else if (m->head.type == MSG_BOOK_CHANGE && after != NULL)
        add_book(t, row, after, t->depth);
    else if (m->head.type == MSG_BOOK_CHANGE)
        add_levels(t, row, &m->book);
    row->entry_count = (uint32_t)message_item_count(m);
    if (row->content == TAPEDECK_BOOK)
        row->entry_count = (uint32_t)t->level_count - row->first_entry;
    if (m->head.type == MSG_TRADE)
        row->entry_count = (uint32_t)t->trade_count - row->first_entry;
}

static void add_message(tapedeck_tape *t, tapedeck_frame_row *row, const frame_ref *frame)
{
    json_writer json;
    row->message_at = t->text.size;
    json_write_begin(&json, &t->text);
    json_write_object_begin(&json);
    message_line(&json, frame);
    frame_json_position(&json, frame);
    json_write_object_end(&json);
    TD_ASSERT(json_write_end(&json, NULL) == TD_OK);
    row->message_count = (uint32_t)(t->text.size - row->message_at);
}

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

/* ---- coverage of trades ---- */

/* Add the frame to the coverage of its topic, if it has trades. */
static td_result add_coverage(tapedeck_tape *t, tape_stream *of, const frame_ref *frame,
                              const trust_answer *trust, td_err *err)
{
    uint64_t since_ns = 0;
    td_result rc = TD_OK;
    if (t->times == NULL || frame->is_copy || frame->row == NULL || frame->row->type != MSG_TRADE)
        return rc;
    if (!of->is_covered)
        rc = topic_times_since(t->times, frame, &since_ns, err);
    if (rc == TD_OK && !of->is_covered)
        coverage_begin(&of->covered, &t->gaps, &of->info, t->window, since_ns);
    if (!of->is_covered)
        of->had = td_alloc_zero(1, sizeof *of->had);
    of->is_covered = 1;
    of->last_ns = frame->recv_ns;
    const coverage_frame next = coverage_frame_of(frame, trust);
    coverage_add(&of->covered, &t->gaps, &next);
    return rc;
}

static td_result end_coverage(tapedeck_tape *t, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; t->times != NULL && i < t->stream_count && rc == TD_OK; i++) {
        tape_stream *of = t->streams[i];
        uint64_t until_ns = 0;
        if (!of->is_covered)
            continue;
        rc = topic_times_until(t->times, &of->info, of->last_ns, &until_ns, err);
        coverage_end(&of->covered, &t->gaps, &of->info, t->window,
                     cursor_damaged_until_ns(t->cursor, of->info.feed), until_ns);
    }
    topic_times_close(t->times);
    t->times = NULL;
    return rc;
}

uint64_t tapedeck_tape_missing_ns(const tapedeck_tape *t, size_t stream, uint64_t from_ns,
                                  uint64_t to_ns)
{
    int is_known = stream < t->stream_count && t->streams[stream]->is_covered && t->times == NULL;
    if (to_ns <= from_ns)
        return 0;
    return is_known ? coverage_missing_ns(&t->streams[stream]->covered, from_ns, to_ns)
                    : to_ns - from_ns;
}

/* ---- frames ---- */

/* Add a frame to the batch. Frames that are not selected only update the states. */
static td_result add_frame(tapedeck_tape *t, tape_stream *of, const frame_ref *frame, td_err *err)
{
    applied_frame seen;
    apply_frame(t, of, frame, &seen);
    const trust_answer *trust = seen.trust;
    const message *m = frame->content.message;
    td_result rc = add_coverage(t, of, frame, trust, err);
    if (rc != TD_OK)
        return rc;
    if (!has_rows(t, frame)) {
        note_trades(of, frame);
        return TD_OK;
    }
    td_array_ensure((void **)&t->frames, &t->frame_capacity, t->frame_count, sizeof *t->frames);
    tapedeck_frame_row *row = &t->frames[t->frame_count];
    t->position_ns = frame->recv_ns;
    *row = (tapedeck_frame_row){.recv_ns = frame->recv_ns,
                                .ordinal = frame->ordinal,
                                .stream = of->index,
                                .connection = frame_own_conn(frame)->number,
                                .line = (uint16_t)frame_own_conn(frame)->line,
                                .shard = (uint16_t)frame_own_conn(frame)->shard,
                                .content = content_of(frame),
                                .flags = flags_of(of, frame, trust)};
    if (m != NULL) {
        const int is_of_book = trust != NULL && (t->with & TAPEDECK_WITH_BOOKS) != 0;
        row->exchange_ns = is_of_book ? trust->exchange_ns : m->head.exchange_ns;
        row->kind = (uint8_t)m->head.kind;
        if (msg_head_number(&m->head, &row->number))
            row->flags |= TAPEDECK_ROW_NUMBERED;
        add_entries(t, row, of, frame);
    }
    if ((t->with & TAPEDECK_WITH_BYTES) != 0) {
        row->bytes_at = t->text.size;
        row->byte_count = (uint32_t)frame->bytes.size;
        td_buf_add(&t->text, frame->bytes.data, frame->bytes.size);
    }
    if ((t->with & TAPEDECK_WITH_MESSAGES) != 0 && frame->is_read)
        add_message(t, row, frame);
    t->frame_count++;
    return TD_OK;
}

/* ---- damage ---- */

/* 1 if damage was found that was not reported to the caller. */
static int has_unreported_damage(const tapedeck_tape *t)
{
    return t->has_old_damage || cursor_get_damage(t->cursor)->count > t->reported_rows;
}

/* Add the ledger's damage (missing segments, a damaged journal) of the selection to `to`, which may
 * be NULL. Returns 1 if there is any. */
static uint8_t add_old_damage(const tapedeck_tape *t, gap_list *to)
{
    const selection_window window = window_of(t);
    uint8_t is_some = 0;
    for (size_t i = 0; i < t->gaps.count; i++) {
        const gap_row *gap = &t->gaps.rows[i];
        if (gap->reason != GAP_CORRUPT || !selection_wants_gap(&t->wanted, window, gap))
            continue;
        is_some = 1;
        if (to != NULL)
            gap_list_add(to, gap);
    }
    return is_some;
}

/* ---- the tape ---- */

/* Open the cursor of a tape with TAPEDECK_WITH_COVERAGE: trades that were made in the window may be
 * received before and after it. */
static td_result open_covered(tapedeck_tape *t, td_err *err)
{
    archive *of = t->of->of;
    selection read = t->wanted;
    td_result rc = cursor_find_window(of, &t->wanted, &t->of->log, &t->window, err);
    if (rc != TD_OK)
        return rc;
    selection_window window = t->window;
    if (window.to_ns < UINT64_MAX - COVERAGE_DELAY_NS)
        window.to_ns += COVERAGE_DELAY_NS;
    selection_set_window(&read, window);
    t->reading.before_ns = COVERAGE_DELAY_NS;
    rc = cursor_open(of, &read, &t->reading, &t->cursor, err);
    if (rc != TD_OK)
        return rc;
    t->window.from_ns = cursor_get_window(t->cursor).from_ns; /* later in a cut */
    return topic_times_open(of, t->window, &t->times, err);
}

static int is_following(const tapedeck_tape *t)
{
    return (t->with & TAPEDECK_WITH_FOLLOW) != 0;
}

static td_result open_tape(tapedeck_tape *t, const tapedeck_selection *from, td_err *err)
{
    archive *of = t->of->of;
    t->wanted = (selection){.feeds = globs_of(from->feeds),
                            .topics = globs_of(from->topics),
                            .symbols = globs_of(from->symbols)};
    /* If the selection is one feed by name, its frames become durable in order. */
    const selection_globs *feeds = &t->wanted.feeds;
    int is_one_feed = feeds->count == 1 && strpbrk(feeds->items[0], "*?[\\") == NULL;
    t->reading = (cursor_options){
        .threads = from->threads > LIMIT_THREADS ? LIMIT_THREADS : from->threads,
        .log = &t->of->log,
        .reads = (t->with & TAPEDECK_WITH_MESSAGES) != 0 ? TAPE_READS_ALL : TAPE_READS_MESSAGES,
        .states = TAPE_STATES_BOOKS,
        .is_following = is_following(t) != 0,
        .hold_ns = is_following(t) && !is_one_feed ? HOLD_NS : 0};
    td_result rc = read_times(&t->wanted, from, err);
    if (rc == TD_OK)
        rc = selection_check(&t->wanted, err);
    if (rc == TD_OK &&
        !is_following(t)) /* when following, the selected names may be recorded later */
        rc = selection_check_names(of, &t->wanted, err);
    if (rc == TD_OK)
        rc = archive_gaps(of, &t->gaps, err);
    if (rc == TD_OK)
        rc = (t->with & TAPEDECK_WITH_COVERAGE) != 0
                 ? open_covered(t, err)
                 : cursor_open(of, &t->wanted, &t->reading, &t->cursor, err);
    if (rc == TD_OK)
        t->has_old_damage = add_old_damage(t, NULL);
    return rc;
}

tapedeck_tape *tapedeck_tape_open(tapedeck_archive *from, const tapedeck_selection *wanted,
                                  tapedeck_error *error)
{
    td_err err;
    td_err_clear(&err);
    tapedeck_tape *t = td_alloc_zero(1, sizeof *t);
    tapedeck_selection copy;
    t->of = from;
    t->texts = td_arena_open();
    td_buf_init(&t->text, SIZE_MAX);
    td_result rc = copy_selection(wanted, &copy, &err);
    t->with = copy.with;
    t->depth = copy.book_depth;
    if (rc == TD_OK)
        rc = open_tape(t, &copy, &err);
    if (rc == TD_OK)
        return t;
    give_error(error, rc, &err);
    tapedeck_tape_close(t);
    return NULL;
}

void tapedeck_tape_close(tapedeck_tape *t)
{
    if (t == NULL)
        return;
    cursor_close(t->cursor);
    topic_times_close(t->times);
    for (size_t i = 0; i < t->stream_count; i++) {
        tape_topic_fini(&t->streams[i]->tape);
        coverage_fini(&t->streams[i]->covered);
        td_free(t->streams[i]->had);
        td_free(t->streams[i]);
    }
    symbol_table_fini(&t->symbols);
    td_free(t->streams);
    td_free(t->frames);
    td_free(t->trades);
    td_free(t->levels);
    stream_index_fini(&t->by_name);
    td_arena_close(t->texts);
    gap_list_fini(&t->gaps);
    entry_order_fini(&t->order);
    td_buf_fini(&t->text);
    td_free(t);
}

/* Begin a batch. The first call, and the first after a seek, loads the states at the tape's begin.
 */
static void begin_batch(tapedeck_tape *t)
{
    if (!t->is_begun) {
        t->is_begun = 1;
        symbol_table_take(&t->symbols, cursor_states(t->cursor));
        for (size_t i = 0; i < t->symbols.count; i++)
            add_saved(t, t->symbols.items[i]);
    }
    t->frame_count = 0;
    t->trade_count = 0;
    t->level_count = 0;
    td_buf_clear(&t->text);
}

/* Report the damage that was found so far; the batch stays empty. */
static int report_damage(tapedeck_tape *t, tapedeck_batch *out, tapedeck_error *error)
{
    static const char NO_TEXT[] = "stored frames cannot be read, or are missing";
    const gap_list *rows = cursor_get_damage(t->cursor);
    TD_ASSERT(t->of != NULL);
    damage_log *lines = &t->of->damage_text;
    gap_list_join(&t->of->damage, rows);
    if (t->has_old_damage)
        (void)add_old_damage(t, &t->of->damage);
    t->has_old_damage = 0;
    t->reported_rows = rows->count;
    *out = (tapedeck_batch){0};
    (void)pthread_mutex_lock(&lines->lock);
    if (error != NULL) {
        *error = (tapedeck_error){.code = TAPEDECK_ERROR_DAMAGED};
        (void)snprintf(error->text, sizeof error->text, "damage: %s",
                       lines->size > 0 ? lines->text : NO_TEXT);
    }
    lines->size = 0;
    (void)pthread_mutex_unlock(&lines->lock);
    return TAPEDECK_TAPE_DAMAGED;
}

/* Fail, because an earlier call could not reopen the cursor. */
static int refuse_over(tapedeck_batch *out, tapedeck_error *error)
{
    td_err err;
    td_err_clear(&err);
    td_result rc = td_err_set(&err, TD_E_INVALID, "the tape is over");
    *out = (tapedeck_batch){0};
    give_error(error, rc, &err);
    return TAPEDECK_TAPE_FAILED;
}

static int end_batch(const tapedeck_tape *t, tapedeck_batch *out, td_result rc, const td_err *err,
                     tapedeck_error *error)
{
    *out = (tapedeck_batch){.frames = t->frames,
                            .frame_count = t->frame_count,
                            .trades = t->trades,
                            .trade_count = t->trade_count,
                            .levels = t->levels,
                            .level_count = t->level_count,
                            .text = (const char *)t->text.data,
                            .text_bytes = t->text.size};
    if (rc == TD_OK || rc == TD_EOF)
        return t->frame_count > 0 ? TAPEDECK_TAPE_BATCH : TAPEDECK_TAPE_END;
    give_error(error, rc, err);
    return TAPEDECK_TAPE_FAILED;
}

int tapedeck_tape_next(tapedeck_tape *t, tapedeck_batch *out, tapedeck_error *error)
{
    td_result rc = TD_OK;
    td_err err;
    td_err_clear(&err);
    if (t->cursor == NULL)
        return refuse_over(out, error);
    begin_batch(t);
    if (has_unreported_damage(t))
        return report_damage(t, out, error);
    while (rc == TD_OK && !t->is_over && t->frame_count < BATCH_FRAMES &&
           t->trade_count < BATCH_ROWS && t->level_count < BATCH_ROWS &&
           t->text.size < BATCH_TEXT_BYTES) {
        const frame_ref *frame = t->pending_frame;
        t->pending_frame = NULL;
        rc = frame != NULL ? TD_OK : cursor_next(t->cursor, &frame, &err);
        if (rc == TD_OK && has_unreported_damage(t)) {
            t->pending_frame = frame;
            break;
        }
        tape_stream *of = rc == TD_OK ? stream_at(t, frame) : NULL;
        if (rc == TD_OK)
            rc = add_frame(t, of, frame, &err);
    }
    if (rc == TD_EOF && end_coverage(t, &err) != TD_OK)
        rc = TD_E_IO;
    if (t->frame_count == 0 && (rc == TD_OK || rc == TD_EOF) && has_unreported_damage(t))
        return report_damage(t, out, error);
    return end_batch(t, out, rc, &err, error);
}

/* ---- books ---- */

/* Find the receive time of the last frame of the selection's feeds, or 0. */
static td_result find_last(tapedeck_tape *t, uint64_t *last_ns, td_err *err)
{
    selection wanted = t->wanted;
    read_query all = selection_query(&wanted, SELECTION_ALL_TIME);
    archive_view *view = NULL;
    read_plan *plan = NULL;
    *last_ns = 0;
    all.is_quiet = 1;
    all.is_for_channels = 1;
    td_result rc = archive_view_open(t->of->of, VIEW_ALL, NULL, &view, err);
    all.view = view;
    if (rc == TD_OK)
        rc = read_plan_open(t->of->of, &all, &plan, err);
    const char *feed = rc == TD_OK ? read_plan_next_feed(plan, NULL) : NULL;
    for (; feed != NULL; feed = read_plan_next_feed(plan, feed)) {
        uint64_t first_ns = 0;
        uint64_t end_ns = 0;
        archive_feed_range(view, feed, &first_ns, &end_ns);
        *last_ns = end_ns > *last_ns ? end_ns : *last_ns;
    }
    read_plan_close(plan);
    archive_view_close(view);
    return rc;
}

/* If the tape begins after the archive's last frame, load the states for its books. No connection
 * is open at that time, so the cursor has no states. Reopen the cursor at the last frame, and keep
 * the states from there. */
static td_result load_states_at_end(tapedeck_tape *t, td_err *err)
{
    const uint64_t from_ns = cursor_get_window(t->cursor).from_ns;
    td_result rc = find_last(t, &t->last_ns, err);
    if (rc != TD_OK || t->last_ns == 0 || from_ns < t->last_ns)
        return rc;
    selection wanted = t->wanted;
    selection_set_window(&wanted, (selection_window){t->last_ns - 1, UINT64_MAX});
    cursor_close(t->cursor);
    t->cursor = NULL;
    t->is_over = 1;
    t->position_ns = from_ns;
    rc = cursor_open(t->of->of, &wanted, &t->reading, &t->cursor, err);
    begin_batch(t);
    while (rc == TD_OK) {
        const frame_ref *frame = NULL;
        applied_frame ignored;
        rc = cursor_next(t->cursor, &frame, err);
        if (rc == TD_OK && frame->recv_ns < from_ns)
            apply_frame(t, stream_at(t, frame), frame, &ignored);
    }
    return rc == TD_EOF ? TD_OK : rc;
}

/* Read the frames before the selection, up to its first frame, which becomes pending. */
static td_result read_lead_in(tapedeck_tape *t, td_err *err)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && t->pending_frame == NULL) {
        const frame_ref *frame = NULL;
        rc = cursor_next(t->cursor, &frame, err);
        if (rc == TD_OK && frame->is_lead_in)
            rc = add_frame(t, stream_at(t, frame), frame, err);
        else if (rc == TD_OK)
            t->pending_frame = frame;
    }
    return rc;
}

static void add_whole_book(tapedeck_tape *t, uint32_t index, uint64_t at_ns)
{
    const tape_stream *of = t->streams[index];
    const symbol_topic *state = of->tape.state;
    const track *on = state == NULL ? NULL : symbol_topic_track(state);
    if (on == NULL || track_book(on) == NULL)
        return;
    const choice_conn *conn = &state->choice.conns[state->choice.followed];
    const uint64_t damaged_until_ns = cursor_damaged_until_ns(t->cursor, of->info.feed);
    int is_right = at_ns > damaged_until_ns &&
                   topic_trust_holds(&of->tape.trust, &t->gaps, damaged_until_ns, at_ns) &&
                   (!t->is_over || at_ns - t->last_ns <= COVERAGE_DELAY_NS);
    tapedeck_frame_row row = {.recv_ns = conn->last_ns,
                              .stream = index,
                              .first_entry = (uint32_t)t->level_count,
                              .connection = conn->number,
                              .content = TAPEDECK_BOOK,
                              .kind = TAPEDECK_SNAPSHOT,
                              .flags = is_right ? TAPEDECK_ROW_SNAPSHOT
                                                : TAPEDECK_ROW_SNAPSHOT | TAPEDECK_ROW_SUSPECT};
    add_book(t, &row, track_book(on), t->depth);
    row.entry_count = (uint32_t)t->level_count - row.first_entry;
    td_array_ensure((void **)&t->frames, &t->frame_capacity, t->frame_count, sizeof *t->frames);
    t->frames[t->frame_count++] = row;
}

int tapedeck_tape_books(tapedeck_tape *t, tapedeck_batch *out, tapedeck_error *error)
{
    td_result rc = TD_OK;
    td_err err;
    td_err_clear(&err);
    if (t->cursor == NULL)
        return refuse_over(out, error);
    if (!t->is_begun && !is_following(t))
        rc = load_states_at_end(t, &err);
    if (rc == TD_OK)
        begin_batch(t);
    if (rc == TD_OK && t->position_ns == 0) {
        rc = read_lead_in(t, &err);
        t->position_ns = cursor_get_window(t->cursor).from_ns;
    }
    if ((rc == TD_OK || rc == TD_EOF) && has_unreported_damage(t))
        return report_damage(t, out, error);
    for (uint32_t i = 0; (rc == TD_OK || rc == TD_EOF) && i < t->stream_count; i++)
        add_whole_book(t, i, t->position_ns);
    return end_batch(t, out, rc, &err, error);
}

/* ---- waiting for more ---- */

/* How the last session ended, if no recorder is running. */
typedef struct session_end {
    char session[SESSION_ID_BYTES]; /* "": no session, or a recorder is running */
    int how;                        /* TAPEDECK_WAIT_ENDED, TAPEDECK_WAIT_CRASHED */
} session_end;

/* Read the end of the last session. Call before checking for frames: then that check finds all
 * frames of the session. */
static td_result read_end(const tapedeck_tape *t, session_end *out, td_err *err)
{
    archive *of = t->of->of;
    char live[SESSION_ID_BYTES];
    archive_view *view = NULL;
    session_row *rows = NULL;
    size_t count = 0;
    *out = (session_end){.how = TAPEDECK_WAIT_ENDED};
    td_result rc = archive_live_session(of, live, err);
    if (rc != TD_OK || live[0] != '\0')
        return rc;
    rc = archive_view_open(of, VIEW_FILES, NULL, &view, err);
    if (rc == TD_OK)
        archive_sessions(view, &rows, &count);
    const session_row *last = count == 0 ? NULL : &rows[count - 1];
    if (last != NULL && !archive_session_is_live(&view->listing, view->live, last->session)) {
        memcpy(out->session, last->session, sizeof out->session);
        if (last->state != SESSION_STOPPED && !archive_is_single_file(of))
            out->how = TAPEDECK_WAIT_CRASHED;
    }
    archive_view_close(view);
    return rc;
}

/* Read the ledger again, after new frames were found and before they are applied. New damage in the
 * ledger is reported later. */
static td_result renew_gaps(tapedeck_tape *t, td_err *err)
{
    gap_list before = t->gaps;
    gap_list now = {0};
    td_result rc = archive_gaps(t->of->of, &now, err);
    if (rc != TD_OK) {
        gap_list_fini(&now);
        return rc;
    }
    t->gaps = now;
    const selection_window window = cursor_get_window(t->cursor);
    for (size_t i = 0; !t->has_old_damage && i < now.count; i++)
        t->has_old_damage = now.rows[i].reason == GAP_CORRUPT &&
                            gap_list_find(&before, &now.rows[i]) == NULL &&
                            selection_wants_gap(&t->wanted, window, &now.rows[i]);
    for (size_t i = 0; i < t->stream_count; i++)
        topic_trust_renew(&t->streams[i]->tape.trust, &before, &t->gaps);
    gap_list_fini(&before);
    return rc;
}

/* Set *is_more to 1 if tapedeck_tape_next has something to return. */
static td_result find_more(tapedeck_tape *t, int *is_more, td_err *err)
{
    td_result rc = read_lead_in(t, err);
    *is_more = t->pending_frame != NULL || has_unreported_damage(t);
    return rc == TD_EOF ? TD_OK : rc;
}

/* Check once for more frames. *result: as for tapedeck_tape_wait. */
static td_result poll_once(tapedeck_tape *t, int *result, td_err *err)
{
    session_end end;
    int is_more = 0;
    *result = TAPEDECK_WAIT_TIMEOUT;
    td_result rc = find_more(t, &is_more, err);
    if (rc == TD_OK && !is_more)
        rc = read_end(t, &end, err);
    td_result found = rc == TD_OK && !is_more ? cursor_poll(t->cursor, err) : TD_EOF;
    if (rc == TD_OK && found != TD_EOF)
        rc = found == TD_OK ? renew_gaps(t, err) : found;
    if (rc == TD_OK && !is_more)
        rc = find_more(t, &is_more, err);
    if (rc != TD_OK || is_more) {
        *result = TAPEDECK_WAIT_MORE;
        return rc;
    }
    if (end.session[0] == '\0' || strcmp(end.session, t->ended) == 0)
        return TD_OK;
    memcpy(t->ended, end.session, sizeof t->ended);
    *result = end.how;
    return renew_gaps(t, err); /* a crash adds gaps */
}

/* Sleep until the next check. Returns 0 if the timeout has passed. */
static int wait_for_poll(uint64_t begin_ns, uint64_t deadline_ns)
{
    const td_clock clock = clock_real();
    uint64_t now_ns = clock_mono_ns(clock);
    uint64_t wait_ns = (now_ns - begin_ns) * POLL_REST;
    uint64_t wake_ns = now_ns + (wait_ns > POLL_NS ? wait_ns : POLL_NS);
    wake_ns = wake_ns < deadline_ns ? wake_ns : deadline_ns;
    if (now_ns >= deadline_ns)
        return 0;
    while (clock_mono_ns(clock) < wake_ns)
        clock_sleep_until(clock, wake_ns); /* a signal may end it early */
    return 1;
}

int tapedeck_tape_wait(tapedeck_tape *t, int64_t timeout_ms, tapedeck_error *error)
{
    tapedeck_batch none;
    td_err err;
    td_err_clear(&err);
    td_result rc = TD_OK;
    int result = TAPEDECK_WAIT_TIMEOUT;
    uint64_t begin_ns = clock_mono_ns(clock_real());
    const uint64_t most_ms = (UINT64_MAX - begin_ns) / TD_NS_PER_MS;
    const uint64_t deadline_ns = timeout_ms < 0 || (uint64_t)timeout_ms >= most_ms
                                     ? UINT64_MAX
                                     : begin_ns + (uint64_t)timeout_ms * TD_NS_PER_MS;
    if (t->cursor == NULL)
        return refuse_over(&none, error);
    if (!is_following(t))
        rc = td_err_set(&err, TD_E_INVALID, "the tape was opened without TAPEDECK_WITH_FOLLOW");
    else
        begin_batch(t);
    while (rc == TD_OK) {
        rc = poll_once(t, &result, &err);
        if (rc != TD_OK || result != TAPEDECK_WAIT_TIMEOUT || !wait_for_poll(begin_ns, deadline_ns))
            break;
        begin_ns = clock_mono_ns(clock_real());
    }
    if (rc == TD_OK)
        return result;
    give_error(error, rc, &err);
    return TAPEDECK_WAIT_FAILED;
}

/* ---- another time ---- */

/* Forget the state of all streams; their numbers stay. */
static void forget_states(tapedeck_tape *t)
{
    for (size_t i = 0; i < t->stream_count; i++) {
        tape_stream *of = t->streams[i];
        tape_topic_fini(&of->tape);
        of->is_suspect = 0;
    }
    symbol_table_fini(&t->symbols);
    t->pending_frame = NULL;
    t->reported_rows = 0;
    t->position_ns = 0;
    t->is_begun = t->is_over = 0;
}

int tapedeck_tape_seek(tapedeck_tape *t, const char *from, tapedeck_error *error)
{
    td_err err;
    td_err_clear(&err);
    td_result rc = TD_OK;
    selection wanted = t->wanted;
    wanted.has_from = 1;
    if ((t->with & TAPEDECK_WITH_COVERAGE) != 0)
        rc = td_err_set(&err, TD_E_INVALID, "a tape with coverage cannot be sought");
    if (rc == TD_OK)
        rc = td_time_parse(from, clock_wall_ns(clock_real()), TD_DATE_BEGINS, &wanted.from, &err);
    if (rc == TD_OK)
        rc = selection_check(&wanted, &err);
    if (rc == TD_OK) {
        t->wanted = wanted;
        cursor_close(t->cursor);
        t->cursor = NULL;
        forget_states(t);
        rc = cursor_open(t->of->of, &t->wanted, &t->reading, &t->cursor, &err);
    }
    if (rc != TD_OK)
        give_error(error, rc, &err);
    return rc == TD_OK;
}

/* ---- streams and gaps ---- */

int tapedeck_tape_stream(const tapedeck_tape *t, size_t index, tapedeck_stream *out)
{
    if (index >= t->stream_count)
        return 0;
    const channel_info *info = &t->streams[index]->info;
    *out = (tapedeck_stream){.feed = info->feed,
                             .family = info->family,
                             .topic = info->topic,
                             .symbol = info->symbol,
                             .exchange_topic = info->exchange_topic,
                             .line = info->line};
    return 1;
}

static tapedeck_gap gap_of(const gap_row *gap)
{
    return (tapedeck_gap){.feed = gap->feed,
                          .topic = gap->topic,
                          .symbol = gap->symbol,
                          .reason = gap_reason_name(gap->reason),
                          .cause = gap->cause,
                          .covered_by = gap->covered_by,
                          .from_ns = gap->from_ns,
                          .to_ns = gap->to_ns,
                          .frames_lost = gap->frames_lost,
                          .line = gap->line,
                          .connection = gap->conn};
}

int tapedeck_tape_gap(const tapedeck_tape *t, size_t *at, tapedeck_gap *out)
{
    const gap_list *damage = &t->of->damage;
    if (t->cursor == NULL)
        return 0;
    const selection_window window = window_of(t);
    while (*at < t->gaps.count + damage->count) {
        const size_t i = (*at)++;
        const gap_row *gap =
            i < t->gaps.count ? &t->gaps.rows[i] : &damage->rows[i - t->gaps.count];
        int is_again = i >= t->gaps.count && gap_list_find(&t->gaps, gap) != NULL;
        if (is_again || !selection_wants_gap(&t->wanted, window, gap))
            continue;
        *out = gap_of(gap);
        return 1;
    }
    return 0;
}

int tapedeck_archive_damage(const tapedeck_archive *a, size_t *at, tapedeck_gap *out)
{
    if (*at >= a->damage.count)
        return 0;
    *out = gap_of(&a->damage.rows[(*at)++]);
    return 1;
}
