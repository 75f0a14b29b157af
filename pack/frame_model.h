/* What the frames of a chunk have in common, as the writer learns it: templates, and the columns of
 * their values (format/PACK.md, "Templates"). A frame is first compared with the templates that its
 * channel had last, which reads its values on the way; a new template is made only where none fits.
 * The templates of a JSON text have a part for each number, string and time; any word and any
 * string is taken, because the bytes around values are kept as they are. One thread. */
#ifndef TD_PACK_FRAME_MODEL_H
#define TD_PACK_FRAME_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/row_table.h"
#include "pack/columns.h"
#include "pack/layout.h"
#include "pack/streams.h"

/* The place of a value in frames. */
typedef struct frame_place {
    uint64_t path;               /* of the value */
    uint64_t scale;              /* numbers with the same one are written alike */
    uint64_t owner, owner_scale; /* of the container that it is in */
    uint64_t map_key;            /* 0, or of an array's elements */
    unsigned depth;              /* containers around it */
} frame_place;

typedef struct model_column {
    uint64_t key;
    column_kind kind;
    uint32_t scale_group;
    uint32_t context; /* of an array's elements */
    uint64_t map_key; /* of numbers in elements of an array: the same for arrays of one object */
    uint32_t first_in_element; /* column of the first number of these elements, + 1 */
} model_column;

/* A value of a frame, in the order in which a reader needs them. */
typedef struct found_value {
    int64_t number;   /* without its point; a time; elements of an array; number of a template */
    const char *text; /* of a string */
    uint32_t size;
    uint16_t column;
    uint8_t kind;   /* part_kind; PART_ARRAY also for numbers of templates */
    uint8_t digits; /* of a number, after the point */
} found_value;

/* Templates that a channel, or the elements of an array, had last, the last one first. */
enum { RECENT_COUNT = 6 };

typedef struct model_context {
    frame_place place;
    uint16_t recent[RECENT_COUNT];
} model_context;

typedef struct model_part {
    uint8_t kind; /* part_kind */
    uint16_t column, elements;
    uint32_t literal_at, literal_size; /* in `bytes` */
} model_part;

typedef struct model_template {
    size_t begin, size; /* in `bytes` */
    size_t first_part, part_count;
} model_template;

/* Zero-initialise. */
typedef struct frame_model {
    model_column *columns;
    size_t column_count;
    uint64_t *scales; /* keys */
    size_t scale_count;
    model_template *templates; /* the first one is TEMPLATE_FIRST */
    size_t template_count;
    model_part *parts;
    size_t part_count;
    out_stream bytes; /* the parts as a chunk has them */
    model_context *contexts;
    size_t context_count;
    uint32_t channel_contexts[PACK_CHANNELS_MAX]; /* + 1 */
    row_table by_key, by_scale, by_template;
    found_value *found; /* of the last frame */
    size_t found_count, found_capacity;
    const uint8_t *begin, *end; /* of the frame being read */
    unsigned depth;             /* of arrays, at the value being read */
} frame_model;

void frame_model_fini(frame_model *self);

/* A column, made if it is new. Returns PACK_COLUMNS_MAX if there are too many. */
uint32_t frame_model_column(frame_model *self, uint64_t key, column_kind kind, uint64_t scale_key);

/* Read a frame's values; returns the number of its template. TEMPLATE_TEXT: it is no JSON text, is
 * nested too deeply, or would need too many columns, parts or templates. */
uint32_t frame_model_read(frame_model *self, uint16_t channel, td_bytes frame);

#endif
