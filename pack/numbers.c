#include "pack/numbers.h"

#include <math.h>

#include "base/alloc.h"

static int64_t unfold(uint64_t folded)
{
    return (int64_t)(folded >> 1 ^ (0 - (folded & 1)));
}

double numbers_cost_bits(const numbers_cost *self)
{
    double bits = (double)self->bits;
    for (size_t i = 0; i < TOKEN_COUNT; i++)
        if (self->seen[i] > 0)
            bits -= self->seen[i] * log2((double)self->seen[i] / (double)self->count);
    return bits;
}

/* ---- writing ---- */

static void write_tokens(const int64_t *numbers, size_t count, out_stream out[2])
{
    uint8_t *token = out_stream_reserve(&out[0], count);
    uint64_t bits = 0;
    unsigned have = 0;
    out[0].size += count;
    for (size_t i = 0; i < count; i++) {
        unsigned left;
        uint64_t folded = number_fold(numbers[i]);
        *token++ = number_token(folded, &left);
        while (left > 0) {
            const unsigned step = left < 32 ? left : 32;
            bits |= (folded & ((UINT64_C(1) << step) - 1)) << have;
            have += step;
            folded >>= step;
            left -= step;
            if (have >= 32) {
                td_put_le32(out_stream_reserve(&out[1], 4), (uint32_t)bits);
                out[1].size += 4;
                bits >>= 32;
                have -= 32;
            }
        }
    }
    for (; have > 0; have -= have < 8 ? have : 8, bits >>= 8)
        out_stream_byte(&out[1], (uint8_t)bits);
}

static unsigned planes_of(const int64_t *numbers, size_t count)
{
    uint64_t all = 0;
    unsigned planes = 1;
    for (size_t i = 0; i < count; i++)
        all |= number_fold(numbers[i]);
    while (planes < NUMBERS_PLANES_MAX && all >> (8 * planes) != 0)
        planes++;
    return planes;
}

/* Write a list in a form; returns the number of streams. */
static unsigned write_form(const int64_t *numbers, size_t count, number_form form,
                           out_stream out[NUMBERS_PLANES_MAX])
{
    if (form == NUMBERS_TOKENS) {
        write_tokens(numbers, count, out);
        return 2;
    }
    if (form == NUMBERS_VARIABLE) {
        uint8_t *to = out_stream_reserve(&out[0], count * NUMBER_BYTES_MAX);
        for (size_t i = 0; i < count; i++) {
            uint64_t left = number_fold(numbers[i]);
            for (; left >= 0x80; left >>= 7)
                *to++ = (uint8_t)(left | 0x80);
            *to++ = (uint8_t)left;
        }
        out[0].size = (size_t)(to - out[0].data);
        return 1;
    }
    const unsigned planes = planes_of(numbers, count);
    for (unsigned plane = 0; plane < planes; plane++) {
        uint8_t *to = out_stream_reserve(&out[plane], count);
        for (size_t i = 0; i < count; i++)
            to[i] = (uint8_t)(number_fold(numbers[i]) >> (8 * plane));
        out[plane].size += count;
    }
    return planes;
}

/* Compressed size of a form. */
static size_t try_form(const int64_t *numbers, size_t count, number_form form, int level,
                       codec *coder)
{
    out_stream out[NUMBERS_PLANES_MAX] = {{0}};
    const unsigned streams = write_form(numbers, count, form, out);
    size_t sum = 0;
    for (unsigned i = 0; i < streams; i++) {
        const size_t bound = codec_bound(out[i].size);
        uint8_t *packed = td_alloc(bound);
        const size_t size =
            codec_compress(coder, level, td_bytes_of(out[i].data, out[i].size), packed, bound);
        sum += size < out[i].size ? size : out[i].size;
        td_free(packed);
        out_stream_fini(&out[i]);
    }
    return sum;
}

/* Of long lists the beginning is tried; fast tries the two forms that are best most often. */
static number_form choose_form(const int64_t *numbers, size_t count, pack_effort effort,
                               codec *coder)
{
    enum { FAST_MIN = 1024, FAST_MAX = 2048, BEST_MAX = 1 << 17, FAST_LEVEL = 1, BEST_LEVEL = 9 };
    const int is_fast = effort == PACK_FAST;
    const size_t most = is_fast ? FAST_MAX : BEST_MAX;
    const size_t tried = count < most ? count : most;
    size_t i = 1;
    number_form best = NUMBERS_TOKENS;
    while (i < count && numbers[i] == numbers[0])
        i++;
    if (i >= count)
        return NUMBERS_CONSTANT;
    if (is_fast && count < FAST_MIN)
        return best;
    size_t least = SIZE_MAX;
    for (number_form form = best; form < (is_fast ? NUMBERS_PLANES : NUMBERS_FORMS); form++) {
        const size_t size =
            try_form(numbers, tried, form, is_fast ? FAST_LEVEL : BEST_LEVEL, coder);
        best = size < least ? form : best;
        least = size < least ? size : least;
    }
    return best;
}

void numbers_write(const int64_t *numbers, size_t count, pack_effort effort, codec *coder,
                   out_stream *table, stream_writer *to)
{
    out_stream out[NUMBERS_PLANES_MAX] = {{0}};
    const number_form form = choose_form(numbers, count, effort, coder);
    out_stream_byte(table, (uint8_t)form);
    if (form == NUMBERS_CONSTANT) {
        out_stream_number(table, count == 0 ? 0 : number_fold(numbers[0]));
        return;
    }
    const unsigned streams = write_form(numbers, count, form, out);
    if (form == NUMBERS_PLANES)
        out_stream_byte(table, (uint8_t)streams);
    for (unsigned i = 0; i < streams; i++)
        stream_writer_take(to, &out[i], GROUP_OWN);
}

/* ---- reading ---- */

int number_reader_open(number_reader *self, in_stream *table, stream_reader *from)
{
    const uint8_t form = in_stream_byte(table);
    *self = (number_reader){.form = form};
    if (form == NUMBERS_CONSTANT)
        self->constant = unfold(in_stream_number(table));
    self->plane_count = form == NUMBERS_CONSTANT ? 0
                        : form == NUMBERS_TOKENS ? 2
                        : form == NUMBERS_PLANES ? in_stream_byte(table)
                                                 : 1;
    if (form >= NUMBERS_FORMS || self->plane_count > NUMBERS_PLANES_MAX || table->is_short)
        return 0;
    self->streams = stream_reader_take(from, self->plane_count);
    return self->streams != NULL;
}

void number_reader_fini(number_reader *self)
{
    td_free(self->block);
}

/* Bits of a stream, which has them: at most 61. */
static uint64_t read_bits(const uint8_t *stream, uint64_t at, unsigned count)
{
    const uint8_t *first = stream + at / 8;
    const unsigned skipped = at % 8;
    uint64_t bits = td_le64(first) >> skipped;
    if (TD_UNLIKELY(skipped + count > 64))
        bits |= (uint64_t)first[8] << (64 - skipped);
    return bits & ((UINT64_C(1) << count) - 1);
}

/* The numbers of small tokens. */
static const int8_t SMALL[TOKEN_SMALL] = {0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, -6, 6, -7, 7, -8};

enum { RUN = 8 }; /* so many small ones are read at a time */
static const uint64_t LARGE_OF_RUN = UINT64_C(0xf0f0f0f0f0f0f0f0); /* bits that they do not have */

static inline void read_run(const uint8_t *tokens, int64_t *to)
{
    to[0] = SMALL[tokens[0]];
    to[1] = SMALL[tokens[1]];
    to[2] = SMALL[tokens[2]];
    to[3] = SMALL[tokens[3]];
    to[4] = SMALL[tokens[4]];
    to[5] = SMALL[tokens[5]];
    to[6] = SMALL[tokens[6]];
    to[7] = SMALL[tokens[7]];
}

/* Read numbers to the block, and return how many, as long as there are bits for them. */
static size_t read_tokens(number_reader *self, size_t count)
{
    in_stream *tokens = &self->streams[0];
    const in_stream *bits = &self->streams[1];
    const uint64_t bit_count = 8 * (uint64_t)(bits->end - bits->next);
    const size_t left = (size_t)(tokens->end - tokens->next);
    uint64_t bit_at = self->bit_at;
    size_t done = 0;
    count = left < count ? left : count;
    while (done < count) {
        const uint8_t *next = &tokens->next[done];
        int64_t *to = &self->block[done];
        const unsigned token = *next;
        if (token >= TOKEN_SMALL) {
            const unsigned further = token / 4 - (TOKEN_SMALL / 4 - (TOKEN_SMALL_BITS - 2));
            if (TD_UNLIKELY(further > bit_count - bit_at))
                break;
            const uint64_t folded = (UINT64_C(4) | (token & 3)) << further;
            *to = unfold(folded | read_bits(bits->next, bit_at, further));
            bit_at += further;
            done++;
        } else if (count - done >= RUN && (td_le64(next) & LARGE_OF_RUN) == 0) {
            read_run(next, to);
            done += RUN;
        } else {
            *to = SMALL[token];
            done++;
        }
    }
    tokens->next += done;
    self->bit_at = bit_at;
    return done;
}

static size_t read_variable(number_reader *self, size_t count)
{
    in_stream from = self->streams[0];
    int64_t *to = self->block;
    for (const int64_t *end = to + count; to < end && from.next < from.end; to++) {
        const uint64_t folded = *from.next < 0x80 ? *from.next++ : in_stream_number(&from);
        if (TD_UNLIKELY(from.is_short))
            break;
        *to = unfold(folded);
    }
    self->streams[0] = from;
    return (size_t)(to - self->block);
}

static size_t read_planes(number_reader *self, size_t count)
{
    if (self->plane_count == 0)
        return 0;
    for (unsigned i = 0; i < self->plane_count; i++) {
        const size_t left = (size_t)(self->streams[i].end - self->streams[i].next);
        count = left < count ? left : count;
    }
    for (size_t done = 0; done < count; done++) {
        uint64_t folded = 0;
        for (unsigned i = 0; i < self->plane_count; i++)
            folded |= (uint64_t)*self->streams[i].next++ << (8 * i);
        self->block[done] = unfold(folded);
    }
    return count;
}

/* The constant, so often: the block has it already after the first time. */
static size_t read_constant(number_reader *self, size_t count)
{
    if (self->end == NULL)
        for (size_t i = 0; i < count; i++)
            self->block[i] = self->constant;
    return count;
}

int64_t number_reader_refill(number_reader *self)
{
    enum { BLOCK_NUMBERS = 64 };
    static size_t (*const READ[NUMBERS_FORMS])(number_reader * self, size_t count) = {
        [NUMBERS_CONSTANT] = read_constant,
        [NUMBERS_TOKENS] = read_tokens,
        [NUMBERS_VARIABLE] = read_variable,
        [NUMBERS_PLANES] = read_planes,
    };
    if (self->block == NULL)
        self->block = td_alloc(BLOCK_NUMBERS * sizeof *self->block);
    const size_t count = READ[self->form](self, BLOCK_NUMBERS);
    self->next = self->block;
    self->end = self->block + count;
    self->is_short |= self->next == self->end;
    return self->is_short ? 0 : *self->next++;
}
