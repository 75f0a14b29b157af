#include "verbs/archive_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "archive/archive.h"
#include "archive/read_plan.h"
#include "archive/topic_list.h"

/* names of one kind; the texts belong to a list of topics */
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

static void add_topics(topic_list *topics, const segment_index *index)
{
    for (size_t i = 0; i < index->channel_count; i++) {
        const channel_info *info = &index->channels[i].info;
        if (frame_role_is_of_topic(channel_role(info)))
            (void)topic_list_get(topics, info, channel_shown_topic(info));
    }
}

static void offer_names(const topic_list *topics, option_names kind,
                        void (*offer)(const char *name))
{
    name_list names = {0};
    for (size_t i = 0; i < topics->count; i++) {
        const topic_entry *row = &topics->rows[i];
        add(&names, kind == OPTION_NAMES_TOPICS    ? row->topic
                    : kind == OPTION_NAMES_SYMBOLS ? row->symbol
                                                   : row->feed);
    }
    sort_unique(&names);
    for (size_t i = 0; i < names.count; i++)
        offer(names.items[i]);
    td_free(names.items);
}

void archive_names_list(const char *path, option_names kind, void (*offer)(const char *name))
{
    const archive_options options = {
        .io = io_posix(), .clock = clock_real(), .verb = "completions"};
    const read_query query = {.time = TIME_SPAN_ALL, .is_quiet = 1};
    archive *from = NULL;
    read_plan *plan = NULL;
    topic_list topics = {0};
    if (archive_is_url(path))
        return; /* a key press sends no requests to a store */
    if (archive_open(&options, path, ARCHIVE_READ, &from, NULL) != TD_OK)
        return;
    if (read_plan_open(from, &query, &plan, NULL) == TD_OK)
        for (size_t i = 0; i < read_plan_count(plan); i++)
            add_topics(&topics, read_plan_segment(plan, i)->index);
    offer_names(&topics, kind, offer);
    topic_list_fini(&topics);
    read_plan_close(plan);
    archive_close(from);
}
