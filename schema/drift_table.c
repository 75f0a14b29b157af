#include "schema/drift_table.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/row_table.h"

/* A group of findings with a common limit. At the limit, the findings with the lowest hashes are
 * kept, so that the choice does not depend on the order of frames. The counts of the kept findings
 * are complete, because a finding that was removed never returns. */
typedef struct finding_group {
    size_t count;
    size_t last; /* index of the finding with the highest hash, which is removed first; NO_ROW:
                    unknown */
} finding_group;

/* The findings of one feed, topic and kind (learnt values separately). Their number is limited, so
 * that many similar findings do not displace others. All new topics of a feed have one share
 * together, because a peer may invent topic names. */
typedef struct share {
    uint64_t hash; /* of feed, topic and kind; two keys with equal hashes use one share */
    finding_group group;
} share;

enum { WHOLE_OTHERS, WHOLE_LEARNT, WHOLES };

#define NO_ROW SIZE_MAX

struct drift_table {
    drift_finding *findings;
    size_t count;
    row_table index;
    finding_group wholes[WHOLES]; /* all findings; learnt values have their own group, so that many
                                     of them do not displace other findings */
    share *shares;
    size_t share_count;
    row_table share_index;
    uint64_t left_out[WHOLES];
};

static const size_t WHOLE_LIMITS[WHOLES] = {
    [WHOLE_OTHERS] = LIMIT_DRIFT_FINDINGS, [WHOLE_LEARNT] = LIMIT_DRIFT_VALUES};

drift_table *drift_table_open(void)
{
    return td_alloc_zero(1, sizeof(drift_table));
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
    row_table_fini(&table->index);
    td_free(table->shares);
    row_table_fini(&table->share_index);
    td_free(table);
}

uint64_t drift_table_left_out(const drift_table *table, uint64_t since_ns)
{
    return table->left_out[WHOLE_OTHERS] + (since_ns != 0 ? table->left_out[WHOLE_LEARNT] : 0);
}

int drift_finding_is_new(const drift_finding *f, uint64_t since_ns)
{
    return f->first_ns >= since_ns && (!f->is_learnt || since_ns != 0);
}

/* ---- look-up ---- */

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

static drift_finding *find(const drift_table *table, uint64_t hash, const char *feed,
                           td_bytes topic, const drift_note *note)
{
    row_probe at = row_probe_of(hash);
    while (row_table_next(&table->index, &at)) {
        drift_finding *f = &table->findings[at.row];
        if (f->kind == note->kind && strcmp(f->path, note->path) == 0 &&
            strcmp(f->detail, note->detail) == 0 && td_bytes_is(topic, f->topic) &&
            strcmp(f->feed, feed) == 0)
            return f;
    }
    return NULL;
}

/* Rebuild the index after findings moved. */
static void rebuild_index(drift_table *table)
{
    row_table_clear(&table->index);
    for (size_t i = 0; i < table->count; i++)
        row_table_put(&table->index, table->findings[i].hash, i);
    for (size_t i = 0; i < WHOLES; i++)
        table->wholes[i].last = NO_ROW;
    for (size_t i = 0; i < table->share_count; i++)
        table->shares[i].group.last = NO_ROW;
}

/* ---- limits ---- */

/* Index of the share that a note belongs to. */
static size_t find_share(drift_table *table, const char *feed, td_bytes topic,
                         const drift_note *note)
{
    td_bytes named = note->kind == DRIFT_NEW_TOPIC ? td_bytes_of(NULL, 0) : topic;
    uint64_t hash = hash_of(feed, named, note->kind, "", note->is_learnt ? "learnt" : "");
    row_probe at = row_probe_of(hash);
    while (row_table_next(&table->share_index, &at)) {
        if (table->shares[at.row].hash == hash)
            return at.row;
    }
    size_t made = table->share_count++;
    table->shares = td_array_grow(table->shares, made, sizeof *table->shares);
    table->shares[made] = (share){.hash = hash, .group = {.last = NO_ROW}};
    row_table_put(&table->share_index, hash, made);
    return made;
}

static finding_group *whole_of(drift_table *table, const drift_finding *f)
{
    return &table->wholes[f->is_learnt ? WHOLE_LEARNT : WHOLE_OTHERS];
}

static finding_group *share_of(drift_table *table, const drift_finding *f)
{
    return &table->shares[f->share].group;
}

static size_t last_of(drift_table *table, finding_group *in)
{
    int is_known = in->last != NO_ROW;
    for (size_t i = 0; !is_known && i < table->count; i++) {
        const drift_finding *f = &table->findings[i];
        int is_in = whole_of(table, f) == in || share_of(table, f) == in;
        if (is_in && (in->last == NO_ROW || f->hash > table->findings[in->last].hash))
            in->last = i;
    }
    TD_ASSERT(in->last < table->count);
    return in->last;
}

static void leave_out(drift_table *table, int is_learnt, uint64_t frames)
{
    table->left_out[is_learnt ? WHOLE_LEARNT : WHOLE_OTHERS] += frames;
}

static void remove_finding(drift_table *table, size_t row)
{
    drift_finding *f = &table->findings[row];
    leave_out(table, f->is_learnt, f->count);
    whole_of(table, f)->count--;
    share_of(table, f)->count--;
    finding_fini(f);
    *f = table->findings[--table->count];
    rebuild_index(table);
}

/* Make space for a finding, by removing another one if necessary. Returns 0 if the new finding must
 * be dropped instead. */
static int make_place(drift_table *table, const drift_finding *made)
{
    finding_group *whole = whole_of(table, made);
    finding_group *own = share_of(table, made);
    size_t limit = WHOLE_LIMITS[whole - table->wholes];
    if (own->count < LIMIT_DRIFT_KIND_FINDINGS && whole->count < limit)
        return 1;
    size_t last = last_of(table, own->count == LIMIT_DRIFT_KIND_FINDINGS ? own : whole);
    if (made->hash >= table->findings[last].hash)
        return 0;
    remove_finding(table, last);
    return 1;
}

/* ---- adding ---- */

static char *copy_of(td_bytes text)
{
    return td_strndup(text.size == 0 ? "" : (const char *)text.data, text.size);
}

/* Add the finding for a note, with a count of 0; NULL if it was dropped. */
static drift_finding *make(drift_table *table, const char *feed, td_bytes topic,
                           const drift_note *note, uint64_t hash)
{
    drift_finding made = {.kind = note->kind,
                          .is_learnt = note->is_learnt,
                          .first_ns = UINT64_MAX,
                          .first_order = UINT64_MAX,
                          .example_order = UINT64_MAX,
                          .hash = hash,
                          .share = find_share(table, feed, topic, note)};
    if (!make_place(table, &made)) {
        leave_out(table, note->is_learnt, note->count);
        return NULL;
    }
    table->findings = td_array_grow(table->findings, table->count, sizeof *table->findings);
    made.feed = td_strdup(feed);
    made.topic = copy_of(topic);
    made.path = td_strdup(note->path);
    made.detail = td_strdup(note->detail);
    row_table_put(&table->index, made.hash, table->count);
    drift_finding *out = &table->findings[table->count++];
    *out = made;
    finding_group *groups[] = {whole_of(table, &made), share_of(table, &made)};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        groups[i]->count++;
        groups[i]->last = NO_ROW;
    }
    return out;
}

/* Keep the frame as the finding's example if it precedes the current one. */
static void keep_example(drift_finding *f, const drift_frame *frame, const drift_result *result)
{
    if (frame->order >= f->example_order)
        return;
    size_t size = result->text.size < LIMIT_DRIFT_EXAMPLE_BYTES ? result->text.size
                                                                : LIMIT_DRIFT_EXAMPLE_BYTES;
    td_free((void *)f->example.data);
    td_free((void *)f->symbol);
    f->example = td_bytes_of(copy_of(td_bytes_of(result->text.data, size)), size);
    f->symbol = copy_of(result->symbol);
    f->example_bytes = result->text.size;
    f->example_order = frame->order;
}

static void add_note(drift_table *table, const char *feed, const drift_frame *frame,
                     const drift_result *result, const drift_note *note)
{
    uint64_t hash = hash_of(feed, result->topic, note->kind, note->path, note->detail);
    drift_finding *f = find(table, hash, feed, result->topic, note);
    if (f == NULL)
        f = make(table, feed, result->topic, note, hash);
    if (f == NULL)
        return;
    keep_example(f, frame, result);
    f->count += note->count;
    if (note->first_order < f->first_order) {
        f->first_order = note->first_order;
        f->first_ns = note->first_ns;
    }
    if (frame->order >= f->last_order) {
        f->last_order = frame->order;
        f->last_ns = frame->recv_ns;
    }
}

void drift_table_add(drift_table *table, const char *feed, const drift_frame *frame,
                     const drift_result *result)
{
    leave_out(table, 0, result->left_out);
    for (size_t i = 0; i < result->count; i++)
        add_note(table, feed, frame, result, &result->notes[i]);
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
    rebuild_index(table);
    return table->findings;
}
