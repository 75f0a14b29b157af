#include "view/market_cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "format/chunk_codec.h"

#define DEFAULT_BYTES_MAX (UINT64_C(1) << 30)

enum {
    ZSTD_LEVEL = 1,
    /* the largest tile, with 2^20 runs and as many trades */
    TILE_BYTES_MAX = 64 << 20,
};

/* A file of the folder. */
typedef struct cache_file {
    char name[TD_HASH128_HEX_BYTES + sizeof ".part"]; /* ".part": it was not finished */
    uint64_t bytes;
    uint64_t used; /* number of the last use; 0: not used by this process */
} cache_file;

/* What precedes the compressed tile in a file. */
typedef struct file_head {
    uint64_t bytes; /* uncompressed */
    uint32_t crc;
    uint32_t reserved;
} file_head;

struct market_cache {
    char folder[LIMIT_PATH_BYTES]; /* "": nothing is kept */
    uint64_t bytes_max;
    pthread_mutex_t lock; /* of all below */
    cache_file *files;
    size_t count;
    uint64_t bytes; /* of all files */
    uint64_t uses;
};

/* ---- the folder ---- */

static int join_path(const market_cache *self, const char *name, char out[LIMIT_PATH_BYTES])
{
    return snprintf(out, LIMIT_PATH_BYTES, "%s/%s", self->folder, name) < (int)LIMIT_PATH_BYTES;
}

static td_result list_file(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    market_cache *self = user;
    char path[LIMIT_PATH_BYTES];
    cache_file added = {.bytes = 0};
    (void)err;
    if (kind != TD_ENTRY_FILE || strlen(name) >= sizeof added.name ||
        !join_path(self, name, path) ||
        td_io_size_at(io_posix(), path, &added.bytes, NULL) != TD_OK)
        return TD_OK;
    (void)snprintf(added.name, sizeof added.name, "%s", name);
    self->files = td_array_grow(self->files, self->count, sizeof *self->files);
    self->files[self->count++] = added;
    self->bytes += added.bytes;
    return TD_OK;
}

static cache_file *find_file(market_cache *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->files[i].name, name) == 0)
            return &self->files[i];
    return NULL;
}

static int compare_uses(const void *a, const void *b)
{
    const cache_file *left = a;
    const cache_file *right = b;
    return (left->used > right->used) - (left->used < right->used);
}

/* List the folder again, as other processes use it, and remove files until a tenth of the bound is
 * free. */
static void make_space(market_cache *self)
{
    cache_file *known = self->files;
    const size_t known_count = self->count;
    size_t removed = 0;
    self->files = NULL;
    self->count = 0;
    self->bytes = 0;
    (void)!td_io_list(io_posix(), self->folder, list_file, self, NULL); /* as far as possible */
    for (size_t i = 0; i < known_count; i++) {
        cache_file *same = known[i].used == 0 ? NULL : find_file(self, known[i].name);
        if (same != NULL)
            same->used = known[i].used;
    }
    td_free(known);
    if (self->count > 0)
        qsort(self->files, self->count, sizeof *self->files, compare_uses);
    while (removed < self->count && self->bytes > self->bytes_max / 10 * 9) {
        char path[LIMIT_PATH_BYTES];
        const cache_file *at = &self->files[removed++];
        if (join_path(self, at->name, path))
            (void)!td_io_unlink(io_posix(), path, NULL); /* it may be gone */
        self->bytes -= at->bytes;
    }
    self->count -= removed;
    if (removed > 0)
        memmove(self->files, self->files + removed, self->count * sizeof *self->files);
}

/* ---- opening and closing ---- */

market_cache *market_cache_open(const char *folder, uint64_t bytes_max)
{
    market_cache *made = td_alloc_zero(1, sizeof *made);
    const td_io io = io_posix();
    made->bytes_max = bytes_max;
    (void)pthread_mutex_init(&made->lock, NULL);
    if (folder == NULL ||
        snprintf(made->folder, sizeof made->folder, "%s", folder) >= (int)sizeof made->folder ||
        td_io_mkdir_all(io, folder, NULL) != TD_OK ||
        td_io_make_private(io, folder, NULL) != TD_OK ||
        td_io_list(io, folder, list_file, made, NULL) != TD_OK)
        made->folder[0] = '\0';
    return made;
}

market_cache *market_cache_open_default(void)
{
    const char *folder = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    char path[LIMIT_PATH_BYTES];
    int size = -1;
    if (folder != NULL && folder[0] == '/')
        size = snprintf(path, sizeof path, "%s/tapedeck/market", folder);
    else if (home != NULL && home[0] == '/')
        size = snprintf(path, sizeof path, "%s/.cache/tapedeck/market", home);
    return market_cache_open(size > 0 && size < (int)sizeof path ? path : NULL, DEFAULT_BYTES_MAX);
}

void market_cache_close(market_cache *self)
{
    if (self == NULL)
        return;
    (void)pthread_mutex_destroy(&self->lock);
    td_free(self->files);
    td_free(self);
}

/* ---- tiles ---- */

static int read_tile(const char *path, market_tile *out)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    file_head head;
    td_buf tile;
    codec *coder = codec_open();
    td_buf_init(&tile, TILE_BYTES_MAX);
    td_result rc = td_io_read_file(io_posix(), path, TILE_BYTES_MAX, &bytes, &size, NULL);
    if (rc == TD_OK && size < sizeof head)
        rc = TD_E_CORRUPT;
    if (rc == TD_OK) {
        memcpy(&head, bytes, sizeof head);
        const mcap_chunk chunk = {.uncompressed_bytes = head.bytes,
                                  .uncompressed_crc = head.crc,
                                  .compression = td_bytes_str(CHUNK_ZSTD),
                                  .records = td_bytes_of(bytes + sizeof head, size - sizeof head)};
        rc = chunk_decompress(coder, &chunk, 0, &tile, NULL);
    }
    if (rc == TD_OK)
        rc = market_tile_load(td_buf_view(&tile), out, NULL);
    td_buf_fini(&tile);
    codec_close(coder);
    td_free(bytes);
    return rc == TD_OK;
}

int market_cache_keeps(const market_cache *self)
{
    return self->folder[0] != '\0';
}

int market_cache_has(market_cache *self, td_hash128 key)
{
    char name[TD_HASH128_HEX_BYTES];
    td_hash128_hex(key, name);
    (void)pthread_mutex_lock(&self->lock);
    cache_file *found = find_file(self, name);
    if (found != NULL)
        found->used = ++self->uses;
    (void)pthread_mutex_unlock(&self->lock);
    return found != NULL;
}

int market_cache_get(market_cache *self, td_hash128 key, market_tile *out)
{
    char name[TD_HASH128_HEX_BYTES];
    char path[LIMIT_PATH_BYTES];
    td_hash128_hex(key, name);
    return market_cache_has(self, key) && join_path(self, name, path) && read_tile(path, out);
}

static td_result write_bytes(void *user, td_file *file, td_err *err)
{
    const td_buf *bytes = user;
    return td_io_append(file, bytes->data, bytes->size, err);
}

void market_cache_put(market_cache *self, td_hash128 key, const market_tile *tile)
{
    char path[LIMIT_PATH_BYTES];
    cache_file added = {.bytes = 0};
    td_buf whole;
    td_buf file;
    td_hash128_hex(key, added.name);
    if (!market_cache_keeps(self) || !join_path(self, added.name, path))
        return;
    td_buf_init(&whole, TILE_BYTES_MAX);
    td_buf_init(&file, SIZE_MAX);
    market_tile_save(tile, &whole);
    if (whole.size <= LIMIT_CHUNK_BYTES) {
        const file_head head = {.bytes = whole.size, .crc = td_crc32(0, whole.data, whole.size)};
        codec *coder = codec_open();
        td_buf_add(&file, &head, sizeof head);
        td_buf_grow(&file, codec_bound(whole.size));
        file.size += codec_compress(coder, ZSTD_LEVEL, td_buf_view(&whole), file.data + file.size,
                                    codec_bound(whole.size));
        codec_close(coder);
        added.bytes = file.size;
        if (td_io_write_file(io_posix(), path, TD_OPEN_CREATE_PRIVATE, write_bytes, &file, NULL) ==
            TD_OK) {
            (void)pthread_mutex_lock(&self->lock);
            added.used = ++self->uses;
            if (find_file(self, added.name) == NULL) {
                self->files = td_array_grow(self->files, self->count, sizeof *self->files);
                self->files[self->count++] = added;
                self->bytes += added.bytes;
            }
            if (self->bytes > self->bytes_max)
                make_space(self);
            (void)pthread_mutex_unlock(&self->lock);
        }
    }
    td_buf_fini(&whole);
    td_buf_fini(&file);
}
