#include "embed/library_error.h"

#include <stdio.h>
#include <string.h>

static int32_t code_of(td_result rc)
{
    switch (rc) {
    case TD_E_INVALID:
    case TD_E_BUSY:
        return TAPEDECK_ERROR_INVALID;
    case TD_E_NOTFOUND:
        return TAPEDECK_ERROR_NOT_FOUND;
    case TD_E_CORRUPT:
    case TD_E_TRUNCATED:
        return TAPEDECK_ERROR_DAMAGED;
    case TD_E_LIMIT:
        return TAPEDECK_ERROR_LIMIT;
    case TD_E_UNSUPPORTED:
        return TAPEDECK_ERROR_UNSUPPORTED;
    case TD_OK:
    case TD_EOF:
    case TD_E_IO:
    case TD_E_NOSPACE:
    case TD_E_NETWORK:
        break;
    }
    return TAPEDECK_ERROR_IO;
}

/* Return the size of the beginning of a hint that helps a library's user: the text before a verb,
 * or nothing if an option comes first. */
static size_t useful_bytes(const char *hint)
{
    const char *verb = strstr(hint, "tapedeck ");
    const char *option = strstr(hint, "--");
    size_t size = strlen(hint);
    if (verb != NULL)
        size =
            verb == hint ? 0 : (size_t)(verb - hint) - 1; /* without the quotation mark before it */
    if (option != NULL && (size_t)(option - hint) < size)
        size = 0;
    while (size > 0 && strchr(" :;,", hint[size - 1]) != NULL)
        size--;
    return size;
}

void library_error_set(tapedeck_error *to, td_result rc, const td_err *err)
{
    size_t size = useful_bytes(err->hint);
    if (to == NULL)
        return;
    to->code = code_of(rc);
    to->os_errno = err->os_errno;
    (void)snprintf(to->text, sizeof to->text, "%s%s%.*s", err->text, size > 0 ? "; " : "",
                   (int)size, err->hint);
}
