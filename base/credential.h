/* Names and texts of credentials: of members of JSON, parameters of URLs and header
 * fields. Compared without case, '_', '-' and other punctuation, and with %XX and \u00XX resolved.
 * Pure functions; any thread. */
#ifndef TD_BASE_CREDENTIAL_H
#define TD_BASE_CREDENTIAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

typedef enum td_name_kind {
    TD_NAME_PLAIN,
    TD_NAME_VAGUE,  /* the name of a credential, or of something else: key, sign, token, auth */
    TD_NAME_SECRET, /* apiKey, signature, password */
} td_name_kind;

td_name_kind td_name_kind_of(td_bytes name);

/* 1 if a request of this name authenticates: it contains auth, login, logon or signin. */
int td_is_auth_name(td_bytes name);

/* 1 if the name of a credential, or of a request that authenticates, is anywhere in a text of any
 * form. Zero bytes do not matter (UTF-16). */
int td_mentions_credential(td_bytes text);

/* The character at the front of a text, which is not empty, as JSON or a URL may spell it (\u0061,
 * \/, %61). Returns the bytes of its spelling. */
static inline size_t td_read_spelt(td_bytes text, uint8_t *out)
{
    const uint8_t *at = text.data;
    size_t left = text.size;
    size_t digits = left >= 6 && memcmp(at, "\\u00", 4) == 0 ? 4 : left >= 3 && *at == '%' ? 1 : 0;
    *out = *at;
    if (digits > 0 && td_hex_digit(at[digits]) >= 0 && td_hex_digit(at[digits + 1]) >= 0) {
        *out = (uint8_t)(td_hex_digit(at[digits]) * 16 + td_hex_digit(at[digits + 1]));
        return digits + 2;
    }
    if (left < 2 || *at != '\\' || (at[1] != '/' && at[1] != '"' && at[1] != '\\'))
        return 1;
    *out = at[1];
    return 2;
}

#endif
