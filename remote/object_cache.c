#include "remote/object_cache.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "base/random.h"

enum {
    BLOCK_BYTES = 4096, /* a file takes whole blocks of the disk */
    SEAL_BYTES = 8,
    NAME_BYTES = 256, /* of any file, with the NUL */
};

struct object_cache {
    td_io io;
    char *folder;
    uint64_t bytes_max;
    const td_log *log;
    pthread_mutex_t lock;   /* of what follows */
    uint64_t unknown_bytes; /* written since the files were counted; at first more than that */
    uint8_t is_full;        /* writing failed */
};

/* ---- names ---- */

static uint64_t disk_bytes(uint64_t size)
{
    return (size + SEAL_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

static void range_name(const char *sha256, uint64_t at, size_t size, char out[NAME_BYTES])
{
    (void)snprintf(out, NAME_BYTES, "%s-%" PRIu64 "-%zu", sha256, at, size);
}

/* Size of the range that a file's name tells; 0 for another program's file. */
static uint64_t range_bytes(const char *name)
{
    td_bytes rest = td_bytes_str(name);
    td_bytes hash, at, size;
    uint64_t bytes = 0;
    /* After a '.': a file that is being written. */
    return td_bytes_next(&rest, '-', &hash) && hash.size == TD_SHA256_HEX_BYTES - 1 &&
                   td_bytes_next(&rest, '-', &at) && td_bytes_next(&rest, '.', &size) &&
                   td_digits_parse(size, INT64_MAX, &bytes)
               ? bytes
               : 0;
}

/* object_cache_open checks that it fits. */
static void path_of(const object_cache *cache, const char *name, char out[LIMIT_PATH_BYTES])
{
    (void)snprintf(out, LIMIT_PATH_BYTES, "%s/%s", cache->folder, name);
}

static void seal(const char *name, const void *bytes, size_t size, uint8_t out[SEAL_BYTES])
{
    td_xxh64_state state;
    td_xxh64_begin(&state);
    td_xxh64_update(&state, name, strlen(name));
    td_xxh64_update(&state, bytes, size);
    td_put_le64(out, td_xxh64_end(&state));
}

/* ---- opening ---- */

object_cache *object_cache_open(td_io io, const char *folder, uint64_t bytes_max, const td_log *log)
{
    td_err err;
    td_err_clear(&err);
    td_result rc = td_io_check_writable(io, folder, &err);
    if (strlen(folder) + NAME_BYTES >= LIMIT_PATH_BYTES)
        rc = td_err_set(&err, TD_E_INVALID, "its path is too long");
    if (rc == TD_E_NOTFOUND)
        rc = td_io_mkdir_all(io, folder, &err);
    if (rc == TD_OK)
        rc = td_io_make_private(io, folder, &err);
    if (rc != TD_OK) {
        td_log_emit(log, TD_LOG_INFO, "no cache on disk: %s", err.text);
        return NULL;
    }
    object_cache *made = td_alloc_zero(1, sizeof *made);
    made->io = io;
    made->folder = td_strdup(folder);
    made->bytes_max = bytes_max;
    made->unknown_bytes = bytes_max;
    made->log = log;
    pthread_mutex_init(&made->lock, NULL);
    return made;
}

object_cache *object_cache_open_default(const td_log *log)
{
    char folder[LIMIT_PATH_BYTES];
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int size = 0;
    /* XDG Base Directory Specification: a relative path is ignored. */
    if (base != NULL && base[0] == '/')
        size = snprintf(folder, sizeof folder, "%s/tapedeck", base);
    else if (home != NULL && home[0] == '/')
        size = snprintf(folder, sizeof folder, "%s/.cache/tapedeck", home);
    if (size > 0 && size < (int)sizeof folder)
        return object_cache_open(io_posix(), folder, LIMIT_OBJECT_CACHE_BYTES, log);
    td_log_emit(log, TD_LOG_INFO, "no cache on disk: neither XDG_CACHE_HOME nor HOME is a folder");
    return NULL;
}

void object_cache_close(object_cache *cache)
{
    if (cache == NULL)
        return;
    pthread_mutex_destroy(&cache->lock);
    td_free(cache->folder);
    td_free(cache);
}

/* ---- finding ---- */

int object_cache_find(object_cache *cache, const char *sha256, uint64_t at, void *buf, size_t size)
{
    char name[NAME_BYTES];
    char path[LIMIT_PATH_BYTES];
    uint8_t found[SEAL_BYTES], expected[SEAL_BYTES];
    td_file *file = NULL;
    if (cache == NULL)
        return 0;
    range_name(sha256, at, size, name);
    path_of(cache, name, path);
    if (td_io_open(cache->io, path, TD_OPEN_READ, &file, NULL) != TD_OK)
        return 0;
    int is_sound = td_io_read_exact(file, 0, buf, size, NULL) == TD_OK &&
                   td_io_read_exact(file, size, found, sizeof found, NULL) == TD_OK;
    td_io_close(file);
    if (is_sound) {
        seal(name, buf, size, expected);
        is_sound = memcmp(found, expected, sizeof found) == 0;
    }
    td_result rc =
        is_sound ? td_io_mark_used(cache->io, path, NULL) : td_io_unlink(cache->io, path, NULL);
    (void)rc; /* the range is only removed earlier, or fetched again */
    if (!is_sound)
        td_log_emit(cache->log, TD_LOG_INFO, "removed from the cache, damaged: %s", path);
    return is_sound;
}

/* ---- the bound ---- */

typedef struct cached_file {
    char *name;
    uint64_t bytes; /* on the disk */
    uint64_t used_ns;
} cached_file;

typedef struct cache_list {
    object_cache *of;
    cached_file *files;
    size_t count;
    uint64_t bytes;
} cache_list;

static td_result add_file(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    cache_list *list = user;
    char path[LIMIT_PATH_BYTES];
    uint64_t used_ns = 0;
    const uint64_t bytes = range_bytes(name);
    (void)err;
    path_of(list->of, name, path);
    if (kind != TD_ENTRY_FILE || bytes == 0 ||
        td_io_used_ns(list->of->io, path, &used_ns, NULL) != TD_OK)
        return TD_OK;
    list->files = td_array_grow(list->files, list->count, sizeof *list->files);
    list->files[list->count++] =
        (cached_file){.name = td_strdup(name), .bytes = disk_bytes(bytes), .used_ns = used_ns};
    list->bytes += disk_bytes(bytes);
    return TD_OK;
}

static int compare_used(const void *a, const void *b)
{
    const uint64_t x = ((const cached_file *)a)->used_ns, y = ((const cached_file *)b)->used_ns;
    return (x > y) - (x < y);
}

/* Count the files, and remove the oldest if they have more than 7/8 of the bound, until they have
 * 3/4: so counting them is needed only after another eighth. */
static void trim(object_cache *cache)
{
    cache_list list = {.of = cache};
    char path[LIMIT_PATH_BYTES];
    td_result rc = td_io_list(cache->io, cache->folder, add_file, &list, NULL);
    if (rc == TD_OK && list.bytes > cache->bytes_max / 8 * 7) {
        qsort(list.files, list.count, sizeof *list.files, compare_used);
        for (size_t i = 0; i < list.count && list.bytes > cache->bytes_max / 4 * 3; i++) {
            path_of(cache, list.files[i].name, path);
            if (td_io_unlink(cache->io, path, NULL) == TD_OK)
                list.bytes -= list.files[i].bytes;
        }
    }
    for (size_t i = 0; i < list.count; i++)
        td_free(list.files[i].name);
    td_free(list.files);
}

/* 1 if a range may be written. Keeps the bound first. */
static int reserve(object_cache *cache, uint64_t bytes)
{
    pthread_mutex_lock(&cache->lock);
    const int may_write = !cache->is_full && bytes <= cache->bytes_max / 8;
    cache->unknown_bytes += may_write ? bytes : 0;
    if (may_write && cache->unknown_bytes > cache->bytes_max / 8) {
        trim(cache);
        cache->unknown_bytes = bytes;
    }
    pthread_mutex_unlock(&cache->lock);
    return may_write;
}

/* ---- keeping ---- */

static td_result write_range(object_cache *cache, const char *path, const char *name,
                             const void *bytes, size_t size, td_err *err)
{
    uint8_t end[SEAL_BYTES];
    td_file *file = NULL;
    seal(name, bytes, size, end);
    td_result rc = td_io_open(cache->io, path, TD_OPEN_CREATE_PRIVATE, &file, err);
    if (rc == TD_OK)
        rc = td_io_append(file, bytes, size, err);
    if (rc == TD_OK)
        rc = td_io_append(file, end, sizeof end, err);
    td_io_close(file);
    return rc;
}

void object_cache_keep(object_cache *cache, const char *sha256, uint64_t at, const void *bytes,
                       size_t size)
{
    char name[NAME_BYTES];
    char path[LIMIT_PATH_BYTES], part[LIMIT_PATH_BYTES + 32];
    uint64_t random;
    td_err err;
    if (cache == NULL || !reserve(cache, disk_bytes(size)))
        return;
    td_random_system(&random, sizeof random);
    range_name(sha256, at, size, name);
    path_of(cache, name, path);
    (void)snprintf(part, sizeof part, "%s.part-%016" PRIx64, path, random);
    td_err_clear(&err);
    td_result rc = write_range(cache, part, name, bytes, size, &err);
    if (rc == TD_OK)
        rc = td_io_rename(cache->io, part, path, &err);
    if (rc == TD_OK || rc == TD_E_NOTFOUND) /* another process removed it, to keep the bound */
        return;
    td_result removed = td_io_unlink(cache->io, part, NULL);
    (void)removed; /* the bound removes it later */
    pthread_mutex_lock(&cache->lock);
    const int is_first = !cache->is_full;
    cache->is_full = 1;
    pthread_mutex_unlock(&cache->lock);
    if (is_first)
        td_log_emit(cache->log, TD_LOG_INFO, "nothing more is kept in the cache on disk: %s",
                    err.text);
}
