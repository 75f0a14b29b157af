#include "pack/numbers.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* A token is a number below 16; or its bit length, and the two bits after its first one. */
enum {
    SMALL = 16,
    SMALL_BITS = 4,
    TOKENS = 256,
    TRIAL_BYTES = 1 << 20, /* of longer lists only the beginning is tried */
};

static uint64_t fold(int64_t number)
{
    return (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0);
}

static int64_t unfold(uint64_t folded)
{
    return (int64_t)(folded >> 1 ^ (0 - (folded & 1)));
}

/* The token of a number, and how many further bits it has. */
static uint8_t token_of(uint64_t folded, unsigned *bit_count)
{
    *bit_count = 0;
    if (folded < SMALL)
        return (uint8_t)folded;
    const unsigned top = 63 - (unsigned)__builtin_clzll(folded);
    *bit_count = top - 2;
    return (uint8_t)(SMALL + (top - SMALL_BITS) * 4 + (folded >> (top - 2) & 3));
}

double numbers_cost(const int64_t *numbers, size_t count)
{
    size_t seen[TOKENS] = {0};
    double bits = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned bit_count;
        seen[token_of(fold(numbers[i]), &bit_count)]++;
        bits += bit_count;
    }
    for (size_t i = 0; i < TOKENS; i++)
        if (seen[i] > 0)
            bits -= (double)seen[i] * log2((double)seen[i] / (double)count);
    return bits;
}

/* ---- writing ---- */

static void write_bits(out_stream *to, uint64_t *pending, unsigned *pending_count, uint64_t value,
                       unsigned count)
{
    while (count > 0) {
        const unsigned step = count < 8 - *pending_count ? count : 8 - *pending_count;
        *pending |= (value & ((UINT64_C(1) << step) - 1)) << *pending_count;
        *pending_count += step;
        value >>= step;
        count -= step;
        if (*pending_count == 8) {
            out_stream_byte(to, (uint8_t)*pending);
            *pending = 0;
            *pending_count = 0;
        }
    }
}

static void write_tokens(const int64_t *numbers, size_t count, out_stream out[2])
{
    uint64_t pending = 0;
    unsigned pending_count = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned bit_count;
        const uint64_t folded = fold(numbers[i]);
        out_stream_byte(&out[0], token_of(folded, &bit_count));
        write_bits(&out[1], &pending, &pending_count, folded, bit_count);
    }
    if (pending_count > 0)
        out_stream_byte(&out[1], (uint8_t)pending);
}

static unsigned planes_of(const int64_t *numbers, size_t count)
{
    uint64_t all = 0;
    unsigned planes = 1;
    for (size_t i = 0; i < count; i++)
        all |= fold(numbers[i]);
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
        for (size_t i = 0; i < count; i++)
            out_stream_number(&out[0], fold(numbers[i]));
        return 1;
    }
    const unsigned planes = planes_of(numbers, count);
    for (unsigned plane = 0; plane < planes; plane++)
        for (size_t i = 0; i < count; i++)
            out_stream_byte(&out[plane], (uint8_t)(fold(numbers[i]) >> (8 * plane)));
    return planes;
}

/* Compressed size of a form. */
static size_t try_form(const int64_t *numbers, size_t count, number_form form, codec *coder)
{
    out_stream out[NUMBERS_PLANES_MAX] = {{0}};
    const unsigned streams = write_form(numbers, count, form, out);
    size_t sum = 0;
    for (unsigned i = 0; i < streams; i++) {
        const size_t bound = codec_bound(out[i].size);
        uint8_t *packed = td_alloc(bound);
        const size_t size =
            codec_compress(coder, 9, td_bytes_of(out[i].data, out[i].size), packed, bound);
        sum += size < out[i].size ? size : out[i].size;
        td_free(packed);
        out_stream_fini(&out[i]);
    }
    return sum;
}

static number_form choose_form(const int64_t *numbers, size_t count, pack_effort effort,
                               codec *coder)
{
    size_t i = 1;
    number_form best = NUMBERS_TOKENS;
    while (i < count && numbers[i] == numbers[0])
        i++;
    if (i >= count)
        return NUMBERS_CONSTANT;
    if (effort == PACK_FAST)
        return best;
    const size_t tried = count < TRIAL_BYTES / 8 ? count : TRIAL_BYTES / 8;
    size_t least = try_form(numbers, tried, best, coder);
    for (number_form form = NUMBERS_VARIABLE; form < NUMBERS_FORMS; form++) {
        const size_t size = try_form(numbers, tried, form, coder);
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
        out_stream_number(table, count == 0 ? 0 : fold(numbers[0]));
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
    *self = (number_reader){.form = (number_form)form};
    if (form == NUMBERS_CONSTANT)
        self->constant = unfold(in_stream_number(table));
    self->plane_count = form == NUMBERS_CONSTANT ? 0
                        : form == NUMBERS_TOKENS ? 2
                        : form == NUMBERS_PLANES ? in_stream_byte(table)
                                                 : 1;
    if (form >= NUMBERS_FORMS || self->plane_count > NUMBERS_PLANES_MAX || table->is_short)
        return 0;
    for (unsigned i = 0; i < self->plane_count; i++)
        self->streams[i] = stream_reader_take(from);
    return 1;
}

static uint64_t read_bits(number_reader *self, unsigned count)
{
    uint64_t value = 0;
    unsigned have = 0;
    while (have < count) {
        if (self->bit_count == 0) {
            self->bits = in_stream_byte(&self->streams[1]);
            self->bit_count = 8;
        }
        const unsigned step = count - have < self->bit_count ? count - have : self->bit_count;
        value |= (self->bits & ((UINT64_C(1) << step) - 1)) << have;
        self->bits >>= step;
        self->bit_count -= step;
        have += step;
    }
    return value;
}

int64_t number_reader_next(number_reader *self)
{
    uint64_t folded = 0;
    switch (self->form) {
    case NUMBERS_CONSTANT:
        return self->constant;
    case NUMBERS_TOKENS: {
        const unsigned token = in_stream_byte(&self->streams[0]);
        if (token < SMALL)
            return unfold(token);
        const unsigned top = (token - SMALL) / 4 + SMALL_BITS;
        folded = (UINT64_C(4) | ((token - SMALL) & 3)) << (top - 2);
        return unfold(folded | read_bits(self, top - 2));
    }
    case NUMBERS_VARIABLE:
        return unfold(in_stream_number(&self->streams[0]));
    case NUMBERS_PLANES:
        for (unsigned i = 0; i < self->plane_count; i++)
            folded |= (uint64_t)in_stream_byte(&self->streams[i]) << (8 * i);
        return unfold(folded);
    case NUMBERS_FORMS:
        break;
    }
    return 0;
}

int number_reader_is_short(const number_reader *self)
{
    int is_short = 0;
    for (unsigned i = 0; i < self->plane_count; i++)
        is_short |= self->streams[i].is_short;
    return is_short;
}
