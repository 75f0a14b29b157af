#include "format/chunk_builder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "format/mcap_encode.h"

/* No index. */
#define NONE UINT32_MAX

enum {
    /* space for a new channel's record with the longest names */
    CHUNK_SLACK_BYTES = 1 << 12,
};

static const uint64_t NS_PER_HOUR = 3600 * TD_NS_PER_S;

typedef struct channel_state {
    channel_info info;       /* borrowed until the segment ends */
    uint32_t segment_number; /* the segment that the members below describe */
    uint32_t segment_chunks; /* chunks with its messages, including the pending chunk */
    uint32_t last_chunk;     /* number in the segment of the last of these chunks, from 1 */
    uint32_t conn;           /* last known index in the connection table: a guess */
    uint16_t id;
    uint8_t is_frame;    /* 1: messages are frames of a connection; 0: events or HTTP answers */
    uint8_t is_reserved; /* 1: uses reserved ids: a CHANNEL_TOPIC_*, and form is 0 */
} channel_state;

typedef struct builder_conn {
    chain_conn conn;
    uint64_t complete_ns; /* see feed_frame */
    uint8_t is_current;   /* 1: its slot's newest connection, not closed */
    uint8_t is_touched;   /* 1: changed since the last seal */
} builder_conn;

typedef struct conn_table {
    builder_conn *conns; /* CHAIN_CONNS_MAX entries */
    uint32_t count;
} conn_table;

struct chunk_builder {
    chunk_builder_options options;
    chunk_packer *packer;
    channel_state *channels; /* by the caller's channel number */
    size_t channel_capacity;
    uint32_t ids_max[2]; /* maximum of ids_used */
    conn_table conns;
    chain_totals totals;
    td_buf raw;             /* records of the pending chunk */
    td_buf events;          /* of the pending chunk, in the format of sealed_chunk.events */
    td_buf pack;            /* scratch: channel metadata being encoded */
    td_buf new_records;     /* definitions of the channels that are new in the pending chunk */
    uint32_t *new_channels; /* the caller's numbers of the new channels, by increasing id */
    uint32_t new_channel_count;
    uint64_t pending_count, pending_frames;
    uint64_t pending_first_ns;
    uint8_t pending_starts_segment;
    uint64_t last_ns, last_frame_ns; /* recv_ns of the last message, and of the last frame */
    /* the current segment */
    uint32_t segment_number; /* options.segment_count: none yet */
    uint64_t segment_first_ns;
    uint64_t segment_messages;
    uint64_t segment_bytes;
    uint64_t segment_index_entries; /* of the chunk indexes; the summary grows with them */
    uint32_t segment_chunks;
    uint32_t ids_used[2]; /* number of ids in use; index: channel_state.is_reserved */
    uint16_t next_channel_id;
    uint8_t is_end_requested;
};

/* ---- connections ---- */

static int is_slot(const builder_conn *state, uint32_t line, uint32_t shard)
{
    return state->conn.line == line && state->conn.shard == shard;
}

/* Mark the slot's connection as closed. */
static void conn_table_close_slot(conn_table *table, uint32_t line, uint32_t shard)
{
    TD_ASSERT(table->count <= CHAIN_CONNS_MAX);
    uint32_t i = 0;
    while (i < table->count) {
        builder_conn *state = &table->conns[i];
        if (!is_slot(state, line, shard)) {
            i++;
            continue;
        }
        state->is_current = 0;
        if (state->is_touched) {
            i++;
            continue;
        }
        /* No pending changes: remove the entry now. The order does not matter. */
        *state = table->conns[--table->count];
    }
}

/* Add a new connection, now the newest of its slot. */
static td_result add_conn(conn_table *table, uint32_t line, uint32_t shard, uint32_t conn,
                          uint32_t *out, td_err *err)
{
    TD_ASSERT(conn > 0);
    TD_ASSERT(table->count <= CHAIN_CONNS_MAX);
    for (uint32_t i = 0; i < table->count; i++) {
        if (is_slot(&table->conns[i], line, shard) && table->conns[i].conn.conn > conn)
            return td_err_set(err, TD_E_INVALID,
                              "connection %u of line %u, shard %u comes after connection %u", conn,
                              line, shard, table->conns[i].conn.conn);
    }
    if (table->count == CHAIN_CONNS_MAX)
        return td_err_set(err, TD_E_LIMIT, "%d connections since the last chunk", CHAIN_CONNS_MAX);
    /* The slot's earlier connections have ended; the next chain record still lists the changed
     * ones. */
    conn_table_close_slot(table, line, shard);
    uint32_t index = table->count++;
    table->conns[index] = (builder_conn){
        .conn = {.line = line, .shard = shard, .conn = conn}, .is_current = 1, .is_touched = 1};
    *out = index;
    return TD_OK;
}

/* Index of a connection, added if missing; `guess` is checked first. TD_E_INVALID if the slot has
 * a later connection, TD_E_LIMIT if the table is full until the next seal. */
static td_result conn_table_get(conn_table *table, uint32_t line, uint32_t shard, uint32_t conn,
                                uint32_t guess, uint32_t *out, td_err *err)
{
    if (conn == 0)
        return td_err_set(err, TD_E_INVALID, "line %u, shard %u: frame without a connection", line,
                          shard);
    if (guess < table->count && table->conns[guess].conn.conn == conn &&
        is_slot(&table->conns[guess], line, shard)) {
        *out = guess;
        return TD_OK;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->conns[i].conn.conn == conn && is_slot(&table->conns[i], line, shard)) {
            *out = i;
            return TD_OK;
        }
    }
    return add_conn(table, line, shard, conn, out, err);
}

/* Remove the connections that ended. Called after a seal. */
static void conn_table_sweep(conn_table *table)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        if (!table->conns[i].is_current)
            continue;
        table->conns[kept] = table->conns[i];
        table->conns[kept].is_touched = 0;
        kept++;
    }
    TD_ASSERT(kept <= table->count);
    table->count = kept;
}

/* ---- life ---- */

static chunk_builder_options with_defaults(const chunk_builder_options *options)
{
    chunk_builder_options o = {0};
    if (options != NULL)
        o = *options;
    if (o.level == 0)
        o.level = CHUNK_LEVEL_DEFAULT;
    if (o.target_bytes == 0)
        o.target_bytes = LIMIT_CHUNK_TARGET_BYTES;
    if (o.segment_bytes_max == 0)
        o.segment_bytes_max = LIMIT_SEGMENT_BYTES;
    if (o.segment_chunks_max == 0)
        o.segment_chunks_max = LIMIT_SEGMENT_CHUNKS;
    if (o.segment_index_max == 0)
        o.segment_index_max = LIMIT_SEGMENT_INDEX_ENTRIES;
    if (o.segment_channels_max == 0)
        o.segment_channels_max = LIMIT_SEGMENT_CHANNELS;
    return o;
}

/* Open a builder. It allocates everything here, so that appending does not. */
chunk_builder *chunk_builder_open(const chunk_builder_options *options)
{
    chunk_builder *b = td_alloc_zero(1, sizeof *b);
    b->options = with_defaults(options);
    b->segment_number = b->options.segment_count;
    /* Options may only lower the bounds, which readers rely on. */
    const chunk_builder_options *o = &b->options;
    TD_ASSERT(o->target_bytes <= LIMIT_CHUNK_BYTES - LIMIT_FRAME_BYTES - CHUNK_SLACK_BYTES);
    TD_ASSERT(o->segment_channels_max >= 8);
    TD_ASSERT(o->segment_channels_max <= LIMIT_SEGMENT_CHANNELS);
    TD_ASSERT(o->segment_chunks_max <= LIMIT_SEGMENT_CHUNKS);
    TD_ASSERT(o->segment_index_max <= LIMIT_SEGMENT_INDEX_ENTRIES);
    /* The same share of ids is reserved whatever the segment's size. */
    uint32_t channels = o->segment_channels_max;
    b->ids_max[1] = channels / (LIMIT_SEGMENT_CHANNELS / LIMIT_OWN_CHANNELS);
    b->ids_max[0] = channels - b->ids_max[1];
    td_buf_init(&b->raw, LIMIT_CHUNK_BYTES);
    td_buf_init(&b->pack, LIMIT_RECORD_BYTES);
    td_buf_init(&b->events, 2 * LIMIT_CHUNK_BYTES);
    td_buf_grow(&b->raw, o->target_bytes + CHUNK_SLACK_BYTES);
    td_buf_init(&b->new_records, LIMIT_CHUNK_BYTES);
    b->packer = chunk_packer_open();
    b->new_channels = td_alloc(channels * sizeof *b->new_channels);
    b->conns.conns = td_alloc_zero(CHAIN_CONNS_MAX, sizeof *b->conns.conns);
    return b;
}

void chunk_builder_close(chunk_builder *builder)
{
    if (builder == NULL)
        return;
    td_free(builder->conns.conns);
    chunk_packer_close(builder->packer);
    td_free(builder->channels);
    td_free(builder->new_channels);
    td_buf_fini(&builder->new_records);
    td_buf_fini(&builder->raw);
    td_buf_fini(&builder->pack);
    td_buf_fini(&builder->events);
    td_free(builder);
}

void chunk_builder_set_level(chunk_builder *builder, int level)
{
    TD_ASSERT(level != 0);
    builder->options.level = level;
}

/* ---- segments ---- */

static int is_segment_over(const chunk_builder *b, uint64_t recv_ns)
{
    const chunk_builder_options *o = &b->options;
    /* A segment whose first message failed to append is still empty. */
    if (b->segment_messages == 0)
        return 1;
    if (!o->spans_hours && recv_ns / NS_PER_HOUR != b->segment_first_ns / NS_PER_HOUR)
        return 1;
    return b->segment_bytes >= o->segment_bytes_max || b->segment_chunks >= o->segment_chunks_max ||
           b->segment_index_entries >= o->segment_index_max || b->is_end_requested;
}

int chunk_builder_wants_seal(const chunk_builder *builder, uint64_t recv_ns)
{
    if (builder->pending_count == 0)
        return 0;
    return builder->raw.size >= builder->options.target_bytes ||
           builder->conns.count + 1 >= CHAIN_CONNS_MAX ||
           (builder->options.interval_ns > 0 &&
            recv_ns - builder->pending_first_ns >= builder->options.interval_ns) ||
           is_segment_over(builder, recv_ns);
}

int chunk_builder_starts_segment(const chunk_builder *builder, uint64_t recv_ns)
{
    return builder->pending_count == 0 && is_segment_over(builder, recv_ns);
}

void chunk_builder_end_segment(chunk_builder *builder)
{
    builder->is_end_requested = builder->segment_messages > 0;
}

static void begin_segment(chunk_builder *b, uint64_t recv_ns)
{
    TD_ASSERT(recv_ns >= b->last_ns);
    TD_ASSERT(b->pending_count == 0);
    TD_ASSERT(b->raw.size == 0);
    if (b->segment_messages > 0 || b->segment_number == b->options.segment_count)
        b->segment_number++;
    b->segment_first_ns = recv_ns;
    b->segment_messages = 0;
    b->segment_bytes = 0;
    b->segment_chunks = 0;
    b->segment_index_entries = 0;
    b->next_channel_id = 1;
    memset(b->ids_used, 0, sizeof b->ids_used);
    b->is_end_requested = 0;
    b->pending_starts_segment = 1;
}

/* ---- channels ---- */

/* 1 for tapedeck's own topics. They also get the frames for which no other channel id is left. */
static int is_reserved_topic(const char *topic)
{
    return strcmp(topic, CHANNEL_TOPIC_CONTROL) == 0 || strcmp(topic, CHANNEL_TOPIC_UNKNOWN) == 0 ||
           strcmp(topic, CHANNEL_TOPIC_EVENTS) == 0;
}

static int is_frame_channel(const channel_info *info)
{
    return info->dir == CHANNEL_IN || info->dir == CHANNEL_OUT;
}

/* Find the frame's channel, or add it. A new channel gets its id in begin_channel, with its first
 * message. */
static td_result find_channel(chunk_builder *b, const feed_frame *frame, channel_state **out,
                              td_err *err)
{
    if (TD_UNLIKELY(frame->channel >= b->channel_capacity)) {
        if (frame->channel >= LIMIT_SEGMENT_CHANNELS)
            return td_err_set(err, TD_E_LIMIT, "channel %u: a segment has at most %u",
                              frame->channel, LIMIT_SEGMENT_CHANNELS);
        b->channels =
            td_array_reach(b->channels, &b->channel_capacity, frame->channel, sizeof *b->channels);
    }
    *out = &b->channels[frame->channel];
    if (TD_LIKELY((*out)->segment_number == b->segment_number))
        return TD_OK;
    td_result rc = segment_channel_check(frame->info, err);
    if (rc != TD_OK)
        return rc;
    **out = (channel_state){.info = *frame->info,
                            .is_frame = (uint8_t)is_frame_channel(frame->info),
                            .is_reserved =
                                frame->info->form == 0 && is_reserved_topic(frame->info->topic)};
    return TD_OK;
}

/* 1 if the pending chunk has messages of the channel. */
static int is_pending(const chunk_builder *b, const channel_state *channel)
{
    return channel->last_chunk == b->segment_chunks + 1;
}

/* Append the Channel record. */
static void append_definition(chunk_builder *b, const channel_state *channel)
{
    char topic[LIMIT_NAME_BYTES + 2 * LIMIT_TOPIC_BYTES + 2];
    const channel_info *info = &channel->info;
    const char *last = channel_role(info) == ROLE_UNKNOWN ? info->exchange_topic : info->symbol;
    (void)snprintf(topic, sizeof topic, "%s/%s%s%s", info->feed, info->topic,
                   last[0] == '\0' ? "" : "/", last); /* fits: names are checked */
    td_buf_clear(&b->pack);
    segment_channel_pack(info, &b->pack);
    mcap_channel record = {.id = channel->id,
                           .topic = td_bytes_str(topic),
                           .message_encoding = td_bytes_str(info->message_encoding),
                           .metadata = {td_buf_view(&b->pack)}};
    mcap_encode_channel(&b->raw, &record);
}

static int wants_definition(const chunk_builder *b, const channel_state *channel)
{
    return !is_pending(b, channel) && segment_channel_is_repeated(channel->segment_chunks);
}

/* Check that the channel has an id in this segment, or that an id is free. */
static td_result check_ids(const chunk_builder *b, const channel_state *channel, td_err *err)
{
    uint32_t ids = b->ids_max[channel->is_reserved];
    if (channel->segment_number == b->segment_number || b->ids_used[channel->is_reserved] < ids)
        return TD_OK;
    return td_err_set(err, TD_E_LIMIT, "segment %u has %u channels: no space for %s/%s",
                      b->segment_number, ids, channel->info.topic, channel->info.symbol);
}

/* Give the channel an id in this segment, and define it. */
static void begin_channel(chunk_builder *b, channel_state *channel, uint32_t number)
{
    size_t before = b->raw.size;
    TD_ASSERT(b->next_channel_id > 0);
    TD_ASSERT(b->new_channel_count < b->options.segment_channels_max);
    channel->segment_number = b->segment_number;
    channel->id = b->next_channel_id++;
    b->ids_used[channel->is_reserved]++;
    b->new_channels[b->new_channel_count++] = number;
    append_definition(b, channel);
    td_buf_add(&b->new_records, b->raw.data + before, b->raw.size - before);
}

/* ---- messages ---- */

/* Check the frame's time and size. Times of frames strictly increase; events and HTTP answers may
 * repeat the last time. */
static td_result check_frame(const chunk_builder *b, const feed_frame *frame, td_err *err)
{
    uint64_t after = is_frame_channel(frame->info) ? b->last_frame_ns : 0;
    if (frame->recv_ns < b->last_ns || (after > 0 && frame->recv_ns <= after))
        return td_err_set(err, TD_E_INVALID,
                          "receive time %" PRIu64 " ns comes after %" PRIu64 " ns", frame->recv_ns,
                          b->last_ns);
    if (frame->bytes.size > LIMIT_FRAME_BYTES)
        return td_err_set(err, TD_E_LIMIT, "frame of %zu bytes: limit %zu", frame->bytes.size,
                          LIMIT_FRAME_BYTES);
    return TD_OK;
}

/* Count one more message of this channel in the pending chunk. */
static void note_pending(chunk_builder *b, channel_state *channel, const feed_frame *frame)
{
    if (!is_pending(b, channel)) {
        channel->last_chunk = b->segment_chunks + 1;
        channel->segment_chunks++;
    }
    if (b->pending_count++ == 0)
        b->pending_first_ns = frame->recv_ns;
    b->segment_messages++;
    b->last_ns = frame->recv_ns;
}

/* Update the chain record's totals; missing ordinals are dropped frames. */
static void count_frame(chunk_builder *b, const channel_state *channel, builder_conn *conn,
                        const feed_frame *frame)
{
    TD_ASSERT((conn != NULL) == channel->is_frame);
    if (conn == NULL) {
        b->totals.events_written++;
        /* Keep a copy of the event: sealed_chunk_event returns it to the writer of the chunk. */
        if (channel_has_events(&channel->info)) {
            const uint64_t head[] = {frame->recv_ns, frame->bytes.size};
            td_buf_add(&b->events, head, sizeof head);
            td_buf_add(&b->events, frame->bytes.data, frame->bytes.size);
        }
        return;
    }
    int is_in = channel->info.dir == CHANNEL_IN;
    uint64_t *ordinal = is_in ? &conn->conn.in_ordinal : &conn->conn.out_ordinal;
    TD_ASSERT(frame->ordinal > *ordinal);
    b->totals.frames_in += frame->ordinal - *ordinal;
    b->totals.frames_dropped += frame->ordinal - *ordinal - 1;
    b->totals.frames_written++;
    b->totals.bytes_written += frame->bytes.size;
    *ordinal = frame->ordinal;
    conn->complete_ns = frame->complete_ns;
    *(is_in ? &conn->conn.in : &conn->conn.out) += 1;
    conn->is_touched = 1;
    b->pending_frames++;
    b->last_frame_ns = frame->recv_ns;
}

/* Find the frame's connection and check the ordinal. */
static td_result find_conn(chunk_builder *b, channel_state *channel, const feed_frame *frame,
                           builder_conn **out, td_err *err)
{
    *out = NULL;
    if (!channel->is_frame)
        return TD_OK;
    const channel_info *info = &channel->info;
    td_result rc = conn_table_get(&b->conns, info->line, info->shard, frame->conn, channel->conn,
                                  &channel->conn, err);
    if (rc != TD_OK)
        return rc;
    builder_conn *conn = &b->conns.conns[channel->conn];
    uint64_t known = info->dir == CHANNEL_IN ? conn->conn.in_ordinal : conn->conn.out_ordinal;
    if (frame->ordinal <= known)
        return td_err_set(err, TD_E_INVALID,
                          "ordinal %" PRIu64 " of connection %u comes after %" PRIu64,
                          frame->ordinal, frame->conn, known);
    *out = conn;
    return TD_OK;
}

td_result chunk_builder_append(chunk_builder *builder, const feed_frame *frame, td_err *err)
{
    chunk_builder *b = builder;
    td_result rc = check_frame(b, frame, err);
    if (TD_UNLIKELY(rc != TD_OK))
        return rc;
    if (TD_UNLIKELY(is_segment_over(b, frame->recv_ns))) {
        if (b->pending_count > 0)
            return td_err_set(err, TD_E_LIMIT, "the segment is over: seal the chunk first");
        begin_segment(b, frame->recv_ns);
    }
    /* Events are still accepted: some describe the full chunk. */
    if (TD_UNLIKELY(b->raw.size >= b->options.target_bytes) && frame->info->dir != CHANNEL_EVENT)
        return td_err_set(err, TD_E_LIMIT, "the chunk has %zu bytes: seal it first", b->raw.size);
    channel_state *channel = NULL;
    builder_conn *conn = NULL;
    rc = find_channel(b, frame, &channel, err);
    if (TD_LIKELY(rc == TD_OK))
        rc = check_ids(b, channel, err);
    if (TD_LIKELY(rc == TD_OK))
        rc = find_conn(b, channel, frame, &conn, err);
    if (TD_UNLIKELY(rc != TD_OK))
        return rc;
    if (TD_UNLIKELY(channel->segment_number != b->segment_number))
        begin_channel(b, channel, frame->channel);
    else if (TD_UNLIKELY(wants_definition(b, channel)))
        append_definition(b, channel);
    const mcap_message message = {.channel_id = channel->id,
                                  .sequence = (uint32_t)frame->ordinal,
                                  .log_ns = frame->recv_ns,
                                  .publish_ns = frame->publish_ns,
                                  .data = frame->bytes};
    mcap_encode_message(&b->raw, &message);
    note_pending(b, channel, frame);
    count_frame(b, channel, conn, frame);
    return TD_OK;
}

td_result chunk_builder_note_ordinals(chunk_builder *builder, uint32_t line, uint32_t shard,
                                      uint32_t conn, uint64_t in, uint64_t out, td_err *err)
{
    uint32_t index;
    td_result rc = conn_table_get(&builder->conns, line, shard, conn, NONE, &index, err);
    if (rc != TD_OK)
        return rc;
    builder_conn *state = &builder->conns.conns[index];
    if (in < state->conn.in_ordinal || out < state->conn.out_ordinal)
        return td_err_set(err, TD_E_INVALID, "ordinals of connection %u fell", conn);
    uint64_t dropped = in - state->conn.in_ordinal + out - state->conn.out_ordinal;
    builder->totals.frames_in += dropped;
    builder->totals.frames_dropped += dropped;
    state->conn.in_ordinal = in;
    state->conn.out_ordinal = out;
    state->is_touched |= dropped > 0;
    return TD_OK;
}

void chunk_builder_note_closed(chunk_builder *builder, uint32_t line, uint32_t shard,
                               uint64_t complete_ns)
{
    for (uint32_t i = 0; i < builder->conns.count; i++) {
        builder_conn *state = &builder->conns.conns[i];
        if (is_slot(state, line, shard) && state->is_current && state->complete_ns < complete_ns) {
            state->complete_ns = complete_ns;
            state->is_touched = 1;
        }
    }
    conn_table_close_slot(&builder->conns, line, shard);
}

uint64_t chunk_builder_pending_count(const chunk_builder *builder)
{
    return builder->pending_count;
}

/* ---- sealing ---- */

static void fill_new_channels(const chunk_builder *b, sealed_chunk *out)
{
    for (uint32_t i = 0; i < b->new_channel_count; i++) {
        const channel_state *channel = &b->channels[b->new_channels[i]];
        out->new_channels = td_array_reach(out->new_channels, &out->new_channel_capacity, i,
                                           sizeof *out->new_channels);
        /* Copy the strings: the sealed chunk outlives the borrowed ones. */
        out->new_channels[i] = (segment_channel){.id = channel->id, .info = channel->info};
        segment_channel_own_strings(&out->new_channels[i]);
    }
    out->new_channel_count = b->new_channel_count;
    out->channel_record_count = b->new_channel_count;
    td_buf_add(&out->channel_records, b->new_records.data, b->new_records.size);
}

/* Compute chain_conn.late_ms of a connection. It is rounded up, because it must not be too small.
 */
static uint32_t late_ms(const chunk_builder *b, const builder_conn *conn)
{
    if (conn->complete_ns == 0)
        return 0;
    uint64_t late_ns = b->last_ns > conn->complete_ns ? b->last_ns - conn->complete_ns : 0;
    uint64_t ms = late_ns / TD_NS_PER_MS + 1;
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static void begin_next(chunk_builder *b, const sealed_chunk *sealed)
{
    conn_table_sweep(&b->conns);
    td_buf_clear(&b->raw);
    td_buf_clear(&b->events);
    td_buf_clear(&b->new_records);
    b->new_channel_count = 0;
    b->pending_count = 0;
    b->pending_frames = 0;
    b->pending_starts_segment = 0;
    b->segment_chunks++;
    b->segment_bytes += sealed->bytes.size + MCAP_PREFIX_BYTES + CHAIN_FIXED_BYTES +
                        (uint64_t)sealed->conn_count * CHAIN_CONN_BYTES + CHAIN_VALUE_BYTES;
    b->segment_index_entries += sealed->channel_count;
}

int chunk_builder_seal(chunk_builder *builder, sealed_chunk *out)
{
    chunk_builder *b = builder;
    sealed_chunk_clear(out);
    if (b->pending_count == 0)
        return 0;
    chunk_packer_pack(b->packer, b->options.level, td_buf_view(&b->raw), out);
    TD_ASSERT(out->message_count == b->pending_count);
    TD_ASSERT(out->last_ns == b->last_ns);
    fill_new_channels(b, out);
    /* The fields for the catalog and the chain record. */
    out->frame_count = b->pending_frames;
    out->segment_first_ns = b->segment_first_ns;
    out->segment_number = b->segment_number;
    out->starts_segment = b->pending_starts_segment;
    out->totals = b->totals;
    out->conns =
        td_array_reach(out->conns, &out->conn_capacity, b->conns.count, sizeof *out->conns);
    for (uint32_t i = 0; i < b->conns.count; i++) {
        out->conns[i] = b->conns.conns[i].conn;
        out->conns[i].late_ms = late_ms(b, &b->conns.conns[i]);
    }
    out->conn_count = b->conns.count;
    td_buf_add(&out->events, b->events.data, b->events.size);
    begin_next(b, out);
    return 1;
}
