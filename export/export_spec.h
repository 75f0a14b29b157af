/* What is requested of an export. Plain data, made by the verb. */
#ifndef TD_EXPORT_EXPORT_SPEC_H
#define TD_EXPORT_EXPORT_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include "export/export_format.h"
#include "replay/play/days.h"

enum { EXPORT_OUTPUTS_MAX = 256, EXPORT_SHARDS_MAX = 65535 };

typedef struct export_spec {
    const export_format *formats[EXPORT_OUTPUTS_MAX]; /* each once */
    size_t format_count;
    export_output outputs[EXPORT_OUTPUTS_MAX]; /* in the order of the formats and of their types */
    size_t output_count;
    const export_type *types[EXPORT_OUTPUTS_MAX]; /* of the outputs, each once */
    size_t type_count;
    export_settings settings;
    /* One of several runs that share the days of an export: number shard of shard_count, from 1;
     * count 0: this run does all. */
    uint32_t shard;
    uint32_t shard_count;
    const day_list *days; /* of the selection: symbols are left out on days that are not clean.
                             NULL: none is */
} export_spec;

/* 1 if the format is one of the export's. */
int export_has_format(const export_spec *spec, const export_format *format);

/* 1 if a type's rows are about intervals (EXPORT_OF_INTERVALS). */
int export_has_intervals(const export_spec *spec);

/* What is read for a part of a day: intervals also need what is received soon after it. */
selection_window export_reads(const export_spec *spec, selection_window window);

/* 1 if a day is this run's. */
int export_is_own(const export_spec *spec, uint32_t day);

/* 1 if the spec takes a feed's symbol on a day: of any quality, or the day is clean. */
int export_is_clean(const export_spec *spec, uint32_t day, const char *feed, const char *symbol);

#endif
