#include "format/catalog_known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static td_result keep(void *user, const catalog_segment *segment, td_err *err)
{
    known_segments *known = user;
    size_t count = known->count;
    TD_ASSERT(count == 0 || known->rows != NULL);
    known_segment *grown = td_array_room(known->rows, count, sizeof *grown);
    if (grown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu segments", count + 1);
    known->rows = grown;
    char *path = td_strdup(segment->path);
    if (path == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu segments", count);
    known->rows[known->count++] = (known_segment){.path = path,
                                                  .is_open = segment->is_open,
                                                  .is_intact = segment->is_intact,
                                                  .file_bytes = segment->file_bytes,
                                                  .first_ns = segment->first_ns,
                                                  .last_ns = segment->last_ns};
    return TD_OK;
}

td_result known_segments_load(catalog *c, known_segments *out, td_err *err)
{
    *out = (known_segments){0};
    return catalog_each_segment(c, keep, out, err);
}

void known_segments_fini(known_segments *known)
{
    for (size_t i = 0; i < known->count; i++)
        td_free(known->rows[i].path);
    td_free(known->rows);
    *known = (known_segments){0};
}

static int compare(const void *path, const void *row)
{
    return strcmp(path, ((const known_segment *)row)->path);
}

const known_segment *known_segments_find(const known_segments *known, const char *path)
{
    char name[LIMIT_PATH_BYTES];
    size_t length = strlen(path);
    size_t suffix = strlen(".open");
    if (known->count == 0)
        return NULL;
    if (length > suffix && strcmp(path + length - suffix, ".open") == 0)
        length -= suffix;
    (void)snprintf(name, sizeof name, "%.*s", (int)length, path);
    return bsearch(name, known->rows, known->count, sizeof known->rows[0], compare);
}

int known_segments_match(const known_segments *known, const archive_segment *segment)
{
    if (segment->name.is_open)
        return 0;
    const known_segment *row = known_segments_find(known, segment->path);
    return row != NULL && row->is_intact && row->file_bytes == segment->size_bytes;
}
