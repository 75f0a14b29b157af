#include "regress/decoder_findings.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

enum { KINDS = DECODE_UNSTABLE - DECODE_REFUSED + 1 };

struct decoder_findings {
    pthread_mutex_t mutex;
    uint8_t has_ended;
    uint64_t counts[KINDS];
    decoder_finding kept[KINDS][LIMIT_DECODER_FINDINGS]; /* of each kind in order */
    size_t kept_count[KINDS];
    decoder_finding list[KINDS * LIMIT_DECODER_FINDINGS];
};

decoder_findings *decoder_findings_open(void)
{
    decoder_findings *made = td_alloc_zero(1, sizeof *made);
    if (made != NULL)
        (void)pthread_mutex_init(&made->mutex, NULL); /* cannot fail with default attributes */
    return made;
}

/* The texts of a finding; all of them are in one piece, at feed. */
static void free_texts(decoder_finding *finding)
{
    td_free((char *)finding->feed);
    *finding = (decoder_finding){0};
}

void decoder_findings_close(decoder_findings *findings)
{
    if (findings == NULL)
        return;
    for (size_t kind = 0; kind < KINDS; kind++)
        for (size_t i = 0; i < findings->kept_count[kind]; i++)
            free_texts(&findings->kept[kind][i]);
    (void)pthread_mutex_destroy(&findings->mutex); /* it is not held */
    td_free(findings);
}

void decoder_findings_end(decoder_findings *findings)
{
    pthread_mutex_lock(&findings->mutex);
    findings->has_ended = 1;
    pthread_mutex_unlock(&findings->mutex);
}

int decoder_findings_have_ended(decoder_findings *findings)
{
    pthread_mutex_lock(&findings->mutex);
    int have_ended = findings->has_ended;
    pthread_mutex_unlock(&findings->mutex);
    return have_ended;
}

static void put_text(char **at, const char **text)
{
    size_t size = strlen(*text) + 1;
    memcpy(*at, *text, size);
    *text = *at;
    *at += size;
}

/* 0 without memory. */
static int copy_finding(const decoder_finding *from, decoder_finding *to)
{
    *to = *from;
    const char **const texts[] = {&to->feed, &to->topic, &to->symbol,
                                  &to->what, &to->reply, &to->last_line};
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        TD_ASSERT(*texts[i] != NULL);
        bytes += strlen(*texts[i]) + 1;
    }
    char *at = td_alloc(bytes);
    if (at == NULL)
        return 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        put_text(&at, texts[i]);
    return 1;
}

/* By receive time; of one time by names, so that the order is the same in each run. */
static int compare_findings(const void *left, const void *right)
{
    const decoder_finding *a = left;
    const decoder_finding *b = right;
    if (a->recv_ns != b->recv_ns)
        return a->recv_ns < b->recv_ns ? -1 : 1;
    int order = strcmp(a->feed, b->feed);
    if (order == 0)
        order = strcmp(a->topic, b->topic);
    if (order == 0)
        order = strcmp(a->symbol, b->symbol);
    return order != 0 ? order : (int)a->id - (int)b->id;
}

/* Put a finding among those of its kind, for which one that is later may have to go. */
static td_result keep(decoder_findings *findings, size_t kind, const decoder_finding *found,
                      td_err *err)
{
    decoder_finding *kept = findings->kept[kind];
    size_t *count = &findings->kept_count[kind];
    decoder_finding copy;
    int is_full = *count == LIMIT_DECODER_FINDINGS;
    if (is_full && compare_findings(found, &kept[*count - 1]) >= 0)
        return TD_OK;
    if (!copy_finding(found, &copy))
        return td_err_set(err, TD_E_NOMEM, "no memory for a finding");
    if (is_full)
        free_texts(&kept[--*count]);
    size_t at = (*count)++;
    for (; at > 0 && compare_findings(&copy, &kept[at - 1]) < 0; at--)
        kept[at] = kept[at - 1];
    kept[at] = copy;
    return TD_OK;
}

td_result decoder_findings_add(decoder_findings *findings, const decoder_finding *found,
                               td_err *err)
{
    TD_ASSERT(found->reason >= DECODE_REFUSED);
    TD_ASSERT(found->reason <= DECODE_UNSTABLE);
    size_t kind = (size_t)(found->reason - DECODE_REFUSED);
    td_result rc = TD_OK;
    pthread_mutex_lock(&findings->mutex);
    if (!findings->has_ended) {
        findings->counts[kind]++;
        rc = keep(findings, kind, found, err);
    }
    pthread_mutex_unlock(&findings->mutex);
    return rc;
}

uint64_t decoder_findings_count(const decoder_findings *findings, decode_reason reason)
{
    int is_kind = reason >= DECODE_REFUSED && reason <= DECODE_UNSTABLE;
    return is_kind ? findings->counts[reason - DECODE_REFUSED] : 0;
}

uint64_t decoder_findings_total(const decoder_findings *findings)
{
    uint64_t total = 0;
    for (size_t kind = 0; kind < KINDS; kind++)
        total += findings->counts[kind];
    return total;
}

const decoder_finding *decoder_findings_list(decoder_findings *findings, size_t *count)
{
    *count = 0;
    for (size_t kind = 0; kind < KINDS; kind++) {
        memcpy(findings->list + *count, findings->kept[kind],
               findings->kept_count[kind] * sizeof *findings->list);
        *count += findings->kept_count[kind];
    }
    qsort(findings->list, *count, sizeof *findings->list, compare_findings);
    return findings->list;
}
