/* The MUSTs of groups: order of operations, channel loops, rows of strips, rings. */
#include "check.h"

#include <string.h>

static bool spans_rows(const struct plan_operation *o)
{
    return o->kernel_h > 1 || o->stride_h > 1 || o->pad_top > 0;
}

static bool has_one_strip(const struct plan *plan, const struct plan_group *group)
{
    const struct plan_operation *last = &plan->operations[group->first + group->count - 1];
    return group->strip_rows >= plan->tensors[last->output].height;
}

/* Every tensor is written before it is read, and a ring is read in its own group alone. */
static bool check_order(const struct check *check, const struct plan_group *group)
{
    const struct plan *plan = check->plan;
    for (uint32_t i = group->first; i < group->first + group->count; i++)
        for (int side = 0; side < 2; side++) {
            uint32_t input = plan->operations[i].input[side];
            if (input == PLAN_NONE || plan->tensors[input].storage == STORAGE_INPUT)
                continue;
            uint32_t from = is_ring(&plan->tensors[input]) ? group->first : 0;
            bool written = false, here = false;
            for (uint32_t j = from; j < i && !here; j++) {
                written = written || plan->operations[j].output == input;
                here = plan->operations[j].output == input && j >= group->first;
            }
            MUST(written, "an operation reads what none before it has written");
            bool stored = here && plan->tensors[input].storage == STORAGE_ARENA;
            bool by_one = has_one_strip(plan, group) || group->flags & GROUP_IN_ORDER;
            MUST(!stored || !spans_rows(&plan->operations[i]) || by_one,
                 "windows over a stored tensor that is made in strips of the same group");
        }
    return true;
}

/* Of what the channel loop makes, block by block and in several threads, an operation of the loop reads the block that
 * is there: channel by channel, from the first one that was written. */
static bool reads_own_block(const struct plan *plan, const struct plan_group *group, const struct plan_operation *o)
{
    const struct plan_operation *makers = plan->operations + group->first + group->loop_first;
    for (uint32_t i = 0; i < group->loop_count; i++) {
        if (makers[i].output == o->input[0] &&
            (o->code == OP_CONVOLUTION || makers[i].output_channel != o->input_channel))
            return false;
        if (makers[i].output == o->input[1] && makers[i].output_channel != 0)
            return false;
    }
    return true;
}

static bool check_loop(const struct check *check, const struct plan_group *group)
{
    MUST(group->loop_first <= group->count && group->loop_count <= group->count - group->loop_first,
         "its channel loop");
    for (uint32_t i = 0; i < group->count; i++) {
        const struct plan_operation *o = &check->plan->operations[group->first + i];
        const struct plan_operation *first = &check->plan->operations[group->first + group->loop_first];
        const struct plan_tensor *in = &check->plan->tensors[o->input[0]];
        const struct plan_tensor *out = &check->plan->tensors[o->output];
        bool looped = i - group->loop_first < group->loop_count;
        bool blocks = (!is_callers(in) && in->block != in->pitch) ||
                      (!is_callers(out) && out->block != out->pitch);
        MUST(looped || !blocks, "channel blocks outside the loop");
        if (!looped)
            continue;
        MUST(o->output_channels == first->output_channels, "the channels of its loop differ");
        MUST(o->code != OP_GROUPED && !reads_exactly(o) && !is_callers(in) && !is_callers(out) && !reads_all_rows(o),
             "an operation that has no channel blocks");
        MUST(reads_own_block(check->plan, group, o), "it reads other channels of what its loop makes block by block");
        MUST(!blocks || o->code == OP_CONVOLUTION || o->input_channel % 64 == 0,
             "channel blocks that begin elsewhere");
        MUST(out->block == out->pitch || o->output_channel % 64 == 0, "channel blocks that begin elsewhere");
    }
    return true;
}

/* With the rows of `have` made and those of `need` to be made, every ring holds what is read. */
static bool rings_hold(const struct plan *plan, const struct plan_group *group, const int *have,
                       const int *need)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const struct plan_operation *producer = &plan->operations[group->first + i];
        const struct plan_tensor *ring = &plan->tensors[producer->output];
        if (ring->storage != STORAGE_RING)
            continue;
        if (need[i] - have[i] > (int)ring->rows)
            return false;
        for (uint32_t j = i + 1; j < group->count; j++) {
            const struct plan_operation *consumer = &plan->operations[group->first + j];
            if (have[j] >= need[j])
                continue;
            int first = have[j];
            if (consumer->input[0] == producer->output)
                first = first_row_read(consumer, have[j]);
            else if (consumer->input[1] != producer->output)
                continue;
            else if (ring->height == 1)
                first = 0;
            if (need[i] - first > (int)ring->rows)
                return false;
        }
    }
    return true;
}

/* A thread that starts afresh leaves out no row of a stored tensor behind those that the one before it makes. */
static bool rows_follow(const struct plan *plan, const struct plan_group *group, const int *have, const int *fresh)
{
    for (uint32_t i = 0; i < group->count; i++)
        if (!is_ring(&plan->tensors[plan->operations[group->first + i].output]) && fresh[i] > have[i])
            return false;
    return true;
}

/* A strip that starts afresh, as the first of a thread, and one that follows another. */
static bool check_strips(struct check *check, const struct plan_group *group, int *rows)
{
    const struct plan *plan = check->plan;
    const struct plan_operation *last = &plan->operations[group->first + group->count - 1];
    uint32_t height = plan->tensors[last->output].height, step = group->strip_rows;
    MUST(step >= 1 && step <= height, "its strip");
    check->steps += (uint64_t)(height / step + 1) * group->count * group->count;
    MUST(check->steps <= MOST_STEPS, "too many strips");
    int *have = rows, *need = rows + group->count, *fresh = need + group->count;
    rows_from(plan, group, 0, have);
    for (uint32_t y = 0; y < height; y += step) {
        rows_from(plan, group, (int)y, fresh);
        rows_needed(plan, group, (int)(y + step < height ? y + step : height), need);
        MUST(rows_follow(plan, group, have, fresh), "no strip makes some rows of a stored tensor");
        MUST(rings_hold(plan, group, have, need) && rings_hold(plan, group, fresh, need),
             "a ring is too small for its strips");
        memcpy(have, need, group->count * sizeof *have);
    }
    return true;
}

/* An operation that no other of its group reads has the rows of the last one. */
static bool check_rows(const struct check *check, const struct plan_group *group)
{
    const struct plan *plan = check->plan;
    const struct plan_operation *operations = plan->operations + group->first;
    uint32_t height = plan->tensors[operations[group->count - 1].output].height;
    for (uint32_t i = 0; i < group->count; i++) {
        bool read = false;
        for (uint32_t j = i + 1; j < group->count && !read; j++)
            read = operations[j].input[0] == operations[i].output || operations[j].input[1] == operations[i].output;
        MUST(read || plan->tensors[operations[i].output].height == height, "the heights of its outputs differ");
        MUST(!sums_rows(&operations[i]) && plan->tensors[operations[i].output].storage != STORAGE_ARENA_RING,
             "sums or a ring of a group that runs in order");
        MUST(!reads_all_rows(&operations[i]) || group->strip_rows == height || operations[i].code == OP_GLOBAL_POOL,
             "an operation on all rows in strips");
    }
    return true;
}

/* An operation that writes a tensor from this channel on; NULL: none. */
static const struct plan_operation *writer_of(const struct plan *plan, uint32_t tensor, uint32_t channel)
{
    for (uint32_t i = 0; i < plan->header->operations; i++) {
        const struct plan_operation *o = &plan->operations[i];
        if (o->output == tensor && o->output_channel == channel && o->code != OP_FUNCTION)
            return o;
    }
    return NULL;
}

/* The caller's memory must not come back as it was. */
static bool check_outputs(struct check *check)
{
    const struct plan *plan = check->plan;
    check->kind = "tensor";
    for (check->index = 0; check->index < plan->header->tensors; check->index++) {
        const struct plan_tensor *tensor = &plan->tensors[check->index];
        const struct plan_operation *writer;
        uint32_t written = 0;
        while (tensor->storage == STORAGE_OUTPUT && (writer = writer_of(plan, check->index, written)) != NULL)
            written += writer->output_channels;
        MUST(tensor->storage != STORAGE_OUTPUT || written == tensor->channels, "an output that is not written");
    }
    return true;
}

bool check_groups(struct check *check)
{
    const struct plan *plan = check->plan;
    uint32_t next = 0;
    check->kind = "group";
    for (check->index = 0; check->index < plan->header->groups; check->index++) {
        const struct plan_group *group = &plan->groups[check->index];
        MUST(group->first == next && group->count >= 1 && group->count <= plan->header->operations - next,
             "its operations");
        MUST(group->count <= MOST_GROUP, "more than 256 operations");
        MUST(group->flags <= GROUP_IN_ORDER && !group->reserved[0] && !group->reserved[1],
             "a reserved field is not 0");
        next += group->count;
        int rows[3 * group->count]; /* so few that a small processor's stack holds them */
        if (!check_loop(check, group) || !check_order(check, group))
            return false;
        if (group->flags & GROUP_IN_ORDER ? !check_in_order(check, group, rows, rows + group->count)
                                          : !check_rows(check, group) || !check_strips(check, group, rows))
            return false;
    }
    check->kind = NULL;
    MUST(next == plan->header->operations, "operations without a group");
    return check_outputs(check);
}

