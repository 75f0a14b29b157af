/* Recognizes credentials by their names: JSON members, URL parameters and header fields. Names are
 * compared without case and punctuation, and with %XX and \u00XX decoded. Pure functions; any
 * thread. */
#ifndef TD_BASE_CREDENTIAL_H
#define TD_BASE_CREDENTIAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

typedef enum td_name_kind {
    TD_NAME_PLAIN,
    TD_NAME_VAGUE,  /* may name a credential or something else: key, sign, token, auth */
    TD_NAME_SECRET, /* names a credential: apiKey, signature, password */
} td_name_kind;

/* The kind of a name. */
td_name_kind td_name_kind_of(td_bytes name);

/* 1 if a request of this name authenticates: the name contains auth, login, logon or signin. */
int td_is_auth_name(td_bytes name);

/* 1 if a text of any format contains the name of a credential or of a request that authenticates.
 * Ignores zero bytes (UTF-16). */
int td_mentions_credential(td_bytes text);

/* Decode the first character of a text (not empty). The character may be escaped as in JSON or a
 * URL (\u0061, \/, %61). Returns how many bytes of the text it occupies. */
static inline size_t td_read_escaped(td_bytes text, uint8_t *out)
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
