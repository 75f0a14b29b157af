#include "export/export_spec.h"

#include <string.h>

#include "export/export_name.h"

int export_has_format(const export_spec *spec, const export_format *format)
{
    for (size_t i = 0; i < spec->format_count; i++)
        if (spec->formats[i] == format)
            return 1;
    return 0;
}

int export_has_intervals(const export_spec *spec)
{
    for (size_t i = 0; i < spec->type_count; i++)
        if ((spec->types[i]->flags & EXPORT_OF_INTERVALS) != 0)
            return 1;
    return 0;
}

const topic_row *export_topic_of(const channel_info *info)
{
    const family *of = family_find(td_bytes_str(info->family));
    topic_match found;
    if (of == NULL || !frame_role_is_of_topic(channel_role(info)))
        return NULL;
    if (info->exchange_topic[0] == '\0')
        return family_topic_named(of, info->topic);
    return topic_match_text(of->topics, of->topic_count, td_bytes_str(info->exchange_topic),
                            TOPIC_ANY_TIME, &found)
               ? found.row
               : NULL;
}

int export_needs_channel(const void *user, const channel_info *info)
{
    const export_spec *spec = user;
    const topic_row *row = export_topic_of(info);
    int is_needed = row == NULL;
    for (size_t i = 0; i < spec->output_count && !is_needed; i++)
        is_needed =
            spec->outputs[i].format->frame != NULL || export_type_needs(spec->outputs[i].type, row);
    return is_needed;
}

selection_window export_read_window(const export_spec *spec, selection_window window)
{
    if (!export_has_intervals(spec))
        return window;
    window.from_ns -= window.from_ns < COVERAGE_DELAY_NS ? window.from_ns : COVERAGE_DELAY_NS;
    if (window.to_ns < UINT64_MAX - COVERAGE_DELAY_NS)
        window.to_ns += COVERAGE_DELAY_NS;
    return window;
}

int export_is_part(const export_spec *spec)
{
    return spec->shard_count > 0 || spec->unit.count > 0;
}

int export_has_day(const export_spec *spec, uint32_t day)
{
    if (spec->unit.count > 0)
        return day == spec->unit.day;
    return spec->shard_count == 0 || day % spec->shard_count + 1 == spec->shard;
}

int export_is_clean(const export_spec *spec, uint32_t day, const char *feed, const char *symbol)
{
    for (size_t i = 0; spec->days != NULL && i < spec->days->count; i++) {
        const day_topic *row = &spec->days->rows[i];
        if (!day_topic_is_silent(row) && row->reasons != 0 && export_day_of(row->day_ns) == day &&
            strcmp(row->symbol, symbol) == 0 && strcmp(row->feed, feed) == 0)
            return 0;
    }
    return 1;
}
