/* What the frames of one topic probably are: their message, entries, fields and rules. Only for
 * regress/learn. */
#ifndef TD_LEARN_TOPIC_H
#define TD_LEARN_TOPIC_H

#include "regress/learn/learn_paths.h"
#include "regress/learn/learn_place.h"
#include "regress/learn/learn_words.h"

enum { LEARN_LISTS_MAX = 6, LEARN_NUMBERS_MAX = 4, LEARN_SYMBOLS_MAX = 1024 };

/* Entries at a path. */
typedef struct learn_list {
    char *path;            /* of the statistics: "data.b[]", "data"; "" is the frame */
    const path_stat *stat; /* of the list or object itself; NULL: the frame */
    const char *side;      /* "buy", "sell"; NULL: entries have sides of their own, or none */
    uint8_t is_positional, is_optional;
} learn_list;

/* How a number of the frame changes from frame to frame of a symbol. */
typedef struct learn_number {
    const path_stat *stat;
    msg_member member;
    uint32_t steps, next, falls; /* compared; by one; back */
    uint32_t links;              /* equal to the frame before's number of another member */
} learn_number;

typedef struct learn_topic {
    char *name, *rest; /* "book", and "raw" of book.SYMBOL.raw or "" */
    path_table paths;
    uint32_t frames;
    const char *symbol_path;   /* NULL: the symbol is in the topic's text */
    const char *kind_path;     /* NULL: no member has a kind */
    const char *snapshot_path; /* only snapshots have it; NULL: no such path */
    msg_type type;
    learn_list lists[LEARN_LISTS_MAX];
    size_t list_count;
    learn_number numbers[LEARN_NUMBERS_MAX];
    size_t number_count;
    /* Last numbers by symbol, while frames are compared. */
    struct learn_symbol *symbols;
    size_t symbol_count;
} learn_topic;

/* Decide from the paths of all the topic's frames. */
void learn_topic_decide(learn_topic *topic, const topic_place *place, td_arena *memory);

/* Compare the numbers of a frame with the numbers of the previous frame of its symbol. After the
 * decision, with all frames in order. */
void learn_topic_compare(learn_topic *topic, json_value frame, td_bytes symbol);
void learn_topic_fini(learn_topic *topic);

/* 1 if the path is a field of the entries, or of the frame, besides topic, kind and symbol. *key is
 * the key by which the dictionary knows it: of lists that begin with what happened to a level, the
 * position after that. */
int learn_topic_entry_key(const learn_topic *topic, const topic_place *place, const path_stat *stat,
                          const char **key);
int learn_topic_is_envelope(const learn_topic *topic, const topic_place *place,
                            const path_stat *stat);

#endif
