/* Decode plans: a topic's row, prepared for the decoders.
 *
 * Keys become words that are compared eight bytes at a time, paths a small tree of nodes. A plan
 * also predicts the order of keys from earlier frames, so each plan belongs to one thread. */
#ifndef TD_SCHEMA_DECODE_PLAN_H
#define TD_SCHEMA_DECODE_PLAN_H

#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/json/json.h"
#include "schema/message.h"
#include "schema/topic.h"

/* ---- keys ---- */

enum { KEY_NONE = 0xff, KEY_WORD_BYTES = 16 };
_Static_assert((int)TOPIC_FIELDS_MAX < (int)KEY_NONE, "an index of a field fits in a byte");
_Static_assert((int)KEY_WORD_BYTES <= (int)JSON_PADDING_BYTES,
               "keys are compared past the end of a text");

/* A key and its closing quote as two words; the bytes of a longer key that do not fit are compared
 * one by one. */
typedef struct key_word {
    uint64_t word[2];
    uint64_t mask[2];
    const char *text;
    uint32_t bytes; /* size of the key without the quote */
} key_word;

static inline uint64_t key_load(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* 1 if the string whose first byte is at p (after the quote) is this key. KEY_WORD_BYTES must be
 * readable. */
static inline int key_is(const key_word *key, const uint8_t *p)
{
    uint64_t differs = ((key_load(p) ^ key->word[0]) & key->mask[0]) |
                       ((key_load(p + 8) ^ key->word[1]) & key->mask[1]);
    if (differs != 0)
        return 0;
    return key->bytes < KEY_WORD_BYTES || (memcmp(p + KEY_WORD_BYTES, key->text + KEY_WORD_BYTES,
                                                  key->bytes - KEY_WORD_BYTES) == 0 &&
                                           p[key->bytes] == '"');
}

/* Prepare a key; text is borrowed. */
void key_word_init(key_word *key, td_bytes text);

/* The keys of an object. guess[i] is the key at position i of the object that was read last. */
typedef struct key_set {
    uint32_t count;
    key_word *keys;
    uint8_t *guess; /* count + 1 entries; the last one is used for all later positions */
} key_set;

/* Index of the key at p (see key_is), which is at position `place` in its object; KEY_NONE if it is
 * not in the set. Keys after the place are tried first: most objects lack some, in the set's order.
 */
static inline uint32_t key_set_find(key_set *set, uint32_t place, const uint8_t *p)
{
    uint32_t guess_index = place < set->count ? place : set->count;
    uint32_t guess = set->guess[guess_index];
    if (guess < set->count && key_is(&set->keys[guess], p))
        return guess;
    for (uint32_t k = 0, i = guess_index; k < set->count; k++, i++) {
        if (i >= set->count)
            i = 0;
        if (key_is(&set->keys[i], p)) {
            set->guess[guess_index] = (uint8_t)i;
            return i;
        }
    }
    return KEY_NONE;
}

/* key_set_find() for a key whose escapes are resolved. */
uint32_t key_set_find_text(key_set *set, uint32_t place, td_bytes text);

/* ---- plans ---- */

enum { PLAN_NODES_MAX = 8, PLAN_NODE_KEYS_MAX = 24, PLAN_INNER_MAX = 4, PLAN_NO_ITEMS = -1 };

/* The meaning of a key's value in an object on the path to entries. */
typedef enum target_kind {
    TARGET_TOPIC,
    TARGET_PARAMETER, /* a part of the topic that has a member of its own in the frame */
    TARGET_SYMBOL,
    TARGET_KIND,
    TARGET_FIELD,
    TARGET_NODE,
} target_kind;

typedef struct plan_target {
    target_kind kind;
    uint32_t index; /* index of the envelope field (TARGET_FIELD) or node (TARGET_NODE) */
} plan_target;

/* An object on the path to entries; node 0 is the frame itself. */
typedef struct plan_node {
    key_set keys;
    key_word words[PLAN_NODE_KEYS_MAX];
    uint8_t guesses[PLAN_NODE_KEYS_MAX + 1];
    plan_target targets[PLAN_NODE_KEYS_MAX];
    td_bytes path; /* from the frame to this node, in the syntax of rows; a view into a row */
    int8_t items[FRAME_ANY]; /* by kind of frame: index of the row's items whose entries are here,
                                or PLAN_NO_ITEMS */
    uint8_t has_values;      /* 1: values of the envelope are inside an entry here */
} plan_node;

/* The text that precedes a field's value if the fields are in the row's order: {"price": or
 * ,"size": */
enum { PLAN_LEAD_WORDS = 3 };
typedef struct plan_lead {
    uint64_t word[PLAN_LEAD_WORDS];
    uint64_t mask[PLAN_LEAD_WORDS];
    uint32_t bytes;
} plan_lead;

/* 1 if the text at p begins with the lead. Three words must be readable at p. */
static inline int plan_lead_is(const plan_lead *lead, const uint8_t *p)
{
    uint64_t differs = ((key_load(p) ^ lead->word[0]) & lead->mask[0]) |
                       ((key_load(p + 8) ^ lead->word[1]) & lead->mask[1]) |
                       ((key_load(p + 16) ^ lead->word[2]) & lead->mask[2]);
    return differs == 0;
}

/* Where the fast path stores a field of an entry. */
typedef enum fast_role {
    ROLE_UNREAD, /* not even its type: an optional text, or a time that another field has, too */
    ROLE_EXTRA,  /* the entry's struct has no member for the field */
    ROLE_PRICE,
    ROLE_SIZE,
    ROLE_SIDE,       /* "Buy" or "Sell" */
    ROLE_OTHER_SIDE, /* any other form of a side */
    ROLE_SYMBOL,
    ROLE_TIME,
    ROLE_CROSS_SEQ,
    ROLE_SEQ,
    ROLE_TRADE_ID,
    ROLE_TICK_DIRECTION,
    ROLE_BLOCK,
    ROLE_RPI,
    ROLE_COUNT,
} fast_role;

/* What the fast path makes of an entry. */
typedef enum fast_form {
    FORM_PAIR,  /* a level: an array of price, size and, maybe, the size of retail orders */
    FORM_LEVEL, /* a level of any other form */
    FORM_BEST,  /* the best levels of both sides (ITEMS_BEST) */
    FORM_TRADE,
    FORM_RECORD,
} fast_form;

enum { FAST_FIELDS_MAX = 63 }; /* per entry, because sets of fields are 64-bit masks */

typedef struct decode_plan {
    const topic_row *row;
    plan_node nodes[PLAN_NODES_MAX];
    uint32_t node_count;
    key_set entry; /* keys of an entry, in the order of the row's fields */
    key_word words[TOPIC_FIELDS_MAX];
    uint8_t guesses[TOPIC_FIELDS_MAX + 1];
    const kind_word *kind_words; /* the row's, or the default words */
    key_set kinds;               /* the kind words as keys, in the same order */
    key_word kind_keys[KIND_WORDS_MAX];
    uint8_t kind_guesses[KIND_WORDS_MAX + 1];
    uint8_t field_at[TOPIC_FIELDS_MAX]; /* of entries that are arrays: the field at each index, or
                                           KEY_NONE */
    key_set outer; /* keys of the objects around entries, for inherited fields. entry and outer have
                      an index for every field; a field that belongs to the other set has a key that
                      matches nothing */
    key_word outer_words[TOPIC_FIELDS_MAX];
    uint8_t outer_guesses[TOPIC_FIELDS_MAX + 1];
    key_set inner; /* keys of the objects in an entry that have fields; in entry these fields have
                      both keys, "descr.pair" */
    key_word inner_words[PLAN_INNER_MAX];
    uint8_t inner_guesses[PLAN_INNER_MAX + 1];
    uint8_t items_node[TOPIC_ITEMS_MAX];  /* for each item: the node with its entries */
    uint8_t is_followed[TOPIC_ITEMS_MAX]; /* 1: decode_rows() finds these entries by following their
                                             path, not on its first pass */
    int8_t list_instead[TOPIC_ITEMS_MAX]; /* a frame may have a list (ITEMS_LIST) instead of these
                                             items: index of the list's items, or PLAN_NO_ITEMS */
    uint32_t required_envelope;           /* a bit for each required field */
    uint32_t required_items[FRAME_ANY]; /* by kind: a bit for each of the row's items that the fast
                                           path must find */
    uint8_t part_count;  /* number of parts of the topic that have a member of their own in the
                            frame, outside of entries */
    uint8_t topic_bytes; /* length of the pattern before its first placeholder and dot. If other
                            members of the frame have the topic's other parts, the frame's topic key
                            has only this text */
    uint8_t has_coin;    /* the topic's symbol is a coin; the entries name symbols */
    uint8_t is_positional;
    uint8_t has_inherited;
    uint8_t has_twin[TOPIC_FIELDS_MAX]; /* 1: another field has the same member */
    plan_lead leads[FAST_FIELDS_MAX];
    uint32_t lead_count; /* number of fields before the first whose text is too long for a lead */
    uint8_t role_of[FAST_FIELDS_MAX]; /* fast_role of each field */
    uint64_t size_bit;                /* the bit of the size field */
    uint64_t required_fields;         /* a bit for each field that the fast path must find */
    uint64_t required_to_set;         /* also these, but not in deletes */
    uint64_t time_unit_ns;            /* unit of the entries' preferred time */
    uint64_t number_unit_ns;          /* topic_row_time_unit_ns */
    uint8_t has_rpi;                  /* levels have a separate size of retail orders */
    uint8_t has_symbol;               /* the topic's pattern has a symbol */
    uint8_t needs_kind;               /* the frame's kind determines which items count */
    uint8_t is_fast;                  /* 1: the fast path can read the topic */
    fast_form form;
    /* Fields of entries, or KEY_NONE. */
    uint8_t symbol_field;      /* a part of the topic, which the first entry must have */
    uint8_t parameter_field;   /* as symbol_field */
    uint8_t best_fields[2][2]; /* by side: price and size */
    uint8_t snapshot_node;     /* a frame with this node is a snapshot; or KEY_NONE */
    /* A bit for each field of an entry that has no place in the plain struct. */
    uint64_t extra_fields;
    uint64_t noted_fields; /* also those that may be the frame's time or number */
    const char *fault;     /* what is wrong with the row's paths; NULL: nothing */
    td_bytes fault_at;
} decode_plan;

/* What is wrong with the paths of a row's frames, or NULL; a constant. *where becomes the part of
 * the row that is wrong. */
const char *decode_plan_fault(const topic_row *row, td_bytes *where);

/* The parameters in a topic's name. */
td_bytes decode_plan_parameter(const decode_plan *p, const topic_match *topic);

/* 1 if a text in a frame is the topic of the frame's channel. */
int decode_plan_is_topic(const decode_plan *p, const topic_match *topic, td_bytes text);

/* ---- the plans of a decoder ---- */

enum { PLAN_CACHE_MAX = 256 };

/* Zero-initialise. */
typedef struct plan_cache {
    decode_plan *plans[PLAN_CACHE_MAX]; /* indexed by a hash of the row's address; NULL: unused */
    decode_plan *last;                  /* the plan that was used last, or NULL */
    uint32_t count;
} plan_cache;

/* Free all plans. */
void plan_cache_fini(plan_cache *cache);

/* As plan_cache_get(), for a row other than the last one. */
decode_plan *plan_cache_find(plan_cache *cache, const topic_row *row);

/* The plan of a row, built at the first call for this row; valid until the next call. The row must
 * be valid (schema/topic_check.h). */
static inline decode_plan *plan_cache_get(plan_cache *cache, const topic_row *row)
{
    return cache->last != NULL && cache->last->row == row ? cache->last
                                                          : plan_cache_find(cache, row);
}

#endif
