#include "remote/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/decimal.h"
#include "base/json/json.h"
#include "base/json/json_write.h"
#include "base/limits.h"

enum { MANIFEST_VERSION = 1, NUMBER_DIGITS = 10, MANIFEST_KEY_BYTES = 64 };

/* A million segments. */
enum { MANIFEST_BYTES_MAX = 256 << 20 };

void remote_object_key(const manifest_part *part, char out[REMOTE_OBJECT_KEY_BYTES])
{
    (void)snprintf(out, REMOTE_OBJECT_KEY_BYTES, REMOTE_OBJECTS "%s", part->sha256);
}

static void manifest_key(uint64_t number, char out[MANIFEST_KEY_BYTES])
{
    (void)snprintf(out, MANIFEST_KEY_BYTES, REMOTE_MANIFESTS "%0*" PRIu64 ".json", NUMBER_DIGITS,
                   number);
}

uint64_t remote_manifest_number(const char *key)
{
    char expected[MANIFEST_KEY_BYTES];
    uint64_t number = 0;
    td_bytes rest = td_bytes_str(key + strlen(REMOTE_MANIFESTS));
    td_bytes digits;
    if (td_bytes_next(&rest, '.', &digits))
        (void)td_digits_parse(digits, UINT64_MAX, &number);
    manifest_key(number, expected);
    return strcmp(key, expected) == 0 ? number : 0;
}

/* ---- the files ---- */

manifest_file *remote_manifest_add_file(remote_manifest *manifest, const char *path,
                                        const char *chain)
{
    manifest->files = td_array_grow(manifest->files, manifest->file_count, sizeof *manifest->files);
    manifest_file *file = &manifest->files[manifest->file_count++];
    *file = (manifest_file){.path = td_strdup(path)};
    (void)snprintf(file->chain, sizeof file->chain, "%s", chain);
    return file;
}

void manifest_file_add_part(manifest_file *file, const manifest_part *part)
{
    file->parts = td_array_grow(file->parts, file->part_count, sizeof *file->parts);
    file->parts[file->part_count++] = *part;
    file->bytes += part->bytes;
}

static int compare_path(const void *path, const void *file)
{
    return strcmp(path, ((const manifest_file *)file)->path);
}

const manifest_file *remote_manifest_find(const remote_manifest *manifest, const char *path)
{
    return manifest->file_count == 0 ? NULL
                                     : bsearch(path, manifest->files, manifest->file_count,
                                               sizeof *manifest->files, compare_path);
}

void remote_manifest_fini(remote_manifest *manifest)
{
    for (size_t i = 0; i < manifest->file_count; i++) {
        td_free(manifest->files[i].path);
        td_free(manifest->files[i].parts);
    }
    td_free(manifest->files);
    *manifest = (remote_manifest){0};
}

/* ---- reading ---- */

/* Copy lower-case digits of hexadecimal, out_bytes - 1 of them. 0: another text. */
static int copy_hex(td_bytes text, char *out, size_t out_bytes)
{
    if (text.size != out_bytes - 1)
        return 0;
    for (size_t i = 0; i < text.size; i++)
        if (strchr("0123456789abcdef", text.data[i]) == NULL || text.data[i] == '\0')
            return 0;
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return 1;
}

static int read_hex(json_value of, const char *key, char *out, size_t out_bytes)
{
    td_bytes text;
    return json_find_text(of, key, &text) && copy_hex(text, out, out_bytes);
}

static int read_file(remote_manifest *out, json_value from)
{
    td_bytes path;
    json_value parts, part;
    char chain[TD_HASH128_HEX_BYTES] = "";
    if (!json_find_text(from, "path", &path) || path.size == 0 || path.size >= LIMIT_PATH_BYTES ||
        memchr(path.data, '\0', path.size) != NULL || !td_path_is_below(path) ||
        !json_find(from, "parts", &parts) || json_count(parts) == 0 ||
        (json_find(from, "chain", &part) && !read_hex(from, "chain", chain, sizeof chain)))
        return 0;
    char *name = td_strndup((const char *)path.data, path.size);
    const int is_next =
        out->file_count == 0 || strcmp(out->files[out->file_count - 1].path, name) < 0;
    manifest_file *file = remote_manifest_add_file(out, name, chain);
    td_free(name);
    for (json_iter it = json_iter_of(parts); json_next(&it, NULL, &part);) {
        manifest_part made;
        if (!read_hex(part, "sha256", made.sha256, sizeof made.sha256) ||
            !json_find_u64(part, "bytes", &made.bytes) || made.bytes > S3_OBJECT_BYTES_MAX)
            return 0;
        manifest_file_add_part(file, &made);
    }
    return is_next;
}

static td_result read_files(remote_manifest *out, td_bytes text, const char *key, td_err *err)
{
    json_value root, files, file, flag;
    uint64_t version;
    int is_pruning = 0;
    json_parser *parser = json_parser_open(MANIFEST_BYTES_MAX);
    int is_sound = json_parse(parser, text, JSON_COPIED, &root, NULL) == TD_OK &&
                   json_find_u64(root, "version", &version);
    td_result rc = TD_OK;
    if (is_sound && version > MANIFEST_VERSION)
        rc = td_err_set(err, TD_E_UNSUPPORTED, "%s is of a later version of tapedeck", key);
    else if (is_sound)
        is_sound = json_find(root, "files", &files) && json_type_of(files) == JSON_ARRAY &&
                   (!json_find(root, "pruning", &flag) || json_bool(flag, &is_pruning));
    if (is_sound && rc == TD_OK)
        for (json_iter it = json_iter_of(files); is_sound && json_next(&it, NULL, &file);)
            is_sound = read_file(out, file);
    json_parser_close(parser);
    out->is_pruning = (uint8_t)is_pruning;
    if (!is_sound) {
        rc = td_err_set(err, TD_E_CORRUPT, "%s is no manifest of an archive", key);
        td_err_hint(err, "remove it, and push again; the objects that it lists stay");
    }
    return rc;
}

int remote_object_part(const s3_object *object, manifest_part *out)
{
    out->bytes = object->bytes;
    return copy_hex(td_bytes_str(object->key + strlen(REMOTE_OBJECTS)), out->sha256,
                    sizeof out->sha256);
}

td_result remote_manifest_read_one(s3_store *store, uint64_t number, uint64_t bytes,
                                   remote_manifest *out, td_err *err)
{
    char key[MANIFEST_KEY_BYTES];
    size_t got = 0;
    *out = (remote_manifest){.number = number};
    manifest_key(number, key);
    if (bytes > MANIFEST_BYTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "%s has more than %d bytes", key, MANIFEST_BYTES_MAX);
    uint8_t *text = td_alloc_zero(bytes + 1, 1);
    td_result rc = s3_store_read(store, key, 0, text, bytes, &got, err);
    if (rc == TD_OK)
        rc = read_files(out, td_bytes_of(text, got), key, err);
    td_free(text);
    return rc;
}

typedef struct last_manifest {
    uint64_t number, bytes;
} last_manifest;

static td_result keep_last(void *user, const s3_object *object, td_err *err)
{
    const uint64_t number = remote_manifest_number(object->key);
    (void)err;
    if (number != 0)
        *(last_manifest *)user = (last_manifest){number, object->bytes};
    return TD_OK;
}

td_result remote_manifest_read(s3_store *store, remote_manifest *out, td_err *err)
{
    last_manifest last = {0, 0};
    *out = (remote_manifest){0};
    td_result rc = s3_store_list(store, REMOTE_MANIFESTS, "", keep_last, &last, err);
    return rc == TD_OK && last.number != 0
               ? remote_manifest_read_one(store, last.number, last.bytes, out, err)
               : rc;
}

td_result remote_manifest_missing(td_err *err)
{
    td_result rc =
        td_err_set(err, TD_E_NOTFOUND, "no archive was pushed to it: no manifest is there");
    td_err_hint(err, "give the s3://BUCKET/PREFIX to which an archive was pushed");
    return rc;
}

td_result remote_manifest_check_newest(s3_store *store, uint64_t number, td_err *err)
{
    char key[MANIFEST_KEY_BYTES];
    last_manifest last = {0, 0};
    manifest_key(number, key);
    td_result rc = s3_store_list(store, REMOTE_MANIFESTS, key, keep_last, &last, err);
    if (rc == TD_OK && last.number != 0) {
        rc = td_err_set(err, TD_E_BUSY,
                        "another push, or a prune, made manifest %" PRIu64 " meanwhile",
                        last.number);
        td_err_hint(err, "run it again: what was done is not done again");
    }
    return rc;
}

td_result remote_manifest_remove(s3_store *store, uint64_t number, td_err *err)
{
    char key[MANIFEST_KEY_BYTES];
    manifest_key(number, key);
    return s3_store_remove(store, key, err);
}

/* ---- writing ---- */

static void write_file(json_writer *json, const manifest_file *file)
{
    json_write_object_begin(json);
    json_write_member_text(json, "path", file->path);
    if (file->chain[0] != '\0')
        json_write_member_text(json, "chain", file->chain);
    json_write_member_array_begin(json, "parts");
    for (size_t i = 0; i < file->part_count; i++) {
        json_write_object_begin(json);
        json_write_member_text(json, "sha256", file->parts[i].sha256);
        json_write_member_u64(json, "bytes", file->parts[i].bytes);
        json_write_object_end(json);
    }
    json_write_array_end(json);
    json_write_object_end(json);
}

/* Check a manifest that exists: it is this one if the reply to a try was lost. */
static td_result check_made(s3_store *store, const char *key, const td_buf *text, td_err *err)
{
    size_t got = 0;
    uint8_t *there = td_alloc_zero(text->size + 1, 1);
    td_result rc = s3_store_read(store, key, 0, there, text->size + 1, &got, err);
    if (rc == TD_OK && !td_bytes_equal(td_bytes_of(there, got), td_buf_view(text))) {
        rc = td_err_set(err, TD_E_BUSY, "another push made %s meanwhile, or a prune", key);
        td_err_hint(err, "run it again: what was done is not done again");
    }
    td_free(there);
    return rc;
}

/* Check, once for a prefix, that the store does not replace an object that exists: it would let one
 * of two pushes replace the other one's manifest. */
static td_result check_condition(s3_store *store, const char *key, const s3_content *content,
                                 td_err *err)
{
    int was_there = 0;
    td_result rc = s3_store_make(store, key, content, &was_there, err);
    if (rc == TD_OK && !was_there) {
        rc = td_err_set(err, TD_E_UNSUPPORTED, "the store replaces objects that exist");
        td_err_hint(err, "use a store that has conditional writes (If-None-Match)");
    }
    return rc;
}

td_result remote_manifest_make(s3_store *store, const remote_manifest *manifest, uint64_t number,
                               td_err *err)
{
    char key[MANIFEST_KEY_BYTES];
    int was_there = 0;
    json_writer json;
    td_buf text;
    td_buf_init(&text, MANIFEST_BYTES_MAX);
    json_write_begin(&json, &text);
    json_write_object_begin(&json);
    json_write_member_u64(&json, "version", MANIFEST_VERSION);
    if (manifest->is_pruning)
        json_write_member_bool(&json, "pruning", 1);
    json_write_member_array_begin(&json, "files");
    for (size_t i = 0; i < manifest->file_count; i++) {
        TD_ASSERT(i == 0 || strcmp(manifest->files[i - 1].path, manifest->files[i].path) < 0);
        write_file(&json, &manifest->files[i]);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    td_result rc = json_write_end(&json, err);
    manifest_key(number, key);
    s3_content content = {.bytes = text.size, .data = text.data};
    td_sha256_hex(text.data, text.size, content.sha256);
    if (rc == TD_OK)
        rc = s3_store_make(store, key, &content, &was_there, err);
    if (rc == TD_OK && was_there)
        rc = check_made(store, key, &text, err);
    else if (rc == TD_OK && number == 1)
        rc = check_condition(store, key, &content, err);
    /* The number may have been free because a prune removed its manifest while this push ran. */
    if (rc == TD_OK)
        rc = remote_manifest_check_newest(store, number, err);
    td_buf_fini(&text);
    return rc;
}
