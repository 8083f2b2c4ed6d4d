/* The plan's MUSTs, checked before a byte of it is used: here those of the file and its tensors. */
#include "check.h"

#include <math.h>
#include <string.h>

static const uint64_t MOST_BYTES = (uint64_t)1 << 32;

bool refuse(const struct check *check, const char *what)
{
    if (check->kind == NULL)
        return fail(check->error, EDGECNN_PLAN, "the plan is damaged: %s", what);
    return fail(check->error, EDGECNN_PLAN, "the plan is damaged: %s %u: %s", check->kind, check->index,
                what);
}

/* The sections, one after another to the end of the file. */
static bool find_sections(const struct check *check, const uint8_t *bytes, struct plan *plan)
{
    const struct plan_header *header = (const struct plan_header *)bytes;
    uint64_t tensors = sizeof *header;
    uint64_t operations = round_up(tensors + (uint64_t)header->tensors * sizeof(struct plan_tensor), 64);
    uint64_t groups = round_up(operations + (uint64_t)header->operations * sizeof(struct plan_operation), 64);
    uint64_t names = round_up(groups + (uint64_t)header->groups * sizeof(struct plan_group), 64);
    uint64_t data = round_up(names + header->names, 64);
    MUST(data + header->data == header->size, "its sections do not fill the file");
    MUST(header->names == 0 || bytes[names + header->names - 1] == 0, "the last name has no end");
    *plan = (struct plan){
        .header = header,
        .tensors = (const struct plan_tensor *)(bytes + tensors),
        .operations = (const struct plan_operation *)(bytes + operations),
        .groups = (const struct plan_group *)(bytes + groups),
        .names = (const char *)bytes + names,
        .data = bytes + data,
    };
    return true;
}

static bool check_file(const struct check *check, const uint8_t *bytes, size_t size, struct plan *plan)
{
    const struct plan_header *header = (const struct plan_header *)bytes;
    if (size < sizeof *header || memcmp(bytes, PLAN_MAGIC, 8) != 0)
        return fail(check->error, EDGECNN_PLAN, "this is not a plan: it does not begin with " PLAN_MAGIC);
    MUST((uintptr_t)bytes % 64 == 0, "its bytes are not 64-byte aligned in memory");
    if (header->endian != PLAN_ENDIAN)
        return fail(check->error, EDGECNN_PLAN, "the plan is of the other byte order");
    if (header->version != PLAN_VERSION)
        return fail(check->error, EDGECNN_PLAN,
                    "the plan is of version %u, this library reads version %d; install a later edgecnn-native",
                    header->version, PLAN_VERSION);
    MUST(header->size == size, "its size is not that of the file");
    MUST(size <= MOST_BYTES, "more than 4 GiB");
    MUST(header->tensors <= MOST_RECORDS && header->operations <= MOST_RECORDS, "too many records");
    MUST(header->groups >= 1 && header->groups <= header->operations, "the number of groups");
    MUST(header->names <= size && header->data <= size, "a section is larger than the file");
    MUST(header->arena <= MOST_BYTES && header->scratch <= MOST_BYTES, "more than 4 GiB of memory");
    return find_sections(check, bytes, plan);
}

/* A caller makes its arrays as large as edgecnn_input and edgecnn_output say. */
static bool check_array(const struct check *check, const struct plan_tensor *tensor)
{
    uint64_t values = (uint64_t)tensor->height * tensor->width * tensor->channels;
    MUST(values * (tensor->type == TYPE_FLOAT32 ? 4 : 1) <= INT32_MAX, "an array of more than 2 GiB");
    MUST(tensor->pitch == 0 && tensor->block == 0 && tensor->pad_left == 0 && tensor->pad_right == 0 &&
             tensor->offset == 0,
         "a layout of the caller's array");
    return true;
}

static bool check_layout(const struct check *check, const struct plan_tensor *tensor)
{
    const struct plan_header *header = check->plan->header;
    MUST(tensor->type == TYPE_UINT8, "its type: only uint8 is stored");
    MUST(tensor->pitch >= tensor->channels && tensor->pitch <= MOST_CHANNELS + 64, "its pitch");
    MUST(tensor->pitch % 16 == 0 || tensor->pitch == 4, "its pitch is no multiple of 16");
    MUST(tensor->block == tensor->pitch || tensor->block == 64, "its channel block");
    MUST(tensor->block == tensor->pitch || tensor->storage == STORAGE_RING, "channel blocks without a ring");
    MUST(tensor->rows - 1 < tensor->height, "its rows");
    MUST(is_ring(tensor) || tensor->rows == tensor->height, "rows are missing");
    MUST(tensor->pad_left <= MOST_PADS && tensor->pad_right <= MOST_PADS, "its pads");
    uint64_t pixels = (uint64_t)tensor->pad_left + tensor->width + tensor->pad_right;
    uint64_t room = tensor->storage == STORAGE_RING ? header->scratch : header->arena;
    MUST(lies_within(tensor->offset, pixels * tensor->rows * tensor->pitch, room), "it is outside its memory");
    return true;
}

static bool check_tensor(const struct check *check, const struct plan_tensor *tensor)
{
    MUST(tensor->name < check->plan->header->names, "its name is outside the names");
    MUST(tensor->storage <= STORAGE_ARENA_RING && tensor->type <= TYPE_FLOAT32, "its storage or type");
    MUST(tensor->height - 1 < MOST_PIXELS && tensor->width - 1 < MOST_PIXELS, "its height or width");
    MUST(tensor->channels - 1 < MOST_CHANNELS, "its number of channels");
    MUST(tensor->vector == 0 || (tensor->vector == 1 && tensor->height == 1 && tensor->width == 1),
         "a vector of more than one pixel");
    MUST(isfinite(tensor->scale), "its scale");
    MUST(tensor->reserved == 0, "a reserved field is not 0");
    return is_callers(tensor) ? check_array(check, tensor) : check_layout(check, tensor);
}

bool plan_check(const void *bytes, size_t size, struct plan *plan, edgecnn_error *error)
{
    struct check check = {.plan = plan, .error = error};
    if (!check_file(&check, bytes, size, plan))
        return false;
    check.kind = "tensor";
    for (check.index = 0; check.index < plan->header->tensors; check.index++)
        if (!check_tensor(&check, &plan->tensors[check.index]))
            return false;
    check.kind = "operation";
    for (check.index = 0; check.index < plan->header->operations; check.index++)
        if (!check_operation(&check, &plan->operations[check.index]))
            return false;
    return check_groups(&check);
}
