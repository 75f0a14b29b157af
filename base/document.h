/* A document in YAML as nodes: mappings, lists and texts, and rows by which they are read into
 * structs. Errors name the document and the line,
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
    td_arena *memory; /* for what is read; borrowed */
    void *user;       /* for the functions of rows; borrowed */
} document;

/* A node, or a word of its text, with its document. */
typedef struct document_node {
    const document *of;
    const void *at; /* libyaml's node; NULL: absent */
    int value;      /* of a mapping's key: the number of its value's node */
    td_bytes word;  /* data NULL: the node itself */
} document_node;

/* Why libyaml would need too much time or memory for a text of UTF-8, or NULL. It goes over all
 * open brackets for each token, over all anchors and %TAG directives for each further one, and
 * copies the prefix of a directive for each of its tags. Characters in texts count, too. */
const char *document_find_excess(td_bytes text);

/* Parse a text. name is for errors. TD_E_INVALID: it is not YAML in UTF-8, a mapping has a key
 * twice, or more than 256 keys, a second document follows, or document_find_excess has a reason;
 * *out is then not open. */
TD_MUST_USE td_result document_open(document *out, const char *name, td_bytes text,
                                    document_source source, td_arena *memory, td_err *err);
void document_close(document *d);

/* ---- nodes: of absent nodes, and of nodes of another type, all is empty ---- */

/* The node of the whole document; absent if the document is empty. */
document_node document_root(const document *of);
td_bytes document_text(document_node at); /* data NULL: not a text */
int document_is(document_node at, const char *text);
size_t document_size(document_node list);
document_node document_entry(document_node list, size_t index);
size_t document_pair_count(document_node mapping);
document_node document_key(document_node mapping, size_t index);
document_node document_value(document_node mapping, size_t index);
document_node document_value_of(document_node key); /* of a key that document_key returned */

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

/* As document_refuse_text, with this hint. */
td_result document_refuse_word(document_node at, const char *what, const document_word *allowed,
                               size_t count, td_err *err);

/* ---- values ---- */

/* A copy of a text; "" of another node. */
TD_NEVER_NULL const char *document_copy(document_node at);

/* A text, copied. TD_E_INVALID: it is not a text. */
TD_MUST_USE td_result document_read_text(document_node at, const char **out, td_err *err);

/* A whole number from 0 to most. TD_E_INVALID. */
TD_MUST_USE td_result document_read_number(document_node at, uint64_t most, uint64_t *out,
                                           td_err *err);

/* A list of 1 to most texts, copied, which ends with NULL. TD_E_INVALID. */
TD_MUST_USE td_result document_read_texts(document_node list, size_t most, const char *const **out,
                                          td_err *err);

/* ---- words ---- */

/* The value of a word; -1 if it is not in the table. */
int document_word_value(const document_word *table, size_t count, td_bytes word);

/* The value of a text that must be a word of the table. TD_E_INVALID: WHAT 'TEXT'. */
TD_MUST_USE td_result document_read_word(document_node at, const char *what,
                                         const document_word *table, size_t count, int *out,
                                         td_err *err);

/* The words of a text, which are separated by spaces. */
enum { DOCUMENT_WORDS_MAX = 12 };
typedef struct document_words {
    document_node at[DOCUMENT_WORDS_MAX];
    size_t count;
} document_words;

/* Split a text into words, at least one. TD_E_INVALID. */
TD_MUST_USE td_result document_split(document_node at, document_words *out, td_err *err);

/* ---- rows: what a mapping or a text may have, and the struct's members that it sets ---- */

/* How a value is read. */
typedef enum document_type {
    DOCUMENT_ELSEWHERE, /* not here: the key is only allowed */
    DOCUMENT_MAPPING,   /* the same, of a mapping */
    DOCUMENT_TEXT,      /* const char * */
    DOCUMENT_TRUE,      /* uint8_t: 1; only "true" is allowed */
    DOCUMENT_NUMBER,    /* size_t, at most `most` */
    DOCUMENT_WORD,      /* an enum: one of `words` */
    DOCUMENT_BIT,       /* uint8_t: the value of one of `words` is added */
    DOCUMENT_TEXTS,     /* const char *const *: a list of 1 to most texts, which ends with NULL */
    DOCUMENT_ARRAY,     /* const char *[]: up to most texts, and NULL */
    DOCUMENT_STRUCT,    /* a struct: a mapping, by `table` */
    DOCUMENT_POINTER,   /* the same, a pointer to a struct of `size` bytes */
    DOCUMENT_ROWS,      /* an array of `most` structs of `size` bytes: a list */
    DOCUMENT_PAIRS,     /* the same: a mapping */
    DOCUMENT_LIST,      /* a pointer to such an array, with an empty struct at its end: a list */
    DOCUMENT_MAP,       /* the same: a mapping */
    DOCUMENT_OWN,       /* by read() */
} document_type;

typedef struct document_table document_table;
typedef struct document_form document_form;

typedef struct document_member {
    const char *key; /* of a mapping; texts have words by position */
    document_type type;
    size_t offset;       /* of the member in the struct */
    size_t count_offset; /* of a size_t, the number of structs that are read so far; 0: not kept */
    size_t size, least, most;
    uint8_t is_needed;
    const char *what; /* of WORD and BIT: "there is no kind"; of arrays: "entries"; for errors */
    const document_word *words;
    size_t word_count;
    const document_table *table; /* of a struct, or of each in an array: it is a mapping */
    const document_form *form;   /* of each in an array: it is a text */
    /* OWN: read the value into the member. Arrays without table and form: read an entry of the
     * list, or a pair of the mapping by its key, into a struct. All structs begin with zeros,
     * except DOCUMENT_STRUCT, which keeps what it has. */
    td_result (*read)(document_node at, void *member, td_err *err);
} document_member;

/* The type, and the member of a struct, in a row. */
#define DOCUMENT_AT(kind, of, member) .type = DOCUMENT_##kind, .offset = offsetof(of, member)
#define DOCUMENT_CHOICE(table)        .words = (table), .word_count = sizeof(table) / sizeof(table)[0]
#define DOCUMENT_MEMBERS(table)       .members = (table), .count = sizeof(table) / sizeof(table)[0]

/* The keys of a mapping. */
struct document_table {
    const char *name; /* "a topic", for errors */
    const document_member *members;
    size_t count;        /* at most 64 */
    uint8_t was_ignored; /* 1: earlier versions ignored unknown keys */
    /* May be NULL. Check, or complete, the struct, when all members are read. */
    td_result (*check)(document_node mapping, void *out, td_err *err);
};

/* The words of a text. */
struct document_form {
    const char *text; /* "a field is \"KEY MEANING TYPE\", not", for errors */
    const document_member *members;
    size_t count;       /* by position; the last one is also for all further words */
    size_t least, most; /* number of words */
};

/* Set the members of a struct from a mapping, in the order of the table. Members whose keys are
 * absent keep their values. TD_E_INVALID. */
TD_MUST_USE td_result document_read_members(document_node mapping, const document_table *table,
                                            void *out, td_err *err);

/* Set the members of a struct from a text. TD_E_INVALID. */
TD_MUST_USE td_result document_read_form(document_node at, const document_form *form, void *out,
                                         td_err *err);

/* Set the member of a row. TD_E_INVALID. */
TD_MUST_USE td_result document_read_member(document_node at, const document_member *row, void *out,
                                           td_err *err);

/* Refuse what is not a mapping, which earlier versions ignored (document_refuse_ignored). */
TD_MUST_USE td_result document_check_mapping(document_node at, td_err *err);

/* Refuse an unknown key that earlier versions ignored (document_refuse_ignored). */
TD_MUST_USE td_result document_check_keys(document_node mapping, const document_table *table,
                                          td_err *err);

#endif
