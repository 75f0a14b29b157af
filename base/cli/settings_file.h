/* A settings file in YAML: keys with values, read by option rows (base/cli/options.h). Each value
 * keeps its line number, so that all errors, also errors that a caller finds later, name file and
 * line. An error for an unknown key suggests a similar key. One thread. */
#ifndef TD_CLI_SETTINGS_FILE_H
#define TD_CLI_SETTINGS_FILE_H

#include <stddef.h>

#include "base/err.h"
#include "base/io.h"
#include "base/cli/options.h"

typedef struct settings_file settings_file;

/* A value in a file; node NULL: absent. It and its texts are valid until the file is closed. */
typedef struct setting {
    const settings_file *file;
    const struct yaml_node_s *node;
} setting;

/* Keys of a mapping. A key is the row's long name with '_' for '-'; keys of lists are plural:
 * "symbol-name" of type OPTION_LIST is symbol_names. */
typedef struct settings_keys {
    const option_row *rows;
    size_t row_count;
    const char *renamed[6]; /* up to three pairs: a row's long_name, the key it has instead */
    const char *nested;  /* a key whose value is a list of mappings, read by the caller; or NULL */
    const char *example; /* "family: v5-linear", for errors */
} settings_keys;

/* Read a file of at most bytes_max bytes. TD_E_INVALID: too large, not YAML, or more than one
 * document; else as td_io_read_file. */
TD_MUST_USE td_result settings_file_open(td_io io, const char *path, size_t bytes_max,
                                         settings_file **out, td_err *err);
void settings_file_close(settings_file *file);

/* The file's top-level value; absent if the file is empty. */
setting settings_root(const settings_file *file);

/* The value of a key in a mapping, by the row's long name or by the key itself; absent if there is
 * no such key or `mapping` is not a mapping. */
setting settings_find(setting mapping, const settings_keys *keys, const char *name);

/* An entry of a list; absent after the last one. */
setting settings_entry(setting list, size_t index);

/* Read a mapping into the struct that the rows' offsets refer to, except the nested key.
 * TD_E_INVALID with file, line and key, also for a value that is not a mapping. */
TD_MUST_USE td_result settings_read(setting mapping, const settings_keys *keys, void *target,
                                    td_err *err);

/* Prefix an error with the value's file and line; only with the file if the value is absent.
 * Returns code. */
td_result settings_err_add(setting value, td_result code, td_err *err);

/* As settings_err_add, with the key (as at settings_find) after the line: of its value, or, if the
 * mapping lacks the key, of the mapping. */
td_result settings_err_add_key(setting mapping, const settings_keys *keys, const char *name,
                               td_result code, td_err *err);

#endif
