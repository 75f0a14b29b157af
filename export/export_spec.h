/* The request of an export. Plain data, filled in by the verb `export`. */
#ifndef TD_EXPORT_EXPORT_SPEC_H
#define TD_EXPORT_EXPORT_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include "export/export_format.h"
#include "replay/play/days.h"

enum { EXPORT_OUTPUTS_MAX = 256, EXPORT_SHARDS_MAX = 65535, EXPORT_UNITS_MAX = 999 };

/* A part of an export (export/export_unit.h). */
typedef struct export_unit {
    uint32_t day;           /* days since 1970 */
    uint32_t number, count; /* number `number` of the day's `count` units, from 1; count 0: no unit,
                               but the whole export */
} export_unit;

typedef struct export_spec {
    const export_format *formats[EXPORT_OUTPUTS_MAX]; /* without duplicates */
    size_t format_count;
    export_output outputs[EXPORT_OUTPUTS_MAX]; /* by format, then by type */
    size_t output_count;
    const export_type *types[EXPORT_OUTPUTS_MAX]; /* of the outputs, without duplicates */
    size_t type_count;
    export_settings settings;
    /* Several runs may share the days of an export: this run is number `shard` of shard_count, from
     * 1. shard_count 0: this run exports all days. */
    uint32_t shard;
    uint32_t shard_count;
    export_unit unit;     /* this run makes only this unit */
    const day_list *days; /* if set, only clean days are exported */
} export_spec;

/* 1 if the export has this format. */
int export_has_format(const export_spec *spec, const export_format *format);

/* 1 if a type's rows are about time intervals (EXPORT_OF_INTERVALS). */
int export_has_intervals(const export_spec *spec);

/* The row of a channel's topic; NULL: unknown, or it is no topic. */
const topic_row *export_topic_of(const channel_info *info);

/* As selection.wants_channel: 1 if a type or format of the export needs frames of the channel.
 * user: an export_spec. */
int export_needs_channel(const void *user, const channel_info *info);

/* The window to read for a part of a day. It is longer if rows are about intervals, which also need
 * frames received soon before and after it. */
selection_window export_read_window(const export_spec *spec, selection_window window);

/* 1 if other runs make other parts of the dataset: shards, or units. */
int export_is_part(const export_spec *spec);

/* 1 if this run exports the day. */
int export_has_day(const export_spec *spec, uint32_t day);

/* 1 if a feed's symbol may be exported on a day: the day is clean, or the export is not limited to
 * clean days. */
int export_is_clean(const export_spec *spec, uint32_t day, const char *feed, const char *symbol);

#endif
