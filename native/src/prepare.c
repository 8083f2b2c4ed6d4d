/* What an operation's kernel reads, made when a plan is opened: its fields, weights packed for the family. */
#include "model_memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t padded(size_t channels) { return (channels + 15) / 16 * 16; }

/* The bias that signed activations, x - 128, want: 128 times the sum of the weights more. Also what bounds
 * the sums, from the weights, which are read in the order in which they lie: 16 channels at a time. */
static void flip_bias(int32_t *to, struct kernel *kernel, const struct plan *plan, const struct plan_operation *o)
{
    const int32_t *bias = (const int32_t *)(plan->data + o->bias);
    const float *multiplier = (const float *)(plan->data + o->multiplier);
    const int8_t *weights = (const int8_t *)(plan->data + o->weights);
    size_t taps = (size_t)o->kernel_h * o->kernel_w, channels = padded(o->output_channels);
    size_t depth = o->code == OP_DEPTHWISE ? 1 : (o->channels / o->channel_groups + 3) / 4 * 4;
    size_t together = o->code == OP_GROUPED ? 1 : 16;
    int shift = o->code == OP_CONVOLUTION ? 2 : 0; /* four input channels of an output channel lie together */
    float most = 0;
    kernel->symmetric = true;
    memcpy(to, bias, channels * sizeof *to);
    for (size_t first = 0; first < o->output_channels; first += together) {
        int32_t sums[16] = {0}, sizes[16] = {0};
        for (size_t i = 0; i < taps * depth * together; i++) {
            int weight = *weights++;
            size_t lane = i >> shift & (together - 1);
            sums[lane] += weight;
            sizes[lane] += abs(weight);
            kernel->symmetric &= weight != -128;
        }
        for (size_t c = 0; c < together && first + c < o->output_channels; c++) {
            to[first + c] += 128 * sums[c];
            float largest = (fabsf((float)bias[first + c]) + 255.0f * (float)sizes[c]) * fabsf(multiplier[first + c]);
            most = largest > most ? largest : most;
        }
    }
    kernel->bounded = most < 32000; /* a zero point's 255 and the rounding are less than the rest */
}

static int detail_of(const edgecnn_model *model, const struct plan_operation *operation)
{
    switch (operation->code) {
    case OP_GROUPED:
        return (int)(operation->output_channels / operation->channel_groups);
    case OP_MULTIPLY: {
        const struct plan_tensor *other = &model->plan.tensors[operation->input[1]];
        const struct plan_tensor *input = &model->plan.tensors[operation->input[0]];
        return other->height == 1 && other->width == 1 && input->height * input->width > 1;
    }
    case OP_RESIZE:
    case OP_BILINEAR:
        return (int)model->plan.tensors[operation->output].height;
    default:
        return 0;
    }
}

/* Whether its weights are a map or a table that kernels read as the plan has it. */
static bool has_map(const struct plan_operation *operation)
{
    switch (operation->code) {
    case OP_CHANNELS:
    case OP_RESIZE:
    case OP_DEPTH_TO_SPACE:
    case OP_BILINEAR:
    case OP_SOFTMAX:
        return true;
    default:
        return operation->code == OP_DEQUANTISE && operation->weights != UINT64_MAX;
    }
}

static struct kernel common_kernel(const edgecnn_model *model, const struct plan_operation *o)
{
    return (struct kernel){
        .channels = (int)o->channels,
        .kernel_h = o->kernel_h,
        .kernel_w = o->kernel_w,
        .stride_h = o->stride_h,
        .stride_w = o->stride_w,
        .dilation_h = o->dilation_h,
        .dilation_w = o->dilation_w,
        .pad_top = o->pad_top,
        .pad_left = o->pad_left,
        .channel_groups = (int)o->channel_groups,
        .flags = o->flags,
        .detail = detail_of(model, o),
        .table = o->table == UINT64_MAX ? NULL : model->plan.data + o->table,
        .zero_point = o->zero_point,
        .low = o->low,
        .high = o->high,
        .zero_point_a = o->zero_point_a,
        .zero_point_b = o->zero_point_b,
        .factor_a = o->factor_a,
        .factor_b = o->factor_b,
        .factor_c = o->factor_c,
        .flip = model->family->flip,
    };
}

static bool is_stored(const edgecnn_model *model, uint32_t tensor)
{
    return model->plan.tensors[tensor].storage != STORAGE_OUTPUT;
}

/* Weights, bias and multipliers, packed where the family wants that. */
static void prepare_weights(const edgecnn_model *model, struct memory *memory, const struct plan_operation *o,
                            struct prepared *prepared)
{
    const struct family *family = model->family;
    struct kernel *kernel = &prepared->kernel;
    size_t channels = padded(o->output_channels);
    size_t taps = (size_t)o->kernel_h * o->kernel_w;
    kernel->weights = (const int8_t *)(model->plan.data + o->weights);
    kernel->bias = (const int32_t *)(model->plan.data + o->bias);
    kernel->multiplier = (const float *)(model->plan.data + o->multiplier);
    prepared->weight_block = 16 * taps * (o->code == OP_DEPTHWISE ? 1 : (o->channels + 3) / 4 * 4);
    if (family->flip) {
        int32_t *bias = take(memory, channels * sizeof *bias);
        kernel->bias = bias;
        if (memory->base)
            flip_bias(bias, kernel, &model->plan, o);
    }
    /* Depthwise results as float are portable's, which reads the plan's weights. */
    bool packs = o->code == OP_DEPTHWISE && family->depthwise_bytes && is_stored(model, o->output);
    size_t bytes = packs ? family->depthwise_bytes(o->kernel_h, o->kernel_w, o->stride_h, o->dilation_w) : 0;
    if (bytes) {
        uint8_t *packed = take(memory, channels * bytes);
        if (memory->base)
            family->pack_depthwise(packed, kernel->weights, kernel->bias, kernel->multiplier, (int)channels,
                                   o->kernel_h, o->kernel_w, o->stride_h);
        kernel->weights = (const int8_t *)packed;
        prepared->weight_block = 16 * bytes;
    }
    if (o->code == OP_CONVOLUTION && family->pack_convolution && is_stored(model, o->output)) {
        uint8_t *packed = take(memory, channels / 16 * prepared->weight_block);
        int steps = (int)(o->channels + 3) / 4, runs = o->kernel_h * o->kernel_w;
        if (o->dilation_w == 1 && (uint32_t)steps * 4 == model->plan.tensors[o->input[0]].block) {
            steps *= o->kernel_w; /* a kernel row's taps follow one another */
            runs = o->kernel_h;
        }
        if (memory->base)
            family->pack_convolution(packed, kernel->weights, channels / 16 * (size_t)runs, steps);
        kernel->weights = (const int8_t *)packed;
    }
}

static struct prepared prepare_operation(const edgecnn_model *model, struct memory *memory, uint32_t index)
{
    const struct plan_operation *o = &model->plan.operations[index];
    struct prepared prepared = {.kernel = common_kernel(model, o)};
    if (o->code == OP_CONVOLUTION || o->code == OP_DEPTHWISE || o->code == OP_GROUPED)
        prepare_weights(model, memory, o, &prepared);
    else if (has_map(o))
        prepared.kernel.weights = (const int8_t *)(model->plan.data + o->weights);
    return prepared;
}

/* Whether the family has values or an order of its own, which lie in the model's memory. */
static bool keeps_prepared(const struct family *family)
{
    return family->flip || family->depthwise_bytes || family->pack_convolution;
}

void prepare(edgecnn_model *model, struct memory *memory)
{
    uint32_t operations = model->plan.header->operations;
    if (!keeps_prepared(model->family))
        return;
    model->prepared = take(memory, operations * sizeof *model->prepared);
    for (uint32_t i = 0; i < operations; i++) {
        struct prepared prepared = prepare_operation(model, memory, i);
        if (memory->base)
            model->prepared[i] = prepared;
    }
}

struct prepared prepared_operation(const edgecnn_model *model, int index)
{
    struct memory none = {0};
    return model->prepared ? model->prepared[index] : prepare_operation(model, &none, (uint32_t)index);
}
