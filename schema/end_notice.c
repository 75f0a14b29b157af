#include "schema/end_notice.h"

#include <string.h>

/* 1 if a text or number at the word's path is the word's text. */
static int has_word(json_value root, const end_word *word)
{
    json_value value;
    td_bytes text;
    if (!json_find_first(root, word->path, &value))
        return 0;
    if (json_type_of(value) == JSON_NUMBER)
        text = json_raw(value);
    else if (!json_text(value, &text))
        return 0;
    return td_bytes_is(text, word->text);
}

static const char *last_text(const end_notice *notice)
{
    return notice->words[notice->word_count - 1].text;
}

/* 1 if a frame may be a notice: it has the last text. */
static int has_text(td_bytes frame, const char *text)
{
    return frame.size <= END_NOTICE_BYTES_MAX &&
           memmem(frame.data, frame.size, text, strlen(text)) != NULL;
}

int end_notice_is(const end_notice *notice, json_parser *parser, td_bytes frame)
{
    json_value root;
    if (!has_text(frame, last_text(notice)) ||
        json_parse(parser, frame, JSON_COPIED, &root, NULL) != TD_OK)
        return 0;
    for (size_t i = 0; i < notice->word_count; i++)
        if (!has_word(root, &notice->words[i]))
            return 0;
    return 1;
}

const end_notice *end_notice_find(const end_notice *list, json_parser *parser, td_bytes frame)
{
    const char *missing = NULL; /* nearly all frames are data: look for the same text once */
    for (; list != NULL && list->frame != NULL; list++) {
        const char *last = last_text(list);
        if (missing != NULL && strcmp(missing, last) == 0)
            continue;
        if (!has_text(frame, last))
            missing = last;
        else if (end_notice_is(list, parser, frame))
            return list;
    }
    return NULL;
}
