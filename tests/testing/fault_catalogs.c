#include "tests/testing/fault_catalogs.h"

#include <stdio.h>
#include <string.h>

#include <zstd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/random.h"
#include "archive/catalog.h"
#include "base/codec.h"

enum { FILE_BYTES_MAX = 256 << 20, PATH_BYTES = 256, GARBAGE_BYTES = 30000 };

typedef struct saved_catalog {
    td_hash128 hash;
    uint8_t *packed; /* the compressed file; NULL if it was missing */
    size_t packed_bytes;
    size_t bytes;
} saved_catalog;

struct fault_catalogs {
    char path[PATH_BYTES];
    codec *coder;
    td_hasher *hasher;
    td_buf content;
    saved_catalog *versions;
    size_t version_count;
    size_t version_capacity;
    uint64_t *at; /* [n]: index of the version just before change n */
    size_t at_count;
    size_t at_capacity;
};

fault_catalogs *fault_catalogs_open(const char *path)
{
    fault_catalogs *c = td_alloc_zero(1, sizeof *c);
    (void)snprintf(c->path, sizeof c->path, "%s", path);
    c->coder = codec_open();
    c->hasher = td_hasher_open();
    td_buf_init(&c->content, FILE_BYTES_MAX);
    return c;
}

void fault_catalogs_close(fault_catalogs *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->version_count; i++)
        td_free(c->versions[i].packed);
    td_buf_fini(&c->content);
    td_free(c->versions);
    td_free(c->at);
    codec_close(c->coder);
    td_hasher_close(c->hasher);
    td_free(c);
}

static void *space(void *rows, size_t count, size_t *capacity, size_t row_bytes)
{
    if (count < *capacity)
        return rows;
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    void *grown = td_realloc(rows, *capacity, row_bytes);
    return grown;
}

/* Reads a file. Returns 1 if it exists. */
static int read_file(const char *path, td_buf *out)
{
    char block[65536];
    size_t got;
    td_buf_clear(out);
    FILE *in = fopen(path, "rb");
    if (in == NULL)
        return 0;
    while ((got = fread(block, 1, sizeof block, in)) > 0) {
        td_result rc = td_buf_append(out, block, got, NULL);
        TD_ASSERT(rc == TD_OK);
    }
    (void)fclose(in);
    return 1;
}

static void pack(fault_catalogs *c, const td_buf *content, saved_catalog *out)
{
    size_t capacity = codec_bound(content->size);
    out->bytes = content->size;
    out->packed = td_alloc(capacity == 0 ? 1 : capacity);
    out->packed_bytes = codec_compress(c->coder, 1, td_buf_view(content), out->packed, capacity);
}

/* Stores the catalog if it differs from the last stored version. */
static void look(fault_catalogs *c)
{
    int is_there = read_file(c->path, &c->content);
    td_hasher_reset(c->hasher);
    td_hasher_update(c->hasher, &is_there, sizeof is_there);
    td_hasher_update(c->hasher, c->content.data, c->content.size);
    td_hash128 hash = td_hasher_digest(c->hasher);
    if (c->version_count > 0 && td_hash128_equal(c->versions[c->version_count - 1].hash, hash))
        return;
    c->versions = space(c->versions, c->version_count, &c->version_capacity, sizeof c->versions[0]);
    saved_catalog *made = &c->versions[c->version_count++];
    *made = (saved_catalog){.hash = hash};
    if (is_there)
        pack(c, &c->content, made);
}

void fault_catalogs_observe(void *user, io_fault_op op, uint64_t change_count)
{
    static const uint32_t READERS =
        IO_FAULT_BIT(IO_FAULT_OP_OPEN) | IO_FAULT_BIT(IO_FAULT_OP_SIZE) |
        IO_FAULT_BIT(IO_FAULT_OP_READ) | IO_FAULT_BIT(IO_FAULT_OP_LIST) |
        IO_FAULT_BIT(IO_FAULT_OP_SPACE);
    fault_catalogs *c = user;
    if ((READERS & IO_FAULT_BIT(op)) != 0)
        return;
    look(c);
    while (c->at_count <= change_count) {
        c->at = space(c->at, c->at_count, &c->at_capacity, sizeof c->at[0]);
        c->at[c->at_count++] = c->version_count - 1;
    }
    c->at[change_count] = c->version_count - 1;
}

uint64_t fault_catalogs_count(const fault_catalogs *c)
{
    return c->version_count;
}

static int write_file(const char *path, const void *bytes, size_t size)
{
    FILE *out = fopen(path, "wb");
    if (out == NULL)
        return 0;
    size_t done = fwrite(bytes, 1, size, out);
    return fclose(out) == 0 && done == size;
}

static int put_version(const saved_catalog *from, const char *path)
{
    if (from->packed == NULL)
        return 1;
    uint8_t *bytes = td_alloc(from->bytes + 1);
    int ok = ZSTD_decompress(bytes, from->bytes, from->packed, from->packed_bytes) == from->bytes &&
             write_file(path, bytes, from->bytes);
    td_free(bytes);
    return ok;
}

/* Writes random bytes, or random bytes after a database header. */
static int put_garbage(uint64_t seed, const char *path)
{
    uint8_t bytes[GARBAGE_BYTES];
    td_random random;
    td_random_init(&random, seed);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)td_random_next(&random);
    if (seed % 2 == 0)
        memcpy(bytes, "SQLite format 3", 16);
    return write_file(path, bytes, seed % 5 == 0 ? 0 : sizeof bytes);
}

int fault_catalogs_put(const fault_catalogs *c, fault_catalog_kind kind, uint64_t change_count,
                       uint64_t seed, const char *path)
{
    uint64_t now = change_count < c->at_count ? c->at[change_count] : c->version_count - 1;
    TD_ASSERT(c->version_count > 0);
    if (catalog_remove(path, NULL) != TD_OK)
        return 0;
    switch (kind) {
    case FAULT_CATALOG_MOMENT:
        return put_version(&c->versions[now], path);
    case FAULT_CATALOG_OLDER:
        return put_version(&c->versions[seed % (now + 1)], path);
    case FAULT_CATALOG_GARBAGE:
        return put_garbage(seed, path);
    case FAULT_CATALOG_NONE:
    case FAULT_CATALOG_KIND_COUNT:
        break;
    }
    return 1;
}
