#include "view/verb_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/json/json_write.h"

enum {
    WORDS_MAX = VIEW_ARGS_MAX + VERB_CHILD_DECODERS_MAX + VERB_CHILD_FAMILIES_MAX + 8,
    WORD_BYTES = LIMIT_PATH_BYTES + 16,
    OUTPUT_BYTES_MAX = VIEW_ANSWER_BYTES_MAX - (64 << 10), /* the rest of the answer is short */
    ERRORS_BYTES_MAX = 16 << 10,
    CHECK_MS = 50,
};

#define SELECTION "feed", "topic", "symbol", "from", "to"

typedef enum verb_needs {
    NEEDS_ARCHIVE,
    NEEDS_JOURNAL,  /* an archive without its frames, and so without families */
    NEEDS_PAIR,     /* two archives, as its operands */
    NEEDS_DECODERS, /* an archive, and decoders of the command line */
} verb_needs;

/* A verb that the page may run, as in the request's path, with its options. operand: the argument
 * that is an operand. form: the option that selects JSON. */
typedef struct verb_permit {
    const char *verb;
    const char *form;
    const char *operand;
    const char *options[12];
    verb_needs needs;
} verb_permit;

static const verb_permit PERMITS[] = {
    {"gaps", "--json", NULL, {SELECTION}, NEEDS_ARCHIVE},
    {"days", "--json", NULL, {SELECTION}, NEEDS_ARCHIVE},
    {"note/ls", "--json", NULL, {SELECTION}, NEEDS_JOURNAL},
    {"cat",
     "--json",
     NULL,
     {SELECTION, "max-frames", "dir", "price", "size", "text"},
     NEEDS_ARCHIVE},
    {"replay", "--messages", NULL, {SELECTION, "price", "size"}, NEEDS_ARCHIVE},
    {"when", "--json", "condition", {SELECTION, "max-frames"}, NEEDS_ARCHIVE},
    {"drift", "--json", NULL, {SELECTION}, NEEDS_ARCHIVE},
    {"latency", "--json", NULL, {SELECTION}, NEEDS_ARCHIVE},
    {"why", "--json", "of", {"at", "side", "price"}, NEEDS_ARCHIVE},
    {"diff", "--json", NULL, {SELECTION}, NEEDS_PAIR},
    {"regress/check", "--json", NULL, {SELECTION}, NEEDS_DECODERS},
};

static const verb_permit *find_permit(const char *path)
{
    static const char PREFIX[] = "verb/";
    if (strncmp(path, PREFIX, sizeof PREFIX - 1) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof PERMITS / sizeof PERMITS[0]; i++)
        if (strcmp(path + sizeof PREFIX - 1, PERMITS[i].verb) == 0)
            return &PERMITS[i];
    return NULL;
}

static int is_option(const verb_permit *of, const char *arg)
{
    size_t size = strcspn(arg, "=");
    for (size_t i = 0; of->options[i] != NULL; i++)
        if (strlen(of->options[i]) == size && strncmp(of->options[i], arg, size) == 0 &&
            arg[size] == '=')
            return 1;
    return 0;
}

/* The command line of a child. */
typedef struct child_words {
    char text[WORDS_MAX][WORD_BYTES];
    size_t count;
} child_words;

static char *add_word(child_words *to, const char *before, const char *text)
{
    char *word = to->text[to->count++];
    int size = snprintf(word, WORD_BYTES, "%s%s", before, text);
    TD_ASSERT(size < WORD_BYTES);
    return word;
}

static int has_needs(const verb_permit *of, const verb_child_given *given)
{
    return of->needs == NEEDS_PAIR       ? given->other != NULL
           : of->needs == NEEDS_DECODERS ? given->decoders[0] != NULL
                                         : 1;
}

/* Make the command line. 0: an argument is not allowed, or what the verb needs was not given. */
static int make_words(const verb_permit *of, const verb_child_given *given,
                      const view_request *request, child_words *out)
{
    int has_frames = 0;
    if (!has_needs(of, given))
        return 0;
    out->count = 0;
    add_word(out, "", "tapedeck");
    char *below = strchr(add_word(out, "", of->verb), '/');
    if (below != NULL) {
        *below = '\0';
        add_word(out, "", below + 1);
    }
    for (size_t i = 0; i < request->arg_count; i++) {
        const char *arg = request->args[i];
        size_t name = of->operand == NULL ? 0 : strlen(of->operand);
        if (name > 0 && strncmp(arg, of->operand, name) == 0 && arg[name] == '=')
            continue;
        if (!is_option(of, arg))
            return 0;
        has_frames |= strncmp(arg, "max-frames=", sizeof "max-frames=" - 1) == 0;
        add_word(out, "--", arg);
    }
    if (strcmp(of->verb, "cat") == 0 && !has_frames)
        add_word(out, "--", "max-frames=200");
    add_word(out, "", of->form);
    for (size_t i = 0; of->needs != NEEDS_JOURNAL && i < given->families->count; i++)
        add_word(out, "--families=", given->families->items[i]);
    for (size_t i = 0; of->needs == NEEDS_DECODERS && given->decoders[i] != NULL; i++)
        add_word(out, "", given->decoders[i]);
    if (of->needs == NEEDS_PAIR) {
        add_word(out, "", given->archive);
        add_word(out, "", given->other);
        return 1;
    }
    add_word(out, "--archive=", given->archive);
    if (given->catalog != NULL)
        add_word(out, "--catalog=", given->catalog);
    if (of->operand != NULL) {
        const char *operand = view_request_arg(request, of->operand);
        add_word(out, "", "--");
        add_word(out, "", operand == NULL ? "" : operand);
    }
    return 1;
}

/* Append a word as a shell reads it. */
static void add_quoted(td_buf *to, const char *word)
{
    if (word[0] != '\0' && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789_-+=./:,") == strlen(word)) {
        td_buf_add(to, word, strlen(word));
        return;
    }
    td_buf_add(to, "'", 1);
    for (; *word != '\0'; word++)
        td_buf_add(to, *word == '\'' ? "'\\''" : word, *word == '\'' ? 4 : 1);
    td_buf_add(to, "'", 1);
}

/* What a child prints. */
typedef struct child_stream {
    int fd; /* -1: at its end */
    td_buf text;
} child_stream;

/* Read what there is. 0: the text is too long, and lacks this piece. */
static int read_stream(child_stream *from)
{
    char piece[4 << 10];
    ssize_t size = read(from->fd, piece, sizeof piece);
    if (size < 0 && (errno == EINTR || errno == EAGAIN))
        return 1;
    if (size > 0)
        return td_buf_append(&from->text, piece, (size_t)size, NULL) == TD_OK;
    (void)close(from->fd);
    from->fd = -1;
    return 1;
}

/* Read both streams to their ends. Returns 0, or the HTTP status of a failure. */
static unsigned read_streams(child_stream streams[2], const view_request *request)
{
    uint64_t end_ns = clock_mono_ns(clock_real()) + VERB_CHILD_SECONDS * TD_NS_PER_S;
    while (streams[0].fd >= 0 || streams[1].fd >= 0) {
        struct pollfd waits[] = {{streams[0].fd, POLLIN, 0}, {streams[1].fd, POLLIN, 0}};
        (void)poll(waits, 2, CHECK_MS);
        if (waits[0].revents != 0 && !read_stream(&streams[0]))
            return 413;
        if (waits[1].revents != 0)
            (void)read_stream(&streams[1]); /* the first messages are enough */
        if (atomic_load(&request->is_cancelled))
            return 503;
        if (clock_mono_ns(clock_real()) > end_ns)
            return 504;
    }
    return 0;
}

static td_result start(child_words *line, child_stream streams[2], pid_t *pid, td_err *err)
{
    char program[LIMIT_PATH_BYTES];
    char *words[WORDS_MAX + 1] = {NULL};
    int output[2];
    int errors[2];
    if (pipe2(output, O_CLOEXEC) != 0)
        return td_err_set_os(err, errno, "cannot make a pipe");
    if (pipe2(errors, O_CLOEXEC) != 0) {
        td_err_set_os(err, errno, "cannot make a pipe");
        (void)close(output[0]);
        (void)close(output[1]);
        return TD_E_IO;
    }
    td_child_program("tapedeck", program);
    for (size_t i = 0; i < line->count; i++)
        words[i] = line->text[i];
    td_result rc =
        td_child_start(program, words, (td_child_ends){-1, output[1], errors[1]}, pid, err);
    (void)close(output[1]);
    (void)close(errors[1]);
    streams[0].fd = output[0];
    streams[1].fd = errors[0];
    return rc;
}

/* Write the answer: a verb's documents are lines. */
static td_result write_answer(td_buf *out, const child_words *line, int status,
                              child_stream streams[2], td_err *err)
{
    json_writer json;
    td_buf command;
    td_buf_init(&command, (size_t)WORDS_MAX * 5 * WORD_BYTES);
    for (size_t i = 0; i < line->count; i++) {
        td_buf_add(&command, " ", i == 0 ? 0 : 1);
        add_quoted(&command, line->text[i]);
    }
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_bytes(&json, "command", td_buf_view(&command));
    json_write_key(&json, "status");
    json_write_i64(&json, status);
    json_write_member_bytes(&json, "errors", td_buf_view(&streams[1].text));
    json_write_member_array_begin(&json, "results");
    td_bytes text = td_buf_view(&streams[0].text);
    while (text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        if (size > 0 && text.data[0] == '{')
            json_write_raw(&json, td_bytes_of(text.data, size));
        text.data += size + (end != NULL);
        text.size -= size + (end != NULL);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    td_buf_fini(&command);
    return json_write_end(&json, err);
}

void verb_child_answer(const verb_child_given *given, view_request *request, view_reply *reply)
{
    const verb_permit *permit = find_permit(request->path);
    child_words *line = td_alloc_zero(1, sizeof *line);
    child_stream streams[2] = {{.fd = -1}, {.fd = -1}};
    pid_t pid = 0;
    int status = 0;
    td_err err;
    td_err_clear(&err);
    td_buf_init(&streams[0].text, OUTPUT_BYTES_MAX);
    td_buf_init(&streams[1].text, ERRORS_BYTES_MAX);
    if (permit == NULL || !make_words(permit, given, request, line)) {
        view_reply_fail(reply, 400, "the page has no such question");
    } else if (start(line, streams, &pid, &err) != TD_OK) {
        view_reply_fail(reply, 500, err.text);
    } else {
        unsigned failure = read_streams(streams, request);
        if (failure != 0)
            (void)kill(-pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (failure != 0) {
            view_reply_fail(reply, failure,
                            failure == 413 ? "the answer is too large: select less"
                                           : "the answer took too long: select less");
        } else {
            reply->status = 200;
            reply->type = "application/json";
            if (write_answer(&reply->body, line, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                             streams, &err) != TD_OK)
                view_reply_fail(reply, 413, err.text);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        if (streams[i].fd >= 0)
            (void)close(streams[i].fd);
        td_buf_fini(&streams[i].text);
    }
    td_free(line);
}
