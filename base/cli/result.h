/* A verb's result, described once and printed as JSON for programs or as text for people.
 *
 * A verb adds the fields of its result in the order of the JSON document, with objects and lists
 * between them. As JSON each field is written immediately. As text each object has a pattern that
 * is filled with its fields, formatted by kind (1,016,334; 1.2 GiB; 2021-04-17 16:43:06.801). The
 * text of a list is the texts of its rows, or a table.
 *
 *   {name}           the text of a field, "" for null; {a.b}: of field b of the object a
 *   {name|none}      "none" if the field is empty: 0, "", false, null, no rows
 *   {name noun}      a number and its noun, "1 frame", "1,016,334 frames"; a list's row count
 *   {name one/many}  the first words if the number is 1, else the second
 *   {*, }            the object's own fields, "name text", with ", " between them
 *   [...]            left out if the first field in it is empty
 *   [{name?} ...]    the same with a field that is not printed
 *   [{name!} ...]    left out unless that field is empty
 *
 * A name is looked up in the object itself, then in the enclosing ones. Fields that people do not
 * need are in no pattern. Fields that programs do not need, because they follow from other fields,
 * are notes, which JSON omits.
 *
 * Names are borrowed until result_end; texts are copied, and escaped for screens (base/escape.h).
 * Wrong names, patterns or nesting fail an assertion. One thread. */
#ifndef TD_CLI_RESULT_H
#define TD_CLI_RESULT_H

#include <stdint.h>

#include "base/decimal.h"
#include "base/cli/option_groups.h"
#include "base/cli/output.h"
#include "base/cli/table.h"
#include "base/cli/terminal.h"

typedef struct result_field result_field;

typedef struct result_writer {
    output_stream *output;
    json_writer *json; /* NULL: text */
    /* Only for text: */
    td_buf page;          /* texts of all fields and of ended objects and lists */
    result_field *fields; /* of the open objects and lists; ended objects and lists are fields */
    size_t field_count;
    size_t scope;                /* index of the innermost open object or list */
    const table_column *columns; /* columns of the current table */
    size_t column_count;
    size_t table_list; /* index of the list with the table's rows */
} result_writer;

/* Start to describe results for output, which is borrowed, in the given form. */
void result_begin(result_writer *r, output_stream *output, const json_options *form);

/* Free everything; drops text that is still open because the verb failed. A failed write is
 * reported by output_finish. */
void result_end(result_writer *r);

/* Begin and end an object. The name is NULL for a row of a list and for a document. A document is a
 * top-level object, one line of JSON. The pattern is the object's text; NULL: no text. A document's
 * text is wrapped at spaces to fit a terminal. A table's row uses the columns' patterns instead. */
void result_object_begin(result_writer *r, const char *name);
void result_object_end(result_writer *r, const char *pattern);

/* Begin and end a list of objects, or a list whose text is a table (base/cli/table.h). Only one
 * table at a time. */
void result_list_begin(result_writer *r, const char *name);
void result_table_begin(result_writer *r, const char *name, const table_column *columns,
                        size_t count);
void result_list_end(result_writer *r);

/* Add a field. A count of UINT64_MAX is unknown: null in JSON, "?" as text. A time of 0 is "-" as
 * text. In JSON times, sizes and fractions (mantissa / 10^places) are numbers, decimals are
 * strings. Text NULL is null. */
void result_count(result_writer *r, const char *name, uint64_t count);
void result_number(result_writer *r, const char *name, uint64_t number); /* without separators */
void result_size(result_writer *r, const char *name, uint64_t bytes);
void result_time(result_writer *r, const char *name, uint64_t ns);
void result_instant(result_writer *r, const char *name,
                    uint64_t ns); /* a time with all its digits */
void result_signed(result_writer *r, const char *name, int64_t number);    /* never empty */
void result_decimal(result_writer *r, const char *name, td_decimal value); /* never empty */
void result_fraction(result_writer *r, const char *name, uint64_t mantissa, uint8_t places);
void result_text(result_writer *r, const char *name, const char *text);
void result_bool(result_writer *r, const char *name, int value);
void result_null(result_writer *r, const char *name);

/* Text; "" is null. */
static inline void result_name(result_writer *r, const char *name, const char *text)
{
    result_text(r, name, text == NULL || text[0] == '\0' ? NULL : text);
}

/* A time; 0 is null. */
static inline void result_time_or_null(result_writer *r, const char *name, uint64_t ns)
{
    if (ns == 0)
        result_null(r, name);
    else
        result_time(r, name, ns);
}

/* Add a field for people only. */
void result_note(result_writer *r, const char *name, const char *format, ...) TD_PRINTF(3, 4);
void result_duration(result_writer *r, const char *name, uint64_t ns);
void result_styled(result_writer *r, const char *name, terminal_style style, const char *text);
void result_filled(result_writer *r, const char *name,
                   const char *pattern); /* filled with the fields so far */

/* The writer for fields for programs only; NULL if the form is text. */
static inline json_writer *result_json(const result_writer *r)
{
    return r->json;
}

#endif
