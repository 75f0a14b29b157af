#include "format/chunk_builder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "format/chunk_builder_impl.h"
#include "format/mcap_encode.h"

static const uint64_t NS_PER_HOUR = 3600 * TD_NS_PER_S;

/* Zero fields take the bounds of base/limits.h. */
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

/* Only smaller bounds than those can be asked for: readers rely on them. */
static td_result check_options(const chunk_builder_options *o, td_err *err)
{
    if (o->target_bytes > LIMIT_CHUNK_BYTES - LIMIT_FRAME_BYTES - CHUNK_SLACK_BYTES)
        return td_err_set(err, TD_E_INVALID, "chunk size %zu is over the limit", o->target_bytes);
    if (o->segment_channels_max > LIMIT_SEGMENT_CHANNELS || o->segment_channels_max < 8)
        return td_err_set(err, TD_E_INVALID, "%u channels a segment: 8 to %u are allowed",
                          o->segment_channels_max, LIMIT_SEGMENT_CHANNELS);
    if (o->segment_chunks_max > LIMIT_SEGMENT_CHUNKS)
        return td_err_set(err, TD_E_INVALID, "%u chunks a segment: at most %u are allowed",
                          o->segment_chunks_max, LIMIT_SEGMENT_CHUNKS);
    if (o->segment_index_max > LIMIT_SEGMENT_INDEX_ENTRIES)
        return td_err_set(err, TD_E_INVALID,
                          "%" PRIu64 " index entries a segment: at most %" PRIu64 " are allowed",
                          o->segment_index_max, LIMIT_SEGMENT_INDEX_ENTRIES);
    return TD_OK;
}

/* Everything that appending needs, so that it allocates nothing later. */
static td_result open_parts(chunk_builder *b, td_err *err)
{
    td_buf_init(&b->raw, LIMIT_CHUNK_BYTES);
    td_buf_init(&b->pack, LIMIT_RECORD_BYTES);
    b->coder = codec_open();
    b->pending_channels = td_alloc(b->options.segment_channels_max * sizeof *b->pending_channels);
    b->cursors = td_alloc(((size_t)b->options.segment_channels_max + 1) * sizeof *b->cursors);
    if (b->coder == NULL || b->pending_channels == NULL || b->cursors == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a chunk builder");
    td_result rc = td_buf_reserve(&b->raw, b->options.target_bytes + CHUNK_SLACK_BYTES, err);
    if (rc == TD_OK)
        rc = channel_table_init(&b->channels, b->options.segment_channels_max, err);
    if (rc == TD_OK)
        rc = conn_table_init(&b->conns, err);
    return rc;
}

td_result chunk_builder_open(const chunk_builder_options *options, chunk_builder **out, td_err *err)
{
    *out = NULL;
    chunk_builder_options complete = with_defaults(options);
    td_result rc = check_options(&complete, err);
    if (rc != TD_OK)
        return rc;
    chunk_builder *b = td_alloc_zero(1, sizeof *b);
    if (b == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a chunk builder");
    b->options = complete;
    b->chunk_number = 1;
    rc = open_parts(b, err);
    if (rc != TD_OK) {
        chunk_builder_close(b);
        return rc;
    }
    *out = b;
    return TD_OK;
}

void chunk_builder_close(chunk_builder *builder)
{
    if (builder == NULL)
        return;
    channel_table_fini(&builder->channels);
    conn_table_fini(&builder->conns);
    codec_close(builder->coder);
    td_free(builder->pending_channels);
    td_free(builder->cursors);
    td_buf_fini(&builder->raw);
    td_buf_fini(&builder->pack);
    td_free(builder);
}

td_result chunk_builder_channel(chunk_builder *builder, const channel_info *info,
                                chunk_channel *out, td_err *err)
{
    return channel_table_get(&builder->channels, info, builder->segment_number, out, err);
}

void chunk_builder_set_level(chunk_builder *builder, int level)
{
    TD_ASSERT(level != 0);
    builder->options.level = level;
}

/* Why a message at recv_ns would begin a segment; 0 and *cause untouched if it would not. */
static int find_segment_cause(const chunk_builder *b, uint64_t recv_ns, segment_cause *cause)
{
    if (b->segment_number == 0)
        *cause = SEGMENT_CAUSE_FIRST;
    else if (b->segment_messages == 0)
        *cause = b->segment_cause; /* begun, and its first message could not be appended */
    else if (recv_ns / NS_PER_HOUR != b->segment_first_ns / NS_PER_HOUR)
        *cause = SEGMENT_CAUSE_HOUR;
    else if (b->segment_bytes >= b->options.segment_bytes_max)
        *cause = SEGMENT_CAUSE_BYTES;
    else if (b->segment_chunks >= b->options.segment_chunks_max)
        *cause = SEGMENT_CAUSE_CHUNKS;
    else if (b->segment_index_entries >= b->options.segment_index_max)
        *cause = SEGMENT_CAUSE_SUMMARY;
    else if (b->is_end_asked)
        *cause = SEGMENT_CAUSE_ASKED;
    else
        return 0;
    return 1;
}

int chunk_builder_wants_seal(const chunk_builder *builder, uint64_t recv_ns)
{
    if (builder->pending_count == 0)
        return 0;
    segment_cause cause;
    return builder->raw.size >= builder->options.target_bytes ||
           builder->conns.count + 1 >= CHAIN_CONNS_MAX ||
           (builder->options.interval_ns > 0 &&
            recv_ns - builder->pending_first_ns >= builder->options.interval_ns) ||
           find_segment_cause(builder, recv_ns, &cause);
}

int chunk_builder_starts_segment(const chunk_builder *builder, uint64_t recv_ns)
{
    segment_cause cause;
    return builder->pending_count == 0 && find_segment_cause(builder, recv_ns, &cause);
}

void chunk_builder_end_segment(chunk_builder *builder)
{
    builder->is_end_asked = builder->segment_messages > 0;
}

/* Ids begin anew; channels that the last segment did not use are forgotten. */
static void begin_segment(chunk_builder *b, uint64_t recv_ns, segment_cause cause)
{
    TD_ASSERT(recv_ns >= b->last_ns);
    TD_ASSERT(b->pending_count == 0);
    TD_ASSERT(b->raw.size == 0);
    if (b->segment_messages > 0 || b->segment_number == 0) {
        channel_table_age(&b->channels, b->segment_number);
        b->segment_number++;
    }
    b->segment_cause = cause;
    b->segment_first_ns = recv_ns;
    b->segment_messages = 0;
    b->segment_bytes = 0;
    b->segment_chunks = 0;
    b->segment_index_entries = 0;
    b->next_channel_id = 1;
    memset(b->ids_used, 0, sizeof b->ids_used);
    b->next_schema_id = 1;
    b->is_end_asked = 0;
    b->pending_starts_segment = 1;
}

/* Frames strictly rise; events and HTTP answers may repeat the time before. */
static td_result check_times(const chunk_builder *b, const chunk_frame *frame,
                             const channel_state *channel, td_err *err)
{
    uint64_t after = channel->is_frame ? b->last_frame_ns : 0;
    if (frame->recv_ns < b->last_ns || (after > 0 && frame->recv_ns <= after))
        return td_err_set(err, TD_E_INVALID,
                          "receive time %" PRIu64 " ns comes after %" PRIu64 " ns", frame->recv_ns,
                          b->last_ns);
    if (frame->bytes.size > LIMIT_FRAME_BYTES)
        return td_err_set(err, TD_E_LIMIT, "frame of %zu bytes: limit %zu", frame->bytes.size,
                          LIMIT_FRAME_BYTES);
    return TD_OK;
}

/* Bytes of channel.metadata, in b->pack. */
static td_result pack_metadata(chunk_builder *b, const channel_info *info, td_err *err)
{
    TD_ASSERT(info->opcode == OPCODE_TEXT || info->opcode == OPCODE_BINARY);
    char line[12], shard[12], opcode[12];
    (void)snprintf(line, sizeof line, "%u", info->line); /* fits: 10 digits */
    (void)snprintf(shard, sizeof shard, "%u", info->shard);
    (void)snprintf(opcode, sizeof opcode, "%u", (unsigned)info->opcode);
    const char *const pairs[][2] = {
        {"feed", info->feed},
        {"family", info->family},
        {"line", line},
        {"shard", shard},
        {"dir", channel_dir_name(info->dir)},
        {"topic", info->topic},
        {"exchange_topic", info->exchange_topic},
        {"symbol", info->symbol},
        {"opcode", opcode},
    };
    td_buf_clear(&b->pack);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        td_result rc =
            mcap_pack_pair(&b->pack, td_bytes_str(pairs[i][0]), td_bytes_str(pairs[i][1]), err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

/* Its schema record goes before the first channel that uses it in the chunk. */
static td_result append_schema(chunk_builder *b, const schema_state *schema, uint16_t id,
                               td_err *err)
{
    TD_ASSERT(id > 0);
    mcap_schema record = {.id = id,
                          .name = td_bytes_str(schema->name),
                          .encoding = td_bytes_str("jsonschema"),
                          .data = td_bytes_of(schema->text, schema->text_bytes)};
    return mcap_encode_schema(&b->raw, &record, err);
}

/* The channel record, which follows its schema's. */
static td_result append_channel(chunk_builder *b, const channel_state *channel, uint16_t id,
                                uint16_t schema_id, td_err *err)
{
    char topic[LIMIT_NAME_BYTES + LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES + 2];
    const channel_info *info = &channel->info;
    (void)snprintf(topic, sizeof topic, "%s/%s%s%s", info->feed, info->topic,
                   info->symbol[0] == '\0' ? "" : "/", info->symbol); /* fits: checked on adding */
    td_result rc = pack_metadata(b, info, err);
    if (rc != TD_OK)
        return rc;
    mcap_channel record = {.id = id,
                           .schema_id = schema_id,
                           .topic = td_bytes_str(topic),
                           .message_encoding = td_bytes_str(info->message_encoding),
                           .metadata = {td_buf_view(&b->pack)}};
    return mcap_encode_channel(&b->raw, &record, err);
}

/* Append the records of a channel, and of its schema unless the chunk has that already. On failure
 * the caller cuts raw back. */
static td_result append_definition(chunk_builder *b, channel_state *channel, uint16_t id,
                                   td_err *err)
{
    schema_state *schema = channel->schema == NONE ? NULL : &b->channels.schemas[channel->schema];
    if (schema == NULL)
        return append_channel(b, channel, id, 0, err);
    int is_new = schema->segment_number != b->segment_number;
    uint16_t schema_id = is_new ? b->next_schema_id : schema->id;
    td_result rc = TD_OK;
    if (is_new || schema->chunk_number != b->chunk_number)
        rc = append_schema(b, schema, schema_id, err);
    if (rc == TD_OK)
        rc = append_channel(b, channel, id, schema_id, err);
    if (rc != TD_OK)
        return rc;
    if (is_new) {
        schema->segment_number = b->segment_number;
        schema->id = b->next_schema_id++;
        b->pending_schema_count++;
    }
    schema->chunk_number = b->chunk_number;
    return TD_OK;
}

/* Give the channel an id in this segment: its schema and channel records go before its first
 * message. */
static td_result define_channel(chunk_builder *b, channel_state *channel, td_err *err)
{
    TD_ASSERT(channel->segment_number != b->segment_number);
    TD_ASSERT(b->next_channel_id > 0);
    uint32_t ids = b->channels.ids_max[channel->is_reserved];
    if (b->ids_used[channel->is_reserved] == ids)
        return td_err_set(err, TD_E_LIMIT, "segment %u has %u channels: no room for %s/%s",
                          b->segment_number, ids, channel->info.topic, channel->info.symbol);
    td_result rc = append_definition(b, channel, b->next_channel_id, err);
    if (rc != TD_OK)
        return rc;
    channel->segment_number = b->segment_number;
    channel->segment_chunks = 0;
    channel->id = b->next_channel_id++;
    b->ids_used[channel->is_reserved]++;
    b->pending_new_count++;
    return TD_OK;
}

/* 1 if the chunk must define the channel: its first message in the 1st, 2nd, 4th, 8th … of the
 * segment's chunks that have the channel. So a channel that is in two chunks is defined in at least
 * two, and no single damaged chunk makes the others unreadable; the cost does not grow with the
 * number of chunks. */
static int wants_definition(const chunk_builder *b, const channel_state *channel)
{
    if (channel->segment_number != b->segment_number)
        return 1;
    uint32_t chunks_before = channel->segment_chunks;
    return channel->pending_count == 0 && (chunks_before & (chunks_before + 1)) == 0;
}

static td_result append_wanted_definition(chunk_builder *b, channel_state *channel, td_err *err)
{
    if (channel->segment_number != b->segment_number)
        return define_channel(b, channel, err);
    return append_definition(b, channel, channel->id, err);
}

/* The chunk has one more message of this channel. */
static void note_pending(chunk_builder *b, channel_state *channel, uint32_t index,
                         const chunk_frame *frame)
{
    if (channel->pending_count++ == 0) {
        TD_ASSERT(b->pending_channel_count < b->options.segment_channels_max);
        b->pending_channels[b->pending_channel_count++] = index;
        channel->pending_first_ns = frame->recv_ns;
        channel->last_segment = b->segment_number;
        channel->segment_chunks++;
    }
    channel->pending_last_ns = frame->recv_ns;
    if (b->pending_count++ == 0)
        b->pending_first_ns = frame->recv_ns;
    b->segment_messages++;
    b->last_ns = frame->recv_ns;
}

/* Totals of the chain record; a hole in the ordinals is frames that were dropped. */
static void count_frame(chunk_builder *b, const channel_state *channel, conn_state *conn,
                        const chunk_frame *frame)
{
    TD_ASSERT(!channel->is_frame || conn != NULL);
    if (!channel->is_frame) {
        b->totals.events_written++;
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
    *(is_in ? &conn->conn.in : &conn->conn.out) += 1;
    conn->is_touched = 1;
    b->pending_frames++;
    b->last_frame_ns = frame->recv_ns;
}

/* The connection of a frame, its ordinal checked. */
static td_result find_conn(chunk_builder *b, channel_state *channel, const chunk_frame *frame,
                           conn_state **out, td_err *err)
{
    TD_ASSERT(channel->is_live);
    *out = NULL;
    if (!channel->is_frame)
        return TD_OK;
    const channel_info *info = &channel->info;
    td_result rc = conn_table_get(&b->conns, info->line, info->shard, frame->conn, channel->conn,
                                  &channel->conn, err);
    if (rc != TD_OK)
        return rc;
    conn_state *conn = &b->conns.conns[channel->conn];
    uint64_t known = info->dir == CHANNEL_IN ? conn->conn.in_ordinal : conn->conn.out_ordinal;
    if (frame->ordinal <= known)
        return td_err_set(err, TD_E_INVALID,
                          "ordinal %" PRIu64 " of connection %u comes after %" PRIu64,
                          frame->ordinal, frame->conn, known);
    *out = conn;
    return TD_OK;
}

/* Reserve space for the message and, where the chunk must define the channel, its records: so
 * nothing can fail after an id is assigned. */
static td_result reserve(chunk_builder *b, const channel_state *channel, const chunk_frame *frame,
                         td_err *err)
{
    size_t bytes = MCAP_MESSAGE_OVERHEAD_BYTES + frame->bytes.size;
    if (wants_definition(b, channel))
        bytes += CHUNK_SLACK_BYTES;
    if (b->raw.size >= b->options.target_bytes)
        return td_err_set(err, TD_E_LIMIT, "the chunk has %zu bytes: seal it first", b->raw.size);
    return td_buf_reserve(&b->raw, bytes, err);
}

/* The hot path: header fields straight into memory, then the payload. */
static void append_message(chunk_builder *b, const channel_state *channel, const chunk_frame *frame)
{
    TD_ASSERT(channel->segment_number == b->segment_number);
    mcap_message message = {.channel_id = channel->id,
                            .sequence = (uint32_t)frame->ordinal,
                            .log_ns = frame->recv_ns,
                            .publish_ns = frame->publish_ns,
                            .data = frame->bytes};
    TD_ASSERT(b->raw.capacity - b->raw.size >= MCAP_MESSAGE_OVERHEAD_BYTES + frame->bytes.size);
    uint8_t *p = b->raw.data + b->raw.size;
    mcap_write_message_fields(p, &message);
    if (frame->bytes.size > 0)
        memcpy(p + MCAP_MESSAGE_OVERHEAD_BYTES, frame->bytes.data, frame->bytes.size);
    b->raw.size += MCAP_MESSAGE_OVERHEAD_BYTES + frame->bytes.size;
}

td_result chunk_builder_append(chunk_builder *builder, const chunk_frame *frame, td_err *err)
{
    chunk_builder *b = builder;
    channel_state *channel = channel_table_find(&b->channels, frame->channel);
    if (TD_UNLIKELY(channel == NULL))
        return td_err_set(err, TD_E_NOTFOUND, "channel is stale");
    td_result rc = check_times(b, frame, channel, err);
    if (TD_UNLIKELY(rc != TD_OK))
        return rc;
    segment_cause cause;
    if (TD_UNLIKELY(find_segment_cause(b, frame->recv_ns, &cause))) {
        if (b->pending_count > 0)
            return td_err_set(err, TD_E_LIMIT, "the segment is over: seal the chunk first");
        channel->last_segment = b->segment_number; /* about to be used: it must not age now */
        begin_segment(b, frame->recv_ns, cause);
    }
    conn_state *conn;
    rc = find_conn(b, channel, frame, &conn, err);
    if (TD_UNLIKELY(rc != TD_OK))
        return rc;
    size_t before = b->raw.size;
    rc = reserve(b, channel, frame, err);
    if (TD_UNLIKELY(rc == TD_OK && wants_definition(b, channel)))
        rc = append_wanted_definition(b, channel, err);
    if (TD_UNLIKELY(rc != TD_OK)) {
        b->raw.size = before;
        return rc;
    }
    append_message(b, channel, frame);
    note_pending(b, channel, frame->channel.index, frame);
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
    conn_state *state = &builder->conns.conns[index];
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

void chunk_builder_note_closed(chunk_builder *builder, uint32_t line, uint32_t shard)
{
    conn_table_close_slot(&builder->conns, line, shard);
}

uint64_t chunk_builder_pending_count(const chunk_builder *builder)
{
    return builder->pending_count;
}

uint64_t chunk_builder_pending_since_ns(const chunk_builder *builder)
{
    return builder->pending_count == 0 ? 0 : builder->pending_first_ns;
}
