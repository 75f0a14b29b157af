#include "recorder/symbols.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "tape/selection.h"
#include "schema/dialect.h"

/* ---- without a file ---- */

/* "*" and "A|B" go to the exchange as they are, where it has such a thing. Globs of ours need
 * something to look in. */
static td_result check_plain(const feed_config *feed, const char *symbol, td_err *err)
{
    int is_list = strcmp(symbol, "*") == 0 || strchr(symbol, '|') != NULL;
    int is_glob = !is_list && symbol[strcspn(symbol, "*?[")] != '\0';
    if (!is_glob && (!is_list || feed->family->dialect->has_lists))
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "symbol '%s': %s", symbol,
               is_glob ? "a glob needs a list of symbols to look in"
                       : "this family takes one symbol a topic, no lists and no '*'");
    td_err_hint(err, "give symbols_file, a file with one symbol a line, or name the symbols");
    return TD_E_INVALID;
}

static td_result take_plain(const feed_config *feed, symbol_list *out, td_err *err)
{
    for (size_t i = 0; i < feed->symbols.count; i++) {
        const char *symbol = feed->symbols.items[i];
        td_result rc = check_plain(feed, symbol, err);
        if (rc != TD_OK)
            return rc;
        size_t k = 0;
        while (k < out->count && strcmp(out->items[k], symbol) != 0)
            k++;
        if (k == out->count)
            out->items[out->count++] = symbol;
    }
    return TD_OK;
}

/* ---- with a file ---- */

static int is_symbol(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '*' || c == '|' || c == ',')
            return 0;
    }
    return size > 0 && size < LIMIT_SYMBOL_BYTES;
}

static int is_wanted(const feed_config *feed, const char *symbol)
{
    for (size_t i = 0; i < feed->symbols.count; i++)
        if (selection_glob_fits(feed->symbols.items[i], td_bytes_str(symbol)))
            return 1;
    return feed->symbols.count == 0;
}

/* Repeats are left to the subscription, which has each topic once. */
static td_result take_line(const feed_config *feed, char *line, size_t number, symbol_list *out,
                           td_err *err)
{
    line += strspn(line, " \t\r\xef\xbb\xbf");
    size_t size = strlen(line);
    while (size > 0 && strchr(" \t\r", line[size - 1]) != NULL)
        size--;
    line[size] = '\0';
    if (size == 0 || line[0] == '#')
        return TD_OK;
    if (!is_symbol(line, size))
        return td_err_set(err, TD_E_INVALID, "%s:%zu: '%.60s' is not a symbol", feed->symbols_file,
                          number, line);
    TD_ASSERT(out->items != NULL);
    if (is_wanted(feed, line))
        out->items[out->count++] = line;
    return TD_OK;
}

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

static td_result take_lines(const feed_config *feed, size_t size, symbol_list *out, td_err *err)
{
    char *line = out->text;
    char *end = out->text + size;
    TD_ASSERT(size <= LIMIT_SYMBOL_FILE_BYTES);
    *end = '\0';
    for (size_t number = 1; line <= end; number++) {
        char *feed_end = memchr(line, '\n', (size_t)(end - line));
        char *next = feed_end == NULL ? end + 1 : feed_end + 1;
        *(next - 1) = '\0';
        td_result rc = take_line(feed, line, number, out, err);
        if (rc != TD_OK)
            return rc;
        line = next;
    }
    return TD_OK;
}

/* A glob that finds nothing is a mistake in it, or an old file. */
static td_result check_globs(const feed_config *feed, const symbol_list *found, td_err *err)
{
    for (size_t g = 0; g < feed->symbols.count; g++) {
        size_t i = 0;
        while (i < found->count &&
               !selection_glob_fits(feed->symbols.items[g], td_bytes_str(found->items[i])))
            i++;
        if (i == found->count)
            return td_err_set(err, TD_E_INVALID, "symbol '%s' fits nothing in '%s'",
                              feed->symbols.items[g], feed->symbols_file);
    }
    return found->count > 0
               ? TD_OK
               : td_err_set(err, TD_E_INVALID, "the file '%s' lists no symbol", feed->symbols_file);
}

static td_result take_file(const feed_config *feed, td_io io, symbol_list *out, td_err *err)
{
    size_t size = 0;
    const char *path = feed->symbols_file;
    uint8_t *text = NULL;
    td_result rc = td_io_read_file(io, path, LIMIT_SYMBOL_FILE_BYTES, &text, &size, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "cannot read the symbols in '%s'", path);
    out->text = (char *)text;
    out->items = td_alloc_zero(count_lines(out->text, size) + 1, sizeof *out->items);
    rc = take_lines(feed, size, out, err);
    return rc == TD_OK ? check_globs(feed, out, err) : rc;
}

td_result symbols_open(const feed_config *feed, td_io io, symbol_list *out, td_err *err)
{
    TD_ASSERT(feed->family != NULL);
    memset(out, 0, sizeof *out);
    td_result rc;
    if (feed->symbols_file != NULL) {
        rc = take_file(feed, io, out, err);
    } else {
        out->items = td_alloc_zero(feed->symbols.count + 1, sizeof *out->items);
        rc = take_plain(feed, out, err);
    }
    if (rc == TD_OK)
        return TD_OK;
    symbols_fini(out);
    return td_err_add(err, rc, "feed '%s'", feed->name);
}

void symbols_fini(symbol_list *self)
{
    td_free(self->items);
    td_free(self->text);
    memset(self, 0, sizeof *self);
}
