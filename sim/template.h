/* Templates: frames as text. A template is the text of a frame, with names in place of values, so a
 * topic needs no code:
 *
 *   {"topic":"$topic","ts":$ts:e3,"data":{"b":[@bids(["$price","$size"])],"u":$u}}
 *
 *   $name          a value, with all its decimal places; a text unchanged
 *   $name:s        in its shortest form            $name:b    true or false
 *   $name:e4       times 10^4, as a whole number; for a time :e3 means ms
 *   $name:d3       with 3 decimal places, cut: a time in seconds
 *   $name:i3       a time as RFC 3339 text, with 3 digits of the fraction of a second
 *   @name(...)     repeated for each item of a list, with commas in between; in no other list
 *   ~(...)         omitted unless a value in it differs from the value last shown
 *
 * sim/value.h lists the values. A colon between a value and a letter or digit begins a format.
 * Compiled once, when a document is read, and constant from then on: any thread may render it. */
#ifndef TD_SIM_TEMPLATE_H
#define TD_SIM_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/buf.h"
#include "sim/value.h"

typedef struct template template;

/* Compile a template, which lives as long as the arena. TD_E_INVALID: err names the mistake, and
 * *out stays as it is. */
TD_MUST_USE td_result template_compile(td_arena *memory, const char *text, const template **out,
                                       td_err *err);

/* What is in a template. */
typedef struct template_content {
    unsigned lists;          /* a bit for each sim_list_id */
    sim_value_id last_value; /* the last one, in the order of SIM_VALUES */
    size_t bytes;            /* the most that it is rendered to, without lists */
    size_t item_bytes;       /* the same of one item of each list */
} template_content;

void template_describe(const template *t, template_content *out);

/* The names of values and lists, for errors; constants. */
const char *template_value_name(sim_value_id id);
const char *template_list_name(sim_list_id id);

/* The values for a template. */
typedef struct template_source {
    sim_value *values;      /* SIM_COUNT values; next_item may change them */
    const sim_value *shown; /* the values last shown; NULL: include all optional parts */
    /* Set the values of the index-th item of a list; called with rising indexes from 0. Returns 0
     * at the end. */
    int (*next_item)(void *user, sim_list_id list, size_t index, sim_value *values);
    void *user;
} template_source;

/* Append the frame to out, which must have space. Returns 0, with out unchanged, if the template
 * has optional parts and all were omitted. */
int template_render(const template *t, const template_source *source, td_buf *out);

#endif
