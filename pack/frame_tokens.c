#include "pack/frame_tokens.h"

#include <string.h>

#include "base/alloc.h"

void frame_tokens_fini(frame_tokens *self)
{
    td_free(self->items);
    *self = (frame_tokens){0};
}

static void add(frame_tokens *self, frame_token_kind kind, size_t begin, size_t end)
{
    if (self->count == self->capacity) {
        self->capacity = self->capacity * 2 + 256;
        self->items = td_realloc(self->items, self->capacity, sizeof *self->items);
    }
    self->items[self->count++] = (frame_token){kind, (uint32_t)begin, (uint32_t)end};
}

static int is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static int is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.' || c == '_';
}

/* A text while it is read; `at` is the next byte. */
typedef struct scan {
    td_bytes text;
    size_t at;
    frame_tokens *out;
    uint8_t stack[FRAME_DEPTH_MAX]; /* closing brackets of open containers */
    unsigned depth;
} scan;

/* The next byte that is no space; 0 at the end. */
static uint8_t peek(scan *s)
{
    while (s->at < s->text.size && is_space(s->text.data[s->at]))
        s->at++;
    return s->at < s->text.size ? s->text.data[s->at] : 0;
}

/* Read a string, which begins here. */
static int read_string(scan *s, frame_token_kind kind)
{
    const uint8_t *data = s->text.data;
    const size_t begin = ++s->at;
    for (; s->at < s->text.size; s->at++) {
        if (data[s->at] == '"') {
            add(s->out, kind, begin, s->at++);
            return 1;
        }
        s->at += data[s->at] == '\\';
    }
    return 0;
}

static int read_word(scan *s)
{
    const size_t begin = s->at;
    while (s->at < s->text.size && is_word(s->text.data[s->at]))
        s->at++;
    add(s->out, TOKEN_WORD, begin, s->at);
    return s->at > begin;
}

/* Read a key and its colon. */
static int read_key(scan *s)
{
    if (peek(s) != '"' || !read_string(s, TOKEN_KEY) || peek(s) != ':')
        return 0;
    s->at++;
    return 1;
}

/* Close containers, or go on to the next value of one. 0: neither is here. */
static int read_after(scan *s)
{
    while (s->depth > 0) {
        const uint8_t next = peek(s);
        const uint8_t closing = s->stack[s->depth - 1];
        if (next == closing) {
            add(s->out, TOKEN_END, s->at, s->at + 1);
            s->at++;
            s->depth--;
            continue;
        }
        if (next != ',')
            return 0;
        if (closing == ']')
            add(s->out, TOKEN_COMMA, s->at, s->at + 1);
        s->at++;
        return closing == ']' || read_key(s);
    }
    return peek(s) == 0 && s->at == s->text.size;
}

/* Open a container. *has_value: 1 if a value follows. */
static int read_open(scan *s, uint8_t opening, int *has_value)
{
    const uint8_t closing = opening == '{' ? '}' : ']';
    if (s->depth == FRAME_DEPTH_MAX)
        return 0;
    add(s->out, opening == '{' ? TOKEN_OBJECT : TOKEN_ARRAY, s->at, s->at + 1);
    s->at++;
    s->stack[s->depth++] = closing;
    *has_value = peek(s) != closing;
    return !*has_value || opening == '[' || read_key(s);
}

int frame_tokens_find(frame_tokens *self, td_bytes text)
{
    scan s = {.text = text, .out = self};
    int is_right = 1;
    int is_open = 1;
    self->count = 0;
    if (text.size == 0 || text.size > UINT32_MAX)
        return 0;
    while (is_right && is_open && self->count < FRAME_TOKENS_MAX) {
        int has_value = 0;
        const uint8_t next = peek(&s);
        if (next == '{' || next == '[') {
            is_right = read_open(&s, next, &has_value);
            if (has_value)
                continue;
        } else {
            is_right = next == '"' ? read_string(&s, TOKEN_STRING) : read_word(&s);
        }
        is_right = is_right && read_after(&s);
        is_open = s.depth > 0;
    }
    return is_right && !is_open;
}
