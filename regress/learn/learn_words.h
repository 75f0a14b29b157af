/* What words of exchanges usually mean: a dictionary of keys, and the looks of symbols and kinds.
 * Guesses for regress/learn; a user corrects them. Pure functions over constants. */
#ifndef TD_LEARN_WORDS_H
#define TD_LEARN_WORDS_H

#include "regress/learn/learn_paths.h"
#include "schema/message.h"
#include "schema/topic.h"

/* 1 if a text looks like a symbol: BTC-USD, btcusdt, BTC-24SEP21-8000-P. */
int learn_is_symbol(td_bytes text);

/* 1 if most texts of a path look like symbols. */
int learn_has_symbols(const path_stat *stat);

/* How likely a key names topics: 1 (like any) to 9. */
enum { LEARN_RANK_SURE = 7 };
int learn_topic_rank(const char *key);

/* 1 if a text can be in a document without quotes. */
int learn_is_word(const char *text);

/* 1 if a word in a frame with a topic tells that it is an answer, or a heartbeat. */
int learn_is_answer(td_bytes word);

/* The class of a control frame with this word, as documents have it; NULL: not known. */
const char *learn_class_of(const char *word);

/* The kind of frames that a word names; FRAME_UNTYPED: none. */
frame_kind learn_kind_of(const char *word);

/* 1 if the key is that of a list of bids, or of asks. */
int learn_is_bids(const char *key);
int learn_is_asks(const char *key);

/* A field's meaning, as a document has it. */
typedef struct learn_field {
    msg_member member; /* MEMBER_NONE: not known */
    const char *type;  /* of a document: "decimal price", "time ms" */
    size_t rank; /* of two keys that may have the member, the one with the lower rank has it */
} learn_field;

/* What the values at a path probably are, by their key, in messages of this type, of an entry or of
 * the frame itself (place). */
typedef enum learn_place { LEARN_ENTRY, LEARN_ENVELOPE } learn_place;
learn_field learn_meaning(const path_stat *stat, const char *key, msg_type of, learn_place place);

/* 1 if the texts tell what happened to a level: new, change, delete. */
int learn_has_actions(const path_stat *stat);

/* 1 if the texts are sides. */
int learn_has_sides(const path_stat *stat);

/* The type that the values have, without a meaning: "integer". */
const char *learn_type(const path_stat *stat);

#endif
