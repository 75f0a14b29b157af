/* Files and temporary folders for tests. An error fails an assertion and ends the program, so that
 * fuzz targets and unit tests can share these functions. */
#ifndef TD_TESTS_TESTING_FILES_H
#define TD_TESTS_TESTING_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/io.h"

enum { TEMP_FOLDER_BYTES = 64 };

typedef enum temp_place {
    TEMP_ON_DISK,
    TEMP_IN_MEMORY, /* in memory, if the machine has such a file system: fast, although SQLite syncs
                       and sweeps open hundreds of catalogs */
} temp_place;

/* Make an empty folder, and write its path to out. */
void temp_folder_make(temp_place place, char out[TEMP_FOLDER_BYTES]);

/* Remove a folder and its content, including write-protected folders. */
void temp_folder_remove(const char *path);

/* Make a file with these bytes, and sync it. It must not exist yet. */
void file_make(td_io io, const char *path, const void *bytes, size_t size);

/* As file_make; replaces an existing file. */
void file_replace(td_io io, const char *path, const void *bytes, size_t size);

/* As file_replace, for a NUL-terminated text on the real disk. */
void file_write_text(const char *path, const char *text);

/* A file's bytes followed by a NUL, allocated with td_alloc. */
uint8_t *file_read(td_io io, const char *path, size_t *size);

#endif
