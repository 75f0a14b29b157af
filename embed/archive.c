/* Implements embed/include/tapedeck/archive.h for archives: opening, their topics, their damage. */
#include "embed/archive.h"

#include "archive/read_plan.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "embed/library_error.h"
#include "tape/kept_families.h"

tapedeck_archive *tapedeck_archive_open(const char *path, tapedeck_error *error)
{
    td_err err;
    td_err_clear(&err);
    tapedeck_archive *made = td_alloc_zero(1, sizeof *made);
    damage_report_init(&made->damage);
    const archive_options options = {
        .io = io_posix(), .clock = clock_real(), .log = &made->damage.log};
    td_result rc = remote_open_archive(&options, path, &made->remote, &made->of, &err);
    if (rc == TD_OK) {
        kept_families_add(&made->of, 1, &made->damage.log);
        return made;
    }
    library_error_set(error, rc, &err);
    tapedeck_archive_close(made);
    return NULL;
}

void tapedeck_archive_close(tapedeck_archive *a)
{
    if (a == NULL)
        return;
    topic_list_fini(&a->names);
    td_free(a->topics);
    archive_close(a->of);
    remote_io_close(a->remote);
    damage_report_fini(&a->damage);
    td_free(a);
}

static void add_topics(topic_list *list, const segment_index *segment)
{
    for (size_t i = 0; i < segment->channel_count; i++) {
        const channel_info *info = &segment->channels[i].info;
        if (frame_role_is_of_topic(channel_role(info)))
            (void)topic_list_add(list, segment, &segment->channels[i], info->topic);
    }
}

int tapedeck_archive_topics(tapedeck_archive *a, const tapedeck_topic **topics, size_t *count,
                            tapedeck_error *error)
{
    const read_query everything = {.time = TIME_SPAN_ALL, .is_quiet = 1};
    td_err err;
    td_err_clear(&err);
    read_plan *plan = NULL;
    topic_list_fini(&a->names);
    td_result rc = read_plan_open(a->of, &everything, &plan, &err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++)
        add_topics(&a->names, read_plan_segment(plan, i)->index);
    read_plan_close(plan);
    topic_list_sort(&a->names);
    td_free(a->topics);
    a->topics = td_alloc_zero(a->names.count + 1, sizeof *a->topics);
    for (size_t i = 0; i < a->names.count; i++) {
        const topic_entry *row = &a->names.rows[i];
        a->topics[i] =
            (tapedeck_topic){row->feed,           row->family, row->topic,    row->symbol,
                             row->exchange_topic, row->frames, row->first_ns, row->last_ns};
    }
    *topics = a->topics;
    *count = a->names.count;
    if (rc != TD_OK)
        library_error_set(error, rc, &err);
    return rc == TD_OK;
}

int tapedeck_archive_damage(const tapedeck_archive *a, size_t *at, tapedeck_gap *out)
{
    if (*at >= a->damage.rows.count)
        return 0;
    *out = damage_report_gap(&a->damage.rows.rows[(*at)++]);
    return 1;
}
