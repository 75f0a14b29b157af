#include "sim/fault.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static const char *const NAMES[FAULT_KINDS] = {
    [FAULT_DISCONNECT] = "disconnect", [FAULT_CUT] = "cut",         [FAULT_DROP] = "drop",
    [FAULT_REPEAT] = "repeat",         [FAULT_SILENCE] = "silence", [FAULT_REFUSE] = "refuse",
};

const char *fault_name(fault_kind kind)
{
    TD_ASSERT(kind < FAULT_KINDS);
    return NAMES[kind];
}

td_result fault_parse(const char *text, fault *out, td_err *err)
{
    size_t name_size = strcspn(text, "@");
    const char *number = text + name_size + (text[name_size] == '@');
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        if (strlen(NAMES[kind]) != name_size || memcmp(NAMES[kind], text, name_size) != 0)
            continue;
        char *end = NULL;
        uint64_t at = strtoull(number, &end, 10);
        if (number[0] < '0' || number[0] > '9' || *end != '\0' || at == 0)
            break;
        *out = (fault){.kind = (fault_kind)kind, .at = at};
        return TD_OK;
    }
    td_result rc = td_err_set(err, TD_E_INVALID, "'%s' is not a fault: expected KIND@N", text);
    td_err_hint(err, "kinds: disconnect, cut, drop, repeat, silence, refuse; N counts from 1");
    return rc;
}
