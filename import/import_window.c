#include "import/import_window.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "cli/units.h"
#include "schema/decode.h"

/* A record in the window; its views are into bytes. */
typedef struct kept_record {
    struct kept_record *next; /* of the same slot */
    uint64_t line;
    import_record record;
    import_place place;
    size_t size;
    uint8_t bytes[];
} kept_record;

struct import_window {
    struct {
        kept_record *first, *last;
    } slots[LIMIT_FEED_SLOTS];
    uint32_t slot_count; /* slots seen so far */
    size_t bytes;
    uint64_t taken_ns;
    kept_record *taken; /* the record that was taken last */
};

import_window *import_window_open(void)
{
    return td_alloc_zero(1, sizeof(import_window));
}

void import_window_close(import_window *window)
{
    import_record record;
    import_place place;
    if (window == NULL)
        return;
    while (import_window_take(window, &record, &place))
        ;
    td_free(window);
}

int import_window_is_full(const import_window *window)
{
    return window->bytes > LIMIT_IMPORT_WINDOW_BYTES;
}

static td_result refuse_late(const import_window *w, const import_place *place, uint64_t line,
                             td_err *err)
{
    char by[TD_TIME_TEXT_BYTES];
    td_duration_format(w->taken_ns - place->effective_ns, by);
    td_result rc = td_err_set(err, TD_E_INVALID,
                              "line %" PRIu64 " is %s older than a line more than %s before it",
                              line, by, format_size(LIMIT_IMPORT_WINDOW_BYTES).text);
    td_err_hint(err, "sort the capture by time, or import each of its connections from a file of "
                     "its own");
    return rc;
}

td_result import_window_put(import_window *window, const import_record *record,
                            const import_place *place, uint64_t line, td_err *err)
{
    TD_ASSERT(place->slot < LIMIT_FEED_SLOTS);
    if (place->effective_ns < window->taken_ns)
        return refuse_late(window, place, line, err);
    size_t size = sizeof(kept_record) + record->url.size + record->data.size + DECODE_PADDING_BYTES;
    kept_record *kept = td_alloc(size);
    *kept = (kept_record){.line = line, .record = *record, .place = *place, .size = size};
    uint8_t *data = kept->bytes + record->url.size;
    kept->record.conn = (td_bytes){0};
    kept->record.url = td_bytes_of(kept->bytes, record->url.size);
    kept->record.data = td_bytes_of(data, record->data.size);
    if (record->url.size > 0)
        memcpy(kept->bytes, record->url.data, record->url.size);
    if (record->data.size > 0)
        memcpy(data, record->data.data, record->data.size);
    memset(data + record->data.size, 0, DECODE_PADDING_BYTES);
    if (window->slots[place->slot].first == NULL)
        window->slots[place->slot].first = kept;
    else
        window->slots[place->slot].last->next = kept;
    window->slots[place->slot].last = kept;
    if (place->slot >= window->slot_count)
        window->slot_count = place->slot + 1;
    window->bytes += size;
    return TD_OK;
}

/* 1 if a record goes before another one; NULL goes after all. */
static int is_before(const kept_record *a, const kept_record *b)
{
    if (a == NULL || b == NULL)
        return a != NULL;
    if (a->place.effective_ns != b->place.effective_ns)
        return a->place.effective_ns < b->place.effective_ns;
    return a->line < b->line;
}

int import_window_take(import_window *window, import_record *record, import_place *place)
{
    td_free(window->taken);
    window->taken = NULL;
    for (uint32_t i = 0; i < window->slot_count; i++)
        if (is_before(window->slots[i].first, window->taken))
            window->taken = window->slots[i].first;
    if (window->taken == NULL)
        return 0;
    *record = window->taken->record;
    *place = window->taken->place;
    window->slots[place->slot].first = window->taken->next;
    window->bytes -= window->taken->size;
    window->taken_ns = place->effective_ns;
    return 1;
}
