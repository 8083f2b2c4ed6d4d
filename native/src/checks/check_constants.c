/* The MUSTs of what operations read from the data: weights, biases, multipliers, tables, maps. */
#include "check.h"

#include <math.h>

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

/* How many numbers a part of a map holds, and what they are below. */
struct part {
    uint64_t count, limit;
};

static bool check_part(struct check *check, const uint32_t *map, struct part part)
{
    check->values += part.count;
    MUST(check->values <= MOST_VALUES, "too many channels in all");
    for (uint64_t i = 0; i < part.count; i++)
        MUST(map[i] < part.limit, "its map points outside the input");
    return true;
}

/* Taps of the window, and channels. */
static bool check_taps(struct check *check, const struct plan_operation *o, const uint32_t *map)
{
    uint64_t taps = (uint64_t)o->kernel_h * o->kernel_w;
    check->values += o->output_channels;
    MUST(check->values <= MOST_VALUES, "too many channels in all");
    for (uint64_t i = 0; i < o->output_channels; i++)
        MUST(map[i] >> TAP_SHIFT < taps && (map[i] & ((1u << TAP_SHIFT) - 1)) < o->channels,
             "its map points outside the input");
    return true;
}

static bool check_shares(const struct check *check, const float *shares, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        MUST(shares[i] >= 0 && shares[i] <= 1, "a weight of a row or column");
    return true;
}

/* Of channels, or of rows and columns. */
static bool check_map(struct check *check, const struct plan_operation *o)
{
    const struct plan_tensor *in = &check->plan->tensors[o->input[0]], *out = &check->plan->tensors[o->output];
    uint64_t pixels = (uint64_t)out->height + out->width, count = pixels;
    if (o->code == OP_CHANNELS)
        count = o->output_channels;
    if (o->code == OP_DEPTH_TO_SPACE)
        count = (uint64_t)o->stride_h * o->stride_w * o->output_channels;
    uint64_t shares = o->code == OP_BILINEAR ? 2 * pixels : 0;
    MUST(lies_within(o->weights, (count + shares) * 4, check->plan->header->data), "its map is outside the data");
    const uint32_t *map = (const uint32_t *)(check->plan->data + o->weights);
    if (o->code == OP_CHANNELS)
        return check_taps(check, o, map);
    if (o->code == OP_DEPTH_TO_SPACE)
        return check_part(check, map, (struct part){count, o->channels});
    return check_part(check, map, (struct part){out->height, in->height}) &&
           check_part(check, map + out->height, (struct part){out->width, in->width}) &&
           check_shares(check, (const float *)(map + pixels), shares);
}

/* The exponentials of a Softmax, whose largest is never 0. */
static bool check_exponentials(const struct check *check, const struct plan_operation *o)
{
    MUST(lies_within(o->weights, 256 * sizeof(uint32_t), check->plan->header->data),
         "its exponentials are outside the data");
    const uint32_t *exps = (const uint32_t *)(check->plan->data + o->weights);
    MUST(exps[255] > 0, "the exponential of its largest value is 0");
    return true;
}

bool check_constants(struct check *check, const struct plan_operation *o)
{
    MUST(o->table == UINT64_MAX || lies_within(o->table, 256, check->plan->header->data),
         "its table is outside the data");
    if (!check_factors(check, o))
        return false;
    switch (o->code) {
    case OP_CHANNELS:
    case OP_RESIZE:
    case OP_DEPTH_TO_SPACE:
    case OP_BILINEAR:
        return check_map(check, o);
    case OP_SOFTMAX:
        return check_exponentials(check, o);
    case OP_DEQUANTISE:
        MUST(o->weights == UINT64_MAX || lies_within(o->weights, 256 * sizeof(float), check->plan->header->data),
             "its reals are outside the data");
        return true;
    default:
        return !has_products(o) || check_products(check, o);
    }
}
