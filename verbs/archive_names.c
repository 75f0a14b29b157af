#include "verbs/archive_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "archive/archive.h"
#include "archive/read_plan.h"

/* names of one kind; the texts belong to a read plan */
typedef struct name_list {
    const char **items;
    size_t count;
} name_list;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_unique(name_list *names)
{
    size_t kept = 0;
    if (names->count == 0)
        return;
    qsort(names->items, names->count, sizeof *names->items, by_name);
    for (size_t i = 1; i < names->count; i++) {
        if (strcmp(names->items[i], names->items[kept]) != 0)
            names->items[++kept] = names->items[i];
    }
    names->count = kept + 1;
}

static void add(name_list *names, const char *name)
{
    if (name[0] == '\0' || strcmp(name, "*") == 0) /* no symbol, or frames of several symbols */
        return;
    names->items = td_array_grow(names->items, names->count, sizeof *names->items);
    names->items[names->count++] = name;
}

/* Add a segment's names. Removes repeats at once, because the names of all segments together may
 * be millions. */
static void add_segment(name_list *names, const segment_index *index, option_names kind)
{
    for (size_t i = 0; i < index->channel_count; i++) {
        const channel_info *info = &index->channels[i].info;
        if (!frame_role_is_of_topic(channel_role(info)))
            continue;
        add(names, kind == OPTION_NAMES_TOPICS    ? channel_shown_topic(info)
                   : kind == OPTION_NAMES_SYMBOLS ? info->symbol
                                                  : index->feed);
    }
    sort_unique(names);
}

void archive_names_list(const char *path, option_names kind, void (*offer)(const char *name))
{
    const archive_options options = {
        .io = io_posix(), .clock = clock_real(), .verb = "completions"};
    const read_query query = {.to_ns = UINT64_MAX, .is_quiet = 1};
    archive *from = NULL;
    read_plan *plan = NULL;
    name_list names = {0};
    if (archive_open(&options, path, ARCHIVE_READ, &from, NULL) != TD_OK)
        return;
    if (read_plan_open(from, &query, &plan, NULL) == TD_OK) {
        for (size_t i = 0; i < read_plan_count(plan); i++)
            add_segment(&names, read_plan_segment(plan, i)->index, kind);
        for (size_t i = 0; i < names.count; i++)
            offer(names.items[i]);
    }
    td_free(names.items);
    read_plan_close(plan);
    archive_close(from);
}
