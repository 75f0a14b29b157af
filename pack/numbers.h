/* Lists of signed numbers as byte streams (format/PACK.md, "Numbers"). The writer takes the form
 * that is shortest after compression; its number is in the table of the chunk. One thread. */
#ifndef TD_PACK_NUMBERS_H
#define TD_PACK_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

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

/* Estimate of the bits that a list takes. */
double numbers_cost(const int64_t *numbers, size_t count);

/* Write a list: its form to the table, its streams to the writer. coder: for trials. */
void numbers_write(const int64_t *numbers, size_t count, pack_effort effort, codec *coder,
                   out_stream *table, stream_writer *to);

/* Zero-initialise. */
typedef struct number_reader {
    number_form form;
    int64_t constant;
    in_stream streams[NUMBERS_PLANES_MAX];
    unsigned plane_count;
    uint64_t bits;
    unsigned bit_count;
} number_reader;

/* Begin to read a list. 0: the table is wrong. */
int number_reader_open(number_reader *self, in_stream *table, stream_reader *from);

/* The next number; 0 beyond the end (number_reader_is_short). */
int64_t number_reader_next(number_reader *self);
int number_reader_is_short(const number_reader *self);

#endif
