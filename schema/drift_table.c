#include "schema/drift_table.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/slot_table.h"

struct drift_table {
    drift_finding *findings;
    size_t count;
    size_t learnt_count; /* of these; bounded apart, so that no flood of them hides others */
    slot_table index;
    uint64_t left_out;
    uint64_t learnt_left_out;
};

td_result drift_table_open(drift_table **out, td_err *err)
{
    *out = td_alloc_zero(1, sizeof **out);
    if (*out == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a table of findings");
    return TD_OK;
}

static void finding_fini(drift_finding *f)
{
    td_free((void *)f->feed);
    td_free((void *)f->topic);
    td_free((void *)f->path);
    td_free((void *)f->detail);
    td_free((void *)f->symbol);
    td_free((void *)f->example.data);
}

void drift_table_close(drift_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->count; i++)
        finding_fini(&table->findings[i]);
    td_free(table->findings);
    slot_table_fini(&table->index);
    td_free(table);
}

uint64_t drift_table_left_out(const drift_table *table, uint64_t since_ns)
{
    return table->left_out + (since_ns != 0 ? table->learnt_left_out : 0);
}

int drift_finding_is_new(const drift_finding *f, uint64_t since_ns)
{
    return f->first_ns >= since_ns && (!f->is_learnt || since_ns != 0);
}

/* ---- adding ---- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash * 31 + td_xxh64(text, strlen(text));
}

static uint64_t hash_of(const char *feed, td_bytes topic, drift_kind kind, const char *path,
                        const char *detail)
{
    uint64_t hash = td_xxh64(topic.data, topic.size);
    hash = hash_text(hash, feed);
    hash = hash_text(hash, path);
    hash = hash_text(hash, detail);
    return hash * 31 + (uint64_t)kind;
}

static drift_finding *find(const drift_table *table, const char *feed, td_bytes topic,
                           const drift_note *note)
{
    slot_probe at = slot_probe_of(hash_of(feed, topic, note->kind, note->path, note->detail));
    while (slot_table_next(&table->index, &at)) {
        drift_finding *f = &table->findings[at.row];
        if (f->kind == note->kind && strcmp(f->path, note->path) == 0 &&
            strcmp(f->detail, note->detail) == 0 && td_bytes_is(topic, f->topic) &&
            strcmp(f->feed, feed) == 0)
            return f;
    }
    return NULL;
}

static char *copy_of(td_bytes text)
{
    return td_strndup(text.size == 0 ? "" : (const char *)text.data, text.size);
}

/* A finding with its names, not counted yet. TD_E_NOMEM. */
static td_result make(drift_table *table, const char *feed, td_bytes topic, const drift_note *note,
                      drift_finding **out, td_err *err)
{
    td_result rc = slot_table_reserve(&table->index, table->count + 1, "findings", err);
    if (rc != TD_OK)
        return rc;
    drift_finding *findings = td_array_grow(table->findings, table->count, sizeof *table->findings);
    if (findings == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for findings");
    table->findings = findings;
    drift_finding made = {.feed = td_strdup(feed),
                          .topic = copy_of(topic),
                          .path = td_strdup(note->path),
                          .detail = td_strdup(note->detail),
                          .kind = note->kind,
                          .is_learnt = note->is_learnt,
                          .first_ns = UINT64_MAX,
                          .first_order = UINT64_MAX,
                          .example_order = UINT64_MAX};
    if (made.feed == NULL || made.topic == NULL || made.path == NULL || made.detail == NULL) {
        finding_fini(&made);
        return td_err_set(err, TD_E_NOMEM, "no memory for a finding");
    }
    slot_table_put(&table->index, hash_of(feed, topic, note->kind, note->path, note->detail),
                   table->count);
    *out = &findings[table->count++];
    **out = made;
    table->learnt_count += note->is_learnt;
    return TD_OK;
}

/* 1 if there is a place for one more finding; else the note is counted. */
static int has_place(drift_table *table, const drift_note *note)
{
    if (note->is_learnt && table->learnt_count == LIMIT_DRIFT_LEARNT) {
        table->learnt_left_out++;
        return 0;
    }
    if (!note->is_learnt && table->count - table->learnt_count == LIMIT_DRIFT_FINDINGS) {
        table->left_out++;
        return 0;
    }
    return 1;
}

/* The example is the first frame. */
static td_result take_example(drift_finding *f, const drift_frame *frame, const drift_look *look,
                              td_err *err)
{
    if (frame->order >= f->example_order)
        return TD_OK;
    size_t size =
        look->text.size < LIMIT_DRIFT_EXAMPLE_BYTES ? look->text.size : LIMIT_DRIFT_EXAMPLE_BYTES;
    char *bytes = copy_of(td_bytes_of(look->text.data, size));
    char *symbol = copy_of(look->symbol);
    if (bytes == NULL || symbol == NULL) {
        td_free(bytes);
        td_free(symbol);
        return td_err_set(err, TD_E_NOMEM, "no memory for the example of a finding");
    }
    td_free((void *)f->example.data);
    td_free((void *)f->symbol);
    f->example = td_bytes_of(bytes, size);
    f->symbol = symbol;
    f->example_bytes = look->text.size;
    f->example_order = frame->order;
    return TD_OK;
}

static td_result add_note(drift_table *table, const char *feed, const drift_frame *frame,
                          const drift_look *look, const drift_note *note, td_err *err)
{
    drift_finding *f = find(table, feed, look->topic, note);
    if (f == NULL && !has_place(table, note))
        return TD_OK;
    td_result rc = TD_OK;
    if (f == NULL)
        rc = make(table, feed, look->topic, note, &f, err);
    if (rc == TD_OK)
        rc = take_example(f, frame, look, err);
    if (rc != TD_OK)
        return rc;
    f->count += note->count;
    if (note->first_order < f->first_order) {
        f->first_order = note->first_order;
        f->first_ns = note->first_ns;
    }
    if (frame->order >= f->last_order) {
        f->last_order = frame->order;
        f->last_ns = frame->recv_ns;
    }
    return TD_OK;
}

td_result drift_table_add(drift_table *table, const char *feed, const drift_frame *frame,
                          const drift_look *look, td_err *err)
{
    td_result rc = TD_OK;
    table->left_out += look->left_out;
    for (size_t i = 0; i < look->count && rc == TD_OK; i++)
        rc = add_note(table, feed, frame, look, &look->notes[i], err);
    return rc;
}

/* ---- listing ---- */

static int compare(const void *left, const void *right)
{
    const drift_finding *a = left;
    const drift_finding *b = right;
    int order = strcmp(a->feed, b->feed);
    if (order == 0)
        order = strcmp(a->topic, b->topic);
    if (order == 0)
        order = strcmp(a->path, b->path);
    if (order == 0)
        order = (int)a->kind - (int)b->kind;
    return order != 0 ? order : strcmp(a->detail, b->detail);
}

const drift_finding *drift_table_list(drift_table *table, size_t *count)
{
    *count = table->count;
    if (table->count == 0)
        return NULL;
    qsort(table->findings, table->count, sizeof *table->findings, compare);
    slot_table_clear(&table->index);
    for (size_t i = 0; i < table->count; i++) {
        const drift_finding *f = &table->findings[i];
        slot_table_put(&table->index,
                       hash_of(f->feed, td_bytes_str(f->topic), f->kind, f->path, f->detail), i);
    }
    return table->findings;
}
