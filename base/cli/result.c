#include "base/cli/result.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/escape_format.h"
#include "base/time_text.h"
#include "base/cli/units.h"

#define NO_FIELD SIZE_MAX

struct result_field {
    const char *name; /* NULL: a row, or a document */
    size_t parent;    /* index of the enclosing object or list, or NO_FIELD */
    uint64_t value;   /* the number, a list's row count, or else 1; 0: empty */
    size_t text_at, text_size;
};

void result_begin(result_writer *r, output_stream *output, const json_options *form)
{
    *r = (result_writer){.output = output, .scope = NO_FIELD, .table_list = NO_FIELD};
    td_buf_init(&r->page, SIZE_MAX); /* only the result's own size limits it */
    r->json = form->is_json ? &output->json : NULL;
}

void result_end(result_writer *r)
{
    TD_ASSERT(r->json == NULL || r->json->depth == 0);
    td_free(r->fields);
    td_buf_fini(&r->page);
}

/* ---- fields of text ---- */

static void vprint(result_writer *r, const char *format, va_list values)
{
    td_result rc = td_escape_vprintf(&r->page, NULL, format, values);
    TD_ASSERT(rc == TD_OK); /* the page has no limit */
}

static void TD_PRINTF(2, 3) print(result_writer *r, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vprint(r, format, values);
    va_end(values);
}

/* Add a field without text. */
static result_field *add_field(result_writer *r, const char *name, uint64_t value)
{
    r->fields = td_array_grow(r->fields, r->field_count, sizeof *r->fields);
    result_field *field = &r->fields[r->field_count++];
    *field = (result_field){name, r->scope, value, r->page.size, 0};
    return field;
}

/* The field's text is the page from text_at to its end. */
static void end_text(result_writer *r, result_field *field)
{
    field->text_size = r->page.size - field->text_at;
}

static void add_text(result_writer *r, const char *name, uint64_t value, const char *text)
{
    result_field *field = add_field(r, name, value);
    print(r, "%s", text);
    end_text(r, field);
}

/* ---- patterns ---- */

/* The last field of this name in an object, or NO_FIELD. */
static size_t find_in(const result_writer *r, size_t scope, const char *name, size_t size)
{
    for (size_t i = r->field_count; i-- > 0;) {
        const result_field *field = &r->fields[i];
        if (field->parent == scope && field->name != NULL &&
            strncmp(field->name, name, size) == 0 && field->name[size] == '\0')
            return i;
    }
    return NO_FIELD;
}

/* Find the field "a.b": a in the open object or an enclosing one, b in a. */
static const result_field *find(const result_writer *r, const char *path)
{
    size_t size = strcspn(path, ". |?!}");
    size_t scope = r->scope;
    size_t at;
    while ((at = find_in(r, scope, path, size)) == NO_FIELD) {
        TD_ASSERT(scope != NO_FIELD); /* fails for a name that no field has */
        scope = r->fields[scope].parent;
    }
    while (path[size] == '.') {
        path += size + 1;
        size = strcspn(path, ". |?!}");
        at = find_in(r, at, path, size);
        TD_ASSERT(at != NO_FIELD);
    }
    return &r->fields[at];
}

/* Copy text within the page: reserving space first keeps the page from moving during the copy. */
static void print_text(result_writer *r, const result_field *field)
{
    td_buf_grow(&r->page, field->text_size);
    if (field->text_size > 0)
        td_buf_add(&r->page, r->page.data + field->text_at, field->text_size);
}

static void print_all(result_writer *r, const char *between, int between_size)
{
    const char *before = "";
    for (size_t i = r->scope + 1; i < r->field_count; i++) {
        if (r->fields[i].parent != r->scope)
            continue;
        print(r, "%.*s%s ", between_size, before, r->fields[i].name);
        print_text(r, &r->fields[i]);
        before = between;
    }
}

/* Print a placeholder; at: after its "{". Returns the text after its "}". */
static const char *print_field(result_writer *r, const char *at)
{
    const char *end = at + strcspn(at, "}");
    TD_ASSERT(*end == '}');
    if (*at == '*') {
        print_all(r, at + 1, (int)(end - at) - 1);
        return end + 1;
    }
    const result_field *field = find(r, at);
    const char *option = at + strcspn(at, " |?!}");
    int size = (int)(end - option) - 1;
    const char *slash = memchr(option, '/', (size_t)(end - option));
    if (*option == ' ' && slash != NULL) {
        int is_one = field->value == 1;
        print(r, "%.*s", (int)(is_one ? slash - option : end - slash) - 1,
              (is_one ? option : slash) + 1);
    } else if (*option == ' ') {
        print(r, "%s %.*s%s", field->value == UINT64_MAX ? "?" : format_count(field->value).text,
              size, option + 1, field->value == 1 ? "" : "s");
    } else if (*option == '|' && field->value == 0) {
        print(r, "%.*s", size, option + 1);
    } else if (*option == '|' || *option == '}') {
        print_text(r, field);
    }
    return end + 1;
}

/* 1 if an optional part must be omitted; part: after its "[". */
static int is_omitted(const result_writer *r, const char *part)
{
    const char *at = part + strcspn(part, "{]");
    TD_ASSERT(*at == '{');
    int is_empty = find(r, at + 1)->value == 0;
    return at[1 + strcspn(at + 1, " |?!}")] == '!' ? !is_empty : is_empty;
}

static void print_pattern(result_writer *r, const char *at)
{
    while (*at != '\0') {
        size_t plain = strcspn(at, "{[]");
        td_buf_add(&r->page, at, plain);
        at += plain;
        if (*at == '{')
            at = print_field(r, at + 1);
        else if (*at == '[' && is_omitted(r, at + 1))
            at += strcspn(at, "]");
        else if (*at != '\0')
            at++;
    }
}

/* ---- objects and lists ---- */

static void begin_container(result_writer *r, const char *name)
{
    result_field *field = add_field(r, name, 0);
    r->scope = (size_t)(field - r->fields);
}

void result_object_begin(result_writer *r, const char *name)
{
    if (r->json == NULL) {
        begin_container(r, name);
        return;
    }
    if (r->json->depth == 0)
        output_json_begin(r->output);
    if (name != NULL)
        json_write_key(r->json, name);
    json_write_object_begin(r->json);
}

/* Append a row's cells, which are its text until the table ends. */
static void add_cells(result_writer *r)
{
    for (size_t i = 0; i < r->column_count; i++) {
        print_pattern(r, r->columns[i].pattern);
        td_buf_add(&r->page, "", 1);
    }
}

/* Print a document's text: lines wider than the terminal are wrapped, and their continuation lines
 * are indented by two more. */
static void print_page(output_stream *output, const td_buf *page)
{
    const char *at = (const char *)page->data;
    const char *end = at + page->size;
    while (output->columns > 0 && at < end) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = next == NULL ? end : next;
        size_t indent = strspn(at, " ");
        for (size_t width = output->columns;; width = output->columns - indent - 2) {
            size_t bytes = terminal_line(at, (size_t)(line_end - at), width);
            output_bytes(output, td_bytes_of(at, bytes));
            at += bytes;
            if (at == line_end)
                break;
            output_printf(output, "\n%*s", (int)indent + 2, "");
            at += strspn(at, " ");
        }
        output_bytes(output, td_bytes_of(at, next != NULL));
        at += next != NULL;
    }
    if (at < end)
        output_bytes(output, td_bytes_of(at, (size_t)(end - at)));
}

/* Replace a row's field texts by the row's text, so that a list has only its rows' texts. */
static void end_row(result_writer *r, result_field *row, size_t text_at)
{
    td_buf *page = &r->page;
    size_t size = page->size - text_at;
    if (size > 0)
        memmove(page->data + row->text_at, page->data + text_at, size);
    page->size = row->text_at + size;
    r->field_count = (size_t)(row - r->fields);
    if (r->scope != NO_FIELD) {
        r->fields[r->scope].value++;
        return;
    }
    td_buf_add(page, "", 1); /* print_page needs a NUL */
    page->size--;
    print_page(r->output, page);
    td_buf_clear(page);
}

void result_object_end(result_writer *r, const char *pattern)
{
    if (r->json != NULL) {
        json_write_object_end(r->json);
        if (r->json->depth == 0)
            output_json_end(r->output);
        else
            output_json_item(r->output);
        return;
    }
    TD_ASSERT(r->scope != NO_FIELD);
    size_t text_at = r->page.size;
    result_field *object = &r->fields[r->scope];
    if (object->parent != NO_FIELD && object->parent == r->table_list)
        add_cells(r);
    else if (pattern != NULL)
        print_pattern(r, pattern);
    r->scope = object->parent;
    if (object->name == NULL) {
        end_row(r, object, text_at);
        return;
    }
    object->text_at = text_at;
    end_text(r, object);
    object->value = object->text_size > 0;
}

void result_list_begin(result_writer *r, const char *name)
{
    if (r->json == NULL) {
        begin_container(r, name);
    } else {
        json_write_key(r->json, name);
        json_write_array_begin(r->json);
    }
}

void result_table_begin(result_writer *r, const char *name, const table_column *columns,
                        size_t count)
{
    result_list_begin(r, name);
    if (r->json != NULL)
        return;
    TD_ASSERT(r->table_list == NO_FIELD);
    r->table_list = r->scope;
    r->columns = columns;
    r->column_count = count;
}

void result_list_end(result_writer *r)
{
    if (r->json != NULL) {
        json_write_array_end(r->json);
        return;
    }
    TD_ASSERT(r->scope != NO_FIELD);
    result_field *list = &r->fields[r->scope];
    if (r->scope == r->table_list) {
        size_t size = r->page.size - list->text_at;
        char *cells = td_alloc(size);
        if (size > 0)
            memcpy(cells, r->page.data + list->text_at, size);
        r->page.size = list->text_at;
        table_print(r->columns, r->column_count, td_bytes_of(cells, size), r->output->columns,
                    r->output->has_colour, &r->page);
        td_free(cells);
        r->table_list = NO_FIELD;
    }
    r->scope = list->parent;
    end_text(r, list);
}

/* ---- fields ---- */

/* Add a value that is a number or a word in JSON. */
static void add_value(result_writer *r, const char *name, uint64_t value, const char *json,
                      const char *text)
{
    if (r->json == NULL) {
        add_text(r, name, value, text);
        return;
    }
    json_write_key(r->json, name);
    json_write_raw(r->json, td_bytes_str(json));
}

static unit_text digits_of(uint64_t number)
{
    unit_text out;
    (void)snprintf(out.text, sizeof out.text, "%" PRIu64, number); /* fits */
    return out;
}

void result_count(result_writer *r, const char *name, uint64_t count)
{
    if (count == UINT64_MAX)
        add_value(r, name, count, "null", "?");
    else
        add_value(r, name, count, digits_of(count).text, format_count(count).text);
}

void result_number(result_writer *r, const char *name, uint64_t number)
{
    add_value(r, name, number, digits_of(number).text, digits_of(number).text);
}

void result_size(result_writer *r, const char *name, uint64_t bytes)
{
    add_value(r, name, bytes, digits_of(bytes).text, format_size(bytes).text);
}

/* Print the date, and the time with milliseconds, of "2021-04-17T16:43:05.489609000Z". */
void result_time(result_writer *r, const char *name, uint64_t ns)
{
    char all[TD_TIME_TEXT_BYTES];
    char text[TD_TIME_TEXT_BYTES] = "-";
    td_time_format(ns, all);
    if (ns != 0)
        (void)snprintf(text, sizeof text, "%.10s %.12s", all, all + 11); /* fits */
    add_value(r, name, ns, digits_of(ns).text, text);
}

void result_instant(result_writer *r, const char *name, uint64_t ns)
{
    char text[TD_TIME_TEXT_BYTES];
    td_time_format(ns, text);
    add_value(r, name, ns, digits_of(ns).text, text);
}

void result_signed(result_writer *r, const char *name, int64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, number); /* fits */
    add_value(r, name, 1, text, text);
}

void result_decimal(result_writer *r, const char *name, td_decimal value)
{
    char text[TD_DECIMAL_TEXT_BYTES];
    (void)td_decimal_format(value, text); /* the length is not needed */
    result_text(r, name, text);
}

void result_fraction(result_writer *r, const char *name, uint64_t mantissa, uint8_t places)
{
    td_decimal value = {mantissa > INT64_MAX ? INT64_MAX : (int64_t)mantissa, places};
    char text[TD_DECIMAL_TEXT_BYTES];
    (void)td_decimal_format(value, text); /* the length is not needed */
    add_value(r, name, mantissa, text, text);
}

void result_text(result_writer *r, const char *name, const char *text)
{
    if (r->json != NULL)
        json_write_member_text(r->json, name, text);
    else
        add_text(r, name, text != NULL && text[0] != '\0', text == NULL ? "" : text);
}

void result_bool(result_writer *r, const char *name, int value)
{
    add_value(r, name, value != 0, value ? "true" : "false", "");
}

void result_null(result_writer *r, const char *name)
{
    result_text(r, name, NULL);
}

void result_note(result_writer *r, const char *name, const char *format, ...)
{
    if (r->json != NULL)
        return;
    result_field *field = add_field(r, name, 0);
    va_list values;
    va_start(values, format);
    vprint(r, format, values);
    va_end(values);
    end_text(r, field);
    field->value = field->text_size > 0;
}

void result_duration(result_writer *r, const char *name, uint64_t ns)
{
    char text[TD_TIME_TEXT_BYTES];
    td_duration_format(ns, text);
    result_note(r, name, "%s", text);
}

void result_styled(result_writer *r, const char *name, terminal_style style, const char *text)
{
    int has_colour = r->output->has_colour;
    if (r->json != NULL)
        return;
    result_field *field = add_field(r, name, 1);
    td_bytes begin = td_bytes_str(has_colour ? terminal_style_begin(style) : "");
    td_bytes end = td_bytes_str(has_colour ? TERMINAL_STYLE_END : "");
    td_buf_add(&r->page, begin.data, begin.size);
    print(r, "%s", text);
    td_buf_add(&r->page, end.data, end.size);
    end_text(r, field);
}

void result_filled(result_writer *r, const char *name, const char *pattern)
{
    size_t text_at = r->page.size;
    if (r->json != NULL)
        return;
    print_pattern(r, pattern);
    result_field *field = add_field(r, name, r->page.size > text_at);
    field->text_at = text_at;
    end_text(r, field);
}
