#include "regress/decoder_wire.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "cli/version.h"
#include "json/json_write.h"

/* Binary messages: their length comes first, then one of these. */
enum { INPUT_CHANNEL = 'C', INPUT_FRAME = 'F' };
enum { REPLY_MESSAGE = 'M', REPLY_REFUSED = 'E', REPLY_WRONG = 'W' };

enum { SIZE_BYTES = 4 };

/* ---- the greeting ---- */

static td_result end_line(json_writer *w, td_buf *out, td_err *err)
{
    json_write_object_end(w);
    td_result rc = json_write_end(w, err);
    return rc == TD_OK ? td_buf_append(out, "\n", 1, err) : rc;
}

static const char *const FORMS[] = {[WIRE_JSON] = "json", [WIRE_BINARY] = "binary"};

td_result wire_put_greeting(td_buf *out, td_err *err)
{
    json_writer w;
    json_write_begin(&w, out);
    json_write_object_begin(&w);
    json_write_member_u64(&w, "tapedeck", DECODER_WIRE_VERSION);
    json_write_member_text(&w, "version", TAPEDECK_VERSION);
    return end_line(&w, out, err);
}

td_result wire_put_welcome(td_buf *out, const wire_greeting *greeting, td_err *err)
{
    json_writer w;
    json_write_begin(&w, out);
    json_write_object_begin(&w);
    json_write_member_u64(&w, "tapedeck", DECODER_WIRE_VERSION);
    json_write_member_text(&w, "input", FORMS[greeting->input]);
    json_write_member_text(&w, "reply", FORMS[greeting->reply]);
    json_write_member_text(&w, "name", greeting->name);
    return end_line(&w, out, err);
}

td_result wire_put_refusal(td_buf *out, const char *why, td_err *err)
{
    json_writer w;
    json_write_begin(&w, out);
    json_write_object_begin(&w);
    json_write_member_text(&w, "error", why);
    return end_line(&w, out, err);
}

/* "json", "binary" or absent. 0: another value. */
static int read_form(json_value root, const char *key, wire_form *out)
{
    json_value value;
    td_bytes text;
    *out = WIRE_JSON;
    if (!json_find(root, key, &value))
        return 1;
    if (!json_text(value, &text))
        return 0;
    *out = td_bytes_is(text, FORMS[WIRE_BINARY]) ? WIRE_BINARY : WIRE_JSON;
    return td_bytes_is(text, FORMS[*out]);
}

td_result wire_read_welcome(json_parser *parser, td_bytes line, wire_greeting *out, td_err *err)
{
    json_value root;
    uint64_t version = 0;
    td_bytes text = td_bytes_of(NULL, 0);
    td_result rc = json_parse(parser, line, JSON_COPIED, &root, err);
    if (rc == TD_E_NOMEM)
        return rc;
    if (rc != TD_OK)
        return td_err_set(err, TD_E_INVALID, "its first line is no JSON: %.*s",
                          line.size > 100 ? 100 : (int)line.size, (const char *)line.data);
    if (json_find_text(root, "error", &text))
        return td_err_set(err, TD_E_UNSUPPORTED, "%.*s", (int)text.size, (const char *)text.data);
    if (!json_find_u64(root, "tapedeck", &version))
        return td_err_set(err, TD_E_INVALID, "its first line has no \"tapedeck\": %.*s",
                          line.size > 100 ? 100 : (int)line.size, (const char *)line.data);
    if (version != DECODER_WIRE_VERSION)
        return td_err_set(err, TD_E_INVALID, "it speaks version %llu of the protocol, not %d",
                          (unsigned long long)version, DECODER_WIRE_VERSION);
    if (!read_form(root, "input", &out->input) || !read_form(root, "reply", &out->reply))
        return td_err_set(err, TD_E_INVALID, "\"input\" and \"reply\" are \"json\" or \"binary\"");
    text = td_bytes_of(NULL, 0);
    (void)json_find_text(root, "name", &text); /* it may have none */
    snprintf(out->name, sizeof out->name, "%.*s", (int)text.size, (const char *)text.data);
    return TD_OK;
}

/* ---- numbers and texts ---- */

static uint8_t *put_le16(uint8_t *at, uint16_t value)
{
    td_put_le16(at, value);
    return at + 2;
}

static uint8_t *put_le32(uint8_t *at, uint32_t value)
{
    td_put_le32(at, value);
    return at + 4;
}

static uint8_t *put_bytes(uint8_t *at, td_bytes bytes)
{
    if (bytes.size > 0)
        memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

/* Space for a message of size bytes after its length, which is written. NULL without memory. */
static uint8_t *begin_message(td_buf *out, size_t size, td_err *err)
{
    TD_ASSERT(size <= UINT32_MAX);
    if (td_buf_reserve(out, SIZE_BYTES + size, err) != TD_OK)
        return NULL;
    uint8_t *at = put_le32(out->data + out->size, (uint32_t)size);
    out->size += SIZE_BYTES + size;
    return at;
}

/* The bytes after the length of the message at the start of bytes. 1; 0: it is not complete; -1: it
 * is longer than size_max. */
static int find_message(td_bytes bytes, size_t size_max, td_bytes *out)
{
    if (bytes.size < SIZE_BYTES)
        return 0;
    size_t size = td_le32(bytes.data);
    if (size > size_max)
        return -1;
    *out = td_bytes_of(bytes.data + SIZE_BYTES, size);
    return bytes.size - SIZE_BYTES >= size;
}

/* ---- frames ---- */

static void list_texts(const wire_channel *channel, td_bytes texts[WIRE_CHANNEL_TEXTS])
{
    texts[0] = channel->feed;
    texts[1] = channel->family;
    texts[2] = channel->topic;
    texts[3] = channel->symbol;
    texts[4] = channel->exchange_topic;
    texts[5] = channel->type;
}

td_result wire_put_channel(td_buf *out, uint32_t number, const wire_channel *channel, td_err *err)
{
    td_bytes texts[WIRE_CHANNEL_TEXTS];
    size_t size = 1 + 4 + 1;
    list_texts(channel, texts);
    for (size_t i = 0; i < WIRE_CHANNEL_TEXTS; i++) {
        TD_ASSERT(texts[i].size <= UINT16_MAX);
        size += 2 + texts[i].size;
    }
    uint8_t *at = begin_message(out, size, err);
    if (at == NULL)
        return TD_E_NOMEM;
    *at++ = INPUT_CHANNEL;
    at = put_le32(at, number);
    *at++ = channel->opcode;
    for (size_t i = 0; i < WIRE_CHANNEL_TEXTS; i++)
        at = put_bytes(put_le16(at, (uint16_t)texts[i].size), texts[i]);
    TD_ASSERT(at == out->data + out->size);
    return TD_OK;
}

/* Base64 (RFC 4648) as a string. */
static td_result put_base64(td_buf *out, td_bytes bytes, td_err *err)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = (bytes.size + 2) / 3 * 4;
    td_result rc = td_buf_reserve(out, size, err);
    if (rc != TD_OK)
        return rc;
    uint8_t *at = out->data + out->size;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16 |
                         (left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0) |
                         (left > 2 ? bytes.data[i + 2] : 0);
        *at++ = (uint8_t)DIGITS[group >> 18];
        *at++ = (uint8_t)DIGITS[group >> 12 & 63];
        *at++ = left > 1 ? (uint8_t)DIGITS[group >> 6 & 63] : '=';
        *at++ = left > 2 ? (uint8_t)DIGITS[group & 63] : '=';
    }
    out->size += size;
    return TD_OK;
}

static void member_or_null(json_writer *w, const char *key, td_bytes text)
{
    json_write_key(w, key);
    if (text.size == 0)
        json_write_null(w);
    else
        json_write_bytes(w, text);
}

static td_result put_json_frame(td_buf *out, const wire_channel *channel, const wire_frame *frame,
                                td_err *err)
{
    json_writer w;
    json_write_begin(&w, out);
    json_write_object_begin(&w);
    json_write_member_u64(&w, "n", frame->n);
    json_write_member_bytes(&w, "feed", channel->feed);
    json_write_member_bytes(&w, "family", channel->family);
    json_write_member_bytes(&w, "topic", channel->topic);
    member_or_null(&w, "symbol", channel->symbol);
    member_or_null(&w, "exchange_topic", channel->exchange_topic);
    member_or_null(&w, "type", channel->type);
    json_write_member_u64(&w, "recv_ns", frame->recv_ns);
    json_write_member_u64(&w, "opcode", channel->opcode);
    if (td_utf8_is_text(frame->bytes)) {
        json_write_member_bytes(&w, "frame", frame->bytes);
        return end_line(&w, out, err);
    }
    td_buf text;
    td_buf_init(&text, LIMIT_RECORD_BYTES);
    td_result rc = put_base64(&text, frame->bytes, err);
    json_write_member_bytes(&w, "frame_base64", td_buf_view(&text));
    td_buf_fini(&text);
    td_result ended = end_line(&w, out, err);
    return rc == TD_OK ? ended : rc;
}

td_result wire_put_frame(td_buf *out, wire_form form, const wire_channel *channel,
                         const wire_frame *frame, td_err *err)
{
    enum { HEAD_BYTES = 1 + 4 + 4 + 8 };
    if (form == WIRE_JSON)
        return put_json_frame(out, channel, frame, err);
    uint8_t *at = begin_message(out, HEAD_BYTES + frame->bytes.size, err);
    if (at == NULL)
        return TD_E_NOMEM;
    *at++ = INPUT_FRAME;
    at = put_le32(put_le32(at, frame->n), frame->channel);
    td_put_le64(at, frame->recv_ns);
    (void)put_bytes(at + 8, frame->bytes); /* its end is the buffer's */
    return TD_OK;
}

/* The texts of a channel; 0: they do not fill the message. */
static int take_texts(td_bytes left, wire_channel *out)
{
    td_bytes *const texts[WIRE_CHANNEL_TEXTS] = {&out->feed,   &out->family,         &out->topic,
                                                 &out->symbol, &out->exchange_topic, &out->type};
    for (size_t i = 0; i < WIRE_CHANNEL_TEXTS; i++) {
        if (left.size < 2 || left.size - 2 < td_le16(left.data))
            return 0;
        *texts[i] = td_bytes_of(left.data + 2, td_le16(left.data));
        left = td_bytes_of(left.data + 2 + texts[i]->size, left.size - 2 - texts[i]->size);
    }
    return left.size == 0;
}

int wire_take_input(td_bytes bytes, size_t *used, wire_input *out)
{
    td_bytes message;
    int found = find_message(bytes, LIMIT_FRAME_BYTES + LIMIT_PATH_BYTES, &message);
    if (found <= 0)
        return found;
    *used = SIZE_BYTES + message.size;
    const uint8_t *at = message.data;
    out->is_channel = message.size >= 6 && at[0] == INPUT_CHANNEL;
    if (out->is_channel) {
        out->number = td_le32(at + 1);
        out->channel.opcode = at[5];
        return take_texts(td_bytes_of(at + 6, message.size - 6), &out->channel) ? 1 : -1;
    }
    if (message.size < 17 || at[0] != INPUT_FRAME)
        return -1;
    out->frame = (wire_frame){.n = td_le32(at + 1),
                              .channel = td_le32(at + 5),
                              .recv_ns = td_le64(at + 9),
                              .bytes = td_bytes_of(at + 17, message.size - 17)};
    return 1;
}

/* ---- answers ---- */

static const uint8_t LETTERS[] = {
    [WIRE_MESSAGE] = REPLY_MESSAGE, [WIRE_REFUSED] = REPLY_REFUSED, [WIRE_WRONG] = REPLY_WRONG};

td_result wire_put_reply(td_buf *out, uint32_t n, wire_answer answer, td_bytes body, td_err *err)
{
    uint8_t *at = begin_message(out, 5 + body.size, err);
    if (at == NULL)
        return TD_E_NOMEM;
    at = put_le32(at, n);
    *at++ = LETTERS[answer];
    (void)put_bytes(at, body); /* its end is the buffer's */
    return TD_OK;
}

int wire_find_reply(wire_form form, td_bytes bytes, size_t *seen, td_bytes *answer, size_t *used)
{
    if (form == WIRE_BINARY) {
        int found = find_message(bytes, LIMIT_DECODER_REPLY_BYTES, answer);
        if (found > 0)
            *used = SIZE_BYTES + answer->size;
        return found;
    }
    TD_ASSERT(*seen <= bytes.size);
    const uint8_t *end =
        bytes.size == *seen ? NULL : memchr(bytes.data + *seen, '\n', bytes.size - *seen);
    *seen = bytes.size;
    if (end == NULL)
        return bytes.size > LIMIT_DECODER_REPLY_BYTES ? -1 : 0;
    *answer = td_bytes_of(bytes.data, (size_t)(end - bytes.data));
    *used = answer->size + 1;
    return answer->size > LIMIT_DECODER_REPLY_BYTES ? -1 : 1;
}

static td_result read_json_reply(json_parser *parser, td_bytes answer, wire_reply *out, td_err *err)
{
    json_value n;
    json_value value;
    uint64_t number = 0;
    td_result rc = json_parse(parser, answer, JSON_PADDED, &out->json, err);
    if (rc == TD_E_NOMEM)
        return rc;
    if (rc != TD_OK)
        return td_err_set(
            err, TD_E_INVALID, "no JSON at byte %zu: %s", json_parse_error(parser).offset,
            json_parse_error(parser).what == NULL ? "too deep" : json_parse_error(parser).what);
    if (!json_find(out->json, "n", &n) || !json_u64(n, &number) || number > UINT32_MAX)
        return td_err_set(err, TD_E_INVALID, "no \"n\", or none that is a frame's");
    out->n = (uint32_t)number;
    out->answer = WIRE_MESSAGE;
    out->body = answer;
    if (!json_find(out->json, "error", &value))
        return TD_OK;
    out->answer = WIRE_REFUSED;
    return json_text(value, &out->body) ? TD_OK
                                        : td_err_set(err, TD_E_INVALID, "\"error\" is no text");
}

td_result wire_read_reply(wire_form form, json_parser *parser, td_bytes answer, wire_reply *out,
                          td_err *err)
{
    if (form == WIRE_JSON)
        return read_json_reply(parser, answer, out, err);
    if (answer.size < 5)
        return td_err_set(err, TD_E_INVALID, "an answer of %zu bytes; the least are 5",
                          answer.size);
    out->n = td_le32(answer.data);
    out->body = td_bytes_of(answer.data + 5, answer.size - 5);
    for (int kind = WIRE_MESSAGE; kind <= WIRE_WRONG; kind++) {
        out->answer = (wire_answer)kind;
        if (LETTERS[kind] == answer.data[4])
            return TD_OK;
    }
    return td_err_set(err, TD_E_INVALID, "an answer of kind 0x%02x", answer.data[4]);
}
