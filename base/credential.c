#include "base/credential.h"

#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"

enum { NAME_BYTES = 128 };

/* A name that contains one of these is secret. */
static const char *const SECRET_PARTS[] = {
    "apikey",     "accesskey",  "privatekey",  "userkey",       "clientkey",    "authkey",
    "signkey",    "sessionkey", "listenkey",   "secret",        "signature",    "passphrase",
    "password",   "passwd",     "accesstoken", "authtoken",     "refreshtoken", "sessiontoken",
    "apitoken",   "bearer",     "credential",  "authorization", "cookie",       "bapisign",
    "accesssign", NULL,
};

/* Names that may mean a credential or something else (TD_NAME_VAGUE). The first two are vague also
 * as the last word of a longer name. */
static const char *const VAGUE_NAMES[] = {"sign", "sig", "key", "keyid", "auth",
                                          "pass", "pwd", "otp", "jwt"};
enum { VAGUE_COUNT = sizeof VAGUE_NAMES / sizeof *VAGUE_NAMES, VAGUE_LAST_WORDS = 2 };
static const char TOKEN[] = "token"; /* names that end with it are TD_NAME_VAGUE */

static const char *const AUTH_PARTS[] = {"auth", "login", "logon", "signin", NULL};

/* ---- characters ---- */

static int is_lower(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

static int is_upper(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

static int is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* ---- names ---- */

/* A name's letters and digits in lower case. */
typedef struct folded_name {
    char text[NAME_BYTES];
    size_t size;
    /* Start of the name's last word: after punctuation, or at a capital after a non-capital. */
    size_t last_word;
    uint8_t is_cut;
} folded_name;

static void fold_name(td_bytes name, folded_name *out)
{
    uint8_t before = 0;
    *out = (folded_name){.size = 0};
    for (size_t at = 0; at < name.size && !out->is_cut;) {
        uint8_t c;
        at += td_read_escaped(td_bytes_of(name.data + at, name.size - at), &c);
        if (is_lower(c) || is_upper(c) || is_digit(c)) {
            if (before == '_' || (is_upper(c) && !is_upper(before)))
                out->last_word = out->size;
            out->text[out->size++] = (char)(is_upper(c) ? c | 0x20 : c);
            out->is_cut = out->size + 1 == sizeof out->text;
            before = c;
        } else {
            before = '_';
        }
    }
}

static int begins(const char *text, const char *part)
{
    while (*part != '\0' && *text == *part) {
        text++;
        part++;
    }
    return *part == '\0';
}

enum { PAIRS = 1024 };

static size_t pair_of(const char *text)
{
    return ((size_t)(uint8_t)text[0] * 33 + (uint8_t)text[1]) % PAIRS;
}

/* 1 if the text contains one of the parts. Each part has at least two characters. The first two are
 * looked up before the whole part is compared, because a part begins at few positions of a text. */
static int has_part(const char *text, const char *const *parts)
{
    uint8_t begins_part[PAIRS] = {0};
    for (const char *const *part = parts; *part != NULL; part++)
        begins_part[pair_of(*part)] = 1;
    for (; text[0] != '\0' && text[1] != '\0'; text++)
        for (const char *const *part = parts; begins_part[pair_of(text)] && *part != NULL; part++)
            if (begins(text, *part))
                return 1;
    return 0;
}

static int is_one_of(const char *text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (begins(text, names[i]) && strlen(text) == strlen(names[i]))
            return 1;
    return 0;
}

td_name_kind td_name_kind_of(td_bytes name)
{
    folded_name folded;
    fold_name(name, &folded);
    if (folded.is_cut)
        return td_mentions_credential(name) ? TD_NAME_SECRET : TD_NAME_PLAIN;
    const char *text = folded.text;
    if (has_part(text, SECRET_PARTS))
        return TD_NAME_SECRET;
    if (is_one_of(text, VAGUE_NAMES, VAGUE_COUNT) ||
        is_one_of(text + folded.last_word, VAGUE_NAMES, VAGUE_LAST_WORDS))
        return TD_NAME_VAGUE;
    if (begins(text, "auth") && !begins(text, "author"))
        return TD_NAME_VAGUE; /* such as authSig, authPayload */
    size_t token = sizeof TOKEN - 1;
    return folded.size >= token && strcmp(text + folded.size - token, TOKEN) == 0 ? TD_NAME_VAGUE
                                                                                  : TD_NAME_PLAIN;
}

int td_is_auth_name(td_bytes name)
{
    folded_name folded;
    fold_name(name, &folded);
    return folded.is_cut ? td_mentions_credential(name) : has_part(folded.text, AUTH_PARTS);
}

/* ---- texts ---- */

/* Copy the text in lower case, with a NUL, without zero bytes and the characters in left_out. out
 * has text.size + 1 bytes. */
static void fold_text(td_bytes text, const char *left_out, char *out)
{
    size_t size = 0;
    for (size_t at = 0; at < text.size;) {
        uint8_t c;
        at += td_read_escaped(td_bytes_of(text.data + at, text.size - at), &c);
        if (c != '\0' && strchr(left_out, c) == NULL)
            out[size++] = (char)(is_upper(c) ? c | 0x20 : c);
    }
    out[size] = '\0';
}

/* 1 if the text contains the word without letters around it. */
static int has_word(const char *text, const char *word)
{
    const char *at = text;
    size_t size = strlen(word);
    while ((at = strstr(at, word)) != NULL) {
        if ((at == text || !is_lower((uint8_t)at[-1])) && !is_lower((uint8_t)at[size]))
            return 1;
        at += size;
    }
    return 0;
}

int td_mentions_credential(td_bytes text)
{
    char *folded = td_alloc_zero(1, text.size + 1);
    fold_text(text, "_-", folded);
    int is_found = has_part(folded, SECRET_PARTS) || has_part(folded, AUTH_PARTS) ||
                   strstr(folded, TOKEN) != NULL;
    /* Binary data contains short words by chance. */
    int is_text = !is_found && td_utf8_is_text(text);
    if (is_text)
        fold_text(text, "", folded);
    for (size_t i = 0; i < VAGUE_COUNT && is_text && !is_found; i++)
        is_found = has_word(folded, VAGUE_NAMES[i]);
    explicit_bzero(folded, text.size);
    td_free(folded);
    return is_found;
}
