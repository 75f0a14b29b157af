#include "recorder/symbols.h"

#include <string.h>

#include "base/alloc.h"

static void add(symbol_list *list, const char *symbol)
{
    list->items = td_array_grow(list->items, list->count, sizeof *list->items);
    list->items[list->count++] = symbol;
}

static td_result read_file(const feed_config *feed, td_io io, symbol_list *out, td_err *err)
{
    size_t size = 0;
    size_t before = out->count;
    uint8_t *bytes = NULL;
    const char *path = feed->symbols_file;
    td_result rc = td_io_read_file(io, path, LIMIT_SYMBOL_FILE_BYTES, &bytes, &size, err);
    if (rc != TD_OK)
        return td_err_add(err, rc == TD_E_NOTFOUND ? TD_E_INVALID : rc,
                          "cannot read the symbols in '%s'", path);
    int is_text = strnlen((const char *)bytes, size) == size;
    out->text = td_strndup((const char *)bytes, size);
    td_free(bytes);
    if (!is_text)
        return td_err_set(err, TD_E_INVALID, "the file '%s' has a zero byte", path);
    char *rest = out->text;
    for (size_t number = 1; rest != NULL; number++) {
        char *line = strsep(&rest, "\n");
        line += strspn(line, " \t\r\xef\xbb\xbf");
        size_t length = strlen(line);
        while (length > 0 && strchr(" \t\r", line[length - 1]) != NULL)
            line[--length] = '\0';
        if (length == 0 || line[0] == '#')
            continue;
        if (!symbol_is_valid(td_bytes_of(line, length)))
            return td_err_set(
                err, TD_E_INVALID,
                "%s:%zu: '%.60s' is not a symbol: ASCII without blanks, quotes, '\\', "
                "'*', '|' and ',' is allowed",
                path, number, line);
        add(out, line);
    }
    return out->count > before
               ? TD_OK
               : td_err_set(err, TD_E_INVALID, "the file '%s' lists no symbol", path);
}

td_result symbols_open(const feed_config *feed, td_io io, const instruments *listed,
                       symbol_list *out, td_err *err)
{
    size_t count = 0;
    const char *const *names = listed == NULL ? NULL : instruments_begun(listed, &count);
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < feed->symbols.count; i++)
        if (listed == NULL || !instruments_is_pattern(feed->symbols.items[i]))
            add(out, feed->symbols.items[i]);
    td_result rc = feed->symbols_file == NULL ? TD_OK : read_file(feed, io, out, err);
    for (size_t i = 0; i < count; i++)
        add(out, names[i]);
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
