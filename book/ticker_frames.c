#include "book/ticker_frames.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"

/* Replaced frames are dropped only after this many additions, because dropping reads all frames. */
enum { FRAMES_SPARE = 16 };

/* The bit for all fields that the row of the schema does not name. */
#define FIELDS_OTHER (UINT64_C(1) << (MSG_FIELD_BITS - 1))

int ticker_frames_fit(const topic_row *row)
{
    return row->type == MSG_TICKER && topic_row_has_state(row);
}

ticker_frames *ticker_frames_open(const topic_row *row)
{
    ticker_frames *made = td_alloc_zero(1, sizeof *made);
    TD_ASSERT(row->field_count < MSG_FIELD_BITS);
    made->row = row;
    td_buf_init(&made->bytes, LIMIT_TICKER_BYTES + DECODE_PADDING_BYTES);
    ticker_frames_reset(made);
    return made;
}

void ticker_frames_close(ticker_frames *t)
{
    if (t == NULL)
        return;
    td_free(t->frames);
    td_buf_fini(&t->bytes);
    td_free(t);
}

void ticker_frames_reset(ticker_frames *t)
{
    t->since_ns = 0;
    t->is_whole = 1;
    t->count = 0;
    t->drop_at = FRAMES_SPARE;
    td_buf_clear(&t->bytes);
}

/* Drop frames whose fields are all in later ones. The first frame stays, because snapshots are made
 * in its format. */
static void drop_replaced(ticker_frames *t)
{
    uint64_t later = 0;
    for (size_t i = t->count; i-- > 0;) {
        ticker_frame *f = &t->frames[i];
        if (i > 0 && f->fields != 0 && (f->fields & ~later) == 0)
            f->size = 0;
        later |= f->fields;
    }
    size_t count = 0;
    size_t size = 0;
    for (size_t i = 0; i < t->count; i++) {
        ticker_frame f = t->frames[i];
        if (f.size == 0)
            continue;
        memmove(t->bytes.data + size, t->bytes.data + f.offset, f.size);
        f.offset = size;
        size += f.size;
        t->frames[count++] = f;
    }
    t->count = count;
    t->bytes.size = size;
    t->drop_at = count + FRAMES_SPARE;
}

/* Bits of the record's fields; 0 if unknown. */
static uint64_t fields_of(const msg_record *m)
{
    uint64_t fields = m->head.unknown_fields > 0 || m->item_count == 0 ? FIELDS_OTHER : 0;
    for (size_t i = 0; i < m->item_count; i++) {
        if (m->items[i].fields == 0)
            return 0;
        fields |= m->items[i].fields;
    }
    return fields;
}

static uint8_t *add(ticker_frames *t, uint64_t recv_ns, uint64_t fields, size_t size)
{
    size_t offset = t->bytes.size;
    t->frames = td_array_grow(t->frames, t->count, sizeof *t->frames);
    t->frames[t->count++] = (ticker_frame){recv_ns, fields, offset, size};
    td_buf_grow(&t->bytes, size + DECODE_PADDING_BYTES);
    t->bytes.size += size;
    return t->bytes.data + offset;
}

void ticker_frames_add(ticker_frames *t, const frame_ref *frame, int is_snapshot)
{
    size_t size = frame->bytes.size;
    if (is_snapshot)
        ticker_frames_reset(t);
    for (size_t i = 0; frame->row != t->row && i < t->count; i++)
        t->frames[i].fields = 0; /* the new row may have other fields at these bits */
    t->row = frame->row;
    if (t->count >= t->drop_at || t->bytes.size + size > LIMIT_TICKER_BYTES)
        drop_replaced(t);
    if (t->bytes.size + size > LIMIT_TICKER_BYTES) {
        ticker_frames_reset(t);
        t->is_whole = 0;
    }
    if (t->is_whole)
        memcpy(add(t, frame->recv_ns, fields_of(&frame->content.message->record), size),
               frame->bytes.data, size);
}

td_bytes ticker_frames_bytes_at(const ticker_frames *t, size_t index)
{
    TD_ASSERT(index < t->count);
    return td_bytes_of(t->bytes.data + t->frames[index].offset, t->frames[index].size);
}

size_t ticker_frames_memory(const ticker_frames *t)
{
    return sizeof *t + t->bytes.capacity + t->count * sizeof *t->frames;
}

void ticker_frames_serialize(ticker_frames *t, state_io *io)
{
    enum { FRAME_BYTES = 20 };
    /* The hash of the row's fields shows whether another version's row has the same fields. */
    uint64_t own = 0;
    for (size_t i = 0; i < t->row->field_count; i++)
        own = own * 31 + td_xxh64(t->row->fields[i].key, strlen(t->row->fields[i].key));
    uint64_t hash = own;
    if (!state_is_loading(io))
        drop_replaced(t);
    state_flag(io, &t->is_whole);
    state_u64(io, &t->since_ns);
    state_u64(io, &hash);
    uint32_t count = state_count(io, t->count, LIMIT_TICKER_BYTES, FRAME_BYTES);
    for (uint32_t i = 0; i < count && !io->is_failed; i++) {
        ticker_frame f = {0};
        if (!state_is_loading(io))
            f = t->frames[i];
        state_u64(io, &f.recv_ns);
        state_u64(io, &f.fields);
        size_t most = state_is_loading(io) ? LIMIT_TICKER_BYTES - t->bytes.size : f.size;
        f.size = state_count(io, f.size, most, 1);
        uint8_t *bytes = state_is_loading(io)
                             ? add(t, f.recv_ns, hash == own ? f.fields : 0, f.size)
                             : t->bytes.data + f.offset;
        state_raw(io, bytes, f.size);
    }
    t->drop_at = t->count + FRAMES_SPARE;
}
