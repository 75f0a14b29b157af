/* Files and temporary folders of tests. A failure ends the test program with an assertion, so that
 * fuzz targets and unit tests share these. */
#ifndef TD_TESTS_TESTING_FILES_H
#define TD_TESTS_TESTING_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/io.h"

enum { TEMP_FOLDER_BYTES = 64 };

typedef enum temp_place {
    TEMP_ON_DISK,
    TEMP_IN_MEMORY, /* where the machine has that: SQLite syncs for real, and sweeps open catalogs
                       by the hundred */
} temp_place;

/* Make an empty folder, and write its path to out. */
void temp_folder_make(temp_place place, char out[TEMP_FOLDER_BYTES]);

/* Remove a folder with all that it contains, write-protected folders included. */
void temp_folder_remove(const char *path);

/* Make a file of these bytes, synced. There must be none yet. */
void file_make(td_io io, const char *path, const void *bytes, size_t size);

/* As file_make, in the place of a file that may be there. */
void file_replace(td_io io, const char *path, const void *bytes, size_t size);

/* As file_replace, of a NUL-terminated text, on the real disk. */
void file_write_text(const char *path, const char *text);

/* The bytes of a file and a NUL after them, in memory of td_alloc. */
uint8_t *file_read(td_io io, const char *path, size_t *size);

#endif
