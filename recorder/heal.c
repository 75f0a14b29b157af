#include "recorder/heal.h"

#include "base/alloc.h"

typedef struct broken_book {
    heal_book book;
    uint8_t is_broken;
    uint64_t next_mono_ns; /* no request before */
    uint64_t wait_ns;      /* from the next request to the one after it */
} broken_book;

struct heal {
    broken_book *items;
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

static broken_book *find(const heal *self, const heal_book *book)
{
    for (size_t i = 0; i < self->count; i++) {
        const heal_book *known = &self->items[i].book;
        if (known->feed_index == book->feed_index && known->line == book->line &&
            known->topic == book->topic)
            return &self->items[i];
    }
    return NULL;
}

/* Forget books that are whole, and were requested long ago. */
static void forget(heal *self, uint64_t mono_ns)
{
    for (size_t i = self->count; i > 0; i--)
        if (!self->items[i - 1].is_broken && self->items[i - 1].next_mono_ns <= mono_ns)
            self->items[i - 1] = self->items[--self->count];
}

void heal_broken(heal *self, const heal_book *book, uint64_t mono_ns, uint64_t wait_ns)
{
    forget(self, mono_ns);
    broken_book *known = find(self, book);
    if (known != NULL) {
        known->is_broken = 1;
        return;
    }
    if (self->count == HEAL_BOOKS_MAX)
        return;
    self->items = td_array_grow(self->items, self->count, sizeof *self->items);
    self->items[self->count++] =
        (broken_book){.book = *book, .is_broken = 1, .next_mono_ns = mono_ns, .wait_ns = wait_ns};
}

void heal_whole(heal *self, const heal_book *book)
{
    broken_book *known = find(self, book);
    if (known != NULL)
        known->is_broken = 0;
}

int heal_next(heal *self, uint64_t mono_ns, heal_book *out)
{
    for (size_t i = 0; i < self->count; i++) {
        broken_book *at = &self->items[i];
        if (!at->is_broken || at->next_mono_ns > mono_ns)
            continue;
        *out = at->book;
        at->next_mono_ns = mono_ns + at->wait_ns;
        at->wait_ns = at->wait_ns > HEAL_WAIT_NS_MAX / 2 ? HEAL_WAIT_NS_MAX : 2 * at->wait_ns;
        return 1;
    }
    return 0;
}
