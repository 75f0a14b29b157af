#include "export/export_file.h"

#include <stdio.h>
#include <string.h>

#include <libdeflate.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "export/export_folder.h"

enum {
    MEMBER_BYTES = 128 << 10, /* text is compressed, to a gzip member, at this size */
    GZIP_LEVEL = 1,
    WRITE_BYTES = 64 << 10, /* plain text, or `packed`, is written to the file at this size */
    BUFFER_KEPT_BYTES = 256 << 10, /* plain text's buffer is freed if a line made it larger */
    READ_BYTES = 1 << 20,          /* bytes read at a time to hash a file */
    BUFFER_BYTES_MAX = 256 << 20,  /* the largest frame as text, with some reserve */
};

struct export_file {
    export_files *files;
    char *name;                  /* relative to the export's folder */
    char path[LIMIT_PATH_BYTES]; /* path of the partial file */
    export_packing packing;
    td_hasher *hasher;
    td_buf text;   /* not yet compressed, or of EXPORT_PLAIN not yet written */
    td_buf packed; /* compressed, not yet written */
    uint64_t raw_bytes;
    uint64_t bytes;
};

/* ---- the files of a writer ---- */

void export_files_fini(export_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        td_free(files->items[i].name);
    td_free(files->items);
    *files = (export_files){0};
}

void export_files_discard(export_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        export_folder_discard(files->folder, files->items[i].name, EXPORT_PARTIAL);
}

/* ---- compression ---- */

/* Appends a text as a gzip member. A file is a sequence of members. libdeflate's level 1 makes CSV
 * 2.5 % larger than zlib's level 6, in a fifth of the time. */
static td_result add_member(td_buf *out, td_bytes text, td_err *err)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(GZIP_LEVEL);
    TD_ASSERT(compressor != NULL); /* fails only if memory runs out */
    size_t most = libdeflate_gzip_compress_bound(compressor, text.size);
    td_result rc = td_buf_reserve(out, most, err);
    if (rc == TD_OK)
        out->size +=
            libdeflate_gzip_compress(compressor, text.data, text.size, out->data + out->size, most);
    libdeflate_free_compressor(compressor);
    return rc;
}

/* ---- one file ---- */

static void file_free(export_file *file)
{
    td_hasher_close(file->hasher);
    td_buf_fini(&file->text);
    td_buf_fini(&file->packed);
    td_free(file->name);
    td_free(file);
}

/* Creates the empty file; replaces a file that a killed export left. */
static td_result create_partial(export_file *file, td_err *err)
{
    const export_folder *folder = file->files->folder;
    td_file *made = NULL;
    td_result rc = export_folder_prepare(folder, file->name, file->path, err);
    if (rc == TD_OK)
        rc = export_folder_remove(folder, file->name, EXPORT_PARTIAL, err);
    if (rc == TD_OK)
        rc = td_io_open(export_folder_io(folder), file->path, TD_OPEN_CREATE, &made, err);
    td_io_close(made);
    return rc;
}

static char *name_of(const export_files *files, const char *name)
{
    size_t size = strlen(files->prefix) + strlen(name) + 1;
    char *out = td_alloc(size);
    (void)snprintf(out, size, "%s%s", files->prefix, name);
    return out;
}

td_result export_file_open(export_files *files, const char *name, export_packing packing,
                           export_file **out, td_err *err)
{
    export_file *made = td_alloc_zero(1, sizeof *made);
    made->files = files;
    made->packing = packing;
    made->name = name_of(files, name);
    td_buf_init(&made->text, BUFFER_BYTES_MAX);
    if (packing == EXPORT_GZIP) /* growing copies; what is not written to takes no memory */
        td_buf_grow(&made->text, MEMBER_BYTES + WRITE_BYTES);
    td_buf_init(&made->packed, BUFFER_BYTES_MAX);
    made->hasher = td_hasher_open();
    td_result rc = create_partial(made, err);
    if (rc != TD_OK) {
        file_free(made);
        return rc;
    }
    *out = made;
    return TD_OK;
}

void export_file_abandon(export_file *file)
{
    if (file == NULL)
        return;
    export_folder_discard(file->files->folder, file->name, EXPORT_PARTIAL);
    file_free(file);
}

td_buf *export_file_buf(export_file *file)
{
    return &file->text;
}

const char *export_file_path(const export_file *file)
{
    return file->path;
}

typedef enum file_end { FILE_CONTINUES, FILE_ENDS } file_end;

/* Writes to the file, which is open only during the write, because thousands of files may be
 * unfinished. */
static td_result write_out(export_file *file, td_bytes bytes, file_end end, td_err *err)
{
    td_file *to = NULL;
    TD_ASSERT(end == FILE_ENDS || bytes.size > 0);
    td_result rc =
        td_io_open(export_folder_io(file->files->folder), file->path, TD_OPEN_APPEND, &to, err);
    if (rc == TD_OK && bytes.size > 0)
        rc = td_io_append(to, bytes.data, bytes.size, err);
    if (rc == TD_OK && end == FILE_ENDS)
        rc = td_io_sync(to, err);
    td_io_close(to);
    td_hasher_update(file->hasher, bytes.data, bytes.size);
    file->bytes += bytes.size;
    return rc;
}

/* Writes the text, compressed if the file is. */
static td_result write_text(export_file *file, file_end end, td_err *err)
{
    const int is_plain = file->packing == EXPORT_PLAIN;
    td_buf *from = is_plain ? &file->text : &file->packed;
    td_result rc = TD_OK;
    file->raw_bytes += file->text.size;
    if (!is_plain && file->text.size > 0) {
        rc = add_member(from, td_buf_view(&file->text), err);
        td_buf_clear(&file->text);
    }
    if (rc == TD_OK && end == FILE_CONTINUES && from->size < WRITE_BYTES)
        return TD_OK;
    if (rc == TD_OK)
        rc = write_out(file, td_buf_view(from), end, err);
    td_buf_clear(from);
    if (!is_plain || from->capacity > BUFFER_KEPT_BYTES)
        td_buf_fini(from); /* of thousands of files, each may have needed much once */
    return rc;
}

td_result export_file_flush(export_file *file, td_err *err)
{
    if (file->text.size < (file->packing == EXPORT_GZIP ? MEMBER_BYTES : WRITE_BYTES))
        return TD_OK;
    td_result rc = write_text(file, FILE_CONTINUES, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "'%s'", file->path);
}

td_result export_file_write(export_file *file, td_bytes bytes, td_err *err)
{
    TD_ASSERT(file->text.size == 0);
    file->raw_bytes += bytes.size;
    td_result rc = write_out(file, bytes, FILE_CONTINUES, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "'%s'", file->path);
}

static td_result hash_path(td_io io, const char *path, td_hasher *hasher, uint64_t *size,
                           td_err *err)
{
    td_file *from = NULL;
    uint8_t *bytes = td_alloc(READ_BYTES);
    size_t got = READ_BYTES;
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &from, err);
    while (rc == TD_OK && got == READ_BYTES) {
        rc = td_io_read_at(from, *size, bytes, READ_BYTES, &got, err);
        if (rc != TD_OK)
            break;
        td_hasher_update(hasher, bytes, got);
        *size += got;
    }
    td_io_close(from);
    td_free(bytes);
    return rc;
}

static td_result rename_partial(export_file *file, const char *name, td_err *err)
{
    const export_folder *folder = file->files->folder;
    char *to = name_of(file->files, name);
    char path[LIMIT_PATH_BYTES];
    td_result rc = export_folder_prepare(folder, to, path, err);
    if (rc == TD_OK)
        rc = td_io_rename(export_folder_io(folder), file->path, path, err);
    if (rc == TD_OK) {
        td_free(file->name);
        file->name = to;
        memcpy(file->path, path, sizeof path);
        return TD_OK;
    }
    td_free(to);
    return rc;
}

td_result export_file_finish(export_file *file, const char *name, td_err *err)
{
    export_files *files = file->files;
    /* 1 if another library has written the file. */
    int is_from_library = file->packing == EXPORT_PLAIN && file->raw_bytes + file->text.size == 0;
    td_result rc = write_text(file, FILE_ENDS, err);
    if (rc == TD_OK && is_from_library) {
        rc =
            hash_path(export_folder_io(files->folder), file->path, file->hasher, &file->bytes, err);
        file->raw_bytes = file->bytes;
    }
    if (rc == TD_OK && name != NULL)
        rc = rename_partial(file, name, err);
    if (rc != TD_OK) {
        rc = td_err_add(err, rc, "'%s'", file->path);
        export_file_abandon(file);
        return rc;
    }
    files->items = td_array_grow(files->items, files->count, sizeof *files->items);
    export_finished_file *done = &files->items[files->count++];
    *done = (export_finished_file){
        .name = file->name, .bytes = file->bytes, .raw_bytes = file->raw_bytes};
    td_hash128_hex(td_hasher_digest(file->hasher), done->hash);
    file->name = NULL;
    file_free(file);
    return TD_OK;
}
