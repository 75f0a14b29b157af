#include "regress/baseline_selection.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_text.h"
#include "play/source.h"
#include "tape/cursor.h"

/* Bytes of the text: some times what a command line has. */
enum { TEXT_BYTES_MAX = 1 << 20 };

/* ---- the text: "--feed 'a*' --topic 'trade' --from 2021-04-17T00:00:00Z" ---- */

static td_result append_globs(td_buf *out, const char *option, selection_globs globs)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < globs.count && rc == TD_OK; i++)
        rc = td_buf_printf(out, NULL, "%s--%s '%s'", out->size == 0 ? "" : " ", option,
                           globs.items[i]);
    return rc;
}

static td_result append_time(td_buf *out, const char *option, uint64_t ns, int is_given)
{
    char text[TD_TIME_TEXT_BYTES];
    if (!is_given)
        return TD_OK;
    td_time_format(ns, text);
    return td_buf_printf(out, NULL, "%s--%s %s", out->size == 0 ? "" : " ", option, text);
}

char *baseline_selection_text(const selection *wanted, selection_window window)
{
    td_buf text;
    td_buf_init(&text, TEXT_BYTES_MAX);
    td_result rc = append_globs(&text, "feed", wanted->feeds);
    if (rc == TD_OK)
        rc = append_globs(&text, "topic", wanted->topics);
    if (rc == TD_OK)
        rc = append_globs(&text, "symbol", wanted->symbols);
    if (rc == TD_OK)
        rc = append_time(&text, "from", window.from_ns, window.from_ns > 0);
    if (rc == TD_OK)
        rc = append_time(&text, "to", window.to_ns, window.to_ns < UINT64_MAX);
    TD_ASSERT(rc == TD_OK); /* a command line is shorter than the buffer's bound */
    char *copy = td_strndup((const char *)text.data, text.size);
    td_buf_fini(&text);
    return copy;
}

static td_result bad_text(td_err *err)
{
    return td_err_set(err, TD_E_CORRUPT, "the baseline's selection cannot be read");
}

/* Cut the word at *at off: up to a space, or between quotes. A quote ends the word only before the
 * next option, because a glob may have one. *at is what follows. NULL: absent. */
static char *cut_word(char **at)
{
    char *word = *at;
    if (*word == '\0')
        return NULL;
    char *end = word + strcspn(word, " ");
    if (*word == '\'') {
        word++;
        end = strstr(word, "' --");
        if (end == NULL)
            end = word + strlen(word) - 1;
        if (end < word || *end != '\'')
            return NULL;
        *end++ = '\0';
    }
    *at = end + (*end == ' ');
    *end = '\0';
    return word;
}

static td_result add_option(baseline_selection *s, const char *name, const char *value, td_err *err)
{
    selection_options *options = &s->options;
    options_list *list = strcmp(name, "--feed") == 0     ? &options->feeds
                         : strcmp(name, "--topic") == 0  ? &options->topics
                         : strcmp(name, "--symbol") == 0 ? &options->symbols
                                                         : NULL;
    options_time *time = strcmp(name, "--from") == 0 ? &options->from
                         : strcmp(name, "--to") == 0 ? &options->to
                                                     : NULL;
    if (list != NULL && list->count < OPTIONS_LIST_MAX) {
        list->items[list->count++] = value;
        return TD_OK;
    }
    if (time == NULL || td_time_parse(value, 0, TD_DATE_BEGINS, &time->at, NULL) != TD_OK)
        return bad_text(err);
    time->is_given = 1;
    return TD_OK;
}

static td_result read_text(baseline_selection *s, const char *text, td_err *err)
{
    s->words = td_strdup(text);
    char *at = s->words;
    while (*at != '\0') {
        const char *name = cut_word(&at);
        const char *value = cut_word(&at);
        td_result rc =
            name == NULL || value == NULL ? bad_text(err) : add_option(s, name, value, err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

/* ---- narrowing ---- */

static td_result narrow_window(baseline_selection *s, archive *from, td_err *err)
{
    const selection_window covered = selection_resolve(&s->covered, 0);
    selection_window window;
    char begin[TD_TIME_TEXT_BYTES] = "";
    char end[TD_TIME_TEXT_BYTES] = "";
    td_result rc = cursor_find_window(from, &s->wanted, NULL, &window, err);
    if (rc != TD_OK)
        return rc;
    if (window.from_ns < covered.from_ns)
        window.from_ns = covered.from_ns;
    if (window.to_ns > covered.to_ns)
        window.to_ns = covered.to_ns;
    if (window.from_ns >= window.to_ns) {
        td_err_set(err, TD_E_INVALID, "the baseline has no frames of the selected time");
        if (s->covered.has_from)
            td_time_format(covered.from_ns, begin);
        if (s->covered.has_to)
            td_time_format(covered.to_ns, end);
        td_err_hint(err, "it was saved with%s%s%s%s", begin[0] == '\0' ? "" : " --from ", begin,
                    end[0] == '\0' ? "" : " --to ", end);
        return TD_E_INVALID;
    }
    s->is_part = window.from_ns > covered.from_ns || window.to_ns < covered.to_ns;
    selection_set_window(&s->wanted, window);
    s->text = baseline_selection_text(&s->wanted, window);
    return TD_OK;
}

td_result baseline_selection_init(baseline_selection *out, const char *text, const selection *given,
                                  archive *from, td_err *err)
{
    *out = (baseline_selection){.text = NULL};
    td_result rc = read_text(out, text, err);
    if (rc != TD_OK)
        return rc;
    out->covered = source_selection(&out->options);
    out->wanted = *given;
    if (given->feeds.count == 0)
        out->wanted.feeds = out->covered.feeds;
    if (given->topics.count == 0)
        out->wanted.topics = out->covered.topics;
    if (given->symbols.count == 0)
        out->wanted.symbols = out->covered.symbols;
    rc = selection_check(&out->wanted, err);
    return rc == TD_OK ? narrow_window(out, from, err) : rc;
}

td_result baseline_selection_fix(baseline_selection *out, const selection *given, archive *from,
                                 td_err *err)
{
    selection_window window;
    *out = (baseline_selection){.text = NULL};
    td_result rc = selection_check(given, err);
    if (rc == TD_OK)
        rc = cursor_find_window(from, given, NULL, &window, err);
    if (rc != TD_OK)
        return rc;
    out->wanted = *given;
    selection_set_window(&out->wanted, window);
    out->covered = out->wanted;
    out->text = baseline_selection_text(&out->wanted, window);
    return TD_OK;
}

void baseline_selection_fini(baseline_selection *s)
{
    td_free(s->text);
    td_free(s->words);
    s->text = s->words = NULL;
}
