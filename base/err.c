#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/escape.h"

/* For the analyser, err.h also defines these functions as macros. */
#undef td_err_set
#undef td_err_add
#undef td_err_pass

static const char CUT_MARK[] = "...";

static void format_cut(char *out, size_t out_bytes, const char *format, va_list values)
{
    int length = vsnprintf(out, out_bytes, format, values);
    if (length < 0)
        out[0] = '\0';
    else if ((size_t)length >= out_bytes)
        memcpy(out + out_bytes - sizeof CUT_MARK, CUT_MARK, sizeof CUT_MARK);
}

/* Escape the text, which may contain values from files and peers, so that it stays one printable
 * line. */
static void make_one_line(char *text, size_t text_bytes)
{
    char raw[TD_ERR_TEXT_BYTES];
    TD_ASSERT(text_bytes <= sizeof raw);
    memcpy(raw, text, text_bytes);
    if (td_escape(td_bytes_str(raw), text, text_bytes))
        return;
    size_t used = strlen(text);
    size_t at = used < text_bytes - sizeof CUT_MARK ? used : text_bytes - sizeof CUT_MARK;
    memcpy(text + at, CUT_MARK, sizeof CUT_MARK);
}

void td_err_clear(td_err *err)
{
    if (err == NULL)
        return;
    err->code = TD_OK;
    err->os_errno = 0;
    err->text[0] = '\0';
    err->hint[0] = '\0';
}

td_result td_err_set(td_err *err, td_result code, const char *format, ...)
{
    TD_ASSERT(code != TD_OK);
    if (err == NULL)
        return code;
    td_err_clear(err);
    err->code = code;
    va_list values;
    va_start(values, format);
    format_cut(err->text, sizeof err->text, format, values);
    va_end(values);
    make_one_line(err->text, sizeof err->text);
    return code;
}

td_result td_err_set_os(td_err *err, int os_errno, const char *format, ...)
{
    td_result code = os_errno == ENOSPC || os_errno == EDQUOT ? TD_E_NOSPACE : TD_E_IO;
    if (err == NULL)
        return code;
    char what[TD_ERR_TEXT_BYTES - 128];
    va_list values;
    va_start(values, format);
    format_cut(what, sizeof what, format, values);
    va_end(values);
    char reason[96];
    td_err_set(err, code, "%s: %s", what, strerror_r(os_errno, reason, sizeof reason));
    err->os_errno = os_errno;
    return code;
}

td_result td_err_pass(td_err *err, td_result code, const td_err *cause)
{
    if (err != NULL) {
        *err = *cause;
        err->code = code;
    }
    return code;
}

td_result td_err_add(td_err *err, td_result code, const char *format, ...)
{
    if (err == NULL)
        return code;
    char inner[TD_ERR_TEXT_BYTES];
    memcpy(inner, err->text, sizeof inner);
    va_list values;
    va_start(values, format);
    format_cut(err->text, sizeof err->text, format, values);
    va_end(values);
    make_one_line(err->text, sizeof err->text);
    size_t used = strlen(err->text);
    TD_ASSERT(used < sizeof err->text);
    if (snprintf(err->text + used, sizeof err->text - used, ": %s", inner) >=
        (int)(sizeof err->text - used))
        memcpy(err->text + sizeof err->text - sizeof CUT_MARK, CUT_MARK, sizeof CUT_MARK);
    err->code = code;
    return code;
}

void td_err_hint(td_err *err, const char *format, ...)
{
    if (err == NULL)
        return;
    va_list values;
    va_start(values, format);
    format_cut(err->hint, sizeof err->hint, format, values);
    va_end(values);
    make_one_line(err->hint, sizeof err->hint);
}

const char *td_result_name(td_result code)
{
    switch (code) {
    case TD_OK:
        return "ok";
    case TD_EOF:
        return "end of input";
    case TD_E_IO:
        return "input/output error";
    case TD_E_NOSPACE:
        return "disk full";
    case TD_E_CORRUPT:
        return "corrupt";
    case TD_E_TRUNCATED:
        return "truncated";
    case TD_E_LIMIT:
        return "over a limit";
    case TD_E_INVALID:
        return "invalid";
    case TD_E_UNSUPPORTED:
        return "unsupported";
    case TD_E_BUSY:
        return "busy";
    case TD_E_NOTFOUND:
        return "not found";
    case TD_E_NETWORK:
        return "network";
    }
    return "unknown";
}
