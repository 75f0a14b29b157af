#include "verbs/frame_lines.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "schema/decode.h"

struct frame_lines {
    import_source *source;
    import_text_line held; /* read, and not part of the frame before it */
    uint8_t has_held;
    td_buf joined;
    uint8_t is_too_long; /* what was joined was too much, and is dropped */
    /* Parser state at the end of the joined text. */
    uint64_t depth;
    uint8_t in_string;
    uint8_t is_escaped;
};

frame_lines *frame_lines_open(import_source *source)
{
    TD_ASSERT(source != NULL);
    frame_lines *self = td_alloc_zero(1, sizeof *self);
    self->source = source;
    td_buf_init(&self->joined, LIMIT_FRAME_BYTES + DECODE_PADDING_BYTES);
    return self;
}

void frame_lines_close(frame_lines *self)
{
    if (self == NULL)
        return;
    td_buf_fini(&self->joined);
    td_free(self);
}

/* A comment, as documents have above and inside their samples: it is no end of a frame. */
static int is_comment(td_bytes line)
{
    return line.size >= 2 && line.data[0] == '/' && line.data[1] == '/';
}

/* Count the brackets of one more line. 1 if the frame ends with it: none is open any more. */
static int take_brackets(frame_lines *self, td_bytes line)
{
    if (is_comment(line))
        return 0;
    for (size_t i = 0; i < line.size; i++) {
        uint8_t c = line.data[i];
        if (self->is_escaped) {
            self->is_escaped = 0;
        } else if (self->in_string) {
            self->is_escaped = c == '\\';
            self->in_string = c != '"';
        } else if (c == '"') {
            self->in_string = 1;
        } else if (c == '{' || c == '[') {
            self->depth++;
        } else if ((c == '}' || c == ']') && self->depth > 0) {
            self->depth--;
        }
    }
    self->in_string = 0; /* a string ends with its line */
    self->is_escaped = 0;
    return self->depth == 0;
}

static td_result next_line(frame_lines *self, import_text_line *line, td_err *err)
{
    if (!self->has_held)
        return import_source_next(self->source, line, err);
    *line = self->held;
    self->has_held = 0;
    return TD_OK;
}

/* Append a line to what is joined. */
static td_result join(frame_lines *self, td_bytes line, td_err *err)
{
    if (self->is_too_long)
        return TD_OK;
    if (self->joined.size + line.size + 1 > LIMIT_FRAME_BYTES) {
        self->is_too_long = 1;
        td_buf_clear(&self->joined);
        return TD_OK;
    }
    td_result rc = TD_OK;
    if (self->joined.size > 0)
        rc = td_buf_append(&self->joined, "\n", 1, err);
    return rc != TD_OK ? rc : td_buf_append(&self->joined, line.data, line.size, err);
}

/* The joined lines as a frame. */
static td_result give(frame_lines *self, frame_text *out, td_err *err)
{
    static const uint8_t PADDING[DECODE_PADDING_BYTES];
    size_t size = self->joined.size;
    td_result rc = td_buf_append(&self->joined, PADDING, sizeof PADDING, err);
    *out = (frame_text){.text = td_bytes_of(td_buf_view(&self->joined).data, size),
                        .is_too_long = self->is_too_long};
    if (self->is_too_long)
        out->text = td_bytes_of(NULL, 0);
    return rc;
}

static int is_balanced(td_bytes line)
{
    frame_lines alone = {.depth = 0};
    return take_brackets(&alone, line);
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* 1 if a member, an element or a value must follow this byte of a frame. */
static int is_open_end(char c)
{
    return c == '[' || c == ',' || c == ':';
}

/* 1 if the next frame begins with this line, although brackets of the one before are open. Inside a
 * frame an object or a list begins after one of "[,:"; a line cut off there is followed by whole
 * ones. */
static int begins_next(const frame_lines *self, td_bytes line)
{
    if (line.size == 0 || (line.data[0] != '{' && line.data[0] != '['))
        return 0;
    td_bytes joined = td_buf_view(&self->joined);
    if (self->is_too_long || joined.size == 0)
        return 0;
    size_t end = joined.size;
    while (end > 1 && is_space((char)joined.data[end - 1]))
        end--;
    if ((joined.data[0] == '{' || joined.data[0] == '[') &&
        !is_open_end((char)joined.data[end - 1]))
        return 1;
    return line.data[0] == '{' && memchr(joined.data, '\n', joined.size) == NULL &&
           joined.data[0] == '{' && is_balanced(line);
}

/* Join the lines after a first one that is not a whole frame. */
static td_result join_rest(frame_lines *self, frame_text *out, td_err *err)
{
    for (;;) {
        import_text_line line;
        td_result rc = import_source_next(self->source, &line, err);
        if (rc == TD_EOF)
            return give(self, out, err);
        if (rc != TD_OK)
            return rc;
        if (line.is_too_long || begins_next(self, line.text)) {
            self->held = line;
            self->has_held = 1;
            return give(self, out, err);
        }
        rc = join(self, line.text, err);
        if (rc != TD_OK)
            return rc;
        if (take_brackets(self, line.text))
            return give(self, out, err);
    }
}

td_result frame_lines_next(frame_lines *self, frame_text *out, td_err *err)
{
    import_text_line line;
    do {
        td_result rc = next_line(self, &line, err);
        if (rc != TD_OK)
            return rc;
    } while (line.text.size == 0 && !line.is_too_long);
    *out = (frame_text){.text = line.text, .is_too_long = line.is_too_long};
    self->depth = 0;
    self->is_too_long = 0;
    td_buf_clear(&self->joined);
    if (line.is_too_long || take_brackets(self, line.text))
        return TD_OK;
    td_result rc = join(self, line.text, err);
    return rc != TD_OK ? rc : join_rest(self, out, err);
}
