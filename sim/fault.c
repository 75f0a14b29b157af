#include "sim/fault.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static const char *const NAMES[FAULT_KINDS] = {
    [FAULT_DISCONNECT] = "disconnect",
    [FAULT_CUT] = "cut",
    [FAULT_DROP] = "drop",
    [FAULT_REPEAT] = "repeat",
    [FAULT_SILENCE] = "silence",
    [FAULT_REFUSE] = "refuse",
    [FAULT_NEW_FIELD] = "new-field",
    [FAULT_LOST_FIELD] = "lost-field",
    [FAULT_NEW_TYPE] = "new-type",
    [FAULT_NEW_TOPIC] = "new-topic",
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
        int has_topic = fault_is_drift((fault_kind)kind) && end[0] == ':' && end[1] != '\0';
        if (number[0] < '0' || number[0] > '9' || (*end != '\0' && !has_topic) || at == 0)
            break;
        *out = (fault){.kind = (fault_kind)kind, .at = at, .topic = has_topic ? end + 1 : NULL};
        return TD_OK;
    }
    td_result rc = td_err_set(err, TD_E_INVALID, "'%s' is no fault: KIND@N is expected", text);
    td_err_hint(err,
                "kinds: disconnect, cut, drop, repeat, silence, refuse, and, perhaps with "
                ":TOPIC at the end, new-field, lost-field, new-type, new-topic; N counts from 1");
    return rc;
}
