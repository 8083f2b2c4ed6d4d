/* The MUSTs of what operations read from the data: weights, biases, multipliers, tables, maps. */
#include "check.h"

#include <math.h>

/* A float32 of less rounds into an int32 on every processor; the products here are rounded themselves. */
static const float MOST_SCALED = 2147482624;
/* Operations may share constants, which are packed for each: all they read may be so often the data, or so much. */
enum { MOST_SHARED = 16, MOST_CONSTANTS = 1 << 24 };

static uint64_t products_of(const struct plan_operation *o)
{
    uint64_t taps = (uint64_t)o->kernel_h * o->kernel_w;
    return o->code == OP_DEPTHWISE ? taps : taps * round_up(o->channels / o->channel_groups, 4);
}

static bool check_weights(struct check *check, const struct plan_operation *o)
{
    uint64_t data = check->plan->header->data;
    MUST(products_of(o) <= 60000, "its sums may leave 32 bits");
    uint64_t channels = round_up(o->output_channels, 16);
    uint64_t bytes = (o->code == OP_GROUPED ? o->output_channels : channels) * products_of(o);
    MUST(lies_within(o->weights, bytes, data), "its weights are outside the data");
    MUST(lies_within(o->bias, channels * 4, data), "its bias is outside the data");
    MUST(lies_within(o->multiplier, channels * 4, data), "its multipliers are outside the data");
    check->constants += bytes + channels * 8;
    MUST(check->constants <= MOST_CONSTANTS || check->constants <= MOST_SHARED * data,
         "more shared weights than memory should hold");
    return true;
}

/* No sum leaves int32, no scaled sum the range that rounds alike everywhere; nor those behind the last
 * channel, which kernels compute with the others. */
static bool check_sums(struct check *check, const struct plan_operation *o)
{
    const int32_t *bias = (const int32_t *)(check->plan->data + o->bias);
    const float *multiplier = (const float *)(check->plan->data + o->multiplier);
    bool is_float = is_callers(&check->plan->tensors[o->output]);
    uint64_t channels = round_up(o->output_channels, 16);
    check->values += channels;
    MUST(check->values <= MOST_VALUES, "too many channels in all");
    for (uint64_t c = 0; c < channels; c++) {
        int64_t largest = (bias[c] < 0 ? -(int64_t)bias[c] : bias[c]) + (int64_t)products_of(o) * 255 * 128;
        MUST(largest < ((int64_t)1 << 31), "its sums may leave 32 bits");
        MUST(isfinite(multiplier[c]), "a multiplier is not a finite number");
        MUST(is_float || fabsf(multiplier[c]) * (float)largest < MOST_SCALED,
             "a scaled sum may leave 32 bits");
    }
    return true;
}

static bool check_products(struct check *check, const struct plan_operation *o)
{
    MUST(o->channel_groups >= 1 && o->channels % o->channel_groups == 0 &&
             o->output_channels % o->channel_groups == 0,
         "its channel groups");
    MUST(o->channel_groups == 1 || o->code == OP_GROUPED, "channel groups without OP_GROUPED");
    return check_weights(check, o) && check_sums(check, o);
}

/* Of channels, or of rows and columns. */
static bool check_map(struct check *check, const struct plan_operation *o)
{
    const struct plan_tensor *in = &check->plan->tensors[o->input[0]], *out = &check->plan->tensors[o->output];
    uint64_t count = o->code == OP_CHANNELS ? o->output_channels : (uint64_t)out->height + out->width;
    MUST(lies_within(o->weights, count * 4, check->plan->header->data), "its map is outside the data");
    check->values += count;
    MUST(check->values <= MOST_VALUES, "too many channels in all");
    const uint32_t *map = (const uint32_t *)(check->plan->data + o->weights);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t limit = o->code == OP_CHANNELS ? o->channels : i < out->height ? in->height : in->width;
        MUST(map[i] < limit, "its map points outside the input");
    }
    return true;
}

/* Sums of a pool fit int32; what is scaled by factors rounds alike everywhere. */
static bool check_factors(const struct check *check, const struct plan_operation *o)
{
    const struct plan_tensor *in = &check->plan->tensors[o->input[0]];
    MUST(isfinite(o->factor_a) && isfinite(o->factor_b) && isfinite(o->factor_c), "a factor");
    MUST(fabsf(o->factor_a) < 1e6f && fabsf(o->factor_b) < 1e6f && fabsf(o->factor_c) < 1e6f,
         "a factor above a million");
    float largest = 0;
    if (o->code == OP_GLOBAL_POOL)
        largest = 255.0f * (float)in->height * (float)in->width;
    if (o->code == OP_AVERAGE_POOL)
        largest = 255.0f * (float)o->kernel_h * (float)o->kernel_w;
    if (o->code == OP_MULTIPLY)
        largest = 255.0f * 255.0f;
    MUST(largest < MOST_SCALED, "its sums may leave 32 bits");
    MUST(largest * fabsf(o->factor_a) + fabsf(o->factor_c) < MOST_SCALED,
         "a scaled sum may leave 32 bits");
    bool converts = o->code == OP_QUANTISE || o->code == OP_DEQUANTISE;
    MUST(!converts || o->factor_a > 0, "its scale");
    return true;
}

bool check_constants(struct check *check, const struct plan_operation *o)
{
    MUST(o->table == UINT64_MAX || lies_within(o->table, 256, check->plan->header->data),
         "its table is outside the data");
    if (!check_factors(check, o))
        return false;
    if (o->code == OP_CHANNELS || o->code == OP_RESIZE)
        return check_map(check, o);
    return !has_products(o) || check_products(check, o);
}
