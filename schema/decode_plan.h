/* Decode plans: a topic's row in the form in which decoders read frames by it.
 *
 * Keys are words that are compared eight bytes at a time, paths a small tree of nodes. A plan also
 * guesses the order in which keys come, from the frames before: one thread per plan. */
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

/* A key and its closing quote as two words; the rest of a longer key is compared as bytes. */
typedef struct key_word {
    uint64_t word[2];
    uint64_t mask[2];
    const char *text;
    uint32_t bytes; /* without the quote */
} key_word;

static inline uint64_t key_load(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* 1 if the string that begins at p (after its quote) is this key. KEY_WORD_BYTES are readable. */
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

void key_word_init(key_word *key, td_bytes text);

/* Some keys of one object. guess[i]: the key that was at place i in the last object. */
typedef struct key_set {
    uint32_t count;
    key_word *keys;
    uint8_t *guess; /* count + 1: the last one is for all later places */
} key_set;

/* Which key begins at p (as for key_is), the place-th of its object; KEY_NONE if none. */
static inline uint32_t key_set_find(key_set *set, uint32_t place, const uint8_t *p)
{
    uint32_t slot = place < set->count ? place : set->count;
    uint32_t guess = set->guess[slot];
    if (guess < set->count && key_is(&set->keys[guess], p))
        return guess;
    for (uint32_t i = 0; i < set->count; i++) {
        if (key_is(&set->keys[i], p)) {
            set->guess[slot] = (uint8_t)i;
            return i;
        }
    }
    return KEY_NONE;
}

/* As above, for a key with its escapes resolved. */
uint32_t key_set_find_text(key_set *set, uint32_t place, td_bytes text);

/* ---- plans ---- */

enum { PLAN_NODES_MAX = 8, PLAN_NODE_KEYS_MAX = 24, PLAN_NO_ITEMS = -1 };

/* What the value of a node's key is. */
typedef enum target_kind {
    TARGET_TOPIC,
    TARGET_PARAMETER, /* parts of the topic that stand beside it */
    TARGET_SYMBOL,
    TARGET_KIND,
    TARGET_FIELD,
    TARGET_NODE,
} target_kind;

typedef struct plan_target {
    target_kind kind;
    uint32_t index; /* of the envelope field, or of the node */
} plan_target;

/* An object on the way to entries; node 0 is the frame itself. */
typedef struct plan_node {
    key_set keys;
    key_word words[PLAN_NODE_KEYS_MAX];
    uint8_t guesses[PLAN_NODE_KEYS_MAX + 1];
    plan_target targets[PLAN_NODE_KEYS_MAX];
    td_bytes path; /* from the frame to here, as rows write paths; a view into the row's text */
    int8_t
        items[FRAME_ANY]; /* by kind of frame: the row's items that stand here, or PLAN_NO_ITEMS */
} plan_node;

/* The text before a field's value when fields are in the order of the row: {"price": or
 * ,"size": */
enum { PLAN_LEAD_WORDS = 3 };
typedef struct plan_lead {
    uint64_t word[PLAN_LEAD_WORDS];
    uint64_t mask[PLAN_LEAD_WORDS];
    uint32_t bytes; /* 0: too long to be compared at once */
} plan_lead;

/* 1 if the text at p begins with the lead. Three words are readable at p. */
static inline int plan_lead_is(const plan_lead *lead, const uint8_t *p)
{
    uint64_t differs = ((key_load(p) ^ lead->word[0]) & lead->mask[0]) |
                       ((key_load(p + 8) ^ lead->word[1]) & lead->mask[1]) |
                       ((key_load(p + 16) ^ lead->word[2]) & lead->mask[2]);
    return differs == 0 && lead->bytes != 0;
}

/* What a field of an entry is to the fast path. */
typedef enum fast_role {
    ROLE_UNREAD, /* the plain struct has no place for it */
    ROLE_PRICE,
    ROLE_SIZE,
    ROLE_SIDE,
    ROLE_IS_BUY, /* the side as a boolean */
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

/* Where the fast path puts a field of the envelope. */
typedef enum head_place {
    PLACE_NONE, /* plain structs have no place for it */
    PLACE_EXCHANGE_TIME,
    PLACE_MATCH_TIME,
    PLACE_CROSS_SEQ,
    PLACE_U,
    PLACE_SEQ,
} head_place;

enum { FAST_FIELDS_MAX = 63 }; /* of an entry: a bit for each */

typedef struct decode_plan {
    const topic_row *row;
    plan_node nodes[PLAN_NODES_MAX];
    uint32_t node_count;
    key_set entry; /* keys of an entry, in the order of the row's fields */
    key_word words[TOPIC_FIELDS_MAX];
    uint8_t guesses[TOPIC_FIELDS_MAX + 1];
    const kind_word *kind_words; /* the row's, or those of rows that have none */
    key_set kinds;               /* the same, in their order */
    key_word kind_keys[KIND_WORDS_MAX];
    uint8_t kind_guesses[KIND_WORDS_MAX + 1];
    key_set around; /* keys of the objects around entries, for inherited fields: as entry, each set
                       has a key that nothing matches where the field is of the other */
    key_word around_words[TOPIC_FIELDS_MAX];
    uint8_t around_guesses[TOPIC_FIELDS_MAX + 1];
    uint8_t items_node[TOPIC_ITEMS_MAX];  /* where the entries of each of the row's items stand */
    uint8_t is_followed[TOPIC_ITEMS_MAX]; /* decode_rows() finds them by their path, not on its
                                             first pass */
    int8_t list_instead[TOPIC_ITEMS_MAX]; /* which of the row's items replaces them if it is a list
                                             (ITEMS_LIST), or PLAN_NO_ITEMS */
    uint32_t required_envelope;           /* a bit for each field that must be there */
    uint32_t required_items[FRAME_ANY];   /* by kind: a bit for each of the items that the fast path
                                             must find */
    uint8_t part_count;                   /* parts of the topic that stand beside it */
    uint8_t envelope_role[TOPIC_ENVELOPE_MAX];     /* head_place of each field of the envelope */
    uint64_t envelope_unit_ns[TOPIC_ENVELOPE_MAX]; /* of times */
    uint8_t topic_bytes; /* of the pattern up to its first placeholder: what the frame's own topic
                            is where the rest of it stands elsewhere */
    uint8_t has_coin;    /* that is the topic's symbol; its entries name others */
    uint8_t is_positional;
    uint8_t has_inherited;
    uint8_t has_rival[TOPIC_FIELDS_MAX]; /* another field has the same member */
    plan_lead leads[FAST_FIELDS_MAX];
    uint8_t role_of[FAST_FIELDS_MAX]; /* fast_role of each field */
    uint64_t size_bit;                /* the size's among the fields of an entry */
    uint64_t required_fields;         /* a bit for each field that the fast path must find */
    uint64_t time_unit_ns;            /* of the entries' preferred time */
    uint8_t has_rpi;                  /* levels tell retail orders apart */
    uint8_t has_symbol;               /* the topic's pattern has one */
    uint8_t needs_kind;               /* which entries count depends on the frame's kind */
    uint8_t is_fast;                  /* the fast path of its type can read it */
    uint64_t beside_fields; /* of an entry: a bit for each that the plain struct has no place for */
} decode_plan;

/* ns in one unit of time; 0 for RFC 3339. */
uint64_t field_unit_ns(field_unit unit);

/* ---- the plans of a decoder ---- */

enum { PLAN_CACHE_MAX = 256 };

/* Zero-initialise. */
typedef struct plan_cache {
    decode_plan *plans[PLAN_CACHE_MAX]; /* by a hash of the row's address; NULL: free */
    decode_plan *last;                  /* one of them, or NULL */
    uint32_t count;
} plan_cache;

void plan_cache_fini(plan_cache *cache);

/* plan_cache_get() for another row than the last one. */
decode_plan *plan_cache_find(plan_cache *cache, const topic_row *row);

/* The plan of a sound row (tests/testing/row_faults.h), made at the first call for it. Valid until
 * the next call. */
static inline decode_plan *plan_cache_get(plan_cache *cache, const topic_row *row)
{
    return cache->last != NULL && cache->last->row == row ? cache->last
                                                          : plan_cache_find(cache, row);
}

#endif
