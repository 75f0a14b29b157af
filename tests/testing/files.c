#include "tests/testing/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/io_posix.h"

enum { WALK_FILES_MAX = 16 };

void temp_folder_make(temp_place place, char out[TEMP_FOLDER_BYTES])
{
    int is_in_memory = place == TEMP_IN_MEMORY && access("/dev/shm", W_OK) == 0;
    (void)snprintf(out, TEMP_FOLDER_BYTES, "%s/tapedeck-test-XXXXXX",
                   is_in_memory ? "/dev/shm" : "/tmp");
    TD_ASSERT(mkdtemp(out) != NULL);
}

static int unprotect_folder(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)walk;
    return kind == FTW_D || kind == FTW_DNR ? chmod(path, 0700) : 0;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

void temp_folder_remove(const char *path)
{
    TD_ASSERT(nftw(path, unprotect_folder, WALK_FILES_MAX, FTW_PHYS) == 0);
    TD_ASSERT(nftw(path, remove_entry, WALK_FILES_MAX, FTW_DEPTH | FTW_PHYS) == 0);
}

void file_make(td_io io, const char *path, const void *bytes, size_t size)
{
    td_file *file;
    TD_ASSERT(td_io_open(io, path, TD_OPEN_CREATE, &file, NULL) == TD_OK);
    TD_ASSERT(td_io_append(file, bytes, size, NULL) == TD_OK);
    TD_ASSERT(td_io_sync(file, NULL) == TD_OK);
    td_io_close(file);
}

void file_replace(td_io io, const char *path, const void *bytes, size_t size)
{
    td_result rc = td_io_unlink(io, path, NULL);
    TD_ASSERT(rc == TD_OK || rc == TD_E_NOTFOUND);
    file_make(io, path, bytes, size);
}

void file_write_text(const char *path, const char *text)
{
    file_replace(io_posix(), path, text, strlen(text));
}

uint8_t *file_read(td_io io, const char *path, size_t *size)
{
    uint8_t *bytes;
    TD_ASSERT(td_io_read_file(io, path, SIZE_MAX, &bytes, size, NULL) == TD_OK);
    return bytes;
}
