/* Which rows of its input an operation reads, and how far a group's operations must have come. */
#include "model.h"

static int height(const struct plan *plan, uint32_t tensor) { return (int)plan->tensors[tensor].height; }

bool reads_all_rows(const struct plan_operation *operation)
{
    switch (operation->code) {
    case OP_GLOBAL_POOL:
    case OP_RESIZE:
    case OP_PAD:
    case OP_DEPTH_TO_SPACE:
    case OP_BILINEAR:
        return true;
    default:
        return false;
    }
}

bool reads_exactly(const struct plan_operation *operation)
{
    switch (operation->code) {
    case OP_COPY:
    case OP_CHANNELS:
    case OP_DEPTH_TO_SPACE:
    case OP_RESPONSE_NORM:
    case OP_SOFTMAX:
    case OP_FUNCTION:
        return true;
    default:
        return false;
    }
}

int first_row_read(const struct plan_operation *operation, int output_row)
{
    if (reads_all_rows(operation))
        return 0;
    int row = output_row * operation->stride_h - operation->pad_top;
    return row > 0 ? row : 0;
}

int end_row_read(const struct plan *plan, const struct plan_operation *operation, int output_end)
{
    int limit = height(plan, operation->input[0]);
    if (output_end <= 0)
        return 0;
    if (reads_all_rows(operation))
        return limit;
    int end = (output_end - 1) * operation->stride_h - operation->pad_top +
              (operation->kernel_h - 1) * operation->dilation_h + 1;
    return end < 0 ? 0 : end < limit ? end : limit;
}

/* Whether the consumer, of the same group, reads what the producer writes. */
static bool feeds(const struct plan_operation *producer, const struct plan_operation *consumer)
{
    return consumer->input[0] == producer->output || consumer->input[1] == producer->output;
}

/* The second input of a gate is one pixel; any other second input is read row for row. */
static int end_through(const struct plan *plan, const struct plan_operation *producer,
                       const struct plan_operation *consumer, int end)
{
    if (consumer->input[0] == producer->output)
        return end_row_read(plan, consumer, end);
    return height(plan, producer->output) == 1 ? (end > 0) : end;
}

static int begin_through(const struct plan *plan, const struct plan_operation *producer,
                         const struct plan_operation *consumer, int begin)
{
    if (consumer->input[0] == producer->output)
        return first_row_read(consumer, begin);
    return height(plan, producer->output) == 1 ? 0 : begin;
}

bool rows_read(const struct plan *plan, const struct plan_operation *producer, const struct plan_operation *consumer,
               int row, int *first, int *end)
{
    if (!feeds(producer, consumer))
        return false;
    *first = sums_rows(consumer) ? row : begin_through(plan, producer, consumer, row);
    *end = sums_rows(consumer) ? row + 1 : end_through(plan, producer, consumer, row + 1);
    return true;
}

void rows_needed(const struct plan *plan, const struct plan_group *group, int end, int *need)
{
    const struct plan_operation *operations = plan->operations + group->first;
    int last = (int)group->count - 1;
    bool all = end == height(plan, operations[last].output);
    for (int i = last; i >= 0; i--) {
        int limit = height(plan, operations[i].output);
        need[i] = i == last ? end : 0;
        bool read = i == last;
        for (int j = i + 1; j <= last; j++)
            if (feeds(&operations[i], &operations[j])) {
                int rows = end_through(plan, &operations[i], &operations[j], need[j]);
                need[i] = rows > need[i] ? rows : need[i];
                read = true;
            }
        /* Other groups read a stored tensor whole. */
        bool stored = plan->tensors[operations[i].output].storage != STORAGE_RING;
        if ((all && stored) || !read)
            need[i] = all ? limit : end < limit ? end : limit;
    }
}

void rows_from(const struct plan *plan, const struct plan_group *group, int begin, int *have)
{
    const struct plan_operation *operations = plan->operations + group->first;
    int last = (int)group->count - 1;
    for (int i = last; i >= 0; i--) {
        have[i] = i == last ? begin : (int)plan->tensors[operations[i].output].height;
        bool read = i == last;
        for (int j = i + 1; j <= last; j++)
            if (feeds(&operations[i], &operations[j])) {
                int rows = begin_through(plan, &operations[i], &operations[j], have[j]);
                have[i] = rows < have[i] ? rows : have[i];
                read = true;
            }
        if (!read)
            have[i] = begin;
    }
}
