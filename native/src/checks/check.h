/* What the checks of a plan share: what is being checked, how it is refused, sums that are bounded. */
#ifndef EDGECNN_CHECK_H
#define EDGECNN_CHECK_H

#include "../model.h"

enum {
    MOST_RECORDS = 1 << 13,
    MOST_PIXELS = 1 << 15, /* height, width */
    MOST_CHANNELS = 1 << 17,
    MOST_PADS = 1 << 10,
    MOST_GROUP = 256, /* operations of a group */
    MOST_ROOTS = 8,   /* factors of a fourth root: a power of 2 */
    /* Of all operations and groups together, so that a small file cannot keep a check busy for long. */
    MOST_VALUES = 1 << 26, /* biases, multipliers and map entries that are read */
    MOST_STEPS = 1 << 26   /* strips times the square of a group's operations, or three times rows times operations */
};

/* A float32 of less rounds into an int32 on every processor; the products here are rounded themselves. */
#define MOST_SCALED 2147482624.0f

/* What is being checked, for the sentence of a refusal; and what has been spent on it. */
struct check {
    const struct plan *plan;
    edgecnn_error *error;
    const char *kind;
    uint32_t index;
    uint64_t values, constants, steps;
};

#define MUST(condition, what) \
    do { \
        if (!(condition)) \
            return refuse(check, what); \
    } while (0)

bool refuse(const struct check *check, const char *what);

/* check_operations.c, check_constants.c, check_factors.c, check_groups.c */
bool check_operation(struct check *check, const struct plan_operation *operation);
bool check_constants(struct check *check, const struct plan_operation *operation);
bool check_factors(const struct check *check, const struct plan_operation *operation);
bool check_groups(struct check *check);
/* check_in_order.c; made and asker have room for the group's operations */
bool check_in_order(struct check *check, const struct plan_group *group, int *made, int *asker);

static inline bool is_callers(const struct plan_tensor *tensor)
{
    return tensor->storage == STORAGE_INPUT || tensor->storage == STORAGE_OUTPUT;
}

/* Whether it has weights, a bias and multipliers. */
static inline bool has_products(const struct plan_operation *operation)
{
    return operation->code == OP_CONVOLUTION || operation->code == OP_DEPTHWISE || operation->code == OP_GROUPED;
}

static inline bool has_window(const struct plan_operation *operation)
{
    return has_products(operation) || operation->code == OP_MAX_POOL || operation->code == OP_AVERAGE_POOL ||
           operation->code == OP_CHANNELS;
}

static inline uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

/* Whether `bytes` at `offset` lie in a section of `room` bytes. */
static inline bool lies_within(uint64_t offset, uint64_t bytes, uint64_t room)
{
    return offset % 64 == 0 && offset <= room && bytes <= room - offset;
}

#endif
