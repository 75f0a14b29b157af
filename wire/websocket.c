#include "wire/websocket.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum {
    BIT_FINAL = 0x80, /* in a head's first byte */
    BIT_COMPRESSED = 0x40,
    BITS_RESERVED = 0x30,
    BIT_MASKED = 0x80,     /* in a head's second byte */
    LENGTH_16 = 126,       /* in a head's second byte: the length is in the next 2 bytes */
    LENGTH_64 = 127,       /* the length is in the next 8 bytes */
    PIECES_KEPT = 1 << 20, /* a larger buffer is freed after its message */
};

void ws_reader_init(ws_reader *r, ws_peer peer, deflate_receiver *inflater,
                    size_t message_bytes_max)
{
    *r = (ws_reader){.peer = peer, .inflater = inflater};
    td_buf_init(&r->pieces, message_bytes_max);
}

void ws_reader_fini(ws_reader *r)
{
    td_buf_fini(&r->pieces);
}

void ws_give(ws_reader *r, uint8_t *bytes, size_t size, uint64_t read_ns)
{
    TD_ASSERT(r->left == 0);
    r->at = bytes;
    r->left = r->is_over ? 0 : size;
    r->read_ns = read_ns;
}

size_t ws_forget_rest(ws_reader *r)
{
    size_t left = r->left;
    r->left = 0;
    return left;
}

/* ---- masks ---- */

void ws_mask(uint8_t *bytes, size_t size, const uint8_t mask[4], size_t at)
{
    uint8_t turned[8];
    uint64_t word;
    uint64_t block;
    for (size_t i = 0; i < sizeof turned; i++)
        turned[i] = mask[(at + i) % 4];
    memcpy(&word, turned, sizeof word);
    size_t i = 0;
    for (; i + sizeof word <= size; i += sizeof word) {
        memcpy(&block, bytes + i, sizeof block);
        block ^= word;
        memcpy(bytes + i, &block, sizeof block);
    }
    for (; i < size; i++)
        bytes[i] ^= turned[i % 8];
}

/* ---- failures ---- */

static ws_result fail(ws_reader *r, ws_event *out, unsigned code, const char *why)
{
    r->is_over = 1;
    r->left = 0;
    *out = (ws_event){.code = code, .why = why};
    return WS_FAILURE;
}

static ws_result break_protocol(ws_reader *r, ws_event *out, const char *why)
{
    return fail(r, out, WS_CODE_PROTOCOL, why);
}

/* ---- a frame's head ---- */

static unsigned opcode_of(const ws_reader *r)
{
    return r->head[0] & 0x0f;
}

static int is_final(const ws_reader *r)
{
    return (r->head[0] & BIT_FINAL) != 0;
}

static int is_control(unsigned opcode)
{
    return opcode >= WS_CLOSE;
}

/* Size of a head, from its first two bytes. */
static size_t head_bytes(const uint8_t *head)
{
    unsigned length = head[1] & 0x7f;
    size_t size = length == LENGTH_64 ? 10 : length == LENGTH_16 ? 4 : 2;
    return (head[1] & BIT_MASKED) != 0 ? size + 4 : size;
}

static uint64_t big_endian(const uint8_t *p, size_t size)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | p[i];
    return number;
}

/* Why a frame may not begin with these two bytes, or NULL. */
static const char *find_flaw(const ws_reader *r)
{
    unsigned opcode = opcode_of(r);
    unsigned first = r->head[0];
    int is_masked = (r->head[1] & BIT_MASKED) != 0;
    int may_compress = r->inflater != NULL && (opcode == WS_TEXT || opcode == WS_BINARY);
    if ((first & BITS_RESERVED) != 0 || ((first & BIT_COMPRESSED) != 0 && !may_compress))
        return "it sent a frame with a reserved bit";
    if ((opcode > WS_BINARY && opcode < WS_CLOSE) || opcode > WS_PONG)
        return "it sent a frame with a reserved opcode";
    if (is_masked != (r->peer == WS_FROM_CLIENT))
        return is_masked ? "it sent a masked frame, which servers must not"
                         : "it sent a frame without a mask, which clients must not";
    if (is_control(opcode) && !is_final(r))
        return "it sent a control frame in fragments";
    if (is_control(opcode) && (r->head[1] & 0x7f) > WS_CONTROL_BYTES_MAX)
        return "it sent a control frame of more than 125 bytes";
    if (opcode == WS_CONTINUATION && r->opcode == 0)
        return "it continued a message that had not begun";
    if (opcode != WS_CONTINUATION && !is_control(opcode) && r->opcode != 0)
        return "it began a message within another one";
    return NULL;
}

/* The payload's length; sets *why if it is not allowed. */
static uint64_t read_length(const uint8_t *head, const char **why)
{
    unsigned length = head[1] & 0x7f;
    uint64_t size = length;
    if (length == LENGTH_16)
        size = big_endian(head + 2, 2);
    else if (length == LENGTH_64)
        size = big_endian(head + 2, 8);
    if ((length == LENGTH_16 && size < LENGTH_16) || (length == LENGTH_64 && size <= UINT16_MAX))
        *why = "it sent a length in more bytes than needed";
    if (size >> 63 != 0)
        *why = "it sent a length with its highest bit set";
    return size;
}

/* Begin a frame whose head is complete. */
static ws_result begin_frame(ws_reader *r, ws_event *out)
{
    const char *why = NULL;
    unsigned opcode = opcode_of(r);
    r->payload_left = read_length(r->head, &why);
    if (why != NULL)
        return break_protocol(r, out, why);
    r->is_payload = 1;
    r->mask_at = 0;
    if (r->peer == WS_FROM_CLIENT)
        memcpy(r->mask, r->head + r->head_wanted - 4, 4);
    if (is_control(opcode)) {
        r->control_size = 0;
        return WS_MORE;
    }
    if (r->payload_left > r->pieces.size_max - r->pieces.size)
        return fail(r, out, WS_CODE_TOO_LARGE, "it sent a message over the limit");
    if (opcode != WS_CONTINUATION) {
        r->opcode = opcode;
        r->form = ((r->head[0] & BIT_COMPRESSED) != 0 ? FORM_COMPRESSED : 0u) |
                  (is_final(r) ? 0u : FORM_FRAGMENTED);
        r->text = (utf8_check){0};
    }
    return WS_MORE;
}

/* Collect the next frame's head. WS_EVENT: it is complete. */
static ws_result read_head(ws_reader *r, ws_event *out)
{
    if (r->left == 0)
        return WS_MORE;
    size_t space = sizeof r->head - r->head_size;
    size_t size = space < r->left ? space : r->left;
    size_t held = r->head_size + size;
    if (r->head_size == 0 && r->opcode == 0)
        r->begin_ns = r->read_ns;
    memcpy(r->head + r->head_size, r->at, size); /* may include bytes after the head */
    const char *why = held >= 2 ? find_flaw(r) : NULL;
    if (why != NULL)
        return break_protocol(r, out, why);
    r->head_wanted = held >= 2 ? head_bytes(r->head) : 2;
    size_t used = held < r->head_wanted ? size : r->head_wanted - r->head_size;
    r->head_size += used;
    r->at += used;
    r->left -= used;
    if (held < r->head_wanted)
        return WS_MORE;
    return begin_frame(r, out) == WS_MORE ? WS_EVENT : WS_FAILURE;
}

/* ---- payloads ---- */

/* The next bytes of the payload, unmasked in place. */
static td_bytes next_payload(ws_reader *r)
{
    size_t size = r->payload_left < r->left ? (size_t)r->payload_left : r->left;
    td_bytes piece = td_bytes_of(r->at, size);
    if (r->peer == WS_FROM_CLIENT)
        ws_mask(r->at, size, r->mask, r->mask_at);
    r->mask_at += size;
    r->at += size;
    r->left -= size;
    r->payload_left -= size;
    return piece;
}

/* 1 for a code that a close frame may have (RFC 6455, 7.4, and the registry of close codes). */
static int is_close_code(unsigned code)
{
    int is_registered = code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
    return is_registered || (code >= 3000 && code <= 4999);
}

static ws_result end_close(ws_reader *r, td_bytes payload, ws_event *out)
{
    out->code = WS_CODE_ABSENT;
    r->is_over = 1;
    r->left = 0;
    if (payload.size == 0)
        return WS_EVENT;
    if (payload.size == 1)
        return break_protocol(r, out, "it sent a close frame with half a code");
    unsigned code = (unsigned)big_endian(payload.data, 2);
    td_bytes reason = td_bytes_of(payload.data + 2, payload.size - 2);
    if (!is_close_code(code))
        return break_protocol(r, out, "it sent a close code that frames must not have");
    if (!td_utf8_is_text(reason))
        return fail(r, out, WS_CODE_NOT_TEXT, "it sent a close reason that is not UTF-8");
    out->code = code;
    out->message.bytes = reason;
    return WS_EVENT;
}

static ws_result read_control(ws_reader *r, ws_event *out)
{
    td_bytes piece = next_payload(r);
    if (r->control_size > 0 || r->payload_left > 0) {
        memcpy(r->control + r->control_size, piece.data, piece.size);
        r->control_size += piece.size;
        piece = td_bytes_of(r->control, r->control_size);
    }
    if (r->payload_left > 0)
        return WS_MORE;
    *out = (ws_event){
        .message = {.opcode = opcode_of(r), .bytes = piece, .raw = piece, .mono_ns = r->read_ns}};
    r->head_size = 0;
    r->is_payload = 0;
    return out->message.opcode == WS_CLOSE ? end_close(r, piece, out) : WS_EVENT;
}

/* Deliver a complete message. */
static ws_result end_message(ws_reader *r, td_bytes bytes, ws_event *out)
{
    const td_bytes raw = bytes;
    if ((r->form & FORM_COMPRESSED) != 0) {
        deflate_result rc = deflate_receive(r->inflater, bytes, r->pieces.size_max, &bytes);
        if (rc == DEFLATE_TOO_LARGE)
            return fail(r, out, WS_CODE_TOO_LARGE,
                        "it sent a message that inflates over the limit");
        if (rc != DEFLATE_OK)
            return fail(r, out, WS_CODE_NOT_TEXT, "it sent a compressed message that is broken");
        if (r->opcode == WS_TEXT && !utf8_check_add(&r->text, bytes))
            return fail(r, out, WS_CODE_NOT_TEXT, "it sent text that is not UTF-8");
    }
    if (r->opcode == WS_TEXT && !utf8_check_is_whole(&r->text))
        return fail(r, out, WS_CODE_NOT_TEXT, "it sent text that ends within a character");
    *out = (ws_event){.message = {.opcode = r->opcode,
                                  .form = r->form,
                                  .bytes = bytes,
                                  .raw = raw,
                                  .mono_ns = r->begin_ns}};
    r->opcode = 0;
    r->is_delivered = r->pieces.size > 0;
    return WS_EVENT;
}

static ws_result read_data(ws_reader *r, ws_event *out)
{
    td_bytes piece = next_payload(r);
    int is_frame_over = r->payload_left == 0;
    int is_whole = is_frame_over && is_final(r);
    if (r->opcode == WS_TEXT && (r->form & FORM_COMPRESSED) == 0 &&
        !utf8_check_add(&r->text, piece))
        return fail(r, out, WS_CODE_NOT_TEXT, "it sent text that is not UTF-8");
    if (!is_whole || r->pieces.size > 0) {
        td_buf_add(&r->pieces, piece.data, piece.size);
        piece = td_buf_view(&r->pieces);
    }
    if (is_frame_over) {
        r->head_size = 0;
        r->is_payload = 0;
    }
    return is_whole ? end_message(r, piece, out) : WS_MORE;
}

/* Drop the pieces of the delivered message. */
static void forget_pieces(ws_reader *r)
{
    size_t size_max = r->pieces.size_max;
    td_buf_clear(&r->pieces);
    r->is_delivered = 0;
    if (r->pieces.capacity <= PIECES_KEPT)
        return;
    td_buf_fini(&r->pieces);
    td_buf_init(&r->pieces, size_max);
}

ws_result ws_read(ws_reader *r, ws_event *out)
{
    ws_result rc = WS_MORE;
    if (TD_UNLIKELY(r->is_delivered))
        forget_pieces(r);
    while (rc == WS_MORE && !r->is_over) {
        if (!r->is_payload) {
            rc = read_head(r, out);
            if (rc != WS_EVENT)
                return rc;
        } else if (r->left == 0) {
            return WS_MORE;
        }
        rc = is_control(opcode_of(r)) ? read_control(r, out) : read_data(r, out);
    }
    return rc;
}

/* ---- writing ---- */

size_t ws_put_head(uint8_t out[WS_HEAD_BYTES_MAX], unsigned opcode, unsigned flags,
                   uint64_t payload_bytes, const uint8_t mask[4])
{
    size_t size = 2;
    size_t length_bytes = payload_bytes > UINT16_MAX ? 8 : payload_bytes >= LENGTH_16 ? 2 : 0;
    TD_ASSERT(!is_control(opcode) || payload_bytes <= WS_CONTROL_BYTES_MAX);
    out[0] = (uint8_t)(opcode | ((flags & WS_FINAL) != 0 ? BIT_FINAL : 0) |
                       ((flags & WS_COMPRESSED) != 0 ? BIT_COMPRESSED : 0));
    out[1] = (uint8_t)(length_bytes == 8   ? LENGTH_64
                       : length_bytes == 2 ? LENGTH_16
                                           : payload_bytes);
    for (size_t i = length_bytes; i > 0; i--)
        out[size++] = (uint8_t)(payload_bytes >> (8 * (i - 1)));
    if (mask != NULL) {
        out[1] |= BIT_MASKED;
        memcpy(out + size, mask, 4);
        size += 4;
    }
    return size;
}

size_t ws_put_close(uint8_t out[WS_CONTROL_BYTES_MAX], unsigned code, td_bytes reason)
{
    char text[WS_CONTROL_BYTES_MAX - 2 + 1]; /* with a NUL, which is not sent */
    if (code == WS_CODE_ABSENT)
        return 0;
    td_utf8_copy(text, sizeof text, reason);
    size_t size = strnlen(text, sizeof text);
    out[0] = (uint8_t)(code >> 8);
    out[1] = (uint8_t)code;
    memcpy(out + 2, text, size);
    return 2 + size;
}
