/* Compares the ledger of archives with the law of coverage (coverage_law.h), topic by topic:
 *
 *     compare ARCHIVE...
 *
 * Prints each difference, then counts per archive. "lacks": the law has a gap, or a part of one,
 * that no row of the ledger covers; "more": rows exceed the law. Rows of overload are drops, and
 * rows of sequence and aggregate are findings of rules: these are not compared. Rows of corrupt are
 * damage, and are taken from the ledger. Times at most 1 ms apart are equal, because proofs are
 * stored in whole ms.
 *
 * Status 0: the ledger lacks nothing; 1: it lacks something; 4: an archive cannot be read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "archive/event.h"
#include "archive/ledger.h"
#include "tests/coverage/coverage_facts.h"

enum { STATUS_LACKS = 1, STATUS_FAILED = 4 };

typedef struct span {
    uint64_t from_ns, to_ns; /* UINT64_MAX: open */
    time_reason first;       /* of the first row joined */
} span;

typedef struct span_list {
    span *rows;
    size_t count;
} span_list;

static int compare_spans(const void *a, const void *b)
{
    const span *left = a;
    const span *right = b;
    if (left->from_ns != right->from_ns)
        return left->from_ns < right->from_ns ? -1 : 1;
    return left->to_ns < right->to_ns ? -1 : left->to_ns > right->to_ns;
}

static void put_span(span_list *list, uint64_t from_ns, uint64_t to_ns, time_reason reason)
{
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    list->rows[list->count++] = (span){from_ns, to_ns == GAP_OPEN ? UINT64_MAX : to_ns, reason};
}

static void join_spans(span_list *list)
{
    size_t count = 0;
    if (list->count > 0)
        qsort(list->rows, list->count, sizeof list->rows[0], compare_spans);
    for (size_t i = 0; i < list->count; i++) {
        span *last = count == 0 ? NULL : &list->rows[count - 1];
        const span *next = &list->rows[i];
        if (last != NULL && next->from_ns <= last->to_ns) {
            last->to_ns = next->to_ns > last->to_ns ? next->to_ns : last->to_ns;
        } else {
            list->rows[count++] = *next;
        }
    }
    list->count = count;
}

static void ledger_of(const law_facts *facts, const gap_list *ledger, size_t topic, span_list *out)
{
    const law_topic *of = &facts->topics[topic];
    uint64_t begin_ns = coverage_law_begin(facts, topic);
    for (size_t i = 0; i < ledger->count && begin_ns != 0; i++) {
        const gap_row *row = &ledger->rows[i];
        uint32_t line = UINT32_MAX;
        uint32_t shard = UINT32_MAX;
        uint64_t to_ns = row->to_ns == GAP_OPEN ? UINT64_MAX : row->to_ns;
        if (strcmp(row->feed, of->feed) != 0 || row->covered_by[0] != '\0' ||
            row->reason == GAP_OVERLOAD || row->reason == GAP_SEQUENCE ||
            row->reason == GAP_AGGREGATE || to_ns <= begin_ns ||
            !gap_row_affects_topic(row, of->topic, of->symbol))
            continue;
        (void)coverage_law_slot(facts, topic, row->from_ns, &line, &shard);
        if (row->topic[0] == '\0' && !(row->line == line && row->shard == shard) &&
            !(row->line == 0 && row->shard == 0 && row->conn == 0))
            continue;
        put_span(out, row->from_ns > begin_ns ? row->from_ns : begin_ns, to_ns, row->reason);
    }
    join_spans(out);
}

typedef struct sum {
    uint64_t topics, law, ledger, same, lacks, more, reasons;
} sum;

static const char *when(uint64_t ns, char out[40])
{
    if (ns == UINT64_MAX)
        (void)snprintf(out, 40, "open");
    else
        (void)snprintf(out, 40, "%" PRIu64 ".%09" PRIu64, ns / TD_NS_PER_S, ns % TD_NS_PER_S);
    return out;
}

static void print(const char *what, const law_topic *topic, const span *law, const span *ledger)
{
    char t[4][40];
    printf("%s\t%s %s.%s", what, topic->feed, topic->topic, topic->symbol);
    if (law != NULL)
        printf("\tlaw %s %s..%s", time_reason_name(law->first), when(law->from_ns, t[0]),
               when(law->to_ns, t[1]));
    if (ledger != NULL)
        printf("\tledger %s %s..%s", time_reason_name(ledger->first), when(ledger->from_ns, t[2]),
               when(ledger->to_ns, t[3]));
    printf("\n");
}

/* 1 if a is later than b by more than 1 ms. */
static int is_later(uint64_t a, uint64_t b)
{
    return a > b && a - b > TD_NS_PER_MS;
}

/* The first span that overlaps or touches this one, or NULL. */
static const span *find_span(const span_list *list, const span *one)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->rows[i].from_ns <= one->to_ns && list->rows[i].to_ns >= one->from_ns)
            return &list->rows[i];
    return NULL;
}

static void compare_spans_of(const law_topic *topic, const span_list *law, const span_list *ledger,
                             sum *total)
{
    for (size_t i = 0; i < law->count; i++) {
        const span *one = &law->rows[i];
        const span *other = find_span(ledger, one);
        int lacks = other == NULL || is_later(other->from_ns, one->from_ns) ||
                    is_later(one->to_ns, other->to_ns);
        int has_more = other != NULL && (is_later(one->from_ns, other->from_ns) ||
                                         is_later(other->to_ns, one->to_ns));
        int differs = !lacks && !has_more && one->first != other->first;
        total->lacks += (uint64_t)lacks;
        total->more += (uint64_t)has_more;
        total->reasons += (uint64_t)differs;
        total->same += !lacks && !has_more && !differs;
        if (lacks || has_more || differs)
            print(lacks ? "lacks" : has_more ? "more" : "reason", topic, one, other);
    }
    for (size_t i = 0; i < ledger->count; i++) {
        if (find_span(law, &ledger->rows[i]) != NULL)
            continue;
        total->more++;
        print("more", topic, NULL, &ledger->rows[i]);
    }
}

static void compare_topics(const law_facts *facts, const gap_list *ledger, sum *total)
{
    law_gaps gaps;
    coverage_law(facts, &gaps);
    for (size_t i = 0; i < facts->topic_count; i++) {
        span_list law = {0};
        span_list rows = {0};
        if (strcmp(facts->topics[i].topic, EVENT_GRANT_ALL) == 0)
            continue;
        for (size_t k = 0; k < gaps.count; k++)
            if (gaps.rows[k].topic == i)
                put_span(&law, gaps.rows[k].from_ns, gaps.rows[k].to_ns, gaps.rows[k].reason);
        join_spans(&law);
        ledger_of(facts, ledger, i, &rows);
        total->topics++;
        total->law += law.count;
        total->ledger += rows.count;
        compare_spans_of(&facts->topics[i], &law, &rows, total);
        td_free(law.rows);
        td_free(rows.rows);
    }
    td_free(gaps.rows);
}

static int compare_archive(const char *path)
{
    const archive_options options = {.io = io_posix(), .clock = clock_real()};
    archive *a = NULL;
    law_facts facts = {0};
    gap_list ledger = {0};
    sum total = {0};
    td_err err;
    td_err_clear(&err);
    td_result rc = archive_open(&options, path, ARCHIVE_READ, &a, &err);
    if (rc == TD_OK)
        rc = coverage_facts_read(a, &facts, &err);
    if (rc == TD_OK)
        rc = archive_gaps(a, &ledger, &err);
    if (rc == TD_OK)
        compare_topics(&facts, &ledger, &total);
    gap_list_fini(&ledger);
    coverage_facts_fini(&facts);
    archive_close(a);
    if (rc != TD_OK) {
        fprintf(stderr, "compare: %s: %s\n", path, err.text);
        return STATUS_FAILED;
    }
    printf("sum\t%s\ttopics %" PRIu64 "\tlaw %" PRIu64 "\tledger %" PRIu64 "\tsame %" PRIu64
           "\tlacks %" PRIu64 "\tmore %" PRIu64 "\treasons %" PRIu64 "\n",
           path, total.topics, total.law, total.ledger, total.same, total.lacks, total.more,
           total.reasons);
    return total.lacks > 0 ? STATUS_LACKS : 0;
}

int main(int argc, char **argv)
{
    int status = 0;
    for (int i = 1; i < argc; i++) {
        int found = compare_archive(argv[i]);
        status = found > status ? found : status;
    }
    return status;
}
