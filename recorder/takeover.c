#include "recorder/takeover.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/segment_name.h"
#include "recorder/control.h"

#define RETRY_NS (10 * TD_NS_PER_MS)

void takeover_fini(takeover *of)
{
    td_free(of->slots);
    *of = (takeover){0};
}

void takeover_add(takeover *to, const takeover_slot *slot)
{
    to->slots = td_array_grow(to->slots, to->slot_count, sizeof *to->slots);
    to->slots[to->slot_count++] = *slot;
}

/* ---- the answer's text ---- */

td_result takeover_write(const takeover *from, td_buf *out, td_err *err)
{
    td_result rc =
        td_buf_printf(out, err, "session %s %" PRIu64 "\n", from->session, from->start_ns);
    for (size_t i = 0; i < from->slot_count && rc == TD_OK; i++) {
        const takeover_slot *slot = &from->slots[i];
        rc = td_buf_printf(out, err, "slot %s %" PRIu32 " %" PRIu32 " %" PRIu32 " %d\n", slot->feed,
                           slot->line, slot->shard, slot->conn, slot->is_idle);
    }
    return rc;
}

/* Read a number, and the separator after it. */
static int read_number(const char **at, char separator, uint64_t *out)
{
    char *end;
    *out = strtoull(*at, &end, 10);
    if (end == *at || *end != separator)
        return 0;
    *at = end + 1;
    return 1;
}

/* Read a word of at most `bytes` with its NUL, and the space after it. */
static int read_word(const char **at, char *out, size_t bytes)
{
    size_t size = strcspn(*at, " \n");
    if (size == 0 || size >= bytes || (*at)[size] != ' ')
        return 0;
    memcpy(out, *at, size);
    out[size] = '\0';
    *at += size + 1;
    return 1;
}

static int read_slot(const char **at, takeover_slot *out)
{
    uint64_t line;
    uint64_t shard;
    uint64_t conn;
    uint64_t is_idle;
    if (strncmp(*at, "slot ", 5) != 0)
        return 0;
    *at += 5;
    if (!read_word(at, out->feed, sizeof out->feed) || !read_number(at, ' ', &line) ||
        !read_number(at, ' ', &shard) || !read_number(at, ' ', &conn) ||
        !read_number(at, '\n', &is_idle) || line >= LIMIT_FEED_LINE_NUMBERS ||
        shard >= LIMIT_FEED_SLOTS || conn > UINT32_MAX)
        return 0;
    out->line = (uint32_t)line;
    out->shard = (uint32_t)shard;
    out->conn = (uint32_t)conn;
    out->is_idle = is_idle != 0;
    return 1;
}

static int read_text(const char *at, takeover *out)
{
    takeover_slot slot;
    if (strncmp(at, "session ", 8) != 0)
        return 0;
    at += 8;
    if (!read_word(&at, out->session, sizeof out->session) ||
        !read_number(&at, '\n', &out->start_ns) ||
        !session_id_is_valid(td_bytes_str(out->session)) || out->start_ns > INT64_MAX)
        return 0;
    while (read_slot(&at, &slot))
        takeover_add(out, &slot);
    return *at == '\0' && out->slot_count > 0;
}

/* Make an error of an answer that is not of status 0. */
static td_result refused(const char *answer, td_err *err)
{
    const char *text = strchr(answer, '\n');
    text = text == NULL ? "" : text + 1;
    return td_err_set(err, TD_E_BUSY, "the running recorder cannot be replaced now: %.*s",
                      (int)strcspn(text, "\n"), text);
}

static td_result ask(const char *folder, const char *request, td_buf *answer, td_err *err)
{
    td_result rc = control_ask(folder, request, TAKEOVER_NS, answer, err);
    if (rc == TD_OK)
        rc = td_buf_append(answer, "", 1, err);
    if (rc == TD_OK && strncmp((const char *)answer->data, "0\n", 2) != 0)
        rc = refused((const char *)answer->data, err);
    return rc;
}

td_result takeover_ask(const char *folder, takeover *out, td_err *err)
{
    td_buf answer;
    *out = (takeover){0};
    td_buf_init(&answer, CONTROL_ANSWER_BYTES + 1);
    td_result rc = ask(folder, TAKEOVER_PREPARE " text", &answer, err);
    if (rc == TD_OK && !read_text((const char *)answer.data + 2, out))
        rc = td_err_set(err, TD_E_IO, "the running recorder's answer cannot be read");
    td_buf_fini(&answer);
    return rc;
}

/* ---- slots ---- */

const takeover_slot *takeover_find(const takeover *of, const char *feed, uint32_t line,
                                   uint32_t shard)
{
    for (size_t i = 0; i < of->slot_count; i++)
        if (of->slots[i].line == line && of->slots[i].shard == shard &&
            strcmp(of->slots[i].feed, feed) == 0)
            return &of->slots[i];
    return NULL;
}

uint32_t takeover_shard_count(const takeover *of, const char *feed)
{
    uint32_t count = 0;
    while (takeover_find(of, feed, 0, count) != NULL)
        count++;
    return count;
}

uint32_t takeover_free_line(const takeover *of, const char *feed, uint32_t shard,
                            uint32_t line_count)
{
    uint32_t line = 0;
    for (; line < line_count; line++) {
        const takeover_slot *slot = takeover_find(of, feed, line, shard);
        if (slot == NULL || slot->is_idle)
            break;
    }
    return line;
}

/* ---- the end of the other process ---- */

td_result takeover_open(const archive_options *opening, const char *folder, archive **out,
                        td_err *err)
{
    td_buf answer;
    const uint64_t until_ns = clock_mono_ns(opening->clock) + TAKEOVER_NS;
    td_buf_init(&answer, CONTROL_ANSWER_BYTES + 1);
    td_result rc = ask(folder, TAKEOVER_END " text", &answer, err);
    td_buf_fini(&answer);
    if (rc == TD_E_BUSY)
        return rc;
    /* After another failure the recorder has been killed. */
    while ((rc = archive_open(opening, folder, ARCHIVE_APPEND, out, err)) == TD_E_BUSY &&
           clock_mono_ns(opening->clock) < until_ns)
        clock_sleep_until(opening->clock, clock_mono_ns(opening->clock) + RETRY_NS);
    return rc;
}
