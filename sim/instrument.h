/* What the simulated exchange trades: symbols with their price and size grids, per family. The
 * first ones carry real names and the grids of the recordings (2021); more are made up. Constant
 * data. */
#ifndef TD_SIM_INSTRUMENT_H
#define TD_SIM_INSTRUMENT_H

#include <stdint.h>

#include "base/err.h"

/* How frames of a family look (docs/wire.md 2). */
typedef enum frame_shape {
    SHAPE_INVERSE, /* numbers as numbers, sizes whole contracts */
    SHAPE_LINEAR,  /* numbers as strings, sizes fractions of the coin */
} frame_shape;

enum {
    INSTRUMENT_NAME_BYTES = 24,
    INSTRUMENTS_MAX = 10000, /* made-up names have four digits */
};

typedef struct instrument {
    char symbol[INSTRUMENT_NAME_BYTES];
    uint32_t id;          /* the exchange's number, from 1 */
    uint8_t price_places; /* decimal places that prices are written with */
    int64_t tick;         /* price step, in units of the last place */
    int64_t first_price;  /* in ticks */
    uint8_t size_places;  /* of a lot: 0 = whole contracts */
    int64_t lots_typical; /* size of a usual order */
} instrument;

/* The index-th instrument of a shape's families, 0 to INSTRUMENTS_MAX - 1. */
instrument instrument_make(frame_shape shape, uint32_t index);

#endif
