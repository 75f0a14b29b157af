/* What is requested of an export. Plain data, made by the verb. */
#ifndef TD_EXPORT_EXPORT_SPEC_H
#define TD_EXPORT_EXPORT_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include "export/export_format.h"

enum { EXPORT_OUTPUTS_MAX = 256 };

typedef struct export_spec {
    const export_format *formats[EXPORT_OUTPUTS_MAX]; /* each once */
    size_t format_count;
    export_output outputs[EXPORT_OUTPUTS_MAX]; /* in the order of the formats and of their types */
    size_t output_count;
    const export_type *types[EXPORT_OUTPUTS_MAX]; /* of the outputs, each once */
    size_t type_count;
    export_settings settings;
} export_spec;

#endif
