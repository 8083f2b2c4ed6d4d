/* The machine: files of /proc and /sys that the workstation reads facts and state from. */
#include "agent.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* What edgecnn_runtime.host.facts reads. */
static const char *const files[] = {
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/loadavg",
    "/proc/stat",
    "/proc/device-tree/model",
    "/sys/devices/virtual/dmi/id/product_name",
    "/sys/devices/system/cpu/cpufreq/policy*/cpuinfo_m??_freq",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
    "/sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq",
    "/sys/class/thermal/thermal_zone*/type",
    "/sys/class/thermal/thermal_zone*/temp",
    "/sys/devices/platform/soc*/soc*:firmware/get_throttled",
    "/sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count",
};
/* /proc/cpuinfo of a hundred cores; of /proc/stat the first line is read. */
enum { MOST_BYTES = 1 << 18 };

static void print_file(const char *path, bool is_first)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return;
    char *text = allocate(MOST_BYTES, 1);
    size_t size = fread(text, 1, MOST_BYTES, file);
    fclose(file);
    char *line_end = memchr(text, '\n', size);
    if (strcmp(path, "/proc/stat") == 0 && line_end)
        size = (size_t)(line_end - text);
    raw(is_first ? "" : ", ");
    print_text(path + 1, strlen(path + 1));
    raw(": ");
    print_text(text, size);
    free(text);
}

/* Adds "machine": files by their path, and what only a program of the board can ask. */
void add_machine(double workers_seconds)
{
    struct utsname names = {0};
    struct tms spent;
    uname(&names);
    times(&spent);
    double ticks = (double)sysconf(_SC_CLK_TCK);
    double own = (double)(spent.tms_utime + spent.tms_stime + spent.tms_cutime + spent.tms_cstime);
    raw(", \"machine\": {\"name\": ");
    print_text(names.machine, strlen(names.machine));
    add_text("system", names.sysname);
    add_text("release", names.release);
    add_whole("cores", sysconf(_SC_NPROCESSORS_ONLN));
    add_number("own_seconds", own / ticks + workers_seconds);
    raw(", \"files\": {");
    bool is_first = true;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        glob_t matched;
        if (glob(files[i], 0, NULL, &matched) != 0)
            continue;
        for (size_t j = 0; j < matched.gl_pathc; j++) {
            if (access(matched.gl_pathv[j], R_OK) != 0)
                continue;
            print_file(matched.gl_pathv[j], is_first);
            is_first = false;
        }
        globfree(&matched);
    }
    raw("}}");
}

void print_machine(void)
{
    begin_event("machine");
    add_text("version", edgecnn_version());
    raw(", \"kernels\": [");
    for (int i = 0; edgecnn_kernels(i) != NULL; i++)
        raw("%s\"%s\"", i ? ", " : "", edgecnn_kernels(i));
    raw("]");
    add_machine(0);
    end_event();
}

double agent_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The largest resident set of this process so far; 0 where the kernel does not say. */
int64_t peak_memory_bytes(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long long kilobytes = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lld kB", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes * 1024;
}
