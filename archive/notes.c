#include "archive/notes.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "archive/journal.h"

static char *copy_value(const journal_entry *entry, const char *key)
{
    td_bytes value = journal_get(entry, key);
    return value.size == 0 ? td_strdup("") : td_strndup((const char *)value.data, value.size);
}

static td_result add_entry(void *user, const journal_entry *entry, td_err *err)
{
    note_list *list = user;
    (void)err;
    if (!td_bytes_is(entry->act, JOURNAL_NOTE))
        return TD_OK;
    list->notes = td_array_grow(list->notes, list->count, sizeof *list->notes);
    list->notes[list->count++] = (archive_note){
        .made_ns = journal_get_u64(entry, "made_ns", 0),
        .time = {journal_get_u64(entry, "from_ns", 0), journal_get_u64(entry, "to_ns", 0)},
        .feed = copy_value(entry, "feed"),
        .topic = copy_value(entry, "topic"),
        .symbol = copy_value(entry, "symbol"),
        .text = copy_value(entry, "text"),
        .keeps = journal_get_u64(entry, "keep", 0) != 0,
    };
    return TD_OK;
}

static int compare_notes(const void *a, const void *b)
{
    const archive_note *left = a;
    const archive_note *right = b;
    if (left->time.from_ns != right->time.from_ns)
        return left->time.from_ns < right->time.from_ns ? -1 : 1;
    return (left->made_ns > right->made_ns) - (left->made_ns < right->made_ns);
}

td_result note_list_read(archive *from, note_list *out, td_err *err)
{
    journal_state state;
    *out = (note_list){0};
    if (archive_is_single_file(from))
        return TD_OK;
    td_result rc = journal_read(from, add_entry, out, &state, err);
    if (out->count > 0)
        qsort(out->notes, out->count, sizeof *out->notes, compare_notes);
    return rc;
}

void note_list_fini(note_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        td_free((char *)list->notes[i].feed);
        td_free((char *)list->notes[i].topic);
        td_free((char *)list->notes[i].symbol);
        td_free((char *)list->notes[i].text);
    }
    td_free(list->notes);
    *list = (note_list){0};
}

static td_result check_text(const char *text, td_err *err)
{
    td_bytes bytes = td_bytes_str(text);
    if (bytes.size == 0)
        return td_err_set(err, TD_E_INVALID, "the note has no text");
    if (bytes.size >= NOTE_TEXT_BYTES)
        return td_err_set(err, TD_E_LIMIT, "the note has %zu bytes; at most %d are kept",
                          bytes.size, NOTE_TEXT_BYTES - 1);
    if (!td_utf8_is_text(bytes))
        return td_err_set(err, TD_E_INVALID, "the note is not UTF-8");
    for (size_t at = 0; at < bytes.size;) {
        size_t size = td_utf8_bytes(bytes.data + at, bytes.size - at);
        if (td_utf8_is_control(td_utf8_code(bytes.data + at, size)))
            return td_err_set(err, TD_E_INVALID,
                              "the note has a line break or another control character");
        at += size;
    }
    return TD_OK;
}

td_result note_append(archive *to, const archive_note *note, td_err *err)
{
    char numbers[4][24];
    journal *writer = NULL;
    const journal_field fields[] = {
        journal_u64("made_ns", note->made_ns, numbers[0]),
        journal_u64("from_ns", note->time.from_ns, numbers[1]),
        journal_u64("to_ns", note->time.to_ns, numbers[2]),
        journal_text("feed", note->feed),
        journal_text("topic", note->topic),
        journal_text("symbol", note->symbol),
        journal_text("text", note->text),
        journal_u64("keep", note->keeps, numbers[3]),
    };
    td_result rc = check_text(note->text, err);
    if (rc == TD_OK)
        rc = journal_open(to, NULL, NULL, NULL, &writer, err);
    if (rc == TD_OK)
        rc = journal_append(writer, JOURNAL_NOTE, fields, sizeof fields / sizeof *fields, err);
    journal_close(writer);
    return rc;
}
