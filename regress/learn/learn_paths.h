/* Statistics of the values in frames, by path: "data.b[].0" is the first element of each list in
 * the list data.b, "events[].type" a member of each object in the list events. Only for
 * regress/learn. One thread. */
#ifndef TD_LEARN_PATHS_H
#define TD_LEARN_PATHS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/json/json.h"

enum {
    LEARN_TOPICS_MAX = 64, /* as many as a document may have */
    LEARN_PATHS_MAX = 512, /* per table; further ones are not looked at */
    LEARN_WORDS_MAX = 256, /* different texts that are kept of a path */
    LEARN_WORD_BYTES_MAX = 96,
    LEARN_ELEMENTS_MAX = 64, /* of a list, that are looked at */
    LEARN_PATH_BYTES = 256,  /* values at longer ones are not looked at */
};

/* What the values at a path are. */
typedef struct path_stat {
    char *path;
    uint32_t values, frames;                    /* how many; in how many frames */
    uint32_t texts, numbers, bools, containers; /* values of these types; the rest are null */
    uint32_t whole, decimal; /* numbers, and texts that are numbers, without and with a point */
    uint32_t zeros;          /* of these, equal to 0 */
    uint32_t digits_min, digits_max; /* of the whole part of these */
    uint32_t rfc3339;                /* texts that are such times */
    char *words[LEARN_WORDS_MAX];    /* different texts of at most LEARN_WORD_BYTES_MAX */
    size_t word_count;
    uint8_t has_more_words;
    uint32_t last_frame; /* number of the last frame that has it, from 1 */
} path_stat;

typedef struct path_table {
    td_arena *memory; /* borrowed */
    path_stat *at[LEARN_PATHS_MAX];
    size_t count;
    size_t next;     /* where the next path is expected: frames have the same order */
    uint32_t frames; /* that were added */
} path_table;

/* Add a frame's values. */
void path_table_add(path_table *table, json_value frame);

/* The path's statistics; NULL: no value is there. */
const path_stat *path_table_find(const path_table *table, const char *path);

/* The last key of a path: "0" of "data.b[].0", "b" of "data.b". */
const char *path_key(const char *path);

/* Bytes of a path up to and with its last "[]"; 0: it is in no list. */
size_t path_list(const char *path);

/* A path as documents have it: without "[]", in out; or "." for the frame. */
const char *path_plain(const char *path, char out[LEARN_PATH_BYTES]);

#endif
