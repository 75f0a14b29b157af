/* Texts with places for values: requests and answers of dialects (docs/exchanges.md), and frames of
 * the simulated exchange (docs/families.md). A template is the text of a frame, with names in place
 * of values, so a topic needs no code:
 *
 *   {"topic":"$topic","ts":$ts:e3,"data":{"b":[@bids(["$price","$size"])],"u":$u}}
 *
 *   $name          a value; $name.PATH, where the value is an object
 *   $name:s        the value in a format: a letter of s, b, d, e and i, and after d, e and i a
 * digit
 *   @name(...)     repeated for each item of a list, with commas in between; in no other list
 *   ~(...)         omitted if a value in it is absent, or all values in it are as last shown
 *
 * Only texts with lists have formats. There, a colon between a value and a letter or digit begins
 * a format, and all round brackets are of lists and parts. Compiled once, when a document is read,
 * and constant from then on: any thread may render it. */
#ifndef TD_SCHEMA_TEMPLATE_H
#define TD_SCHEMA_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

typedef struct template template;

/* The names that a text can have (base/document.h). Values of words are ids, at most 255. */
typedef struct template_names {
    const struct document_word *values;
    size_t value_count;
    const struct document_word *lists;
    size_t list_count; /* 0: '@' is text, and values have no formats */
    unsigned object;   /* values from this id on are objects; 0: no value is */
} template_names;

/* Compile a template, which lives as long as the arena. TD_E_INVALID: err names the mistake, and
 * *out stays as it is. */
TD_MUST_USE td_result template_compile(td_arena *memory, const char *text,
                                       const template_names *names, const template **out,
                                       td_err *err);

/* What is in a template. */
typedef struct template_content {
    unsigned lists;      /* a bit for each list's id */
    unsigned last_value; /* the largest id of a value */
    size_t bytes;        /* the most that it is rendered to, without lists */
    size_t item_bytes;   /* the same of one item of each list */
} template_content;

/* Get the lists, values and sizes of a template. */
void template_describe(const template *t, template_content *out);

/* 1 if a value with the id is in the template. */
int template_has(const template *t, unsigned id);

/* 1 if the template is exactly this text, without values. */
int template_is(const template *t, td_bytes text);

/* The values for a template. */
typedef struct template_source {
    void *user;
    /* Append a value. suffix: its format, "e3", or the path in the object, "a.b"; "": none.
     * *is_there becomes 0 if it is absent; what was appended then counts only outside of parts that
     * can be omitted. */
    td_result (*put)(void *user, unsigned id, const char *suffix, td_buf *out, int *is_there,
                     td_err *err);
    /* 1 if a value differs from the value last shown. NULL: all do. */
    int (*has_changed)(void *user, unsigned id);
    /* Set the values of the index-th item of a list; called with rising indexes from 0. Returns 0
     * at the end. */
    int (*next_item)(void *user, unsigned list, size_t index);
} template_source;

/* Append the frame to out. *parts, which may be NULL, becomes 0 if the template has parts that can
 * be omitted, and all of them were. Returns the errors of put; TD_E_LIMIT. */
TD_MUST_USE td_result template_render(const template *t, const template_source *source, td_buf *out,
                                      int *parts, td_err *err);

/* A place in a plain text (words of a refusal, an address), in which "$" is text: "{topic}". */
typedef struct template_word {
    const char *place;
    td_bytes text;
} template_word;

/* Write a plain text with these texts in its places, and a NUL; cut if it is too long. */
void template_fill(const char *text, const template_word *words, size_t count, char *out,
                   size_t out_bytes);

#endif
