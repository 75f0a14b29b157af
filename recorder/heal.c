#include "recorder/heal.h"

#include "base/alloc.h"

typedef struct broken_topic {
    heal_topic topic;
    uint8_t is_broken;
    uint64_t next_mono_ns; /* no request before */
    uint64_t wait_ns;      /* from the next request to the one after it */
} broken_topic;

struct heal {
    broken_topic *items;
    size_t count;
};

heal *heal_open(void)
{
    return td_alloc_zero(1, sizeof(heal));
}

void heal_close(heal *self)
{
    if (self == NULL)
        return;
    td_free(self->items);
    td_free(self);
}

static broken_topic *find(const heal *self, const heal_topic *topic)
{
    for (size_t i = 0; i < self->count; i++) {
        const heal_topic *known = &self->items[i].topic;
        if (known->feed_index == topic->feed_index && known->line == topic->line &&
            known->number == topic->number)
            return &self->items[i];
    }
    return NULL;
}

/* Forget topics that are whole, and were requested long ago. */
static void forget(heal *self, uint64_t mono_ns)
{
    for (size_t i = self->count; i > 0; i--)
        if (!self->items[i - 1].is_broken && self->items[i - 1].next_mono_ns <= mono_ns)
            self->items[i - 1] = self->items[--self->count];
}

void heal_broken(heal *self, const heal_topic *topic, uint64_t mono_ns, uint64_t wait_ns)
{
    forget(self, mono_ns);
    broken_topic *known = find(self, topic);
    if (known != NULL) {
        known->is_broken = 1;
        return;
    }
    if (self->count == HEAL_TOPICS_MAX)
        return;
    self->items = td_array_grow(self->items, self->count, sizeof *self->items);
    self->items[self->count++] = (broken_topic){
        .topic = *topic, .is_broken = 1, .next_mono_ns = mono_ns, .wait_ns = wait_ns};
}

void heal_whole(heal *self, const heal_topic *topic)
{
    broken_topic *known = find(self, topic);
    if (known != NULL)
        known->is_broken = 0;
}

int heal_next(heal *self, uint64_t mono_ns, heal_topic *out)
{
    for (size_t i = 0; i < self->count; i++) {
        broken_topic *at = &self->items[i];
        if (!at->is_broken || at->next_mono_ns > mono_ns)
            continue;
        *out = at->topic;
        at->next_mono_ns = mono_ns + at->wait_ns;
        at->wait_ns = at->wait_ns > HEAL_WAIT_NS_MAX / 2 ? HEAL_WAIT_NS_MAX : 2 * at->wait_ns;
        return 1;
    }
    return 0;
}
