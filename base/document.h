/* A document in YAML as nodes: mappings, lists and texts. Errors name the document and the line,
 * what is allowed there, and what was probably meant. Nodes are views, which are valid until the
 * document is closed; copies live as long as their arena. One thread per document. */
#ifndef TD_BASE_DOCUMENT_H
#define TD_BASE_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/document_set.h"
#include "base/err.h"

typedef struct document {
    const char *name; /* without ".yaml"; borrowed */
    void *yaml;       /* libyaml's document */
    document_source source;
} document;

/* A node, with its document. */
typedef struct document_node {
    const document *of;
    const void *at; /* libyaml's node; NULL: absent */
} document_node;

/* Why libyaml would need too much time or memory for a text of UTF-8, or NULL. It goes over all
 * open brackets for each token, over all anchors and %TAG directives for each further one, and
 * copies the prefix of a directive for each of its tags. Characters in texts count, too. */
const char *document_find_excess(td_bytes text);

/* Parse a text. name is for errors. TD_E_INVALID: it is not YAML in UTF-8, a mapping has a key
 * twice, or more than 256 keys, or document_find_excess has a reason; *out is then not open. */
TD_MUST_USE td_result document_open(document *out, const char *name, td_bytes text,
                                    document_source source, td_err *err);
void document_close(document *d);

/* ---- nodes: of absent nodes, and of nodes of another type, all is empty ---- */

document_node document_root(const document *of);
td_bytes document_text(document_node at); /* data NULL: not a text */
size_t document_size(document_node list);
document_node document_entry(document_node list, size_t index);
size_t document_pair_count(document_node mapping);
document_node document_key(document_node mapping, size_t index);
document_node document_value(document_node mapping, size_t index);

/* The value of a key; absent if the mapping has no such key. */
document_node document_find(document_node mapping, const char *key);

/* The line at which a node begins, from 1; 0 of an absent node. */
size_t document_line(document_node at);

/* ---- errors ---- */

/* Set an error about a node, "NAME.yaml:LINE: WHAT 'FOUND'", and return TD_E_INVALID. */
td_result document_refuse(document_node at, const char *what, td_bytes found, td_err *err);

/* As document_refuse, of the node's own text. */
td_result document_refuse_text(document_node at, const char *what, td_err *err);

/* As document_refuse, of what earlier versions ignored: TD_OK if the document is a kept one. */
TD_MUST_USE td_result document_refuse_ignored(document_node at, const char *what, td_bytes found,
                                              td_err *err);

/* A word and its meaning, which is not negative. */
typedef struct document_word {
    const char *word;
    int value;
} document_word;

/* Set an error's hint: the words that are allowed, and the one that was probably meant. */
void document_hint_words(td_bytes found, const document_word *allowed, size_t count, td_err *err);

/* As document_refuse, with this hint. */
td_result document_refuse_word(document_node at, const char *what, td_bytes found,
                               const document_word *allowed, size_t count, td_err *err);

/* ---- values ---- */

/* A text, copied. TD_E_INVALID: it is not a text. */
TD_MUST_USE td_result document_read_text(td_arena *memory, document_node at, const char **out,
                                         td_err *err);

/* A whole number from 0 to most. TD_E_INVALID. */
TD_MUST_USE td_result document_read_number(document_node at, uint64_t most, uint64_t *out,
                                           td_err *err);

/* A list of 1 to most texts, copied, which ends with NULL. TD_E_INVALID. */
TD_MUST_USE td_result document_read_texts(td_arena *memory, document_node list, size_t most,
                                          const char *const **out, td_err *err);

/* ---- mappings into structs ---- */

/* How the value of a key is read. */
typedef enum document_type {
    DOCUMENT_ELSEWHERE, /* not here: the key is only allowed */
    DOCUMENT_TEXT,      /* const char * */
    DOCUMENT_TRUE,      /* uint8_t: 1; only "true" is allowed */
    DOCUMENT_NUMBER,    /* size_t, at most `most` */
    DOCUMENT_WORD,      /* an enum: one of `words` */
    DOCUMENT_TEXTS,     /* const char *const *: a list of 1 to most texts, which ends with NULL */
    DOCUMENT_ARRAY,     /* const char *[]: up to most texts, and NULL */
    DOCUMENT_OWN,       /* by read() */
} document_type;

/* A key that a mapping may have, and the struct's member that it sets. */
typedef struct document_member {
    const char *key;
    document_type type;
    size_t offset; /* of the member in the struct; not used if ELSEWHERE or OWN */
    size_t most;
    const char *what; /* for WORD: "there is no kind", for errors */
    const document_word *words;
    size_t word_count;
    /* For OWN: out is the struct. */
    td_result (*read)(void *user, document_node at, void *out, td_err *err);
} document_member;

/* Set the members of a struct from a mapping, in its order. what: "a topic has no key", for errors.
 * user is passed to read(). Members whose keys are absent keep their values. TD_E_INVALID. */
TD_MUST_USE td_result document_read_members(document_node mapping, const char *what,
                                            const document_member *members, size_t count,
                                            td_arena *memory, void *user, void *out, td_err *err);

/* Refuse an unknown key that earlier versions ignored (document_refuse_ignored). */
TD_MUST_USE td_result document_check_keys(document_node mapping, const char *what,
                                          const document_member *members, size_t count,
                                          td_err *err);

/* ---- words ---- */

/* The value of a word; -1 if it is not in the table. */
int document_word_value(const document_word *table, size_t count, td_bytes word);

/* The value of a word that must be in the table. TD_E_INVALID: WHAT 'WORD'. */
TD_MUST_USE td_result document_read_word(document_node at, const char *what, td_bytes word,
                                         const document_word *table, size_t count, int *out,
                                         td_err *err);

/* The words of a text, which are separated by spaces. */
enum { DOCUMENT_WORDS_MAX = 12 };
typedef struct document_words {
    td_bytes at[DOCUMENT_WORDS_MAX];
    size_t count;
} document_words;

/* Split a text into words, at least one. TD_E_INVALID. */
TD_MUST_USE td_result document_split(document_node at, document_words *out, td_err *err);

#endif
