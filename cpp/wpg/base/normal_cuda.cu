#include "wpg/base/checks.hpp"
#include "wpg/base/normal_cuda.hpp"
#include "wpg/base/normal_tile_cuda.hpp"

namespace wpg {
namespace cuda {
namespace {

template <class T>
struct Draws {
  T* out;
  CounterGrid<T> grid;
  DrawName name;
};

template <class T>
__global__ void __launch_bounds__(kThreads) draw_tiles(const __grid_constant__ Draws<T> draws) {
  TileWalk<T> walk(draws.grid);
  for (int i = 0; i < kTiles; ++i, walk.next()) {
    NormalGroup<T> drawn{};
    if (walk.any()) drawn = draw_at<T>(walk.place(), draws.name);
    const Quad<T> mine = walk.exchange(drawn);
    if (walk.any()) *reinterpret_cast<Quad<T>*>(draws.out + walk.first()) = mine;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    draw_one_by_one(const __grid_constant__ Draws<T> draws) {
  const std::int64_t counter = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (counter >= draws.grid.counters) return;
  const CounterPlace at = place_of(counter, draws.grid);
  const NormalGroup<T> drawn = draw_at<T>(at, draws.name);
  const std::int64_t D = draws.grid.dimension, N = draws.grid.particles;
  const std::int64_t n = std::int64_t{at.group} * kGroup<T>;
  T* const to = draws.out + (at.state * N + n) * D + at.coordinate;
  for (int k = 0; k < kGroup<T> && n + k < N; ++k) to[k * D] = drawn.draw[k];
}

}  // namespace

template <class T>
void standard_normal(T* out, const CloudShape& shape, std::uint64_t seed, Stream stream,
                     std::uint64_t step, CudaStream on) {
  require_shape(shape);
  require_step(step);
  if (shape.size() == 0) return;
  const CurrentDevice device(device_of(out));
  const Draws<T> draws{out, CounterGrid<T>(shape), draw_name(seed, stream, step)};
  if (draws.grid.whole() && is_aligned(out)) {
    launch("standard_normal", on, draws.grid.in_tiles(), draw_tiles<T>, draws);
  } else {
    launch("standard_normal", on, draws.grid.one_by_one(), draw_one_by_one<T>, draws);
  }
}

template void standard_normal<float>(float*, const CloudShape&, std::uint64_t, Stream,
                                     std::uint64_t, CudaStream);
template void standard_normal<double>(double*, const CloudShape&, std::uint64_t, Stream,
                                      std::uint64_t, CudaStream);

}  // namespace cuda
}  // namespace wpg
