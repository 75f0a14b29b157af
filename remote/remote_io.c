#include "remote/remote_io.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "archive/journal.h"
#include "remote/manifest.h"
#include "remote/object_cache.h"
#include "remote/part.h"

/* Blocks that are kept: 8 MiB. Each block has one place, so that blocks that follow each other in a
 * part do not replace one another. */
enum { BLOCKS_KEPT = 1024 };

enum {
    AHEAD_SHARE = 8,
    /* Between two chunks there is the first one's index: 10 bytes for each of its frames. */
    RUN_GAP_BYTES = 128 << 10,
};

/* A block of a part. Blocks are counted from the part's end, so that a segment's footer and its
 * summary are in the first one. */
typedef struct block {
    const manifest_part *of; /* NULL: unused */
    uint64_t number;
    uint8_t *bytes;
} block;

/* What the bytes of a file are, for the log. */
typedef enum remote_kind {
    REMOTE_SEGMENT,
    REMOTE_JOURNAL,
    REMOTE_CATALOG,
    REMOTE_CACHED, /* of any file, from the cache on disk */
    REMOTE_KIND_COUNT,
} remote_kind;

struct remote_io {
    char *url; /* without a slash at the end */
    const td_log *log;
    s3_store *store;
    object_cache *cache; /* NULL: none */
    remote_manifest manifest;
    uint64_t manifest_bytes;
    _Atomic uint64_t bytes[REMOTE_KIND_COUNT];
    pthread_mutex_t lock; /* of the blocks */
    block blocks[BLOCKS_KEPT];
};

typedef struct remote_file {
    td_file base;
    remote_io *of;
    const manifest_file *file;
    remote_kind kind;
    /* Reading ahead, in one part of the file. */
    const manifest_part *run_of;
    uint64_t run_end;   /* where the last long read ended */
    uint64_t run_bytes; /* read before, one after the other */
    uint64_t ahead_at;
    size_t ahead_bytes; /* 0: none */
    uint8_t *ahead;
} remote_file;

static const td_io_ops REMOTE_OPS;

static remote_file *as_file(td_file *file)
{
    TD_ASSERT(file->ops == &REMOTE_OPS);
    return (remote_file *)file;
}

/* ---- reading ---- */

/* Read exactly these bytes of a part: from the cache, or with a request. */
static td_result read_range(const remote_file *from, const manifest_part *part, uint64_t at,
                            void *buf, size_t size, td_err *err)
{
    remote_io *remote = from->of;
    size_t got = 0;
    if (object_cache_find(remote->cache, part->sha256, at, buf, size)) {
        remote->bytes[REMOTE_CACHED] += size;
        return TD_OK;
    }
    td_result rc = part_read(remote->store, part, at, buf, size, &got, err);
    remote->bytes[from->kind] += got;
    if (rc == TD_OK && got < size) {
        rc = td_err_set(err, TD_E_IO,
                        "objects/%s is shorter in the store, but its manifest lists it",
                        part->sha256);
        td_err_hint(err, "push the archive to another prefix, and verify it there");
    }
    if (rc == TD_OK)
        object_cache_keep(remote->cache, part->sha256, at, buf, size);
    return rc;
}

static block *place_of(remote_io *remote, const manifest_part *part, uint64_t number)
{
    return &remote->blocks[((uintptr_t)part / sizeof *part + number) % BLOCKS_KEPT];
}

/* Read from one block of a part, at most to its end. */
static td_result read_block(const remote_file *from, const manifest_part *part, uint64_t at,
                            void *buf, size_t size, size_t *got, td_err *err)
{
    remote_io *remote = from->of;
    const uint64_t number = (part->bytes - 1 - at) / REMOTE_BLOCK_BYTES;
    const uint64_t end = part->bytes - number * REMOTE_BLOCK_BYTES;
    const uint64_t begin = end < REMOTE_BLOCK_BYTES ? 0 : end - REMOTE_BLOCK_BYTES;
    *got = end - at < size ? (size_t)(end - at) : size;
    block *place = place_of(remote, part, number);
    pthread_mutex_lock(&remote->lock);
    const int is_kept = place->of == part && place->number == number;
    if (is_kept)
        memcpy(buf, place->bytes + (at - begin), *got);
    pthread_mutex_unlock(&remote->lock);
    if (is_kept)
        return TD_OK;
    /* The lock is not held meanwhile: two threads may both request a block. */
    uint8_t *bytes = td_alloc((size_t)(end - begin));
    td_result rc = read_range(from, part, begin, bytes, (size_t)(end - begin), err);
    if (rc != TD_OK) {
        td_free(bytes);
        return rc;
    }
    memcpy(buf, bytes + (at - begin), *got);
    pthread_mutex_lock(&remote->lock);
    td_free(place->bytes);
    *place = (block){.of = part, .number = number, .bytes = bytes};
    pthread_mutex_unlock(&remote->lock);
    return TD_OK;
}

/* Copies the bytes from `at` on that the last long read has. Returns their number. */
static size_t take_ahead(const remote_file *from, const manifest_part *part, uint64_t at,
                         uint8_t *buf, size_t size)
{
    if (from->run_of != part || at < from->ahead_at || at - from->ahead_at >= from->ahead_bytes)
        return 0;
    const size_t begin = (size_t)(at - from->ahead_at);
    const size_t had = from->ahead_bytes - begin < size ? from->ahead_bytes - begin : size;
    memcpy(buf, from->ahead + begin, had);
    return had;
}

/* Reads that follow each other, as of a segment's chunks, share requests: each also asks for an
 * eighth of what was read before it, so that a selection reads little that it does not need. */
static td_result read_long(remote_file *from, const manifest_part *part, uint64_t at, uint8_t *buf,
                           size_t size, td_err *err)
{
    const int is_next =
        from->run_of == part && at >= from->run_end && at - from->run_end <= RUN_GAP_BYTES;
    if (from->run_of != part)
        from->ahead_bytes = 0; /* of another part */
    uint64_t ahead = is_next ? from->run_bytes / AHEAD_SHARE : 0;
    from->run_bytes = is_next ? from->run_bytes + size : size;
    from->run_of = part;
    from->run_end = at + size;
    ahead = ahead < REMOTE_AHEAD_BYTES ? ahead : REMOTE_AHEAD_BYTES;
    ahead = ahead < part->bytes - from->run_end ? ahead : part->bytes - from->run_end;
    const size_t had = take_ahead(from, part, at, buf, size);
    at += had;
    buf += had;
    size -= had;
    if (size == 0)
        return TD_OK;
    if (ahead < REMOTE_BLOCK_BYTES)
        return read_range(from, part, at, buf, size, err);
    td_free(from->ahead);
    from->ahead = td_alloc(size + (size_t)ahead);
    from->ahead_at = at;
    td_result rc = read_range(from, part, at, from->ahead, size + (size_t)ahead, err);
    from->ahead_bytes = rc == TD_OK ? size + (size_t)ahead : 0;
    if (rc == TD_OK)
        memcpy(buf, from->ahead, size);
    return rc;
}

static td_result read_part(remote_file *from, const manifest_part *part, uint64_t at, uint8_t *buf,
                           size_t size, td_err *err)
{
    /* A reader of all bytes also reads some of few between its long reads. */
    const int is_next_of_many = from->run_of == part && at == from->run_end &&
                                from->run_bytes >= AHEAD_SHARE * REMOTE_BLOCK_BYTES;
    td_result rc = TD_OK;
    size_t got = 0;
    if (size >= REMOTE_BLOCK_BYTES || is_next_of_many)
        return read_long(from, part, at, buf, size, err);
    for (size_t done = take_ahead(from, part, at, buf, size); rc == TD_OK && done < size;
         done += got)
        rc = read_block(from, part, at + done, buf + done, size - done, &got, err);
    return rc;
}

static td_result remote_read_at(td_file *base, uint64_t at, void *buf, size_t size, size_t *got,
                                td_err *err)
{
    remote_file *from = as_file(base);
    uint64_t begin = 0; /* of the part */
    td_result rc = TD_OK;
    *got = 0;
    for (size_t i = 0; rc == TD_OK && *got < size && i < from->file->part_count; i++) {
        const manifest_part *part = &from->file->parts[i];
        const uint64_t next = at + *got;
        if (next < begin + part->bytes) {
            const uint64_t left = begin + part->bytes - next;
            const size_t piece = left < size - *got ? (size_t)left : size - *got;
            rc = read_part(from, part, next - begin, (uint8_t *)buf + *got, piece, err);
            *got += rc == TD_OK ? piece : 0;
        }
        begin += part->bytes;
    }
    return rc == TD_OK
               ? rc
               : td_err_add(err, rc, "%s/%s at %" PRIu64, from->of->url, from->file->path, at);
}

/* ---- files and folders ---- */

/* The path below the archive; "" is the archive; NULL: path is not below it. */
static const char *below(const remote_io *remote, const char *path)
{
    const size_t size = strlen(remote->url);
    if (strncmp(path, remote->url, size) != 0 || (path[size] != '\0' && path[size] != '/'))
        return NULL;
    return path + size + (path[size] == '/');
}

static td_result find(const remote_io *remote, const char *path, const manifest_file **out,
                      td_err *err)
{
    const char *name = below(remote, path);
    *out = name == NULL ? NULL : remote_manifest_find(&remote->manifest, name);
    return *out != NULL ? TD_OK : td_err_set(err, TD_E_NOTFOUND, "'%s' is not in the store", path);
}

static td_result refuse(const char *path, td_err *err)
{
    td_result rc =
        td_err_set(err, TD_E_UNSUPPORTED, "'%s': an archive in a store is only read", path);
    td_err_hint(err, "change the archive's folder, and push it again");
    return rc;
}

static td_result remote_open(void *ctx, const char *path, td_open_mode mode, td_file **out,
                             td_err *err)
{
    remote_io *remote = ctx;
    const manifest_file *file = NULL;
    td_result rc = mode == TD_OPEN_READ ? find(remote, path, &file, err) : refuse(path, err);
    if (rc != TD_OK)
        return rc;
    remote_file *made = td_alloc_zero(1, sizeof *made);
    const remote_kind kind = strcmp(file->path, JOURNAL_FILE) == 0   ? REMOTE_JOURNAL
                             : strcmp(file->path, CATALOG_FILE) == 0 ? REMOTE_CATALOG
                                                                     : REMOTE_SEGMENT;
    *made = (remote_file){.base = {&REMOTE_OPS}, .of = remote, .file = file, .kind = kind};
    *out = &made->base;
    return TD_OK;
}

static void remote_close(td_file *file)
{
    remote_file *closed = as_file(file);
    td_free(closed->ahead);
    td_free(closed);
}

static td_result remote_size(td_file *file, uint64_t *out, td_err *err)
{
    (void)err;
    *out = as_file(file)->file->bytes;
    return TD_OK;
}

static td_result remote_size_at(void *ctx, const char *path, uint64_t *out, td_err *err)
{
    const manifest_file *file = NULL;
    td_result rc = find(ctx, path, &file, err);
    *out = rc == TD_OK ? file->bytes : 0;
    return rc;
}

/* A name in a folder. */
typedef struct folder_name {
    char *name;
    td_entry_kind kind;
} folder_name;

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const folder_name *)a)->name, ((const folder_name *)b)->name);
}

/* The names in the folder `of` ("": the archive). The files of one of its folders are neighbours:
 * their paths begin with the same bytes. */
static size_t find_names(const remote_manifest *manifest, const char *of, folder_name **out)
{
    const size_t size = strlen(of);
    folder_name *names = NULL;
    size_t count = 0;
    for (size_t i = 0; i < manifest->file_count; i++) {
        const char *path = manifest->files[i].path;
        if (size > 0 && (strncmp(path, of, size) != 0 || path[size] != '/'))
            continue;
        const char *name = path + size + (size > 0);
        const size_t bytes = strcspn(name, "/");
        const char *last = count == 0 ? "" : names[count - 1].name;
        if (strncmp(last, name, bytes) == 0 && last[bytes] == '\0')
            continue;
        names = td_array_grow(names, count, sizeof *names);
        names[count++] = (folder_name){td_strndup(name, bytes),
                                       name[bytes] == '/' ? TD_ENTRY_DIR : TD_ENTRY_FILE};
    }
    if (count > 0)
        qsort(names, count, sizeof *names, compare_names);
    *out = names;
    return count;
}

static td_result remote_list(void *ctx, const char *path, td_list_fn *fn, void *user, td_err *err)
{
    const remote_io *remote = ctx;
    const char *of = below(remote, path);
    folder_name *names = NULL;
    const size_t count = of == NULL ? 0 : find_names(&remote->manifest, of, &names);
    td_result rc = TD_OK;
    if (count == 0)
        rc = td_err_set(err, TD_E_NOTFOUND, "'%s' is not in the store", path);
    for (size_t i = 0; i < count; i++) {
        if (rc == TD_OK)
            rc = fn(user, names[i].name, names[i].kind, err);
        td_free(names[i].name);
    }
    td_free(names);
    return rc;
}

/* Files of a manifest do not change. */
static td_result remote_check_name(void *ctx, const char *path, td_file *file, td_name_state *out,
                                   td_err *err)
{
    (void)ctx, (void)path, (void)file, (void)err;
    *out = TD_NAME_SAME;
    return TD_OK;
}

static td_result remote_is_locked(td_file *file, int *out, td_err *err)
{
    (void)file, (void)err;
    *out = 0;
    return TD_OK;
}

static const td_io_ops REMOTE_OPS = {
    .open = remote_open,
    .close = remote_close,
    .size = remote_size,
    .size_at = remote_size_at,
    .read_at = remote_read_at,
    .list = remote_list,
    .check_name = remote_check_name,
    .is_locked = remote_is_locked,
};

/* ---- opening ---- */

/* Blocks from the cache are not told apart, so that all are read again. */
static void free_blocks(remote_io *remote)
{
    for (size_t i = 0; i < BLOCKS_KEPT; i++) {
        td_free(remote->blocks[i].bytes);
        remote->blocks[i] = (block){.of = NULL};
    }
}

td_result remote_io_open(const char *url, const td_log *log, remote_io **out, td_err *err)
{
    const s3_options options = {.url = url, .log = log};
    remote_io *made = td_alloc_zero(1, sizeof *made);
    *out = NULL;
    made->log = log;
    made->url = td_strdup(url);
    for (size_t size = strlen(url); size > 1 && made->url[size - 1] == '/';)
        made->url[--size] = '\0';
    pthread_mutex_init(&made->lock, NULL);
    td_result rc = s3_store_open(&options, &made->store, err);
    if (rc == TD_OK)
        rc = remote_manifest_read(made->store, &made->manifest, err);
    if (rc == TD_OK && made->manifest.number == 0)
        rc = remote_manifest_missing(err);
    if (rc != TD_OK) {
        remote_io_close(made);
        return td_err_add(err, rc, "cannot open archive '%s'", url);
    }
    made->manifest_bytes = s3_store_traffic(made->store).received_bytes;
    made->cache = object_cache_open_default(log);
    *out = made;
    return TD_OK;
}

void remote_io_prove(remote_io *remote)
{
    if (remote == NULL)
        return;
    object_cache_close(remote->cache);
    remote->cache = NULL;
    free_blocks(remote);
}

void remote_io_close(remote_io *remote)
{
    if (remote == NULL)
        return;
    if (remote->store != NULL) {
        const s3_traffic traffic = s3_store_traffic(remote->store);
        td_log_emit(remote->log, TD_LOG_DEBUG,
                    "read from '%s' (manifest %" PRIu64 "): %" PRIu64 " requests, %" PRIu64
                    " bytes: manifest %" PRIu64 ", journal %" PRIu64 ", catalog %" PRIu64
                    ", segments %" PRIu64 "; from the cache %" PRIu64,
                    remote->url, remote->manifest.number, traffic.requests, traffic.received_bytes,
                    remote->manifest_bytes, remote->bytes[REMOTE_JOURNAL],
                    remote->bytes[REMOTE_CATALOG], remote->bytes[REMOTE_SEGMENT],
                    remote->bytes[REMOTE_CACHED]);
    }
    s3_store_close(remote->store);
    remote_manifest_fini(&remote->manifest);
    object_cache_close(remote->cache);
    free_blocks(remote);
    pthread_mutex_destroy(&remote->lock);
    td_free(remote->url);
    td_free(remote);
}

td_io remote_io_table(remote_io *remote)
{
    return (td_io){.ops = &REMOTE_OPS, .ctx = remote};
}

td_result remote_open_archive(const archive_options *options, const char *path, remote_io **remote,
                              archive **out, td_err *err)
{
    archive_options used = *options;
    *remote = NULL;
    *out = NULL;
    if (!archive_is_url(path))
        return archive_open(options, path, ARCHIVE_READ, out, err);
    td_result rc = remote_io_open(path, options->log, remote, err);
    if (rc != TD_OK)
        return rc;
    used.io = remote_io_table(*remote);
    rc = archive_open(&used, path, ARCHIVE_READ, out, err);
    if (rc != TD_OK) {
        remote_io_close(*remote);
        *remote = NULL;
    }
    return rc;
}
