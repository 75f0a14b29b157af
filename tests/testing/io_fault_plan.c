#include "tests/testing/io_fault_impl.h"

#include <errno.h>

#include "base/assert.h"

/* Which calls fail, by the plan of a test, and with which error. */

static uint32_t counted_ops(const io_fault_plan *plan)
{
    if (plan->ops != 0)
        return plan->ops;
    if (plan->kind == IO_FAULT_EIO)
        return UINT32_MAX;
    if (plan->kind == IO_FAULT_SHORT || plan->kind == IO_FAULT_TORN)
        return IO_FAULT_BIT(IO_FAULT_OP_APPEND);
    return IO_FAULT_BIT(IO_FAULT_OP_APPEND) | IO_FAULT_BIT(IO_FAULT_OP_CREATE) |
           IO_FAULT_BIT(IO_FAULT_OP_MKDIR) | IO_FAULT_BIT(IO_FAULT_OP_RENAME);
}

io_fault_kind disk_meet_plan(io_fault *disk, io_fault_op op)
{
    const io_fault_plan *plan = &disk->plan;
    TD_ASSERT(op < IO_FAULT_OP_COUNT);
    if (disk->observer != NULL)
        disk->observer(disk->observer_user, op, disk->log_count);
    disk->calls[op]++;
    if (plan->kind == IO_FAULT_NONE || plan->fail_at == 0 ||
        (counted_ops(plan) & IO_FAULT_BIT(op)) == 0)
        return IO_FAULT_NONE;
    disk->planned_calls++;
    int fires = plan->mode == IO_FAULT_ONCE ? disk->planned_calls == plan->fail_at
                                            : disk->planned_calls >= plan->fail_at;
    if (!fires)
        return IO_FAULT_NONE;
    if (!disk->did_fire)
        disk->fired_op = op;
    disk->did_fire = 1;
    return plan->kind;
}

td_result disk_fault_error(io_fault_kind kind, const char *doing, const char *path, td_err *err)
{
    if (kind == IO_FAULT_NONE)
        return TD_OK;
    int os_errno = kind == IO_FAULT_EIO || kind == IO_FAULT_TORN ? EIO : ENOSPC;
    return td_err_set_os(err, os_errno, "cannot %s '%s' (simulated)", doing, path);
}

td_result disk_begin(io_fault *disk, io_fault_op op, const char *doing, const char *path,
                     td_err *err)
{
    return disk_fault_error(disk_meet_plan(disk, op), doing, path, err);
}

td_result disk_missing(const char *doing, const char *path, td_err *err)
{
    return td_err_set(err, TD_E_NOTFOUND, "cannot %s '%s': No such file or directory", doing, path);
}

void disk_make_change(io_fault *disk, const disk_change *change, const char *path,
                      const char *to_path)
{
    disk_apply(disk, change);
    disk_note(disk, change, path, to_path);
}
