/* One operation over a range of rows: row pointers from tensors, then the kernel. */
#include "clock.h"
#include "model.h"

#include <string.h>

/* Rows of one tensor from some channel on. */
struct view {
    uint8_t *first; /* column 0 of row 0 */
    size_t row;     /* bytes from row to row */
    size_t pitch;   /* bytes from pixel to pixel */
    int rows;       /* that are held at once */
};

static struct view view_tensor(const edgecnn_model *model, const struct worker *worker,
                               const struct plan_tensor *tensor, int channel)
{
    uint8_t *base = (tensor->storage == STORAGE_RING ? worker->scratch : model->arena) + tensor->offset;
    size_t pixels = (size_t)tensor->pad_left + tensor->width + tensor->pad_right;
    struct view view = {.pitch = tensor->block, .rows = (int)tensor->rows};
    if (tensor->block != tensor->pitch) {
        size_t before = (size_t)channel / PLAN_BLOCK * PLAN_BLOCK, left = tensor->pitch - before;
        base += before * tensor->rows * pixels;
        view.pitch = left < PLAN_BLOCK ? left : PLAN_BLOCK;
        channel -= (int)before;
    }
    view.row = pixels * view.pitch;
    view.first = base + tensor->pad_left * view.pitch + channel;
    return view;
}

/* The row after this one, which is in slot `slot`. */
static int next_slot(const struct view *view, int slot) { return slot + 1 == view->rows ? 0 : slot + 1; }

/* The pointers of rows [first, first + count) of the input; rows outside the image are pads. */
static void point_rows(const struct view *view, int first, int count, int height, const uint8_t *pads,
                       ptrdiff_t columns, const uint8_t **rows)
{
    ptrdiff_t skipped = columns * (ptrdiff_t)view->pitch;
    int slot = first < 0 ? 0 : first % view->rows;
    for (int i = 0; i < count; i++) {
        bool outside = first + i < 0 || first + i >= height;
        rows[i] = (outside ? pads : view->first + (size_t)slot * view->row) + skipped;
        if (first + i >= 0)
            slot = next_slot(view, slot);
    }
}

static void read_input(const edgecnn_model *model, const struct worker *worker,
                       const struct plan_operation *operation, int begin, int end, int channel,
                       struct kernel *kernel)
{
    const struct plan_tensor *tensor = &model->plan.tensors[operation->input[0]];
    kernel->in_height = (int)tensor->height;
    kernel->in_width = (int)tensor->width;
    if (tensor->storage == STORAGE_INPUT) {
        const void *input = model->inputs[model->slots[operation->input[0]]];
        size_t skipped = (size_t)begin * tensor->width;
        kernel->in_plane = (size_t)tensor->height * tensor->width;
        if (tensor->type == TYPE_FLOAT32)
            kernel->float_in = (const float *)input + skipped;
        else
            kernel->byte_in = (const uint8_t *)input + skipped;
        return;
    }
    if (tensor->storage == STORAGE_OUTPUT) /* in place */
        return;
    /* Channel by channel: the block that is read is the one that is written. */
    bool channelwise = operation->code != OP_CONVOLUTION && operation->code != OP_GROUPED;
    int from = (int)operation->input_channel + (channelwise ? channel : 0);
    struct view view = view_tensor(model, worker, tensor, from);
    bool has_pads = operation->pad_row != UINT64_MAX;
    const uint8_t *pads = has_pads ? worker->scratch + operation->pad_row + tensor->pad_left * view.pitch +
                                         (tensor->block == tensor->pitch ? from : 0)
                                   : NULL;
    kernel->in_pitch = view.pitch;
    if (reads_all_rows(operation) && !sums_rows(operation)) {
        point_rows(&view, 0, kernel->in_height, kernel->in_height, NULL, 0, worker->in);
    } else {
        int first = begin * operation->stride_h - operation->pad_top;
        int count = (end - 1 - begin) * operation->stride_h +
                    (operation->kernel_h - 1) * operation->dilation_h + 1;
        point_rows(&view, first, count, kernel->in_height, pads, -(ptrdiff_t)operation->pad_left,
                   worker->in);
    }
    kernel->in = worker->in;
}

static void read_other(const edgecnn_model *model, const struct worker *worker,
                       const struct plan_operation *operation, int begin, int end, int channel,
                       struct kernel *kernel)
{
    const struct plan_tensor *tensor = &model->plan.tensors[operation->input[1]];
    struct view view = view_tensor(model, worker, tensor, channel);
    bool pixel = operation->code == OP_MULTIPLY && kernel->detail;
    point_rows(&view, pixel ? 0 : begin, pixel ? 1 : end - begin, (int)tensor->height, NULL, 0,
               worker->other);
    kernel->other = worker->other;
    kernel->other_pitch = view.pitch;
}

static void write_output(const edgecnn_model *model, const struct worker *worker,
                         const struct plan_operation *operation, int begin, int end, int channel,
                         struct kernel *kernel)
{
    const struct plan_tensor *tensor = &model->plan.tensors[operation->output];
    kernel->width = (int)tensor->width;
    if (tensor->storage == STORAGE_OUTPUT) {
        void *output = model->outputs[model->slots[operation->output]];
        kernel->out_plane = (size_t)tensor->height * tensor->width;
        size_t skipped = (size_t)begin * tensor->width +
                         ((size_t)operation->output_channel + (size_t)channel) * kernel->out_plane;
        if (tensor->type == TYPE_FLOAT32)
            kernel->float_out = (float *)output + skipped;
        else
            kernel->byte_out = (uint8_t *)output + skipped;
        return;
    }
    if (sums_rows(operation)) {
        kernel->sums = (int32_t *)(void *)(worker->scratch + operation->pad_row) + channel;
        begin = 0, end = 1;
    }
    struct view view = view_tensor(model, worker, tensor, (int)operation->output_channel + channel);
    int slot = begin % view.rows;
    for (int row = begin; row < end; row++) {
        worker->out[row - begin] = view.first + (size_t)slot * view.row;
        slot = next_slot(&view, slot);
    }
    kernel->out = worker->out;
    kernel->out_pitch = view.pitch;
}

/* Moves the parameters to the output channels from `channel` on. */
static void point_parameters(size_t weight_block, int channel, struct kernel *kernel)
{
    if (kernel->weights)
        kernel->weights += (size_t)channel / 16 * weight_block;
    if (kernel->bias) {
        kernel->bias += channel;
        kernel->multiplier += channel;
    }
}

static bool writes_exactly(const edgecnn_model *model, const struct plan_operation *operation)
{
    return model->plan.tensors[operation->output].storage == STORAGE_OUTPUT ||
           operation->code == OP_GROUPED || operation->code == OP_QUANTISE || reads_exactly(operation);
}

/* The pads of slots [begin, end) of a stored tensor or a ring. */
static void fill_view_pads(const edgecnn_model *model, const struct view *view, const struct plan_tensor *tensor,
                           int begin, int end)
{
    int value = tensor->pad_value ^ model->family->flip;
    size_t left = tensor->pad_left * view->pitch, right = tensor->pad_right * view->pitch;
    for (int slot = begin; slot < end; slot++) {
        uint8_t *pixel = view->first + (size_t)slot * view->row;
        memset(pixel - left, value, left);
        memset(pixel + tensor->width * view->pitch, value, right);
    }
}

/* The stored rows' pads; a ring's are filled once, when its group starts. */
static void pad_rows(const edgecnn_model *model, const struct worker *worker,
                     const struct plan_tensor *tensor, int begin, int end)
{
    if (tensor->storage != STORAGE_ARENA || tensor->pad_left + tensor->pad_right == 0)
        return;
    struct view view = view_tensor(model, worker, tensor, 0);
    fill_view_pads(model, &view, tensor, begin, end);
}

void run_operation(edgecnn_model *model, const struct worker *worker, int index, int begin, int end,
                   int channel, int channels)
{
    if (begin >= end)
        return;
    const struct plan_operation *operation = &model->plan.operations[index];
    double began = layer_begins(model);
    struct prepared prepared = prepared_operation(model, index);
    struct kernel *kernel = &prepared.kernel;
    kernel->first = begin;
    kernel->rows = end - begin;
    kernel->real_channels = channels;
    kernel->output_channels = writes_exactly(model, operation) ? channels : (channels + 15) / 16 * 16;
    kernel->scratch = worker->kernel_scratch;
    if (channel)
        point_parameters(prepared.weight_block, channel, kernel);
    read_input(model, worker, operation, begin, end, channel, kernel);
    if (operation->input[1] != PLAN_NONE)
        read_other(model, worker, operation, begin, end, channel, kernel);
    write_output(model, worker, operation, begin, end, channel, kernel);
    kernel_function *function = model->family->function[operation->code];
    if (function == NULL || kernel->sums || (kernel->float_out && operation->code != OP_CONVOLUTION))
        function = portable_family.function[operation->code];
    function(kernel);
    const struct plan_tensor *output = &model->plan.tensors[operation->output];
    if (channel == 0) /* of threads that share the channels one */
        pad_rows(model, worker, output, sums_rows(operation) ? 0 : begin, sums_rows(operation) ? 1 : end);
    layer_ends(model, index, began);
}

static void fill_pad_row(const edgecnn_model *model, const struct worker *worker,
                         const struct plan_operation *operation)
{
    const struct plan_tensor *tensor = &model->plan.tensors[operation->input[0]];
    size_t pixels = (size_t)tensor->pad_left + tensor->width + tensor->pad_right;
    memset(worker->scratch + operation->pad_row, tensor->pad_value ^ model->family->flip,
           pixels * tensor->block);
}

static void fill_ring_pads(const edgecnn_model *model, const struct worker *worker,
                           const struct plan_tensor *tensor)
{
    for (uint32_t channel = 0; channel < tensor->pitch; channel += tensor->block) {
        struct view view = view_tensor(model, worker, tensor, (int)channel);
        fill_view_pads(model, &view, tensor, 0, view.rows);
    }
}

void fill_pads(edgecnn_model *model, const struct worker *worker, const struct plan_group *group)
{
    for (uint32_t i = group->first; i < group->first + group->count; i++) {
        const struct plan_operation *operation = &model->plan.operations[i];
        const struct plan_tensor *output = &model->plan.tensors[operation->output];
        if (operation->pad_row != UINT64_MAX && !sums_rows(operation))
            fill_pad_row(model, worker, operation);
        if (is_ring(output) && output->pad_left + output->pad_right)
            fill_ring_pads(model, worker, output);
    }
}
