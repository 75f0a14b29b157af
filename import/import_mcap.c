#include "import/import_mcap.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/limits.h"
#include "format/codec.h"
#include "format/mcap_decode.h"
#include "json/json.h"
#include "json/json_write.h"

struct import_mcap {
    import_source *source;
    codec *coder;
    td_buf chunk;     /* its records; empty: the file's are read */
    size_t at;        /* of the next one */
    td_buf *channels; /* their records' contents, by id */
    size_t channel_count;
    td_buf line;
    uint64_t number; /* of messages */
    uint8_t is_begun, is_ended;
};

import_mcap *import_mcap_open(import_source *source)
{
    import_mcap *made = td_alloc_zero(1, sizeof *made);
    made->source = source;
    made->coder = codec_open();
    td_buf_init(&made->chunk, SIZE_MAX);
    td_buf_init(&made->line, SIZE_MAX);
    return made;
}

void import_mcap_close(import_mcap *reader)
{
    if (reader == NULL)
        return;
    for (size_t i = 0; i < reader->channel_count; i++)
        td_buf_fini(&reader->channels[i]);
    td_free(reader->channels);
    td_buf_fini(&reader->chunk);
    td_buf_fini(&reader->line);
    codec_close(reader->coder);
    td_free(reader);
}

/* Exactly so many bytes. */
static td_result take(import_mcap *self, uint64_t size, td_bytes *out, td_err *err)
{
    td_result rc = TD_OK;
    if (size > LIMIT_IMPORT_LINE_BYTES)
        rc = td_err_set(err, TD_E_CORRUPT, "a record of %" PRIu64 " bytes", size);
    if (rc == TD_OK)
        rc = import_source_take(self->source, (size_t)size, out, err);
    if (rc == TD_OK && out->size < size)
        rc = td_err_set(err, TD_E_TRUNCATED, "the file ends within a record");
    return rc;
}

/* The next record of the file. TD_EOF: its footer came. */
static td_result next_of_file(import_mcap *self, mcap_record *out, td_err *err)
{
    td_bytes bytes;
    td_result rc = TD_OK;
    if (!self->is_begun) {
        self->is_begun = 1;
        rc = take(self, MCAP_MAGIC_BYTES, &bytes, err);
        if (rc == TD_OK)
            rc = mcap_check_magic(bytes.data, err);
    }
    if (rc == TD_OK)
        rc = take(self, MCAP_PREFIX_BYTES, &bytes, err);
    if (rc != TD_OK)
        return rc;
    out->opcode = bytes.data[0];
    rc = take(self, td_le64(bytes.data + 1), &out->content, err);
    return rc == TD_OK && out->opcode == MCAP_FOOTER ? TD_EOF : rc;
}

static td_result next_record(import_mcap *self, mcap_record *out, td_err *err)
{
    mcap_chunk chunk;
    for (;;) {
        td_result rc = TD_EOF;
        if (self->chunk.size > 0)
            rc = mcap_next_record(td_buf_view(&self->chunk), &self->at, out, err);
        if (rc != TD_EOF)
            return rc;
        td_buf_clear(&self->chunk);
        self->at = 0;
        rc = next_of_file(self, out, err);
        if (rc != TD_OK || out->opcode != MCAP_CHUNK)
            return rc;
        rc = mcap_decode_chunk(out->content, &chunk, err);
        if (rc == TD_OK)
            rc = codec_decompress(self->coder, &chunk, 0, &self->chunk, err);
        if (rc != TD_OK)
            return rc;
    }
}

static td_result keep_channel(import_mcap *self, td_bytes content, td_err *err)
{
    mcap_channel channel;
    td_result rc = mcap_decode_channel(content, &channel, err);
    if (rc != TD_OK)
        return rc;
    while (self->channel_count <= channel.id) {
        self->channels = td_array_grow(self->channels, self->channel_count, sizeof *self->channels);
        td_buf_init(&self->channels[self->channel_count++], SIZE_MAX);
    }
    td_buf_clear(&self->channels[channel.id]);
    td_buf_add(&self->channels[channel.id], content.data, content.size);
    return TD_OK;
}

/* The message as a line of the format jsonl. */
static td_result write_line(import_mcap *self, const mcap_channel *channel,
                            const mcap_message *message, td_err *err)
{
    static const char *const KEYS[] = {"feed",       "family",     "shard", "dir",
                                       "topic",      "session",    "conn",  "opcode",
                                       "compressed", "fragmented", "made"};
    json_writer json;
    td_buf_clear(&self->line);
    json_write_begin(&json, &self->line);
    json_write_object_begin(&json);
    json_write_member_u64(&json, "recv_ns", message->log_ns);
    json_write_member_u64(&json, "ordinal", message->sequence);
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        td_bytes value = mcap_find_pair(channel->metadata, KEYS[i]);
        if (value.data != NULL)
            json_write_member_bytes(&json, KEYS[i], value);
    }
    json_write_member_text_or_hex(&json, "data", "data_hex", message->data);
    json_write_object_end(&json);
    td_result rc = json_write_end(&json, err);
    td_buf_grow(&self->line, JSON_PADDING_BYTES);
    return rc;
}

static td_result next_message(import_mcap *self, td_err *err)
{
    mcap_record record;
    mcap_channel channel;
    mcap_message message;
    td_result rc;
    while ((rc = next_record(self, &record, err)) == TD_OK && record.opcode != MCAP_MESSAGE) {
        if (record.opcode == MCAP_CHANNEL)
            rc = keep_channel(self, record.content, err);
        if (rc != TD_OK)
            return rc;
    }
    if (rc == TD_OK)
        rc = mcap_decode_message(record.content, &message, err);
    if (rc != TD_OK)
        return rc;
    if (message.channel_id >= self->channel_count)
        return td_err_set(err, TD_E_CORRUPT, "a message of the unknown channel %u",
                          message.channel_id);
    rc = mcap_decode_channel(td_buf_view(&self->channels[message.channel_id]), &channel, err);
    if (rc == TD_OK && mcap_find_pair(channel.metadata, "feed").data != NULL &&
        mcap_find_pair(channel.metadata, "dir").data == NULL) {
        rc = td_err_set(err, TD_E_INVALID, "its messages are decoded, and import takes frames");
        td_err_hint(err, "`tapedeck export --format mcap-frames` writes frames");
    }
    return rc == TD_OK ? write_line(self, &channel, &message, err) : rc;
}

/* The content's hash is of all of the file. */
static td_result skip_rest(import_mcap *self, td_err *err)
{
    td_bytes rest = {NULL, 1};
    td_result rc = TD_OK;
    while (rc == TD_OK && rest.size > 0)
        rc = import_source_take(self->source, LIMIT_IMPORT_LINE_BYTES, &rest, err);
    return rc;
}

td_result import_mcap_next(import_mcap *reader, import_text_line *out, td_err *err)
{
    td_result rc = reader->is_ended ? TD_EOF : next_message(reader, err);
    *out = (import_text_line){.number = ++reader->number, .text = td_buf_view(&reader->line)};
    if (rc == TD_OK)
        return out->text.size <= LIMIT_IMPORT_LINE_BYTES
                   ? TD_OK
                   : td_err_set(err, TD_E_LIMIT, "message %" PRIu64 " is longer than 16 MiB",
                                out->number);
    if (rc != TD_EOF && rc != TD_E_CORRUPT && rc != TD_E_TRUNCATED && rc != TD_E_UNSUPPORTED)
        return rc;
    reader->is_ended = 1;
    td_result rest = skip_rest(reader, rc == TD_EOF ? err : NULL);
    return rest == TD_OK ? rc : rest;
}
