/* Frames that benchmarks send: the lines of a file, repeated from the first line after the last. A
 * failure ends the program. */
#ifndef TD_BENCHMARKS_CORPUS_H
#define TD_BENCHMARKS_CORPUS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/io_posix.h"

typedef struct corpus {
    td_bytes lines;
    size_t at; /* offset of the next line */
} corpus;

static inline void must(td_result rc, const td_err *err)
{
    if (rc == TD_OK)
        return;
    fprintf(stderr, "benchmark: %s\n", err->text);
    exit(4);
}

static inline corpus corpus_load(const char *path)
{
    td_err err;
    td_file *file;
    uint64_t size;
    must(td_io_open(io_posix(), path, TD_OPEN_READ, &file, &err), &err);
    must(td_io_size(file, &size, &err), &err);
    uint8_t *bytes = td_alloc((size_t)size);
    must(td_io_read_exact(file, 0, bytes, (size_t)size, &err), &err);
    td_io_close(file);
    return (corpus){.lines = td_bytes_of(bytes, (size_t)size)};
}

static inline td_bytes corpus_next(corpus *self)
{
    const uint8_t *from = self->lines.data + self->at;
    const uint8_t *newline = memchr(from, '\n', self->lines.size - self->at);
    size_t size = newline == NULL ? self->lines.size - self->at : (size_t)(newline - from);
    self->at += size + 1;
    if (self->at >= self->lines.size)
        self->at = 0;
    return td_bytes_of(from, size);
}

#endif
