#include "wpg/base/normal_tile_cuda.hpp"
#include "wpg/transport/langevin_checks.hpp"
#include "wpg/transport/langevin_cuda.hpp"
#include "wpg/transport/langevin_math.hpp"
#include "wpg/transport/leimkuhler_matthews_math.hpp"

namespace wpg {
namespace cuda {
namespace {

template <class T>
struct Step {
  T* out;
  const T* particles;
  const T* drift;
  CounterGrid<T> grid;
  DrawName name, next_name;  // of this step's draw and of the next one's
  bool averaged;             // over the two: the noise of Leimkuhler and Matthews
  PerState<T> step_size, temperature;
  wpg::Preconditioner<T> preconditioner;
  KernelSupport<T> support;
};

/// What a step of one state is made of.
template <class T>
struct StateStep {
  T step_size, temperature, noise_scale;
};

template <class T>
__device__ __forceinline__ StateStep<T> state_step(const Step<T>& step, std::int64_t state) {
  const T eta = of_state(step.step_size, state), tau = of_state(step.temperature, state);
  return {eta, tau, langevin_noise_scale<T>(eta, tau)};
}

/// Zeros where the noise has no size.
template <class T>
__device__ __forceinline__ NormalGroup<T> noise_at(const Step<T>& step, const CounterPlace& at,
                                                   const StateStep<T>& of) {
  if (of.noise_scale == T(0)) return {};
  NormalGroup<T> noise = draw_at<T>(at, step.name);
  if (step.averaged) {
    const NormalGroup<T> next = draw_at<T>(at, step.next_name);
    for (int k = 0; k < kGroup<T>; ++k) {
      noise.draw[k] = averaged_noise<T>(noise.draw[k], next.draw[k]);
    }
  }
  return noise;
}

/// The drift of the coordinate that moves: the action, or y in a squashed box, where it starts.
template <class T>
struct Start {
  T at, drift;
};

template <SupportKind kKind, class T>
__device__ __forceinline__ Start<T> start_of(T a, T drift, const Walls<T>& walls, T temperature) {
  if constexpr (is_squashed(kKind)) {
    const LinePoint<T> point = line_point<kKind, T>(a, walls);
    return {point.y, line_drift<T>(drift, point, temperature)};
  } else {
    return {a, drift};
  }
}

template <SupportKind kKind, class T>
__device__ __forceinline__ T moved(T a, T drift, T xi, const Walls<T>& walls,
                                   const StateStep<T>& of) {
  const Start<T> start = start_of<kKind, T>(a, drift, walls, of.temperature);
  const T x = langevin_move<T>(start.at, start.drift, xi, of.step_size, of.noise_scale);
  return fold<kKind, T>(x, a, start.at, walls);
}

template <class T, SupportKind kKind>
__global__ void __launch_bounds__(kThreads) step_tiles(const __grid_constant__ Step<T> step) {
  TileWalk<T> walk(step.grid);
  const std::uint32_t first_coordinate = walk.first_coordinate();
  for (int i = 0; i < kTiles; ++i, walk.next()) {
    Quad<T> a{}, g{};
    StateStep<T> of{};
    NormalGroup<T> noise{};
    if (walk.any()) {
      // Asked for first: they are on their way while the noise is drawn.
      a = *reinterpret_cast<const Quad<T>*>(step.particles + walk.first());
      g = *reinterpret_cast<const Quad<T>*>(step.drift + walk.first());
      const CounterPlace at = walk.place();
      of = state_step(step, at.state);
      noise = noise_at(step, at, of);
    }
    const Quad<T> xi = walk.exchange(noise);
    if (!walk.any()) continue;
    std::uint32_t d = first_coordinate;
    for (int k = 0; k < Quad<T>::kCount; ++k) {
      const Walls<T>& walls = step.support.walls[d * step.support.stride];
      a.x[k] = moved<kKind, T>(a.x[k], g.x[k], xi.x[k], walls, of);
      d = d + 1 == step.grid.dimension ? 0 : d + 1;
    }
    *reinterpret_cast<Quad<T>*>(step.out + walk.first()) = a;
  }
}

template <class T, SupportKind kKind>
__global__ void __launch_bounds__(kThreads) step_one_by_one(const __grid_constant__ Step<T> step) {
  const std::int64_t counter = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (counter >= step.grid.counters) return;
  const CounterPlace at = place_of(counter, step.grid);
  const StateStep<T> of = state_step(step, at.state);
  const NormalGroup<T> noise = noise_at(step, at, of);
  const Walls<T> walls = step.support.walls[at.coordinate * step.support.stride];
  const std::int64_t D = step.grid.dimension, N = step.grid.particles;
  const std::int64_t n = std::int64_t{at.group} * kGroup<T>;
  const std::int64_t first = (at.state * N + n) * D + at.coordinate;
  for (int k = 0; k < kGroup<T> && n + k < N; ++k) {
    const std::int64_t e = first + k * D;
    step.out[e] = moved<kKind, T>(step.particles[e], step.drift[e], noise.draw[k], walls, of);
  }
}

/// A block of threads takes one group of particles: its noise and its drift, the latter of y in a
/// squashed box, lie in shared memory, since every coordinate wants those of all.
template <class T, SupportKind kKind>
__global__ void __launch_bounds__(kThreads)
    step_preconditioned(const __grid_constant__ Step<T> step) {
  const std::int64_t D = step.grid.dimension, N = step.grid.particles;
  T* const xi = shared_memory<T>();
  T* const drift = xi + kGroup<T> * D;
  const auto group = divide(std::uint64_t{blockIdx.x}, step.grid.by_groups);
  const auto state = static_cast<std::int64_t>(group.whole);
  const auto of_state_group = static_cast<std::uint32_t>(group.rest);
  const std::int64_t n = std::int64_t{of_state_group} * kGroup<T>;
  const std::int64_t rows = N - n < kGroup<T> ? N - n : kGroup<T>;
  const std::int64_t first = (state * N + n) * D;
  const StateStep<T> of = state_step(step, state);
  for (std::int64_t d = threadIdx.x; d < D; d += kThreads) {
    const NormalGroup<T> noise =
        noise_at(step, {state, of_state_group, static_cast<std::uint32_t>(d)}, of);
    const Walls<T> walls = step.support.walls[d * step.support.stride];
    for (int k = 0; k < kGroup<T>; ++k) {
      const std::int64_t e = k * D + d;
      xi[e] = noise.draw[k];
      if (k >= rows) continue;
      drift[e] = start_of<kKind, T>(step.particles[first + e], step.drift[first + e], walls,
                                    of.temperature)
                     .drift;
    }
  }
  __syncthreads();
  const auto& pre = step.preconditioner;
  const bool full = pre.kind == wpg::Preconditioner<T>::Kind::full;
  const T* const matrix = pre.matrix + state * pre.stride;
  for (std::int64_t e = threadIdx.x; e < rows * D; e += kThreads) {
    const auto at = divide(static_cast<std::uint64_t>(e), step.grid.by_dimension);
    const auto row = static_cast<std::int64_t>(at.whole), d = static_cast<std::int64_t>(at.rest);
    const T* const row_drift = drift + row * D;
    const T* const row_noise = xi + row * D;
    T along, noise;
    if (full) {
      along = row_product<T>(matrix + d * D, row_drift, D);
      noise = row_product<T>(pre.root + state * pre.stride + d * D, row_noise, d + 1);
    } else {
      along = matrix[d] * row_drift[d];
      noise = square_root(matrix[d]) * row_noise[d];
    }
    const Walls<T> walls = step.support.walls[d * step.support.stride];
    const T a = step.particles[first + e];
    const T start = start_of<kKind, T>(a, T(0), walls, of.temperature).at;
    const T x = langevin_move<T>(start, along, noise, of.step_size, of.noise_scale);
    step.out[first + e] = fold<kKind, T>(x, a, start, walls);
  }
}

template <class T, SupportKind kKind>
void run(const Step<T>& step, std::int64_t states, CudaStream on) {
  constexpr const char* kWhat = "langevin";
  if (step.preconditioner.kind != wpg::Preconditioner<T>::Kind::none) {
    const std::int64_t bytes =
        2 * kGroup<T> * step.grid.dimension * static_cast<std::int64_t>(sizeof(T));
    launch(kWhat, on, {states * step.grid.groups, kThreads, bytes}, step_preconditioned<T, kKind>,
           step);
  } else if (step.grid.whole() && is_aligned(step.out) && is_aligned(step.particles) &&
             is_aligned(step.drift)) {
    launch(kWhat, on, step.grid.in_tiles(), step_tiles<T, kKind>, step);
  } else {
    launch(kWhat, on, step.grid.one_by_one(), step_one_by_one<T, kKind>, step);
  }
}

}  // namespace

template <class T>
void langevin_step(T* out, const T* particles, const T* drift, const CloudShape& shape,
                   const LangevinParameters<T>& parameters, const Support<T>& support,
                   Stream stream, CudaStream on) {
  require_langevin(shape, on_host(parameters), support);
  require_steps(parameters.step, 1, stream);
  WPG_REQUIRE(parameters.preconditioner.kind == wpg::Preconditioner<T>::Kind::none ||
                  shape.dimension <= 1024,
              "a preconditioner on a GPU takes D up to 1024; the particles have D = " +
                  std::to_string(shape.dimension));
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
  require_same_or_disjoint(out, bytes, particles, bytes, "particles");
  require_same_or_disjoint(out, bytes, drift, bytes, "drift");
  if (shape.size() == 0) return;
  const CurrentDevice device(device_of(out));
  const bool averaged = stream == Stream::leimkuhler_matthews;
  const Step<T> step{out,
                     particles,
                     drift,
                     CounterGrid<T>(shape),
                     draw_name(parameters.seed, stream, parameters.step),
                     draw_name(parameters.seed, stream, parameters.step + (averaged ? 1 : 0)),
                     averaged,
                     parameters.step_size,
                     parameters.temperature,
                     parameters.preconditioner,
                     kernel_support(support, shape.dimension)};
  switch (support.kind) {
    case SupportKind::box_reflect:
      return run<T, SupportKind::box_reflect>(step, shape.states, on);
    case SupportKind::box_clip:
      return run<T, SupportKind::box_clip>(step, shape.states, on);
    case SupportKind::box_tanh:
      return run<T, SupportKind::box_tanh>(step, shape.states, on);
    case SupportKind::box_probit:
      return run<T, SupportKind::box_probit>(step, shape.states, on);
    case SupportKind::torus:
      return run<T, SupportKind::torus>(step, shape.states, on);
    default:
      return run<T, SupportKind::unbounded>(step, shape.states, on);
  }
}

template <class T>
void langevin(T* out, const T* particles, const T* drift, const CloudShape& shape,
              const LangevinParameters<T>& parameters, const Support<T>& support, CudaStream on) {
  langevin_step(out, particles, drift, shape, parameters, support, Stream::langevin, on);
}

template <class T>
void leimkuhler_matthews(T* out, const T* particles, const T* drift, const CloudShape& shape,
                         const LangevinParameters<T>& parameters, const Support<T>& support,
                         CudaStream on) {
  langevin_step(out, particles, drift, shape, parameters, support, Stream::leimkuhler_matthews, on);
}

#define WPG_INSTANTIATE(T)                                                                \
  template void langevin_step<T>(T*, const T*, const T*, const CloudShape&,               \
                                 const LangevinParameters<T>&, const Support<T>&, Stream, \
                                 CudaStream);                                             \
  template void langevin<T>(T*, const T*, const T*, const CloudShape&,                    \
                            const LangevinParameters<T>&, const Support<T>&, CudaStream); \
  template void leimkuhler_matthews<T>(T*, const T*, const T*, const CloudShape&,         \
                                       const LangevinParameters<T>&, const Support<T>&,   \
                                       CudaStream);
WPG_INSTANTIATE(float)
WPG_INSTANTIATE(double)

}  // namespace cuda
}  // namespace wpg
