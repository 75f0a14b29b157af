/* Digests: which changes of a tape change them (docs/design.md, "Digests"). The digests that must
 * change are written by hand from that text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/testing/filled.h"
#include "tests/testing/played.h"

#define INVERSE "inverse-2021-04-17.jsonl.gz"

/* A change of one frame. */
typedef enum change {
    CHANGE_TIME,
    CHANGE_ORDINAL,
    CHANGE_SPACE,
    CHANGE_KEYS,
    CHANGE_SIZE,
    CHANGE_ACK,
    CHANGE_TRADE_ID,
    CHANGE_GARBAGE
} change;

typedef struct change_case {
    const char *name;
    change change;
    size_t frame; /* in the inverse capture */
    const char *changed;
} change_case;

/* Frames 0 to 3 are outbound, 4 and 5 are acks, 6 is the EOSUSD snapshot. */
enum { FRAME_ACK = 4, FRAME_SNAPSHOT_AT = 6 };

static const change_case CHANGES[] = {
    {"receive time", CHANGE_TIME, FRAME_SNAPSHOT_AT, "frames"},
    {"ordinal", CHANGE_ORDINAL, FRAME_SNAPSHOT_AT, "frames"},
    {"white space", CHANGE_SPACE, FRAME_SNAPSHOT_AT, "frames payload"},
    {"order of keys", CHANGE_KEYS, FRAME_SNAPSHOT_AT, "frames payload"},
    {"a level's size", CHANGE_SIZE, FRAME_SNAPSHOT_AT, "frames payload messages books"},
    {"a bit of an ack", CHANGE_ACK, FRAME_ACK, "frames"},
    {"a trade's id", CHANGE_TRADE_ID, 0, "frames payload messages"},
    {"not JSON any more", CHANGE_GARBAGE, FRAME_SNAPSHOT_AT, "frames payload messages books"},
};

/* Replaces the first occurrence of a text in a frame by a text of the same length. */
static void replace(const frame_ref *frame, const char *old, const char *new)
{
    assert_int_equal(strlen(old), strlen(new));
    uint8_t *at = memmem(frame->bytes.data, frame->bytes.size, old, strlen(old));
    assert_non_null(at);
    memcpy(at, new, strlen(new));
}

/* Changes {"topic":T,...} to { "topic":T,...}; the space is taken from the padding. */
static void add_space(frame_ref *frame)
{
    uint8_t *bytes = (uint8_t *)frame->bytes.data;
    memmove(bytes + 2, bytes + 1, frame->bytes.size - 1);
    bytes[1] = ' ';
    frame->bytes.size++;
}

/* Swaps the first two members: {"topic":T,"type":K,...} becomes {"type":K,"topic":T,...}. */
static void swap_keys(const frame_ref *frame)
{
    static const char OLD[] = "{\"topic\":\"orderBookL2_25.EOSUSD\",\"type\":\"snapshot\",";
    static const char NEW[] = "{\"type\":\"snapshot\",\"topic\":\"orderBookL2_25.EOSUSD\",";
    replace(frame, OLD, NEW);
}

static frame_ref *first_trade(const capture_tape *from)
{
    for (size_t i = 0; i < from->frame_count; i++) {
        if (strcmp(from->frames[i].channel->info.topic, "trade") == 0)
            return &from->frames[i];
    }
    fail_msg("no trade");
    return NULL;
}

/* Changes the first digit after the key's first occurrence. */
static void change_digit(const frame_ref *frame, const char *key)
{
    uint8_t *at = memmem(frame->bytes.data, frame->bytes.size, key, strlen(key));
    assert_non_null(at);
    at += strlen(key);
    *at = *at == '1' ? '2' : '1';
}

static void apply_change(const capture_tape *from, const change_case *c)
{
    frame_ref *frame = &from->frames[c->frame];
    switch (c->change) {
    case CHANGE_TIME:
        frame->recv_ns++;
        break;
    case CHANGE_ORDINAL:
        frame->ordinal++;
        break;
    case CHANGE_SPACE:
        add_space(frame);
        break;
    case CHANGE_KEYS:
        swap_keys(frame);
        break;
    case CHANGE_SIZE:
        change_digit(frame, "\"size\":");
        break;
    case CHANGE_ACK:
        change_digit(frame, "\"conn_id\":\"");
        break;
    case CHANGE_TRADE_ID:
        change_digit(first_trade(from), "\"trade_id\":\"");
        break;
    case CHANGE_GARBAGE:
        replace(frame, "{\"topic\"", "{\"topic ");
        break;
    }
}

static void changed_parts(digest_texts a, digest_texts b, char out[64])
{
    out[0] = '\0';
    for (size_t i = 0; i < DIGEST_PARTS; i++) {
        if (strcmp(a[i], b[i]) == 0)
            continue;
        size_t used = strlen(out);
        (void)snprintf(out + used, 64 - used, "%s%s", used == 0 ? "" : " ",
                       digest_part_name((digest_part)i)); /* fits */
    }
}

static void test_digests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++) {
        capture_tape from;
        capture_tape_load(&from, INVERSE, "inverse");
        player *before = played(&from, 1);
        apply_change(&from, &CHANGES[i]);
        for (size_t k = 0; k < from.frame_count; k++)
            from.frames[k].is_read = 0; /* the content is of the unchanged frame */
        player *after = played(&from, 1);
        digest_texts a;
        digest_texts b;
        played_digests(before, a);
        played_digests(after, b);
        char changed[64];
        changed_parts(a, b, changed);
        if (strcmp(changed, CHANGES[i].changed) != 0)
            fail_msg("%s: changes %s, expected %s", CHANGES[i].name, changed, CHANGES[i].changed);
        player_close(before);
        player_close(after);
        capture_tape_fini(&from);
    }
}

/* Another connection, other times, no control frames: as when a tape is served and recorded again.
 */
static void test_payload_survives_a_new_recording(void **state)
{
    (void)state;
    capture_tape from;
    capture_tape_load(&from, INVERSE, "inverse");
    player *before = played(&from, 1);
    size_t kept = 0;
    for (size_t i = 0; i < from.frame_count; i++) {
        frame_ref frame = from.frames[i];
        if (strcmp(frame.channel->info.topic, "_control") == 0)
            continue;
        frame.recv_ns = 1000000000000000000 + kept;
        frame.conn = frame_conn_of(1, 7);
        frame.ordinal = kept + 1;
        from.frames[kept++] = frame;
    }
    from.frame_count = kept;
    player *after = played(&from, 2);
    digest_texts a;
    digest_texts b;
    played_digests(before, a);
    played_digests(after, b);
    char changed[64];
    changed_parts(a, b, changed);
    assert_string_equal(changed, "frames");
    player_close(before);
    player_close(after);
    capture_tape_fini(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_payload_survives_a_new_recording),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
