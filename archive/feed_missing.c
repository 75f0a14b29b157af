/* Segments that the journal knows and the disk lacks. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "archive/feed_past.h"

static int compare_path(const void *path, const void *row)
{
    return strcmp(path, ((const archive_segment *)row)->path);
}

static int is_listed(const archive_listing *listing, const char *path)
{
    TD_ASSERT(path != NULL);
    return listing->segment_count > 0 && bsearch(path, listing->segments, listing->segment_count,
                                                 sizeof listing->segments[0], compare_path) != NULL;
}

/* Whatever else is wrong with it: what cannot be opened for another reason is there. */
static int is_on_disk(archive *a, const char *path)
{
    char full[LIMIT_PATH_BYTES];
    td_file *file = NULL;
    td_result rc = archive_join(a, path, full, NULL);
    if (rc == TD_OK)
        rc = td_io_open(archive_io(a), full, TD_OPEN_READ, &file, NULL);
    td_io_close(file);
    return rc != TD_E_NOTFOUND;
}

td_result archive_each_missing(archive *a, const archive_listing *listing, missing_fn *fn,
                               void *user, td_err *err)
{
    archive_past past = {0};
    td_result rc = archive_is_single_file(a) ? TD_OK : archive_past_read(a, &past, err);
    for (size_t i = 0; i < past.segment_count && rc == TD_OK; i++) {
        const past_segment *segment = &past.segments[i];
        if (segment->stage == PAST_FINISHED && !is_listed(listing, segment->path) &&
            !is_on_disk(a, segment->path))
            fn(user, segment);
    }
    archive_past_fini(&past);
    return rc;
}
