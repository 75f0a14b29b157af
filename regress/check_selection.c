#include "regress/check_selection.h"

#include <string.h>

#include "base/alloc.h"
#include "base/time_text.h"
#include "play/source.h"
#include "tape/tape.h"

/* ---- the baseline's text: "--feed 'a*' --topic 'trade' --from 2021-04-17T00:00:00Z" ---- */

static td_result bad_text(td_err *err)
{
    return td_err_set(err, TD_E_CORRUPT, "the baseline's selection cannot be read");
}

/* Cut the word at *at off: up to a space, or between quotes. A quote ends the word only before the
 * next option, because a glob may have one. *at is what follows. NULL: there is none. */
static char *take_word(char **at)
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

static td_result take_option(check_selection *s, const char *name, const char *value, td_err *err)
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

static td_result read_text(check_selection *s, const char *text, td_err *err)
{
    s->text = td_strdup(text);
    if (s->text == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a selection");
    char *at = s->text;
    while (*at != '\0') {
        const char *name = take_word(&at);
        const char *value = take_word(&at);
        td_result rc =
            name == NULL || value == NULL ? bad_text(err) : take_option(s, name, value, err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

/* ---- narrowing ---- */

/* The window of a selection; a tape resolves times that count from the first frame. */
static td_result resolve(archive *from, const selection *wanted, selection_window *out, td_err *err)
{
    if (!selection_is_relative(wanted)) {
        *out = selection_resolve(wanted, 0);
        return TD_OK;
    }
    tape *opened = NULL;
    td_result rc = tape_open(from, wanted, &(tape_options){.threads = 0}, &opened, err);
    if (rc == TD_OK)
        *out = tape_get_window(opened);
    tape_close(opened);
    return rc;
}

static void set_window(selection *wanted, selection_window window)
{
    wanted->has_from = window.from_ns > 0;
    wanted->from = (td_time_spec){.kind = TD_TIME_ABSOLUTE, .ns = window.from_ns};
    wanted->has_to = window.to_ns < UINT64_MAX;
    wanted->to = (td_time_spec){.kind = TD_TIME_ABSOLUTE, .ns = window.to_ns};
}

static td_result narrow_window(check_selection *s, archive *from, td_err *err)
{
    const selection_window covered = selection_resolve(&s->covered, 0);
    selection_window window;
    char begin[TD_TIME_TEXT_BYTES] = "";
    char end[TD_TIME_TEXT_BYTES] = "";
    td_result rc = resolve(from, &s->wanted, &window, err);
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
    set_window(&s->wanted, window);
    return TD_OK;
}

td_result check_selection_init(check_selection *out, const char *text, const selection *given,
                               archive *from, td_err *err)
{
    *out = (check_selection){.text = NULL};
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

void check_selection_fini(check_selection *s)
{
    td_free(s->text);
    s->text = NULL;
}
