/* Constants for families that hold x - 128 as a signed byte. */
#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where the i-th weight of output channel c lies. */
static size_t weight_at(const struct plan_operation *o, size_t c, size_t i, size_t taps, size_t depth)
{
    if (o->code == OP_DEPTHWISE)
        return c / 16 * taps * 16 + i * 16 + c % 16;
    if (o->code == OP_CONVOLUTION)
        return c / 16 * taps * depth * 16 + i / 4 * 64 + c % 16 * 4 + i % 4;
    return c * taps * depth + i;
}

/* The bias that signed activations, x - 128, want: 128 times the sum of the weights more. Also what bounds
 * the sums, from the weights. */
void flip_bias(int32_t *to, struct kernel *kernel, const struct plan *plan, const struct plan_operation *o)
{
    const int32_t *bias = (const int32_t *)(plan->data + o->bias);
    const float *multiplier = (const float *)(plan->data + o->multiplier);
    const int8_t *weights = (const int8_t *)(plan->data + o->weights);
    size_t taps = (size_t)o->kernel_h * o->kernel_w;
    size_t depth = o->code == OP_DEPTHWISE ? 1 : (o->channels / o->channel_groups + 3) / 4 * 4;
    double most = 0;
    kernel->symmetric = true;
    memcpy(to, bias, ((size_t)o->output_channels + 15) / 16 * 16 * sizeof *to);
    for (size_t c = 0; c < o->output_channels; c++) {
        int32_t sum = 0, size = 0;
        for (size_t i = 0; i < taps * depth; i++) {
            int weight = weights[weight_at(o, c, i, taps, depth)];
            sum += weight;
            size += abs(weight);
            kernel->symmetric &= weight != -128;
        }
        to[c] += 128 * sum;
        double largest = (fabs((double)bias[c]) + 255.0 * size) * fabs((double)multiplier[c]);
        most = largest > most ? largest : most;
    }
    kernel->bounded = most < 32000; /* a zero point's 255 and the rounding are less than the rest */
}
