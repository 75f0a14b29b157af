#include "regress/decoder_words.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"

/* Words and their texts are in one piece: count pointers and NULL, then the texts. */
static char **make_words(size_t count, size_t text_bytes, char **texts)
{
    char **words = td_alloc_zero(1, (count + 1) * sizeof *words + text_bytes);
    if (words != NULL)
        *texts = (char *)(words + count + 1);
    return words;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Take one word off text, which begins with it, and append it to *to. What follows; NULL: a quote
 * has no end. */
static const char *take_word(const char *text, char **to)
{
    char quote = 0;
    for (; *text != '\0' && (quote != 0 || !is_blank(*text)); text++) {
        int is_escape = *text == '\\' && quote != '\'' && text[1] != '\0' &&
                        (quote == 0 || text[1] == '"' || text[1] == '\\');
        if (is_escape)
            *(*to)++ = *++text;
        else if (quote != 0 && *text == quote)
            quote = 0;
        else if (quote == 0 && (*text == '\'' || *text == '"'))
            quote = *text;
        else
            *(*to)++ = *text;
    }
    *(*to)++ = '\0';
    return quote == 0 ? text : NULL;
}

td_result decoder_words_split(const char *text, char ***out, td_err *err)
{
    size_t size = strlen(text);
    size_t count = 0;
    char *at = NULL;
    /* No more words than every second byte begins. */
    char **words = make_words(size / 2 + 1, size + 1, &at);
    if (words == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a command");
    for (const char *from = text; from != NULL;) {
        while (is_blank(*from))
            from++;
        if (*from == '\0')
            break;
        TD_ASSERT(count <= size / 2);
        words[count++] = at;
        from = take_word(from, &at);
        if (from == NULL) {
            decoder_words_free(words);
            return td_err_set(err, TD_E_INVALID, "%s: a quote without its end", text);
        }
    }
    if (count == 0 || words[0][0] == '\0') {
        decoder_words_free(words);
        return td_err_set(err, TD_E_INVALID, "'%s' is no command", text);
    }
    *out = words;
    return TD_OK;
}

td_result decoder_words_copy(const char *const *from, size_t count, char ***out, td_err *err)
{
    size_t size = 0;
    char *at = NULL;
    for (size_t i = 0; i < count; i++)
        size += strlen(from[i]) + 1;
    char **words = make_words(count, size, &at);
    if (words == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a command");
    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(from[i]) + 1;
        words[i] = at;
        memcpy(at, from[i], bytes);
        at += bytes;
    }
    *out = words;
    return TD_OK;
}

void decoder_words_free(char **words)
{
    td_free(words);
}
