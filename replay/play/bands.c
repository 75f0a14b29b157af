#include "replay/play/bands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cli/band.h"
#include "tape/cursor.h"
#include "tape/timeline.h"

/* On a terminal more topics than this share a band for each feed. */
enum { TOPICS_MAX = 12 };

/* Columns that a terminal needs to get bands. */
enum { COLUMNS_MIN = 60 };

/* Size of a band's name: feed, space, topic. */
enum { NAME_BYTES = LIMIT_NAME_BYTES + LIMIT_TOPIC_BYTES };

typedef enum band_scope { BAND_OF_TOPIC, BAND_OF_FEED } band_scope;

/* Rows of a timeline in bands. */
typedef struct bands {
    timeline *from;
    const timeline_row *rows;
    size_t row_count;
    uint32_t *band_of; /* for each row */
    char **names;      /* for each band, sorted */
    uint32_t count;
    size_t name_bytes;       /* of the longest name */
    selection_window window; /* of the selection */
    timeline_grid grid;      /* after fill_bands */
    timeline_cell *cells;    /* grid.count for each band */
} bands;

static void free_bands(bands *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        td_free(self->names[i]);
    td_free(self->names);
    td_free(self->band_of);
    td_free(self->cells);
    timeline_close(self->from);
}

static int is_wanted(const selection *wanted, const timeline_row *row)
{
    return selection_has_feed(wanted, row->feed) &&
           selection_has_topic(wanted, td_bytes_str(row->topic), td_bytes_str(row->exchange_topic),
                               td_bytes_str(row->symbol));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void format_name(const timeline_row *row, band_scope scope, char out[NAME_BYTES])
{
    int is_topic = scope == BAND_OF_TOPIC;
    (void)snprintf(out, NAME_BYTES, "%s%s%s", row->feed, is_topic ? " " : "",
                   is_topic ? row->topic : "");
}

/* Make the bands' names, sorted, and give each wanted row its band. */
static void name_bands(bands *self, const selection *wanted, band_scope scope)
{
    for (uint32_t i = 0; i < self->count; i++)
        td_free(self->names[i]);
    self->count = 0;
    self->name_bytes = 0;
    for (size_t i = 0; i < self->row_count; i++) {
        char name[NAME_BYTES];
        uint32_t known = 0;
        format_name(&self->rows[i], scope, name);
        while (known < self->count && strcmp(self->names[known], name) != 0)
            known++;
        if (known < self->count || !is_wanted(wanted, &self->rows[i]))
            continue;
        self->names = td_array_grow(self->names, self->count, sizeof *self->names);
        self->names[self->count++] = td_strdup(name);
        self->name_bytes = strlen(name) > self->name_bytes ? strlen(name) : self->name_bytes;
    }
    if (self->count > 0)
        qsort(self->names, self->count, sizeof *self->names, compare_names);
    for (size_t i = 0; i < self->row_count; i++) {
        char name[NAME_BYTES];
        format_name(&self->rows[i], scope, name);
        self->band_of[i] = TIMELINE_NO_BAND;
        for (uint32_t band = 0; band < self->count && is_wanted(wanted, &self->rows[i]); band++)
            if (strcmp(self->names[band], name) == 0)
                self->band_of[i] = band;
    }
}

/* Find the bands of the selected topics. */
static td_result find_bands(archive *from, const selection *wanted, bands *out, td_err *err)
{
    td_result rc = selection_check(wanted, err);
    if (rc == TD_OK)
        rc = cursor_find_window(from, wanted, NULL, &out->window, err);
    if (rc == TD_OK)
        rc = timeline_open(from, &out->from, err);
    if (rc != TD_OK)
        return rc;
    out->rows = timeline_rows(out->from, &out->row_count);
    out->band_of = td_alloc_zero(out->row_count + 1, sizeof *out->band_of);
    name_bands(out, wanted, BAND_OF_TOPIC);
    if (out->count > TOPICS_MAX)
        name_bands(out, wanted, BAND_OF_FEED);
    return TD_OK;
}

/* Fill step_count cells for each band, from the first to the last frame in the window. 0: there are
 * no frames. */
static int fill_bands(bands *self, size_t step_count)
{
    time_span all = TIME_SPAN_NONE;
    for (size_t i = 0; i < self->row_count; i++) {
        const timeline_row *row = &self->rows[i];
        if (self->band_of[i] != TIMELINE_NO_BAND && row->first_ns != 0)
            all = time_span_join(all, (time_span){row->first_ns, row->last_ns + 1});
    }
    all = time_span_clip(all, self->window);
    if (time_span_ns(all) == 0)
        return 0;
    self->grid = (timeline_grid){all.from_ns, (time_span_ns(all) - 1) / step_count + 1, step_count};
    self->cells = td_alloc_zero(step_count * self->count, sizeof *self->cells);
    timeline_fill(self->from, self->band_of, self->count, self->grid, self->cells);
    return 1;
}

static void describe_band(result_writer *r, const bands *self, uint32_t band, const char *text,
                          const char *marks)
{
    char indent[NAME_BYTES];
    size_t missing = self->name_bytes - strlen(self->names[band]);
    memset(indent, ' ', self->name_bytes);
    indent[self->name_bytes] = '\0';
    result_object_begin(r, NULL);
    result_note(r, "name", "%s%s", self->names[band], indent + self->name_bytes - missing);
    result_note(r, "band", "%s", text);
    result_note(r, "indent", "%s", indent);
    result_note(r, "marks", "%s", marks);
    result_object_end(r, "{name}  {band}\n[{marks?}{indent}  {marks}\n]");
}

static void describe_bands(result_writer *r, const bands *self)
{
    size_t count = self->grid.count;
    band_step *steps = td_alloc_zero(count * self->count + 1, sizeof *steps);
    char *text = td_alloc_zero(count * BAND_STEP_BYTES + 1, 1);
    char *marks = td_alloc_zero(count + 1, 1);
    band_style style = terminal_has_utf8() ? BAND_BLOCKS : BAND_ASCII;
    double max = 0;
    for (size_t i = 0; i < count * self->count; i++) {
        const timeline_cell *cell = &self->cells[i];
        steps[i] = (band_step){cell->frames, cell->received_ns > 0, cell->gaps != 0};
        max = steps[i].quantity > max ? steps[i].quantity : max;
    }
    for (uint32_t i = 0; i < self->count; i++) {
        band_text(steps + i * count, count, max, style, text);
        band_marks(steps + i * count, count, marks);
        describe_band(r, self, i, text, marks);
    }
    td_free(steps);
    td_free(text);
    td_free(marks);
}

td_result bands_describe(result_writer *r, archive *from, const selection *wanted, td_err *err)
{
    bands found = {0};
    size_t columns = r->output->columns;
    td_result rc = TD_OK;
    if (result_json(r) != NULL)
        return TD_OK;
    if (columns >= COLUMNS_MIN)
        rc = find_bands(from, wanted, &found, err);
    /* Half of the columns are the least for a shape. */
    int is_shown = rc == TD_OK && found.count > 0 && found.name_bytes + 2 < columns / 2 &&
                   fill_bands(&found, columns - found.name_bytes - 2);
    result_time(r, "bands_from", found.grid.from_ns);
    result_duration(r, "bands_step", found.grid.step_ns);
    result_list_begin(r, "bands");
    if (is_shown)
        describe_bands(r, &found);
    result_list_end(r);
    free_bands(&found);
    return rc;
}
