#include "replay/play/digest.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "schema/canonical.h"

/* Replaces the message of a frame that cannot be decoded; no message's canonical form begins with
 * these bytes. */
static const uint8_t NOT_DECODED[] = {0xff, 'n', 'o', 't', ' ', 'd', 'e', 'c', 'o', 'd', 'e', 'd'};

const char *digest_part_name(digest_part part)
{
    static const char *const NAMES[DIGEST_PARTS] = {"frames", "payload", "messages", "books"};
    TD_ASSERT(part < DIGEST_PARTS);
    return NAMES[part];
}

void digest_init(digest *d)
{
    *d = (digest){0};
    for (size_t i = 0; i < DIGEST_PARTS; i++)
        d->hashers[i] = td_hasher_open();
}

void digest_fini(digest *d)
{
    for (size_t i = 0; i < DIGEST_PARTS; i++) {
        td_hasher_close(d->hashers[i]);
        d->hashers[i] = NULL;
    }
}

void digest_add_frame(digest *d, const frame_ref *frame, td_hash128 bytes_hash)
{
    const channel_info *info = &frame->channel->info;
    enum { RECORD_BYTES = 28 + sizeof bytes_hash.bytes };
    uint8_t *record = td_hasher_space(d->hashers[DIGEST_FRAMES], RECORD_BYTES);
    td_put_le64(record, frame->recv_ns);
    td_put_le64(record + 8, frame->ordinal);
    td_put_le32(record + 16, info->line);
    td_put_le32(record + 20, info->shard);
    td_put_le32(record + 24, (uint32_t)info->opcode);
    memcpy(record + 28, bytes_hash.bytes, sizeof bytes_hash.bytes);
    d->frame_count++;
}

void digest_add_payload(digest *d, const frame_ref *frame, td_hash128 bytes_hash, track *t)
{
    const message *m = frame->content.message;
    enum { RECORD_BYTES = 8 + sizeof bytes_hash.bytes };
    uint8_t *record = td_hasher_space(d->hashers[DIGEST_PAYLOAD], RECORD_BYTES);
    td_put_le64(record, frame->bytes.size);
    memcpy(record + 8, bytes_hash.bytes, sizeof bytes_hash.bytes);
    TD_ASSERT(d->payload_count < d->frame_count);
    if (m != NULL)
        canonical_digest(m, d->hashers[DIGEST_MESSAGES]);
    else
        td_hasher_update(d->hashers[DIGEST_MESSAGES], NOT_DECODED, sizeof NOT_DECODED);
    if (t != NULL)
        track_hash(t, d->hashers[DIGEST_BOOKS]);
    d->payload_count++;
}

/* Add a text, after its length, so that different lists of texts never have the same bytes. */
static void add_text(td_hasher *into, const char *text)
{
    uint8_t size[8];
    td_put_le64(size, strlen(text));
    td_hasher_update(into, size, sizeof size);
    td_hasher_update(into, text, strlen(text));
}

digest_parts digest_parts_of(const digest *stream)
{
    digest_parts out = {0};
    TD_ASSERT(stream->payload_count <= stream->frame_count);
    for (size_t i = 0; i < DIGEST_PARTS; i++) {
        out.has[i] = (i == DIGEST_FRAMES ? stream->frame_count : stream->payload_count) > 0;
        if (out.has[i])
            out.hash[i] = td_hasher_digest(stream->hashers[i]);
    }
    return out;
}

void digest_add_parts(digest *sum, const char *feed, const char *topic, const char *symbol,
                      channel_dir dir, const digest_parts *stream)
{
    for (size_t i = 0; i < DIGEST_PARTS; i++) {
        if (!stream->has[i])
            continue;
        td_hasher *into = sum->hashers[i];
        add_text(into, feed);
        add_text(into, topic);
        add_text(into, symbol);
        add_text(into, channel_dir_name(dir));
        td_hasher_update(into, stream->hash[i].bytes, sizeof stream->hash[i].bytes);
    }
}

void digest_hex(const digest *sum, char out[DIGEST_PARTS][TD_HASH128_HEX_BYTES])
{
    for (size_t i = 0; i < DIGEST_PARTS; i++)
        td_hash128_hex(td_hasher_digest(sum->hashers[i]), out[i]);
}
