#include "verbs/bands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cli/band.h"
#include "tape/timeline.h"

/* More topics than this share a band for each feed. */
enum { BANDS_MAX = 12 };

/* Size of a band's name: feed, space, topic. */
enum { NAME_BYTES = LIMIT_NAME_BYTES + LIMIT_TOPIC_BYTES };

typedef enum band_scope { BAND_OF_TOPIC, BAND_OF_FEED } band_scope;

typedef struct bands {
    timeline *from;
    const timeline_row *rows;
    size_t row_count;
    uint32_t *band_of; /* for each row */
    char **names;      /* for each band */
    uint32_t count;
    size_t name_columns; /* width of the longest name */
    timeline_grid grid;
} bands;

static void bands_fini(bands *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        td_free(self->names[i]);
    td_free(self->names);
    td_free(self->band_of);
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
    self->name_columns = 0;
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
        self->name_columns = strlen(name) > self->name_columns ? strlen(name) : self->name_columns;
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

/* Set the grid: from the first to the last frame of the wanted rows in the window. */
static int set_grid(bands *self, selection_window window, size_t columns)
{
    uint64_t first_ns = UINT64_MAX;
    uint64_t last_ns = 0;
    for (size_t i = 0; i < self->row_count; i++) {
        const timeline_row *row = &self->rows[i];
        if (self->band_of[i] == TIMELINE_NO_BAND || row->first_ns == 0)
            continue;
        first_ns = row->first_ns < first_ns ? row->first_ns : first_ns;
        last_ns = row->last_ns > last_ns ? row->last_ns : last_ns;
    }
    first_ns = window.from_ns > first_ns ? window.from_ns : first_ns;
    last_ns = window.to_ns <= last_ns ? window.to_ns - 1 : last_ns;
    if (first_ns > last_ns)
        return 0;
    self->grid.count = columns;
    self->grid.from_ns = first_ns;
    self->grid.step_ns = (last_ns - first_ns) / columns + 1;
    return 1;
}

static void describe_band(result_writer *r, const bands *self, uint32_t band, const char *text,
                          const char *marks)
{
    char indent[NAME_BYTES];
    size_t missing = self->name_columns - strlen(self->names[band]);
    memset(indent, ' ', self->name_columns);
    indent[self->name_columns] = '\0';
    result_object_begin(r, NULL);
    result_note(r, "name", "%s%s", self->names[band], indent + self->name_columns - missing);
    result_note(r, "band", "%s", text);
    result_note(r, "indent", "%s", indent);
    result_note(r, "marks", "%s", marks);
    result_object_end(r, "{name}  {band}\n[{marks?}{indent}  {marks}\n]");
}

static void describe_bands(result_writer *r, const bands *self)
{
    size_t count = self->grid.count;
    timeline_cell *cells = td_alloc_zero(count * self->count + 1, sizeof *cells);
    band_step *steps = td_alloc_zero(count * self->count + 1, sizeof *steps);
    char *text = td_alloc_zero(count * BAND_STEP_BYTES + 1, 1);
    char *marks = td_alloc_zero(count + 1, 1);
    band_style style = terminal_has_utf8() ? BAND_BLOCKS : BAND_ASCII;
    double max = 0;
    timeline_fill(self->from, self->band_of, self->count, self->grid, cells);
    for (size_t i = 0; i < count * self->count; i++) {
        steps[i] = (band_step){cells[i].frames, cells[i].received_ns > 0, cells[i].gaps != 0};
        max = steps[i].quantity > max ? steps[i].quantity : max;
    }
    for (uint32_t i = 0; i < self->count; i++) {
        band_text(steps + i * count, count, max, style, text);
        band_marks(steps + i * count, count, marks);
        describe_band(r, self, i, text, marks);
    }
    td_free(cells);
    td_free(steps);
    td_free(text);
    td_free(marks);
}

td_result bands_describe(verb_run *verb, const selection *wanted)
{
    result_writer *r = &verb->result;
    bands found = {0};
    selection named = *wanted;
    selection_window window = SELECTION_ALL_TIME;
    size_t columns = verb->output.columns;
    td_result rc = TD_OK;
    int has_grid = 0;
    if (result_json(r) != NULL)
        return TD_OK;
    if (columns >= BANDS_COLUMNS_MIN)
        rc = verb_run_window(verb, &named, &window);
    if (rc == TD_OK && columns >= BANDS_COLUMNS_MIN)
        rc = timeline_open(verb->archive, &found.from, &verb->err);
    if (rc == TD_OK && found.from != NULL) {
        found.rows = timeline_rows(found.from, &found.row_count);
        found.band_of = td_alloc_zero(found.row_count + 1, sizeof *found.band_of);
        name_bands(&found, wanted, BAND_OF_TOPIC);
        if (found.count > BANDS_MAX)
            name_bands(&found, wanted, BAND_OF_FEED);
        /* Half of the columns are the least for a shape. */
        has_grid = found.count > 0 && found.name_columns + 2 < columns / 2 &&
                   set_grid(&found, window, columns - found.name_columns - 2);
    }
    result_time(r, "bands_from", has_grid ? found.grid.from_ns : 0);
    result_duration(r, "bands_step", found.grid.step_ns);
    result_list_begin(r, "bands");
    if (has_grid)
        describe_bands(r, &found);
    result_list_end(r);
    bands_fini(&found);
    return rc;
}
