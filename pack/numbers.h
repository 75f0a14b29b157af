/* Lists of signed numbers as byte streams (format/PACK.md, "Numbers"). The writer takes the form
 * that is shortest after compression; its number is in the table of the chunk. One thread. */
#ifndef TD_PACK_NUMBERS_H
#define TD_PACK_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "pack/pack.h"
#include "pack/streams.h"

typedef enum number_form {
    NUMBERS_CONSTANT, /* all are equal: the number is in the table */
    NUMBERS_TOKENS,   /* a token of 1 byte, and further bits */
    NUMBERS_VARIABLE, /* 7 bits in a byte */
    NUMBERS_PLANES,   /* all lowest bytes, then all second bytes, … */
    NUMBERS_FORMS,
} number_form;

enum { NUMBERS_PLANES_MAX = 8 };

/* A number n as one without a sign: 2n, or -2n - 1. */
static inline uint64_t number_fold(int64_t number)
{
    return (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0);
}

/* A token is a number below 16; or its bit length, and the two bits after its first one. */
enum { TOKEN_SMALL = 16, TOKEN_SMALL_BITS = 4, TOKEN_COUNT = 256 };

/* The token of a folded number, and how many further bits it has. */
static inline uint8_t number_token(uint64_t folded, unsigned *bit_count)
{
    *bit_count = 0;
    if (folded < TOKEN_SMALL)
        return (uint8_t)folded;
    const unsigned top = 63 - (unsigned)__builtin_clzll(folded);
    *bit_count = top - 2;
    return (uint8_t)(TOKEN_SMALL + (top - TOKEN_SMALL_BITS) * 4 + (folded >> (top - 2) & 3));
}

/* Estimate of the bits that a list takes. Zero-initialise, and add its numbers. */
typedef struct numbers_cost {
    uint32_t seen[TOKEN_COUNT];
    uint64_t bits;
    size_t count;
} numbers_cost;

static inline void numbers_cost_add(numbers_cost *self, int64_t number)
{
    unsigned bit_count;
    self->seen[number_token(number_fold(number), &bit_count)]++;
    self->bits += bit_count;
    self->count++;
}

double numbers_cost_bits(const numbers_cost *self);

/* Write a list: its form to the table, its streams to the writer. coder: for trials. */
void numbers_write(const int64_t *numbers, size_t count, pack_effort effort, codec *coder,
                   out_stream *table, stream_writer *to);

/* Numbers are read some at a time. */
typedef struct number_reader {
    const int64_t *next, *end; /* numbers that were not taken yet, of `block` */
    int64_t *block;
    int64_t constant;   /* of NUMBERS_CONSTANT */
    in_stream *streams; /* of the stream_reader */
    uint64_t bit_at;    /* bits that were taken of the second one of NUMBERS_TOKENS */
    uint8_t form;       /* number_form */
    uint8_t plane_count;
    uint8_t is_short; /* 1: more numbers were taken than there are */
} number_reader;

/* Begin to read a list. 0: the table is wrong. Call number_reader_fini also then. */
int number_reader_open(number_reader *self, in_stream *table, stream_reader *from);
void number_reader_fini(number_reader *self);

/* 1 if all numbers of the list are this one. */
static inline int number_reader_is_always(const number_reader *self, int64_t number)
{
    return self->form == NUMBERS_CONSTANT && self->constant == number;
}

/* The next number; 0 beyond the end (is_short). number_reader_refill reads further ones first. */
int64_t number_reader_refill(number_reader *self);
static inline int64_t number_reader_next(number_reader *self)
{
    const int64_t *number = self->next;
    if (TD_UNLIKELY(number == self->end))
        return number_reader_refill(self);
    self->next = number + 1;
    return *number;
}

#endif
