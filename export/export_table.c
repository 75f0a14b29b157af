#include "export/export_table.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/time_text.h"
#include "base/utf8.h"

/* ---- formats and types ---- */

const export_format *const *export_format_table(size_t *count)
{
    static const export_format *const FORMATS[] = {&EXPORT_TARDIS_CSV, &EXPORT_JSONL};
    *count = sizeof FORMATS / sizeof FORMATS[0];
    return FORMATS;
}

size_t export_type_count(const export_format *format)
{
    size_t count = 0;
    while (count < EXPORT_TYPES_MAX && format->types[count].name != NULL)
        count++;
    TD_ASSERT(count > 0);
    return count;
}

td_result export_type_find(const export_format *format, const char *name, const export_type **out,
                           td_err *err)
{
    for (size_t i = 0; i < export_type_count(format); i++) {
        if (strcmp(name, format->types[i].name) == 0) {
            *out = &format->types[i];
            return TD_OK;
        }
    }
    td_err_set(err, TD_E_INVALID, "%s has no type '%s'", format->name, name);
    td_err_hint(err, "`tapedeck export --help` lists the types of each format");
    return TD_E_INVALID;
}

/* ---- markets and their topics ---- */

const export_market *export_market_of(const family *of)
{
    return of != NULL && of->market.exchange != NULL ? &of->market : NULL;
}

/* Depth 0 is a book that begins with an HTTP answer: it has no snapshot to begin a file with. */
int export_is_book_topic(const topic_row *row, uint32_t depth)
{
    if (row->type != MSG_BOOK_CHANGE || row->book_depth == 0)
        return 0;
    return depth == 0 || row->book_depth == depth;
}

int export_prefers_book(const export_market *market, const topic_row *topic, const topic_row *other)
{
    TD_ASSERT(topic->book_depth > 0);
    TD_ASSERT(other->book_depth > 0);
    int is_own = strcmp(topic->name, market->book_topic) == 0;
    int other_is_own = strcmp(other->name, market->book_topic) == 0;
    if (is_own != other_is_own)
        return is_own;
    if (topic->book_depth != other->book_depth)
        return topic->book_depth > other->book_depth;
    return strcmp(topic->name, other->name) < 0;
}

int export_entries_have_symbols(const topic_row *row)
{
    return topic_row_has_coin(row) || !topic_row_has_symbol(row);
}

td_bytes export_trade_symbol(const message *m, size_t index)
{
    TD_ASSERT(m->head.type == MSG_TRADE);
    td_bytes own = message_trade(m, index).symbol;
    return own.size > 0 ? own : m->head.symbol;
}

/* ---- names ---- */

void export_date_format(uint32_t day, char out[EXPORT_DATE_BYTES])
{
    unsigned year;
    unsigned month;
    unsigned of_month;
    td_time_date(day * UINT64_C(86400000000000), &year, &month, &of_month);
    snprintf(out, EXPORT_DATE_BYTES, "%04u-%02u-%02u", year % 10000, month, of_month);
}

static size_t digits_at(td_bytes text, size_t at)
{
    size_t count = 0;
    while (at + count < text.size && text.data[at + count] >= '0' && text.data[at + count] <= '9')
        count++;
    return count;
}

/* [+-]digits[.digits] */
static int is_number(td_bytes text)
{
    size_t at = text.size > 0 && (text.data[0] == '+' || text.data[0] == '-');
    size_t whole = digits_at(text, at);
    at += whole;
    if (whole > 0 && at < text.size && text.data[at] == '.') {
        size_t part = digits_at(text, at + 1);
        at += part > 0 ? part + 1 : 0;
    }
    return whole > 0 && at == text.size;
}

static int is_formula_sign(uint8_t c)
{
    return c == '=' || c == '+' || c == '-' || c == '@';
}

const char *export_cell_refusal(td_bytes text)
{
    for (size_t at = 0, size; at < text.size; at += size) {
        size = td_utf8_bytes(text.data + at, text.size - at);
        if (size == 0)
            return "it is not UTF-8";
        if (td_utf8_is_control(td_utf8_code(text.data + at, size)))
            return "it has a control character";
        if (text.data[at] == ',' || text.data[at] == '"')
            return "it has a comma or a quotation mark, and cells have no quotes";
    }
    if (text.size > 0 && is_formula_sign(text.data[0]) && !is_number(text))
        return "it begins with =, +, - or @, which spreadsheets take for a formula";
    return NULL;
}

const char *export_symbol_refusal(td_bytes symbol)
{
    if (symbol.size == 0)
        return "it is empty";
    return symbol.size >= LIMIT_SYMBOL_BYTES ? "it is longer than symbols are"
                                             : export_cell_refusal(symbol);
}

void export_symbol_format(td_bytes symbol, char out[LIMIT_SYMBOL_BYTES])
{
    TD_ASSERT(export_symbol_refusal(symbol) == NULL);
    for (size_t i = 0; i < symbol.size; i++) {
        uint8_t c = symbol.data[i];
        out[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    out[symbol.size] = '\0';
}

void export_symbol_for_file(const char *symbol, char out[LIMIT_SYMBOL_BYTES])
{
    size_t size = strlen(symbol);
    TD_ASSERT(size < LIMIT_SYMBOL_BYTES);
    memcpy(out, symbol, size + 1);
    for (size_t i = 0; i < size; i++)
        if (strchr(":\\/?*<>|\"", symbol[i]) != NULL)
            out[i] = '-';
}

td_result export_name_format(const export_format *format, const export_type *type,
                             const char *exchange, const char *file_symbol, uint32_t day,
                             char out[EXPORT_NAME_BYTES], td_err *err)
{
    char date[EXPORT_DATE_BYTES];
    export_date_format(day, date);
    int size = exchange[0] != '\0'
                   ? snprintf(out, EXPORT_NAME_BYTES, "%s_%s_%s_%s%s", exchange, type->name, date,
                              file_symbol, format->suffix)
                   : snprintf(out, EXPORT_NAME_BYTES, "%s_%s%s", type->name, date, format->suffix);
    TD_ASSERT(size > 0);
    if (size >= EXPORT_NAME_BYTES)
        return td_err_set(err, TD_E_LIMIT, "the file name for symbol '%s' would be too long",
                          file_symbol);
    return TD_OK;
}
