#include "capture/redact.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/secret.h"

enum {
    GRAM_BYTES = 4,
    HEAD_BITS = 14,
    FORM_COUNT = 4, /* the value, and its base64 for each remainder of its offset by 3 */
    WINDOW_BYTES_MIN = 16 << 10, /* of unescaped text */
};
_Static_assert((int)GRAM_BYTES <= (int)REDACT_SECRET_BYTES_MIN, "a form holds a piece at least");

/* One way in which a secret is written. */
typedef struct redact_form {
    const uint8_t *text; /* the value in lower case, or standard base64 */
    uint32_t size;
    uint8_t is_base64;
    uint8_t before, after; /* characters beside it that hold a part of it, too */
} redact_form;

/* In memory of base/secret.h, with its texts. */
struct redact_secret {
    redact_form forms[FORM_COUNT];
    uint32_t size;
    char value[]; /* as it was added, with a NUL; texts follow */
};

/* A piece of a form; pieces of one hash are a list. */
typedef struct gram {
    uint32_t secret, form, offset;
    uint32_t next; /* 1 + index of the next of the list; 0: none */
} gram;

struct redact_index {
    uint32_t heads[1 << HEAD_BITS]; /* 1 + index of the first piece; 0: none */
    gram *grams;
    size_t gram_count, gram_capacity;
    size_t shortest, longest; /* forms */
    uint8_t *window;          /* unescaped text, in memory of base/secret.h */
    uint32_t *offsets;        /* where each of its bytes, and the end, is in the text */
    size_t window_bytes;
};

/* ---- characters ---- */

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* The standard base64 character for a URL-safe one. */
static uint8_t standard(uint8_t c)
{
    return c == '-' ? '+' : c == '_' ? '/' : c;
}

static int is_base64(uint8_t c)
{
    uint8_t letter = lower(c);
    c = standard(c);
    return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* Equal for pieces that are equal in either kind of form. */
static uint32_t gram_hash(const uint8_t *at)
{
    uint32_t word = 0;
    for (int i = 0; i < GRAM_BYTES; i++)
        word = word << 8 | lower(standard(at[i]));
    return word * UINT32_C(0x9e3779b1) >> (32 - HEAD_BITS);
}

static int form_is_at(const redact_form *form, const uint8_t *at)
{
    for (uint32_t i = 0; i < form->size; i++)
        if ((form->is_base64 ? standard(at[i]) : lower(at[i])) != form->text[i])
            return 0;
    return 1;
}

/* ---- forms ---- */

/* The base64 characters that a value decides alone if it stands skipped bytes after a multiple of
 * three; returns how many. */
static uint32_t encode_inner(const char *value, size_t size, size_t skipped, uint8_t *out)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t from = (skipped * 8 + 5) / 6;
    size_t to = (skipped + size) * 8 / 6;
    for (size_t i = from; i < to; i++) {
        unsigned digit = 0;
        for (size_t bit = i * 6; bit < i * 6 + 6; bit++) {
            unsigned byte = (uint8_t)value[bit / 8 - skipped];
            digit = digit << 1 | (byte >> (7 - bit % 8) & 1U);
        }
        out[i - from] = (uint8_t)DIGITS[digit];
    }
    return (uint32_t)(to - from);
}

static redact_secret *new_secret(const char *value, size_t size)
{
    size_t encoded_max = (size + 2) * 8 / 6 + 1;
    size_t bytes = sizeof(redact_secret) + size + 1 + size + 3 * encoded_max;
    redact_secret *made = td_secret_alloc(bytes);
    made->size = (uint32_t)size;
    memcpy(made->value, value, size + 1);
    uint8_t *text = (uint8_t *)made->value + size + 1;
    for (size_t i = 0; i < size; i++)
        text[i] = lower((uint8_t)value[i]);
    made->forms[0] = (redact_form){.text = text, .size = (uint32_t)size};
    text += size;
    for (size_t skipped = 0; skipped < 3; skipped++) {
        uint32_t encoded = encode_inner(value, size, skipped, text);
        TD_ASSERT(encoded >= GRAM_BYTES);
        made->forms[1 + skipped] = (redact_form){.text = text,
                                                 .size = encoded,
                                                 .is_base64 = 1,
                                                 .before = skipped != 0,
                                                 .after = (skipped + size) % 3 != 0};
        text += encoded;
    }
    TD_ASSERT((size_t)(text - (uint8_t *)made) <= bytes);
    return made;
}

/* ---- the index ---- */

static void index_free(redact_index *index)
{
    if (index == NULL)
        return;
    td_free(index->grams);
    td_secret_free(index->window);
    td_free(index->offsets);
    td_free(index);
}

/* Make space for the pieces of one more secret, and a window that its forms fit into. */
static void index_reserve(redactor *self, const redact_secret *secret)
{
    if (self->index == NULL)
        self->index = td_alloc_zero(1, sizeof *self->index);
    redact_index *index = self->index;
    size_t needed = index->gram_count;
    size_t longest = index->longest;
    for (int i = 0; i < FORM_COUNT; i++) {
        needed += secret->forms[i].size;
        longest = secret->forms[i].size > longest ? secret->forms[i].size : longest;
    }
    index->grams =
        td_array_reach(index->grams, &index->gram_capacity, needed, sizeof *index->grams);
    if (index->window_bytes >= WINDOW_BYTES_MIN && index->window_bytes >= longest * 4)
        return;
    size_t bytes = longest * 4 < WINDOW_BYTES_MIN ? WINDOW_BYTES_MIN : longest * 4;
    td_secret_free(index->window);
    td_free(index->offsets);
    index->window = td_secret_alloc(bytes);
    index->offsets = td_alloc((bytes + 1) * sizeof *index->offsets);
    index->window_bytes = bytes;
}

static void index_put(redact_index *index, const redact_secret *secret, uint32_t number)
{
    for (uint32_t form = 0; form < FORM_COUNT; form++) {
        const redact_form *of = &secret->forms[form];
        if (index->shortest == 0 || of->size < index->shortest)
            index->shortest = of->size;
        if (of->size > index->longest)
            index->longest = of->size;
        for (uint32_t at = 0; at + GRAM_BYTES <= of->size; at++) {
            uint32_t *head = &index->heads[gram_hash(of->text + at)];
            TD_ASSERT(index->gram_count < index->gram_capacity);
            index->grams[index->gram_count++] =
                (gram){.secret = number, .form = form, .offset = at, .next = *head};
            *head = (uint32_t)index->gram_count;
        }
    }
}

/* A secret was replaced. */
static void index_renew(redactor *self)
{
    redact_index *index = self->index;
    memset(index->heads, 0, sizeof index->heads);
    index->gram_count = index->shortest = index->longest = 0;
    for (uint32_t i = 0; i < self->count; i++)
        index_put(index, self->secrets[i], i);
}

/* ---- life ---- */

void redactor_init(redactor *self)
{
    memset(self, 0, sizeof *self);
    pthread_mutex_init(&self->mutex, NULL);
}

void redactor_fini(redactor *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        td_secret_free(self->secrets[i]);
    td_free(self->secrets);
    index_free(self->index);
    pthread_mutex_destroy(&self->mutex);
    memset(self, 0, sizeof *self);
}

static td_result put(redactor *self, uint32_t place, const char *value, td_err *err)
{
    TD_ASSERT(place <= self->count);
    size_t size = strlen(value);
    if (size < REDACT_SECRET_BYTES_MIN || size > LIMIT_SECRET_BYTES)
        return td_err_set(err, TD_E_INVALID,
                          "a secret of %zu bytes: only those of %d to %u can be hidden in frames",
                          size, REDACT_SECRET_BYTES_MIN, LIMIT_SECRET_BYTES);
    redact_secret *made = new_secret(value, size);
    self->secrets = td_array_reach(self->secrets, &self->capacity, place, sizeof(redact_secret *));
    index_reserve(self, made);
    if (place < self->count) {
        td_secret_free(self->secrets[place]);
        self->secrets[place] = made;
        index_renew(self);
    } else {
        self->secrets[self->count++] = made;
        index_put(self->index, made, place);
    }
    return TD_OK;
}

td_result redactor_add(redactor *self, const char *secret, td_err *err)
{
    TD_ASSERT(self->fixed == self->count);
    for (uint32_t i = 0; i < self->count; i++)
        if (strcmp(self->secrets[i]->value, secret) == 0)
            return TD_OK;
    if (self->count == LIMIT_SECRETS)
        return td_err_set(err, TD_E_LIMIT, "more than %u secrets", LIMIT_SECRETS);
    td_result rc = put(self, self->count, secret, err);
    if (rc == TD_OK)
        self->fixed = self->count;
    return rc;
}

/* Signatures are many in a long session: only the newest ones can still be echoed. */
td_result redactor_add_signature(redactor *self, const char *secret, td_err *err)
{
    pthread_mutex_lock(&self->mutex);
    uint32_t place = self->count;
    if (place == self->fixed + REDACT_SIGNATURES_MAX) {
        place = self->fixed + self->next_signature % REDACT_SIGNATURES_MAX;
        self->next_signature++;
    }
    td_result rc = put(self, place, secret, err);
    pthread_mutex_unlock(&self->mutex);
    return rc;
}

/* ---- looking ---- */

/* Bytes from begin up to end; empty: none. */
typedef struct span {
    size_t begin, end;
} span;

/* Everything that is written over the piece at a place. All of it overlaps there, so it is one
 * span. */
static span find_over(const redactor *self, const uint8_t *text, size_t size, size_t at)
{
    span found = {at, at};
    const redact_index *index = self->index;
    uint32_t next = index->heads[gram_hash(text + at)];
    while (next != 0) {
        const gram *piece = &index->grams[next - 1];
        const redact_form *form = &self->secrets[piece->secret]->forms[piece->form];
        next = piece->next;
        if (piece->offset > at || form->size - piece->offset > size - at ||
            !form_is_at(form, text + at - piece->offset))
            continue;
        size_t begin = at - piece->offset;
        size_t end = begin + form->size;
        begin -= form->before && begin > 0 && is_base64(text[begin - 1]);
        end += form->after && end < size && is_base64(text[end]);
        found.begin = begin < found.begin ? begin : found.begin;
        found.end = end > found.end ? end : found.end;
    }
    return found;
}

/* The next span from *at on, which goes to where the search for the next one begins. Spans
 * that overlap are one, so nothing of a key that begins a longer secret is left; text is not
 * changed before a span is complete. Anything that overlaps a span also lies over one of the places
 * looked at within that span, or over the first place after it, at which it is found with what is
 * there. */
static span next_span(const redactor *self, const uint8_t *text, size_t size, size_t *at)
{
    size_t step = self->index->shortest - GRAM_BYTES + 1;
    span open = {0, 0};
    for (; *at + GRAM_BYTES <= size; *at += step) {
        span found = find_over(self, text, size, *at);
        if (found.begin == found.end)
            continue;
        if (open.begin == open.end) {
            open = found;
        } else if (found.begin < open.end) {
            open.begin = found.begin < open.begin ? found.begin : open.begin;
            open.end = found.end > open.end ? found.end : open.end;
        } else {
            return open; /* the one at *at is found again */
        }
    }
    return open;
}

static void hide_place(uint8_t *bytes, size_t offset, size_t length, redaction *done)
{
    memset(bytes + offset, '*', length);
    if (done->count == 0 || offset < done->first_offset)
        done->first_offset = offset;
    done->count++;
    done->bytes += length;
}

static void hide_plain(const redactor *self, uint8_t *bytes, size_t size, redaction *done)
{
    size_t at = 0;
    for (;;) {
        span found = next_span(self, bytes, size, &at);
        if (found.begin == found.end)
            return;
        hide_place(bytes, found.begin, found.end - found.begin, done);
    }
}

/* ---- spelt with escapes ---- */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Where the two digits are if a text's next bytes spell one character in hexadecimal; else 0. */
static size_t hex_digits_at(const uint8_t *at, size_t left)
{
    size_t digits = left >= 6 && memcmp(at, "\\u00", 4) == 0 ? 4 : left >= 3 && *at == '%' ? 1 : 0;
    return digits > 0 && hex_value(at[digits]) >= 0 && hex_value(at[digits + 1]) >= 0 ? digits : 0;
}

/* The character that is spelt at the place, and how many bytes its spelling has. A backslash before
 * \u00.. stands for itself, so that what was escaped twice is found as well. */
static size_t spelling_at(const uint8_t *at, size_t left, uint8_t *out)
{
    TD_ASSERT(left > 0);
    size_t digits = hex_digits_at(at, left);
    *out = *at;
    if (digits > 0) {
        *out = (uint8_t)(hex_value(at[digits]) * 16 + hex_value(at[digits + 1]));
        return digits + 2;
    }
    if (left < 2 || *at != '\\' || (at[1] != '/' && at[1] != '"' && at[1] != '\\') ||
        (at[1] == '\\' && hex_digits_at(at + 1, left - 1) > 0))
        return 1;
    *out = at[1];
    return 2;
}

/* Unescape from a place on until the window is full; returns the bytes that are in it. */
static size_t fill_window(redact_index *index, const uint8_t *bytes, size_t size, size_t from)
{
    size_t count = 0;
    size_t at = from;
    for (; count < index->window_bytes && at < size; count++) {
        index->offsets[count] = (uint32_t)(at - from);
        at += spelling_at(bytes + at, size - at, &index->window[count]);
    }
    index->offsets[count] = (uint32_t)(at - from);
    return count;
}

/* Window by window. What begins near a window's end, where the rest of it or of something that
 * overlaps it may be missing, is left to the next window. */
static void hide_spelt(const redactor *self, uint8_t *bytes, size_t size, redaction *done)
{
    redact_index *index = self->index;
    TD_ASSERT(index->window_bytes >= index->longest * 4);
    for (size_t from = 0; from < size;) {
        size_t count = fill_window(index, bytes, size, from);
        int is_last = from + index->offsets[count] == size;
        size_t next = is_last ? count : count - 2 * index->longest;
        size_t at = 0;
        for (;;) {
            span found = next_span(self, index->window, count, &at);
            if (found.begin == found.end || (!is_last && found.begin >= next))
                break;
            size_t begin = index->offsets[found.begin];
            hide_place(bytes, from + begin, index->offsets[found.end] - begin, done);
            next = found.end > next ? found.end : next;
        }
        from += index->offsets[next];
    }
}

td_result redactor_add_found(redactor *self, td_bytes value, redact_spelling how, td_err *err)
{
    if (value.size < REDACT_SECRET_BYTES_MIN)
        return TD_OK;
    char *text = td_secret_alloc(value.size + 1);
    size_t size = 0;
    for (size_t at = 0; at < value.size; size++) {
        uint8_t c = value.data[at];
        at += how == REDACT_SPELT ? spelling_at(value.data + at, value.size - at, &c) : 1;
        text[size] = (char)c;
    }
    int is_text = strlen(text) == size && size >= REDACT_SECRET_BYTES_MIN;
    td_result rc = is_text ? redactor_add(self, text, err) : TD_OK;
    td_secret_free(text);
    return rc;
}

redaction redactor_apply(redactor *self, uint8_t *bytes, size_t size)
{
    redaction done = {0};
    pthread_mutex_lock(&self->mutex);
    if (self->count > 0 && size > 0) {
        /* The exchange's frames have such signs only in the words of an error. */
        if (memchr(bytes, '\\', size) != NULL || memchr(bytes, '%', size) != NULL)
            hide_spelt(self, bytes, size, &done);
        hide_plain(self, bytes, size, &done);
    }
    pthread_mutex_unlock(&self->mutex);
    return done;
}
