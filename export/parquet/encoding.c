#include "export/parquet/encoding.h"

#include "base/assert.h"
#include "export/parquet/thrift.h"

enum {
    BLOCK = 128,
    MINIBLOCKS = 4,
    MINIBLOCK = BLOCK / MINIBLOCKS,
    GROUP = 8,
    LITERALS = 63 * GROUP
};

/* The number of bits that a value needs. */
static unsigned width_of(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

/* Packs values, each minus `base`, with width bits each, the lowest bit first. count: a multiple of
 * GROUP, so that the last value ends with a byte. */
static void pack_bits(td_buf *out, const uint64_t *values, uint64_t base, size_t count,
                      unsigned width)
{
    const size_t step = width <= 32 ? 2 : 1; /* values at a time: two in two thirds of the time */
    uint64_t bits = 0;                       /* that are not written yet, */
    unsigned waiting = 0;                    /* fewer than 64 */
    td_buf_grow(out, count / GROUP * width);
    uint8_t *to = out->data + out->size;
    out->size += count / GROUP * width;
    for (size_t i = 0; i < count && width > 0; i += step) {
        uint64_t value = values[i] - base;
        if (step == 2)
            value |= (values[i + 1] - base) << width;
        bits |= value << waiting;
        waiting += (unsigned)step * width;
        if (waiting < 64)
            continue;
        td_put_le64(to, bits);
        to += sizeof bits;
        waiting -= 64;
        bits = waiting == 0 ? 0 : value >> ((unsigned)step * width - waiting);
    }
    for (; waiting > 0; waiting -= 8, bits >>= 8)
        *to++ = (uint8_t)bits;
}

void encode_bits(td_buf *out, const int64_t *values, size_t count)
{
    for (size_t at = 0; at < count;) {
        const size_t end = count - at < 8 ? count : at + 8;
        uint8_t byte = 0;
        for (unsigned i = 0; at < end; i++)
            byte |= (uint8_t)((values[at++] != 0) << i);
        td_buf_add(out, &byte, 1);
    }
}

/* Encodes one block of `count` (at most BLOCK) deltas, the first from values[0] to values[1]. A
 * delta may overflow; it wraps around, as the format requires. */
static void encode_block(td_buf *out, const int64_t *values, size_t count)
{
    uint64_t deltas[BLOCK];
    uint8_t widths[MINIBLOCKS] = {0};
    int64_t most[MINIBLOCKS]; /* each miniblock's largest delta */
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < count;) {
        const size_t end = count - i < MINIBLOCK ? count : i + MINIBLOCK;
        int64_t top = INT64_MIN;
        for (; i < end; i++) {
            const int64_t delta = (int64_t)((uint64_t)values[i + 1] - (uint64_t)values[i]);
            deltas[i] = (uint64_t)delta;
            least = delta < least ? delta : least;
            top = delta > top ? delta : top;
        }
        most[(end - 1) / MINIBLOCK] = top;
    }
    for (size_t i = count; i % MINIBLOCK != 0; i++)
        deltas[i] = (uint64_t)least; /* up to the miniblock's end, as zeros */
    for (size_t at = 0; at < count; at += MINIBLOCK)
        widths[at / MINIBLOCK] =
            (uint8_t)width_of((uint64_t)most[at / MINIBLOCK] - (uint64_t)least);
    thrift_varint(out, thrift_zigzag(least));
    td_buf_add(out, widths, sizeof widths);
    for (size_t at = 0; at < count; at += MINIBLOCK)
        pack_bits(out, deltas + at, (uint64_t)least, MINIBLOCK, widths[at / MINIBLOCK]);
}

void encode_deltas(td_buf *out, const int64_t *values, size_t count)
{
    thrift_varint(out, BLOCK);
    thrift_varint(out, MINIBLOCKS);
    thrift_varint(out, count);
    thrift_varint(out, thrift_zigzag(count == 0 ? 0 : values[0]));
    for (size_t at = 0; at + 1 < count; at += BLOCK) {
        size_t left = count - 1 - at;
        encode_block(out, values + at, left < BLOCK ? left : BLOCK);
    }
}

/* Writes the waiting literals as a bit-packed run, padded to whole groups. */
static void end_literals(td_buf *out, uint64_t literals[LITERALS], size_t count, unsigned width)
{
    if (count == 0)
        return;
    for (; count % GROUP != 0; count++)
        literals[count] = 0;
    thrift_varint(out, count / GROUP << 1 | 1);
    pack_bits(out, literals, 0, count, width);
}

void encode_indexes(td_buf *out, const index_run *runs, size_t count)
{
    uint64_t literals[LITERALS];
    size_t literal_count = 0;
    uint32_t any = 0;
    TD_ASSERT(count > 0);
    for (size_t i = 0; i < count; i++)
        any |= runs[i].index;
    unsigned width = any == 0 ? 1 : width_of(any);
    thrift_varint(out, width); /* a byte, as below */
    for (size_t i = 0; i < count; i++) {
        const index_run *run = &runs[i];
        size_t left = run->count;
        for (; left > 0 && literal_count % GROUP != 0; left--)
            literals[literal_count++] = run->index;
        if (left >= GROUP || count == 1) {
            uint8_t copy[8];
            end_literals(out, literals, literal_count, width);
            literal_count = 0;
            td_put_le64(copy, run->index);
            thrift_varint(out, (uint64_t)left << 1);
            td_buf_add(out, copy, (width + 7) / 8);
            continue;
        }
        if (literal_count == LITERALS) {
            end_literals(out, literals, literal_count, width);
            literal_count = 0;
        }
        for (; left > 0; left--)
            literals[literal_count++] = run->index;
    }
    end_literals(out, literals, literal_count, width);
}

void encode_run(td_buf *out, uint8_t level, size_t count)
{
    TD_ASSERT(count > 0);
    thrift_varint(out, (uint64_t)count << 1);
    thrift_varint(out, level);
}
