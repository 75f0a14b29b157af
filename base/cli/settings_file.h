/* A file of settings in YAML: keys with values, read by a table of options (base/cli/options.h).
 * Values know their lines, so that an unknown key, a wrong value, and a fault that only shows when
 * the whole is checked can all be named by file and line; an unknown key also with the one that was
 * probably meant. One thread. */
#ifndef TD_CLI_SETTINGS_FILE_H
#define TD_CLI_SETTINGS_FILE_H

#include <stddef.h>

#include "base/err.h"
#include "base/io.h"
#include "base/cli/options.h"

typedef struct settings_file settings_file;

/* A value in a file; node NULL: it is absent. Valid until the file is closed, as are its texts. */
typedef struct setting {
    const settings_file *file;
    const struct yaml_node_s *node;
} setting;

/* Keys of a mapping, and the struct that their offsets refer to. In a file they have '_' for '-',
 * and lists are in the plural: "symbol-name" of type OPTION_LIST is symbol_names. */
typedef struct settings_keys {
    const option_row *rows;
    size_t row_count;
    const char *renamed[4]; /* long_name and key of up to two rows that have another key; or NULL */
    const char *nested;  /* a key whose value is a list of mappings, read by the caller; or NULL */
    const char *example; /* "family: inverse", for errors */
} settings_keys;

/* Read a file of at most bytes_max. TD_E_INVALID: it is no YAML; as td_io_read_file. */
TD_MUST_USE td_result settings_file_open(td_io io, const char *path, size_t bytes_max,
                                         settings_file **out, td_err *err);
void settings_file_close(settings_file *file);

/* What the file holds; absent if it is empty. */
setting settings_root(const settings_file *file);

/* The value of a key of a mapping, by the row's long name or by the key itself; absent if there is
 * none, or if it is no mapping. */
setting settings_find(setting mapping, const settings_keys *keys, const char *name);

/* Entry of a list; absent if there is no such entry. */
setting settings_entry(setting list, size_t index);

/* Read a mapping into a struct, except the nested key. TD_E_INVALID with file, line and key; also
 * for a value that is no mapping. */
TD_MUST_USE td_result settings_read(setting mapping, const settings_keys *keys, void *target,
                                    td_err *err);

/* Put file and line of a value before an error; of an absent one the file alone. Returns code. */
td_result settings_err_add(setting value, td_result code, td_err *err);

#endif
