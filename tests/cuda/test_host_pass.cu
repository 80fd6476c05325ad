// The formula headers as nvcc compiles them for the host, one number at a time: the CPU's hashes.
// It needs no GPU. What differs from the .cu files' own check on a device is the compiler behind;
// what is the same is nvcc's reading of the headers.
#include "hash.hpp"
#include "wpg/base/normal.hpp"
#include "wpg/base/normal_group_math.hpp"
#include "wpg/transport/langevin.hpp"
#include "wpg/transport/langevin_math.hpp"
#include "wpg/transport/leimkuhler_matthews.hpp"
#include "wpg/transport/leimkuhler_matthews_math.hpp"

#ifndef __CUDACC__
#error "to be compiled by nvcc"
#endif

namespace {

using wpg::CloudShape;
using wpg::Stream;
using wpg::SupportKind;

const CloudShape kShapes[] = {{3, 8, 6}, {5, 7, 1}, {2, 1001, 3}, {300, 4, 2}, {2, 33, 17}};
constexpr std::uint64_t kSeed = 0xFEDCBA9876543210u, kStep = (std::uint64_t{1} << 40) - 2;

std::size_t as_size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// Calls visit(element, state, coordinate) in the order of the memory.
template <class Visit>
void each_element(const CloudShape& shape, const Visit& visit) {
  for (std::int64_t e = 0; e < shape.size(); ++e) {
    visit(e, e / shape.per_state(), e % shape.dimension);
  }
}

template <class T>
std::vector<T> draws(const CloudShape& shape, Stream stream, std::uint64_t step) {
  const wpg::DrawName name = wpg::draw_name(kSeed, stream, step);
  std::vector<T> out(as_size(shape.size()));
  each_element(shape, [&](std::int64_t e, std::int64_t s, std::int64_t d) {
    const std::int64_t n = e / shape.dimension % shape.particles;
    const auto group =
        wpg::normal_group<T>(name, static_cast<std::uint32_t>(n / wpg::kGroup<T>),
                             static_cast<std::uint32_t>(s), static_cast<std::uint32_t>(d));
    out[as_size(e)] = group.draw[n % wpg::kGroup<T>];
  });
  return out;
}

template <class T>
void normals() {
  for (const CloudShape& shape : kShapes) {
    std::vector<T> wanted(as_size(shape.size()));
    wpg::standard_normal(wanted.data(), shape, kSeed, Stream::behaviour, kStep);
    CHECK_EQUAL(hash_of(draws<T>(shape, Stream::behaviour, kStep)), hash_of(wanted));
  }
}

template <SupportKind kKind, class T>
T moved(T a, T drift, T xi, const wpg::Walls<T>& walls, T step_size, T temperature) {
  T start = a;
  if constexpr (wpg::is_squashed(kKind)) {
    const wpg::LinePoint<T> point = wpg::line_point<kKind, T>(a, walls);
    start = point.y;
    drift = wpg::line_drift<T>(drift, point, temperature);
  }
  const T scale = wpg::langevin_noise_scale<T>(step_size, temperature);
  return wpg::fold<kKind, T>(wpg::langevin_move<T>(start, drift, xi, step_size, scale), a, start,
                             walls);
}

template <class T, SupportKind kKind>
void steps() {
  const T step_size = T(0.07), temperature = kKind == SupportKind::box_clip ? T(0) : T(0.4);
  for (const CloudShape& shape : kShapes) {
    std::vector<T> low, high;
    for (std::int64_t d = 0; d < shape.dimension; ++d) {
      low.push_back(T(-1) - T(0.01) * static_cast<T>(d % 5));
      high.push_back(T(0.7) + T(0.03) * static_cast<T>(d % 7));
    }
    auto support = wpg::Support<T>::unbounded();
    if constexpr (kKind == SupportKind::torus) {
      support = wpg::Support<T>::torus(high.data(), shape.dimension);
    } else if constexpr (kKind != SupportKind::unbounded) {
      support = wpg::Support<T>::box(low.data(), high.data(), shape.dimension, kKind);
    }
    const std::vector<T> particles = numbers<T>(shape.size(), 1);
    std::vector<T> drift = numbers<T>(shape.size(), 2);
    for (T& g : drift) g *= 9;  // over the walls, here and there more than once
    for (const Stream stream : {Stream::langevin, Stream::leimkuhler_matthews}) {
      wpg::LangevinParameters<T> parameters;
      parameters.step_size = {&step_size, 0};
      parameters.temperature = {&temperature, 0};
      parameters.seed = kSeed;
      parameters.step = kStep;
      std::vector<T> wanted(particles.size()), found(particles.size());
      const bool averaged = stream == Stream::leimkuhler_matthews;
      const auto& step = averaged ? wpg::leimkuhler_matthews<T> : wpg::langevin<T>;
      step(wanted.data(), particles.data(), drift.data(), shape, parameters, support);

      std::vector<T> xi = draws<T>(shape, stream, kStep);
      if (averaged) {
        const std::vector<T> next = draws<T>(shape, stream, kStep + 1);
        for (std::size_t i = 0; i < xi.size(); ++i) {
          xi[i] = wpg::averaged_noise<T>(xi[i], next[i]);
        }
      }
      each_element(shape, [&](std::int64_t e, std::int64_t, std::int64_t d) {
        const auto i = as_size(e);
        wpg::Walls<T> walls{};
        if constexpr (kKind != SupportKind::unbounded) walls = support.walls(d);
        const T noise = temperature == T(0) ? T(0) : xi[i];
        found[i] = moved<kKind, T>(particles[i], drift[i], noise, walls, step_size, temperature);
      });
      CHECK_EQUAL(hash_of(found), hash_of(wanted));
    }
  }
}

template <class T>
void all() {
  normals<T>();
  steps<T, SupportKind::unbounded>();
  steps<T, SupportKind::box_reflect>();
  steps<T, SupportKind::box_clip>();
  steps<T, SupportKind::box_tanh>();
  steps<T, SupportKind::box_probit>();
  steps<T, SupportKind::torus>();
}

}  // namespace

int main() {
  all<float>();
  all<double>();
  return result();
}
