/* remote/object_cache.h: what was kept is found with its bytes, or not at all. */
#include "remote/object_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "base/log.h"
#include "tests/testing/files.h"
#include "tests/testing/io_fault.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

enum { RANGE_BYTES = 20000, DISK_BYTES = 20480, BYTES_MAX = 64 * DISK_BYTES };

typedef struct fixture {
    char folder[TEMP_FOLDER_BYTES];
    char path[TEMP_FOLDER_BYTES + 16];
    object_cache *cache;
    char logged[2048];
    td_log log;
} fixture;

static void on_line(void *ctx, td_log_level level, const char *line)
{
    fixture *f = ctx;
    (void)level;
    (void)snprintf(f->logged + strlen(f->logged), sizeof f->logged - strlen(f->logged), "%s\n",
                   line);
}

static int open_cache(void **state)
{
    static fixture f;
    f = (fixture){.log = {.fn = on_line, .ctx = &f, .level_max = TD_LOG_DEBUG}};
    temp_folder_make(TEMP_IN_MEMORY, f.folder);
    (void)snprintf(f.path, sizeof f.path, "%s/a/cache", f.folder);
    f.cache = object_cache_open(io_posix(), f.path, BYTES_MAX, &f.log);
    *state = &f;
    return f.cache == NULL;
}

static int close_cache(void **state)
{
    fixture *f = *state;
    object_cache_close(f->cache);
    temp_folder_remove(f->folder);
    return 0;
}

static const uint8_t *bytes_of(uint64_t seed)
{
    static uint8_t bytes[RANGE_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(seed * 31 + i * 7 + i / 256);
    return bytes;
}

static void keep(fixture *f, uint64_t at)
{
    object_cache_keep(f->cache, HASH, at, bytes_of(at), RANGE_BYTES);
}

static int is_found(object_cache *cache, uint64_t at)
{
    static uint8_t found[RANGE_BYTES];
    if (!object_cache_find(cache, HASH, at, found, sizeof found))
        return 0;
    assert_memory_equal(found, bytes_of(at), sizeof found);
    return 1;
}

static void file_of(const fixture *f, uint64_t at, char out[256])
{
    (void)snprintf(out, 256, "%s/" HASH "-%d-%d", f->path, (int)at, RANGE_BYTES);
}

static void a_range_is_found_by_object_offset_and_size(void **state)
{
    fixture *f = *state;
    uint8_t found[RANGE_BYTES];
    struct stat info;
    keep(f, 5);
    keep(f, UINT64_C(6) << 30);
    assert_true(is_found(f->cache, 5));
    assert_false(is_found(f->cache, 4));
    assert_false(object_cache_find(f->cache, HASH, 5, found, RANGE_BYTES - 1));
    assert_false(object_cache_find(f->cache, "1" HASH + 1, 5, found, RANGE_BYTES - 1));
    object_cache *other = object_cache_open(io_posix(), f->path, BYTES_MAX, &f->log);
    assert_true(is_found(other, 5));
    object_cache_close(other);
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_string_equal(f->logged, "");
    assert_false(is_found(NULL, 5));
    object_cache_keep(NULL, HASH, 5, found, 1);
}

static void a_damaged_range_is_not_found(void **state)
{
    fixture *f = *state;
    char path[256], other[256];
    uint8_t changed[RANGE_BYTES + 100];
    static const size_t SIZES[] = {0, 1, RANGE_BYTES, RANGE_BYTES + 7, RANGE_BYTES + 8};
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        size_t size = 0;
        keep(f, 9);
        file_of(f, 9, path);
        uint8_t *bytes = file_read(io_posix(), path, &size);
        assert_int_equal(size, RANGE_BYTES + 8);
        memcpy(changed, bytes, size);
        changed[SIZES[i] == size ? 77 : SIZES[i]] ^= 1;
        file_replace(io_posix(), path, changed, SIZES[i]);
        td_free(bytes);
        assert_false(is_found(f->cache, 9));
        assert_int_equal(access(path, F_OK), -1);
    }
    assert_non_null(strstr(f->logged, "removed from the cache, damaged"));
    /* A sound file with another range's name. */
    keep(f, 9);
    file_of(f, 10, other);
    assert_int_equal(rename(path, other), 0);
    assert_false(is_found(f->cache, 10));
}

static uint64_t folder_bytes(const fixture *f)
{
    uint64_t blocks = 0;
    DIR *folder = opendir(f->path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        struct stat info;
        if (entry->d_name[0] != '.' && fstatat(dirfd(folder), entry->d_name, &info, 0) == 0)
            blocks += (uint64_t)info.st_blocks;
    }
    assert_int_equal(closedir(folder), 0);
    return blocks * 512;
}

/* Give a file the time of a use. */
static void use_at(const fixture *f, uint64_t at, int64_t s)
{
    char path[256];
    const struct timespec times[2] = {{.tv_sec = s}, {.tv_sec = s}};
    file_of(f, at, path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void the_ranges_used_longest_ago_make_way(void **state)
{
    fixture *f = *state;
    char foreign[256], part[300];
    (void)snprintf(foreign, sizeof foreign, "%s/notes.txt", f->path);
    file_write_text(foreign, "mine");
    file_of(f, 1000, part);
    (void)snprintf(part + strlen(part), 40, ".part-0123456789abcdef");
    file_write_text(part, "of a process that was killed");
    for (uint64_t i = 0; i < 10; i++) {
        keep(f, i);
        use_at(f, i, 1000 + (int64_t)i);
    }
    const struct timespec killed[2] = {{.tv_sec = 999}, {.tv_sec = 999}};
    assert_int_equal(utimensat(AT_FDCWD, part, killed, 0), 0);
    assert_true(is_found(f->cache, 0)); /* used now */
    for (uint64_t i = 10; i < 1000; i++) {
        keep(f, i);
        if (i % 100 == 0)
            assert_true(folder_bytes(f) <= BYTES_MAX + 4096);
        if (i < 500)
            assert_true(is_found(f->cache, 0));
    }
    assert_true(is_found(f->cache, 999));
    assert_true(is_found(f->cache, 970));
    assert_false(is_found(f->cache, 1));
    assert_int_equal(access(foreign, F_OK), 0);
    assert_int_equal(access(part, F_OK), -1);
}

static void a_folder_that_cannot_be_used_gives_no_cache(void **state)
{
    fixture *f = *state;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/file", f->folder);
    file_write_text(path, "x");
    (void)snprintf(path, sizeof path, "%s/file/cache", f->folder);
    assert_null(object_cache_open(io_posix(), path, BYTES_MAX, &f->log));
    assert_non_null(strstr(f->logged, "no cache on disk: "));
    f->logged[0] = '\0';
    assert_int_equal(setenv("XDG_CACHE_HOME", path, 1), 0);
    assert_null(object_cache_open_default(&f->log));
    assert_int_equal(setenv("XDG_CACHE_HOME", "relative", 1), 0);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_null(object_cache_open_default(&f->log));
    assert_non_null(strstr(f->logged, "neither XDG_CACHE_HOME nor HOME"));
    assert_int_equal(setenv("XDG_CACHE_HOME", f->folder, 1), 0);
    object_cache *cache = object_cache_open_default(&f->log);
    assert_non_null(cache);
    object_cache_close(cache);
    (void)snprintf(path, sizeof path, "%s/tapedeck", f->folder);
    assert_int_equal(access(path, X_OK), 0);
}

static void a_full_disk_ends_the_keeping(void **state)
{
    fixture *f = *state;
    io_fault *disk = io_fault_open();
    object_cache *cache = object_cache_open(io_fault_io(disk), "cache", BYTES_MAX, &f->log);
    assert_non_null(cache);
    object_cache_keep(cache, HASH, 1, bytes_of(1), RANGE_BYTES);
    assert_true(is_found(cache, 1));
    io_fault_set_free_bytes(disk, RANGE_BYTES / 2);
    object_cache_keep(cache, HASH, 2, bytes_of(2), RANGE_BYTES);
    const uint64_t calls = io_fault_call_count(disk, IO_FAULT_OP_COUNT);
    object_cache_keep(cache, HASH, 3, bytes_of(3), RANGE_BYTES);
    assert_int_equal(io_fault_call_count(disk, IO_FAULT_OP_COUNT), calls);
    assert_false(is_found(cache, 2));
    assert_true(is_found(cache, 1));
    const char *line = strstr(f->logged, "nothing more is kept in the cache");
    assert_non_null(line);
    assert_null(strstr(line + 1, "nothing more is kept"));
    object_cache_close(cache);
    io_fault_close(disk);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_cache, close_cache)
    const struct CMUnitTest tests[] = {
        TEST(a_range_is_found_by_object_offset_and_size),
        TEST(a_damaged_range_is_not_found),
        TEST(the_ranges_used_longest_ago_make_way),
        TEST(a_folder_that_cannot_be_used_gives_no_cache),
        TEST(a_full_disk_ends_the_keeping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
