/* The shards of an export, each of which wrote its files and a manifest of its own, become one
 * export: the common manifest is that of a run without shards. One thread. */
#ifndef TD_EXPORT_EXPORT_JOIN_H
#define TD_EXPORT_EXPORT_JOIN_H

#include "base/err.h"
#include "base/io.h"
#include "export/export.h"

/* Join the shards in a folder; their manifests go when the common one is there. TD_E_NOTFOUND: a
 * shard, or a file of one, is missing; TD_E_INVALID: they are not of one export, or were made from
 * different segments; TD_E_*. */
TD_MUST_USE td_result export_join(td_io io, const char *path, export_result *out, td_err *err);

#endif
