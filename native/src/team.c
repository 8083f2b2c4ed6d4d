/* A team of threads that run one task together: the strips of a group, or the channels of its layers. */
#include "model.h"

#ifdef EDGECNN_NO_THREADS

struct team *team_open(int threads) { (void)threads; return NULL; }
void team_close(struct team *team) { (void)team; }
void team_run(struct team *team, void (*task)(void *, int), void *context) { (void)team; task(context, 0); }
void team_meet(struct team *team) { (void)team; }

#else

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

/* Threads that find nothing to do look this often before they sleep: about 50 microseconds. */
enum { LOOKS = 4000 };

struct team {
    int threads;
    pthread_t *members;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_int round;  /* of tasks */
    atomic_int asleep;
    atomic_int done;   /* members that have finished the round */
    atomic_int arrived, meeting;
    void (*task)(void *, int);
    void *context;
    bool closing;
};

struct member {
    struct team *team;
    int thread;
};

static void pause_a_little(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void await_round(struct team *team, int seen)
{
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load_explicit(&team->round, memory_order_acquire) != seen)
            return;
        pause_a_little();
    }
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->asleep, 1);
    while (atomic_load(&team->round) == seen)
        pthread_cond_wait(&team->wake, &team->lock);
    atomic_fetch_sub(&team->asleep, 1);
    pthread_mutex_unlock(&team->lock);
}

static void *member_main(void *context)
{
    struct member member = *(struct member *)context;
    free(context);
    struct team *team = member.team;
    for (int seen = 0;; seen++) {
        await_round(team, seen);
        if (team->closing)
            return NULL;
        team->task(team->context, member.thread);
        atomic_fetch_add_explicit(&team->done, 1, memory_order_release);
    }
}

static void start_round(struct team *team)
{
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add_explicit(&team->round, 1, memory_order_release);
    if (atomic_load(&team->asleep))
        pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->lock);
}

/* Waits for a counter, yielding the core now and then: the machine may have fewer than the team. */
static void await(atomic_int *counter, int value)
{
    for (int i = 1; atomic_load_explicit(counter, memory_order_acquire) != value; i++) {
        pause_a_little();
        if (i % LOOKS == 0)
            sched_yield();
    }
}

void team_run(struct team *team, void (*task)(void *, int), void *context)
{
    team->task = task;
    team->context = context;
    atomic_store(&team->done, 0);
    start_round(team);
    task(context, 0);
    await(&team->done, team->threads - 1);
}

void team_meet(struct team *team)
{
    int meeting = atomic_load(&team->meeting);
    if (atomic_fetch_add(&team->arrived, 1) == team->threads - 1) {
        atomic_store(&team->arrived, 0);
        atomic_store_explicit(&team->meeting, meeting + 1, memory_order_release);
        return;
    }
    await(&team->meeting, meeting + 1);
}

void team_close(struct team *team)
{
    team->closing = true;
    start_round(team);
    for (int i = 0; i < team->threads - 1; i++)
        pthread_join(team->members[i], NULL);
    pthread_cond_destroy(&team->wake);
    pthread_mutex_destroy(&team->lock);
    free(team->members);
    free(team);
}

struct team *team_open(int threads)
{
    struct team *team = calloc(1, sizeof *team);
    pthread_t *members = calloc((size_t)threads, sizeof *members);
    if (team == NULL || members == NULL) {
        free(team);
        free(members);
        return NULL;
    }
    team->members = members;
    team->threads = 1;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->wake, NULL);
    for (int i = 1; i < threads; i++) {
        struct member *member = malloc(sizeof *member);
        if (member)
            *member = (struct member){team, i};
        if (member == NULL || pthread_create(&members[i - 1], NULL, member_main, member) != 0) {
            free(member);
            team_close(team);
            return NULL;
        }
        team->threads = i + 1;
    }
    return team;
}

#endif
