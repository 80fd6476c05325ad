// A block takes a state. Its threads share out the particles, except where the order of particles
// counts: one thread adds up B, as the CPU does, so that the mean has the same bits; one warp
// carries out the events, of which there are few: it looks at 32 particles at a time and goes from
// event to event. Working memory, 8 bytes a particle, is shared memory or scratch.
#include <limits>

#include "wpg/base/checks.hpp"
#include "wpg/base/cuda_kernel.hpp"
#include "wpg/transport/birth_death_cuda.hpp"
#include "wpg/transport/birth_death_math.hpp"

namespace wpg {
namespace cuda {
namespace {

/// Up to here a state's working memory and ancestors, 12 bytes a particle, lie in shared memory.
constexpr std::int64_t kMostShared = 4000;

/// Of a particle to which nothing happens. Otherwise `other` where it is killed, -1 - other where
/// it is duplicated.
constexpr std::int32_t kNoEvent = std::numeric_limits<std::int32_t>::min();

template <class T>
struct Task {
  T* out;
  std::int32_t* ancestors;
  const T* particles;
  const T* log_density;
  const T* q_values;
  double* scratch;  // null: shared memory
  int count;        // N
  std::int64_t dimension;
  PerState<T> temperature, rate, step_size;
  std::uint64_t step;
  PhiloxKeys<std::uint64_t> keys;
  Divider<std::uint64_t> by_dimension;
};

/// What one thread tells the others.
struct Census {
  double mean;
  int lost, forbidden;
};

template <class T>
__global__ void __launch_bounds__(kThreads) births(const __grid_constant__ Task<T> task) {
  const int t = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const int N = task.count, lane = t % 32;
  const std::int64_t state = blockIdx.x, D = task.dimension, first = state * N;
  Census* const census = shared_memory<Census>();
  double* const room =
      task.scratch != nullptr ? task.scratch + first : shared_memory<double>(sizeof(Census));
  std::int32_t* const ancestors = task.ancestors + first;
  std::int32_t* const from =
      task.scratch != nullptr ? ancestors
                              : shared_memory<std::int32_t>(sizeof(Census) + std::int64_t{8} * N);
  std::int32_t* const few = reinterpret_cast<std::int32_t*>(room);  // the allowed, then events
  const T* const log_density = task.log_density + first;
  const T* const q_values = task.q_values + first;
  const auto temperature = static_cast<double>(of_state(task.temperature, state));
  const double time = static_cast<double>(of_state(task.rate, state)) * temperature *
                      static_cast<double>(of_state(task.step_size, state));
  const auto standing = [&](int i) {
    return standing_of(static_cast<double>(log_density[i]), static_cast<double>(q_values[i]));
  };
  const auto excess = [&](int i) {
    return birth_death_excess(static_cast<double>(log_density[i]), static_cast<double>(q_values[i]),
                              temperature);
  };

  if (t == 0) census->lost = census->forbidden = 0;
  __syncthreads();
  for (int i = t; i < N; i += threads) {
    const Standing his = standing(i);
    if (his == Standing::lost) atomicAdd(&census->lost, 1);
    if (his == Standing::forbidden) atomicAdd(&census->forbidden, 1);
    room[i] = his == Standing::allowed ? excess(i) : 0.0;  // adding 0 changes no bit
    from[i] = i;
  }
  __syncthreads();
  const bool lost = census->lost > 0;
  const int allowed = N - census->forbidden;
  if (!lost && N >= 2 && allowed > 0) {
    if (t == 0) {
      double sum = 0;
      for (int i = 0; i < N; ++i) sum += room[i];
      census->mean = sum / static_cast<double>(allowed);
    }
    __syncthreads();
    if (allowed < N) {
      if (t < 32) {
        int before = 0;
        for (int base = 0; base < N; base += 32) {
          const int i = base + lane;
          const bool is_allowed = i < N && standing(i < N ? i : 0) == Standing::allowed;
          const unsigned mask = __ballot_sync(0xFFFFFFFFu, is_allowed);
          if (is_allowed) few[before + __popc(mask & ((1u << lane) - 1))] = i;
          before += __popc(mask);
        }
      }
      __syncthreads();
      for (int i = t; i < N; i += threads) {
        if (standing(i) != Standing::forbidden) continue;
        const EventDraws draws = event_draws(i, state, task.step, task.keys);
        from[i] = few[choice_of(draws.choice, allowed)];
      }
      __syncthreads();
    }
    const double mean = census->mean;
    for (int i = t; i < N; i += threads) {
      std::int32_t event = kNoEvent;
      if (standing(i) == Standing::allowed) {
        const double more = excess(i) - mean;
        const EventDraws draws = event_draws(i, state, task.step, task.keys);
        if (uniform_of(draws.event) < chance_of_event(time * std::abs(more))) {
          const auto other = static_cast<std::int32_t>(other_particle(draws.choice, i, N));
          event = more > 0 ? other : -1 - other;
        }
      }
      few[i] = event;
    }
    __syncthreads();
    if (t < 32) {
      for (int base = 0; base < N; base += 32) {
        const std::int32_t event = base + lane < N ? few[base + lane] : kNoEvent;
        unsigned left = __ballot_sync(0xFFFFFFFFu, event != kNoEvent);
        while (left != 0) {
          const int next = __popc((left & (0u - left)) - 1), i = base + next;
          left &= left - 1;
          const std::int32_t what = __shfl_sync(0xFFFFFFFFu, event, next);
          if (lane != 0 || from[i] != i) continue;
          if (what >= 0) {
            from[i] = from[what];
          } else {
            from[-1 - what] = i;
          }
        }
      }
    }
    __syncthreads();
  }

  T* const out = task.out + first * D;
  const T* const cloud = task.particles + first * D;
  if (from != ancestors) {
    for (int i = t; i < N; i += threads) ancestors[i] = from[i];
  }
  if (!lost && out == cloud) {  // in shared memory, a coordinate at a time
    T* const before = reinterpret_cast<T*>(room);
    for (std::int64_t d = 0; d < D; ++d) {
      for (int i = t; i < N; i += threads) before[i] = cloud[i * D + d];
      __syncthreads();
      for (int i = t; i < N; i += threads) {
        if (from[i] != i) out[i * D + d] = before[from[i]];
      }
      __syncthreads();
    }
    return;
  }
  for (std::int64_t e = t; e < N * D; e += threads) {
    const auto at = divide(static_cast<std::uint64_t>(e), task.by_dimension);
    const auto i = static_cast<std::int64_t>(at.whole), d = static_cast<std::int64_t>(at.rest);
    out[e] = lost ? kNotANumber<T> : cloud[from[i] * D + d];
  }
}

}  // namespace

template <class T>
std::int64_t birth_death_scratch(const CloudShape& shape, bool in_place) {
  if (shape.particles <= kMostShared) return 0;
  const std::int64_t bytes = shape.states * shape.particles * std::int64_t{8};
  return bytes + (in_place ? shape.size() * static_cast<std::int64_t>(sizeof(T)) : 0);
}

template <class T>
void birth_death(T* out, std::int32_t* ancestors, const T* particles, const T* log_density,
                 const T* q_values, const CloudShape& shape,
                 const BirthDeathParameters<T>& parameters, void* scratch, CudaStream on) {
  constexpr const char* kWhat = "birth_death";
  require_shape(shape);
  WPG_REQUIRE(
      shape.particles <= std::numeric_limits<std::int32_t>::max() - 64,
      "particles: N = " + std::to_string(shape.particles) + " is more than ancestors can count");
  require_step(parameters.step);
  require_positive(on_host(parameters.temperature), shape.states, "temperature");
  require_non_negative(on_host(parameters.rate), shape.states, "rate");
  require_non_negative(on_host(parameters.step_size), shape.states, "step_size");
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
  require_same_or_disjoint(out, bytes, particles, bytes, "particles");
  const std::int64_t room = birth_death_scratch<T>(shape, out == particles);
  WPG_REQUIRE(scratch != nullptr || room == 0, "scratch is null; it must hold the " +
                                                   std::to_string(room) +
                                                   " bytes that birth_death_scratch says");
  if (shape.size() == 0) return;
  const CurrentDevice device(device_of(out));
  const bool shared = shape.particles <= kMostShared;
  if (!shared && out == particles) {
    T* const copy =
        reinterpret_cast<T*>(static_cast<double*>(scratch) + shape.states * shape.particles);
    require_success(cudaMemcpyAsync(copy, particles, bytes, cudaMemcpyDeviceToDevice, on), kWhat);
    particles = copy;
  }
  Task<T> task{out,
               ancestors,
               particles,
               log_density,
               q_values,
               shared ? nullptr : static_cast<double*>(scratch),
               static_cast<int>(shape.particles),
               shape.dimension,
               parameters.temperature,
               parameters.rate,
               parameters.step_size,
               parameters.step,
               {},
               Divider<std::uint64_t>(static_cast<std::uint64_t>(shape.dimension))};
  philox_keys(parameters.seed, task.keys);
  int threads = 32;
  while (threads < kThreads && threads < shape.particles) threads *= 2;
  const std::int64_t memory =
      static_cast<std::int64_t>(sizeof(Census)) + (shared ? 12 * shape.particles : std::int64_t{0});
  launch(kWhat, on, {shape.states, threads, memory}, births<T>, task);
}

#define WPG_INSTANTIATE(T)                                                                         \
  template std::int64_t birth_death_scratch<T>(const CloudShape&, bool);                           \
  template void birth_death<T>(T*, std::int32_t*, const T*, const T*, const T*, const CloudShape&, \
                               const BirthDeathParameters<T>&, void*, CudaStream);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace cuda
}  // namespace wpg
