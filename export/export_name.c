#include "export/export_name.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/time_text.h"
#include "base/utf8.h"

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
        size_t decimals = digits_at(text, at + 1);
        at += decimals > 0 ? decimals + 1 : 0;
    }
    return whole > 0 && at == text.size;
}

/* 1 if all eight bytes are visible ASCII, and neither comma nor quotation mark. 0 is no answer. */
static int is_cell_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t other = word | (word - ones * 0x21) | (word + ones) |
                           ((word ^ ones * '"') - ones) | ((word ^ ones * ',') - ones);
    return (other & ones * 0x80) == 0;
}

const char *export_cell_refusal(td_bytes text)
{
    for (size_t at = 0, size = 1; at < text.size; at += size) {
        const uint8_t byte = text.data[at];
        size = text.size - at >= 8 && is_cell_word(td_le64(text.data + at)) ? 8 : 1;
        if (size == 8 || (byte > 0x20 && byte < 0x7f && byte != ',' && byte != '"'))
            continue; /* nearly all */
        size = td_utf8_bytes(text.data + at, text.size - at);
        if (size == 0)
            return "it is not UTF-8";
        if (td_utf8_is_control(td_utf8_code(text.data + at, size)))
            return "it has a control character";
        if (byte == ',' || byte == '"')
            return "it has a comma or a quotation mark, and cells have no quotes";
    }
    uint8_t first = text.size > 0 ? text.data[0] : 0;
    int is_sign = first == '=' || first == '+' || first == '-' || first == '@';
    if (is_sign && !is_number(text))
        return "it begins with =, +, - or @, which spreadsheets take for a formula";
    return NULL;
}

static int is_plain(uint8_t c, size_t at)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (at > 0 && (c == '-' || c == '.'));
}

const char *export_symbol_refusal(td_bytes symbol)
{
    if (symbol.size == 0)
        return "it is empty";
    if (symbol.size >= LIMIT_SYMBOL_BYTES)
        return "it is longer than symbols are";
    size_t size = 0;
    for (size_t i = 0; i < symbol.size; i++)
        size += is_plain(symbol.data[i], i) ? 1 : 3;
    return size >= EXPORT_SYMBOL_NAME_BYTES ? "a file's name has %XX for too many of its bytes"
                                            : export_cell_refusal(symbol);
}

void export_symbol_encode(td_bytes symbol, char out[EXPORT_SYMBOL_NAME_BYTES])
{
    TD_ASSERT(symbol.size == 0 || export_symbol_refusal(symbol) == NULL);
    size_t size = 0;
    for (size_t i = 0; i < symbol.size; i++)
        size += (size_t)snprintf(out + size, EXPORT_SYMBOL_NAME_BYTES - size,
                                 is_plain(symbol.data[i], i) ? "%c" : "%%%02X", symbol.data[i]);
    out[size] = '\0';
}

td_result export_name_format(const export_source *source, const char *date, const char *suffix,
                             char out[EXPORT_NAME_BYTES], td_err *err)
{
    char symbol[EXPORT_SYMBOL_NAME_BYTES];
    export_symbol_encode(td_bytes_str(source->symbol), symbol);
    int size = snprintf(out, EXPORT_NAME_BYTES, "%s_%s_%s%s%s%s", source->exchange, source->name,
                        date, symbol[0] == '\0' ? "" : "_", symbol, suffix);
    TD_ASSERT(size > 0);
    if (size >= EXPORT_NAME_BYTES)
        return td_err_set(err, TD_E_LIMIT, "the file name for symbol '%s' would be too long",
                          source->symbol);
    return TD_OK;
}
