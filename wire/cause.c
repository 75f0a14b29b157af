#include "wire/cause.h"

#include "base/assert.h"

static const char *const CAUSE_NAMES[] = {
    [WIRE_CAUSE_NONE] = "none",
    [WIRE_CAUSE_RESOLVE] = "resolve",
    [WIRE_CAUSE_CONNECT] = "connect",
    [WIRE_CAUSE_TIMEOUT] = "timeout",
    [WIRE_CAUSE_TLS_UNTRUSTED] = "tls_untrusted",
    [WIRE_CAUSE_TLS_WRONG_HOST] = "tls_wrong_host",
    [WIRE_CAUSE_TLS_OTHER] = "tls_other",
    [WIRE_CAUSE_REFUSED] = "refused",
    [WIRE_CAUSE_PROTOCOL] = "protocol",
    [WIRE_CAUSE_TOO_LARGE] = "too_large",
    [WIRE_CAUSE_CLOSED_BY_PEER] = "closed_by_peer",
    [WIRE_CAUSE_CLOSED_BY_US] = "closed_by_us",
    [WIRE_CAUSE_RESET] = "reset",
};
_Static_assert(sizeof CAUSE_NAMES / sizeof *CAUSE_NAMES == WIRE_CAUSE_COUNT, "a name for each");

const char *wire_cause_name(wire_cause cause)
{
    TD_ASSERT(cause < WIRE_CAUSE_COUNT);
    return CAUSE_NAMES[cause];
}
