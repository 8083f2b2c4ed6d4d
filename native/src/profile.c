/* Times of layers: edgecnn_profile. */
#include "clock.h"
#include "model.h"

#include <stdlib.h>
#include <time.h>

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static const char *const KINDS[KERNELS_END] = {
    [OP_QUANTISE] = "quantise", [OP_DEQUANTISE] = "dequantise", [OP_CONVOLUTION] = "convolution",
    [OP_DEPTHWISE] = "depthwise", [OP_GROUPED] = "grouped", [OP_ADD] = "add", [OP_MULTIPLY] = "multiply",
    [OP_TABLE] = "table", [OP_MAX_POOL] = "max pool", [OP_AVERAGE_POOL] = "average pool",
    [OP_GLOBAL_POOL] = "global pool", [OP_COPY] = "copy", [OP_CHANNELS] = "channels", [OP_RESIZE] = "resize",
    [OP_PAD] = "pad", [OP_DEPTH_TO_SPACE] = "depth to space", [OP_BILINEAR] = "bilinear",
    [OP_RESPONSE_NORM] = "response norm", [OP_SOFTMAX] = "softmax", [OP_FUNCTION] = "function",
};

static double multiplications(const struct plan *plan, const struct plan_operation *o)
{
    if (o->code != OP_CONVOLUTION && o->code != OP_DEPTHWISE && o->code != OP_GROUPED)
        return 0;
    const struct plan_tensor *out = &plan->tensors[o->output];
    double depth = o->code == OP_DEPTHWISE ? 1 : (double)o->channels / o->channel_groups;
    return (double)out->height * out->width * o->output_channels * depth * o->kernel_h * o->kernel_w;
}

static edgecnn_layer layer_of(const edgecnn_model *model, int index, double seconds)
{
    const struct plan_operation *o = &model->plan.operations[index];
    return (edgecnn_layer){
        .name = model->plan.names + model->plan.tensors[o->output].name,
        .kind = KINDS[o->code],
        .seconds = seconds,
        .multiplications = multiplications(&model->plan, o),
    };
}

int edgecnn_profile(edgecnn_model *model, const void *const *inputs, void *const *outputs, edgecnn_layer *layers,
                    int room, edgecnn_error *error)
{
    if (model == NULL || room < 0 || (layers == NULL && room > 0)) {
        fail(error, EDGECNN_INPUT, "a null pointer, or room for %d layers", room);
        return -1;
    }
    int count = (int)model->plan.header->operations;
    double *seconds = calloc((size_t)count, sizeof *seconds);
    if (seconds == NULL) {
        fail(error, EDGECNN_MEMORY, "out of memory: times of %d layers", count);
        return -1;
    }
    int code = run_batch(model, 1, inputs, outputs, seconds, error);
    for (int i = 0; code == EDGECNN_OK && i < count && i < room; i++)
        layers[i] = layer_of(model, i, seconds[i]);
    free(seconds);
    return code == EDGECNN_OK ? count : -1;
}
