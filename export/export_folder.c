#include "export/export_folder.h"

#include <stdio.h>
#include <string.h>

#define ZLIB_CONST /* zlib then takes its input as what it is: not to be written */
#include <zlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

enum {
    TEXT_BYTES = 16 << 10,        /* of text before it is passed on */
    WRITE_BYTES = 64 << 10,       /* of a file before it is written */
    BUFFER_BYTES_MAX = 256 << 20, /* one frame of the largest size as text, with space */
    STEP_BYTES = 16 << 10,        /* space made for what zlib gives */
    WINDOW_BITS_GZIP = 16,        /* zlib: plus the window's bits = a gzip member around it */
    MEMORY_LEVEL = 8,             /* zlib's default: 256 KiB a stream */
};

struct export_folder {
    td_io io;
    char *path;
    export_overwrite overwrite;
    td_buf names; /* of complete files, each with its NUL */
    uint64_t file_count;
    export_file *manifest;
    uint8_t owns_partials; /* 1: this run's, to be removed unless published */
    uint8_t is_published;
};

struct export_file {
    export_folder *folder;
    char name[EXPORT_NAME_BYTES];
    uint8_t is_gzip;
    z_stream stream; /* if is_gzip */
    td_hasher *hasher;
    td_buf text;   /* as it was put */
    td_buf packed; /* not yet written */
    uint64_t raw_bytes;
    uint64_t bytes;
};

/* ---- paths ---- */

static td_result path_of(const export_folder *folder, const char *name, const char *suffix,
                         char out[LIMIT_PATH_BYTES], td_err *err)
{
    int size = snprintf(out, LIMIT_PATH_BYTES, "%s/%s%s", folder->path, name, suffix);
    TD_ASSERT(size > 0);
    if (size >= (int)LIMIT_PATH_BYTES)
        return td_err_set(err, TD_E_LIMIT, "'%s/%s%s': the path is too long", folder->path, name,
                          suffix);
    return TD_OK;
}

/* Remove a partial file; none there is fine. */
static td_result remove_partial(export_folder *folder, const char *name, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = path_of(folder, name, EXPORT_PARTIAL, path, err);
    if (rc == TD_OK)
        rc = td_io_unlink(folder->io, path, err);
    return rc == TD_E_NOTFOUND ? TD_OK : rc;
}

/* Whatever cannot be opened for another reason than that it is missing is in the way as well. */
static td_result is_there(export_folder *folder, const char *name, const char *suffix, int *out,
                          td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = path_of(folder, name, suffix, path, err);
    if (rc != TD_OK)
        return rc;
    td_file *file = NULL;
    rc = td_io_open(folder->io, path, TD_OPEN_READ, &file, err);
    td_io_close(file);
    td_err_clear(err);
    *out = rc != TD_E_NOTFOUND;
    return TD_OK;
}

td_result export_folder_check(export_folder *folder, const char *name, td_err *err)
{
    int is_taken = 0;
    if (folder->overwrite == EXPORT_REPLACE)
        return TD_OK;
    td_result rc = is_there(folder, name, "", &is_taken, err);
    if (rc != TD_OK || !is_taken)
        return rc;
    td_err_set(err, TD_E_INVALID, "'%s/%s' is there already", folder->path, name);
    td_err_hint(err, "export into another folder, or replace it with --force");
    return TD_E_INVALID;
}

/* ---- the folder ---- */

/* The manifest's partial file is what keeps two exports apart. */
static td_result check_no_writer(export_folder *folder, td_err *err)
{
    int is_taken = 0;
    if (folder->overwrite == EXPORT_REPLACE)
        return remove_partial(folder, EXPORT_MANIFEST, err);
    td_result rc = is_there(folder, EXPORT_MANIFEST, EXPORT_PARTIAL, &is_taken, err);
    if (rc != TD_OK || !is_taken)
        return rc;
    td_err_set(err, TD_E_INVALID,
               "'%s' holds " EXPORT_MANIFEST EXPORT_PARTIAL
               ": another export is writing there, or one was killed",
               folder->path);
    td_err_hint(err, "wait for it; if it no longer runs, --force removes its files");
    return TD_E_INVALID;
}

/* The manifest's partial file comes first: it marks the folder as in use by an export. */
static td_result begin(export_folder *folder, td_err *err)
{
    td_result rc = td_io_mkdir_all(folder->io, folder->path, err);
    if (rc == TD_OK)
        rc = export_folder_check(folder, EXPORT_MANIFEST, err);
    if (rc == TD_OK)
        rc = check_no_writer(folder, err);
    if (rc == TD_OK)
        rc = export_file_open(folder, EXPORT_MANIFEST, EXPORT_PLAIN, &folder->manifest, err);
    folder->owns_partials = rc == TD_OK;
    return rc;
}

td_result export_folder_open(td_io io, const char *path, export_overwrite overwrite,
                             export_folder **out, td_err *err)
{
    export_folder *made = td_alloc_zero(1, sizeof *made);
    made->io = io;
    made->overwrite = overwrite;
    td_buf_init(&made->names, SIZE_MAX);
    made->path = td_strdup(path);
    td_result rc = begin(made, err);
    if (rc != TD_OK) {
        export_folder_close(made);
        return td_err_add(err, rc, "cannot export to '%s'", path);
    }
    *out = made;
    return TD_OK;
}

uint64_t export_folder_file_count(const export_folder *folder)
{
    return folder->file_count;
}

export_file *export_folder_manifest(export_folder *folder)
{
    TD_ASSERT(folder->manifest != NULL);
    return folder->manifest;
}

typedef td_result name_fn(export_folder *folder, const char *name, td_err *err);

/* Call fn for each complete file, in the order in which they were finished. */
static td_result each_name(export_folder *folder, name_fn *fn, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t at = 0; at < folder->names.size && rc == TD_OK;) {
        const char *name = (const char *)folder->names.data + at;
        rc = fn(folder, name, err);
        at += strlen(name) + 1;
    }
    return rc;
}

/* From NAME.partial to NAME. */
static td_result publish_name(export_folder *folder, const char *name, td_err *err)
{
    char from[LIMIT_PATH_BYTES];
    char to[LIMIT_PATH_BYTES];
    TD_ASSERT(name[0] != '\0');
    td_result rc = path_of(folder, name, EXPORT_PARTIAL, from, err);
    if (rc == TD_OK)
        rc = path_of(folder, name, "", to, err);
    return rc == TD_OK ? td_io_rename(folder->io, from, to, err) : rc;
}

/* A manifest that is to be replaced goes first: while files change there is none. */
static td_result remove_old_manifest(export_folder *folder, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = path_of(folder, EXPORT_MANIFEST, "", path, err);
    if (rc != TD_OK || folder->overwrite == EXPORT_KEEP)
        return rc;
    rc = td_io_unlink(folder->io, path, err);
    if (rc == TD_E_NOTFOUND)
        return TD_OK;
    return rc == TD_OK ? td_io_sync_dir(folder->io, folder->path, err) : rc;
}

/* The last step. If it cannot be made durable it is taken back: what is there is complete, but
 * the caller got the error. */
static td_result publish_manifest(export_folder *folder, td_err *err)
{
    td_err ignored;
    td_result rc = publish_name(folder, EXPORT_MANIFEST, err);
    if (rc != TD_OK)
        return rc;
    rc = td_io_sync_dir(folder->io, folder->path, err);
    char path[LIMIT_PATH_BYTES];
    if (rc != TD_OK && path_of(folder, EXPORT_MANIFEST, "", path, &ignored) == TD_OK &&
        td_io_unlink(folder->io, path, &ignored) != TD_OK)
        return td_err_add(err, rc, "and " EXPORT_MANIFEST " cannot be taken back");
    return rc;
}

td_result export_folder_publish(export_folder *folder, td_err *err)
{
    TD_ASSERT(!folder->is_published);
    export_sums ignored;
    export_file *manifest = folder->manifest;
    TD_ASSERT(manifest != NULL);
    folder->manifest = NULL;
    td_result rc = export_file_finish(manifest, &ignored, err);
    if (rc == TD_OK)
        rc = remove_old_manifest(folder, err);
    if (rc == TD_OK)
        rc = each_name(folder, publish_name, err);
    if (rc == TD_OK)
        rc = td_io_sync_dir(folder->io, folder->path, err);
    if (rc == TD_OK)
        rc = publish_manifest(folder, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "cannot publish the export in '%s'", folder->path);
    folder->is_published = 1;
    return TD_OK;
}

/* What cannot be removed stays; its name says what it is. */
static td_result discard_name(export_folder *folder, const char *name, td_err *err)
{
    (void)remove_partial(folder, name, err); /* the next one may work */
    return TD_OK;
}

void export_folder_close(export_folder *folder)
{
    if (folder == NULL)
        return;
    td_err ignored;
    export_file_abandon(folder->manifest);
    /* Best effort all through: the export has failed already, and its error says more. */
    if (!folder->is_published)
        (void)each_name(folder, discard_name, &ignored);
    if (!folder->is_published && folder->owns_partials)
        (void)remove_partial(folder, EXPORT_MANIFEST, &ignored);
    td_buf_fini(&folder->names);
    td_free(folder->path);
    td_free(folder);
}

/* ---- compression ---- */

/* zlib's memory comes from td_alloc, which does not fail. */
static void *alloc_memory(void *opaque, uInt count, uInt size)
{
    (void)opaque;
    return td_alloc_zero(count, size);
}

/* The other half of alloc_memory. */
static void free_memory(void *opaque, void *memory)
{
    (void)opaque;
    td_free(memory);
}

static void begin_gzip(export_file *file)
{
    file->is_gzip = 1;
    file->stream = (z_stream){.zalloc = alloc_memory, .zfree = free_memory};
    /* zlib writes a header without name and with time 0 of its own accord. */
    int rc = deflateInit2(&file->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                          MAX_WBITS + WINDOW_BITS_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    TD_ASSERT(rc == Z_OK); /* it fails without memory alone */
}

/* Compress a text; flush: Z_NO_FLUSH, or Z_FINISH after the last one. */
static td_result compress_text(export_file *file, td_bytes text, int flush, td_err *err)
{
    td_buf *out = &file->packed;
    z_stream *stream = &file->stream;
    int rc;
    stream->next_in = text.data;
    stream->avail_in = (uInt)text.size; /* at most BUFFER_BYTES_MAX */
    do {
        td_result reserved = td_buf_reserve(out, STEP_BYTES, err);
        if (reserved != TD_OK)
            return reserved;
        stream->next_out = out->data + out->size;
        stream->avail_out = STEP_BYTES;
        rc = deflate(stream, flush);
        TD_ASSERT(rc != Z_STREAM_ERROR);
        out->size += STEP_BYTES - stream->avail_out;
    } while (stream->avail_out == 0 || (flush == Z_FINISH && rc != Z_STREAM_END));
    TD_ASSERT(stream->avail_in == 0);
    return TD_OK;
}

/* ---- one file ---- */

static void file_free(export_file *file)
{
    if (file->is_gzip)
        (void)deflateEnd(&file->stream); /* an unfinished stream is freed all the same */
    td_hasher_close(file->hasher);
    td_buf_fini(&file->text);
    td_buf_fini(&file->packed);
    td_free(file);
}

/* Make the empty file, instead of one that a killed export left. */
static td_result create_partial(const export_file *file, td_err *err)
{
    export_folder *folder = file->folder;
    char path[LIMIT_PATH_BYTES];
    td_result rc = TD_OK;
    if (file->name[0] != '\0' && strcmp(file->name, EXPORT_MANIFEST) != 0)
        rc = remove_partial(folder, file->name, err);
    if (rc == TD_OK)
        rc = path_of(folder, file->name, EXPORT_PARTIAL, path, err);
    td_file *made = NULL;
    if (rc == TD_OK)
        rc = td_io_open(folder->io, path, TD_OPEN_CREATE, &made, err);
    td_io_close(made);
    return rc;
}

td_result export_file_open(export_folder *folder, const char *name, export_packing packing,
                           export_file **out, td_err *err)
{
    TD_ASSERT(strlen(name) < EXPORT_NAME_BYTES);
    TD_ASSERT(strchr(name, '/') == NULL);
    export_file *made = td_alloc_zero(1, sizeof *made);
    made->folder = folder;
    memcpy(made->name, name, strlen(name) + 1);
    td_buf_init(&made->text, BUFFER_BYTES_MAX);
    td_buf_init(&made->packed, BUFFER_BYTES_MAX);
    made->hasher = td_hasher_open();
    if (packing == EXPORT_GZIP)
        begin_gzip(made);
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
    td_err ignored;
    (void)remove_partial(file->folder, file->name, &ignored); /* its name says what it is */
    file_free(file);
}

td_buf *export_file_buf(export_file *file)
{
    return &file->text;
}

/* Compress what was put. */
static td_result pack(export_file *file, int flush, td_err *err)
{
    td_bytes text = td_buf_view(&file->text);
    td_result rc = file->is_gzip ? compress_text(file, text, flush, err)
                                 : td_buf_append(&file->packed, text.data, text.size, err);
    file->raw_bytes += text.size;
    td_buf_clear(&file->text);
    return rc;
}

typedef enum file_end { FILE_GOES_ON, FILE_ENDS } file_end;

/* The file is open during the write only: thousands may be at work. */
static td_result write_out(export_file *file, file_end end, td_err *err)
{
    export_folder *folder = file->folder;
    char path[LIMIT_PATH_BYTES];
    td_file *to = NULL;
    TD_ASSERT(end == FILE_ENDS || file->packed.size > 0);
    td_result rc = path_of(folder, file->name, EXPORT_PARTIAL, path, err);
    if (rc == TD_OK)
        rc = td_io_open(folder->io, path, TD_OPEN_APPEND, &to, err);
    if (rc == TD_OK && file->packed.size > 0)
        rc = td_io_append(to, file->packed.data, file->packed.size, err);
    if (rc == TD_OK && end == FILE_ENDS)
        rc = td_io_sync(to, err);
    td_io_close(to);
    td_hasher_update(file->hasher, file->packed.data, file->packed.size);
    file->bytes += file->packed.size;
    td_buf_clear(&file->packed);
    return rc;
}

td_result export_file_flush(export_file *file, td_err *err)
{
    if (file->text.size < TEXT_BYTES)
        return TD_OK;
    td_result rc = pack(file, Z_NO_FLUSH, err);
    if (rc == TD_OK && file->packed.size >= WRITE_BYTES)
        rc = write_out(file, FILE_GOES_ON, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "file %s", file->name);
}

/* A finished file is published or discarded with the others. */
static void add_name(const export_file *file)
{
    td_buf_add(&file->folder->names, file->name, strlen(file->name) + 1);
    file->folder->file_count++;
}

td_result export_file_finish(export_file *file, export_sums *out, td_err *err)
{
    TD_ASSERT(!file->folder->is_published);
    td_result rc = pack(file, Z_FINISH, err);
    if (rc == TD_OK)
        rc = write_out(file, FILE_ENDS, err);
    if (rc == TD_OK && strcmp(file->name, EXPORT_MANIFEST) != 0)
        add_name(file);
    if (rc != TD_OK) {
        rc = td_err_add(err, rc, "file %s", file->name);
        export_file_abandon(file);
        return rc;
    }
    *out = (export_sums){.bytes = file->bytes, .raw_bytes = file->raw_bytes};
    td_hash128_hex(td_hasher_digest(file->hasher), out->hash);
    file_free(file);
    return TD_OK;
}
