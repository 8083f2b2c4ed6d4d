/* A model's memory: one block, of which everything takes pieces when it is opened. */
#ifndef EDGECNN_MODEL_MEMORY_H
#define EDGECNN_MODEL_MEMORY_H

#include "model.h"

/* Bytes behind each piece of the library's own memory, which AddressSanitizer reports the use of. */
#ifdef EDGECNN_GUARD
#include <sanitizer/asan_interface.h>
enum { GUARD_BYTES = 512 };
#define GUARD(from, bytes) __asan_poison_memory_region(from, bytes)
#else
enum { GUARD_BYTES = 0 };
#define GUARD(from, bytes) (void)(from)
#endif

/* Hands out pieces of one block, 64-byte aligned if they are as large, else 16; with base NULL it only counts, in
 * more bits than the addresses of a small processor. */
struct memory {
    uint8_t *base;
    uint64_t used;
    bool guarded;
};

static inline void *take(struct memory *memory, uint64_t bytes)
{
    uint64_t alignment = bytes < 64 ? 16 : 64;
    memory->used = (memory->used + alignment - 1) / alignment * alignment;
    void *piece = memory->base ? memory->base + memory->used : NULL;
    memory->used += (bytes + 15) / 16 * 16;
    if (memory->guarded)
        GUARD(memory->base + memory->used, GUARD_BYTES);
    memory->used += GUARD_BYTES;
    return piece;
}

/* prepare.c: what every call of an operation's kernel has in common, and its packed weights; nothing for a family
 * that reads the plan as it is. */
void prepare(edgecnn_model *model, struct memory *memory);

/* The library's own memory. Without a system there is none: it is the caller's. */
#ifdef EDGECNN_FREESTANDING
static inline void *allocate(size_t bytes)
{
    (void)bytes;
    return NULL;
}
static inline void release(void *allocated) { (void)allocated; }
#else
#include <stdlib.h>
static inline void *allocate(size_t bytes) { return calloc(1, bytes); }
static inline void release(void *allocated) { free(allocated); }
#endif

#endif
